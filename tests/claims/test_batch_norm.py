"""Batch normalisation, forwards: what the notes compute, and what torch does."""

import inspect
import math

import numpy as np
import torch
import torch.nn.functional as F
from normalized import TINY, batch_norm, layer
from scipy import stats
from torch import nn

from notebook_utils import normalization

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(2, 3, size=(n, 3)) for n in (2, 3, 8)]
IMAGES = [RNG.normal(-1, 2, size=size) for size in ((2, 3, 4, 5), (3, 2, 1, 2))]
GAMMA, BETA = np.array([1.5, -2.0, 0.5]), np.array([0.25, 3.0, -1.0])


def close(one, other, **options):
    """Compare arrays and tensors."""
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), **options)


def test_the_algorithm():
    def noted(x, gamma, beta, eps):
        m = len(x)
        mu = sum(x) / m
        variance = sum((x - mu) ** 2) / m
        normalized = (x - mu) / np.sqrt(variance + eps)
        return gamma * normalized + beta

    for x in ROWS:
        for eps in (1e-5, 0.5):
            theirs = batch_norm(x, GAMMA, BETA, eps)
            close(noted(x, GAMMA, BETA, eps), theirs)
            ours, _ = normalization.batch_norm(x, GAMMA, BETA, eps=eps)
            close(noted(x, GAMMA, BETA, eps), ours)


def test_the_algorithm_and_its_two_parameters():
    def noted(x, gamma, beta, eps):
        m = len(x)
        u = sum(x) / m
        var = sum((x - u) ** 2) / m
        normalized = (x - u) / np.sqrt(var + eps)
        return normalized, gamma * normalized + beta

    def noted_gradients(g, normalized):
        return sum(g * normalized), sum(g)

    for x in ROWS:
        parameters = [torch.tensor(p, requires_grad=True) for p in (GAMMA, BETA)]
        y = F.batch_norm(torch.tensor(x), None, None, *parameters, True, eps=0.1)
        normalized, ours = noted(x, GAMMA, BETA, 0.1)
        close(ours, y.detach())
        g = RNG.normal(size=x.shape)
        theirs = torch.autograd.grad(y, parameters, torch.tensor(g))
        for one, other in zip(noted_gradients(g, normalized), theirs, strict=True):
            close(one, other)


def test_statistics_have_the_shape_of_the_channels():
    def noted_rows(x):
        mean = x.mean(0, keepdims=True)
        return mean, np.sqrt(((x - mean) ** 2).mean(0, keepdims=True))

    def noted_images(x):
        mean = x.mean((0, 2, 3), keepdims=True)
        return mean, np.sqrt(((x - mean) ** 2).mean((0, 2, 3), keepdims=True))

    for noted, batches in ((noted_rows, ROWS), (noted_images, IMAGES)):
        for x in batches:
            mean, deviation = noted(x)
            channels = x.shape[1]
            assert mean.shape == deviation.shape
            assert mean.shape == (1, channels) + (1, 1) * (x.ndim == 4)
            close((x - mean) / deviation, batch_norm(x), atol=1e-9)
            assert layer(channels, x.ndim).running_mean.shape == (mean.size,)


def test_n_counts_the_inputs():
    def corrected(values):
        n = len(values)
        mean = sum(values) / n
        return mean, sum((value - mean) ** 2 for value in values) / n

    for values in ([1.0, 3.0], [0.0, 6.0, 9.0], [2.0, 2.5, -1.0, 7.0]):
        mean, variance = corrected(values)
        x = torch.tensor(values, dtype=torch.float64)
        assert math.isclose(mean, x.mean().item())
        assert math.isclose(variance, x.var(correction=0).item())


def test_epsilon_stands_inside_the_root():
    def noted(variance, eps):
        return math.sqrt(variance) + eps

    def corrected(variance, eps):
        return math.sqrt(variance + eps)

    for variance in (1e-6, 1e-4, 1.0, 9.0):
        for eps in (1e-5, 0.1, 2.0):
            x = np.array([[-1.0], [1.0]]) * math.sqrt(variance)
            y = batch_norm(x, eps=eps)[1, 0].item()
            assert math.isclose(y * corrected(variance, eps), x[1, 0])
            assert not math.isclose(y * noted(variance, eps), x[1, 0], rel_tol=1e-7)
    assert math.isclose(1 / noted(1e-6, 1e-5), 1 / (1e-3 + 1e-5))
    assert round(1 / noted(1e-6, 1e-5)) == 990
    assert round(1 / corrected(1e-6, 1e-5)) == 302


