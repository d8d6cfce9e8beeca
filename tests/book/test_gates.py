"""Each gate is seen to close: a fault is planted in a small book, and it goes red."""

import os
import shutil
import subprocess
import sys

import nbformat
import notebooks
import pytest
from places import ROOT, find_chromium

from notebook_utils.explorers.core import all_explorers

CHAPTER = "chapters/part/planted.ipynb"
MODULE = "src/notebook_utils/explorers/planted.py"
EXPLORER = '''
"""A small explorer."""

from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.topic import double


def draw(ax, size):
    """Draw a line."""
    ax.plot([0, double(size)])


explorer = Explorer(
    name="planted",
    module=__name__,
    title="A line",
    description="A line from zero to twice the size.",
    controls=(Slider("size", "Size", 1, 5, 2),),
    canvas=lambda figure: figure.add_subplot(),
    layers=(Layer(draw),),
    readout=(("twice", Layer(lambda size: str(double(size)))),),
)
'''
TOPIC = '''
"""A small topic."""


def double(x):
    """Return twice x."""
    return 2 * x
'''
PICTURE = """\
from notebook_utils.plotting import show, subplots

figure, ax = subplots()
ax.plot([0, 1])
show(figure, caption="A line.", alt="A line that rises from zero to one.", name="fig-a")
"""
TEXT = """\
# Planted

As {numref}`fig-a` and {eq}`eq-a` show {cite}`dumoulin2016guide`.

$$ a $$ (eq-a)

```{bibliography}
```
"""
SHOW = "from notebook_utils.explorers.planted import explorer\n\nexplorer.show()"


REAL = {f"{e.module.rpartition('.')[2]}.py" for e in all_explorers().values()}


class Book:
    """A small copy of the book: its machinery, one notebook, one explorer."""

    def __init__(self, root):
        self.root = root
        for name in ("_ext", "src"):
            # without the real explorers, which take minutes to render
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", *REAL)
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        files = "_config.yml", "references.bib", "requirements.lock", "pyproject.toml"
        for name in files:
            shutil.copy(ROOT / name, root / name)
        (root / "chapters" / "part").mkdir(parents=True)
        shutil.copy(ROOT / "chapters" / "conftest.py", root / "chapters")
        self.write("intro.md", "# Small\n\n[a chapter](chapters/part/planted.ipynb)\n")
        file = CHAPTER.removesuffix(".ipynb")
        toc = "format: jb-book\nroot: intro\nparts:\n- caption: Part\n  chapters:\n"
        self.write("_toc.yml", f"{toc}  - file: {file}\n")
        self.write("src/notebook_utils/topic.py", TOPIC.lstrip())
        self.write(MODULE, EXPLORER.lstrip())
        self.cells = [
            ("markdown", TEXT),
            ("setup", notebooks.setup_source()),
            ("code", "from notebook_utils.topic import double\n\nprint(double(21))"),
            ("code", PICTURE),
            ("code", SHOW),
        ]
        self.save()

    def write(self, name, text):
        """Write one of the book's files."""
        (self.root / name).write_text(text, encoding="utf-8")

    def read(self, name):
        """Read one of the book's files."""
        return (self.root / name).read_text(encoding="utf-8")

    def save(self):
        """Write the notebook from its cells, without outputs."""
        notebook = nbformat.v4.new_notebook()
        for kind, source in self.cells:
            new = "new_markdown_cell" if kind == "markdown" else "new_code_cell"
            cell = getattr(nbformat.v4, new)(source)
            if kind == "setup":
                cell.metadata["tags"] = ["setup"]
            notebook.cells.append(cell)
        self.write(CHAPTER, notebooks.to_text(notebooks.git_form(notebook)))

    def run(self, *command):
        """Run a command in the copy; return whether it passed, and what it printed."""
        environment = os.environ | {"PYTHONPATH": str(self.root / "src")}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout

    def take(self, *names):
        """Copy files of the project, tests for the most part."""
        for name in names:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)

    def test(self, *arguments):
        """Run pytest in the copy."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)

    def build(self):
        """Build the copy as `make html` does."""
        return self.run("_ext/book.py", "build")

    def page(self):
        """Return the chapter's page."""
        return self.read("_build/html/chapters/part/planted.html")


@pytest.fixture
def book(tmp_path):
    """A healthy small book."""
    return Book(tmp_path)


def test_a_healthy_book_is_built_and_then_cached(book):
    """Nothing planted, nothing found; a second build does nothing."""
    passed, printed = book.build()
    assert passed, printed
    assert "executed" in printed
    assert "rendered" in printed
    assert ">42\n" in book.page()
    passed, printed = book.build()
    assert passed
    assert "executed" not in printed
    assert "rendered" not in printed
    assert "built" not in printed
    passed, printed = book.run("_ext/book.py", "report")
    assert passed
    assert "up to date" in printed


