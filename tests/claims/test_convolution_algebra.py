"""Convolution as mathematics has it, cross-correlation, and where they come from."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

from notebook_utils.convolution import conv2d

RNG = np.random.default_rng(0)
F_, G, H = RNG.normal(size=6), RNG.normal(size=4), RNG.normal(size=3)


def at(values, x):
    """Read a signal at a whole number; outside it is zero."""
    return values[x] if 0 <= x < len(values) else 0.0


def bell(x, s):
    """Evaluate a Gaussian density."""
    return np.exp(-(x**2) / (2 * s**2)) / np.sqrt(2 * np.pi * s**2)


def test_discrete_convolution():
    def noted(f, g, x):
        return sum(at(f, t) * at(g, x - t) for t in range(len(f)))

    truth = np.convolve(F_, G)
    for x in range(-1, 10):
        assert np.isclose(noted(F_, G, x), at(truth, x))
    # finely sampled, the sum is the integral: the widths of two bells add up in square
    cells, step = np.linspace(-6, 6, 241, retstep=True)
    for x in (-1.5, 0.0, 2.0):
        place = round((x + 12) / step)
        integral = noted(bell(cells, 1.0), bell(cells, 0.5), place) * step
        assert np.isclose(integral, bell(x, np.hypot(1.0, 0.5)))


def test_the_kernel_is_turned_before_it_is_moved():
    def noted(f, g, x):
        return sum(at(f, t) * at(g, t + x) for t in range(len(f)))  # moved left by x

    def corrected(f, g, x):
        return sum(at(f, t) * at(g, x - t) for t in range(len(f)))

    f, g = [1, 2, 3], [1, 10]
    assert [noted(f, g, x) for x in range(4)] == [21, 10, 0, 0]
    assert [corrected(f, g, x) for x in range(4)] == [1, 12, 23, 30]
    assert np.convolve(f, g).tolist() == [1, 12, 23, 30]


def test_the_reversed_kernel_slides():
    def noted_commuted(f, g, x):
        return sum(at(f, x - t) * at(g, t) for t in everywhere)

    def noted_reversed(f, g, x):
        return sum(at(f, x + t) * at(g, -t) for t in everywhere)

    truth, everywhere = np.convolve(F_, G), range(-9, 10)
    for x in range(9):
        assert np.isclose(noted_commuted(F_, G, x), truth[x])
        assert np.isclose(noted_reversed(F_, G, x), truth[x])
    sliding = np.correlate(F_, G[::-1], mode="full")
    np.testing.assert_allclose(sliding, truth)


def test_the_laws_of_convolution():
    def noted_commutes(f, g):
        return np.convolve(f, g), np.convolve(g, f)

    def noted_associates(f, g, h):
        return np.convolve(f, np.convolve(g, h)), np.convolve(np.convolve(f, g), h)

    def noted_scales(a, f, g):
        return a * np.convolve(f, g), np.convolve(a * f, g)

    def noted_distributes(f, g, h):
        return np.convolve(f, g + h), np.convolve(f, g) + np.convolve(f, h)

    def by_polynomials(*factors):
        """Multiply polynomials with these coefficients."""
        product = np.polynomial.Polynomial([1.0])
        for factor in factors:
            product = product * np.polynomial.Polynomial(factor)
        return product.coef

    left, right = noted_commutes(F_, G)
    np.testing.assert_allclose(left, by_polynomials(F_, G))
    np.testing.assert_allclose(right, left)
    left, right = noted_associates(F_, G, H)
    np.testing.assert_allclose(left, by_polynomials(F_, G, H))
    np.testing.assert_allclose(right, left)
    left, right = noted_scales(2.5, F_, G)
    np.testing.assert_allclose(left, by_polynomials(2.5 * F_, G))
    np.testing.assert_allclose(right, left)
    left, right = noted_distributes(F_, H, G[:3])
    np.testing.assert_allclose(left, by_polynomials(F_, H + G[:3]))
    np.testing.assert_allclose(right, left)


def test_the_derivative_of_a_convolution():
    def noted_first(f, g):
        return np.convolve(np.diff(f, prepend=0, append=0), g)

    def noted_second(f, g):
        return np.convolve(f, np.diff(g, prepend=0, append=0))

    truth = np.diff(np.convolve(F_, G), prepend=0, append=0)
    np.testing.assert_allclose(noted_first(F_, G), truth)
    np.testing.assert_allclose(noted_second(F_, G), truth)
    # finely sampled, it is the derivative of the integral
    cells, step = np.linspace(-6, 6, 1201, retstep=True)
    x, s = 0.7, np.hypot(1.0, 0.5)
    place = round((x + 12) / step)
    for noted in (noted_first, noted_second):
        slope = noted(bell(cells, 1.0), bell(cells, 0.5))[place : place + 2].mean()
        assert np.isclose(slope, -x / s**2 * bell(x, s), rtol=1e-4)


def test_a_dense_layer_indexed_anew():
    def noted_kernel(w, i, j, a, b):
        return w[i, j, i + a, j + b]

    def noted(w, x, i, j):
        rows, columns = x.shape
        return sum(
            noted_kernel(w, i, j, a, b) * x[i + a, j + b]
            for a in range(-i, rows - i)
            for b in range(-j, columns - j)
        )

    w, x = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(4, 5))
    dense = (w.reshape(6, 20) @ x.ravel()).reshape(2, 3)
    for i, j in np.ndindex(2, 3):
        assert np.isclose(noted(w, x, i, j), dense[i, j])


def test_rows_come_first():
    def noted(picture):
        height, width = picture
        return width, height

    def corrected(picture):
        height, width = picture
        return height, width

    x = torch.zeros(4, 5)  # four rows of five cells
    assert len(x[:, 0]) == 4
    weights = torch.zeros(2, 3, *corrected((4, 5)))
    assert torch.einsum("ijkl,kl->ij", weights, x).shape == (2, 3)
    assert corrected((4, 5)) == tuple(x.shape)
    assert noted((4, 5)) == tuple(x.T.shape)
    # the weights of a layer from a million cells to a million would not fit anywhere
    assert np.prod([1000, 1000, *corrected((1000, 1000))], dtype=float) == 1e12


def test_what_moves_in_moves_out():
    def noted(x, w, shift, stride):
        y = F.conv1d(x, w, stride=stride)
        return torch.roll(y, shift, -1)  # moved as far as the input

    def corrected(x, w, shift, stride):
        y = F.conv1d(x, w, stride=stride)
        return torch.roll(y, shift // stride, -1)

    w = torch.tensor(RNG.normal(size=(1, 1, 3)))
    x = torch.zeros(1, 1, 16, dtype=torch.float64)
    x[0, 0, 4:8] = torch.tensor(RNG.normal(size=4))  # away from the border
    for shift in (1, 2, 4):
        for stride in (1, 2):
            moved = F.conv1d(torch.roll(x, shift, -1), w, stride=stride)
            same = torch.allclose(noted(x, w, shift, stride), moved)
            assert same == (stride == 1)
            if shift % stride == 0:
                assert torch.allclose(corrected(x, w, shift, stride), moved)
    # a layer whose weights depend on the place does not follow
    dense = torch.tensor(RNG.normal(size=(14, 16)))
    follows = torch.allclose(
        dense @ torch.roll(x, 1, -1)[0, 0], torch.roll(dense @ x[0, 0], 1)
    )
    assert not follows
    # at the border the output does not only move
    x = torch.roll(x, -4, -1)
    moved = F.conv1d(torch.roll(x, -1, -1), w)
    assert not torch.allclose(noted(x, w, -1, 1), moved)


def test_invariance_moves_the_picture():
    def noted(f, x, e):
        return f(x + e)  # e is added to the values

    def corrected(f, x, e):
        return f(np.roll(x, e))

    x = RNG.normal(size=12)
    for e in (1, 2, 5):
        assert corrected(np.max, x, e) == np.max(x)
        assert np.isclose(noted(np.max, x, e), np.max(x) + e)
        assert np.isclose(corrected(np.mean, x, e), np.mean(x))
        first = corrected(lambda values: values[0], x, e)
        assert first == x[-e] != x[0]  # not every function is invariant


def test_dense_layers_and_pooling_windows_notice_a_shift():
    def noted(dense, x):
        return {"dense": dense @ x, "window": F.max_pool1d(x[None], 2).squeeze()}

    def corrected(dense, x):
        return {"global maximum": x.max(), "global mean": x.mean()}

    dense = torch.tensor(RNG.normal(size=(3, 8)))
    x = torch.tensor([0.0, 0, 9, 4, 1, 0, 0, 0], dtype=torch.float64)
    moved = torch.roll(x, 1)

    def is_invariant(answers):
        return [
            torch.allclose(answers(dense, x)[name], answers(dense, moved)[name])
            for name in answers(dense, x)
        ]

    assert is_invariant(noted) == [False, False]
    assert is_invariant(corrected) == [True, True]
    assert torch.equal(noted(dense, x)["dense"], F.linear(x, dense))
    assert noted(dense, x)["window"].tolist() == [0, 9, 1, 0]
    assert corrected(dense, x) == {"global maximum": 9, "global mean": 14 / 8}


def test_correlation_is_convolution_for_symmetric_kernels():
    def noted(x, w):
        return signal.convolve2d(x, w, mode="valid")

    def corrected(x, w):
        return signal.convolve2d(x, w[::-1, ::-1], mode="valid")

    x = RNG.normal(size=(6, 5))
    symmetric = np.array([[1.0, 2, 3], [4, 5, 4], [3, 2, 1]])
    for w in (RNG.normal(size=(3, 3)), symmetric, RNG.normal(size=(2, 3))):
        tensors = (torch.tensor(a)[None, None] for a in (x, w))
        layer = F.conv2d(*tensors)[0, 0]
        np.testing.assert_allclose(corrected(x, w), layer)
        np.testing.assert_allclose(conv2d(x[None, None], w[None, None])[0, 0], layer)
        is_turned = np.array_equal(w, w[::-1, ::-1])
        assert np.allclose(noted(x, w), layer) == is_turned


def test_local_means_near_in_both_directions():
    def noted(a, b, reach):
        return not (abs(a) > reach and abs(b) > reach)

    def corrected(a, b, reach):
        return not (abs(a) > reach or abs(b) > reach)

    for reach in (0, 1, 2):
        taps = list(itertools.product(range(-4, 5), repeat=2))
        kept = {tap for tap in taps if corrected(*tap, reach)}
        layer = torch.nn.Conv2d(1, 1, 2 * reach + 1, padding=reach)
        picture = torch.zeros(1, 1, 9, 9, requires_grad=True)
        torch.nn.init.ones_(layer.weight)
        layer(picture)[0, 0, 4, 4].backward()
        read = {(i - 4, j - 4) for i, j in picture.grad[0, 0].nonzero().tolist()}
        assert kept == read
        # if both had to be far, the arms of a cross would be kept, too
        near = range(-reach, reach + 1)
        cross = {tap for tap in taps if tap[0] in near or tap[1] in near}
        assert {tap for tap in taps if noted(*tap, reach)} == cross
        assert kept < cross


def test_two_definitions():
    def noted_correlation(x, w, i, j):
        return sum(
            w[a + 1, b + 1] * x[i + a, j + b]
            for a, b in itertools.product((-1, 0, 1), repeat=2)
        )

    def noted_convolution(x, w, i, j):
        return sum(
            w[-a + 1, -b + 1] * x[i + a, j + b]
            for a, b in itertools.product((-1, 0, 1), repeat=2)
        )

    x, w = RNG.normal(size=(5, 6)), RNG.normal(size=(3, 3))
    correlated = signal.correlate2d(x, w, mode="valid")
    convolved = signal.convolve2d(x, w, mode="valid")
    for i, j in np.ndindex(3, 4):
        assert np.isclose(noted_correlation(x, w, i + 1, j + 1), correlated[i, j])
        assert np.isclose(noted_convolution(x, w, i + 1, j + 1), convolved[i, j])


def test_one_and_three_dimensions():
    def noted_one(w, x, i):
        return sum(w[a] * x[i + a] for a in range(3))

    def noted_three(w, x, i, j, k):
        return sum(
            w[a, b, c] * x[i + a, j + b, k + c] for a, b, c in np.ndindex(2, 2, 2)
        )

    x, w = RNG.normal(size=6), RNG.normal(size=3)
    row = F.conv1d(*(torch.tensor(a)[None, None] for a in (x, w)))[0, 0]
    for i in range(4):
        assert np.isclose(noted_one(w, x, i), row[i])
    x, w = RNG.normal(size=(3, 4, 3)), RNG.normal(size=(2, 2, 2))
    volume = F.conv3d(*(torch.tensor(a)[None, None] for a in (x, w)))[0, 0]
    for index in np.ndindex(2, 3, 2):
        assert np.isclose(noted_three(w, x, *index), volume[index])


def test_a_learned_kernel_absorbs_the_turn():
    def noted(w):
        return w  # no difference: the same kernel either way

    def corrected(w):
        return w[::-1, ::-1]

    x = RNG.normal(size=(9, 9))
    one_hot = np.eye(9).reshape(9, 3, 3)

    def fit(operation, target):
        """Find the kernel whose outputs are nearest to the target."""
        columns = [operation(x, e, mode="valid").ravel() for e in one_hot]
        matrix = np.stack(columns, axis=1)
        return np.linalg.lstsq(matrix, target, rcond=None)[0].reshape(3, 3)

    symmetric = np.array([[1.0, 2, 3], [4, 5, 4], [3, 2, 1]])
    exact = signal.correlate2d(x, symmetric, mode="valid").ravel()
    for target, is_turned in [(RNG.normal(size=49), False), (exact, True)]:
        correlating = fit(signal.correlate2d, target)
        convolving = fit(signal.convolve2d, target)
        np.testing.assert_allclose(corrected(correlating), convolving)
        assert np.allclose(noted(correlating), convolving) == is_turned
        # the outputs are the same, though the kernels are not
        np.testing.assert_allclose(
            signal.correlate2d(x, correlating, mode="valid"),
            signal.convolve2d(x, convolving, mode="valid"),
        )
