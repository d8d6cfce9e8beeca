"""Gradient descent: which way, how far, and where it stops."""

import math

import numpy as np
import torch

from notebook_utils.optimizers import SGD, Adam, Momentum, minimize
from notebook_utils.quadratic import best_descent, best_momentum, roots

POINTS = [(0.7, -1.2), (2.0, 0.5), (-1.5, 0.3)]


def height(x):
    """A loss with no symmetry."""
    return math.exp(0.3 * x[0]) + x[0] * x[1] ** 2 / 2 + math.sin(x[1])


def slope(x):
    """Differentiate it, with torch."""
    t = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (torch.exp(0.3 * t[0]) + t[0] * t[1] ** 2 / 2 + torch.sin(t[1])).backward()
    return t.grad.numpy()


def torch_path(start, gradient, steps, **options):
    """Follow torch's gradient descent."""
    x = torch.tensor(start, dtype=torch.float64)
    optimizer, path = torch.optim.SGD([x], **options), [x.numpy().copy()]
    for _ in range(steps):
        x.grad = torch.tensor(gradient(x.numpy()))
        optimizer.step()
        path.append(x.numpy().copy())
    return np.array(path)


def test_a_step_of_descent_needs_the_loss():
    def corrected(w, gradient, rate):
        return w - rate * gradient(w)

    for start in POINTS:
        found = torch_path(start, slope, 3, lr=0.1)
        x = np.array(start)
        for each in found[1:]:
            x = corrected(x, slope, 0.1)
            np.testing.assert_allclose(x, each, rtol=1e-12)
        np.testing.assert_allclose(minimize(SGD(lr=0.1), slope, start, steps=3), found)


def test_the_vanilla_loop():
    def noted(weights, gradient, step_size):
        return weights + -step_size * gradient

    for start in POINTS:
        x = np.array(start)
        for each in torch_path(start, slope, 4, lr=0.2)[1:]:
            x = noted(x, slope(x), 0.2)
            np.testing.assert_allclose(x, each, rtol=1e-12)


def test_a_step_against_the_gradient_lowers_the_loss():
    def noted(curvature, rate):
        return True

    def corrected(curvature, rate):
        return 0 < rate * curvature < 2

    for curvature in (0.5, 1, 4):
        for rate in (0.01, 0.2, 0.49, 0.51, 1, 1.9, 2.1, 3.9, 4.1, 9):
            x = torch_path([1.0], lambda x, c=curvature: c * x, 1, lr=rate)[:, 0]
            lower = curvature * x[1] ** 2 < curvature * x[0] ** 2
            assert corrected(curvature, rate) is lower.item()
            assert noted(curvature, rate) is True
            # and up the slope of a bowl the loss always grows
            assert (x[0] + rate * curvature * x[0]) ** 2 > x[0] ** 2
    assert not corrected(-1, 0.5)  # a hill: it falls, but to no minimum
    # off a bowl too long a step up the slope comes down again
    assert math.sin(1 + 6 * math.cos(1)) < math.sin(1)


def motion(step):
    """Say how 200 steps of descent move, at a learning rate times curvature."""
    x = torch_path([1.0], lambda x: x, 200, lr=step)[:, 0]
    if abs(x[-1]) > 1:
        return "diverges"
    return "jumps back and forth" if (x < 0).any() else "creeps"


def test_what_a_large_learning_rate_does():
    def noted(step):
        return "creeps" if step <= 1 else "jumps back and forth"

    def corrected(step):
        if step <= 1:
            return "creeps"
        return "jumps back and forth" if step <= 2 else "diverges"

    for step in (0.05, 0.5, 1, 1.25, 1.75, 2, 2.25, 2.75, 3.5):
        truth = motion(step)
        assert corrected(step) == truth
        assert (noted(step) == truth) == (step <= 2)
        assert noted(step) == ("creeps" if step < 1.1 else "jumps back and forth")


def test_the_learning_rate_sets_the_pace():
    def noted(rate, curvature):
        return abs(1 - rate * curvature)

    for curvature in (0.5, 1.0, 3.0):
        for rate in (0.05, 0.3, 0.6, 1.5):
            x = torch_path([2.0], lambda x, c=curvature: c * x, 5, lr=rate)[:, 0]
            ratios = np.abs(x[1:] / x[:-1])
            np.testing.assert_allclose(ratios, noted(rate, curvature), rtol=1e-9)


