"""The claims' tests are tried: whatever breaks what holds must turn them red."""

import contextlib
import importlib
import warnings

import mutation
import pytest

import ledger

TESTS = sorted({claim.test for claim in ledger.judged(ledger.load()[1])})

# what the package computes in one line, and the claims' tests compare with
FORMULAS = (
    "effective_kernel", "output_size", "same_padding", "parameter_count",
    "multiply_adds", "transposed_output_size",
)  # fmt: skip
USED = {
    name: [
        key
        for key, test in mutation.claim_tests().items()
        if name in mutation.names(test)
    ]
    for name in FORMULAS
}
# a function that no claim rests on would be tried for nothing
TRIED = [name for name in FORMULAS if USED[name]]
SAME = {  # mutants that change no value
    "parameter_count: c_in // groups -> c_in / groups"  # groups divide the channels
}


@pytest.fixture(autouse=True)
def quiet():
    """Let mutants divide by zero without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("key", TESTS)
def test_no_mutant_of_a_claim_survives(key):
    test = mutation.claim_tests()[key]
    assert not mutation.fails(key, test)
    broken = list(mutation.broken_tests(test))
    assert broken
    survivors = [told for mutant, told in broken if not mutation.fails(key, mutant)]
    assert survivors == [], f"{key} does not notice: {survivors}"


@pytest.mark.parametrize("name", TRIED)
def test_no_mutant_of_the_package_survives(name):
    module = importlib.import_module("notebook_utils.convolution")
    survivors = []
    for function, code, told in mutation.mutate_package(getattr(module, name)):
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = code
            tests = ((key, mutation.claim_tests()[key]) for key in USED[name])
            if not any(mutation.fails(key, test) for key, test in tests):
                survivors.append(told)
    expected = [told for told in SAME if told.startswith(f"{name}: ")]
    assert survivors == expected, "no claim notices this"
