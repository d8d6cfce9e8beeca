"""Softmax and cross-entropy against torch, SciPy, loops and centred differences."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    assert_matches,
    assert_spread,
    in_kind,
    leaf,
    numerical_gradient,
    relative_error,
)
from scipy import special

from notebook_utils.softmax import (
    cross_entropy,
    cross_entropy_backward,
    log_softmax,
    log_sum_exp,
    softmax,
    softmax_jacobian,
)

SEEN = Counter()
SCALES = (1.0, 30.0, 1e4)
TEMPERATURES = (1.0, 0.01, 0.5, 3.0, 1e3)
REDUCTIONS = ("mean", "sum", "none")
SMOOTHINGS = (0.0, 0.1, 0.5)
EVERYWHERE = ("torch", "numpy", "float32", "float64", "large", "masked")
ARRAYS = (*EVERYWHERE, "axis", "1-D", "3-D", "empty", "one class")
BATCHES = (*EVERYWHERE, "empty", "one class", "one example")


class Scores(NamedTuple):
    """Scores of any shape, some of them ruled out; no row is ruled out whole."""

    kind: str
    dtype: str
    seed: int
    shape: tuple
    axis: int
    scale: float
    masked: bool

    def array(self):
        rng = np.random.default_rng(self.seed)
        x = self.scale * rng.standard_normal(self.shape)
        if self.masked:
            away = rng.random(self.shape) < 0.4
            # the first entry of each row stays
            away &= (
                np.arange(self.shape[self.axis])
                .reshape([-1 if i == self.axis % x.ndim else 1 for i in range(x.ndim)])
                .astype(bool)
            )
            x[away] = -np.inf
        return x.astype(self.dtype)

    def changed(self):
        """Name what is not as usual about this case."""
        facts = {
            "examples": True,
            self.kind: True,
            self.dtype: True,
            "large": self.scale == SCALES[-1],
            "masked": self.masked,
            "axis": self.axis % len(self.shape) != len(self.shape) - 1,
            "1-D": len(self.shape) == 1,
            "3-D": len(self.shape) == 3,
            "empty": 0 in self.shape,
            "one class": self.shape[self.axis] == 1,
            "one example": self.shape[0] == 1,
        }
        return [name for name, holds in facts.items() if holds]


@st.composite
def scores(draw, ndim=None):
    ndim = draw(st.integers(1, 3)) if ndim is None else ndim
    axis = draw(st.integers(-ndim, ndim - 1)) if ndim != 2 else 1
    shape = [draw(st.sampled_from((0, 1, 2, 3, 4))) for _ in range(ndim)]
    shape[axis] = draw(st.sampled_from((1, 2, 3, 5, 8)))
    return Scores(
        kind=draw(st.sampled_from(("numpy", "torch"))),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shape=tuple(shape),
        axis=axis,
        scale=draw(st.sampled_from(SCALES)),
        masked=draw(st.booleans()),
    )


@st.composite
def batches(draw):
    """Draw a case of (n, k) scores and labels, which may name a class ruled out."""
    case = draw(scores(ndim=2))
    n, k = case.shape
    return case, np.random.default_rng(case.seed + 1).integers(0, k, n)


def assert_close(answer, oracle, case):
    """As assert_matches, which needs arrays; beyond it, 1e4 is large for float32."""
    if case.kind == "numpy":
        assert isinstance(answer, np.ndarray | np.generic)
        answer = np.asarray(answer)
    assert_matches(answer, oracle, case)


def assert_scores_match(answer, oracle, case):
    """Compare what is as large as the scores: a relative error of their type."""
    oracle = np.asarray(oracle)
    assert torch.is_tensor(answer) == (case.kind == "torch")
    answer = np.asarray(answer)
    assert str(answer.dtype) == case.dtype
    assert answer.shape == oracle.shape
    tolerance = 1e-5 if case.dtype == "float32" else 1e-12
    np.testing.assert_allclose(answer, oracle, rtol=tolerance, atol=tolerance)


def naive_softmax(row, temperature=1.0):
    """Exponentiate and divide, in Python's numbers; rows must be small."""
    weights = [math.exp(each / temperature) for each in row]
    return [weight / math.fsum(weights) for weight in weights]


