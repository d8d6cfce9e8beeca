"""What the build keeps, under keys that change with all that a result depends on."""

import ast
import hashlib
import importlib.util
import json
import os
import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "notebook_utils"
CACHE = ROOT / "_build" / "cache"
MAGIC = re.compile(r"^(\s*)[%!].*")


def digest(*parts):
    """Hash texts and bytes, each with its length, so that joins cannot collide."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(f"{len(data)}:".encode() + data)
    return state.hexdigest()[:32]


def _lock():
    return (ROOT / "requirements.lock").read_bytes()


def _files(paths):
    return [
        part
        for path in sorted(paths)
        for part in (path.relative_to(ROOT).as_posix(), path.read_bytes())
    ]


def notebook_key(path):
    """Return an executed notebook's key: it, all it imports of ours, and the lock."""
    return digest(
        "notebook", path.read_bytes(), _lock(), *_files(imported_files(_code(path)))
    )


def frames_key(module):
    """Return the key of a module's explorers: all it imports of ours, and the lock."""
    return digest("frames", module, _lock(), *_files(frames_files(module)))


def frames_files(module):
    """Return the files of the package that the frames of a module's explorers need."""
    return imported_files(f"import {module}, notebook_utils.explorers.frames")


def _code(path):
    """Return a notebook's code without its magics, which Python cannot read."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = [
        line
        for cell in cells
        if cell["cell_type"] == "code"
        for line in "".join(cell["source"]).splitlines()
    ]
    return "\n".join(MAGIC.sub(r"\1pass", line) for line in lines)


def imported_files(code):
    """Return the files of the package that code imports, at first or second hand."""
    found, waiting = set(), list(_imports(code))
    while waiting:
        path = Path(importlib.util.find_spec(waiting.pop()).origin)
        if path not in found:
            found.add(path)
            waiting += _imports(path.read_text(encoding="utf-8"))
    return found


def _imports(code):
    """Yield the package's modules that code imports, and their parents."""
    for node in ast.walk(ast.parse(code)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "notebook_utils":
                steps = (".".join(parts[:k]) for k in range(1, len(parts) + 1))
                yield from filter(_is_module, steps)


def _is_module(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # an imported function or class, not a module
        return False


def keep(path, data):
    """Write a file in one step: a build cut off leaves no half file under a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    os.replace(temporary, path)


def frames_file(explorer):
    """Return the cached frame file of an explorer; it may not exist yet."""
    return CACHE / "frames" / f"{explorer.name}-{frames_key(explorer.module)}.frames"
