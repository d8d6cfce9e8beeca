"""Training and inference: which statistics count, and what is remembered of them."""

import math

import numpy as np
import torch
from normalized import batch_norm, layer

from notebook_utils.normalization import BatchNorm

RNG = np.random.default_rng(0)
DATA = [RNG.normal(3, 2, size=(n, 2)) for n in (2, 4, 9)]


def remembered(module):
    """Copy a layer's running mean and variance."""
    return module.running_mean.numpy().copy(), module.running_var.numpy().copy()


def test_which_statistics_count():
    def noted(training, tracks):
        return "running" if tracks else "batch"

    def corrected(training, tracks):
        return "running" if tracks and not training else "batch"

    for training in (True, False):
        for tracks in (True, False):
            module = layer(2, track_running_stats=tracks).train(training)
            used = "batch"
            for x in DATA:
                y = module(torch.tensor(x)).detach()
                if not torch.allclose(y, batch_norm(x, eps=1e-5)):
                    used = "running"
            assert corrected(training, tracks) == used
            assert noted(training, tracks) == ("running" if tracks else "batch")
            assert (noted(training, tracks) == used) == (not training or not tracks)
            assert (module.running_mean is not None) == tracks
    # what is kept is a variance, with n - 1
    module = layer(2, momentum=1.0)
    module(torch.tensor(DATA[1]))
    np.testing.assert_allclose(module.running_var, DATA[1].var(0, ddof=1))


def test_inference_normalises_by_the_running_statistics():
    def noted(x, module):
        return x

    def corrected(x, module):
        deviation = np.sqrt(module.running_var + module.eps)
        return module.gamma * (x - module.running_mean) / deviation + module.beta

    ours, theirs = BatchNorm(2, eps=0.1), layer(2, eps=0.1)
    ours.gamma, ours.beta = np.array([2.0, -0.5]), np.array([1.0, 3.0])
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.gamma))
        theirs.bias.copy_(torch.tensor(ours.beta))
    for x in DATA:
        ours.train()(x)
        theirs.train()(torch.tensor(x))
        y = theirs.eval()(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(corrected(x, ours), y)
        np.testing.assert_allclose(ours.eval()(x)[0], y)
        assert not np.allclose(noted(x, ours), y)
        assert np.array_equal(noted(x, ours), x)


def test_two_meanings_of_momentum():
    def noted(running, new, momentum):
        return (1 - momentum) * running + momentum * new

    def corrected(running, new, momentum):
        return momentum * running + (1 - momentum) * new

    for momentum in (0.1, 0.3, 0.5, 0.99):
        module = layer(2, momentum=momentum)
        ours = BatchNorm(2, momentum=momentum)
        other = layer(2, momentum=1 - momentum)  # the other convention's
        start = module.running_mean.numpy().copy() + 1
        for each in (module, other):
            each.running_mean += 1
        x = DATA[1]
        module(torch.tensor(x))
        other(torch.tensor(x))
        ours(x)
        new = x.mean(0)
        np.testing.assert_allclose(noted(start, new, momentum), module.running_mean)
        np.testing.assert_allclose(noted(0, new, momentum), ours.running_mean)
        np.testing.assert_allclose(corrected(start, new, momentum), other.running_mean)
        same = np.allclose(corrected(start, new, momentum), module.running_mean)
        assert same == (momentum == 0.5)


def test_the_default_momentum():
    def noted(running, new):
        return (1 - 0.1) * running + 0.1 * new

    module = layer(2)
    for x in DATA:
        mean, variance = remembered(module)
        module(torch.tensor(x))
        np.testing.assert_allclose(noted(mean, x.mean(0)), module.running_mean)
        kept = noted(variance, x.var(0, ddof=1))
        np.testing.assert_allclose(kept, module.running_var)


def test_running_statistics_begin_at_0_and_1():
    def noted(channels):
        return {"running_mean": [0.0] * channels, "running_var": [1.0] * channels}

    for channels in (1, 3):
        ours, theirs = BatchNorm(channels), layer(channels).eval()
        for name, start in noted(channels).items():
            assert getattr(theirs, name).tolist() == start
            assert getattr(ours, name).tolist() == start
        x = RNG.normal(size=(4, channels))
        mean, variance = (np.array(each) for each in noted(channels).values())
        wanted = (x - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(theirs(torch.tensor(x)).detach(), wanted)


def test_the_update_of_the_running_variance():
    def noted_mean(running, new, eta):
        return eta * running + (1 - eta) * new

    def noted(running, new, eta):
        return eta * new + (1 - eta) * running

    def corrected(running, new, eta):
        return eta * running + (1 - eta) * new

    assert math.isclose(noted(1, 4, 0.9), 3.7)
    assert math.isclose(corrected(1, 4, 0.9), 1.3)
    for eta in (0.9, 0.5, 0.2):
        module = layer(2, momentum=1 - eta)
        for x in DATA:
            mean, variance = remembered(module)
            module(torch.tensor(x))
            new = x.var(0, ddof=1)
            theirs = module.running_var.numpy()
            np.testing.assert_allclose(
                noted_mean(mean, x.mean(0), eta), module.running_mean
            )
            np.testing.assert_allclose(corrected(variance, new, eta), theirs)
            assert np.allclose(noted(variance, new, eta), theirs) == (eta == 0.5)