def test_log_sum_exp_is_scipys_and_torchs():
    @given(scores())
    def run(case):
        SEEN.update(("log_sum_exp", option) for option in case.changed())
        x = case.array()
        answer = log_sum_exp(in_kind(x, case.kind), axis=case.axis)
        x = x.astype(np.float64)
        assert_scores_match(answer, special.logsumexp(x, axis=case.axis), case)
        theirs = torch.logsumexp(torch.from_numpy(x), case.axis)
        assert_scores_match(answer, theirs, case)

    run()
    assert_spread(SEEN, "log_sum_exp", ARRAYS)


def test_softmax_is_scipys_and_torchs():
    @given(scores(), st.sampled_from(TEMPERATURES))
    def run(case, temperature):
        SEEN.update(("softmax", option) for option in case.changed())
        SEEN["softmax", "temperature"] += temperature != 1
        x = case.array()
        options = {"axis": case.axis, "temperature": temperature}
        answer = softmax(in_kind(x, case.kind), **options)
        scaled = x.astype(np.float64) / temperature
        assert_close(answer, special.softmax(scaled, axis=case.axis), case)
        assert_close(answer, F.softmax(torch.from_numpy(scaled), case.axis), case)
        assert np.all(np.asarray(answer)[x == -np.inf] == 0)

    run()
    assert_spread(SEEN, "softmax", (*ARRAYS, "temperature"))


def test_log_softmax_is_scipys_and_torchs():
    @given(scores(), st.sampled_from(TEMPERATURES))
    def run(case, temperature):
        SEEN.update(("log_softmax", option) for option in case.changed())
        SEEN["log_softmax", "temperature"] += temperature != 1
        x = case.array()
        options = {"axis": case.axis, "temperature": temperature}
        answer = log_softmax(in_kind(x, case.kind), **options)
        scaled = x.astype(np.float64) / temperature
        ours = special.log_softmax(scaled, axis=case.axis)
        assert_scores_match(answer, ours, case)
        theirs = F.log_softmax(torch.from_numpy(scaled), case.axis)
        assert_scores_match(answer, theirs, case)

    run()
    assert_spread(SEEN, "log_softmax", (*ARRAYS, "temperature"))


def test_the_three_are_their_definitions():
    @settings(max_examples=200)
    @given(
        st.lists(st.floats(-20, 20), min_size=1, max_size=6),
        st.sampled_from((0.1, 1.0, 7.0)),
    )
    def run(row, temperature):
        expected = naive_softmax(row, temperature)
        answer = softmax(row, temperature=temperature)
        np.testing.assert_allclose(answer, expected, rtol=1e-12, atol=1e-300)
        logs = log_softmax(row, temperature=temperature)
        np.testing.assert_allclose(np.exp(logs), expected, rtol=1e-11, atol=1e-300)
        total = math.log(math.fsum(math.exp(each) for each in row))
        assert log_sum_exp(row) == pytest.approx(total, rel=1e-12, abs=1e-12)

    run()


def test_softmax_jacobian_is_autograds_and_two_loops():
    @given(scores())
    def run(case):
        SEEN.update(("softmax_jacobian", option) for option in case.changed())
        x = np.moveaxis(case.array(), case.axis, -1)
        p = softmax(x)
        answer = softmax_jacobian(in_kind(p, case.kind))
        k, rows = x.shape[-1], x.astype(np.float64).reshape(-1, x.shape[-1])
        naive, theirs = np.zeros((2, len(rows), k, k))
        for n, row in enumerate(rows):
            exact = special.softmax(row)
            for i in range(k):
                for j in range(k):
                    naive[n, i, j] = exact[i] * ((i == j) - exact[j])
            theirs[n] = torch.autograd.functional.jacobian(
                lambda each: F.softmax(each, 0), torch.from_numpy(row)
            )
        assert_close(answer, naive.reshape(*x.shape, k), case)
        assert_close(answer, theirs.reshape(*x.shape, k), case)

    run()
    assert_spread(SEEN, "softmax_jacobian", ARRAYS)


def reductions_of(case):
    """An empty batch has no mean."""
    return REDUCTIONS if case.shape[0] else REDUCTIONS[1:]