def test_a_changed_template_is_built_again(book):
    """The site's key covers everything in _ext, not only its Python."""
    assert book.build()[0]
    template = "_ext/explorer.html"
    book.write(template, book.read(template).replace("Reset", "Start over"))
    passed, printed = book.build()
    assert passed, printed
    assert "Start over" in book.page()


def test_the_cache_forgets_what_is_old_and_unused(book):
    """Old files go, unless this build uses them."""
    assert book.build()[0]
    cache = book.root / "_build" / "cache"
    kept = [path for path in cache.rglob("*") if path.is_file()]
    unused = cache / "notebooks" / "gone.ipynb"
    unused.write_text("")
    for path in [*kept, unused]:
        os.utime(path, (0, 0))
    passed, printed = book.build()
    assert passed
    assert "executed" not in printed
    assert not unused.exists()
    assert all(path.exists() for path in kept)


def test_a_cell_that_raises(book):
    """The build names the notebook, the cell and the error."""
    book.cells.append(("code", "1 / 0"))
    book.save()
    passed, printed = book.build()
    assert not passed
    assert f"{CHAPTER}, code cell 4" in printed
    assert "ZeroDivisionError" in printed


def test_a_cell_that_warns(book):
    """A warning would stand on the page: the build names the notebook and the cell."""
    book.cells.append(("code", "import warnings\n\nwarnings.warn('so many words')"))
    book.save()
    passed, printed = book.build()
    assert not passed
    assert f"{CHAPTER}, code cell 4 warns" in printed
    assert "so many words" in printed


def test_a_number_that_changed(book):
    """nbval compares the stored number with the computed one, and names the cell."""
    passed, printed = book.run("_ext/book.py", "notebooks")
    assert passed, printed
    command = ("--nbval", "chapters")
    passed, printed = book.test(*command)
    assert passed, printed
    book.write(CHAPTER, book.read(CHAPTER).replace("42", "43"))
    passed, printed = book.test(*command)
    assert not passed
    assert f"{CHAPTER}::Cell 1" in printed


def test_an_explorer_that_raises_at_one_end(book):
    """One bad position of one control fails the build with explorer and setting."""
    bad = "    if size == 5:\n        raise KeyError(size)\n    ax.plot"
    book.write(MODULE, book.read(MODULE).replace("    ax.plot", bad))
    passed, printed = book.build()
    assert not passed
    assert "explorer planted at {'size': 5}: KeyError: 5" in printed


def test_a_changed_function_with_a_warm_cache(book):
    """A change in the package reaches the page: no stale number, no stale frame."""
    assert book.build()[0]
    frames = {path.name for path in (book.root / "_build/html/_explorers").iterdir()}
    topic = "src/notebook_utils/topic.py"
    book.write(topic, book.read(topic).replace("return 2 * x", "return 3 * x"))
    passed, printed = book.build()
    assert passed, printed
    assert ">63\n" in book.page()
    assert ">42\n" not in book.page()
    after = {path.name for path in (book.root / "_build/html/_explorers").iterdir()}
    assert frames.isdisjoint(after)


