"""Momentum and Nesterov's method: what the notes write, and what torch steps."""

import math

import numpy as np
import torch

from notebook_utils.optimizers import Momentum, Nesterov, minimize
from notebook_utils.quadratic import best_momentum, rate

GRADIENTS = [1.0, -2.0, 0.5, 3.0, 3.0, -1.0, 0.25, 4.0]


def torch_steps(gradients, rates=None, **options):
    """Feed gradients to torch's momentum; return positions and velocities."""
    x = torch.zeros((), dtype=torch.float64)
    optimizer = torch.optim.SGD([x], lr=0.1, **options)
    places, velocities = [0.0], []
    for t, g in enumerate(gradients):
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[t]
        x.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        places.append(x.item())
        velocities.append(optimizer.state[x]["momentum_buffer"].item())
    return np.array(places), np.array(velocities)


def test_momentum_is_a_velocity_and_a_step():
    def noted(x, v, gradient, rho, alpha):
        v = rho * v + gradient
        return x - alpha * v, v

    for rho in (0.5, 0.9, 0.99):
        places, velocities = torch_steps(GRADIENTS, momentum=rho)
        x = v = 0.0
        for t, g in enumerate(GRADIENTS):
            x, v = noted(x, v, g, rho, 0.1)
            assert np.isclose(x, places[t + 1])
            assert np.isclose(v, velocities[t])


def test_where_momentum_multiplies_by_the_learning_rate():
    def noted(x, v, g, gamma, eta):
        v = gamma * v + eta * g
        return x - v, v

    def corrected(x, v, g, gamma, eta):
        v = gamma * v + g
        return x - eta * v, v

    for rates in ([0.1] * 8, [0.1] * 4 + [0.01] * 4, list(np.linspace(0.2, 0, 8))):
        places, _ = torch_steps(GRADIENTS, rates, momentum=0.9)
        ends = []
        for form in (noted, corrected):
            x = v = 0.0
            for g, eta in zip(GRADIENTS, rates, strict=True):
                x, v = form(x, v, g, 0.9, eta)
            ends.append(x)
        assert np.isclose(ends[1], places[-1])
        assert np.isclose(ends[0], places[-1]) == (len(set(rates)) == 1)
        # what each form adds up, written as a double sum
        pushes = [
            eta * sum(g * 0.9 ** (t - s) for s, g in enumerate(GRADIENTS[: t + 1]))
            for t, eta in enumerate(rates)
        ]
        assert np.isclose(ends[1], -sum(pushes))
        early = [
            sum(rates[s] * g * 0.9 ** (t - s) for s, g in enumerate(GRADIENTS[: t + 1]))
            for t in range(8)
        ]
        assert np.isclose(ends[0], -sum(early))


def test_the_velocity_is_a_sum_and_no_mean():
    def noted(gradients, rho):
        newest_first = enumerate(reversed(gradients))
        return sum((1 - rho) * rho**age * g for age, g in newest_first)

    def corrected(gradients, rho):
        return sum(rho**age * g for age, g in enumerate(reversed(gradients)))

    for rho in (0.5, 0.9):
        _, velocities = torch_steps(GRADIENTS, momentum=rho)
        for t in range(1, len(GRADIENTS) + 1):
            assert np.isclose(corrected(GRADIENTS[:t], rho), velocities[t - 1])
            truth = velocities[t - 1] * (1 - rho)
            assert np.isclose(noted(GRADIENTS[:t], rho), truth)
            assert not np.isclose(noted(GRADIENTS[:t], rho), velocities[t - 1])
    # on a constant slope it grows to 1/(1 - rho) times the gradient
    _, velocities = torch_steps([2.0] * 400, momentum=0.9)
    assert np.isclose(velocities[-1], 2 / (1 - 0.9))
    assert np.isclose(noted([2.0] * 400, 0.9), 2)


def measured_factor(step, beta):
    """Measure how much the error shrinks in a step, over many."""
    rule = Momentum(lr=step, momentum=beta)
    path = minimize(rule, lambda x: x, np.ones(1), steps=300)[:, 0]
    sizes = np.hypot(path[1:], path[:-1])
    return (sizes[280] / sizes[80]) ** (1 / 200)


def test_one_learning_rate_for_all_curvatures():
    def noted(step, beta):
        return math.sqrt(beta)

    def corrected(step, beta):
        half = (1 + beta - step) / 2
        spread = max(half**2 - beta, 0)
        return max(math.sqrt(beta), abs(half) + math.sqrt(spread))

    for beta in (0.5, 0.81):
        low, high = (1 - math.sqrt(beta)) ** 2, (1 + math.sqrt(beta)) ** 2
        inside = [low + share * (high - low) for share in (0.05, 0.5, 0.9)]
        for step in (low / 9, low / 3, *inside, (high + 2 * (1 + beta)) / 2):
            truth = measured_factor(step, beta)
            assert abs(corrected(step, beta) - truth) < 0.01 * truth
            assert np.isclose(corrected(step, beta), rate(step, momentum=beta))
            fits = abs(noted(step, beta) - truth) < 0.01 * truth
            assert fits == (low <= step <= high)


