"""The project's files agree with one another."""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import cache
import kernels
import nbformat
import notebooks
import pytest
import yaml
from places import ROOT

BRIEF = {"jupyter-book", "numpy", "torch", "matplotlib", "ipywidgets", "nbval"}
CHAPTERS = notebooks.all_notebooks()


def address():
    """Return the repository's public address."""
    return yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]


def requirements():
    """Return the lines of requirements.txt as name to bounds."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pairs = [
        re.match(r"([\w-]+)(.*)", line).groups() for line in lines if line[0] != "#"
    ]
    return dict(pairs)


def test_readers_get_lower_bounds_only():
    """requirements.txt holds the six packages of the brief and one upper bound."""
    assert set(requirements()) >= BRIEF
    for name, bounds in requirements().items():
        expected = r">=[\d.]+,<2" if name == "jupyter-book" else r">=[\d.]+"
        assert re.fullmatch(expected, bounds), name


def test_lock_pins_everything_to_one_version():
    """The lock file has one version of each package, without local marks."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.!]+", pin) for pin in pins)
    names = [pin.split("==")[0].lower().replace("_", "-") for pin in pins]
    assert len(set(names)) == len(names)
    assert set(requirements()) <= set(names)
    assert "jupyter-book==1.0.4.post1" in pins


def test_the_package_asks_for_what_readers_install():
    """pyproject's bounds are those of requirements.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]["notebooks"]
    for line in project["dependencies"] + extras:
        name, bounds = re.match(r"([\w-]+)(.*)", line).groups()
        assert requirements()[name] == bounds


def test_one_public_address():
    """Wherever the repository's address stands, it is the one of _config.yml."""
    files = [
        "README.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "pyproject.toml",
        "intro.md",
    ]
    texts = {name: (ROOT / name).read_text() for name in files}
    texts |= {path.name: path.read_text() for path in CHAPTERS}
    for name, text in texts.items():
        own = re.findall(r"https://github\.com/[\w-]+/runnable-notes[\w-]*", text)
        assert set(own) <= {address()}, name
    assert address() in texts["intro.md"]
    assert address() in texts["CITATION.cff"]


def test_readme_names_real_targets_and_chapters():
    """Each `make` target of README and CONTRIBUTING exists; every chapter is listed."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:`|^|=\S* )make ([a-z]+)", text, flags=re.MULTILINE))
    assert {"serve", "test"} <= named <= targets
    for path in CHAPTERS:
        assert path.relative_to(ROOT).as_posix() in text
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


def test_help_lists_every_target():
    """`make help` has a line for each target that a person may call."""
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in (
        "serve",
        "html",
        "test",
        "lint",
        "unit",
        "nbval",
        "notebooks",
        "lock",
    ):
        assert re.search(rf"^{target}\s+\w", listed, flags=re.MULTILINE), target


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_notebooks_are_in_the_form_of_git(path):
    """No pictures, no counts, the book's set-up cell, stored as the formatter does."""
    assert notebooks.problems(path) == []


PLANTS = {
    "count": lambda cell: cell.update(execution_count=3),
    "picture": lambda cell: cell.update(
        outputs=[nbformat.v4.new_output("display_data", {"image/png": "AA=="})]
    ),
    "set-up": lambda cell: cell.update(
        source="import sys", metadata={"tags": ["setup"]}
    ),
    "silent": lambda cell: cell.update(metadata={"tags": ["nbval-ignore-output"]}),
}


@pytest.mark.parametrize("fault", PLANTS)
def test_each_fault_of_form_is_seen(tmp_path, fault):
    """A healthy notebook passes; each planted fault is named with the notebook."""
    setup = nbformat.v4.new_code_cell(notebooks.setup_source())
    setup.metadata["tags"] = ["setup"]
    notebook = nbformat.v4.new_notebook(cells=[setup, nbformat.v4.new_code_cell("1")])
    path = tmp_path / "planted.ipynb"
    path.write_text(notebooks.to_text(notebooks.git_form(notebook)))
    assert notebooks.problems(path) == []
    planted = notebooks.read(path)
    PLANTS[fault](planted.cells[0 if fault == "set-up" else 1])
    path.write_text(json.dumps(planted))
    assert any("planted.ipynb" in problem for problem in notebooks.problems(path))


