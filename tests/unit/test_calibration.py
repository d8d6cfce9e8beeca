"""Calibration against scikit-learn, SciPy and loops."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_spread, in_kind
from scipy import optimize
from sklearn.calibration import calibration_curve

from notebook_utils.calibration import calibration_error, fit_temperature, reliability
from notebook_utils.softmax import cross_entropy, softmax

SEEN = Counter()


@st.composite
def batches(draw, smallest=1):
    """Draw scores with labels that follow them more or less."""
    case = {
        "kind": draw(st.sampled_from(("numpy", "torch"))),
        "dtype": draw(st.sampled_from(("float32", "float64"))),
        "n": draw(st.sampled_from((1, 2, 7, 40))),
        "k": draw(st.sampled_from((smallest, 2, 3, 6))),
        "scale": draw(st.sampled_from((0.3, 2.0, 15.0))),
    }
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = case["scale"] * rng.standard_normal((case["n"], case["k"]))
    noise = rng.gumbel(size=scores.shape)
    labels = (scores * rng.uniform(0, 2) + noise).argmax(axis=1)
    facts = {
        "examples": True,
        case["kind"]: True,
        case["dtype"]: True,
        "one": case["n"] == 1,
        "large": case["scale"] == 15,
    }
    return case, scores.astype(case["dtype"]), labels, facts


def naive_bins(p, labels, bins):
    """Sort predictions into bins, one at a time: the upper edge belongs to a bin."""
    found = [[] for _ in range(bins)]
    for row, label in zip(p, labels, strict=True):
        sure, decision = float(max(row)), int(np.argmax(row))
        upper = [edge for edge in np.linspace(0, 1, bins + 1)[1:-1] if edge < sure]
        found[len(upper)].append((sure, decision == label))
    return found


def test_reliability_is_scikit_learns_and_a_loop():
    @given(batches(), st.sampled_from((1, 4, 10, 15)))
    def run(drawn, bins):
        case, scores, labels, facts = drawn
        SEEN.update(("reliability", fact) for fact, holds in facts.items() if holds)
        SEEN["reliability", "bins"] += bins != 15
        p = softmax(scores)
        inputs = [in_kind(each, case["kind"]) for each in (p, labels)]
        found = reliability(*inputs, bins=bins)
        for each in found:
            assert torch.is_tensor(each) == (case["kind"] == "torch")
        assert str(np.asarray(found.accuracy).dtype) == case["dtype"]
        confidence, accuracy, count = (np.asarray(each) for each in found)
        naive = naive_bins(p, labels, bins)
        assert count.tolist() == [len(members) for members in naive]
        for members, sure, right in zip(naive, confidence, accuracy, strict=True):
            if not members:
                assert np.isnan(sure)
                assert np.isnan(right)
            else:
                mean = np.mean(np.array(members, dtype=float), axis=0)
                np.testing.assert_allclose([sure, right], mean, rtol=1e-5)
        right = np.asarray(p).argmax(axis=1) == labels
        sure = np.asarray(p, np.float64).max(axis=1).clip(0, 1)
        theirs = calibration_curve(right, sure, n_bins=bins, pos_label=True)
        np.testing.assert_allclose(accuracy[count > 0], theirs[0], rtol=1e-5)
        np.testing.assert_allclose(confidence[count > 0], theirs[1], rtol=1e-5)
        error = sum(
            len(members) / len(p) * abs(np.diff(np.mean(np.array(members, float), 0)))
            for members in naive
            if members
        )
        ours = calibration_error(*inputs, bins=bins)
        assert isinstance(ours, float)
        assert ours == pytest.approx(float(error[0]), abs=1e-6)

    run()
    assert_spread(
        SEEN,
        "reliability",
        ("torch", "numpy", "float32", "float64", "one", "large", "bins"),
    )


def best_by_scipy(scores, labels):
    """Minimise the loss over the logarithm of the temperature, over many octaves."""

    def loss(t):
        return cross_entropy(scores / math.exp(t), labels)

    grid = np.linspace(-12, 12, 241)
    start = grid[np.argmin([loss(t) for t in grid])]
    found = optimize.minimize_scalar(loss, bracket=(start - 0.1, start + 0.1))
    return math.exp(found.x), found.fun


def test_fit_temperature_is_scipys_minimum():
    @given(batches(smallest=2))
    def run(drawn):
        case, scores, labels, facts = drawn
        SEEN.update(("fit", fact) for fact, holds in facts.items() if holds)
        inputs = [in_kind(each, case["kind"]) for each in (scores, labels)]
        scores = scores.astype(np.float64)
        true = scores[np.arange(len(labels)), labels]
        if np.all(true == scores.max(axis=1)):
            SEEN["fit", "cold"] += 1
            with pytest.raises(ValueError, match="the colder, the better"):
                fit_temperature(*inputs)
            return
        if true.mean() <= scores.mean() + 1e-9:
            SEEN["fit", "hot"] += 1
            if true.mean() < scores.mean() - 1e-9:
                with pytest.raises(ValueError, match="the hotter, the better"):
                    fit_temperature(*inputs)
            return
        SEEN["fit", "fitted"] += 1
        temperature = fit_temperature(*inputs)
        assert isinstance(temperature, float)
        least = cross_entropy(scores / temperature, labels)
        for factor in (0.99, 1.01):
            worse = cross_entropy(scores / (factor * temperature), labels)
            assert worse > least - 1e-12
        # the slope is 0 there, by torch
        beta = torch.tensor(1 / temperature, dtype=torch.float64, requires_grad=True)
        loss = F.cross_entropy(torch.tensor(scores) * beta, torch.tensor(labels))
        (slope,) = torch.autograd.grad(loss, beta)
        assert abs(float(slope)) < 1e-9 * np.abs(scores).max()

    run()
    assert_spread(SEEN, "fit", ("torch", "numpy", "float32", "float64", "cold", "hot"))
    assert SEEN["fit", "fitted"] >= 150


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_fit_temperature_undoes_a_factor(seed):
    rng = np.random.default_rng(seed)
    scores = 3 * rng.standard_normal((400, 4))
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    fitted = fit_temperature(scores, labels)
    theirs, least = best_by_scipy(scores, labels)
    assert fitted == pytest.approx(theirs, rel=1e-4)
    assert cross_entropy(scores / fitted, labels) <= least + 1e-12
    assert fit_temperature(1e3 * scores, labels) == pytest.approx(1e3 * fitted)
    assert fit_temperature(1e-9 * scores, labels) == pytest.approx(1e-9 * fitted)
    # labels were drawn at temperature 1
    assert 0.6 < fitted < 1.6


def test_by_hand():
    p = [[0.75, 0.25], [0.75, 0.25], [0.4, 0.6], [0.0, 1.0]]
    found = reliability(p, [0, 1, 1, 1], bins=4)
    assert found.count.tolist() == [0, 0, 3, 1]
    np.testing.assert_allclose(found.confidence[2:], [0.7, 1.0])
    np.testing.assert_allclose(found.accuracy[2:], [2 / 3, 1.0])
    assert calibration_error(p, [0, 1, 1, 1], bins=4) == pytest.approx(0.025)
    # odds of e^z to 1 when three in four are right: z / T = log 3
    scores = [[2.0, 0.0]] * 4
    assert fit_temperature(scores, [0, 0, 0, 1]) == pytest.approx(2 / math.log(3))
    # what is ruled out takes no part
    masked = [[2.0, 0.0, -math.inf]] * 4
    assert fit_temperature(masked, [0, 0, 0, 1]) == pytest.approx(2 / math.log(3))


def test_an_empty_batch():
    found = reliability(np.zeros((0, 3)), [], bins=2)
    assert found.count.tolist() == [0, 0]
    assert np.isnan(found.accuracy).all()


P = np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability(P, [0]), r"labels of shape \(1,\) .*: n is 1, but must"),
        (lambda: reliability(P, [0, 2]), r"labels is 2 at \(1,\), but must be a class"),
        (lambda: reliability(P, [0, 0.5]), "labels holds float64, but must hold int"),
        (lambda: reliability(P + 1, [0, 1]), r"p has the sum 3 at \(0,\), but must"),
        (lambda: reliability(P[0], [0, 1]), r"p of shape \(2,\) does not fit \(n, k\)"),
        (lambda: reliability(P, [0, 1], bins=0), "bins is 0, but must be an integer"),
        (lambda: reliability(P, [0, 1], bins=2.0), "bins is 2.0, but must be an int"),
        (lambda: calibration_error(P[:0], []), "p and labels are empty: no losses"),
        (lambda: calibration_error(-P, [0, 1]), r"p is -0.5 at \(0, 0\), but must be"),
        (lambda: fit_temperature(P[:0], []), "logits and labels are empty"),
        (lambda: fit_temperature(P, [0, 1]), "the colder, the better"),
        (
            lambda: fit_temperature([[0, -np.inf], [0, 1]], [1, 0]),
            "logits is -inf for the true class of example 0",
        ),
        (lambda: fit_temperature([[0, 1.0]], [0]), "the hotter, the better"),
        (lambda: fit_temperature([[0, np.nan]], [0]), r"logits is nan at \(0, 1\)"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    p, labels = in_kind(softmax(np.eye(3)), "cuda"), in_kind(np.arange(3), "cuda")
    assert reliability(p, labels).count.device.type == "cuda"
    assert calibration_error(p, labels) == calibration_error(p.cpu(), labels.cpu())
    scores, labels = (
        in_kind(np.eye(2)[[0, 0, 0]], "cuda"),
        in_kind(np.array([0, 0, 1]), "cuda"),
    )
    assert fit_temperature(scores, labels) == pytest.approx(1 / math.log(2))