def test_the_picture_of_poor_conditioning():
    def corrected(condition):
        return (math.sqrt(condition) - 1) / (math.sqrt(condition) + 1)

    for condition in (4, 9, 25):
        curvatures = np.array([1.0, condition])
        eta, beta, promised = best_momentum(1, condition)
        assert np.isclose(corrected(condition), promised)
        rule = Momentum(lr=eta, momentum=beta)
        path = minimize(rule, lambda x, c=curvatures: c * x, np.ones(2), steps=60)
        # both roots are equal, z, so that it is (1 + bt) z^t; the first step gives b
        for axis, sign in ((0, 1), (1, -1)):
            z = sign * corrected(condition)
            b = (1 - eta * curvatures[axis]) / z - 1
            t = np.arange(61)
            exact = (1 + b * t) * z**t
            np.testing.assert_allclose(path[:, axis], exact, rtol=1e-6, atol=1e-12)


def test_the_velocity_may_begin_at_zero():
    def noted(gradient, rho):
        return rho * 0 + gradient

    for rho in (0.3, 0.9):
        for g in (2.0, -0.5, 0.0):
            _, velocities = torch_steps([g], momentum=rho)
            assert noted(g, rho) == velocities[0]
    # weights must not all begin at 0: then all hidden units stay alike
    torch.manual_seed(0)
    inputs, targets = torch.randn(20, 3), torch.randn(20, 1)
    for alike in (True, False):
        first, last = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
        if alike:
            for p in (*first.parameters(), *last.parameters()):
                torch.nn.init.zeros_(p)
        optimizer = torch.optim.SGD(
            [*first.parameters(), *last.parameters()], lr=0.1, momentum=0.9
        )
        for _ in range(5):
            optimizer.zero_grad()
            loss = (last(torch.tanh(first(inputs))) - targets).square().mean()
            loss.backward()
            optimizer.step()
        assert torch.equal(first.weight[0], first.weight[1]) is alike


def test_the_velocity_comes_from_the_step_before():
    gradients = [(1.0, 5.0), (2.0, -3.0), (0.5, 1.0)]  # of two layers

    def noted(velocities, rho, g):
        first = rho * 0.0 + g[0]
        return first, rho * first + g[1]

    def corrected(velocities, rho, g):
        return rho * velocities[0] + g[0], rho * velocities[1] + g[1]

    layers = [torch.zeros((), dtype=torch.float64) for _ in range(2)]
    optimizer = torch.optim.SGD(layers, lr=0.1, momentum=0.9)
    velocities = (0.0, 0.0)
    for each in gradients:
        for layer, g in zip(layers, each, strict=True):
            layer.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        truth = [optimizer.state[layer]["momentum_buffer"].item() for layer in layers]
        other = noted(velocities, 0.9, each)
        assert np.isclose(other[0], each[0])
        assert np.isclose(other[1], each[1] + 0.9 * each[0])
        assert not np.allclose(other, truth)
        velocities = corrected(velocities, 0.9, each)
        np.testing.assert_allclose(velocities, truth)


def curved(x):
    """Slope of a bent valley."""
    a, b = x
    return np.array([-2 * (1 - a) - 40 * a * (b - a**2), 20 * (b - a**2)])


def test_nesterovs_change_of_variables():
    def noted(y, v, gradient, rho, alpha):
        new = rho * v - alpha * gradient(y)
        return y - rho * v + (1 + rho) * new, new

    def noted_again(y, v, gradient, rho, alpha):
        new = rho * v - alpha * gradient(y)
        return y + new + rho * (new - v), new

    def noted_look_ahead(x, v, gradient, rho, alpha):
        new = rho * v - alpha * gradient(x + rho * v)
        return x + new, new

    start = np.array([-1.2, 1.0])
    leaf = torch.tensor(start)
    optimizer = torch.optim.SGD([leaf], lr=0.002, momentum=0.9, nesterov=True)
    path = minimize(Nesterov(lr=0.002, momentum=0.9), curved, start, steps=40)
    y = z = x = start
    v = u = w = np.zeros(2)
    for t in range(40):
        y, v = noted(y, v, curved, 0.9, 0.002)
        z, u = noted_again(z, u, curved, 0.9, 0.002)
        x, w = noted_look_ahead(x, w, curved, 0.9, 0.002)
        leaf.grad = torch.tensor(curved(leaf.numpy()))
        optimizer.step()
        for ours in (y, z, x + 0.9 * w, path[t + 1]):
            np.testing.assert_allclose(ours, leaf.numpy(), rtol=1e-9)
        np.testing.assert_allclose(v, u, rtol=1e-9)


def test_nesterovs_rate():
    def noted(smoothness, distance, k):
        return 2 * smoothness * distance**2 / (k + 1) ** 2

    # a quadratic with curvatures down to nearly 0, on which plain descent takes 1/k
    size = 200
    hessian = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    solution = np.linalg.solve(hessian, np.eye(size)[0])
    distance = np.linalg.norm(solution)

    def gap(x):
        return (x - solution) @ hessian @ (x - solution) / 2

    x = y = plain = np.zeros(size)
    t = 1.0
    for k in range(1, 81):
        bound = noted(4, distance, k)
        # the theorem's own bound has 2t in place of k + 1; they meet at the start
        exact = 4 * distance**2 / (2 * t**2)
        assert exact <= bound * (1 + 1e-12)
        assert bound < exact * (1 if k == 1 else 1.4) + 1e-9
        new = y - (hessian @ (y - solution)) / 4
        later = (1 + math.sqrt(1 + 4 * t**2)) / 2
        y = new + (t - 1) / later * (new - x)
        x, t = new, later
        plain = plain - (hessian @ (plain - solution)) / 4
        assert gap(x) <= bound
    assert gap(plain) > 4 * gap(x)