def test_all_parameters_step_at_once():
    a, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])

    def noted(x, rate):
        moved = x.copy()
        for j in range(2):
            moved[j] = (b[j] - a[j] @ moved + a[j, j] * moved[j]) / a[j, j]
        return moved

    def corrected(x, rate):
        return x - rate * (a @ x - b)

    start = np.array([3.0, -1.0])
    found = torch_path(start, lambda x: a @ x - b, 1, lr=0.2)[1]
    np.testing.assert_allclose(corrected(start, 0.2), found)
    assert np.abs(noted(start, 0.2) - found).max() > 0.5
    # setting one derivative at a time to 0 is coordinate descent, without a rate
    x = start
    for _ in range(60):
        x = noted(x, 0.2)
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-12)
    first = noted(start, 0.2)
    np.testing.assert_allclose(first, [1.0, 1 / 3])


# derivatives


def test_a_derivative_is_a_limit():
    def noted(f, x, h):
        return (f(x + h) - f(x)) / h

    for x in (0.3, 1.7, -2.0):
        for f, derivative in (
            (math.exp, math.exp(x)),
            (math.sin, math.cos(x)),
            (lambda x: x**3, 3 * x**2),
        ):
            errors = [abs(noted(f, x, h) - derivative) for h in (1e-1, 1e-3, 1e-5)]
            assert errors[0] > errors[1] > errors[2]
            assert errors[2] < 1e-3


def test_the_difference_quotient_of_the_slides():
    def noted(new, old, h):
        return (new - old) / h

    assert round(noted(1.25322, 1.25347, 0.0001), 6) == -2.5
    assert noted(3, 1, 4) == 0.5


def test_a_centred_difference_is_closer():
    def noted(f, x, h):
        return (f(x + h) - f(x)) / h

    def corrected(f, x, h):
        return (f(x + h) - f(x - h)) / (2 * h)

    for x in (0.3, 1.1):
        for f, first, second, third in (
            (math.exp, math.exp(x), math.exp(x), math.exp(x)),
            (math.sin, math.cos(x), -math.sin(x), -math.cos(x)),
        ):
            for h in (1e-2, 1e-3):
                forward, centred = noted(f, x, h) - first, corrected(f, x, h) - first
                assert abs(forward - h / 2 * second) < h**2
                assert abs(centred - h**2 / 6 * third) < h**3
                assert abs(centred) < abs(forward) / 20
    # a check of gradients to six digits needs the second at h = 1e-3
    assert abs(noted(math.exp, 1, 1e-3) / math.e - 1) > 1e-4
    assert abs(corrected(math.exp, 1, 1e-3) / math.e - 1) < 1e-6


def test_the_slope_in_a_direction():
    def noted(direction, gradient):
        return direction @ gradient

    def corrected(direction, gradient):
        return direction @ gradient / np.linalg.norm(direction)

    for x in POINTS:
        gradient = slope(x)
        for direction in ([1, 0], [0.6, -0.8], [3, 4], [-0.5, 0.1]):
            direction = np.array(direction, float)
            length = np.linalg.norm(direction)
            ahead, behind = (x + t * direction / length for t in (1e-5, -1e-5))
            truth = (height(ahead) - height(behind)) / 2e-5
            assert abs(corrected(direction, gradient) - truth) < 1e-6
            fits = abs(noted(direction, gradient) - truth) < 1e-6
            assert fits == (abs(length - 1) < 1e-9)
            assert np.isclose(noted(direction, gradient), length * truth, atol=1e-5)


def test_the_steepest_direction():
    def noted(gradient, metric):
        return -gradient / np.linalg.norm(gradient)

    def corrected(gradient, metric):
        move = -np.linalg.inv(metric) @ gradient
        return move / math.sqrt(move @ metric @ move)

    angles = np.linspace(0, 2 * math.pi, 7201)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for x in POINTS:
        gradient = slope(x)
        for metric in (np.eye(2), np.diag([1.0, 9.0]), np.array([[2.0, 1], [1, 2]])):
            lengths = np.sqrt(np.einsum("ni,ij,nj->n", circle, metric, circle))
            equally_long = circle / lengths[:, None]
            steepest = equally_long[(equally_long @ gradient).argmin()]
            assert np.abs(corrected(gradient, metric) - steepest).max() < 2e-3
            fits = np.abs(noted(gradient, metric) - steepest).max() < 2e-3
            assert fits == np.array_equal(metric, np.eye(2))
        plain = noted(gradient, None)
        assert np.isclose(np.linalg.norm(plain), 1)
        assert np.isclose(plain @ gradient, -np.linalg.norm(gradient))


