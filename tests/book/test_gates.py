"""Each gate is seen to close: a fault is planted in a small book, and it goes red."""

import os
import shutil
import subprocess
import sys

import nbformat
import notebooks
import pytest
from places import ROOT

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


class Book:
    """A small copy of the book: its machinery, one notebook, one explorer."""

    def __init__(self, root):
        self.root = root
        for name in ("_ext", "src"):
            ignore = shutil.ignore_patterns(
                "__pycache__", "*.egg-info", "convolution_*"
            )
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        for name in ("_config.yml", "references.bib", "requirements.lock"):
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


def test_a_number_that_changed(book):
    """nbval compares the stored number with the computed one, and names the cell."""
    passed, printed = book.run("_ext/book.py", "notebooks")
    assert passed, printed
    command = ("-m", "pytest", "--nbval", "chapters", "-q", "-p", "no:cacheprovider")
    passed, printed = book.run(*command)
    assert passed, printed
    book.write(CHAPTER, book.read(CHAPTER).replace("42", "43"))
    passed, printed = book.run(*command)
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