def test_cross_entropy_is_torchs():
    @given(batches(), st.sampled_from(SMOOTHINGS))
    def run(drawn, smoothing):
        case, labels = drawn
        x = case.array()
        inputs = in_kind(x, case.kind), in_kind(labels, case.kind)
        wide, classes = torch.from_numpy(x.astype(np.float64)), torch.tensor(labels)
        for reduction in reductions_of(case):
            name = f"cross_entropy, {reduction}"
            SEEN.update((name, option) for option in case.changed())
            SEEN[name, "smoothing"] += smoothing > 0
            options = {"reduction": reduction, "label_smoothing": smoothing}
            answer = cross_entropy(*inputs, **options)
            oracle = F.cross_entropy(wide, classes, **options)
            assert_scores_match(answer, oracle, case)
        SEEN["cross_entropy", "infinite"] += bool(
            np.isinf(np.max(oracle.numpy(), initial=0))
        )

    run()
    options = {*BATCHES, "smoothing"}
    assert_spread(SEEN, "cross_entropy, mean", options - {"empty"}, examples=350)
    for reduction in REDUCTIONS[1:]:
        assert_spread(SEEN, f"cross_entropy, {reduction}", options)
    assert SEEN["cross_entropy", "infinite"] >= 50


def test_cross_entropy_is_a_loop():
    @settings(max_examples=200)
    @given(
        st.lists(st.tuples(*[st.floats(-20, 20)] * 3, st.integers(0, 2)), min_size=1)
    )
    def run(rows):
        logits, labels = [row[:3] for row in rows], [row[3] for row in rows]
        losses = [
            -math.log(naive_softmax(row)[label])
            for row, label in zip(logits, labels, strict=True)
        ]
        answer = cross_entropy(logits, labels, reduction="none")
        np.testing.assert_allclose(answer, losses, rtol=1e-9, atol=1e-12)
        total = cross_entropy(logits, labels, reduction="sum")
        assert total == pytest.approx(math.fsum(losses), rel=1e-9, abs=1e-12)
        mean = math.fsum(losses) / len(losses)
        assert cross_entropy(logits, labels) == pytest.approx(mean, rel=1e-9, abs=1e-12)

    run()


def test_cross_entropy_backward_is_autograds():
    @given(batches(), st.sampled_from(SMOOTHINGS))
    def run(drawn, smoothing):
        case, labels = drawn
        x = case.array()
        inputs = in_kind(x, case.kind), in_kind(labels, case.kind)
        for reduction in reductions_of(case):
            name = f"cross_entropy_backward, {reduction}"
            SEEN.update((name, option) for option in case.changed())
            SEEN[name, "smoothing"] += smoothing > 0
            options = {"reduction": reduction, "label_smoothing": smoothing}
            answer = cross_entropy_backward(*inputs, **options)
            at = leaf(x)
            loss = F.cross_entropy(at, torch.tensor(labels), **options)
            (oracle,) = torch.autograd.grad(loss.sum(), at)
            assert_close(answer, oracle, case)

    run()
    name, options = "cross_entropy_backward", {*BATCHES, "smoothing"}
    assert_spread(SEEN, f"{name}, mean", options - {"empty"}, examples=350)
    for reduction in REDUCTIONS[1:]:
        assert_spread(SEEN, f"{name}, {reduction}", options)


def test_smoothed_labels_are_a_distribution():
    x = np.log([[4.0, 2.0, 1.0]])
    # all classes alike: the mean of the three losses, and p less a third each
    even = cross_entropy(x, [1], label_smoothing=1)
    assert even == pytest.approx(math.log(7) - math.log(8) / 3)
    grad = cross_entropy_backward(x, [1], label_smoothing=1)
    np.testing.assert_allclose(grad, np.array([[5, -1, -4]]) / 21, rtol=1e-12)
    # one half to the truth, the other half to all three
    half = cross_entropy(x, [1], label_smoothing=0.5)
    assert half == pytest.approx((cross_entropy(x, [1]) + even) / 2)
    # a class that is ruled out takes its share to infinity
    assert cross_entropy([[0.0, -np.inf]], [0], label_smoothing=0.1) == np.inf
    grad = cross_entropy_backward([[0.0, -np.inf]], [0], label_smoothing=0.1)
    np.testing.assert_allclose(grad, [[0.05, -0.05]])


