"""What torch's normalisations do, as the claims' tests measure it."""

import functools
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

TINY = 1e-30  # torch refuses an eps of 0


def batch_norm(x, gamma=None, beta=None, eps=TINY):
    """Normalise by the batch, with torch."""
    gamma, beta = (
        None if each is None else torch.tensor(each, dtype=torch.float64)
        for each in (gamma, beta)
    )
    x = torch.as_tensor(x)
    return F.batch_norm(x, None, None, gamma, beta, True, eps=eps)


def layer(channels, ndim=2, **options):
    """Make torch's layer for rows or images."""
    kind = nn.BatchNorm2d if ndim == 4 else nn.BatchNorm1d
    return kind(channels, dtype=torch.float64, **options)


def nodes(x, gamma, eps=1e-5):
    """Write batch normalisation out node by node; return leaves for autograd."""
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor(gamma, dtype=torch.float64, requires_grad=True)
    beta = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    mean = x.mean()
    variance = ((x - mean) ** 2).mean()
    normalized = (x - mean) / torch.sqrt(variance + eps)
    y = gamma * normalized + beta
    return {
        "x": x, "mean": mean, "variance": variance, "normalized": normalized,
        "gamma": gamma, "beta": beta, "y": y,
    }  # fmt: skip


def gradients(x, gamma, g, eps=1e-5):
    """Ask autograd for the gradient at every node."""
    graph = nodes(x, gamma, eps)
    names = [name for name in graph if name != "y"]
    found = torch.autograd.grad(graph["y"], [graph[n] for n in names], torch.tensor(g))
    return {name: each.numpy() for name, each in zip(names, found, strict=True)}


@functools.cache
def growth(scale, depth, norm):
    """Measure how gradients grow on the way down through layers with ReLUs."""
    generator = torch.Generator().manual_seed(1)

    def draw():
        return torch.randn(96, 96, generator=generator, dtype=torch.float64)

    h = draw().requires_grad_()
    levels = [h]
    for _ in range(depth):
        h = h @ (draw() * scale / 96**0.5)
        h = torch.relu(batch_norm(h) if norm else h)
        levels.append(h)
    # the ends are special: what comes in, and what the loss asks for, was just drawn
    top, bottom = torch.autograd.grad((h * draw()).sum(), [levels[-2], levels[1]])
    return float(bottom.norm() / top.norm())


@functools.cache
def weight_gradients(activation, scale):
    """Measure the gradients of the weights of six layers, from the bottom up."""
    generator = torch.Generator().manual_seed(2)

    def draw():
        return torch.randn(64, 64, generator=generator, dtype=torch.float64)

    h, weights = draw(), []
    for _ in range(6):
        weights.append((draw() * scale / 8).requires_grad_())
        h = activation(h @ weights[-1])
    found = torch.autograd.grad((h * draw()).sum(), weights)
    return [float(each.norm()) for each in found]


@functools.cache
def digits():
    """Read the small pictures of digits, in an order of their own."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.tensor(data.data[order] / 16, dtype=torch.float32)
    return images, torch.tensor(data.target[order])


@functools.cache
def accuracy(scale, normalise):
    """Train a small network with weights of this scale; return its test accuracy."""
    images, labels = digits()
    generator = torch.Generator().manual_seed(0)
    sizes, parts = (64, 32, 32, 32, 10), []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        with torch.no_grad():
            drawn = torch.randn(outputs, inputs, generator=generator)
            linear.weight.copy_(drawn * scale * math.sqrt(2 / inputs))
            linear.bias.zero_()
        norm = [nn.BatchNorm1d(outputs)] if normalise else []
        parts += [linear, *norm, nn.ReLU()] if outputs != 10 else [linear]
    network = nn.Sequential(*parts)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    for step in range(150):
        rows = [(64 * step + i) % 1300 for i in range(64)]
        loss = F.cross_entropy(network(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    guesses = network.eval()(images[1300:]).argmax(1)
    return float((guesses == labels[1300:]).double().mean())
