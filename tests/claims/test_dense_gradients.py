"""The gradients of dense layers, activations and losses, as the notes write them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd.functional import jacobian

from notebook_utils.backpropagation import (
    linear,
    linear_backward,
    numerical_gradient,
    sigmoid,
    sigmoid_backward,
    squared_error,
    squared_error_backward,
    tanh_backward,
)

RNG = np.random.default_rng(0)


def leaf(array):
    """Make a tensor that autograd differentiates."""
    return torch.tensor(array, requires_grad=True)


def slopes(function, *arrays):
    """Differentiate a number by torch, with respect to each array."""
    leaves = [leaf(array) for array in arrays]
    return [g.numpy() for g in torch.autograd.grad(function(*leaves), leaves)]


def jacobian_of(function, x):
    """Let torch differentiate: one row for each output."""
    return jacobian(function, torch.tensor(x)).numpy()


def test_a_row_of_slopes_for_each_output():
    def noted_scalar(slope):
        return [[slope(0, 0), slope(0, 1), slope(0, 2)]]

    def noted_vector(slope):
        return [
            [slope(0, 0), slope(0, 1), slope(0, 2)],
            [slope(1, 0), slope(1, 1), slope(1, 2)],
        ]

    for w in RNG.normal(size=(4, 2, 3)):

        def layer(v, w=w):
            return torch.sin(torch.tensor(w) @ v)

        v = RNG.normal(size=3)

        def slope(i, j, w=w, v=v):
            return np.cos(w[i] @ v) * w[i, j]

        np.testing.assert_allclose(noted_vector(slope), jacobian_of(layer, v))
        first = jacobian_of(lambda v, layer=layer: layer(v)[:1], v)
        np.testing.assert_allclose(noted_scalar(slope), first)


def test_the_slope_of_a_product_with_a_matrix():
    def corrected(w):
        return w

    for w in (RNG.normal(size=(2, 3)), RNG.normal(size=(4, 2))):
        x = RNG.normal(size=w.shape[1])
        theirs = jacobian_of(lambda x, w=w: torch.tensor(w) @ x, x)
        np.testing.assert_allclose(corrected(w), theirs)


def test_the_gradient_of_a_matrix_is_an_outer_product():
    def noted(g, x):
        return g @ x

    def corrected(g, x):
        return g.T @ x.T

    for m, n in [(2, 3), (4, 2), (3, 3)]:
        g, x = RNG.normal(size=(1, m)), RNG.normal(size=(n, 1))
        (theirs,) = slopes(
            lambda w, g=g, x=x: (torch.tensor(g) @ w @ torch.tensor(x)).sum(),
            RNG.normal(size=(m, n)),
        )
        np.testing.assert_allclose(corrected(g, x), theirs)
        if m == n:  # it fits, and is one number
            assert noted(g, x).shape == (1, 1) != theirs.shape
            assert np.isclose(noted(g, x), np.trace(theirs)).all()
            continue
        with pytest.raises(ValueError, match="mismatch"):
            noted(g, x)


def test_a_row_times_a_matrix():
    def noted_slope(w):
        return w.T

    def noted_gradient(x, g):
        return x.T @ g

    for m, n in [(2, 3), (4, 2)]:
        x, w = RNG.normal(size=(1, m)), RNG.normal(size=(m, n))
        theirs = jacobian_of(lambda x, w=w: x @ torch.tensor(w), x[0])
        np.testing.assert_allclose(noted_slope(w), theirs)
        g = RNG.normal(size=(1, n))
        (theirs,) = slopes(
            lambda w, x=x, g=g: (torch.tensor(x) @ w * torch.tensor(g)).sum(), w
        )
        np.testing.assert_allclose(noted_gradient(x, g), theirs)


def test_the_slope_of_a_quadratic_form():
    def noted(w, x):
        return (w.T + w) @ x

    def corrected(w, x):
        return x.T @ (w + w.T)

    for n in (2, 3, 4):
        w, x = RNG.normal(size=(n, n)), RNG.normal(size=(n, 1))
        # the notes' own rule for scalars: one row
        theirs = jacobian_of(lambda x, w=w: (x @ torch.tensor(w) @ x)[None], x[:, 0])
        assert corrected(w, x).shape == theirs.shape == (1, n)
        np.testing.assert_allclose(corrected(w, x), theirs)
        assert noted(w, x).shape == (n, 1)
        np.testing.assert_allclose(noted(w, x), theirs.T)


def test_a_layer_goes_row_by_row_and_number_by_number():
    def noted(x, w, b):
        rows = [row @ w + b for row in x]
        return [[1 / (1 + np.exp(-z)) for z in row] for row in rows]

    for n, d, o in [(2, 3, 4), (3, 1, 2), (1, 2, 2)]:
        x, w, b = (RNG.normal(size=s) for s in [(n, d), (d, o), (o,)])
        theirs = torch.sigmoid(F.linear(*map(torch.tensor, (x, w.T.copy(), b))))
        np.testing.assert_allclose(noted(x, w, b), theirs)
        np.testing.assert_allclose(noted(x, w, b), sigmoid(linear(x, w.T, b)))


def test_the_gradients_of_a_dense_layer():
    def noted_weight(x, g, i, j):
        return sum(g[k, j] * x[k, i] for k in range(len(x)))

    def noted_weights(x, g):
        return x.T @ g

    def noted_input(w, g, i, j):
        return sum(w[j, k] * g[i, k] for k in range(w.shape[1]))

    def noted_inputs(w, g):
        return g @ w.T

    def noted_bias(g, i):
        return sum(g[k, i] for k in range(len(g)))

    def noted_biases(g):
        return np.ones((1, len(g))) @ g

    for n, d, o in [(2, 3, 4), (4, 2, 3), (3, 2, 2)]:
        shapes = [(n, d), (d, o), (o,), (n, o)]
        x, w, b, g = (RNG.normal(size=shape) for shape in shapes)
        of_x, of_w, of_b = slopes(
            lambda x, w, b, g=g: ((x @ w + b) * torch.tensor(g)).sum(), x, w, b
        )
        np.testing.assert_allclose(noted_weights(x, g), of_w)
        np.testing.assert_allclose(noted_inputs(w, g), of_x)
        np.testing.assert_allclose(noted_biases(g), of_b[None])
        for i, j in np.ndindex(d, o):
            assert np.isclose(noted_weight(x, g, i, j), of_w[i, j])
        for i, j in np.ndindex(n, d):
            assert np.isclose(noted_input(w, g, i, j), of_x[i, j])
        for i in range(o):
            assert np.isclose(noted_bias(g, i), of_b[i])
        ours = linear_backward(g, x, w.T)
        for answer, theirs in zip(ours, (of_x, of_w.T, of_b), strict=True):
            np.testing.assert_allclose(answer, theirs)


def test_activations_go_number_by_number_and_softmax_does_not():
    def noted(g, slope):
        return g * slope

    def corrected(g, p):
        return p * (g - p @ g)

    x, g = RNG.normal(size=(2, 5))
    for function in (torch.sigmoid, torch.tanh):
        full = jacobian_of(function, x)
        np.testing.assert_allclose(noted(g, np.diag(full)), g @ full)
        assert np.count_nonzero(full) == 5
    full = jacobian_of(lambda x: torch.softmax(x, 0), x)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(corrected(g, p), g @ full)
    assert not np.allclose(noted(g, np.diag(full)), g @ full)


def test_the_slope_of_sigmoid():
    def noted(g):
        return g * (1 - g)

    z = np.linspace(-4, 4, 9)
    (theirs,) = slopes(lambda z: torch.sigmoid(z).sum(), z)
    np.testing.assert_allclose(noted(1 / (1 + np.exp(-z))), theirs)
    np.testing.assert_allclose(sigmoid_backward(np.ones(9), z), theirs)


def test_the_slope_of_tanh():
    def noted(g):
        return 1 - g**2

    z = np.linspace(-3, 3, 9)
    (theirs,) = slopes(lambda z: torch.tanh(z).sum(), z)
    tanh = (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
    np.testing.assert_allclose(noted(tanh), theirs)
    np.testing.assert_allclose(tanh_backward(np.ones(9), z), theirs)


def test_softmax_and_cross_entropy():
    def noted(p, y):
        return (p - y) / len(y)

    for n, k in [(1, 3), (4, 3), (3, 5)]:
        z, labels = RNG.normal(size=(n, k)), RNG.integers(0, k, n)
        (theirs,) = slopes(
            lambda z, labels=labels: F.cross_entropy(z, torch.tensor(labels)), z
        )
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(noted(p, np.eye(k)[labels]), theirs)


def test_a_difference_checks_one_weight_at_a_time():
    def noted(loss, w, step):
        return (loss(w + step) - loss(w - step)) / (2 * step)

    def corrected(loss, w, step):
        answer = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            move = np.zeros(w.shape)
            move[index] = step
            answer[index] = (loss(w + move) - loss(w - move)) / (2 * step)
        return answer

    target = RNG.normal(size=(3, 2))

    def loss(w):
        return np.sum(np.sin(w) * target)

    w = RNG.normal(size=(3, 2))
    (theirs,) = slopes(lambda w: (torch.sin(w) * torch.tensor(target)).sum(), w)
    np.testing.assert_allclose(corrected(loss, w, 1e-4), theirs, atol=1e-8)
    np.testing.assert_allclose(numerical_gradient(loss, w), theirs, atol=1e-8)
    # all at once: one number, the sum of the slopes
    assert np.isclose(noted(loss, w, 1e-4), theirs.sum(), atol=1e-8)
    # and right where there is one weight
    slope = noted(lambda v: np.sin(v), 0.3, 1e-4)
    assert np.isclose(slope, np.cos(0.3), atol=1e-8)


def test_a_class_as_a_target():
    def noted(label):
        return [1 if label == k else 0 for k in range(10)]

    for label in range(10):
        theirs = F.one_hot(torch.tensor(label), 10)
        assert noted(label) == theirs.tolist()
    assert noted(0) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_score_and_its_softmax():
    def noted_score(w, x, b):
        return sum(w[i] * x[i] for i in range(192)) + b

    def noted_softmax(t, k):
        return np.exp(t[k]) / sum(np.exp(t[i]) for i in range(10))

    x, w, b = (RNG.normal(size=shape) for shape in [192, (10, 192), 10])
    w = w / 14
    theirs = F.linear(*map(torch.tensor, (x[None], w, b)))[0]
    scores = [noted_score(w[k], x, b[k]) for k in range(10)]
    np.testing.assert_allclose(scores, theirs)
    p = [noted_softmax(scores, k) for k in range(10)]
    np.testing.assert_allclose(p, torch.softmax(theirs, 0))


def test_each_input_has_a_weight_for_each_output():
    def noted(inputs, outputs):
        return inputs * outputs

    for d, o in [(192, 10), (5, 3), (1, 1)]:
        assert noted(d, o) == torch.nn.Linear(d, o).weight.numel()
    assert noted(192, 10) == 1920


def test_sigmoids_do_not_share_one_probability():
    def noted(t):
        return 1 / (1 + np.exp(-t))

    def corrected(t):
        return np.exp(t) / np.sum(np.exp(t))

    for t in RNG.normal(size=(4, 10)):
        theirs = torch.tensor(t)
        np.testing.assert_allclose(noted(t), torch.sigmoid(theirs))
        np.testing.assert_allclose(corrected(t), torch.softmax(theirs, 0))
        assert (noted(t) > 0).all()
        assert (noted(t) < 1).all()
        assert abs(noted(t).sum() - 1) > 1
    # one score for one of two classes: the same
    for t in (-2.0, 0.5, 3.0):
        assert np.isclose(noted(t), corrected(np.array([t, 0.0]))[0])


def test_half_the_squared_error():
    def noted(h, y):
        total = 0
        for n in range(len(h)):
            total += sum((h[n, k] - y[n, k]) ** 2 for k in range(h.shape[1]))
        return total / 2

    for n, k in [(1, 10), (3, 10), (2, 4)]:
        h, y = RNG.random((n, k)), np.eye(k)[RNG.integers(0, k, n)]
        theirs = F.mse_loss(torch.tensor(h), torch.tensor(y), reduction="sum") / 2
        assert np.isclose(noted(h, y), theirs)
        assert np.isclose(noted(h, y), squared_error(h, y, reduction="sum"))


def test_losses_added_up_make_longer_steps():
    def noted(losses):
        return np.sum(losses)

    def corrected(losses):
        return np.mean(losses)

    def step_by(reduce, h, y):
        """Say how far a step goes, by differences."""
        losses = squared_error
        return numerical_gradient(
            lambda h: reduce(losses(h, y, reduction="none")), h, step=1e-4
        )

    for n in (1, 4, 8):
        h, y = RNG.random((n, 3)), RNG.random((n, 3))
        (theirs,) = slopes(
            lambda h, y=y, n=n: F.mse_loss(h, torch.tensor(y), reduction="sum") / 2 / n,
            h,
        )
        np.testing.assert_allclose(step_by(corrected, h, y), theirs, atol=1e-8)
        np.testing.assert_allclose(step_by(noted, h, y), n * theirs, atol=1e-8)
        np.testing.assert_allclose(squared_error_backward(h, y), theirs)


def test_the_delta_of_the_last_layer():
    def noted(u, y):
        h = 1 / (1 + np.exp(-u))
        return (h - y) * h * (1 - h)

    def noted_bias(delta):
        return delta

    for k in (10, 3):
        w, x, b = (RNG.normal(size=s) for s in [(k, 4), 4, k])
        y = np.eye(k)[1]

        def loss(b, w=w, x=x, y=y):
            h = torch.sigmoid(torch.tensor(w @ x) + b)
            return ((h - torch.tensor(y)) ** 2).sum() / 2

        # the slope of u with respect to b is 1, so this is ∂J/∂u as well
        (theirs,) = slopes(loss, b)
        delta = noted(w @ x + b, y)
        np.testing.assert_allclose(delta, theirs)
        np.testing.assert_allclose(noted_bias(delta), theirs)
        ours = sigmoid_backward(sigmoid(w @ x + b) - y, w @ x + b)
        np.testing.assert_allclose(ours, theirs)


def test_the_output_has_an_index():
    def corrected(u, k):
        return 1 / (1 + np.exp(-u[k]))

    u = RNG.normal(size=10)
    for k in range(10):
        assert np.isclose(corrected(u, k), torch.sigmoid(torch.tensor(u))[k])


def test_a_step_for_the_weights_is_an_outer_product():
    def noted(w, rate, delta, x):
        return w - rate * delta * x

    def corrected(w, rate, delta, x):
        return w - rate * np.outer(delta, x)

    for o, d in [(10, 192), (3, 5), (2, 2)]:
        w, x, delta = (RNG.normal(size=s) for s in [(o, d), d, o])
        (slope,) = slopes(
            lambda w, x=x, delta=delta: torch.tensor(delta) @ w @ torch.tensor(x), w
        )
        np.testing.assert_allclose(corrected(w, 0.1, delta, x), w - 0.1 * slope)
        if o == d:  # it fits, and is another step
            np.testing.assert_allclose(
                w - noted(w, 0.1, delta, x), [0.1 * delta * x] * o
            )
            assert not np.allclose(noted(w, 0.1, delta, x), w - 0.1 * slope)
            continue
        with pytest.raises(ValueError, match="broadcast"):
            noted(w, 0.1, delta, x)


def test_which_index_of_a_weight_comes_first():
    def noted(delta, f):
        return [[delta[k] * f[i] for k in range(3)] for i in range(4)]

    def corrected(delta, f):
        return [[delta[k] * f[i] for i in range(4)] for k in range(3)]

    f, delta = RNG.normal(size=4), RNG.normal(size=3)
    d, x = torch.tensor(delta), torch.tensor(f)
    # u = W x, as the notes begin: rows are outputs
    (theirs,) = slopes(lambda w: d @ (w @ x), RNG.normal(size=(3, 4)))
    np.testing.assert_allclose(corrected(delta, f), theirs)
    # u = Wᵀ x: rows are inputs
    (theirs,) = slopes(lambda w: d @ (w.T @ x), RNG.normal(size=(4, 3)))
    np.testing.assert_allclose(noted(delta, f), theirs)


def test_a_step_for_the_bias():
    def noted(b, rate, delta):
        return b - rate * delta

    b, u, delta = RNG.normal(size=(3, 10))
    for rate in (0.1, 0.5):
        bias = leaf(b)
        optimizer = torch.optim.SGD([bias], lr=rate)
        ((torch.tensor(u) + bias) @ torch.tensor(delta)).backward()
        optimizer.step()
        np.testing.assert_allclose(noted(b, rate, delta), bias.detach())


def two_layers():
    """Draw u, W and y; return them with torch's gradient with respect to u."""
    u, w, y = (RNG.normal(size=s) for s in [4, (3, 4), 3])

    def loss(u):
        h = torch.sigmoid(torch.tensor(w) @ torch.sigmoid(u))
        return ((h - torch.tensor(y)) ** 2).sum() / 2

    (theirs,) = slopes(loss, u)
    f = 1 / (1 + np.exp(-u))
    h = 1 / (1 + np.exp(-(w @ f)))
    return w, f, h, y, theirs


