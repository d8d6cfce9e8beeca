"""What the notes say about gradients through a convolution."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

from notebook_utils.convolution import conv2d_backward

RNG = np.random.default_rng(0)


def gradients(x, w, delta):
    """Differentiate a convolution by torch: input, kernels, biases."""
    leaves = [
        torch.tensor(array, requires_grad=True)
        for array in (x[None], w, np.zeros(len(w)))
    ]
    y = F.conv2d(*leaves)
    of_x, of_w, of_b = torch.autograd.grad(y, leaves, torch.tensor(delta)[None])
    return of_x[0].numpy(), of_w.numpy(), of_b.numpy()


def layer(n=12, c=6, o=12, k=5):
    """Draw an input, kernels and the gradient of the outputs."""
    m = n - k + 1
    return [RNG.normal(size=s) for s in [(c, n, n), (o, c, k, k), (o, m, m)]]


def slide(x, w):
    """Correlate without padding, by SciPy."""
    return signal.correlate2d(x, w, mode="valid")


def test_four_zeros_around_and_a_sum_over_the_outputs():
    def noted_sizes(n, pad, k):
        return n + 2 * pad, n + 2 * pad - k + 1

    def noted(delta, turned, c, pad):
        return sum(
            slide(np.pad(delta[o], pad), turned[o, c]) for o in range(len(delta))
        )

    assert noted_sizes(8, 4, 5) == (16, 12)
    for n, k in [(12, 5), (7, 3), (6, 2)]:
        x, w, delta = layer(n, 2, 3, k)
        theirs, _, _ = gradients(x, w, delta)
        padded, back = noted_sizes(n - k + 1, k - 1, k)
        assert back == n == len(theirs[0])
        assert np.pad(delta[0], k - 1).shape == (padded, padded)
        for c in range(2):
            back = noted(delta, w[:, :, ::-1, ::-1], c, k - 1)
            np.testing.assert_allclose(back, theirs[c])


def test_the_kernel_is_turned_not_transposed():
    def noted(w):
        return w.T

    def corrected(w):
        return w[::-1, ::-1]

    either = np.array([[1.0, 2, 3], [4, 5, 2], [6, 4, 1]])  # of the same effect
    for w in (*RNG.normal(size=(3, 3, 3)), either):
        delta = RNG.normal(size=(4, 4))
        theirs, _, _ = gradients(np.zeros((1, 6, 6)), w[None, None], delta[None])
        framed = np.pad(delta, 2)
        np.testing.assert_allclose(slide(framed, corrected(w)), theirs[0])
        same = np.array_equal(w.T, w[::-1, ::-1])
        assert np.allclose(slide(framed, noted(w)), theirs[0]) == same == (w is either)


def test_back_is_the_transposed_convolution():
    def noted(delta, w, size):
        x = np.zeros(size)
        for i, j in np.ndindex(delta.shape):
            x[i : i + len(w), j : j + len(w)] += delta[i, j] * w
        return x

    for n, k in [(12, 5), (5, 2), (4, 4)]:
        x, w, delta = layer(n, 1, 1, k)
        theirs, _, _ = gradients(x, w, delta)
        stamped = noted(delta[0], w[0, 0], (n, n))
        np.testing.assert_allclose(stamped, theirs[0])
        tensors = torch.tensor(delta)[None], torch.tensor(w)
        np.testing.assert_allclose(stamped, F.conv_transpose2d(*tensors)[0, 0])


def test_the_gradients_of_kernels_and_biases():
    def noted_bias(delta, o):
        return np.sum(delta[o])

    def noted_weight(x, delta, o, c):
        return slide(x[c], delta[o])

    for n, k in [(12, 5), (7, 3)]:
        x, w, delta = layer(n, 2, 3, k)
        of_x, of_w, of_b = gradients(x, w, delta)
        for o in range(3):
            assert np.isclose(noted_bias(delta, o), of_b[o])
            for c in range(2):
                np.testing.assert_allclose(noted_weight(x, delta, o, c), of_w[o, c])
        ours = conv2d_backward(delta[None], x[None], w)
        for answer, theirs in zip(ours, (of_x[None], of_w, of_b), strict=True):
            np.testing.assert_allclose(answer, theirs, atol=1e-12)
    assert noted_weight(*[np.zeros((1, s, s)) for s in (12, 8)], 0, 0).shape == (5, 5)


def test_the_slope_of_the_sigmoid_before_the_pool():
    def noted(spread, h):
        return spread

    def corrected(spread, h):
        return spread * h * (1 - h)

    x, w, _ = layer(12, 2, 3, 5)
    kernels = torch.tensor(w, requires_grad=True)
    h = torch.sigmoid(F.conv2d(torch.tensor(x)[None], kernels))
    pooled = F.avg_pool2d(h, 2)
    delta = RNG.normal(size=pooled.shape)
    (theirs,) = torch.autograd.grad(pooled, kernels, torch.tensor(delta))
    spread = np.kron(delta[0], np.ones((2, 2))) / 4  # what the mean sends back
    h = h.detach().numpy()[0]

    def weight(delta):
        return [[slide(channel, each) for channel in x] for each in delta]

    np.testing.assert_allclose(weight(corrected(spread, h)), theirs)
    assert not np.allclose(weight(noted(spread, h)), theirs)
    # they agree where the activation passes its input on, with a slope of 1
    np.testing.assert_array_equal(noted(spread, h), spread)
