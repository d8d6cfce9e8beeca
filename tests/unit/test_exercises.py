"""What `check` says of an attempt, and `agree` of two results."""

import math
import re

import numpy as np
import pytest
import torch

from notebook_utils.convolution import convolution_matrix
from notebook_utils.exercises import agree, check


def add(a, b):
    return a + b


def verdict(capsys, attempt, reference, inputs, **keywords):
    assert check(attempt, reference, inputs, **keywords) is None
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.endswith("\n")
    return out.rstrip("\n")


def not_implemented(*_):
    raise NotImplementedError


@pytest.mark.parametrize(
    "attempt",
    [
        None,
        ...,
        lambda a, b: None,
        lambda a, b: ...,
        lambda a, b: (None, ...),
        not_implemented,
    ],
)
def test_not_attempted_yet(capsys, attempt):
    assert verdict(capsys, attempt, add, [(1, 2), (3, 4)]) == "not attempted yet"


def test_correct(capsys):
    inputs = [(1, 2), (3, 4), (0.1, 0.2)]
    assert verdict(capsys, lambda a, b: b + a, add, inputs) == "correct (3 inputs)"
    assert verdict(capsys, abs, math.fabs, [-3]) == "correct (1 input)"


def test_inputs_of_all_forms(capsys):
    inputs = [(1, 2), {"a": 3, "b": 4}]
    assert verdict(capsys, add, add, inputs) == "correct (2 inputs)"
    assert verdict(capsys, sum, sum, [[1, 2, 3], np.arange(3)]) == "correct (2 inputs)"
    assert verdict(capsys, len, len, iter(("a", "bc"))) == "correct (2 inputs)"


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        (5, 4, "expected 5, got 4 (off by 1)"),
        (0.5, 0.25, "expected 0.5, got 0.25 (off by 0.25)"),
        (np.float64(1 / 3), 0.0, "expected 0.333333, got 0 (off by 0.333333)"),
        (math.nan, 1.0, "expected nan, got 1"),
        (1.0, math.nan, "expected 1, got nan"),
        (math.inf, -math.inf, "expected inf, got -inf"),
        (math.inf, 1e9, "expected inf, got 1e+09"),
        (1 + 1j, 1 - 1j, "expected (1+1j), got (1-1j) (off by 2)"),
        ("same", "valid", "expected 'same', got 'valid'"),
        (5, "5", "expected 5, got '5'"),
        (None, 5, "expected None, got 5"),
        ((3, 4), (3, 5), "item 1: expected 4, got 5 (off by 1)"),
        ((3, 4), 3, "expected (3, 4), got 3"),
        (3, np.array([3]), "expected 3, got [3]"),
        ((3, 4), np.array([3, 4, 5]), "shape (3,) instead of (2,)"),
        ((3, 4), (3, 4, 5), "expected (3, 4), got (3, 4, 5)"),
        (("a", 4), 3, "expected ('a', 4), got 3"),
        ([[1, 2], [3]], 3, "expected [[1, 2], [3]], got 3"),
        ({"mean": 1.0}, {"mean": 2.0}, "item 'mean': expected 1, got 2 (off by 1)"),
        ({"mean": 1.0}, {"var": 1.0}, "expected {'mean': 1}, got {'var': 1}"),
        (
            np.zeros((2, 3)),
            np.array([[0, 0, 0.25], [0, 0.125, 0]]),
            "largest difference 0.25 at (0, 2)",
        ),
        (np.zeros(3), [0, 2, 1], "largest difference 2 at 1"),
        (torch.zeros(2, 2), torch.eye(2), "largest difference 1 at (0, 0)"),
        (np.zeros((5, 5)), np.zeros((3, 3)), "shape (3, 3) instead of (5, 5)"),
        (np.array([1.0, math.nan]), np.array([1.0, 2.0]), "expected nan at 1, got 2"),
        (
            (np.zeros(2), np.zeros(2)),
            (np.zeros(2), np.ones(2)),
            "item 1: largest difference 1 at 0",
        ),
    ],
)
def test_first_failure(capsys, expected, got, message):
    found = verdict(capsys, lambda a, b: got, lambda a, b: expected, [(7, 3)])
    assert found == f"not yet: on input (7, 3) {message}"


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (5, 5.0),
        (5, np.int64(5)),
        (1.0, 1.0 + 5e-10),
        (1e12, 1e12 + 1),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ("same", "same"),
        ([1, 2], (1, 2)),
        ((1, 2), np.array([1, 2])),
        (np.array([math.nan, 1]), torch.tensor([math.nan, 1])),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        ({"mean": [1, 2]}, {"mean": np.array([1, 2])}),
        (convolution_matrix([[1, 2]], (1, 3)), np.array([[1, 2, 0], [0, 1, 2]])),
        (torch.ones(2, dtype=torch.bfloat16), [1, 1]),
        (None, None),
    ],
)
def test_equal_enough(capsys, expected, got):
    # the second input keeps an attempt that answers None from passing for none at all
    values = {"attempt": (0, got), "reference": (0, expected)}
    functions = [answers.__getitem__ for answers in values.values()]
    assert verdict(capsys, *functions, [1, 0]) == "correct (2 inputs)"