def test_epsilon_is_no_part_of_the_variance():
    def noted(x, eps):
        return ((x - x.mean(0)) ** 2).mean(0) + eps

    def corrected(x, eps):
        return ((x - x.mean(0)) ** 2).mean(0)

    for x in ROWS:
        for eps in (0.5, 3.0):
            # as a divisor the sum is right: it is what stands under the root
            ours = (x - x.mean(0)) / np.sqrt(noted(x, eps))
            close(ours, batch_norm(x, eps=eps))
            # as the variance that is kept it is not
            module = layer(3, momentum=1.0, eps=eps)
            module(torch.tensor(x))
            kept = module.running_var.numpy() * (len(x) - 1) / len(x)
            close(corrected(x, eps), kept)
            assert np.all(np.abs(noted(x, eps) - kept) > 0.4)


def test_without_epsilon():
    def noted(x):
        return (x - np.mean(x)) / np.sqrt(np.var(x))

    def corrected(x, eps):
        return (x - np.mean(x)) / np.sqrt(np.var(x) + eps)

    with np.errstate(invalid="ignore"):
        assert np.isnan(noted(np.full(4, 7.0))).all()
    constant = batch_norm(np.full((4, 1), 7.0), eps=1e-5)[:, 0]
    close(corrected(np.full(4, 7.0), 1e-5), constant, atol=1e-9)
    for scale in (1e-4, 1e-2, 1.0, 100.0):
        x = scale * np.array([0.0, 6.0, 9.0])
        theirs = batch_norm(x[:, None], eps=1e-5)[:, 0].numpy()
        close(corrected(x, 1e-5), theirs)
        assert np.allclose(noted(x), theirs, rtol=1e-4) == (scale >= 1)
        close(noted(x), batch_norm(x[:, None], eps=TINY)[:, 0])


def test_what_undoes_the_normalisation():
    def noted(x, eps):
        return np.sqrt(x.var(0)), x.mean(0)

    def corrected(x, eps):
        return np.sqrt(x.var(0) + eps), x.mean(0)

    for x in ROWS:
        for eps in (TINY, 1e-5, 0.5):
            close(batch_norm(x, *corrected(x, eps), eps), x, atol=1e-9)
            recovered = batch_norm(x, *noted(x, eps), eps).numpy()
            assert np.allclose(recovered, x, atol=1e-9) == (eps == TINY)
    small = np.array([[-0.01], [0.01]])
    lost = 1 - batch_norm(small, *noted(small, 1e-5), 1e-5)[1, 0].item() / 0.01
    assert round(lost, 3) == 0.047


def test_scale_is_a_deviation():
    def noted(gamma, beta):
        return gamma, beta

    def corrected(gamma, beta):
        return gamma**2, beta

    for x in ROWS:
        for gamma, beta in ((3.0, 1.0), (-0.5, 2.0), (1.0, -4.0)):
            y = batch_norm(x, np.full(3, gamma), np.full(3, beta)).numpy()
            variance, mean = corrected(gamma, beta)
            close(y.var(0), np.full(3, variance))
            close(y.mean(0), np.full(3, mean))
            as_noted, same_mean = noted(gamma, beta)
            assert same_mean == mean
            assert math.isclose(as_noted, math.copysign(math.sqrt(variance), gamma))
            assert np.allclose(y.var(0), as_noted) == (gamma == 1)


def test_the_statistics_of_the_outputs():
    def noted_mean(x):
        return sum(x) / len(x)

    def noted_fixed(x):
        deviations = x - noted_mean(x)
        return deviations / np.sqrt(noted_mean(deviations**2))

    def noted_adjusted(x, gamma, beta):
        return gamma * noted_fixed(x) + beta

    for x in ROWS:
        close(noted_mean(x), torch.tensor(x).mean(0))
        # whatever came in
        close(noted_fixed(5 * x - 3), batch_norm(x), atol=1e-9)
        close(noted_adjusted(x, GAMMA, BETA), batch_norm(x, GAMMA, BETA), atol=1e-9)


def test_outputs_keep_their_index():
    def noted(x, gamma, beta):
        scale = gamma / np.std(x)
        return {i + 1: scale * (x[i] - np.mean(x)) + beta for i in range(len(x))}

    def corrected(x, gamma, beta):
        scale = gamma / np.std(x)
        return {i: scale * (x[i] - np.mean(x)) + beta for i in range(len(x))}

    for x in ([0.0, 6.0, 9.0], [1.0, 2.0, 5.0, -3.0]):
        y = batch_norm(np.array(x)[:, None], [1.5], [0.25])[:, 0].tolist()
        ours = corrected(x, 1.5, 0.25)
        close([ours[i] for i in range(len(x))], y)
        shifted = noted(x, 1.5, 0.25)
        close([shifted[i + 1] for i in range(len(x))], y)
        assert 0 not in shifted


