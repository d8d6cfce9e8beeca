"""The commands behind the Makefile: build the book, serve it, store the notebooks."""

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from pathlib import Path

import notebooks
import yaml
from cache import CACHE, ROOT, digest, frames_file, keep

from notebook_utils.explorers.core import all_explorers
from notebook_utils.explorers.frames import pack

BUILD = ROOT / "_build"
SOURCE = BUILD / "source"
HTML = BUILD / "html"
WORKERS = max(1, min(4, os.cpu_count() or 1))


def say(kind, what, detail=""):
    """Print one line of progress."""
    print(f"  {kind:<10} {what!s:<58} {detail}", flush=True)


def execute_notebooks():
    """Execute the chapters that are not cached; return chapter to executed file."""
    # what may take long goes first, so that no core waits for it at the end
    paths = notebooks.all_notebooks()
    paths.sort(key=lambda path: -notebooks.budget(notebooks.read(path)))
    files, failures = {}, []
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = {pool.submit(notebooks.executed, path): path for path in paths}
        for future in as_completed(futures):
            path = futures[future]
            name = path.relative_to(ROOT)
            try:
                files[path], usage, cached = future.result()
            except notebooks.NotebookError as error:
                failures.append(str(error))
                say("failed", name)
            else:
                say(
                    "cached" if cached else "executed",
                    name,
                    "" if cached else f"{usage.cpu:.1f} s of CPU",
                )
    if failures:
        sys.exit("\n\n".join(failures))
    return files


def render_explorer(name):
    """Render an explorer's frames into the cache; return name, bytes and seconds."""
    start = time.perf_counter()
    explorer = all_explorers()[name]
    data = pack(explorer)
    keep(frames_file(explorer), data)
    return name, len(data), time.perf_counter() - start


def render_explorers():
    """Render the frames of every explorer that is not cached, several at a time."""
    waiting = []
    for name, explorer in all_explorers().items():
        if frames_file(explorer).exists():
            say("cached", f"explorer {name}")
        else:
            waiting.append(name)
    if waiting:
        with ProcessPoolExecutor(WORKERS) as pool:
            for future in as_completed(
                [pool.submit(render_explorer, name) for name in waiting]
            ):
                try:
                    name, size, seconds = future.result()
                except Exception as error:  # its note says which explorer, and where
                    notes = getattr(error, "__notes__", [])
                    sys.exit(": ".join([*notes, type(error).__name__, str(error)]))
                say(
                    "rendered",
                    f"explorer {name}",
                    f"{seconds:.1f} s, {size / 1000:.0f} KB",
                )


