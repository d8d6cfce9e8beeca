"""The ledger's form: what is wrong with it is named; and its page says all of it."""

import re
from collections import Counter

import pytest
import yaml

import ledger

TOPICS, CLAIMS = ledger.load()
JUDGED = ledger.judged(CLAIMS)
ENTRY = {
    "id": "A-001", "topic": "convolution-arithmetic", "note": "000", "lines": "6-16",
    "heading": "卷积", "claim": "It slides.", "verdict": "holds",
    "section": "valid-same-full",
    "test": "tests/claims/test_sizes.py::test_full_same_and_valid",
}  # fmt: skip
TOPIC = {"title": "Sizes", "chapter": "chapters/convolution/convolution-arithmetic"}
FAULTS = {
    "a verdict of another kind": ({"verdict": "maybe"}, "'maybe' is not one of"),
    "a failure without correction": (
        {"verdict": "fails"},
        "'correction' is a required",
    ),
    "no condition": (
        {"verdict": "holds-if", "correction": "The floor."},
        "'condition' is a required",
    ),
    "a condition of what simply holds": (
        {"condition": "it fits"},
        "not allow 'it fits'",
    ),
    "lines in words": ({"lines": "six"}, "'six' does not match"),
    "lines out of order": ({"lines": "16-6"}, "16-6 are out of order"),
    "notes that are not there": ({"note": "005"}, "'005' does not match"),
    "no test": ({"test": None}, "'test' is a required"),
    "a test that is not there": (
        {"test": "tests/claims/test_sizes.py::test_nothing"},
        "there is no test tests/claims/test_sizes.py::test_nothing",
    ),
    "a topic that is not there": ({"topic": "cooking"}, "has no topic"),
}


def write(folder, **changes):
    """Write a ledger of one claim."""
    entry = {key: value for key, value in (ENTRY | changes).items() if value}
    data = {
        "part": "Part",
        "topics": {"convolution-arithmetic": TOPIC},
        "claims": [entry],
        "unjudged": {"convolution-arithmetic": {"001": {"X-01-01": "7"}}},
    }
    (folder / "part.yml").write_text(yaml.safe_dump(data, allow_unicode=True))
    return data


def test_a_small_ledger_is_read(tmp_path):
    write(tmp_path)
    topics, claims = ledger.load(tmp_path)
    assert [claim.id for claim in claims] == ["A-001", "X-01-01"]
    assert claims[0].topic == topics["convolution-arithmetic"]
    assert [claim.verdict for claim in claims] == ["holds", "unjudged"]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(tmp_path, fault):
    changes, message = FAULTS[fault]
    write(tmp_path, **changes)
    with pytest.raises(ledger.LedgerError, match=message) as error:
        ledger.load(tmp_path)
    assert "A-001" in str(error.value)


BETWEEN = {
    "no YAML": ("part: [", r"other\.yml: "),
    "a topic twice": (
        {"topics": {"convolution-arithmetic": TOPIC}},
        "convolution-arithmetic is a topic already",
    ),
    "a topic of another file": (
        {"topics": {"a": TOPIC}, "unjudged": {"b": {"000": {"A-002": "3"}}}},
        "b is not a topic of this file",
    ),
    "a claim twice": (
        {"topics": {"a": TOPIC}, "unjudged": {"a": {"000": {"A-001": "3"}}}},
        "A-001 is there 2 times",
    ),
}


@pytest.mark.parametrize("fault", BETWEEN)
def test_faults_between_files_are_named(tmp_path, fault):
    other, message = BETWEEN[fault]
    write(tmp_path)
    text = other if isinstance(other, str) else yaml.safe_dump({"part": "B"} | other)
    (tmp_path / "other.yml").write_text(text)
    with pytest.raises(ledger.LedgerError, match=message):
        ledger.load(tmp_path)


def test_a_topic_without_a_chapter_has_no_verdicts(tmp_path):
    data = write(tmp_path)
    data["topics"]["convolution-arithmetic"] = {"title": "Sizes"}
    (tmp_path / "part.yml").write_text(yaml.safe_dump(data))
    with pytest.raises(ledger.LedgerError, match=r"A-001: topic .* has no chapter yet"):
        ledger.load(tmp_path)


def test_verdicts_of_each_kind_are_there():
    assert {claim.verdict for claim in JUDGED} == set(ledger.VERDICTS)
    assert len(CLAIMS) > 1000


def test_the_page_has_every_claim(pages):
    page = pages[f"{ledger.PAGE}.html"]
    rows = page.select("table.nu-claims tr.nu-claim")
    assert [row["id"] for row in rows] == [f"claim-{claim.id}" for claim in JUDGED]
    for row, claim in zip(rows, JUDGED, strict=True):
        place = row.select_one("[data-lines]")
        assert (place["data-note"], place["data-lines"]) == (claim.note, claim.lines)
        assert f"nu-{claim.verdict}" in row.select_one(".nu-verdict")["class"]
        if claim.condition:
            assert len(row.select("td")[2].select("p")) == 2
        links = {link.text: link["href"] for link in row.select("a")}
        assert links["test"] == f"tests.html#{claim.test.rpartition('::')[2]}"
        chapter = f"../{claim.topic.chapter}.html#{claim.section}"
        assert chapter in links.values()
    places = {place["data-note"] for place in page.select("[data-lines]")}
    assert places == set(ledger.NOTES)
    waiting = [c.id for c in CLAIMS if c.verdict == "unjudged"]
    assert sorted(
        tag["id"].removeprefix("claim-") for tag in page.select("span[id^=claim-]")
    ) == sorted(waiting)


def test_the_page_counts(pages):
    by_note, by_topic = pages[f"{ledger.PAGE}.html"].select("table.nu-counts")
    kinds = [*ledger.VERDICTS, "unjudged"]
    found = Counter((claim.note, claim.verdict) for claim in CLAIMS)
    for row in by_note.select("tbody tr"):
        name, *numbers = (cell.text.strip() for cell in row.select("td"))
        notes = ledger.NOTES if name == "all" else [name]
        counts = [sum(found[note, kind] for note in notes) for kind in kinds]
        assert [int(n.replace("–", "0")) for n in numbers] == [*counts, sum(counts)]
    totals = [row.select("td")[-1].text.strip() for row in by_topic.select("tbody tr")]
    assert sum(map(int, totals)) == len(CLAIMS)


@pytest.mark.parametrize("chapter", sorted({claim.topic.chapter for claim in JUDGED}))
def test_a_chapter_lists_what_does_not_hold(pages, chapter):
    mine = [claim for claim in JUDGED if claim.topic.chapter == chapter]
    links = pages[f"{chapter}.html"].select("table.nu-claims td:first-child a")
    listed = [re.sub(".*#claim-", "", link["href"]) for link in links]
    assert sorted(listed) == sorted(c.id for c in mine if c.verdict != "holds")
    assert f"the notes make {len(mine)} claims" in pages[f"{chapter}.html"].text


def test_the_tests_are_shown_as_they_are(pages):
    page = pages[f"{ledger.TESTS}.html"]
    shown = {
        block["id"]: block.select_one("pre").text for block in page.select(".nu-test")
    }
    assert set(shown) == {claim.test.rpartition("::")[2] for claim in JUDGED}
    for key, source in ledger.tests().items():
        name = key.rpartition("::")[2]
        assert name not in shown or shown[name].strip() == source.strip()
