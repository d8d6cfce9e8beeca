"""Predicted roots and rates against NumPy's roots, and against the optimizers' runs."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import KINDS, assert_spread, in_kind
from scipy import optimize

from notebook_utils.optimizers import SGD, Momentum, Nesterov, minimize
from notebook_utils.quadratic import (
    best_descent,
    best_momentum,
    expected_loss,
    noise_floor,
    rate,
    roots,
    stable_step,
)

SEEN = Counter()
DTYPES = ("float32", "float64")


@st.composite
def cases(draw):
    """Draw steps, kind, type and settings."""
    steps = draw(st.lists(st.floats(-1, 6, width=32), max_size=5))
    return (
        np.array(steps, draw(st.sampled_from(("float32", "float64")))),
        draw(st.sampled_from(KINDS)),
        draw(st.sampled_from((0.0, 0.3, 0.9, 0.99))),
        draw(st.booleans()),
    )


@given(cases())
def test_roots_are_numpys(case):
    steps, kind, momentum, nesterov = case
    SEEN.update(("roots", name) for name in ("examples", kind, str(steps.dtype)))
    SEEN["roots", "nesterov"] += nesterov
    SEEN["roots", "momentum"] += momentum > 0
    SEEN["roots", "empty"] += steps.size == 0
    options = {"momentum": momentum, "nesterov": nesterov}
    pairs = roots(in_kind(steps, kind), **options)
    rates = rate(in_kind(steps, kind), **options)
    assert isinstance(rates, torch.Tensor) == (kind == "torch")
    assert str(rates.dtype).endswith(str(steps.dtype))
    pairs, rates = np.asarray(pairs), np.asarray(rates)
    assert pairs.shape == (*steps.shape, 2)
    exact = 1e-3 if steps.dtype == np.float32 else 1e-7  # double roots are ill-posed
    for s, pair, one in zip(steps.astype(float), pairs, rates, strict=True):
        if nesterov:
            polynomial = [1, -(1 + momentum) * (1 - s), momentum * (1 - s)]
        else:
            polynomial = [1, -(1 + momentum - s), momentum]
        found = np.roots(polynomial)
        distance = min(np.abs(pair - found).max(), np.abs(pair - found[::-1]).max())
        assert distance < exact * max(1, np.abs(found).max())
        np.testing.assert_allclose(one, np.abs(found).max(), rtol=exact, atol=exact)
        np.testing.assert_allclose(one, np.abs(pair).max(), rtol=1e-5, atol=1e-6)
        # in the order that is promised
        assert pair[0].real >= pair[1].real
        assert pair[0].imag >= pair[1].imag


def test_roots_cover_every_option():
    options = ("nesterov", "momentum", "torch", "numpy", "float32", "float64")
    assert_spread(SEEN, "roots", options)
    assert SEEN["roots", "empty"] > 10


def rule(lr, momentum, nesterov):
    if not momentum:
        return SGD(lr=lr)
    return (Nesterov if nesterov else Momentum)(lr=lr, momentum=momentum)


def measured_rate(curvatures, lr, momentum, nesterov):
    """Run until the error is tiny, and fit the second half of its logarithm.

    The state of a method with momentum is a pair of points: its length does not pass
    through 0 where the error does.
    """
    curvatures = np.array(curvatures, float)
    path = minimize(
        rule(lr, momentum, nesterov),
        lambda x: curvatures * x,
        np.ones_like(curvatures),
        steps=4000,
    )
    pairs = np.concatenate((path[1:], path[:-1]), axis=1)
    sizes = np.linalg.norm(pairs, axis=1)
    end = len(sizes) if sizes[-1] > 1e-280 else int(np.argmax(sizes < 1e-280))
    half = end // 2
    return float((sizes[end - 1] / sizes[half]) ** (1 / (end - 1 - half)))


STABLE = [
    (step, momentum, nesterov)
    for step in (0.003, 0.05, 0.4, 0.9, 1.1, 1.3, 2.5, 3.5)
    for momentum in (0.0, 0.5, 0.81, 0.9, 0.99)
    for nesterov in (False, True)
    if step < stable_step(momentum=momentum, nesterov=nesterov)
    and (momentum or not nesterov)
]


@pytest.mark.parametrize(("step", "momentum", "nesterov"), STABLE)
def test_measured_rates_are_the_predicted_ones(step, momentum, nesterov):
    predicted = float(rate(step, momentum=momentum, nesterov=nesterov))
    measured = measured_rate([1.0], step, momentum, nesterov)
    assert abs(measured - predicted) < 0.01 * predicted


@pytest.mark.parametrize("condition", [1, 3, 10, 100, 1000])
def test_the_best_settings_have_the_promised_rates(condition):
    lr, promised = best_descent(2, 2 * condition)
    assert lr == pytest.approx(1 / (1 + condition))
    if condition > 1:
        measured = measured_rate([2, 2 * condition], lr, 0, False)
        assert abs(measured - promised) < 0.01 * promised
    lr, momentum, promised = best_momentum(2, 2 * condition)
    assert promised**2 == pytest.approx(momentum)
    if condition > 1:
        measured = measured_rate([2, 2 * condition], lr, momentum, False)
        assert abs(measured - promised) < 0.01 * promised


@given(st.floats(1.01, 500), st.floats(0.1, 10))
def test_nothing_is_better_than_the_best(condition, smallest):
    largest = smallest * condition
    curvatures = np.array([smallest, largest])
    lr, promised = best_descent(smallest, largest)
    slowest = np.max(rate(lr * curvatures))
    assert slowest == pytest.approx(promised, rel=1e-9, abs=1e-12)
    for other in lr * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 2]):
        assert np.max(rate(other * curvatures)) > promised
    lr, momentum, promised = best_momentum(smallest, largest)
    slowest = np.max(rate(lr * curvatures, momentum=momentum))
    assert slowest == pytest.approx(promised, rel=1e-5, abs=1e-7)
    for share in (0.8, 0.95, 1.05, 1.2):
        for beta in (0.9 * momentum, momentum, momentum + 0.1 * (1 - momentum)):
            other = np.max(rate(share * lr * curvatures, momentum=beta))
            assert other >= promised - 1e-9


def test_the_best_momentum_is_what_a_search_finds():
    curvatures = np.array([1.0, 30.0])

    def slowest(settings):
        lr, momentum = settings
        if not 0 <= momentum < 1 or lr <= 0:
            return 9.0
        return float(np.max(rate(lr * curvatures, momentum=momentum)))

    found = optimize.brute(slowest, ((0.01, 0.2), (0.1, 0.9)), Ns=120, finish=None)
    lr, momentum, promised = best_momentum(1, 30)
    assert promised <= slowest(found) < promised + 0.02
    np.testing.assert_allclose(found, (lr, momentum), atol=0.02)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_the_limit_is_where_the_rate_passes_1(momentum, nesterov):
    options = {"momentum": momentum, "nesterov": nesterov}
    limit = stable_step(**options)
    inside = np.linspace(1e-4, limit - 1e-4, 500)
    assert np.max(rate(inside, **options)) < 1
    assert rate(limit, **options) == pytest.approx(1)
    assert rate(limit + 1e-3, **options) > 1
    assert rate(-1e-3, **options) > 1


def test_known_values():
    assert roots(0.25, momentum=0.25).tolist() == [0.5, 0.5]
    assert roots([2.25], momentum=0.25).tolist() == [[-0.5, -0.5]]
    pair = roots(1, momentum=0.25)  # z² - z/4 + 1/4
    np.testing.assert_allclose(pair.real, [1 / 8, 1 / 8])
    np.testing.assert_allclose(pair.imag, [15**0.5 / 8, -(15**0.5) / 8])
    assert best_momentum(1, 9) == (0.25, 0.25, 0.5)
    assert best_descent(1, 4) == (0.4, 0.6)
    assert stable_step(nesterov=True) == stable_step() == 2


@st.composite
def noisy_descents(draw):
    """Draw curvatures, rates, a start and a variance."""
    size, steps = draw(st.integers(1, 3)), draw(st.integers(0, 6))
    sizes = (size, steps, size)
    values = st.floats(0.0625, 2, width=32)
    lists = [draw(st.lists(values, min_size=k, max_size=k)) for k in sizes]
    kind, dtype = draw(st.sampled_from(KINDS)), draw(st.sampled_from(DTYPES))
    return *(np.array(each, dtype) for each in lists), draw(values), kind


@given(noisy_descents())
def test_expected_loss_is_the_mean_over_all_signs(case):
    """Noise of ±σ, all sequences of signs: the mean over the runs is exact."""
    curvatures, rates, start, variance, kind = case
    arrays = [in_kind(each, kind) for each in (curvatures, rates, start)]
    found = expected_loss(*arrays[:2], start=arrays[2], variance=variance)
    assert found.shape == (len(rates) + 1, 2)
    assert str(found.dtype).endswith(str(start.dtype))
    signs = np.array([*product((-1.0, 1.0), repeat=len(rates))])
    x = np.repeat(start[None].astype(float), len(signs), axis=0)
    for t in range(len(rates) + 1):
        mean, spread = x.mean(axis=0), x.var(axis=0)
        parts = [(curvatures * each).sum() / 2 for each in (mean**2, spread)]
        tolerance = 1e-4 if start.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found[t], parts, rtol=tolerance, atol=tolerance)
        if t < len(rates):
            noise = np.sqrt(variance) * signs[:, t : t + 1]
            x = x - rates[t] * (curvatures * x + noise)
    SEEN.update(("expected_loss", name) for name in ("examples", kind))


@given(noisy_descents())
def test_noise_floor_stays(case):
    """One more step leaves the floor; where no step does it is infinite."""
    curvatures, rates, _, variance, kind = case
    for eta in rates:
        floor = noise_floor(in_kind(curvatures, kind), float(eta), variance=variance)
        floor = np.asarray(floor, float)
        step = float(eta) * curvatures.astype(float)
        after = (1 - step) ** 2 * floor + float(eta) ** 2 * variance
        inside = step < 2
        assert np.isinf(floor[~inside]).all()
        np.testing.assert_allclose(floor[inside], after[inside], rtol=1e-4)
    SEEN.update(("noise_floor", name) for name in ("examples", kind))


def test_noise_by_hand():
    assert noise_floor(1, 0.5, variance=3) == 1
    assert noise_floor(2, 1, variance=1) == noise_floor(0, 1, variance=1) == np.inf
    parts = expected_loss([1], [0.5], start=[4], variance=3)
    np.testing.assert_allclose(parts, [[8, 0], [2, 0.375]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roots(1, momentum=1), "momentum is 1, but must be .* less than 1"),
        (lambda: rate(1, momentum=-0.1), "momentum is -0.1, but must be"),
        (lambda: rate("fast"), "step holds <U4, but must hold real numbers"),
        (lambda: stable_step(momentum=2), "momentum is 2, but must be"),
        (lambda: best_descent(0, 1), "smallest is 0, but must be a number greater"),
        (lambda: best_descent(1, "a"), "largest is 'a', but must be a number greater"),
        (lambda: expected_loss([1, 2], [1], start=[1], variance=1), "start"),
        (
            lambda: expected_loss([1], [1], start=[1], variance=-1),
            "variance is -1, but must be",
        ),
        (lambda: noise_floor(1, 1, variance="a"), "variance is 'a', but must be"),
        (lambda: best_momentum(2, 1), "smallest is 2, but must be at most largest, 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    steps = np.linspace(0, 4, 9)
    rates = rate(in_kind(steps, "cuda"), momentum=0.5)
    assert rates.device.type == "cuda"
    np.testing.assert_allclose(rates.cpu(), rate(steps, momentum=0.5))
    pairs = roots(in_kind(steps, "cuda"), momentum=0.5)
    np.testing.assert_allclose(pairs.cpu(), roots(steps, momentum=0.5))
