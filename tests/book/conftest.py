"""The built book, and the build's own modules."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "_ext"))


@pytest.fixture(scope="session")
def pages():
    """Every page of the book: its path below the site's root, and its HTML parsed."""
    from bs4 import BeautifulSoup

    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run make html")
    return {
        path.relative_to(HTML).as_posix(): BeautifulSoup(
            path.read_text(encoding="utf-8"), "html.parser"
        )
        for path in sorted(HTML.rglob("*.html"))
        if "_static" not in path.parts
    }