def test_tolerance(capsys):
    near = (lambda x: x + 0.01, lambda x: x, [1.0])
    assert verdict(capsys, *near, tolerance=0.1) == "correct (1 input)"
    assert "off by 0.01" in verdict(capsys, *near, tolerance=1e-3)


def test_the_first_failing_input_is_named(capsys):
    found = verdict(capsys, lambda x: min(x, 3), lambda x: x, [1, 2, 4, 5])
    assert found == "not yet: on input 4 expected 4, got 3 (off by 1)"
    found = verdict(capsys, lambda x: x if x < 2 else None, lambda x: x, [1, 2])
    assert found == "not yet: on input 2 expected 2, got None"
    found = verdict(capsys, add, lambda a, b: 0, [{"a": 1, "b": 2}])
    assert found == "not yet: on input {'a': 1, 'b': 2} expected 0, got 3 (off by 3)"


def test_exceptions(capsys):
    def clumsy(x):
        return {}[x]

    assert verdict(capsys, clumsy, abs, [3]) == "not yet: on input 3 raised KeyError: 3"

    def wordy(x):
        raise ValueError("two\nlines")

    found = verdict(capsys, wordy, abs, [3])
    assert found == "not yet: on input 3 raised ValueError: two lines"


def test_a_value_error_is_expected(capsys):
    def root(x):
        if x < 0:
            raise ValueError("x is negative")
        return math.sqrt(x)

    assert verdict(capsys, math.sqrt, root, [4, -1]) == "correct (2 inputs)"
    found = verdict(capsys, lambda x: abs(x) ** 0.5, root, [4, -1])
    assert found == "not yet: on input -1 expected a ValueError (x is negative), got 1"
    found = verdict(capsys, lambda x: math.sqrt(x if x > 0 else None), root, [4, -1])
    assert found.startswith(
        "not yet: on input -1 expected a ValueError (x is negative), raised TypeError: "
    )


def test_an_error_of_the_reference_is_ours():
    with pytest.raises(ZeroDivisionError):
        check(lambda x: x, lambda x: 1 / x, [0])


def test_an_attempt_cannot_spoil_the_inputs(capsys):
    def greedy(values):
        total = sum(values)
        values.clear()
        return total

    given = [[1, 2], [3, 4]]
    assert verdict(capsys, greedy, sum, given) == "correct (2 inputs)"
    assert given == [[1, 2], [3, 4]]


