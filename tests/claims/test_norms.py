"""Layer, instance, group and switchable normalisation: axes, weights, uses."""

import numpy as np
import torch
import torch.nn.functional as F
from normalized import TINY, batch_norm, layer
from torch import nn

from notebook_utils.normalization import switchable_norm

RNG = np.random.default_rng(0)
IMAGES = [RNG.normal(2, 3, size=size) for size in ((3, 4, 2, 5), (2, 6, 3, 3))]


def normalize(x, axes):
    """Subtract means and divide by deviations, with torch."""
    x = torch.tensor(x)
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
    return ((x - mean) / torch.sqrt(variance + TINY)).numpy()


def test_batch_and_instance():
    def noted_batch(x):
        return x.mean((0, 2, 3), keepdims=True)

    def noted_instance(x):
        return x.mean((2, 3), keepdims=True)

    def noted_noise(deviation, n):
        return deviation / np.sqrt(n)

    for x in IMAGES:
        kept = {noted_batch: batch_norm(x), noted_instance: F.instance_norm(tensor(x))}
        for noted, theirs in kept.items():
            # the layer takes these means out: the same deviations, scaled
            centred = x - noted(x)
            ours = centred / np.sqrt(noted(centred**2))
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
    # the fewer examples, the farther their mean strays
    rng = np.random.default_rng(1)
    for n in (2, 8, 32):
        means = rng.normal(0, 3, size=(n, 4000)).mean(0)
        np.testing.assert_allclose(noted_noise(3, n), means.std(), rtol=0.04)


def tensor(x):
    """Make a tensor."""
    return torch.tensor(x)


def test_what_a_layer_norm_covers():
    def noted(x):
        return normalize(x, (1, 2, 3))

    def corrected(x):
        return normalize(x, (1,))

    for x in [*IMAGES, IMAGES[0][:, :, :1, :1]]:
        whole = F.layer_norm(tensor(x), x.shape[1:], eps=TINY)
        np.testing.assert_allclose(noted(x), whole)
        tokens = tensor(x).movedim(1, -1)
        module = nn.LayerNorm(x.shape[1], eps=TINY, dtype=torch.float64)
        each = module(tokens).movedim(-1, 1).detach()
        np.testing.assert_allclose(corrected(x), each)
        assert np.allclose(noted(x), each) == (x.shape[2:] == (1, 1))


