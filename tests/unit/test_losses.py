"""Losses against torch, scikit-learn, loops and centred differences."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_spread, in_kind, leaf, numerical_gradient, relative_error
from sklearn import metrics

from notebook_utils import losses
from notebook_utils.losses import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    focal_loss,
    focal_loss_backward,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    multiclass_hinge_loss,
    multiclass_hinge_loss_backward,
    nll_loss,
    nll_loss_backward,
    smooth_l1_loss,
)
from notebook_utils.softmax import cross_entropy, cross_entropy_backward, log_softmax

SEEN = Counter()
REDUCTIONS = ("mean", "sum", "none")
SCALES = (1.0, 30.0, 1e4)
COMMON = ("torch", "numpy", "float32", "float64", "large", "ties", *REDUCTIONS)
ENTRIES = (*COMMON, "0-D", "3-D", "empty", "one")
BATCHES = (*COMMON, "empty", "one class", "one example")


class Case(NamedTuple):
    """Arguments of a loss; what is drawn from the seed depends on the loss."""

    kind: str
    dtype: str
    seed: int
    shape: tuple
    scale: float
    ties: bool
    reduction: str

    def numbers(self, *, seed=0):
        """Draw scores or predictions: real, or whole so that corners are met."""
        rng = np.random.default_rng([self.seed, seed])
        x = self.scale * rng.standard_normal(self.shape)
        if self.ties:
            x = rng.integers(-2, 3, self.shape)
        return np.asarray(x).astype(self.dtype)

    def shares(self, *, seed=0, shape=None):
        """Draw numbers from 0 to 1, the ends among them."""
        rng = np.random.default_rng([self.seed, 9, seed])
        shape = self.shape if shape is None else shape
        x = np.clip(rng.uniform(-1, 2, shape), 0, 1)
        return np.asarray(x).astype(self.dtype)

    def bits(self, *, seed=0):
        rng = np.random.default_rng([self.seed, 8, seed])
        return np.asarray(rng.integers(0, 2, self.shape)).astype(self.dtype)

    def labels(self):
        n, k = self.shape
        return np.random.default_rng([self.seed, 7]).integers(0, k, n)

    def changed(self):
        """Name what is not as usual about this case."""
        facts = {
            "examples": True,
            self.kind: True,
            self.dtype: True,
            self.reduction: True,
            "large": self.scale == SCALES[-1] and not self.ties,
            "ties": self.ties,
            "0-D": self.shape == (),
            "3-D": len(self.shape) == 3,
            "empty": 0 in self.shape,
            "one": math.prod(self.shape) == 1,
            "one class": self.shape[1:] == (1,),
            "one example": self.shape[:1] == (1,),
        }
        return [name for name, holds in facts.items() if holds]


@st.composite
def cases(draw, shapes):
    shape = draw(shapes)
    empty = 0 in shape
    return Case(
        kind=draw(st.sampled_from(("numpy", "torch"))),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shape=shape,
        scale=draw(st.sampled_from(SCALES)),
        ties=draw(st.booleans()),
        reduction=draw(st.sampled_from(REDUCTIONS[1:] if empty else REDUCTIONS)),
    )


entries = cases(
    st.sampled_from(((), (), (1,), (5,), (0,), (3, 0), (2, 3), (2, 1, 3), (3, 2, 2)))
)
batches = cases(st.tuples(st.sampled_from((0, 1, 2, 4)), st.sampled_from((1, 2, 3, 6))))


def wide(array):
    """Turn an array of the case's type into a float64 tensor, digit by digit."""
    return torch.from_numpy(np.asarray(array, np.float64))


def same(answer, oracle, case, *, scale=1.0):
    """Compare with a float64 oracle: kind, type, shape, values."""
    oracle = oracle.detach().numpy()
    assert torch.is_tensor(answer) == (case.kind == "torch")
    answer = np.asarray(answer)
    assert str(answer.dtype) == case.dtype
    assert answer.shape == oracle.shape
    tolerance = 1e-5 if case.dtype == "float32" else 1e-12
    bounds = {"rtol": tolerance, "atol": tolerance * scale}
    np.testing.assert_allclose(answer, oracle, **bounds)


def reduced(values, reduction):
    return values if reduction == "none" else getattr(values, reduction)()


