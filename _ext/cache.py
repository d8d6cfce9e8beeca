"""What the build keeps, under keys that change with all that a result depends on."""

import ast
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "notebook_utils"
CACHE = ROOT / "_build" / "cache"


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
    """Return an executed notebook's key: its bytes, the package's source, the lock."""
    return digest(
        "notebook", path.read_bytes(), _lock(), *_files(PACKAGE.rglob("*.py"))
    )


def frames_key(module):
    """Return the key of a module's explorers: all it imports of ours, and the lock."""
    return digest("frames", module, _lock(), *_files(imported_files(module)))


def imported_files(module):
    """Return the file of a module and of all of the package that it imports."""
    found, waiting = set(), [module, "notebook_utils.explorers.frames"]
    while waiting:
        spec = importlib.util.find_spec(waiting.pop())
        if spec is None or spec.origin is None or Path(spec.origin) in found:
            continue
        path = Path(spec.origin)
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [
                    node.module,
                    *(f"{node.module}.{alias.name}" for alias in node.names),
                ]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            waiting += [
                name
                for name in names
                if name.startswith("notebook_utils") and _is_module(name)
            ]
    return found


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