def test_group_means():
    def noted(x, groups):
        n, c, h, w = x.shape
        grouped = x.reshape(n, groups, c // groups * h * w)
        return normalize(grouped, (2,)).reshape(n, c, h, w)

    for x in IMAGES:
        for groups in (1, 2, x.shape[1]):
            theirs = F.group_norm(tensor(x), groups, eps=TINY)
            np.testing.assert_allclose(noted(x, groups), theirs)
            # an example does not depend on the others
            np.testing.assert_allclose(noted(x[:1], groups), theirs[:1])


def test_where_norms_are_used():
    def noted():
        return nn.LSTM

    def corrected():
        return nn.TransformerEncoderLayer

    def count(kind):
        modules = kind(4, 2).modules()
        return sum(isinstance(each, nn.LayerNorm) for each in modules)

    assert (count(noted()), count(corrected())) == (0, 2)
    # instance norm forgets the contrast of each picture, as style transfer wishes
    x = tensor(IMAGES[0])
    contrast = tensor(RNG.uniform(0.5, 2, size=(3, 4, 1, 1)))
    options = {"eps": TINY}
    restyled = F.instance_norm(contrast * x + 5, **options)
    torch.testing.assert_close(restyled, F.instance_norm(x, **options))


def switch(x, w, v, eps=1e-5):
    """Mix the three statistics, with torch, by weights that are given."""
    x, sets = tensor(x), ((2, 3), (1, 2, 3), (0, 2, 3))
    means = [x.mean(axes, keepdim=True) for axes in sets]
    variances = [x.var(axes, correction=0, keepdim=True) for axes in sets]
    mean = sum(a * b for a, b in zip(w, means, strict=True))
    variance = sum(a * b for a, b in zip(v, variances, strict=True))
    return ((x - mean) / torch.sqrt(variance + eps)).numpy()


RAW = (np.array([0.1, 0.1, 0.8]), np.array([0.01, 0.02, 0.05]))


def test_the_weights_of_switchable_normalisation():
    def noted(w):
        return w

    def corrected(w):
        powers = np.exp(w)
        return powers / sum(powers)

    # all planes hold the same values: instance, layer and batch have one mean, and any
    # mixture of them must be that one
    values = RNG.normal(4, 5, size=12)
    planes = [RNG.permutation(values).reshape(3, 4) for _ in range(6)]
    alike = np.stack(planes).reshape(2, 3, 3, 4)
    wanted = F.instance_norm(tensor(alike)).numpy()
    for w, v in (RAW, (RAW[1], RAW[0]), (np.array([2.0, -1.0, 0.0]), RAW[1])):
        theirs = [torch.tensor(each).softmax(0).numpy() for each in (w, v)]
        for ours, each in zip((corrected(w), corrected(v)), theirs, strict=True):
            np.testing.assert_allclose(ours, each)
        np.testing.assert_allclose(switch(alike, corrected(w), corrected(v)), wanted)
        assert noted(w) is w
        assert not np.allclose(switch(alike, noted(w), noted(v)), wanted, rtol=0.1)
        x = IMAGES[0]
        ours, _ = switchable_norm(x, np.ones(4), np.zeros(4), w, v)
        np.testing.assert_allclose(ours, switch(x, corrected(w), corrected(v)))
    x = np.random.default_rng(0).random((5, 10, 3, 3)) * 100  # the call of the notes
    too_large = switch(x, noted(RAW[0]), noted(RAW[1])).std()
    assert 3.3 < too_large < 3.7
    assert abs(switch(x, corrected(RAW[0]), corrected(RAW[1])).std() - 1) < 0.05


def test_the_axes_of_three_norms():
    def noted():
        return {"instance": (2, 3), "layer": (1, 2, 3), "batch": (0, 2, 3)}

    for x in IMAGES:
        theirs = {
            "instance": F.instance_norm(tensor(x), eps=TINY),
            "layer": F.layer_norm(tensor(x), x.shape[1:], eps=TINY),
            "batch": batch_norm(x),
        }
        assert noted().keys() == theirs.keys()
        for name, axes in noted().items():
            np.testing.assert_allclose(normalize(x, axes), theirs[name])


def test_a_scale_for_each_channel_and_a_memory():
    def noted(x, gamma, beta):
        return gamma * normalize(x, (0, 2, 3)) + beta

    def corrected(x, gamma, beta, mean, variance):
        x = np.moveaxis(x, 1, -1)
        y = gamma * (x - mean) / np.sqrt(variance) + beta
        return np.moveaxis(y, -1, 1)

    for x in IMAGES:
        channels = x.shape[1]
        for gamma in (np.full(channels, 0.1), RNG.normal(size=channels)):
            beta = gamma + 1
            module = layer(channels, 4, eps=TINY)
            with torch.no_grad():
                module.weight.copy_(tensor(gamma))
                module.bias.copy_(tensor(beta))
            for training in (True, False):
                state = module.running_mean.tolist(), module.running_var.tolist()
                if training:
                    state = (x.mean((0, 2, 3)), x.var((0, 2, 3)))
                state = [np.array(each) for each in state]
                theirs = module.train(training)(tensor(x)).detach().numpy()
                ours = corrected(x, gamma, beta, *state)
                np.testing.assert_allclose(ours, theirs, atol=1e-9)
                same = np.allclose(noted(x, gamma[0], beta[0]), theirs)
                assert same == (training and np.ptp(gamma) == 0)
