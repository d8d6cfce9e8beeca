"""What the notes say about pools and about gradients through them."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view

from notebook_utils.convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

RNG = np.random.default_rng(0)


def slope(function, x, grad):
    """Differentiate by torch, with the gradient that comes in."""
    at = torch.tensor(x, requires_grad=True)
    (answer,) = torch.autograd.grad(function(at), at, torch.tensor(grad))
    return answer.numpy()


def test_a_pool_of_the_same_size_for_each_channel():
    def corrected(channel, k):
        padded = np.pad(channel, k // 2, constant_values=-np.inf)
        return sliding_window_view(padded, (k, k)).max(axis=(2, 3))

    for c, k in [(1, 3), (4, 3), (3, 5)]:
        x = RNG.normal(size=(c, 6, 7)) - 5
        theirs = F.max_pool2d(torch.tensor(x)[None], k, 1, k // 2)[0]
        ours = max_pool2d(x[None], k, stride=1, padding=k // 2)[0]
        assert ours.shape == x.shape
        for i in range(c):
            np.testing.assert_allclose(corrected(x[i], k), theirs[i])
            np.testing.assert_allclose(corrected(x[i], k), ours[i])


def test_pools_work_channel_by_channel_and_learn_nothing():
    def noted(x, k, s, reduce):
        _, height, width = x.shape
        rows, columns = range(0, height - k + 1, s), range(0, width - k + 1, s)
        return [
            [[reduce(c[i : i + k, j : j + k]) for j in columns] for i in rows]
            for c in x
        ]

    def noted_parameters():
        return 0

    for c, k, s in [(3, 2, 2), (1, 3, 2), (2, 3, 1), (4, 1, 1)]:
        x = RNG.normal(size=(c, 6, 7))
        tensor = torch.tensor(x)[None]
        largest, mean = torch.nn.MaxPool2d(k, s), torch.nn.AvgPool2d(k, s)
        np.testing.assert_allclose(noted(x, k, s, np.max), largest(tensor)[0])
        np.testing.assert_allclose(noted(x, k, s, np.mean), mean(tensor)[0])
        ours = avg_pool2d(x[None], k, stride=s)[0]
        np.testing.assert_allclose(noted(x, k, s, np.mean), ours)
        assert ours.shape[0] == c
        for layer in (largest, mean):
            assert noted_parameters() == len(list(layer.parameters()))


def test_two_by_two_halves_the_sides():
    def noted_mean(x):
        return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4

    def noted_max(x):
        blocks = x[::2, ::2], x[1::2, ::2], x[::2, 1::2], x[1::2, 1::2]
        return np.stack(blocks).max(axis=0)

    for n in (24, 8, 2):
        x = RNG.normal(size=(n, n)) - 3
        tensor = torch.tensor(x)[None, None]
        np.testing.assert_allclose(noted_mean(x), F.avg_pool2d(tensor, 2)[0, 0])
        np.testing.assert_allclose(noted_max(x), F.max_pool2d(tensor, 2)[0, 0])
        assert noted_max(x).shape == (n // 2, n // 2)


def test_a_shift_within_a_window_goes_unnoticed():
    def noted(at, k):
        return True  # the output does not change at once

    def corrected(at, k):
        return at % k < k - 1

    for k in (2, 3, 4):
        for at in range(11):
            row = torch.zeros(12)
            row[at] = 1
            before, after = (
                F.max_pool1d(x[None], k)[0] for x in (row, torch.roll(row, 1))
            )
            same = torch.equal(before, after)
            assert corrected(at, k) is same
            assert noted(at, k) == (same or at % k == k - 1)
    assert noted(0, 2) is True


POOLS = {  # of known networks: kernel, stride, padding
    "LeNet": (2, 2, 0), "VGG": (2, 2, 0), "AlexNet": (3, 2, 0), "ResNet": (3, 2, 1),
}  # fmt: skip


def test_some_pools_overlap_and_pad():
    def noted():
        return "overlap: False, padding: 0"

    def corrected(kernel, stride, padding):
        return f"overlap: {kernel > stride}, padding: {padding}"

    for name, (kernel, stride, padding) in POOLS.items():
        layer = torch.nn.MaxPool2d(kernel, stride, padding)
        ones = torch.ones(1, 1, 12, 12)
        # how many windows read each cell
        counts = slope(
            lambda x, k=kernel, s=stride, p=padding: F.avg_pool2d(x, k, s, p) * k**2,
            np.ones((1, 1, 12, 12)),
            np.ones(F.avg_pool2d(ones, kernel, stride, padding).shape),
        )
        found = f"overlap: {counts.max() > 1}, padding: {layer.padding}"
        assert corrected(kernel, stride, padding) == found
        assert (noted() == found) == (name in ("LeNet", "VGG"))
    # what surrounds a picture below 0 is not zero
    assert F.max_pool2d(-torch.ones(1, 1, 2, 2), 3, 2, 1).item() == -1


def test_the_mean_shares_and_the_maximum_sends():
    def noted_mean(delta):
        return np.kron(delta, np.ones((2, 2))) / 4

    def noted_max(delta, x):
        answer = np.zeros(x.shape)
        for i, j in np.ndindex(delta.shape):
            block = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            a, b = np.unravel_index(block.argmax(), block.shape)
            answer[2 * i + a, 2 * j + b] = delta[i, j]
        return answer

    assert np.allclose(noted_mean(np.array([[1.2]])), 0.3)
    for n in (2, 8):
        x = RNG.permutation(n * n).reshape(n, n) * 1.0
        delta = RNG.normal(size=(n // 2, n // 2))
        for noted, function, ours in (
            (noted_mean(delta), F.avg_pool2d, avg_pool2d_backward),
            (noted_max(delta, x), F.max_pool2d, max_pool2d_backward),
        ):
            inputs = x[None, None], delta[None, None]
            theirs = slope(lambda x, f=function: f(x, 2), *inputs)
            np.testing.assert_allclose(noted, theirs[0, 0])
            np.testing.assert_allclose(noted, ours(*inputs[::-1], 2)[0, 0])


def test_ties_of_a_maximum():
    def noted(x):
        return (x == np.max(x)) * 1.0

    def corrected(x):
        answer = np.zeros(x.shape)
        answer[np.argmax(x)] = 1
        return answer

    one = np.ones((1, 1, 1, 1))
    for x in itertools.product((1.0, 2.0, 3.0), repeat=4):
        x = np.array(x)
        square = x.reshape(1, 1, 2, 2)
        theirs = slope(lambda x: F.max_pool2d(x, 2), square, one).ravel()
        np.testing.assert_array_equal(corrected(x), theirs)
        np.testing.assert_array_equal(
            max_pool2d_backward(one, square, 2).ravel(), theirs
        )
        tied = (x == x.max()).sum() > 1
        assert np.array_equal(noted(x), theirs) == (not tied)
        assert noted(x).sum() == (x == x.max()).sum()


def test_the_slope_of_a_norm_has_a_sign():
    def noted(x, p):
        return np.sum(np.abs(x) ** p) ** (1 / p - 1) * np.abs(x) ** (p - 1)

    def corrected(x, p):
        return np.sign(x) * np.sum(np.abs(x) ** p) ** (1 / p - 1) * np.abs(x) ** (p - 1)

    one = np.ones((1, 1, 1, 1))
    mixed, positive = np.array([3.0, -4, -0.5, 1]), np.array([3.0, 4, 0.5, 1])
    for p in (1, 1.5, 2, 3):
        for x in (mixed, positive):
            theirs = slope(
                lambda x, p=p: (x.abs() ** p).sum(dim=(2, 3), keepdim=True) ** (1 / p),
                x.reshape(1, 1, 2, 2),
                one,
            )
            np.testing.assert_allclose(corrected(x, p), theirs.ravel())
            assert np.allclose(noted(x, p), theirs.ravel()) == (x is positive)
            assert np.allclose(np.abs(noted(x, p)), np.abs(theirs.ravel()))
            ours = lp_pool2d_backward(one, x.reshape(1, 1, 2, 2), p, 2)
            np.testing.assert_allclose(ours, theirs)
            norm = np.linalg.norm(x, p)
            assert np.isclose(lp_pool2d(x.reshape(1, 1, 2, 2), p, 2).item(), norm)


def test_a_cell_collects_from_all_its_windows():
    def noted(delta, owner, share):
        return delta[owner[0]] * share

    def corrected(delta, owner, share):
        return sum(delta[i] * share for i in owner)

    for k, s in [(2, 2), (3, 3), (3, 1), (3, 2), (2, 1)]:
        n = 12
        outputs = (n - k) // s + 1
        delta = RNG.normal(size=outputs)
        theirs = slope(
            lambda x, k=k, s=s: F.avg_pool1d(x, k, s),
            RNG.normal(size=(1, 1, n)),
            delta[None, None],
        ).ravel()
        for cell in range(s * (outputs - 1) + k):
            owner = [i for i in range(outputs) if s * i <= cell < s * i + k]
            assert np.isclose(corrected(delta, owner, 1 / k), theirs[cell])
            alone = len(owner) == 1
            assert np.isclose(noted(delta, owner, 1 / k), delta[min(owner)] / k)
            assert np.isclose(noted(delta, owner, 1 / k), theirs[cell]) == alone


def test_a_reshape_goes_back_in_the_same_order():
    def noted(delta):
        return [
            [[delta[16 * c + 4 * i + j] for j in range(4)] for i in range(4)]
            for c in range(12)
        ]

    delta = RNG.normal(size=192)
    theirs = slope(lambda x: x.flatten(1), np.zeros((1, 12, 4, 4)), delta[None])
    np.testing.assert_array_equal(noted(delta), theirs[0])