def test_backward_is_the_slope():
    @settings(max_examples=100)
    @given(batches())
    def run(drawn):
        case, labels = drawn
        x = case._replace(scale=2.0, dtype="float64", masked=False).array()
        for reduction in reductions_of(case):
            shape = len(labels) if reduction == "none" else ()
            slope = numerical_gradient(
                lambda x, reduction=reduction: cross_entropy(
                    x, labels, reduction=reduction, label_smoothing=0.2
                ),
                x,
                np.ones(shape),
            )
            options = {"reduction": reduction, "label_smoothing": 0.2}
            answer = cross_entropy_backward(x, labels, **options)
            assert relative_error(answer, slope) < 1e-6

    run()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_jacobian_is_the_slope(kind):
    rng = np.random.default_rng(0)
    x, grad_p = rng.standard_normal((2, 4, 5))
    slope = numerical_gradient(softmax, x, grad_p)
    jacobian = np.asarray(softmax_jacobian(in_kind(softmax(x), kind)))
    assert relative_error(np.einsum("ni,nij->nj", grad_p, jacobian), slope) < 1e-7
    # at temperature T the Jacobian is divided by T
    slope = numerical_gradient(lambda x: softmax(x, temperature=0.5), x, grad_p)
    jacobian = softmax_jacobian(softmax(x, temperature=0.5)) / 0.5
    assert relative_error(np.einsum("ni,nij->nj", grad_p, jacobian), slope) < 1e-7


def test_by_hand():
    x = np.log([4.0, 2.0, 1.0])
    p = np.array([4, 2, 1]) / 7
    np.testing.assert_allclose(softmax(x), p, rtol=1e-15)
    assert log_sum_exp(x) == pytest.approx(math.log(7), rel=1e-15)
    jacobian = np.array([[12, -8, -4], [-8, 10, -2], [-4, -2, 6]]) / 49
    np.testing.assert_allclose(softmax_jacobian(p), jacobian, rtol=1e-15)
    assert cross_entropy([x], [1]) == pytest.approx(math.log(3.5), rel=1e-15)
    grad = np.array([[4, -5, 1]]) / 7
    np.testing.assert_allclose(cross_entropy_backward([x], [1]), grad, rtol=1e-15)


def test_invariants():
    @settings(max_examples=200)
    @given(scores(ndim=2), st.floats(-100, 100))
    def run(case, constant):
        x = case._replace(dtype="float64").array()
        p = softmax(x)
        assert np.all(p >= 0)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_allclose(softmax(x + constant), p, rtol=1e-9, atol=1e-12)
        totals, top = log_sum_exp(x), np.max(x, axis=1, initial=-np.inf)
        assert np.all(totals >= top)
        assert np.all(totals <= top + math.log(x.shape[1]) + 1e-12 * np.abs(top))
        jacobian = softmax_jacobian(p)
        np.testing.assert_array_equal(jacobian, np.swapaxes(jacobian, 1, 2))
        np.testing.assert_allclose(jacobian.sum(axis=2), 0, atol=1e-12)

    run()


