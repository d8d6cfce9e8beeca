"""The ledger is in order: its form, and what each verdict asks of its test."""

import mutation
import pytest

import ledger

TOPICS, CLAIMS = ledger.load()
JUDGED = ledger.judged(CLAIMS)
# the forms that a verdict's test holds: of the notes, and what is right instead
FORMS = {
    "holds": {"noted"},
    "holds-if": {"noted", "corrected"},
    "fails": {"noted", "corrected"},
    "unreadable": {"corrected"},
}


def test_there_are_verdicts():
    assert {claim.verdict for claim in JUDGED} <= set(ledger.VERDICTS)
    assert len(CLAIMS) >= len(JUDGED) > 0


@pytest.mark.parametrize("claim", JUDGED, ids=lambda claim: claim.id)
def test_a_verdict_has_the_forms_that_it_needs(claim):
    test = mutation.claim_tests()[claim.test]
    found = {kind for kind in ("noted", "corrected") if mutation.forms(test, kind)}
    # what can no longer be read may share the test of what can
    optional = {"noted"} if claim.verdict == "unreadable" else set()
    assert found - optional == FORMS[claim.verdict]


def test_every_test_proves_a_claim():
    assert set(mutation.claim_tests()) == {claim.test for claim in JUDGED}


def test_a_chapter_has_no_claim_without_a_verdict():
    waiting = [c.id for c in CLAIMS if c.verdict == "unjudged" and c.topic.chapter]
    assert waiting == []