# ravines, saddles


def test_the_condition_number_makes_it_slow():
    def noted(hessian):
        values = np.linalg.svd(hessian, compute_uv=False)
        return values.max() / values.min()

    turn = np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    for condition in (2, 10, 100):
        hessian = turn @ np.diag([0.5, 0.5 * condition]) @ turn.T
        assert np.isclose(noted(hessian), np.linalg.cond(hessian))
        assert np.isclose(noted(hessian), condition)
        # near the limit: slow along the shallow direction, jitter along the steep one
        path = torch_path(
            turn @ [1, 1], lambda x, h=hessian: h @ x, 10, lr=3.8 / condition
        )
        shallow, steep = turn.T @ path.T
        assert (steep[1:] * steep[:-1] < 0).all()
        assert np.isclose(shallow[1], 1 - 1.9 / condition)


def share_of_saddles(kind, size):
    """Count indefinite matrices among random symmetric ones."""
    rows = np.random.default_rng(0).normal(size=(400, size, size))
    turned = rows.transpose(0, 2, 1)
    values = np.linalg.eigvalsh(rows + turned if kind == "random" else rows @ turned)
    return np.mean((values.min(axis=1) < 0) & (values.max(axis=1) > 0))


def test_saddles_are_more_common_than_minima():
    def noted(kind, size):
        return size > 1

    def corrected(kind, size):
        return kind == "random" and size > 1

    for size in (1, 2, 3, 6):
        for kind in ("random", "of a convex loss"):
            truth = share_of_saddles(kind, size) > 0.5
            assert corrected(kind, size) == truth
            assert (noted(kind, size) == truth) == (kind == "random" or size == 1)
    assert share_of_saddles("random", 6) > 0.99 > share_of_saddles("random", 2)


def saddle(x):
    """Slope of (x² - y²)/2."""
    return np.array([x[0], -x[1]])


def leaves(path):
    """Return the first step beyond 1 along the falling axis, or None."""
    beyond = np.abs(path[:, 1]) > 1
    return int(beyond.argmax()) if beyond.any() else None


def test_descent_is_stuck_at_a_saddle():
    def noted(offset):
        return True

    def corrected(offset):
        return offset == 0

    for offset in (0.0, 1e-12, -1e-6, 0.01):
        first = leaves(torch_path([1.0, offset], saddle, 400, lr=0.1))
        assert corrected(offset) is (first is None)
        assert noted(offset) is True
        if offset:  # it grows by 1 + ηλ a step
            assert first == math.ceil(-math.log(abs(offset)) / math.log(1.1))


def test_momentum_rolls_past_a_saddle():
    def noted(offset):
        return True

    def corrected(offset):
        return offset != 0

    for offset in (0.0, 1e-12, -1e-6, 0.01):
        path = torch_path([1.0, offset], saddle, 400, lr=0.1, momentum=0.9)
        first = leaves(path)
        assert corrected(offset) is (first is not None)
        assert noted(offset) is True
        if offset:  # and earlier than plain descent, by the larger root
            plain = leaves(torch_path([1.0, offset], saddle, 400, lr=0.1))
            assert first < plain
            growth = roots(-0.1, momentum=0.9)[0].real
            assert np.isclose(path[first, 1] / path[first - 1, 1], growth, rtol=0.05)


def steps_needed(rule, curvatures):
    """Count the steps to a millionth of the first error."""
    path = minimize(rule, lambda x: curvatures * x, np.ones(2), steps=400)
    sizes = np.linalg.norm(path, axis=1)
    return int(np.flatnonzero(sizes > 1e-6 * sizes[0])[-1]) + 1


def test_momentum_improves_on_plain_descent():
    def noted(condition):
        return True

    def corrected(condition):
        return condition > 1

    for condition in (1, 1.5, 3, 30):
        curvatures = np.array([1.0, condition])
        plain = steps_needed(SGD(lr=best_descent(1, condition)[0]), curvatures)
        rate, beta, _ = best_momentum(1, condition)
        rolling = steps_needed(Momentum(lr=rate, momentum=beta), curvatures)
        assert corrected(condition) is (rolling < plain)
        assert noted(condition) is True
    # on a round bowl plain descent is there in one step; Adam is not
    assert steps_needed(SGD(lr=1), np.ones(2)) == 1
    assert all(steps_needed(Adam(lr=r), np.ones(2)) > 1 for r in (0.01, 0.1, 0.5))
