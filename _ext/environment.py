"""Make the environment of `make`: .venv with the lock file's pins and the package.

Runs under any Python, before anything is installed, so it uses the standard library
alone, in words of old Pythons.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.lock")
OLDEST = (3, 11)

HEADER = """\
# One version of everything, for make and CI; made by `make lock`, see CONTRIBUTING.md.
Readers use requirements.txt.
"""


def stop(message):
    """End with one line that says what is wrong and what to do."""
    sys.exit("make: " + message)


def pip(venv, *arguments):
    """Run pip in an environment; on failure say in one line what the cause is."""
    command = [
        os.path.join(venv, "bin", "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        *arguments,
    ]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode == 0:
        return done.stdout
    log = os.path.join(ROOT, "_build", "pip.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w") as stream:
        stream.write(done.stdout)
    stop(cause(done.stdout) + "; pip's output is in _build/pip.log")


def cause(output):
    """Name the likely cause of a failed installation."""
    text = output.lower()
    if any(
        word in text
        for word in (
            "gcc",
            "clang",
            "cl.exe",
            "python.h",
            "failed building wheel",
            "compiler",
        )
    ):
        package = (
            output.lower()
            .partition("failed building wheel for ")[2]
            .split("\n")[0]
            .strip()
        )
        what = package or "a package"
        return (
            "%s has no ready-made wheel for this Python and there is no working C"
            " compiler: install one, or use Python 3.11 to 3.13" % what
        )
    if any(
        word in text
        for word in (
            "connection",
            "temporary failure in name resolution",
            "timed out",
            "network is unreachable",
            "ssl",
        )
    ):
        return "no package index within reach: check the network or PIP_INDEX_URL"
    if "no matching distribution" in text or "could not find a version" in text:
        package = text.rpartition("no matching distribution found for ")[2].split()[0]
        return (
            "the package index has no %s for this Python: is the network there, and is"
            " Python one of 3.11 to 3.13?" % package
        )
    if "no space left" in text:
        return "the disk is full"
    return "installing failed"


def create(venv):
    """Create an empty environment, or stop with the reason."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        stop(
            "Python %s is too old, 3.11 or newer is needed:"
            " make PYTHON=python3.12 serve" % found
        )
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", venv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        stop(
            "this Python cannot create a virtual environment"
            " (on Debian: apt install python3-venv)"
        )


def install():
    """Create .venv and install the lock file and the package into it."""
    start = time.time()
    print("  %-10s .venv, once; this takes a few minutes" % "creating", flush=True)
    create(VENV)
    pip(VENV, "install", "-r", LOCK)
    pip(VENV, "install", "--no-deps", "--editable", ROOT)
    with open(os.path.join(VENV, ".ready"), "w"):
        pass
    print("  %-10s .venv in %.0f s" % ("created", time.time() - start), flush=True)


def lock():
    """Install the newest versions that the requirements allow, and write them down."""
    folder = tempfile.mkdtemp()
    try:
        create(folder)
        # torch first and pinned: an open range takes a build with gigabytes of CUDA
        # where a CPU build would do
        pip(folder, "install", os.environ.get("TORCH", "torch==2.13.0"))
        pip(
            folder,
            "install",
            "-r",
            os.path.join(ROOT, "requirements.txt"),
            "-e",
            ROOT + "[test]",
        )
        frozen = pip(folder, "freeze", "--exclude-editable").splitlines()
    finally:
        shutil.rmtree(folder)
    # a local version (+cpu) exists on one index only
    pins = sorted(
        (line.partition("+")[0] for line in frozen if "==" in line), key=str.lower
    )
    with open(LOCK, "w") as stream:
        stream.write(HEADER + "\n".join(pins) + "\n")
    print("  %-10s requirements.lock, %d packages" % ("wrote", len(pins)))


if __name__ == "__main__":
    {"install": install, "lock": lock}[sys.argv[1]]()
