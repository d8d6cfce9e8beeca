"""Batch normalisation, backwards: the notes' derivations, node by node."""

import math

import numpy as np
import torch
from normalized import gradients
from torch import nn

from notebook_utils.normalization import batch_norm, batch_norm_backward

RNG = np.random.default_rng(0)
PAIR = (np.array([1.0, 3.0]), 1.7, np.array([0.3, -1.0]))
CASES = [
    PAIR,
    (np.array([0.0, 6.0, 9.0]), math.sqrt(14), np.array([-5.0, 5.0, 3.0])),
    (RNG.normal(size=7), -0.6, RNG.normal(size=7)),
]


def statistics(x, eps=1e-5):
    """Return mean, variance, root and normalised values."""
    mean, variance = x.mean(), x.var()
    root = math.sqrt(variance + eps)
    return mean, variance, root, (x - mean) / root


def test_the_gradients_of_scale_and_shift():
    def noted_beta(g):
        return sum(g)

    def noted_scale(g, normalized):
        return sum(g[i] * normalized[i] for i in range(len(g)))

    for x, r, g in CASES:
        truth, (*_, normalized) = gradients(x, r, g), statistics(x)
        assert np.isclose(noted_beta(g), truth["beta"])
        assert np.isclose(noted_scale(g, normalized), truth["gamma"])


def test_a_hat_is_lost():
    def noted(x, r, g):
        return r * g

    def corrected(x, r, g):
        *_, root, hat = statistics(x)
        return r / root * (g - np.mean(g) - hat * np.mean(g * hat))

    for x, r, g in CASES:
        truth = gradients(x, r, g)
        np.testing.assert_allclose(noted(x, r, g), truth["normalized"])
        np.testing.assert_allclose(corrected(x, r, g), truth["x"], atol=1e-9)
        assert not np.allclose(noted(x, r, g), truth["x"], atol=0.1)
    # two inputs: next to nothing, instead of 0.51 and -1.7
    assert np.abs(corrected(*PAIR)).max() < 2e-5
    np.testing.assert_allclose(noted(*PAIR), [0.51, -1.7])
    ours, *_ = batch_norm_backward(
        PAIR[2][:, None], batch_norm(PAIR[0][:, None], [PAIR[1]], [0])[1]
    )
    np.testing.assert_allclose(ours[:, 0], corrected(*PAIR), atol=1e-12)


def test_the_gradient_of_the_variance_is_not_zero():
    def noted(x, r, g):
        return 0.0

    def noted_line(x, r, g):
        factor = 1 / (2 * (x.var() + 1e-5) ** 1.5)
        return g[0] * -factor + g[1] * 2 * (x[1] - x.mean()) * factor

    def corrected(x, r, g):
        factor = -1 / (2 * (x.var() + 1e-5) ** 1.5)
        return sum(r * g * (x - x.mean())) * factor

    def corrected_zero(x, u):
        return sum(-2 * (x - u)) / len(x)

    for x, r, g in CASES:
        truth = gradients(x, r, g)["variance"]
        assert np.isclose(corrected(x, r, g), truth)
        assert abs(truth - noted(x, r, g)) > 0.1
        assert noted(x, r, g) == 0
        # what is zero is another derivative: that of the variance by the mean
        for u in (x.mean(), x.mean() + 1.5, 0.25):
            at = torch.tensor(u, requires_grad=True)
            slope = torch.autograd.grad(((torch.tensor(x) - at) ** 2).mean(), at)
            assert np.isclose(corrected_zero(x, u), slope[0].item(), atol=1e-12)
        assert abs(corrected_zero(x, x.mean())) < 1e-12
    # and the line before it is neither zero nor right
    for x in (PAIR[0], np.array([1.0, 5.0])):
        _, r, g = PAIR
        *_, root, _ = statistics(x)
        written = (-g[0] + g[1] * (x[1] - x[0])) / (2 * root**3)
        assert np.isclose(noted_line(x, r, g), written, rtol=1e-9)
        assert abs(written) > 0.1
        assert abs(written - gradients(x, r, g)["variance"]) > 0.1