def stage(files):
    """Lay out what Jupyter Book reads, with executed notebooks; return a key of it."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for name in ("_toc.yml", "intro.md", "references.bib"):
        shutil.copy(ROOT / name, SOURCE / name)
    (SOURCE / "ledger").mkdir()
    for path in (ROOT / "ledger").glob("*.md"):
        shutil.copy(path, SOURCE / "ledger")
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["execute"]["execute_notebooks"] = "off"
    for name, folder in config["sphinx"]["local_extensions"].items():
        config["sphinx"]["local_extensions"][name] = str(ROOT / folder)
    (SOURCE / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    for path, executed in files.items():
        target = SOURCE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(executed, target)
    parts = [
        part
        for file in sorted(SOURCE.rglob("*"))
        if file.is_file()
        for part in (str(file), file.read_bytes())
    ]
    extensions = [
        file.read_bytes()
        for file in sorted((ROOT / "_ext").rglob("*"))
        if file.is_file() and file.suffix != ".pyc"
    ]
    frames = [frames_file(explorer).name for explorer in all_explorers().values()]
    package = [file.read_bytes() for file in sorted((ROOT / "src").rglob("*.py"))]
    verdicts = [
        file.read_bytes()
        for file in sorted(
            [*(ROOT / "ledger").glob("*.yml"), *(ROOT / "tests/claims").glob("*.py")]
        )
    ]
    return digest(
        "site",
        (ROOT / "requirements.lock").read_bytes(),
        *parts,
        *extensions,
        *frames,
        *package,
        *verdicts,
    )


def prune(used):
    """Forget what no build has used for a week; what this one used is young again."""
    for path in CACHE.rglob("*"):
        if path in used:
            path.touch()
        elif path.is_file() and time.time() - path.stat().st_mtime > 7 * 24 * 3600:
            path.unlink()


def build():
    """Build the site, unless nothing changed; a warning of Sphinx is an error."""
    files = execute_notebooks()
    render_explorers()
    key, mark = stage(files), CACHE / "site.key"
    frames = {frames_file(explorer) for explorer in all_explorers().values()}
    records = {file.with_suffix(".json") for file in files.values()}
    prune({*files.values(), *records, *frames, mark})
    if (HTML / "index.html").exists() and mark.exists() and mark.read_text() == key:
        say("cached", "the site")
        return
    start = time.perf_counter()
    # a warm doctree hides the warnings of pages that did not change, so each build
    # starts from nothing
    for folder in (HTML, BUILD / ".doctrees", BUILD / "jupyter_execute"):
        shutil.rmtree(folder, ignore_errors=True)
    log = BUILD / "sphinx.log"
    command = [
        Path(sys.executable).parent / "jupyter-book",
        "build",
        SOURCE,
        "--path-output",
        ROOT,
    ]
    with log.open("w") as stream:
        done = subprocess.run(
            [*map(str, command), "--warningiserror", "--keep-going"],
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = log.read_text(errors="replace")
    if done.returncode:
        lines = [
            line
            for line in text.splitlines()
            if "WARNING" in line or "ERROR" in line or "rror:" in line
        ]
        sys.exit(
            "\n".join(lines or text.splitlines()[-20:])
            + f"\nThe site was not built; all of Sphinx's output is in {log}"
        )
    keep(mark, key.encode())
    say("built", "the site", f"{time.perf_counter() - start:.1f} s")


def serve(port):
    """Build the site and serve it on this machine."""
    build()
    handler = functools.partial(QuietHandler, directory=str(HTML))
    try:
        server = QuietServer(("127.0.0.1", port), handler)
    except OSError as error:
        sys.exit(
            f"Port {port} cannot be used ({error.strerror});"
            f" choose another: make serve PORT={port + 1}"
        )
    with server:
        print(
            f"\nServing the book at http://127.0.0.1:{port}/  (Ctrl-C stops)",
            flush=True,
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class QuietServer(http.server.ThreadingHTTPServer):
    """A server that makes no fuss when a browser turns away from a file half sent."""

    def handle_error(self, request, client_address):
        """Report errors, but not that."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log line for each."""

    def log_message(self, *args):
        """Say nothing."""


def store_notebooks(paths):
    """Run notebooks and write their text outputs into them."""
    for path in paths or notebooks.all_notebooks():
        path = Path(path).resolve()
        usage = notebooks.store(path)
        say("stored", path.relative_to(ROOT), f"{usage.cpu:.1f} s of CPU")


def report():
    """Print what each notebook took when it last ran, and whether that still stands."""
    print(f"{'notebook':<60} {'CPU':>8} {'memory':>10}  cache")
    for path in notebooks.all_notebooks():
        name, record = path.relative_to(ROOT), notebooks.cached(path)
        if not record.exists():
            print(f"{name!s:<60} {'':>8} {'':>10}  to be run")
            continue
        _, usage, _ = notebooks.executed(path)
        unit = 2**20 if sys.platform == "darwin" else 2**10
        memory = f"{usage.memory / unit:.0f} MiB"
        print(f"{name!s:<60} {usage.cpu:>6.1f} s {memory:>10}  up to date")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="execute, render and build what changed")
    commands.add_parser("serve", help="build, then serve on localhost").add_argument(
        "--port", type=int, default=8000
    )
    commands.add_parser(
        "notebooks", help="run notebooks and store their text outputs"
    ).add_argument("paths", nargs="*")
    commands.add_parser("report", help="what each notebook takes")
    arguments = parser.parse_args()
    if arguments.command == "build":
        build()
    elif arguments.command == "report":
        report()
    elif arguments.command == "serve":
        serve(arguments.port)
    else:
        try:
            store_notebooks(arguments.paths)
        except notebooks.NotebookError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
