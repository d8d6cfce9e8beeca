"""Batches, clipping, and ways down beside the gradient's."""

import itertools
import math

import numpy as np
import torch
from scipy.linalg import hadamard
from scipy.stats import qmc
from torch.utils.data import DataLoader

from notebook_utils.descent import coordinate_descent, newton
from notebook_utils.optimizers import SGD, minimize
from notebook_utils.schedules import clip_by_norm, clip_by_value

X = np.array(
    [[1.0, 2.0], [0.5, -1.0], [-2.0, 0.0], [1.5, 1.0], [0.0, -3.0], [2.0, 2.0]]
)
Y = np.array([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])
W = np.array([0.3, -0.7])


def example_gradients(w):
    """Differentiate each example's squared error with torch, one by one."""
    rows = []
    for x, y in zip(X, Y, strict=True):
        t = torch.tensor(w, requires_grad=True)
        ((torch.tensor(x) @ t - y) ** 2 / 2).backward()
        rows.append(t.grad.numpy())
    return np.array(rows)


def full_gradient(w):
    """Differentiate the mean of all errors."""
    t = torch.tensor(w, requires_grad=True)
    ((torch.tensor(X) @ t - torch.tensor(Y)) ** 2 / 2).mean().backward()
    return t.grad.numpy()


def test_one_example_a_step():
    def noted(w, x, y, rate):
        return w - rate * (x @ w - y) * x

    steps = [noted(W, x, y, 0.1) for x, y in zip(X, Y, strict=True)]
    for step, g in zip(steps, example_gradients(W), strict=True):
        t = torch.tensor(W)
        optimizer = torch.optim.SGD([t], lr=0.1)
        t.grad = torch.tensor(g)
        optimizer.step()
        np.testing.assert_allclose(step, t.numpy())
    # noisy, but right on average: the mean of all steps is the step of the mean
    np.testing.assert_allclose(np.mean(steps, axis=0), W - 0.1 * full_gradient(W))
    assert np.std(steps, axis=0).min() > 0.1


def spread(size, replace=False):
    """Return the mean squared error of a batch's gradient, over all batches."""
    rows, mean = example_gradients(W), full_gradient(W)
    every = itertools.product if replace else itertools.combinations
    options = {"repeat": size} if replace else {"r": size}
    draws = every(range(6), **options)
    errors = [np.sum((rows[list(draw)].mean(axis=0) - mean) ** 2) for draw in draws]
    return np.mean(errors)


def test_batch_descent_takes_all_examples():
    def noted(examples, batch):
        return batch

    def corrected(examples, batch):
        return examples

    exact = [size for size in range(1, 7) if spread(size) < 1e-12]
    for batch in (1, 2, 4, 6):
        assert [corrected(6, batch)] == exact
        assert (noted(6, batch) in exact) == (batch == 6)
        assert spread(noted(6, batch)) == spread(batch)


def test_smaller_rates_move_less():
    def noted(rate, variance):
        return rate**2 * variance

    rows = example_gradients(W)
    variance = np.var(rows, axis=0).sum()
    for rate in (0.01, 0.1, 0.5):
        ends = [W - rate * g for g in rows]
        assert np.isclose(np.var(ends, axis=0).sum(), noted(rate, variance))
    # groups reduce the noise, and without repeats they reduce it more
    for size in (1, 2, 3):
        assert np.isclose(spread(size, replace=True), variance / size)
        assert np.isclose(spread(size), variance / size * (6 - size) / 5)


def test_a_batch_is_right_on_average():
    def noted(errors):
        return sum(errors) / len(errors)

    errors = (X @ W - Y) ** 2
    for size in (1, 2, 4):
        draws = itertools.combinations(errors, size)
        found = torch.tensor(errors).mean().item()
        assert np.isclose(np.mean([noted(draw) for draw in draws]), found)
        draws = itertools.product(errors, repeat=size)
        assert np.isclose(np.mean([noted(draw) for draw in draws]), found)


def test_batches_too_small_and_too_large():
    def noted(batch, lanes):
        return batch / (lanes * math.ceil(batch / lanes))

    def rounds(batch, lanes):
        """Hand examples to parallel lanes until none is left."""
        count = 0
        while batch > 0:
            batch, count = batch - lanes, count + 1
        return count

    for batch in (1, 3, 8, 9, 16, 100):
        for lanes in (1, 8, 32):
            busy = batch / (lanes * rounds(batch, lanes))
            assert np.isclose(noted(batch, lanes), busy)
    assert noted(1, 32) < 0.04 < noted(32, 32) == 1
    # of examples that are all the same, one says as much as all
    one = example_gradients(W)[0]
    np.testing.assert_allclose(np.tile(one, (50, 1)).mean(axis=0), one)


