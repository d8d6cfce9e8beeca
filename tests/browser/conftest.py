"""Headless Chromium over the built book, served from a folder below the root."""

import contextlib
import functools
import os
import threading

import book
import pytest
from places import HTML, find_chromium
from playwright.sync_api import sync_playwright

HOW = (
    "no Chromium found: install Debian's package chromium or Google Chrome, or set"
    " CHROMIUM to the program's path"
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests; without one they are skipped, but never in CI."""
    program = find_chromium()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield chromium
        chromium.close()


class Handler(book.QuietHandler):
    """Serve the book below /some/path/ and nothing elsewhere, without a word."""

    prefix = "/some/path"

    def translate_path(self, path):
        """Strip the prefix; what does not have it does not exist."""
        if not path.startswith(self.prefix + "/"):
            return str(HTML / "no such file")
        return super().translate_path(path.removeprefix(self.prefix))


@pytest.fixture(scope="session")
def site():
    """The address of the book, in a folder of a static host."""
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run make html")
    handler = functools.partial(Handler, directory=str(HTML))
    with book.QuietServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{Handler.prefix}"
        server.shutdown()


class Visit:
    """A page with what it asked for and what it complained about."""

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self.listen)

    def listen(self, message):
        """Keep what the console says in red."""
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")


@contextlib.contextmanager
def watching(browser):
    """Open pages of the book and watch them; at the end nothing may have gone wrong."""
    visits, contexts = [], []

    def open_page(address, *, quiet=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        seen = Visit(context.new_page())
        if quiet:
            visits.append(seen)
        seen.page.goto(address)
        return seen

    yield open_page
    for context in contexts:
        context.close()
    for seen in visits:
        assert seen.complaints == []


@pytest.fixture(scope="session")
def watch(browser):
    """Watch pages for as long as a test, or several, need them."""
    return functools.partial(watching, browser)


@pytest.fixture
def visit(watch):
    """Open a page for one test."""
    with watch() as open_page:
        yield open_page
