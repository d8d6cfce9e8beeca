"""The built book."""

import pytest
from places import HTML


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