def test_the_shape_of_a_distribution_stays():
    def noted(x):
        return {"mean": 0.0, "variance": 1.0, "skewness": 0.0}

    def corrected(x):
        skewness = np.mean((x - x.mean()) ** 3) / np.mean((x - x.mean()) ** 2) ** 1.5
        return {"mean": 0.0, "variance": 1.0, "skewness": skewness}

    rng = np.random.default_rng(0)
    for draw, lopsided in ((rng.normal, False), (rng.exponential, True)):
        x = draw(size=4000)
        y = batch_norm(x[:, None])[:, 0].numpy()
        found = {"mean": y.mean(), "variance": y.var(), "skewness": stats.skew(y)}
        for name, value in corrected(x).items():
            assert math.isclose(value, found[name], abs_tol=1e-9)
        wrong = [n for n, value in noted(x).items() if abs(value - found[n]) > 0.2]
        assert wrong == (["skewness"] if lopsided else [])


def test_the_statistics_are_those_of_the_batch():
    def noted(data, rows):
        batch = data[rows]
        return sum(batch) / len(batch)

    data = RNG.normal(size=(40, 3))
    for rows in (slice(0, 8), slice(8, 20), slice(38, 40)):
        module = layer(3, momentum=1.0)
        module(torch.tensor(data[rows]))
        close(noted(data, rows), module.running_mean)
        assert not np.allclose(noted(data, rows), data.mean(0))


def test_a_minus_is_lost():
    def corrected_affine(u, w, b):
        return u @ w.T + b

    def corrected(u, w, b, gamma, beta):
        x = corrected_affine(u, w, b)
        normalized = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
        return np.maximum(gamma * normalized + beta, 0)

    dense, norm = nn.Linear(4, 3, dtype=torch.float64), layer(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(GAMMA))
        norm.bias.copy_(torch.tensor(BETA))
    w, b = (each.detach().numpy() for each in dense.parameters())
    for n in (2, 5, 9):
        u = RNG.normal(size=(n, 4))
        theirs = nn.Sequential(dense, norm, nn.ReLU())(torch.tensor(u))
        close(corrected_affine(u, w, b), dense(torch.tensor(u)).detach())
        close(corrected(u, w, b, GAMMA, BETA), theirs.detach(), atol=1e-9)
        # the bias b makes no difference
        close(corrected(u, w, b + 7, GAMMA, BETA), theirs.detach(), atol=1e-9)


def test_between_convolution_and_activation():
    def noted_normalized(x):
        return np.stack([(x[:, c] - m(x)[c]) / s(x)[c] for c in range(3)], axis=1)

    def noted(x, gamma, beta):
        y = noted_normalized(x)
        y = gamma.reshape(1, 3, 1, 1) * y + beta.reshape(1, 3, 1, 1)
        y = np.maximum(y, 0)
        rows = np.maximum(y[:, :, ::2], y[:, :, 1::2])
        return np.maximum(rows[..., ::2], rows[..., 1::2])

    def m(x):
        return [x[:, c].mean() for c in range(3)]

    def s(x):
        return [math.sqrt(x[:, c].var() + 1e-5) for c in range(3)]

    convolution, norm = nn.Conv2d(2, 3, 3, dtype=torch.float64), layer(3, 4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(GAMMA))
        norm.bias.copy_(torch.tensor(BETA))
    for n in (1, 4):
        images = torch.tensor(RNG.normal(size=(n, 2, 6, 8)))
        theirs = nn.Sequential(convolution, norm, nn.ReLU(), nn.MaxPool2d(2))(images)
        x = convolution(images).detach().numpy()
        close(noted(x, GAMMA, BETA), theirs.detach(), atol=1e-9)
        close(noted_normalized(x), batch_norm(x, eps=1e-5), atol=1e-9)


def test_the_parts_of_a_convolutional_layer():
    def noted_biased(x, bias):
        return x + bias

    def noted(x, gamma, beta):
        mean, deviation = x.mean((0, 2, 3)), np.sqrt(x.var((0, 2, 3)) + 1e-5)
        x = np.moveaxis(x, 1, -1)
        y = np.maximum(gamma * (x - mean) / deviation + beta, 0)
        return (
            y[:, ::2, ::2] + y[:, 1::2, ::2] + y[:, ::2, 1::2] + y[:, 1::2, 1::2]
        ) / 4

    convolution, norm = nn.Conv2d(2, 3, 3, bias=False, dtype=torch.float64), layer(3, 4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(GAMMA))
        norm.bias.copy_(torch.tensor(BETA))
    network = nn.Sequential(convolution, norm, nn.ReLU(), nn.AvgPool2d(2))
    for n in (1, 3):
        images = torch.tensor(RNG.normal(size=(n, 2, 6, 8)))
        x = convolution(images).detach().numpy()
        for bias in (0.0, 4.0):  # the network here has none: it does nothing
            biased = F.conv2d(
                images, convolution.weight, torch.full((3,), bias).double()
            )
            close(noted_biased(x, bias), biased.detach())
            ours = noted(noted_biased(x, bias), GAMMA, BETA)
            ours = np.moveaxis(ours, -1, 1)
            close(ours, network(images).detach(), atol=1e-9)