def test_a_batchs_gradient_is_an_estimate():
    def noted(rows, draw):
        return sum(rows[i] for i in draw) / len(draw)

    error = torch.nn.functional.mse_loss(torch.tensor(X @ W), torch.tensor(Y)).item()
    cases = ((X @ W - Y) ** 2, error), (example_gradients(W), full_gradient(W))
    for rows, truth in cases:
        for batch in (1, 2, 3, 4):
            draws = itertools.product(range(6), repeat=batch)
            found = np.array([noted(rows, draw) for draw in draws])
            np.testing.assert_allclose(found.mean(axis=0), truth)
            # no more than an estimate
            variance = np.var(rows, axis=0) / batch
            np.testing.assert_allclose(found.var(axis=0), variance)


def signs(deviation):
    """Yield noise for 64 runs: at each step of mean 0, unrelated to all other steps.

    The rows of a Hadamard matrix are that exactly, so the runs' mean squares are the
    expected ones.
    """
    return iter(deviation * hadamard(64)[1:])


def test_noise_sets_a_floor():
    def noted(rate, curvature, variance):
        return rate * variance / (curvature * (2 - rate * curvature))

    for rate, curvature, deviation in ((0.5, 1, 1), (0.2, 3, 1), (0.5, 1, 3)):
        noise = signs(deviation)

        def slope(x, curvature=curvature, noise=noise):
            return curvature * x + next(noise)

        ends = minimize(SGD(lr=rate), slope, np.full(64, 2.0), steps=40)[-1]
        floor = noted(rate, curvature, deviation**2)
        assert np.isclose(ends.var(), floor, rtol=1e-9)
        quiet = minimize(SGD(lr=rate), lambda x, c=curvature: c * x, [2.0], steps=40)
        assert quiet[-1, 0] ** 2 < 1e-3 * floor


def test_each_step_uses_all_examples():
    def noted(w, step):
        x, y = X[step % 6], Y[step % 6]
        return w - 0.1 * (x @ w - y) * x

    def corrected(w, step):
        return w - 0.1 * X.T @ (X @ w - Y) / 6

    t = torch.tensor(W)
    optimizer = torch.optim.SGD([t], lr=0.1)
    ours = other = W
    for step in range(12):
        t.grad = torch.tensor(full_gradient(t.numpy()))
        optimizer.step()
        before, ours, other = other, corrected(ours, step), noted(other, step)
        np.testing.assert_allclose(ours, t.numpy(), rtol=1e-9)
        own = before - 0.1 * example_gradients(before)[step % 6]
        np.testing.assert_allclose(other, own)
        assert not np.allclose(other, t.numpy())


def test_the_batchs_loss_is_a_mean():
    def noted(rows):
        return sum(rows) / len(rows)

    rows = example_gradients(W)
    np.testing.assert_allclose(noted(rows), full_gradient(W))
    np.testing.assert_allclose(noted(rows[:2]), (rows[0] + rows[1]) / 2)


def test_a_batch_evens_no_scales():
    def noted(scale, batch):
        return scale ** (1 / batch)

    def corrected(scale, batch):
        return scale

    rng = np.random.default_rng(0)
    for scale in (1.0, 10.0, 1000.0):
        inputs = rng.normal(size=(4096, 2)) * [1, scale]
        targets = inputs @ [1, 1 / scale]
        for batch in (1, 16, 256):
            # the mean size of the gradient for each of the two weights
            rows = -inputs * targets[:, None]
            means = rows.reshape(-1, batch, 2).mean(axis=1)
            sizes = np.sqrt(np.mean(means**2, axis=0))
            assert abs(math.log(corrected(scale, batch) / (sizes[1] / sizes[0]))) < 0.1
            fits = abs(math.log(noted(scale, batch) / (sizes[1] / sizes[0]))) < 0.1
            assert fits == (scale == 1 or batch == 1)
            assert np.isclose(noted(scale, batch) ** batch, scale)
            # and so the curvatures, too
            hessian = inputs[:batch].T @ inputs[:batch] / batch
            ratio = hessian[1, 1] / hessian[0, 0]
            assert batch == 1 or 0.1 * scale**2 < ratio < 10 * scale**2