def test_the_three_paths_to_an_input():
    def noted(x, r, g, of_variance, of_mean):
        direct = g / math.sqrt(x.var() + 1e-5)
        through = of_variance * 2 * (x - x.mean()) / len(x)
        return direct + through + of_mean * 1 / len(x)

    def corrected(x, r, g, of_variance, of_mean):
        direct = r * g / math.sqrt(x.var() + 1e-5)
        through = of_variance * 2 * (x - x.mean()) / len(x)
        return direct + through + of_mean / len(x)

    for x, r, g in [*CASES, (CASES[2][0], 1.0, CASES[2][2])]:
        truth = gradients(x, r, g)
        # given the right gradients of variance and mean
        rest = truth["variance"].item(), truth["mean"].item()
        np.testing.assert_allclose(corrected(x, r, g, *rest), truth["x"], atol=1e-9)
        as_noted = noted(x, r, g, *rest)
        root = math.sqrt(x.var() + 1e-5)
        np.testing.assert_allclose(as_noted - truth["x"], (1 - r) * g / root, atol=1e-9)
        assert np.allclose(as_noted, truth["x"], atol=1e-9) == (r == 1)


def test_the_whole_way_back():
    def noted_hat(g, gamma):
        return g * gamma

    def noted_variance(of_hat, x, u, var, eps):
        return sum(of_hat * (x - u) * (-1 / 2) * (var + eps) ** (-3 / 2))

    def noted_mean(of_hat, of_variance, x, u, var, eps):
        direct = sum(of_hat * (-1 / np.sqrt(var + eps)))
        return direct + of_variance * sum(-2 * (x - u)) / len(x)

    def noted_input(of_hat, of_variance, of_mean, x, u, var, eps):
        direct = of_hat * (1 / np.sqrt(var + eps))
        return direct + of_variance * 2 * (x - u) / len(x) + of_mean * 1 / len(x)

    for x, gamma, g in CASES:
        for eps in (1e-6, 0.5):
            truth = gradients(x, gamma, g, eps)
            u, var, *_ = statistics(x)
            of_hat = noted_hat(g, gamma)
            np.testing.assert_allclose(of_hat, truth["normalized"])
            of_variance = noted_variance(of_hat, x, u, var, eps)
            assert np.isclose(of_variance, truth["variance"])
            of_mean = noted_mean(of_hat, of_variance, x, u, var, eps)
            assert np.isclose(of_mean, truth["mean"])
            ours = noted_input(of_hat, of_variance, of_mean, x, u, var, eps)
            np.testing.assert_allclose(ours, truth["x"], atol=1e-9)
            # the sum in the gradient of the mean is 0 there; elsewhere it counts
            at = torch.tensor(u + 0.75, dtype=torch.float64, requires_grad=True)
            tx = torch.tensor(x)
            variance = ((tx - at) ** 2).mean()
            loss = (torch.tensor(of_hat) * (tx - at) / torch.sqrt(variance + eps)).sum()
            slopes = torch.autograd.grad(loss, (variance, at))
            away = (x, u + 0.75, variance.item(), eps)
            of_variance = noted_variance(of_hat, *away)
            assert np.isclose(of_variance, slopes[0].item())
            assert np.isclose(noted_mean(of_hat, of_variance, *away), slopes[1].item())


def test_the_loss_has_one_name():
    def noted(parameter, rate, gradient):
        return parameter - rate * gradient

    def corrected(g, normalized):
        return sum(g * normalized), sum(g)

    for x, gamma, g in CASES:
        parameters = [
            nn.Parameter(torch.tensor(value, dtype=torch.float64))
            for value in (gamma, 0.5)
        ]
        *_, normalized = statistics(x)
        y = parameters[0] * torch.tensor(normalized) + parameters[1]
        y.backward(torch.tensor(g))
        torch.optim.SGD(parameters, lr=0.25).step()
        learned = [p.item() for p in parameters]
        # right with the gradients of this loss, and of no other: here, twice as large
        for start, gradient, end in zip(
            (gamma, 0.5), corrected(g, normalized), learned, strict=True
        ):
            assert np.isclose(noted(start, 0.25, gradient), end)
            assert not np.isclose(noted(start, 0.25, 2 * gradient), end)


def test_one_more_link_in_the_chain():
    def noted(x, w, gamma, g):
        _, cache = batch_norm(x @ w, gamma, np.zeros(2))
        back, *_ = batch_norm_backward(g, cache)
        return back @ w.T, x.T @ back

    for n in (2, 3, 6):
        x, w, g = (RNG.normal(size=size) for size in ((n, 4), (4, 2), (n, 2)))
        tx, tw = (torch.tensor(each, requires_grad=True) for each in (x, w))
        gamma = np.array([1.5, -2.0])
        y = torch.nn.functional.batch_norm(
            tx @ tw, None, None, torch.tensor(gamma), None, True
        )
        truth = torch.autograd.grad(y, (tx, tw), torch.tensor(g))
        for one, other in zip(noted(x, w, gamma, g), truth, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