def compare(name, case, inputs, options, oracle, *, scale=1.0):
    """Compare a loss and its backward with torch's values and autograd's slopes."""
    SEEN.update((name, option) for option in case.changed())
    inputs = [in_kind(np.asarray(each), case.kind) for each in inputs]
    options = options | {"reduction": case.reduction}
    at = leaf(inputs[0])
    theirs = oracle(at)
    (slopes,) = torch.autograd.grad(theirs.sum(), at)
    same(getattr(losses, name)(*inputs, **options), theirs, case, scale=scale)
    backward = getattr(losses, f"{name}_backward")
    same(backward(*inputs, **options), slopes, case, scale=scale)


WIDTHS = (1.0, 0.1, 2.0, 50.0)
REGRESSION = {
    "mse_loss": (st.just({}), F.mse_loss),
    "l1_loss": (st.just({}), F.l1_loss),
    "huber_loss": (st.fixed_dictionaries({"delta": st.sampled_from(WIDTHS)}),
                   F.huber_loss),
    "smooth_l1_loss": (
        st.fixed_dictionaries({"beta": st.sampled_from((0.0, *WIDTHS))}),
        F.smooth_l1_loss,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_losses_are_torchs(name):
    drawn, function = REGRESSION[name]

    @given(entries, drawn)
    def run(case, options):
        SEEN[name, "option"] += not options or set(options.values()) != {1.0}
        x, y = case.numbers(), case.numbers(seed=1)

        def oracle(at):
            return function(at, wide(y), reduction=case.reduction, **options)

        compare(name, case, (x, y), options, oracle, scale=case.scale)

    run()
    assert_spread(SEEN, name, (*ENTRIES, "option"))


weights = st.sampled_from((None, "all", "last", "one"))


def weight_of(case, form, seed):
    """Draw a weight for each entry, for the last axis, or for all; or none."""
    if form is None or case.shape == ():
        return None
    shape = {"all": case.shape, "last": case.shape[-1:], "one": (1,)}[form]
    return 3 * case.shares(seed=seed, shape=shape)


def test_binary_cross_entropy_is_torchs():
    name = "binary_cross_entropy_with_logits"

    @given(entries, weights, weights, st.booleans())
    def run(case, weight, pos_weight, masked):
        x, y = case.numbers(), case.shares()
        weight = weight_of(case, weight, 1)
        pos_weight = weight_of(case, pos_weight, 2)
        mask = (
            np.asarray(case.bits(seed=1) == 1) if masked else np.ones(case.shape, bool)
        )
        masked = masked and mask.any()
        facts = {
            "weight": weight is not None,
            "pos_weight": pos_weight is not None,
            "mask": masked,
            "hard": bool(np.all((y == 0) | (y == 1))),
        }
        SEEN.update((name, fact) for fact, holds in facts.items() if holds)
        options = {"weight": weight, "pos_weight": pos_weight}
        full = {
            key: None if each is None else torch.broadcast_to(wide(each), case.shape)
            for key, each in options.items()
        }
        options = {
            key: None if each is None else in_kind(each, case.kind)
            for key, each in options.items()
        }
        if masked:
            options["mask"] = in_kind(mask, case.kind)

        def oracle(at):
            values = F.binary_cross_entropy_with_logits(
                at, wide(y), reduction="none", **full
            )
            if masked and case.reduction == "mean":
                return values[torch.from_numpy(mask)].mean()
            if masked:
                values = values * torch.from_numpy(mask)
            return reduced(values, case.reduction)

        compare(name, case, (x, y), options, oracle)

    run()
    assert_spread(SEEN, name, (*ENTRIES, "weight", "pos_weight", "mask", "hard"))


def torch_focal(x, y, alpha, gamma):
    """Torch's binary cross-entropy, faded by (1 - p_t)^gamma."""
    u = (2 * y - 1) * x
    share = 1 if alpha is None else alpha * y + (1 - alpha) * (1 - y)
    bce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    return share * torch.exp(gamma * F.logsigmoid(-u)) * bce


def test_focal_loss_is_its_formula():
    @given(
        entries,
        st.sampled_from((None, 0.25, 0.7, 0.0)),
        st.sampled_from((0.0, 0.5, 1.0, 2.0, 5.0)),
    )
    def run(case, alpha, gamma):
        SEEN["focal_loss", "alpha"] += alpha is not None
        SEEN["focal_loss", "gamma"] += gamma != 2
        x, y = case.numbers(), case.bits()

        def oracle(at):
            return reduced(torch_focal(at, wide(y), alpha, gamma), case.reduction)

        compare(
            "focal_loss", case, (x, y), {"alpha": alpha, "gamma": gamma}, oracle
        )  # fmt: skip

    run()
    assert_spread(SEEN, "focal_loss", (*ENTRIES, "alpha", "gamma"))


def test_hinge_loss_is_torchs_and_scikit_learns():
    @given(entries, st.sampled_from((1.0, 0.0, 2.0)), st.sampled_from((1, 2)))
    def run(case, margin, p):
        SEEN["hinge_loss", "margin"] += margin != 1
        SEEN["hinge_loss", "squared"] += p == 2
        x, signs = case.numbers(), 2 * case.bits() - 1

        def oracle(at):
            gaps = torch.relu(margin - wide(signs) * at)
            return reduced(gaps**p, case.reduction)

        options = {"margin": margin, "p": p}
        compare("hinge_loss", case, (x, signs), options, oracle, scale=case.scale**p)
        if x.size > 1 and len(set(signs.ravel())) == 2:
            theirs = metrics.hinge_loss(signs.ravel(), x.ravel().astype(float))
            assert float(hinge_loss(x, signs)) == pytest.approx(theirs, rel=1e-5)

    run()
    assert_spread(SEEN, "hinge_loss", (*ENTRIES, "margin", "squared"))


def test_multiclass_hinge_loss_is_torchs():
    name = "multiclass_hinge_loss"

    @given(
        batches,
        st.sampled_from((1.0, 0.0, 2.5)),
        st.sampled_from((1, 2)),
        st.booleans(),
    )
    def run(case, margin, p, masked):
        x, labels = case.numbers(), case.labels()
        rows = np.arange(len(labels))
        if masked:
            away = np.random.default_rng(case.seed).random(case.shape) < 0.4
            away[rows, labels] = False
            x[away] = -np.inf
        facts = {"margin": margin != 1, "squared": p == 2, "masked": masked}
        SEEN.update((name, fact) for fact, holds in facts.items() if holds)
        options = {"margin": margin, "p": p}

        def oracle(at):
            gaps = torch.relu(margin + at - at[rows, labels][:, None]) ** p
            others = torch.arange(case.shape[1]) != torch.from_numpy(labels)[:, None]
            return reduced((gaps * others).sum(1), case.reduction)

        compare(name, case, (x, labels), options, oracle, scale=case.scale**p)
        if len(labels) and not masked:
            options |= {"reduction": case.reduction}
            theirs = F.multi_margin_loss(wide(x), torch.from_numpy(labels), **options)
            same(
                multiclass_hinge_loss(
                    in_kind(x, case.kind), labels.tolist(), **options
                ),
                theirs * case.shape[1],  # torch's mean over the classes
                case,
                scale=case.scale**p,
            )

    run()
    assert_spread(SEEN, name, (*BATCHES, "margin", "squared", "masked"))


def test_nll_loss_is_torchs():
    @given(batches, st.booleans())
    def run(case, weighted):
        SEEN["nll_loss", "weight"] += weighted
        scores, labels = case.numbers(), case.labels()
        log_p = log_softmax(scores)
        weight, options = None, {}
        if weighted:
            weight = 0.1 + 3 * case.shares(shape=case.shape[1:])
            options = {"weight": in_kind(weight, case.kind)}

        def oracle(at):
            weigh = None if weight is None else wide(weight)
            classes = torch.from_numpy(labels)
            return F.nll_loss(at, classes, weigh, reduction=case.reduction)

        compare("nll_loss", case, (log_p, labels), options, oracle)

    run()
    assert_spread(SEEN, "nll_loss", (*BATCHES, "weight"))


def naive(name, x, y):
    """Each loss of one number, by Python's own arithmetic, at its defaults."""
    r, sign = x - y, 2 * y - 1
    p = 1 / (1 + math.exp(-sign * x))
    return {
        "mse_loss": lambda: r * r,
        "l1_loss": lambda: abs(r),
        "huber_loss": lambda: r * r / 2 if abs(r) <= 1 else abs(r) - 0.5,
        "smooth_l1_loss": lambda: r * r / 2 if abs(r) < 1 else abs(r) - 0.5,
        "binary_cross_entropy_with_logits": lambda: -math.log(p),
        "focal_loss": lambda: (
            -(0.25 if y else 0.75) * (1 - p) ** 2 * math.log(p)
        ),
        "hinge_loss": lambda: max(0.0, 1 - sign * x),
    }[name]()  # fmt: skip


ELEMENTWISE = (
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss",
    "binary_cross_entropy_with_logits", "focal_loss", "hinge_loss",
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(-20, 20), st.integers(0, 1)), min_size=1))
def test_elementwise_losses_are_loops(pairs):
    x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for name in ELEMENTWISE:
        target = [2 * each - 1 for each in y] if name == "hinge_loss" else y
        values = [naive(name, *pair) for pair in pairs]
        answer = getattr(losses, name)(x, target, reduction="none")
        np.testing.assert_allclose(answer, values, rtol=1e-9, atol=1e-9)
        total = getattr(losses, name)(x, target, reduction="sum")
        assert total == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-9)
        mean = getattr(losses, name)(x, target)
        assert mean == pytest.approx(math.fsum(values) / len(x), rel=1e-9, abs=1e-9)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(*[st.floats(-9, 9)] * 3, st.integers(0, 2)), min_size=1),
    st.tuples(*[st.floats(0.1, 3)] * 3),
)
def test_losses_of_classes_are_loops(rows, weight):
    scores, labels = [row[:3] for row in rows], [row[3] for row in rows]
    hinges, parts = [], []
    for row, y in zip(scores, labels, strict=True):
        hinges.append(sum(max(0, row[j] - row[y] + 1) for j in range(3) if j != y))
        total = math.fsum(map(math.exp, row))
        parts.append(-weight[y] * math.log(math.exp(row[y]) / total))
    answer = multiclass_hinge_loss(scores, labels, reduction="none")
    np.testing.assert_allclose(answer, hinges, rtol=1e-9, atol=1e-9)
    mean = math.fsum(parts) / math.fsum(weight[y] for y in labels)
    answer = nll_loss(log_softmax(scores), labels, weight=list(weight))
    assert answer == pytest.approx(mean, rel=1e-9, abs=1e-9)


