"""The first page: the map has every chapter, and its numbers are counted."""

import re

import notebooks
import overview
import pytest

import ledger
from notebook_utils.explorers.core import all_explorers

CHAPTERS = [path.stem for path in notebooks.all_notebooks()]


def test_rows_go_down():
    names = list("abcdef")
    arrows = [("a", "c"), ("c", "d"), ("b", "d"), ("b", "e")]
    assert overview.arrange(names, arrows) == [["a", "b", "f"], ["c", "e"], ["d"]]
    many = [f"{i:02}" for i in range(12)]
    assert [len(row) for row in overview.arrange(many, [])] == [5, 5, 2]


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="circle"):
        overview.arrange(list("abc"), [("a", "b"), ("b", "c"), ("c", "a")])


def test_the_map_has_every_chapter(pages):
    svg = pages["intro.html"].select_one("svg.nu-map")
    links = [re.sub(r".*/|\.html$", "", link["href"]) for link in svg.select("a")]
    assert sorted(links) == sorted(CHAPTERS)
    assert len(svg.select("path.nu-arrow")) == svg["aria-label"].count(" before ")
    assert len(svg.select("path.nu-arrow")) >= 4
    for link in svg.select("a"):
        assert "".join(link.stripped_strings)


def test_the_numbers_are_those_of_the_pages(pages):
    text = pages["intro.html"].select_one("article").get_text(" ")
    sentence = re.search(r"At this build the book has .*? be read\.", text, re.DOTALL)
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", sentence[0])]
    chapters, figures, explorers, settings, seconds, names, modules, *verdicts = numbers
    inside = [page for name, page in pages.items() if name.startswith("chapters/")]
    assert chapters == len(inside) == len(CHAPTERS)
    assert figures == sum(len(page.select("figure.nu-figure")) for page in inside)
    assert explorers == sum(len(page.select(".nu-explorer")) for page in inside)
    offered = 0
    for explorer in all_explorers().values():
        product = 1
        for control in explorer.fixed:
            product *= len(control.page)
        offered += product
    assert settings == offered
    assert 1 <= seconds <= 60 * chapters
    assert names > modules > 5
    found = [claim.verdict for claim in ledger.judged(ledger.load()[1])]
    counts = [found.count(verdict) for verdict in ledger.VERDICTS]
    assert verdicts == [len(found), *counts]