REFERENCES = {
    "equation": ("{eq}`eq-missing`", "eq-missing"),
    "figure": ("{numref}`fig-missing`", "fig-missing"),
    "citation": ("{cite}`missing2000`", "missing2000"),
    "page": ("[there](missing.md)", "missing.md"),
    "section": ("[there](#missing-section)", "missing-section"),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_broken_reference(book, kind):
    """A reference to nothing is a warning, a warning is an error, and it is named."""
    text, named = REFERENCES[kind]
    book.cells.append(("markdown", f"See {text}."))
    book.save()
    passed, printed = book.build()
    assert not passed
    assert named in printed
    assert "planted.ipynb" in printed


def test_a_notebook_over_its_budget(book):
    """A notebook that computes for too long is refused with the time it took."""
    path = "_ext/notebooks.py"
    book.write(path, book.read(path).replace("False: 20", "False: 1"))
    spin = "import time\nwhile time.process_time() < 3:\n    pass"
    book.cells.append(("code", spin))
    book.save()
    passed, printed = book.build()
    assert not passed
    assert f"{CHAPTER} took " in printed
    assert "s of CPU, its budget is 1 s" in printed


@pytest.mark.parametrize(
    "words", ['caption="A line."', 'alt="A line that rises from zero to one."']
)
def test_a_picture_without_words(book, words):
    """A picture without alternative text or caption does not get shown."""
    assert words in PICTURE
    book.cells[3] = ("code", PICTURE.replace(words, words.partition("=")[0] + '=" "'))
    book.save()
    passed, printed = book.build()
    assert not passed
    assert "a figure needs a caption and an alternative text" in printed
    assert f"{CHAPTER}, code cell 2" in printed


MAPS = {
    "an unknown chapter": ("planted -> gone", "['gone'] is no chapter"),
    "no arrow": ("planted", "planted is no chapter"),
    "a circle": ("planted -> planted", "its arrows run in a circle"),
}


@pytest.mark.parametrize("fault", [None, *MAPS])
def test_a_map_that_is_wrong(book, fault):
    """The map of chapters names chapters, and no chapter helps with itself."""
    line, named = MAPS.get(fault, ("", ""))
    text = f"{book.read('intro.md')}\n```{{chapter-map}}\n{line}\n```\n"
    book.write("intro.md", text)
    passed, printed = book.build()
    assert passed == (fault is None), printed
    assert fault is None or named in printed


FORMS = {
    "an execution count": lambda cells: cells[2].update(execution_count=7),
    "a picture": lambda cells: cells[3].update(
        outputs=[nbformat.v4.new_output("display_data", {"image/png": "AA=="})]
    ),
    "no set-up cell": lambda cells: cells.pop(1),
}


@pytest.mark.parametrize("fault", [None, *FORMS])
def test_a_notebook_in_another_form(book, fault):
    """Image data, execution counts and a missing set-up cell are refused in git."""
    book.take("tests/places.py", "tests/book/test_project.py")
    if fault:
        notebook = notebooks.read(book.root / CHAPTER)
        FORMS[fault](notebook.cells)
        book.write(CHAPTER, nbformat.writes(notebook))
    passed, printed = book.test("tests/book/test_project.py", "-k", "form_of_git")
    assert passed == (fault is None), printed
    assert ("planted.ipynb" in printed) == (fault is not None)


HEAVY = {
    None: "import numpy",
    "torch": "import torch",
    "matplotlib": "from matplotlib import pyplot",
    "ipywidgets": "import ipywidgets as widgets",
}


@pytest.mark.parametrize("package", HEAVY)
def test_a_topic_module_that_is_heavy(book, package):
    """A topic module brings no torch, matplotlib or ipywidgets along."""
    book.take("tests/unit/conftest.py", "tests/unit/test_layers.py")
    book.write("src/notebook_utils/topic.py", f"{HEAVY[package]}\n")
    passed, printed = book.test("tests/unit/test_layers.py", "-k", "topic")
    assert passed == (package is None), printed
    assert ("test_a_topic_module_is_light[topic]" in printed) == (package is not None)


ABROAD = {
    "a picture": '<img src="https://example.org/a.png" alt="A picture.">',
    "a style": '<link rel="stylesheet" href="https://example.org/a.css">',
    "a script": '<script src="https://example.org/a.js"></script>',
}


@pytest.mark.parametrize("fault", [None, *ABROAD])
def test_a_page_that_loads_from_elsewhere(book, fault):
    """What a page names to be loaded comes from the book itself."""
    book.take("tests/places.py", "tests/book/conftest.py", "tests/book/test_pages.py")
    book.write("intro.md", book.read("intro.md") + "\n" + ABROAD.get(fault, ""))
    passed, printed = book.build()
    assert passed, printed
    passed, printed = book.test("tests/book/test_pages.py", "-k", "another_host")
    assert passed == (fault is None), printed
    assert ("intro.html: https://example.org/a" in printed) == (fault is not None)


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium found")
@pytest.mark.parametrize("fault", [False, True])
def test_a_page_that_asks_elsewhere_as_it_runs(book, fault):
    """A script that asks another host is caught in the act."""
    book.take(*(f"tests/{name}.py" for name in ("places", "browser/conftest")))
    book.take("tests/browser/test_visits.py")
    script = "<script>fetch('https://example.org/' + 'data')</script>"
    book.write("intro.md", book.read("intro.md") + "\n" + script * fault)
    passed, printed = book.build()
    assert passed, printed
    passed, printed = book.test("tests/browser/test_visits.py", "-k", "home and intro")
    assert passed != fault, printed
    assert ("https://example.org/data" in printed) == fault
    assert ("test_page_stays_at_home[1280-intro.html]" in printed) == fault


LEDGER = """\
part: Part
topics:
  doubling: {title: Doubling, chapter: chapters/part/planted}
  waiting: {title: Waiting}
claims:
  - id: A-001
    topic: doubling
    note: "000"
    lines: "7-9"
    heading: H
    claim: Twice $x$ is $3x$.
    verdict: fails
    correction: It is $2x$.
    section: planted
    test: tests/claims/test_small.py::test_double
unjudged:
  waiting: {"001": {X-01-01: "12"}}
"""
CLAIM = '''
"""A small claim."""


def test_double():
    def noted(x):
        return 3 * x

    def corrected(x):
        return 2 * x

    assert noted(5) == 15
    for x in (1, 5):
        assert corrected(x) == x + x
'''


@pytest.fixture
def claims(book):
    """A small book with a ledger of one verdict."""
    book.take(
        "ledger/the-notes-checked.md", "ledger/tests.md", "tests/claims/conftest.py",
        "tests/claims/mutation.py", "tests/claims/test_ledger.py",
        "tests/claims/test_mutations.py",
    )  # fmt: skip
    toc = book.read("_toc.yml") + "  - file: ledger/the-notes-checked\n"
    book.write("_toc.yml", toc + "  - file: ledger/tests\n")
    book.write("ledger/part.yml", LEDGER)
    book.write("tests/claims/test_small.py", CLAIM.lstrip())
    book.cells.append(("markdown", "```{claims}\n```"))
    book.save()
    return book


def test_a_ledger_in_order(claims):
    """Its tests pass; its page and the chapter show the verdict."""
    passed, printed = claims.test("tests/claims")
    assert passed, printed
    passed, printed = claims.build()
    assert passed, printed
    page = claims.read("_build/html/ledger/the-notes-checked.html")
    assert 'id="claim-A-001"' in page
    assert 'id="claim-X-01-01"' in page
    assert "1 claim is not judged yet" in page
    assert "1 fail" in claims.page()
    assert "the-notes-checked.html#claim-A-001" in claims.page()


SKIP = '    import pytest\n\n    pytest.skip("later")\n'
SKIP_FILE = 'import pytest\n\npytest.skip("later", allow_module_level=True)'
MARK = '\nimport pytest\n\n\n@pytest.mark.xfail(reason="later", run=False)'
IDLE = "\ndef test_idle():\n    pass"
NO_TEST = ("ledger/part.yml", "::test_double", "::test_triple")
VERDICTS = {
    "no test": (
        NO_TEST,
        "A-001: there is no test tests/claims/test_small.py::test_tri",
    ),
    "a claim that waits in a chapter": (
        ("ledger/part.yml", "title: Waiting", "title: Waiting, chapter: chapters/a/b"),
        "['X-01-01'] == []",
    ),
    "a skipped test": (
        ("tests/claims/test_small.py", "    assert noted", SKIP + "    assert noted"),
        "A-001: the test of a claim was skipped",
    ),
    "a test that is marked": (
        ("tests/claims/test_small.py", "\ndef test_double", MARK + "\ndef test_double"),
        "A-001: the test of a claim was skipped",
    ),
    "a file that is skipped": (
        ("tests/claims/test_small.py", "\n\n\ndef", "\n" + SKIP_FILE + "\n\n\ndef"),
        "A-001: the test of a claim was skipped",
    ),
    "a test that fails": (
        ("tests/claims/test_small.py", "return 2 * x", "return 4 * x"),
        "test_small.py::test_double",
    ),
    "a test that notices nothing": (
        ("tests/claims/test_small.py", "== x + x", "is not None"),
        "corrected: 2 -> 3",
    ),
    "a failure that is none": (
        ("tests/claims/test_small.py", "return 3 * x", "return 2 * x"),
        "test_small.py::test_double",
    ),
    "a form that is missing": (
        ("ledger/part.yml", "verdict: fails", "verdict: holds"),
        "test_a_verdict_has_the_forms_that_it_needs[A-001]",
    ),
    "a test that no claim names": (
        ("tests/claims/test_small.py", "\ndef", f"{IDLE}\n\n\ndef"),
        "test_every_test_proves_a_claim",
    ),
}


@pytest.mark.parametrize("fault", VERDICTS)
def test_a_verdict_without_proof(claims, fault):
    """`pytest tests/claims` names the claim that is not proved."""
    (name, old, new), named = VERDICTS[fault]
    assert old in claims.read(name)
    claims.write(name, claims.read(name).replace(old, new, 1))
    passed, printed = claims.test("tests/claims")
    assert not passed, printed
    assert named in printed


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (NO_TEST, "A-001: there is no test"),
        (("ledger/part.yml", "section: planted", "section: gone"), "gone"),
        (("ledger/part.yml", "It is $2x$.", "See {eq}`eq-gone`."), "eq-gone"),
    ],
)
def test_a_verdict_that_leads_nowhere(claims, fault, named):
    """The build stops at a verdict without its test, section or equation."""
    name, old, new = fault
    claims.write(name, claims.read(name).replace(old, new, 1))
    passed, printed = claims.build()
    assert not passed
    assert named in printed