def test_the_loop_over_batches():
    def noted(w, size, rate):
        for first in range(0, 6, size):
            x, y = X[first : first + size], Y[first : first + size]
            gradient = x.T @ (x @ w - y) / len(x)
            w = w - rate * gradient
        return w

    for size in (1, 2, 3, 4, 6):
        t = torch.tensor(W, requires_grad=True)
        optimizer = torch.optim.SGD([t], lr=0.1)
        pairs = list(zip(torch.tensor(X), torch.tensor(Y), strict=True))
        for x, y in DataLoader(pairs, batch_size=size):
            loss = ((x @ t - y) ** 2 / 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        np.testing.assert_allclose(noted(W, size, 0.1), t.detach().numpy())


def test_the_steps_of_an_epoch():
    def noted(samples, batch):
        return samples / batch

    def corrected(samples, batch):
        return math.ceil(samples / batch)

    for samples in (1, 10, 12, 1437):
        for batch in (1, 4, 5, 64):
            truth = len(DataLoader(range(samples), batch_size=batch))
            assert corrected(samples, batch) == truth
            assert (noted(samples, batch) == truth) == (samples % batch == 0)
            assert noted(samples, batch) * batch == samples


# clipping


GRADIENTS = [np.array([3.0, -0.2, 40.0]), np.array([[-5.0], [0.5]])]


def torch_clipped(clip, limit):
    """Clip the gradients with torch, in place."""
    leaves = [torch.zeros(g.shape, dtype=torch.float64) for g in GRADIENTS]
    for leaf, g in zip(leaves, GRADIENTS, strict=True):
        leaf.requires_grad_()
        leaf.grad = torch.tensor(g)
    clip(leaves, limit)
    return [leaf.grad.numpy() for leaf in leaves]


def test_clipping_by_value():
    def noted(g, low, high):
        return np.minimum(np.maximum(g, low), high)

    for limit in (0.3, 1, 10, 100):
        theirs = torch_clipped(torch.nn.utils.clip_grad_value_, limit)
        package = clip_by_value(GRADIENTS, clip_value=limit)
        for g, expected, ours in zip(GRADIENTS, theirs, package, strict=True):
            np.testing.assert_array_equal(noted(g, -limit, limit), expected)
            np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(noted(GRADIENTS[0], 0, 5), [3, 0, 5])


def test_clipping_by_norm():
    def noted(gradients, limit):
        g = np.concatenate([each.ravel() for each in gradients])
        return min(limit / math.sqrt(g @ g), 1) * g

    for limit in (0.5, 10, 40, 100):
        theirs = torch_clipped(torch.nn.utils.clip_grad_norm_, limit)
        expected = np.concatenate([each.ravel() for each in theirs])
        # torch adds 1e-6 to the length
        np.testing.assert_allclose(noted(GRADIENTS, limit), expected, rtol=1e-6)
        package = clip_by_norm(GRADIENTS, max_norm=limit)
        flat = np.concatenate([each.ravel() for each in package])
        np.testing.assert_allclose(noted(GRADIENTS, limit), flat, rtol=1e-12)


def test_how_far_a_clipped_step_leads():
    def noted(limit, rate):
        return limit

    def corrected(limit, rate):
        return rate * limit

    for limit in (0.5, 2, 20):
        clipped = torch_clipped(torch.nn.utils.clip_grad_norm_, limit)
        length = math.sqrt(sum(np.sum(g**2) for g in clipped))
        assert np.isclose(noted(limit, 0.1), length, rtol=1e-6)
        for rate in (0.01, 0.1, 1, 3):
            leaves = [torch.zeros(g.shape, dtype=torch.float64) for g in GRADIENTS]
            optimizer = torch.optim.SGD(leaves, lr=rate)
            for leaf, g in zip(leaves, clipped, strict=True):
                leaf.grad = torch.tensor(g)
            optimizer.step()
            moved = math.sqrt(sum(leaf.square().sum().item() for leaf in leaves))
            assert np.isclose(corrected(limit, rate), moved, rtol=1e-6)
            assert np.isclose(noted(limit, rate), moved, rtol=1e-6) == (rate == 1)


# questions of the notes


def squared_error(steps, batch):
    """Return the mean squared error after so many noisy steps, over many runs."""
    x, noise = np.full(64, 0.3), signs(1 / math.sqrt(batch))
    for _ in range(steps):
        x = x - 0.1 * (x + next(noise))
    return np.mean(x**2)


def test_when_the_batch_matters():
    def noted(single, batch):
        return single / batch

    def corrected(steps, batch):
        distance = 0.3 * 0.9**steps
        noise = 0.1 / 1.9 * (1 - 0.81**steps)
        return distance**2 + noise / batch

    for steps in (1, 6, 18, 60):
        single = squared_error(steps, 1)
        for batch in (4, 16):
            truth = squared_error(steps, batch)
            assert np.isclose(corrected(steps, batch), truth, rtol=1e-9)
            assert np.isclose(corrected(steps, 1), single, rtol=1e-9)
            # the distance that is left does not ask for the batch
            fits = abs(noted(single, batch) - truth) < 0.05 * truth
            assert fits == (steps == 60)


def test_the_l1_penalty_makes_zeros():
    def noted(target, curvature, penalty):
        return np.sign(target) * max(abs(target) - penalty, 0) / curvature

    grid = np.linspace(-4, 4, 80_001)
    for target in (-3.0, -0.4, 0.0, 0.7, 2.5):
        for curvature in (1.0, 2.0):
            for penalty in (0.0, 0.5, 1.0):
                costs = curvature * grid**2 / 2 - target * grid + penalty * abs(grid)
                best = grid[costs.argmin()]
                found = noted(target, curvature, penalty)
                assert abs(found - best) < 2e-4
                path = coordinate_descent(
                    [[curvature]], [target], [9.0], sweeps=1, l1=penalty
                )
                assert np.isclose(path[-1, 0], found)
                assert (found == 0) == (abs(target) <= penalty)


def test_each_method_has_its_losses():
    def noted():
        return {
            "a stretched bowl": "Newton's",
            "a saddle nearby": "gradient descent",
            "corners along the axes": "coordinate descent",
        }

    winners = {}
    turn = np.array([[3, -4], [4, 3]]) / 5
    bowl = turn @ np.diag([1.0, 100.0]) @ turn.T
    ends = {
        "Newton's": newton(lambda x: bowl @ x, lambda x: bowl, [1.0, 1.0], steps=1)[-1],
        "gradient descent": minimize(
            SGD(lr=2 / 101), lambda x: bowl @ x, [1.0, 1.0], steps=1
        )[-1],
        "coordinate descent": coordinate_descent(
            bowl, [0, 0], np.array([1.0, 1.0]), sweeps=1
        )[-1],
    }
    winners["a stretched bowl"] = min(ends, key=lambda n: np.linalg.norm(ends[n]))

    def slope(p):  # saddle at 0, minima at y = ±1
        return np.array([p[0], p[1] ** 3 - p[1]])

    def curve(p):
        return np.diag([1, 3 * p[1] ** 2 - 1])

    start = np.array([1.0, 0.3])
    losses = {
        "Newton's": newton(slope, curve, start, steps=60)[-1],
        "gradient descent": minimize(SGD(lr=0.5), slope, start, steps=60)[-1],
    }
    assert np.allclose(losses["Newton's"], 0)
    lost = {n: p[0] ** 2 / 2 + p[1] ** 4 / 4 - p[1] ** 2 / 2 for n, p in losses.items()}
    winners["a saddle nearby"] = min(lost, key=lost.get)

    a, b = np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([2.0, 0.1])

    def corners(x):  # a gradient that is not there at 0: the sign is taken
        return a @ x - b + 0.5 * np.sign(x)

    zeros = {
        "coordinate descent": coordinate_descent(a, b, np.ones(2), sweeps=20, l1=0.5),
        "gradient descent": minimize(SGD(lr=0.3), corners, np.ones(2), steps=200),
    }
    exact = {name: int((path[-1] == 0).sum()) for name, path in zeros.items()}
    winners["corners along the axes"] = max(exact, key=exact.get)
    assert exact["coordinate descent"] > exact["gradient descent"]
    assert noted() == winners


def test_random_search_and_a_grid():
    def noted(points):
        return qmc.discrepancy(points)

    def corrected(points):
        return len(set(points[:, 0]))

    across, down = np.meshgrid(np.arange(3) / 3 + 1 / 6, np.arange(4) / 4 + 1 / 8)
    grid = np.stack([across.ravel(), down.ravel()], axis=1)
    assert corrected(grid) == 3
    drawn = [np.random.default_rng(seed).random((12, 2)) for seed in range(20)]
    for points in drawn:
        assert corrected(points) == len(np.unique(points[:, 0])) == 12
    # the larger the discrepancy, the less evenly is the square covered
    covered = [noted(points) for points in drawn]
    assert np.median(covered) > 1.3 * noted(grid)
    assert 0 < noted(grid) < 0.05
