"""Run the notebooks, and keep them in the form in which git holds them.

In git a notebook carries its text outputs, which nbval compares, but no picture, no
widget state and no execution count. Its set-up cell is written here, so that the
repository's address stands in `_config.yml` alone.
"""

import json
from typing import NamedTuple

import nbformat
import yaml
from cache import CACHE, ROOT, keep, notebook_key
from kernels import AsyncFolderKernelManager
from nbclient import NotebookClient

SETUP = """\
# On Colab this installs the book's package; anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install -q "notebook-utils[notebooks] @ git+{url}"
"""
TIMEOUT = 120  # seconds for one cell
BUDGETS = {False: 20, True: 60}  # seconds of CPU; more for a chapter tagged `trains`
MEASURE = """\
import json, resource
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
DROPPED = ("image/", "application/vnd.jupyter.widget")


class Usage(NamedTuple):
    """What running a notebook took."""

    cpu: float  # seconds
    memory: int  # the kernel's largest, in KiB (on macOS bytes)


class NotebookError(Exception):
    """A notebook does not run; the message names the file, the cell and the error."""


def all_notebooks():
    """Return the chapters in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    # other pages of the book are Markdown
    return [ROOT / f"{file}.ipynb" for file in files if file.startswith("chapters/")]


def read(path):
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def setup_source():
    """Return what every set-up cell must hold."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    return SETUP.format(url=config["repository"]["url"]).rstrip()


def run(path):
    """Execute a notebook in a fresh kernel; return it with its outputs, and its usage.

    Raises
    ------
    NotebookError
        With the notebook's path, the number of the code cell, and the error; if a cell
        warned, which would stand on the page; or if it took more than its budget of
        CPU.
    """
    notebook = read(path)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        kernel_manager_class=AsyncFolderKernelManager,
        store_widget_state=False,
        # ipykernel warns of every kernel that it runs over TCP
        extra_arguments=["--log-level=40"],
    )
    name = path.relative_to(ROOT)
    notebook.cells.append(nbformat.v4.new_code_cell(MEASURE))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    try:
        client.execute()
    except Exception as error:
        number = next((i for i, cell in enumerate(cells) if _failed(cell)), "?")
        raise NotebookError(f"{name}, code cell {number}: {error}") from error
    usage = Usage(*json.loads(notebook.cells.pop().outputs[0].text))
    for number, cell in enumerate(cells):
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise NotebookError(f"{name}, code cell {number} warns: {output.text}")
    if usage.cpu > budget(notebook):
        raise NotebookError(
            f"{name} took {usage.cpu:.1f} s of CPU, its budget is {budget(notebook)} s"
        )
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook, usage


def budget(notebook):
    """Return how many seconds of CPU a notebook may take."""
    return BUDGETS["trains" in _setup_tags(notebook)]


def _setup_tags(notebook):
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    return next((found for found in tags if "setup" in found), [])


def _failed(cell):
    return any(output.output_type == "error" for output in cell.outputs)


def cached(path):
    """Return where the executed notebook is kept, whether it is there or not."""
    return CACHE / "notebooks" / f"{path.stem}-{notebook_key(path)}.ipynb"


def executed(path):
    """Return (file, usage, cached) of a notebook, run where it is not cached."""
    target = cached(path)
    record = target.with_suffix(".json")
    if target.exists() and record.exists():
        return target, Usage(*json.loads(record.read_text())), True
    notebook, usage = run(path)
    keep(record, json.dumps(usage).encode())
    keep(target, nbformat.writes(notebook).encode())
    return target, usage, False


def git_form(notebook):
    """Return a copy in the form in which git holds notebooks."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if {"hide-input", "hide-cell"} & set(tags):  # folded in Jupyter, too
            cell.metadata["jupyter"] = nbformat.from_dict({"source_hidden": True})
        if cell.cell_type == "markdown":
            cell.pop("attachments", None)
        if cell.cell_type != "code":
            continue
        if "setup" in tags:
            cell.source = setup_source()
        cell.execution_count = None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = None
            if "data" in output:
                output.metadata = nbformat.from_dict({})
                output.data = nbformat.from_dict(
                    {k: v for k, v in output.data.items() if not k.startswith(DROPPED)}
                )
        cell.outputs = _merge_streams(cell.outputs)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    return notebook


def _merge_streams(outputs):
    """Join pieces of one stream: where a kernel cuts its prints is an accident."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if (
            output.output_type == "stream"
            and last.get("output_type") == "stream"
            and last["name"] == output.name
        ):
            last["text"] += output.text
        else:
            merged.append(output)
    return merged


def to_text(notebook):
    """Serialise a notebook the way Jupyter does."""
    return nbformat.writes(notebook, version=4).rstrip() + "\n"


def problems(path):
    """Return what keeps a notebook from being in the form of git, one line each."""
    notebook, found = read(path), []
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    setups = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "setup" in cell.metadata.get("tags", [])
    ]
    if len(setups) != 1:
        found.append(f"{name}: {len(setups)} set-up cells (tag setup), expected one")
    elif setups[0].source != setup_source():
        found.append(
            f"{name}: the set-up cell differs from the book's; run make notebooks"
        )
    for number, cell in enumerate(
        cell for cell in notebook.cells if cell.cell_type == "code"
    ):
        if cell.execution_count is not None:
            found.append(f"{name}: code cell {number} has an execution count")
        kinds = [
            kind
            for output in cell.outputs
            for kind in output.get("data", {})
            if kind.startswith(DROPPED)
        ]
        found += [f"{name}: code cell {number} holds {kind}" for kind in kinds]
        if (
            any(tag.startswith("nbval-") for tag in cell.metadata.get("tags", []))
            and "# nbval:" not in cell.source
        ):
            found.append(
                f"{name}: code cell {number} is not compared and gives no reason"
                " (a line '# nbval: …')"
            )
    if not found and path.read_text(encoding="utf-8") != to_text(git_form(notebook)):
        found.append(f"{name}: not in the form of git; run make notebooks")
    return found


def store(path):
    """Run a notebook, write its text outputs into it; return its usage."""
    notebook, usage = run(path)
    path.write_text(to_text(git_form(notebook)), encoding="utf-8")
    return usage