def test_one_mean_for_each_channel():
    def noted(x):
        return x.mean(), x.var()

    def corrected(x):
        return x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)

    for x in IMAGES:
        mean, variance = corrected(x)
        close((x - mean) / np.sqrt(variance), batch_norm(x), atol=1e-9)
        mean, variance = noted(x)
        ours = (x - mean) / np.sqrt(variance)
        assert not np.allclose(ours, batch_norm(x))
        close(ours.ravel(), batch_norm(x.reshape(-1, 1))[:, 0], atol=1e-9)


def test_the_variance_divides_by_n():
    def noted(values):
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / len(values)

    def corrected(values, correction):
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        return squares / (len(values) - correction)

    for values in ([0.0, 6.0, 9.0], [1.0, 3.0], [2.0, 2.5, -1.0, 7.0]):
        x = np.array(values)
        y = batch_norm(x[:, None])[:, 0].numpy()
        close((x - x.mean()) / y, math.sqrt(noted(values)))
        for correction in (0, 1):
            theirs = torch.tensor(values).var(correction=correction).item()
            assert math.isclose(corrected(values, correction), theirs, rel_tol=1e-6)
            same = math.isclose(noted(values), theirs, rel_tol=1e-6)
            assert same == (correction == 0)
        assert torch.tensor(values).var() == torch.tensor(values).var(correction=1)


def test_scale_and_shift_begin_at_1_and_0():
    def noted(channels):
        return {"weight": [1.0] * channels, "bias": [0.0] * channels}

    for channels in (1, 3):
        for ndim in (2, 4):
            module = layer(channels, ndim)
            for name, start in noted(channels).items():
                parameter = dict(module.named_parameters())[name]
                assert parameter.tolist() == start
                assert parameter.requires_grad
    assert normalization.BatchNorm(3).gamma.tolist() == noted(3)["weight"]


def test_the_size_of_epsilon():
    def noted():
        return {"eps": 1e-6, "weight": 1.0, "bias": 0.0}

    def corrected():
        return {"eps": 1e-5, "weight": 1.0, "bias": 0.0}

    module = nn.BatchNorm2d(1)
    start = {name: each.item() for name, each in module.named_parameters()}
    assert corrected() == {"eps": module.eps, **start}
    for scale in (1e-3, 1.0, 10.0):
        x = scale * np.array([[0.0], [6.0], [9.0]])
        values = noted()
        eps = values.pop("eps")
        assert values == start
        same = np.allclose(
            batch_norm(x, eps=eps), batch_norm(x, eps=corrected()["eps"]), rtol=1e-4
        )
        assert same == (scale >= 1)
    assert math.isclose(noted()["eps"] * 10, corrected()["eps"])


def test_the_arguments_of_torchs_layer():
    def noted():
        return {
            "eps": 1e-5,
            "momentum": 0.1,
            "affine": True,
            "track_running_stats": True,
        }

    for module in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        found = inspect.signature(module).parameters
        assert next(iter(found)) == "num_features"
        names = list(found)[1 : 1 + len(noted())]
        assert {name: found[name].default for name in names} == noted()


def test_the_number_of_features():
    def noted(shape):
        return shape[1]

    for module, shape in (
        (nn.BatchNorm1d, (2, 3)),
        (nn.BatchNorm1d, (2, 5, 4)),
        (nn.BatchNorm2d, (2, 4, 3, 6)),
        (nn.BatchNorm3d, (2, 6, 3, 4, 5)),
    ):
        assert module(noted(shape))(torch.zeros(shape)).shape == shape
        assert module(noted(shape)).running_mean.shape == (shape[1],)


def test_affine_is_scale_and_shift():
    def noted(normalized, gamma, beta, affine):
        return gamma * normalized + beta if affine else normalized

    for x in ROWS:
        for affine in (True, False):
            module = layer(3, affine=affine)
            if affine:
                with torch.no_grad():
                    module.weight.copy_(torch.tensor(GAMMA))
                    module.bias.copy_(torch.tensor(BETA))
            assert [p.requires_grad for p in module.parameters()] == [True] * affine * 2
            theirs = module(torch.tensor(x)).detach()
            normalized = batch_norm(x, eps=1e-5).numpy()
            close(noted(normalized, GAMMA, BETA, affine), theirs)