def test_the_chain_rule_takes_each_slope_once():
    def noted(error, slope, step):
        return error @ (slope * step * step)

    def corrected(error, slope, step):
        return error @ (slope * step)

    for _ in range(3):
        w, f, h, y, theirs = two_layers()
        # ∂f(u_k)/∂u_k and ∂u_k/∂u_i; their product is ∂f(u_k)/∂u_i
        slope, step = (h * (1 - h))[:, None], w * f * (1 - f)
        np.testing.assert_allclose(corrected(h - y, slope, step), theirs)
        twice = [
            sum((h[k] - y[k]) * slope[k, 0] * step[k, i] * step[k, i] for k in range(3))
            for i in range(4)
        ]
        np.testing.assert_allclose(noted(h - y, slope, step), twice)
        assert not np.allclose(noted(h - y, slope, step), theirs)


def test_the_index_that_stays():
    def noted(w, delta, slope, i, j):
        return sum(delta[k] * w[k, j] * slope[i] for k in range(3))

    def corrected(w, delta, slope, i):
        return sum(delta[k] * w[k, i] * slope[i] for k in range(3))

    w, f, h, y, theirs = two_layers()
    delta, slope = (h - y) * h * (1 - h), f * (1 - f)
    for i, j in np.ndindex(4, 4):
        assert np.isclose(corrected(w, delta, slope, i), theirs[i])
        assert np.isclose(noted(w, delta, slope, i, j), (delta @ w)[j] * slope[i])
        assert np.isclose(noted(w, delta, slope, i, j), theirs[i]) == (i == j)


def test_a_slope_only_where_there_is_an_activation():
    def noted(w, delta, slope):
        return w.T @ delta * slope

    def corrected(w, delta):
        return w.T @ delta

    w, f, h, y, theirs = two_layers()
    delta, slope = (h - y) * h * (1 - h), f * (1 - f)
    np.testing.assert_allclose(noted(w, delta, slope), theirs)
    # after a reshape the dense layer reads its numbers as they are
    x = RNG.normal(size=(1, 2, 2))
    target = torch.tensor(delta)
    (theirs,) = slopes(lambda x: target @ (torch.tensor(w) @ x.flatten()), x)
    np.testing.assert_allclose(corrected(w, delta).reshape(x.shape), theirs)
    f = 1 / (1 + np.exp(-x.ravel()))
    assert not np.allclose(noted(w, delta, f * (1 - f)), theirs.ravel())
