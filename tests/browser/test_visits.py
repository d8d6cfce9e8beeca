"""Every page of the book: no request to another origin, no error, readable."""

import pytest
from places import HTML

PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if "_static" not in path.parts
)


def test_there_are_pages():
    """The list that the other tests run over is not empty."""
    assert "index.html" in PAGES
    assert "chapters/convolution/convolution-arithmetic.html" in PAGES


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 390])
def test_page_stays_at_home(visit, site, name, width):
    """A page scrolled to its end asks its own host alone and fits the screen."""
    seen = visit(f"{site}/{name}", viewport={"width": width, "height": 900})
    seen.page.wait_for_load_state("networkidle")
    height = seen.page.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height, 2000):
        seen.page.evaluate(f"window.scrollTo(0, {y})")
    seen.page.wait_for_load_state("networkidle")
    host = site.rsplit("/", 2)[0]
    assert [url for url in seen.requests if not url.startswith((host, "data:"))] == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    if "chapters/" in name:
        assert_typeset(seen.page)


def assert_typeset(page):
    """MathJax has come from the book itself and found nothing that it cannot read."""
    page.wait_for_function("MathJax.startup.promise.then(() => true)")
    assert page.locator("mjx-merror").count() == 0
    assert page.locator("mjx-container").count() >= 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_follow_the_theme(visit, site, theme):
    """The page's ink is readable on its paper, and pictures take both from the page."""
    name = "chapters/convolution/convolution-arithmetic.html"
    seen = visit(f"{site}/{name}", color_scheme=theme)
    ink, paper = (
        seen.page.evaluate(
            f"getComputedStyle(document.documentElement).getPropertyValue('--nu-{c}')"
        )
        for c in ("ink", "paper")
    )
    assert (ink < paper) == (theme == "light")  # hexadecimal: darker is smaller
    fill = seen.page.evaluate(
        "getComputedStyle(document.querySelector('.nu-figure svg path')).fill"
    )
    channels = [int(paper[i : i + 2], 16) for i in (1, 3, 5)]
    assert fill == "rgb({}, {}, {})".format(*channels)