def test_long_inputs_are_cut_short(capsys):
    def found_on(arguments):
        found = verdict(capsys, lambda *_: 0, lambda *_: 1, [arguments])
        assert found.startswith("not yet: on input ")
        return found.removeprefix("not yet: on input ")

    large = np.zeros((30, 40))
    found = found_on(large)
    assert found == "array of shape (30, 40) expected 1, got 0 (off by 1)"
    found = found_on((large, torch.eye(2)))
    assert found.startswith("(array of shape (30, 40), [[1, 0], [0, 1]]) expected")
    found = found_on(("x" * 100,) * 6)
    assert "…" in found
    assert len(found) < 150


def test_no_inputs_are_refused():
    with pytest.raises(ValueError, match="inputs is empty"):
        check(abs, abs, [])


def grad_tensor(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (1, 1.0),
        (1 / 3, 1 / 3 + 5e-10),
        (np.arange(3), [0, 1, 2]),
        (math.nan, math.nan),
        (np.ones(2), grad_tensor(1, 1)),
        (grad_tensor(1, 1), np.ones(2)),
        (grad_tensor(1, 2), grad_tensor(1, 2) * 1),
        ((np.ones(2), 3), (torch.ones(2), 3)),
        ([grad_tensor(1), (2, 3)], (np.ones(1), grad_tensor(2, 3))),
        ((), ()),
        (convolution_matrix([[1, 2]], (1, 2)), [[1, 2]]),
    ],
)
def test_agree_prints_one_line(capsys, ours, theirs):
    assert agree("ours and theirs", ours, theirs) is None
    assert capsys.readouterr().out == "ours and theirs: difference ≤ 1e-9\n"


def test_agree_leaves_tensors_alone():
    x = grad_tensor(1, 2)
    agree("x", x, x * 1)
    assert x.requires_grad
    assert x.grad is None


@pytest.mark.parametrize(
    ("tolerance", "limit"),
    [(1e-5, "1e-5"), (1e-12, "1e-12"), (2.5e-6, "2.5e-6"), (0.01, "0.01"), (0, "0")],
)
def test_agree_prints_the_tolerance(capsys, tolerance, limit):
    agree("size-01", 1.0, 1.0 + tolerance / 2, tolerance=tolerance)
    assert capsys.readouterr().out == f"size-01: difference ≤ {limit}\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (4, 5, "expected 5, got 4 (off by 1)"),
        (1.0, 1.0 + 2e-9, "expected 1, got 1 (off by 2e-09)"),
        (np.zeros(3), [0, 0.5, 0], "largest difference 0.5 at 1"),
        (np.ones(2), np.array([1, math.nan]), "expected nan at 1, got 1"),
        (grad_tensor(1, 2), grad_tensor(1, 4), "largest difference 2 at 1"),
        (np.zeros((3, 3)), np.zeros((5, 5)), "shape (3, 3) instead of (5, 5)"),
        # these would broadcast
        (np.zeros((1, 3)), np.zeros(3), "shape (1, 3) instead of (3,)"),
        (np.zeros(3), 0, "expected 0, got [0, 0, 0]"),
        ((1, 2), (1, 2, 3), "expected (1, 2, 3), got (1, 2)"),
        ((np.ones(2), grad_tensor(3)), (np.ones(2), 4), "item 1: expected 4, got [3]"),
        (
            (1, (np.ones(2), grad_tensor(3, 3))),
            (1, (np.ones(2), [3, 4])),
            "item 1: item 1: largest difference 1 at 1",
        ),
    ],
)
def test_agree_refuses_a_difference(capsys, ours, theirs, message):
    with pytest.raises(ValueError, match=f"^ours and theirs: {re.escape(message)}$"):
        agree("ours and theirs", ours, theirs)
    assert capsys.readouterr().out == ""


def test_agree_takes_a_tolerance():
    agree("near", 1e6, 1e6 + 1, tolerance=1e-5)
    with pytest.raises(ValueError, match=r"^near: expected .*\(off by 1\)$"):
        agree("near", 1e6, 1e6 + 1, tolerance=1e-7)
