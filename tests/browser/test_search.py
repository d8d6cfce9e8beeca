"""The search of the page of verdicts, as a reader uses it."""

import pytest

import ledger

CLAIMS = ledger.load()[1]
JUDGED = ledger.judged(CLAIMS)


class Search:
    """The page with its form."""

    def __init__(self, visit, site, where=""):
        self.page = visit(f"{site}/{ledger.PAGE}.html{where}").page
        self.form = self.page.locator("form.nu-search")

    def shown(self):
        """List the claims in sight."""
        rows = self.page.locator("tr.nu-claim:visible")
        ids = rows.evaluate_all("rows => rows.map((row) => row.id)")
        return [name.removeprefix("claim-") for name in ids]

    def said(self):
        """Read what the form says."""
        return self.form.locator("output").inner_text()


def covering(note, line):
    """List the claims on a line."""
    pairs = (
        (claim, [part.split("-") for part in claim.lines.split(", ")])
        for claim in CLAIMS
        if claim.note == note
    )
    return [
        c for c, parts in pairs if any(int(p[0]) <= line <= int(p[-1]) for p in parts)
    ]


def test_from_a_line_to_its_verdicts(visit, site):
    search = Search(visit, site)
    assert len(search.shown()) == len(JUDGED)
    search.form.get_by_label("Notes").select_option("001")
    search.form.get_by_role("spinbutton", name="Line").fill("398")
    assert search.shown() == [claim.id for claim in covering("001", 398)]
    assert len(search.shown()) >= 2
    assert search.said() == f"{len(search.shown())} of {len(JUDGED)} verdicts."
    search.form.get_by_role("button", name="Show all").click()
    search.page.wait_for_function(
        "document.querySelectorAll('tr[hidden]').length === 0"
    )
    assert len(search.shown()) == len(JUDGED)


def test_a_line_that_waits(visit, site):
    waiting = next(
        claim
        for claim in CLAIMS
        if claim.verdict == "unjudged"
        and all(c.verdict == "unjudged" for c in covering(*claim.place[:2]))
    )
    search = Search(visit, site, f"#{waiting.note}:{waiting.place[1]}")
    assert search.shown() == []
    assert "Not judged yet: line" in search.said()
    search.form.locator("output a").first.click()
    target = search.page.locator(f"#claim-{waiting.id}")
    assert target.is_visible()


def test_a_line_without_a_claim(visit, site):
    line = next(n for n in range(30, 90) if not covering("000", n))
    search = Search(visit, site, f"#000:{line}")
    assert f"No claim stands on line {line} of 000; the nearest: line" in search.said()


@pytest.mark.parametrize("verdict", ledger.VERDICTS)
def test_by_verdict_and_words(visit, site, verdict):
    search = Search(visit, site)
    search.form.get_by_label("Verdict").select_option(verdict)
    expected = [claim.id for claim in JUDGED if claim.verdict == verdict]
    assert search.shown() == expected
    search.form.get_by_label("Words").fill("convolution")
    assert set(search.shown()) < set(expected) or verdict == "unreadable"
    for row in search.page.locator("tr.nu-claim:visible").all():
        assert "convolution" in row.inner_text().lower()


def test_a_link_to_a_claim_shows_it(visit, site):
    search = Search(visit, site, f"#claim-{JUDGED[-1].id}")
    row = search.page.locator(f"#claim-{JUDGED[-1].id}")
    search.page.wait_for_function("window.scrollY > 500")
    assert row.is_visible()


def test_without_a_script_all_is_there(visit, site):
    page = visit(f"{site}/{ledger.PAGE}.html", java_script_enabled=False).page
    assert page.locator("tr.nu-claim:visible").count() == len(JUDGED)
    assert not page.locator("form.nu-search").is_visible()