SLOPES = [
    ("mse_loss", "numbers", {}),
    ("l1_loss", "numbers", {}),
    ("huber_loss", "numbers", {"delta": 0.7}),
    ("smooth_l1_loss", "numbers", {"beta": 0.4}),
    ("binary_cross_entropy_with_logits", "shares",
     {"weight": [1, 2, 3], "pos_weight": [2, 1, 0.5], "mask": [[1, 1, 0]] * 4}),
    ("focal_loss", "bits", {}),
    ("focal_loss", "bits", {"alpha": None, "gamma": 0.5}),
    ("hinge_loss", "signs", {}),
    ("hinge_loss", "signs", {"p": 2, "margin": 2}),
    ("multiclass_hinge_loss", "labels", {}),
    ("multiclass_hinge_loss", "labels", {"p": 2, "margin": 3}),
    ("nll_loss", "labels", {"weight": [1, 0.5, 2]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "truth", "options"), SLOPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_backward_is_the_slope(name, truth, options, reduction):
    case = Case("numpy", "float64", 3, (4, 3), 2.0, False, reduction)
    x = -5 - np.abs(case.numbers()) if name == "nll_loss" else case.numbers()
    y = {
        "numbers": lambda: case.numbers(seed=1),
        "shares": case.shares,
        "bits": case.bits,
        "signs": lambda: 2 * case.bits() - 1,
        "labels": case.labels,
    }[truth]()
    options = options | {"reduction": reduction}
    function = getattr(losses, name)
    shape = np.shape(function(x, y, **options))
    slope = numerical_gradient(
        lambda x: function(x, y, **options), x, np.ones(shape)
    )  # fmt: skip
    answer = getattr(losses, f"{name}_backward")(x, y, **options)
    assert relative_error(answer, slope) < 1e-6


def test_by_hand():
    scores = [[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]
    labels = [0, 1, 2]
    each = multiclass_hinge_loss(scores, labels, reduction="none")
    np.testing.assert_allclose(each, [2.9, 0, 12.9], rtol=1e-12)
    assert multiclass_hinge_loss(scores, labels) == pytest.approx(15.8 / 3)
    squares = multiclass_hinge_loss(scores, labels, p=2, reduction="none")
    np.testing.assert_allclose(squares, [8.41, 0, 6.3**2 + 6.6**2], rtol=1e-12)
    grad = multiclass_hinge_loss_backward(scores, labels, reduction="sum")
    assert grad.tolist() == [[-1, 1, 0], [0, 0, 0], [1, 1, -2]]
    assert huber_loss([2.5, 0.4], [0, 0], reduction="none").tolist() == [
        2.0, pytest.approx(0.08)
    ]  # fmt: skip
    assert smooth_l1_loss([3.0], [0.0], beta=2) == 2
    # p = 1/2 for yes: a quarter of a quarter of log 2
    assert focal_loss([0.0], [1]) == pytest.approx(math.log(2) / 16)
    weighted = nll_loss(np.log([[0.5, 0.5], [0.25, 0.75]]), [0, 1], weight=[3, 1])
    expected = (3 * math.log(2) + math.log(4 / 3)) / 4
    assert weighted == pytest.approx(expected)


def test_losses_that_are_special_cases():
    case = Case("numpy", "float64", 5, (6, 4), 3.0, False, "mean")
    x, y, labels = case.numbers(), case.numbers(seed=1), case.labels()
    assert huber_loss(x, y, delta=1e6) == pytest.approx(mse_loss(x, y) / 2)
    assert smooth_l1_loss(x, y, beta=0) == pytest.approx(l1_loss(x, y))
    ratio = huber_loss(x, y, delta=0.3) / smooth_l1_loss(x, y, beta=0.3)
    assert ratio == pytest.approx(0.3)
    assert nll_loss(log_softmax(x), labels) == pytest.approx(cross_entropy(x, labels))
    bits = case.bits()
    plain = binary_cross_entropy_with_logits(x, bits)
    assert focal_loss(x, bits, alpha=None, gamma=0) == pytest.approx(plain)
    pairs = np.stack([np.zeros(24), x.ravel()], axis=1)
    chosen = bits.ravel().astype(int)
    assert cross_entropy(pairs, chosen) == pytest.approx(plain)
    grad = binary_cross_entropy_with_logits_backward(x, bits, reduction="sum")
    np.testing.assert_allclose(
        grad.ravel(), cross_entropy_backward(pairs, chosen, reduction="sum")[:, 1]
    )
    # two classes: the hinge of the difference of their scores
    signs = 2 * chosen - 1
    ours = multiclass_hinge_loss(pairs, chosen, reduction="none")
    np.testing.assert_allclose(ours, hinge_loss(x.ravel(), signs, reduction="none"))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_scores_that_are_far_away(kind):
    x = in_kind(np.array([1e4, -1e4, 1e4, -1e4], np.float32), kind)
    y = in_kind(np.array([1, 1, 0, 0], np.float32), kind)
    answer = binary_cross_entropy_with_logits(x, y, reduction="none")
    assert answer.tolist() == [0, 1e4, 1e4, 0]
    answer = binary_cross_entropy_with_logits_backward(x, y, reduction="sum")
    assert answer.tolist() == [0, -1, 1, 0]
    answer = focal_loss(x, y, reduction="none")
    assert answer.tolist() == [0, 2500, 7500, 0]
    answer = focal_loss_backward(x, y, reduction="sum")
    assert answer.tolist() == [0, -0.25, 0.75, 0]
    scores = in_kind(np.array([[0.0, -np.inf, 3.0], [-np.inf, -np.inf, 0]]), kind)
    each = multiclass_hinge_loss(scores, [0, 1], reduction="none")
    assert each.tolist() == [4, math.inf]
    grad = multiclass_hinge_loss_backward(scores, [0, 1], reduction="none")
    assert grad.tolist() == [[-1, 0, 1], [0, -1, 1]]
    big = in_kind(np.array([1e30, -1e30], np.float32), kind)
    assert mse_loss(big, 0 * big, reduction="none").tolist() == [math.inf] * 2
    assert float(huber_loss(big, 0 * big, delta=1e20)) == math.inf
    assert hinge_loss(big, [1, 1], p=2, reduction="none").tolist() == [0, math.inf]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_what_is_masked_may_hold_anything(kind):
    x = in_kind(np.array([[1.0, np.nan], [-2.0, np.inf]]), kind)
    y = in_kind(np.array([[1.0, 7.0], [0.0, np.nan]]), kind)
    mask = in_kind(np.array([1, 0]), kind)
    losses_of = binary_cross_entropy_with_logits(x, y, mask=mask, reduction="none")
    expected = [[math.log1p(math.exp(-1)), 0], [math.log1p(math.exp(-2)), 0]]
    np.testing.assert_allclose(np.asarray(losses_of), expected, rtol=1e-12)
    mean = binary_cross_entropy_with_logits(x, y, mask=mask)
    assert float(mean) == pytest.approx((expected[0][0] + expected[1][0]) / 2)
    grad = binary_cross_entropy_with_logits_backward(x, y, mask=mask)
    assert np.asarray(grad)[:, 1].tolist() == [0, 0]
    nothing = in_kind(np.array([False, False]), kind)
    options = {"mask": nothing, "reduction": "sum"}
    assert float(binary_cross_entropy_with_logits(x, y, **options)) == 0
    with pytest.raises(ValueError, match="logits and targets are empty: no losses"):
        binary_cross_entropy_with_logits(x, y, mask=nothing)


def test_a_class_of_no_weight_costs_nothing():
    log_p = np.array([[0.0, -np.inf], [math.log(0.5)] * 2])
    assert nll_loss(log_p, [1, 0], weight=[1, 0]) == pytest.approx(math.log(2))
    grad = nll_loss_backward(log_p, [1, 0], weight=[1, 0])
    assert grad.tolist() == [[0, 0], [-1, 0]]
    assert nll_loss(log_p, [1, 0]) == math.inf
    with pytest.raises(ValueError, match="weight is 0 for each label, but a mean"):
        nll_loss(log_p, [1, 1], weight=[1, 0])
    assert nll_loss(log_p, [1, 1], weight=[1, 0], reduction="sum") == 0


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_halves_are_computed_in_float32(kind):
    n = 70000  # no float16 is as large
    x = in_kind(np.tile(np.float16([1, -2]), n // 2), kind)
    zeros, ones = 0 * x, 0 * x + 1
    assert float(mse_loss(x, zeros)) == 2.5
    assert float(l1_loss(x, zeros)) == 1.5
    for name in ELEMENTWISE:
        for function in (getattr(losses, name), getattr(losses, f"{name}_backward")):
            answer = np.asarray(function(x, ones))
            expected = function(np.tile(np.float32([1, -2]), n // 2), np.ones(n))
            assert answer.dtype == np.float16
            np.testing.assert_array_equal(answer, np.float16(np.float32(expected)))
    brain = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.bfloat16)
    assert multiclass_hinge_loss(brain, [1]).dtype == torch.bfloat16
    assert float(multiclass_hinge_loss(brain, [1])) == 3


def test_types_and_kinds():
    for name in ELEMENTWISE:
        function = getattr(losses, name)
        assert function([1, -1], [1, 1]).dtype == np.float64
        assert function(torch.tensor([1, -1]), [1, 1]).dtype == torch.float64
    x = np.float32([[1, -1], [2, 0]])
    bits = [[1, 1], [0, 1]]
    # targets and weights that are not floating numbers leave the scores alone
    for target in (bits, np.array(bits), np.array(bits, bool)):
        answer = binary_cross_entropy_with_logits(x, target, weight=[1, 2])
        assert answer.dtype == np.float32
        assert focal_loss(x, target).dtype == np.float32
    assert hinge_loss(torch.from_numpy(x), [[1, -1], [1, 1]]).dtype == torch.float32
    assert hinge_loss([1.0], torch.tensor([1])).dtype == torch.float64
    assert nll_loss(-np.abs(x), [0, 1], weight=[1, 2]).dtype == np.float32
    assert multiclass_hinge_loss(x, [0, 1]).dtype == np.float32
    wider = binary_cross_entropy_with_logits(x, np.array(bits, np.float64))
    assert wider.dtype == np.float64


def test_inputs_are_left_alone():
    for kind in ("numpy", "torch"):
        for name in ELEMENTWISE:
            x, y = in_kind(np.array([1.0, -1, 0.5]), kind), in_kind(np.ones(3), kind)
            for function in (name, f"{name}_backward"):
                answer = getattr(losses, function)(x, y, reduction="none")
                answer[...] = 7
            assert x.tolist() == [1, -1, 0.5]
            assert y.tolist() == [1, 1, 1]
        for name in ("multiclass_hinge_loss", "nll_loss"):
            x, y = in_kind(-np.eye(3), kind), in_kind(np.array([0, 1, 1]), kind)
            for function in (name, f"{name}_backward"):
                answer = getattr(losses, function)(x, y, reduction="none")
                answer[...] = 7
            assert np.asarray(x).tolist() == (-np.eye(3)).tolist()


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((3, 4), generator=generator, dtype=torch.float64).requires_grad_()
    y = torch.rand((3, 4), generator=generator, dtype=torch.float64)
    bits, labels = (y > 0.5).double(), [0, 3, 1]
    for name in ELEMENTWISE:
        target = {"hinge_loss": 2 * bits - 1, "focal_loss": bits}.get(name, y)
        function = getattr(losses, name)
        torch.autograd.gradcheck(lambda x, f=function, t=target: f(x, t), x)
    torch.autograd.gradcheck(lambda x: multiclass_hinge_loss(x, labels), x)
    torch.autograd.gradcheck(lambda x: nll_loss(log_softmax(x), labels), x)


X = np.zeros((2, 3))
bce = binary_cross_entropy_with_logits
REFUSED = [
    (lambda: mse_loss(X, X[0]), r"target of shape \(3,\) .* must be \(2, 3\) as in"),
    (lambda: l1_loss([math.nan], [0]), r"prediction is nan at \(0,\), but must be fin"),
    (lambda: l1_loss(math.inf, 0), "prediction is inf, but must be finite"),
    (lambda: huber_loss([0], [-math.inf]), r"target is -inf at \(0,\), but must be"),
    (lambda: huber_loss(X, X, delta=0), "delta is 0, but must be a number above 0"),
    (lambda: huber_loss(X, X, delta=math.inf), "delta is inf, .* and at most 1.8e"),
    (lambda: huber_loss(np.float32(X), np.float32(X), delta=1e39), "at most 3.4e"),
    (lambda: smooth_l1_loss(X, X, beta=-1), "beta is -1, but must be .* at least 0"),
    (lambda: smooth_l1_loss(X, X, beta=True), "beta is True, but must be a number"),
    (lambda: smooth_l1_loss(X, X, beta="1"), "beta is '1', but must be a number"),
    (lambda: mse_loss(X, X, reduction="average"), "reduction is 'average', but must"),
    (lambda: mse_loss([], []), "prediction and target are empty: no losses have no"),
    (lambda: mse_loss(X, torch.zeros(2, 3)), r"NumPy arrays \(prediction\) are mixed"),
    (lambda: mse_loss(["a"], ["b"]), "prediction holds <U1, but must hold real"),
    (lambda: bce(X, X[0]), r"targets of shape \(3,\) does not fit"),
    (lambda: bce(X + math.inf, X), r"logits is inf at \(0, 0\), but must be finite"),
    (lambda: bce(X, X + 2), r"targets is 2 at \(0, 0\), but must be from 0 to 1"),
    (lambda: bce(X, X + math.nan), "targets is nan .*, but must be from 0 to 1"),
    (lambda: bce(X, X, weight=[1, 2]), r"weight of shape \(2,\) cannot be repeated to"),
    (lambda: bce(X[0], X[0], weight=X), r"weight of shape \(2, 3\) cannot be repeated"),
    (lambda: bce(X, X, weight=[1, 2, -1]), r"weight is -1 at \(2,\), but must be fini"),
    (lambda: bce(X, X, pos_weight=[math.inf]), r"pos_weight is inf at \(0,\), but mus"),
    (lambda: bce(X, X, mask=[1, 2, 0]), r"mask is 2 at \(0, 1\), but must be 0 or 1"),
    (lambda: bce(X, X, mask=[1]*4), r"mask of shape \(4,\) cannot be repeated to the"),
    (lambda: bce([], []), "logits and targets are empty: no losses have no mean"),
    (lambda: bce(X, X, reduction=None), "reduction is None, but must be one of"),
    (lambda: focal_loss(X, X + 0.5), r"targets is 0.5 at \(0, 0\), but must be 0 or 1"),
    (lambda: focal_loss(X, X, gamma=-1), "gamma is -1, but must be a number of at lea"),
    (lambda: focal_loss(X, X, alpha=2), "alpha is 2, but must .* 0 and at most 1"),
    (lambda: focal_loss(X + math.nan, X), r"logits is nan at \(0, 0\), but must be"),
    (lambda: focal_loss(X, X[0]), r"targets of shape \(3,\) does not fit"),
    (lambda: focal_loss([], []), "logits and targets are empty"),
    (lambda: hinge_loss(X, X), r"signs is 0 at \(0, 0\), but must be 1 or -1"),
    (lambda: hinge_loss(X, X[0]), r"signs of shape \(3,\) does not fit"),
    (lambda: hinge_loss([math.inf], [1]), r"scores is inf at \(0,\), but must be fini"),
    (lambda: hinge_loss([0], [1], p=3), "p is 3, but must be 1 or 2"),
    (lambda: hinge_loss([0], [1], p=True), "p is True, but must be 1 or 2"),
    (lambda: hinge_loss([0], [1], margin=-1), "margin is -1, but must be a number of"),
    (lambda: hinge_loss([], []), "scores and signs are empty: no losses have no mean"),
    (lambda: multiclass_hinge_loss(X, [0, 3]), r"labels is 3 at \(1,\), but must be"),
    (lambda: multiclass_hinge_loss(X, [0]), r"labels of shape \(1,\) .* n is 1, but"),
    (lambda: multiclass_hinge_loss(X, [0, 0.5]), "labels holds float64, but must hold"),
    (lambda: multiclass_hinge_loss([[0, math.nan]], [0]), r"scores is nan at \(0, 1\)"),
    (lambda: multiclass_hinge_loss(X, [0, 1], p=0), "p is 0, but must be 1 or 2"),
    (lambda: multiclass_hinge_loss(X, [0, 1], margin=math.nan), "margin is nan, but"),
    (lambda: multiclass_hinge_loss(X[:0], []), "scores and labels are empty: no loss"),
    (lambda: multiclass_hinge_loss(X[:, :0], [0, 0]), "empty along axis 1, but at lea"),
    (lambda: nll_loss(X + 0.5, [0, 1]), r"log_p is 0.5 at \(0, 0\), but must be at mo"),
    (lambda: nll_loss(X + math.nan, [0, 1]), "log_p is nan .*, but must be at most 0"),
    (lambda: nll_loss(X[:, :0], [0, 0]), r"log_p of shape \(2, 0\) is empty along ax"),
    (lambda: nll_loss(X, [0, 1], weight=[1, 2]), "cannot be repeated to the shape"),
    (lambda: nll_loss(X, [0, 1], weight=[1, 2, -1]), r"weight is -1 at \(2,\), but mu"),
    (lambda: nll_loss(X[:0], []), "log_p and labels are empty: no losses have no"),
    (lambda: nll_loss(X, [0, 4]), r"labels is 4 at \(1,\), but must be a class from 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_backward_refuses_what_its_forward_does():
    for name in losses.__all__:
        if name.endswith("_backward"):
            with pytest.raises(ValueError, match="reduction is 'all', but must be"):
                getattr(losses, name)([[0.0]], [0], reduction="all") if (
                    "multi" in name or "nll" in name
                ) else getattr(losses, name)([0.0], [1], reduction="all")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    case = Case("cuda", "float64", 2, (4, 3), 2.0, False, "mean")
    x, labels = case.numbers(), case.labels()
    for name in losses.__all__:
        function = getattr(losses, name)
        first, second = x, case.bits()
        if "multiclass" in name or "nll" in name:
            first, second = -np.abs(x), labels
        elif "hinge" in name:
            second = 2 * second - 1
        answer = function(in_kind(first, "cuda"), in_kind(second, "cuda"))
        assert answer.device.type == "cuda"
        np.testing.assert_allclose(answer.cpu(), function(first, second), rtol=1e-12)
