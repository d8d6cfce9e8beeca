"""The package's layers: what imports what, and what an import brings along."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import notebook_utils

PACKAGE = Path(notebook_utils.__file__).parent
RANKS = {
    "arrays": 0,
    "device": 1,
    "_style": 3,  # plotting's
    "_svg": 3,  # plotting's
    "plotting": 3,
    "exercises": 3,
    "explorers": 4,
}
TOPIC = 2
HEAVY = {"torch", "matplotlib", "ipywidgets"}
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"
)
LIGHT = [
    path.stem
    for path in MODULES
    if path.parent == PACKAGE and RANKS.get(path.stem, TOPIC) <= TOPIC
]


def rank(module):
    return RANKS.get(module, TOPIC)


def module_of(path):
    """Name a file's module, or its subpackage, within notebook_utils."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree, inside):
    """Yield the absolute names of all modules that a file in `inside` imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = inside.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            name = ".".join(part for part in (base, node.module) if part)
            # `from notebook_utils import boxes` imports a module, too
            if name == "notebook_utils":
                yield from (f"{name}.{alias.name}" for alias in node.names)
            else:
                yield name


def layer_faults(source, module, inside="notebook_utils"):
    """List the imports that reach up, or sideways to what is no private sibling."""
    faults = []
    for name in imports(ast.parse(source), inside):
        top, _, rest = name.partition(".")
        imported = rest.split(".")[0]
        if top != "notebook_utils" or not imported or imported == module:
            continue
        private_sibling = imported.startswith("_") and rank(imported) == rank(module)
        if rank(imported) >= rank(module) and not private_sibling:
            faults.append(name)
    return faults


def heavy_imports(source):
    """List the heavy packages imported along with a module: not inside functions."""

    def at_import(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            yield from at_import(child)

    names = [
        name
        for node in at_import(ast.parse(source))
        for name in imports(node, "notebook_utils")
    ]
    return sorted({name.split(".")[0] for name in names} & HEAVY)


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_module_imports_only_lower_layers(path):
    inside = ".".join(("notebook_utils", *path.relative_to(PACKAGE).parts[:-1]))
    assert layer_faults(path.read_text(), module_of(path), inside) == []


@pytest.mark.parametrize("module", LIGHT)
def test_a_topic_module_is_light(module):
    assert heavy_imports((PACKAGE / f"{module}.py").read_text()) == []


@pytest.mark.parametrize(
    "module", ["notebook_utils", *(f"notebook_utils.{module}" for module in LIGHT)]
)
def test_an_import_brings_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from notebook_utils.boxes import nms", "arrays"),
        ("import notebook_utils.device", "arrays"),
        ("def f():\n    from notebook_utils import plotting", "convolution"),
        ("from . import softmax", "convolution"),
        ("from .explorers.core import Explorer", "convolution"),
        ("from notebook_utils.exercises import check", "plotting"),
        ("from notebook_utils.explorers import core", "exercises"),
    ],
)
def test_a_planted_fault_is_found(source, module):
    assert len(layer_faults(source, module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from notebook_utils._windows import gather", "convolution"),
        ("from notebook_utils.device import to_numpy\nimport numpy", "convolution"),
        ("from notebook_utils.explorers.core import Explorer", "explorers"),
        ("from notebook_utils.arrays import is_torch", "device"),
    ],
)
def test_what_is_allowed_is_not_found(source, module):
    assert layer_faults(source, module) == []


def test_planted_heavy_imports_are_found():
    source = "import torch.nn\nif True:\n    from matplotlib import pyplot"
    assert heavy_imports(source) == ["matplotlib", "torch"]
    assert heavy_imports("class A:\n    import ipywidgets") == ["ipywidgets"]
    assert heavy_imports("def f():\n    import torch") == []