# the distance from the largest float16 to the least is no float16
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_ends_of_the_range(kind, dtype):
    top = float(np.finfo(dtype).max)
    x = in_kind(np.array([[top, -top, top, -np.inf]], dtype), kind)
    assert softmax(x).tolist() == [[0.5, 0, 0.5, 0]]
    assert float(log_sum_exp(x)[0]) == top
    assert np.asarray(log_softmax(x))[0, 0] == np.log(0.5).astype(dtype)
    assert np.asarray(log_softmax(x))[0, 3] == -np.inf
    assert str(np.asarray(softmax(x)).dtype) == dtype
    # what no probability of this type can hold, its logarithm does
    far = in_kind(np.array([[1e4, 0.0, -1e4]], dtype), kind)
    assert softmax(far).tolist() == [[1, 0, 0]]
    assert log_softmax(far).tolist() == [[0, -10000, -20000]]
    labels = in_kind(np.array([2]), kind)
    assert float(cross_entropy(far, labels)) == 20000
    assert cross_entropy_backward(far, labels).tolist() == [[1, 0, -1]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_temperatures_at_their_limits(kind):
    x = in_kind(np.array([3.0, 1.0, 3.0, -np.inf]), kind)
    assert softmax(x, temperature=1e-300).tolist() == [0.5, 0, 0.5, 0]
    hot = np.asarray(softmax(x, temperature=1e300))
    np.testing.assert_allclose(hot, [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-15)
    cold = np.asarray(log_softmax(x, temperature=1e-3))
    expected = [-np.log(2), -2000 - np.log(2), -np.log(2), -np.inf]
    np.testing.assert_allclose(cold, expected, rtol=1e-15)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_halves_are_computed_in_float32(kind):
    x = in_kind(np.zeros(70000, np.float16), kind)  # their sum is no float16
    assert float(softmax(x)[0]) == np.float16(1 / 70000)
    assert float(log_sum_exp(x)) == np.float16(np.log(70000))
    assert float(log_softmax(x)[0]) == np.float16(-np.log(70000))
    jacobian = softmax_jacobian(softmax(in_kind(np.float16([1, 2, 3]), kind)))
    assert str(np.asarray(jacobian).dtype) == "float16"
    brain = torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16)
    theirs = F.softmax(brain.float(), 0).to(torch.bfloat16)
    assert torch.equal(softmax(brain), theirs)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_half_precision_batches_are_rounded_once(kind):
    n = 70000  # no float16 is as large
    x = np.tile(np.float16([[1, 0, -1]]), (n, 1))
    half = in_kind(x, kind), in_kind(np.zeros(n, np.int64), kind)
    wide = in_kind(x.astype(np.float32), kind), half[1]
    for reduction in REDUCTIONS[:2]:
        loss = cross_entropy(*half, reduction=reduction)
        expected = np.asarray(cross_entropy(*wide, reduction=reduction))
        assert np.asarray(loss) == expected.astype(np.float16)
        assert np.asarray(loss).dtype == np.float16
    for reduction in REDUCTIONS:
        grad = np.asarray(cross_entropy_backward(*half, reduction=reduction))
        expected = np.asarray(cross_entropy_backward(*wide, reduction=reduction))
        np.testing.assert_array_equal(grad, expected.astype(np.float16))
        assert np.all(grad != 0)


def test_a_true_class_that_is_ruled_out():
    logits, labels = [[0.0, -np.inf], [0.0, 0.0]], [1, 1]
    losses = cross_entropy(logits, labels, reduction="none")
    assert losses.tolist() == [np.inf, pytest.approx(math.log(2))]
    assert cross_entropy(logits, labels) == np.inf
    grad = cross_entropy_backward(logits, labels, reduction="none")
    assert grad.tolist() == [[1, -1], [0.5, -0.5]]


def test_labels_of_every_integer_type_leave_the_scores_alone():
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    expected = cross_entropy(x, [0, 3, 1])
    assert expected.dtype == np.float32
    for dtype in ("int8", "uint8", "int32", "int64", "uint64"):
        for kind in ("numpy", "torch"):
            labels = in_kind(np.array([0, 3, 1], dtype), kind)
            loss = cross_entropy(in_kind(x, kind), labels)
            assert float(loss) == pytest.approx(float(expected), rel=1e-6)
            assert str(loss.dtype).removeprefix("torch.") == "float32"
    tensor = torch.tensor([0, 3, 1])
    # a list takes the kind of what comes with it
    for loss in (
        cross_entropy(torch.from_numpy(x), [0, 3, 1]),
        cross_entropy(x.tolist(), tensor),
    ):
        assert isinstance(loss, torch.Tensor)
        assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert cross_entropy(x.tolist(), tensor).dtype == torch.float64
    assert cross_entropy_backward(torch.from_numpy(x), tensor).dtype == torch.float32


def test_lists_and_integers_become_float64():
    assert softmax([1, 2]).dtype == np.float64
    assert log_softmax(np.array([1, 2])).dtype == np.float64
    assert log_sum_exp(torch.tensor([1, 2])).dtype == torch.float64
    assert softmax_jacobian([1, 0]).tolist() == [[0, 0], [0, 0]]
    assert cross_entropy([[1, 2]], [0]).dtype == np.float64


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_empty_batches(kind):
    x = in_kind(np.zeros((0, 3)), kind)
    labels = in_kind(np.zeros(0, np.int64), kind)
    assert tuple(softmax(x).shape) == tuple(log_softmax(x).shape) == (0, 3)
    assert tuple(log_sum_exp(x).shape) == (0,)
    assert tuple(softmax_jacobian(x).shape) == (0, 3, 3)
    for each in (labels, []):
        assert float(cross_entropy(x, each, reduction="sum")) == 0
        assert tuple(cross_entropy(x, each, reduction="none").shape) == (0,)
        for reduction in ("sum", "none"):
            grad = cross_entropy_backward(x, each, reduction=reduction)
            assert tuple(grad.shape) == (0, 3)


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((3, 4), generator=generator, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(lambda x: log_sum_exp(x, axis=0), x)
    torch.autograd.gradcheck(lambda x: softmax(x, temperature=0.7), x)
    torch.autograd.gradcheck(log_softmax, x)
    torch.autograd.gradcheck(lambda x: softmax_jacobian(softmax(x)), x)
    labels = torch.tensor([0, 3, 1])
    torch.autograd.gradcheck(lambda x: cross_entropy(x, labels), x)


def test_inputs_are_left_alone():
    original = np.random.default_rng(0).standard_normal((3, 4))
    for x in (original.copy(), torch.from_numpy(original.copy())):
        labels = in_kind(
            np.array([0, 3, 1]), "torch" if torch.is_tensor(x) else "numpy"
        )
        for function in (log_sum_exp, softmax, log_softmax):
            answer = function(x)
            answer[...] = 7
        for function in (cross_entropy, cross_entropy_backward):
            answer = function(x, labels, reduction="none")
            answer[...] = 7
        np.testing.assert_array_equal(np.asarray(x), original)
        assert labels.tolist() == [0, 3, 1]
        # one class alone: nothing to move, and still an answer of its own
        log_softmax(x[:, :1])[...] = 7
        p = softmax(x)
        kept = np.asarray(p).copy()
        softmax_jacobian(p)[...] = 7
        np.testing.assert_array_equal(np.asarray(p), kept)
        np.testing.assert_array_equal(np.asarray(x), original)


X = np.zeros((2, 3))
MASKED = [[0.0, 1.0], [-np.inf, -np.inf]]
NO_AXIS = r"axis is -1, but x of shape \(\) has no axis"
ON_SCORES = [
    (lambda f: f(3.0), NO_AXIS),
    (lambda f: f(X, axis=2), r"axis is 2, but x of shape \(2, 3\) has axes -2 to 1"),
    (lambda f: f(X, axis=-3), "axis is -3, but x of shape"),
    (lambda f: f(X, axis=None), "axis is None, but x of shape"),
    (lambda f: f(X, axis=True), "axis is True, but x of shape"),
    (lambda f: f(X, axis=(0, 1)), r"axis is \(0, 1\), but x of shape"),
    (lambda f: f(X[:, :0]), r"x of shape \(2, 0\) is empty along axis -1"),
    (lambda f: f(X[:0], axis=0), r"x of shape \(0, 3\) is empty along axis 0"),
    (lambda f: f([[0, 1], [np.nan, 2]]), r"x is nan at \(1, 0\), but must be finite"),
    (lambda f: f([0, np.inf]), r"x is inf at \(1,\), but must be finite or -inf"),
    (lambda f: f(MASKED), r"x holds only -inf along axis -1, from \(1, 0\) on, but at"),
    (lambda f: f(np.array(MASKED).T, axis=0), r"along axis 0, from \(0, 1\) on"),
    (lambda f: f([-np.inf]), r"x holds only -inf along axis -1, from \(0,\) on"),
    (lambda f: f("scores"), "x holds <U6, but must hold real numbers"),
    (lambda f: f([1j]), "x holds complex128, but must hold real numbers"),
]


@pytest.mark.parametrize("function", [log_sum_exp, softmax, log_softmax])
@pytest.mark.parametrize(("call", "message"), ON_SCORES)
def test_refuses_scores(function, call, message):
    with pytest.raises(ValueError, match=message):
        call(function)


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize(
    "temperature", [0, -1.0, math.nan, math.inf, True, "1", None, 1e-320, [1.0]]
)
def test_refuses_temperatures(function, temperature):
    message = r"temperature is .*, but must be a number from 2.23e-308 to 1.8e\+308"
    with pytest.raises(ValueError, match=message):
        function(X, temperature=temperature)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("temperature", [1e-40, 1e39])
def test_refuses_a_temperature_that_float32_cannot_hold(dtype, temperature):
    with pytest.raises(ValueError, match=r"but must be a number from 1.18e-38 to 3.4e"):
        softmax(X.astype(dtype), temperature=temperature)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (1.0, r"p of shape \(\) does not fit \(\.\.\., k\)"),
        ([0.5, 0.6], r"p has the sum 1.1 at \(\), but must have 1 within 1e-06"),
        ([[1, 0], [0.5, 0.49999]], r"p has the sum 0.99999 at \(1,\)"),
        ([-0.1, 1.1], r"p is -0.1 at \(0,\), but must be at least 0"),
        ([0.5, math.nan], "p has the sum nan"),
        (np.ones((2, 0)), r"p has the sum 0 at \(0,\)"),
        (np.float16([0.5, 0.49]), "must have 1 within 0.00391"),
    ],
)
def test_refuses_probabilities(p, message):
    with pytest.raises(ValueError, match=message):
        softmax_jacobian(p)


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_backward])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0], [0]), r"logits of shape \(3,\) does not fit \(n, k\)"),
        ((X, [0, 1, 2]), r"labels of shape \(3,\) .*: n is 3, but must be 2"),
        ((X, 0), r"labels of shape \(\) does not fit \(n\)"),
        ((X, X), r"labels of shape \(2, 3\) does not fit \(n\)"),
        ((X, [0, 3]), r"labels is 3 at \(1,\), but must be a class from 0 to 2"),
        ((X, [-1, 0]), r"labels is -1 at \(0,\), but must be a class from 0 to 2"),
        ((X, [0.0, 1.0]), "labels holds float64, but must hold integers"),
        ((X, [True, False]), "labels holds bool, but must hold integers"),
        ((X, ["a", "b"]), "labels holds <U1, but must hold real numbers"),
        ((X, torch.tensor([0, 1])), r"NumPy arrays \(logits\) are mixed with torch"),
        ((X[:, :0], [0, 0]), r"logits of shape \(2, 0\) is empty along axis 1"),
        ((MASKED, [0, 0]), r"logits holds only -inf along axis 1, from \(1, 0\) on"),
        (([[0, np.nan]], [0]), r"logits is nan at \(0, 1\)"),
        (([[np.inf, 0]], [0]), r"logits is inf at \(0, 0\)"),
        (
            (X[:0], []),
            'logits and labels are empty: no losses have no mean; reduction "',
        ),
    ],
)
def test_refuses_batches(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_backward])
@pytest.mark.parametrize("reduction", ["average", "Mean", None, ""])
def test_refuses_reductions(function, reduction):
    message = "reduction is .*, but must be one of 'mean', 'sum', 'none'"
    with pytest.raises(ValueError, match=message):
        function(X, [0, 1], reduction=reduction)


