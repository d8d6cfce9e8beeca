"""What normalisation does for training: the notes' reasons, measured."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from normalized import TINY, accuracy, batch_norm, growth, layer, weight_gradients
from scipy import stats
from torch import nn

RNG = np.random.default_rng(0)
NORMS = {
    "batch": batch_norm,
    "instance": lambda x: F.instance_norm(x, eps=TINY),
    "layer": lambda x: F.layer_norm(x, x.shape[1:], eps=TINY),
    "group": lambda x: F.group_norm(x, 2, eps=TINY),
}


def test_internal_covariate_shift():
    def noted(norm):
        return {"mean", "variance", "skewness"}

    def corrected(norm):
        return {"mean", "variance"} if norm in ("batch", "instance") else set()

    # a step of the layer below: its outputs before and after, and what of the
    # distribution of each channel is still the same once they are normalised
    x = torch.tensor(RNG.exponential(size=(8, 3, 6, 6)))
    weights = [torch.tensor(RNG.normal(size=(4, 3, 1, 1))) for _ in range(2)]
    measures = {"mean": np.mean, "variance": np.var, "skewness": stats.skew}
    for name, norm in NORMS.items():
        channels = [
            norm(F.conv2d(x, w)).movedim(1, 0).reshape(4, -1).numpy() for w in weights
        ]
        kept = {
            label
            for label, measure in measures.items()
            if np.allclose(*(measure(each, axis=1) for each in channels), atol=1e-6)
        }
        assert corrected(name) == kept
        assert noted(name) - kept >= {"skewness"}


def test_gradients_through_many_layers():
    def noted(scale, depth):
        return 1.0**depth  # neither vanishing nor exploding

    def corrected(scale, depth):
        return math.sqrt(math.pi / (math.pi - 1)) ** depth

    for depth in (2, 9, 26):
        between = depth - 2  # the gradients are measured so many layers apart
        for scale in (0.5, 3.0):
            found = growth(scale, depth, True)
            assert math.isclose(corrected(scale, between), found, rel_tol=0.2)
            # whatever the scale of the weights, unlike without
            assert math.isclose(found, growth(1.0, depth, True), rel_tol=1e-6)
            without = (scale / math.sqrt(2)) ** between
            assert math.isclose(growth(scale, depth, False), without, rel_tol=0.7)
        assert noted(1.0, between) == 1
        assert math.isclose(noted(1.0, between), found, rel_tol=0.2) == (depth == 2)
    assert corrected(1.0, 24) > 90


def test_lower_layers_learn_late():
    def noted(gradients):
        return gradients == sorted(gradients)

    def corrected(gradients):
        ratio = gradients[0] / gradients[-1]
        return "late" if ratio < 1 / 2 else "early" if ratio > 2 else "alike"

    for activation, scale, wanted in (
        (torch.sigmoid, 1.0, "late"),
        (torch.relu, math.sqrt(2), "alike"),
        (torch.sigmoid, 16.0, "early"),
    ):
        found = weight_gradients(activation, scale)
        assert corrected(found) == wanted
        assert noted(found) == (wanted == "late")
    assert corrected([1.0, 2.0]) == corrected([2.0, 1.0]) == "alike"
    assert corrected([1.0, 2.01]) == "late"
    assert corrected([2.01, 1.0]) == "early"
    # when the bottom changes, so does what every layer above it sees
    layers = nn.Sequential(*(nn.Linear(3, 3) for _ in range(3)))
    x = torch.ones(2, 3)
    before = [layers[: i + 1](x).detach() for i in range(3)]
    with torch.no_grad():
        layers[0].weight += 0.5
    for i in range(3):
        assert not torch.allclose(layers[: i + 1](x), before[i])


def test_where_it_stands():
    def noted(ndim):
        return (0,) if ndim == 2 else (0, 2, 3)

    for x in (RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3, 2, 5))):
        ours = (x - x.mean(noted(x.ndim), keepdims=True)) / x.std(
            noted(x.ndim), keepdims=True
        )
        np.testing.assert_allclose(ours, batch_norm(x))
        # on what comes in, or on what goes out before the activation: it is a layer
        dense = nn.Linear(3, 3, dtype=torch.float64)
        dense = dense if x.ndim == 2 else nn.Conv2d(3, 3, 1, dtype=torch.float64)
        norm = layer(3, x.ndim)
        for order in ((norm, dense, nn.ReLU()), (dense, norm, nn.ReLU())):
            assert nn.Sequential(*order)(torch.tensor(x)).shape == x.shape


def test_the_noise_of_a_batch():
    def noted(x, batch, gamma, beta):
        shift, scale = batch.mean(), math.sqrt(batch.var() + 1e-5)
        return gamma * (x - shift) / scale + beta

    def corrected(x, running, gamma, beta):
        shift, scale = running[0], math.sqrt(running[1] + 1e-5)
        return gamma * (x - shift) / scale + beta

    module = layer(1)
    with torch.no_grad():
        module.weight.fill_(1.5)
        module.bias.fill_(-2)
    outputs = {True: [], False: []}
    for _ in range(5):
        batch = RNG.normal(3, 2, size=8)
        running = module.running_mean.item(), module.running_var.item()
        batch[0] = 4.0
        for training in (False, True):
            y = module.train(training)(torch.tensor(batch)[:, None])[0, 0].item()
            outputs[training].append(y)
            random = math.isclose(noted(4.0, batch, 1.5, -2), y)
            assert random == training
            fixed = math.isclose(corrected(4.0, running, 1.5, -2), y)
            assert fixed == (not training)
        module.reset_running_stats()
        module.running_mean += 1.0
        module.running_var *= 2.0
    assert np.std(outputs[True]) > 0.1
    assert np.std(outputs[False][1:]) < 1e-9


def test_dropout_is_another_noise():
    def noted(p, n):
        return math.sqrt(p / (1 - p))

    def corrected(p, n):
        return 1 / math.sqrt(n)

    generator = torch.Generator().manual_seed(0)
    for n in (64, 256, 1024):
        # where one example at the mean of all data lands, from batch to batch
        batches = torch.randn(n, 1000, generator=generator, dtype=torch.float64)
        batches[0] = 0
        noise = batch_norm(batches)[0].std().item()
        assert math.isclose(corrected(0.5, n), noise, rel_tol=0.1)
        for p in (0.2, 0.5):
            kept = torch.rand(20_000, generator=generator) >= p
            dropped = kept / (1 - p)  # what becomes of a 1
            assert math.isclose(noted(p, n), dropped.std().item(), rel_tol=0.1)
            assert not math.isclose(noted(p, n), noise, rel_tol=0.5)


def test_accuracy_with_and_without():
    def noted(without):
        return without

    def corrected(without):
        return max(without)

    scales = (0.1, 1.0)
    without = [accuracy(scale, False) for scale in scales]
    for scale, alone in zip(scales, without, strict=True):
        with_norm = accuracy(scale, True)
        assert abs(corrected(without) - with_norm) < 0.08
        assert (abs(noted(alone) - with_norm) < 0.08) == (scale == 1.0)


def test_the_other_examples_are_the_noise():
    def noted(norm):
        return True  # all activations come from the inputs

    def corrected(norm):
        return norm == "batch"

    for name, norm in NORMS.items():
        example = torch.tensor(RNG.normal(size=(1, 4, 3, 3)))
        outputs = [
            norm(torch.cat([example, torch.tensor(RNG.normal(size=(7, 4, 3, 3)))]))[0]
            for _ in range(2)
        ]
        varies = not torch.allclose(*outputs)
        assert corrected(name) == varies
        assert noted(name)
        depends = not torch.allclose(norm(2 * example**2), norm(example))
        assert depends == noted(name)


def test_a_batch_that_is_large_enough():
    def noted(n):
        return 64 <= n <= 256

    def corrected(n, h, w):
        return 1 / math.sqrt(n * h * w)

    for n, h, w in ((8, 1, 1), (64, 1, 1), (4, 8, 8), (256, 1, 1)):
        rng = np.random.default_rng(0)
        means = [rng.normal(size=(n, h, w)).mean() for _ in range(1500)]
        assert math.isclose(np.std(means), corrected(n, h, w), rel_tol=0.08)
    assert [n for n in range(300) if noted(n)] == list(range(64, 257))
    # inside, rows leave an error of an eighth to a sixteenth
    assert all(
        noted(n) == (1 / 16 <= corrected(n, 1, 1) <= 1 / 8) for n in range(1, 300)
    )
    # there is no step at 64, and 4 pictures of 8 × 8 pixels do as well as 256 rows
    assert corrected(63, 1, 1) / corrected(64, 1, 1) < 1.01
    assert corrected(4, 8, 8) == corrected(256, 1, 1)
    assert noted(256)
    assert not noted(4)


def test_a_rate_that_is_too_small():
    def noted(gradient, rate):
        return rate * gradient

    def corrected(gradient, rate):
        return gradient

    for rate in (1e-6, 0.1, 1.0):
        w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
        (w**2).backward()
        assert math.isclose(corrected(6.0, rate), w.grad.item())
        torch.optim.SGD([w], lr=rate).step()
        assert math.isclose(noted(6.0, rate), 3 - w.item(), rel_tol=1e-9)
        assert math.isclose(noted(6.0, rate), w.grad.item()) == (rate == 1)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_loss_that_is_not_a_number():
    def noted(rate, curvature):
        return rate > 2 / curvature

    for curvature in (1.0, 4.0):
        for share in (0.5, 0.9, 1.0, 1.1, 1.5):
            rate = share * 2 / curvature
            w = np.float32(1)
            with np.errstate(all="ignore"):
                for _ in range(1200):
                    w = w - np.float32(rate) * np.float32(curvature) * w
            assert noted(rate, curvature) == (not np.isfinite(w))
    # once the weights are infinite, a step is infinity less infinity
    assert math.isnan(math.inf - 1.5 * math.inf)
