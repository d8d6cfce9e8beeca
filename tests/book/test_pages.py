"""The pages as files: links, pictures, and where things come from."""

import posixpath
import re
from urllib.parse import unquote, urlsplit

from places import HTML

from notebook_utils._svg import PALETTE, theme_css

LOADING = (("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"))


def is_elsewhere(address):
    """Tell whether an address names a host."""
    return bool(urlsplit(address).netloc)


def test_links_inside_the_book_lead_somewhere(pages):
    """Each relative link names a file of the site, and its fragment an id on it."""
    ids = {
        name: {tag["id"] for tag in page.find_all(id=True)}
        for name, page in pages.items()
    }
    broken, checked = [], 0
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            base = posixpath.dirname(name)
            path = unquote(address.path)
            target = posixpath.normpath(posixpath.join(base, path)) if path else name
            checked += 1
            if not (HTML / target).exists() or unquote(address.fragment) not in {
                "",
                *ids.get(target, []),
            }:
                broken.append(f"{name}: {link['href']}")
    assert checked > 50
    assert broken == []


def test_nothing_is_loaded_from_another_host(pages):
    """No script, style, font or picture has an address with a host in it."""
    found = [
        f"{name}: {tag[attribute]}"
        for name, page in pages.items()
        for element, attribute in LOADING
        for tag in page.find_all(element, **{attribute: True})
        if is_elsewhere(tag[attribute])
    ]
    found += [
        f"{name}: {tag['href']}"
        for name, page in pages.items()
        for tag in page.find_all("link", href=True)
        if is_elsewhere(tag["href"]) and "canonical" not in tag.get("rel", [])
    ]
    for sheet in HTML.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8", errors="replace")
        urls = re.findall(r"(?:url\(|@import )\s*['\"]?(https?:[^'\")\s]+)", text)
        found += [f"{sheet.name}: {url}" for url in urls]
    assert found == []


def test_no_page_mentions_a_script_host(pages):
    """No inline script names a network of the usual kind to load from."""
    hosts = re.compile(r"unpkg|jsdelivr|cdnjs|googleapis|requirejs", re.IGNORECASE)
    found = [
        f"{name}: {script.text[:80]}"
        for name, page in pages.items()
        for script in page.find_all("script", src=False)
        if hosts.search(script.text)
    ]
    assert found == []


def test_every_picture_has_words(pages):
    """Each figure is numbered and has alternative text and a caption."""
    figures = [
        (name, figure)
        for name, page in pages.items()
        for figure in page.select("figure.nu-figure")
    ]
    assert len(figures) >= 3
    for name, figure in figures:
        svg = figure.find("svg")
        assert svg is not None, f"{name}: a figure without its picture"
        assert len(svg.get("aria-label", "")) > 20, f"{name}: no alternative text"
        assert len(figure.find("figcaption").get_text()) > 20, f"{name}: no caption"
        assert figure.select_one(".caption-number"), f"{name}: no number"
    content = [img for page in pages.values() for img in page.select("article img")]
    assert [img for img in content if not img.get("alt")] == []


def test_pictures_use_the_palette_as_variables(pages):
    """No colour of the palette is fixed: each follows the page's theme."""
    fixed = re.compile("|".join(rf"(?<!, ){c.light}" for c in PALETTE.values()))
    for name, page in pages.items():
        for svg in page.select("svg.nu-picture"):
            assert not fixed.search(str(svg)), name
    assert (HTML / "_static" / "palette.css").read_text() == theme_css()


def test_ids_are_unique_and_references_resolve(pages):
    """Pictures on one page share no id but for equal definitions."""
    for name, page in pages.items():
        seen = {}
        for tag in page.find_all(id=True):
            first = seen.setdefault(tag["id"], tag)
            if first is not tag:
                assert tag.name in {"path", "clipPath", "clippath"}, (
                    f"{name}: {tag['id']}"
                )
                assert str(first) == str(tag), f"{name}: two elements #{tag['id']}"
        for reference in re.findall(r"url\(#([^)]+)\)", str(page)):
            assert reference in seen, f"{name}: nothing is #{reference}"


def test_explorers_are_ready_to_run(pages):
    """Each explorer has its frames, and every input a label."""
    found = 0
    for name, page in pages.items():
        for figure in page.select("figure.nu-explorer"):
            found += 1
            script = figure.find("script", type="application/json").text
            address = re.search(r'"frames": "([^"]+)"', script).group(1)
            base = posixpath.dirname(name)
            assert (HTML / posixpath.normpath(posixpath.join(base, address))).exists()
            for control in figure.select("input, select"):
                assert figure.find("label", attrs={"for": control["id"]}).text.strip()
            assert figure.find("svg")["aria-label"]
    assert found >= 1