@pytest.mark.parametrize("function", [cross_entropy, cross_entropy_backward])
@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, True, "0.1", None])
def test_refuses_smoothings(function, share):
    message = "label_smoothing is .*, but must be a number of at least 0 and at most 1"
    with pytest.raises(ValueError, match=message):
        function(X, [0, 1], label_smoothing=share)


def test_tensors_with_labels_of_floats():
    with pytest.raises(ValueError, match=r"labels holds torch.float32, but must hold"):
        cross_entropy(torch.zeros(1, 2), torch.zeros(1))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(batches(), st.sampled_from(TEMPERATURES))
    def run(drawn, temperature):
        case, labels = drawn
        x = case.array()
        there, classes = in_kind(x, "cuda"), in_kind(labels, "cuda")
        case = case._replace(kind="cuda")
        for function in (softmax, log_softmax):
            answer = function(there, temperature=temperature)
            assert_matches(answer, function(x, temperature=temperature), case)
        assert_matches(log_sum_exp(there), log_sum_exp(x), case)
        assert_matches(
            softmax_jacobian(softmax(there)), softmax_jacobian(softmax(x)), case
        )
        for function in (cross_entropy, cross_entropy_backward):
            answer = function(there, classes, reduction="none")
            assert_matches(answer, function(x, labels, reduction="none"), case)

    run()
