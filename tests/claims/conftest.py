"""A verdict on the notes stands on a test that ran: a skipped one is a failed one."""

import pytest

import ledger


def claims_of(nodeid):
    """List the claims that rest on a test, or on the tests of a file."""
    try:
        _, claims = ledger.load()
    except ledger.LedgerError:  # test_ledger.py says what is wrong
        return []
    key = nodeid.partition("[")[0]
    return [c.id for c in claims if c.test == key or c.test.startswith(f"{key}::")]


def refuse(report, nodeid):
    """Turn a skip into a failure that names the claims."""
    claims = claims_of(nodeid)
    if report.skipped and claims:
        report.outcome = "failed"
        report.longrepr = f"{', '.join(claims)}: the test of a claim was skipped"
        vars(report).pop("wasxfail", None)  # pytest would exit with 0 for it
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    """Look at each test; an expected failure counts as a skip."""
    return refuse((yield), item.nodeid)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    """Look at each file, which can be skipped as a whole."""
    return refuse((yield), collector.nodeid)