def test_a_cell_that_raises_is_named(tmp_path, monkeypatch):
    """A notebook that fails stops the build with its path, cell and error."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    cells = [nbformat.v4.new_code_cell(text) for text in ("1 + 1", "1 / 0")]
    path = tmp_path / "failing.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    message = r"failing\.ipynb, code cell 1: (.|\n)*ZeroDivisionError"
    with pytest.raises(notebooks.NotebookError, match=message):
        notebooks.run(path)


@pytest.mark.parametrize(
    "manager", [kernels.FolderKernelManager, kernels.AsyncFolderKernelManager]
)
def test_each_kernel_has_a_folder_of_its_own(manager, tmp_path, monkeypatch):
    """No two kernels can take each other's ports; a name too long is not tried."""
    managers = [manager(), manager()]
    folders = [Path(each.ip).parent for each in managers]
    assert [each.transport for each in managers] == ["ipc", "ipc"]
    assert folders[0] != folders[1]
    assert all(folder.is_dir() for folder in folders)
    deep = tmp_path / ("x" * kernels.LONGEST)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert manager().transport == "tcp"


def test_keys_change_with_what_results_depend_on(tmp_path, monkeypatch):
    """A change of the notebook, of what it imports or of the lock gives another key."""
    notebook, package = tmp_path / "a.ipynb", tmp_path / "src" / "notebook_utils"
    lock, private = tmp_path / "requirements.lock", package / "_private.py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    code = "%matplotlib inline\nif True:\n    !ls\nfrom notebook_utils.topic import f"
    new = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(new, notebook)
    (package / "topic.py").write_text("from notebook_utils._private import f\n")
    (package / "other.py").write_text("")
    private.write_text("f = 1\n")
    lock.write_text("")
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    # the small package in place of the real one, which comes back afterwards
    loaded = [name for name in sys.modules if name.startswith("notebook_utils.")]
    for name in ["notebook_utils", *loaded]:
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path / "src")
    keys = [cache.notebook_key(notebook)]
    for file in (notebook, package / "topic.py", private, lock):
        file.write_text(file.read_text() + "\n")
        keys.append(cache.notebook_key(notebook))
    assert len(set(keys)) == 5
    (package / "other.py").write_text("g = 1\n")
    assert cache.notebook_key(notebook) == keys[-1]


def test_frames_depend_on_all_that_their_module_imports():
    """The explorer's key covers the topic module, its private siblings and plotting."""
    module = "notebook_utils.explorers.convolution_arithmetic"
    names = {path.name for path in cache.frames_files(module)}
    assert names >= {
        "convolution_arithmetic.py", "controls.py", "core.py", "frames.py", "_svg.py",
        "plotting.py", "convolution.py", "_windows.py", "_patches.py", "arrays.py",
    }  # fmt: skip


def test_too_old_a_python_is_one_line():
    """The environment's script says what is wrong under a Python that is too old."""
    code = (
        "import sys; sys.path.insert(0, '_ext'); import environment;"
        " sys.version_info = (3, 9, 1); environment.create('nowhere')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert "Python 3.9.1 is too old, 3.11 or newer is needed" in done.stderr


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("ERROR: Failed building wheel for numpy\nerror: gcc", "C compiler"),
        ("Temporary failure in name resolution", "no package index within reach"),
        ("ERROR: No matching distribution found for torch==2.13.0", "has no torch=="),
        ("OSError: No space left on device", "the disk is full"),
    ],
)
def test_a_failed_installation_has_a_cause(output, expected):
    """What pip prints at length becomes one clear line."""
    import environment

    cause = environment.cause(output)
    assert expected in cause
    assert "\n" not in cause


def test_a_port_in_use_is_one_line(monkeypatch):
    """Serving on a port that is taken names the port and another way."""
    import socket

    import book

    monkeypatch.setattr(book, "build", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} cannot be used .*PORT="):
            book.serve(port)
