"""Transposed convolution: its sizes, its three views, and what it does not undo."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from measured import layers, outputs
from scipy import ndimage, signal
from torch.autograd.functional import jacobian

from notebook_utils.convolution import (
    conv_transpose2d,
    convolution_matrix,
    output_size,
    transposed_output_size,
)

RNG = np.random.default_rng(0)


def transposed_outputs(n, k, *, stride=1, padding=0, output_padding=0, dilation=1):
    """Count the outputs of torch's transposed convolution along one axis."""
    row, kernel = torch.zeros(1, 1, n), torch.zeros(1, 1, k)
    cells = (stride, padding, output_padding)
    y = F.conv_transpose1d(row, kernel, None, *cells, dilation=dilation)
    return y.shape[-1]


def transposed_layers():
    """List layers that leave an output: size, kernel, padding, stride."""
    return [
        (n, k, p, s)
        for n in (1, 2, 3, 5)
        for k in (1, 2, 3, 4)
        for p in (0, 1, 2)
        for s in (1, 2, 3)
        if (n - 1) * s + k > 2 * p
    ]


def stamped(x, k, **options):
    """Let torch apply a transposed convolution to one picture."""
    return F.conv_transpose2d(
        torch.tensor(x)[None, None], torch.tensor(k)[None, None], **options
    )[0, 0].numpy()


def test_the_size_of_a_transposed_layer():
    def noted_as_a_sum(n, k, p, s):
        return (n - 1) * s + k - 2 * p

    def noted_as_a_product(n, k, p, s):
        return s * n + k - 2 * p - s

    def noted_for_fcn(k, p, s):
        return 6 * s + k - 2 * p

    for n, k, p, s in transposed_layers():
        truth = transposed_outputs(n, k, stride=s, padding=p)
        assert noted_as_a_sum(n, k, p, s) == noted_as_a_product(n, k, p, s) == truth
        assert transposed_output_size(n, k, stride=s, padding=p) == truth
    options = {"stride": 3, "padding": 2, "output_padding": 1, "dilation": 2}
    truth = transposed_outputs(4, 3, **options)
    assert transposed_output_size(4, 3, **options) == truth
    assert noted_for_fcn(64, 16, 32) == 224
    for k, p, s in [(64, 16, 32), (32, 0, 32), (5, 1, 3)]:
        truth = transposed_outputs(7, k, stride=s, padding=p)
        assert noted_for_fcn(k, p, s) == truth


def test_what_fcn_does():
    def noted(n):
        cells = n // 32
        return cells, (cells - 1) * 32 + 64 - 2 * 16

    def noted_settings():
        return [(64, 16)]

    def corrected(n):
        cells = n + 2 * 100 - 2
        for _ in range(5):
            cells = math.ceil(cells / 2)
        cells = cells - 6
        return cells, (cells - 1) * 32 + 64

    def corrected_settings():
        return [(2 * p + 32, p) for p in range(17)]

    for n in (58, 59, 224, 320, 992):
        row = F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, 3), padding=100)
        for _ in range(5):
            row = F.max_pool1d(row, 2, ceil_mode=True)  # as Caffe does
        row = F.conv1d(row, torch.zeros(1, 1, 7))
        up = transposed_outputs(row.shape[-1], 64, stride=32)
        assert corrected(n) == (row.shape[-1], up)
        assert up >= 19 + n  # what the crop from cell 19 needs
        cells, size = noted(n)
        assert size == transposed_outputs(cells, 64, stride=32, padding=16)
        assert (size == n) == (n % 32 == 0)
        assert cells != corrected(n)[0]
    assert (noted(224), corrected(224)) == ((7, 224), (8, 288))
    # nor is its setting the only one that makes every side 32 times as long
    fit = [
        (k, p)
        for p in range(17)
        for k in range(1, 65)
        if all(
            32 * n + k - 2 * p > 32
            and transposed_outputs(n, k, stride=32, padding=p) == 32 * n
            for n in (7, 10)
        )
    ]
    assert corrected_settings() == fit
    assert noted_settings() == fit[-1:] != fit


def test_the_kernel_that_multiplies_the_size():
    def noted(p, s):
        return 2 * p + s

    for n, k, p, s in transposed_layers():
        truth = transposed_outputs(n, k, stride=s, padding=p)
        assert (truth == s * n) == (k == noted(p, s))
    assert noted(16, 32) == 64


def test_the_sign_of_the_padding():
    def noted(n, k, p, s):
        return (n - k - 2 * p + s) // s

    def corrected(n, k, p, s):
        return (n - k + 2 * p + s) // s

    assert (noted(32, 5, 2, 1), corrected(32, 5, 2, 1)) == (24, 32)
    for n, k, p, s in layers():
        truth = outputs(n, k, padding=p, stride=s)
        assert corrected(n, k, p, s) == truth == output_size(n, k, padding=p, stride=s)
        # the padding is taken away where it should be added
        assert noted(n, k, p, s) == (n - k + 2 * p + s - 4 * p) // s
        assert noted(n, k, p, s) <= truth


def test_the_sizes_that_a_convolution_maps_onto_one():
    def noted(m, k, p, s):
        return s * m + k - 2 * p - s

    for n, k, p, s in layers():
        m = outputs(n, k, padding=p, stride=s)
        assert n >= noted(m, k, p, s)
        assert n < noted(m, k, p, s) + s
    sizes = [n for n in range(1, 20) if n >= 3 and outputs(n, 3, stride=3) == 2]
    assert sizes[0] == noted(2, 3, 0, 3)


def test_the_way_back_with_the_same_arguments():
    def noted(n, k, p, s):
        return (n - k + 2 * p) // s * s + k - 2 * p

    def corrected(n, k, p, s):
        rest = (n - k + 2 * p) % s
        return noted(n, k, p, s) + rest, rest

    for n, k, p, s in layers():
        m = outputs(n, k, padding=p, stride=s)
        if (m - 1) * s + k <= 2 * p:
            continue
        back = transposed_outputs(m, k, stride=s, padding=p)
        assert noted(n, k, p, s) == back
        size, extra = corrected(n, k, p, s)
        assert (back == n) == (extra == 0)
        there = {"stride": s, "padding": p, "output_padding": extra}
        assert size == transposed_outputs(m, k, **there) == n
        assert size == transposed_output_size(m, k, **there)
    assert noted(6, 3, 0, 2) == 5
    assert corrected(6, 3, 0, 2) == (6, 1)


def test_each_cell_stamps_a_kernel():
    def noted(x, k, s):
        y = np.zeros((4, 6)) if s == 1 else np.zeros((6, 9))
        for i, j in np.ndindex(x.shape):
            y[i : i + k.shape[0], j : j + k.shape[1]] += x[i, j] * k
        return y

    def corrected(x, k, s):
        h, w = k.shape
        y = np.zeros(((x.shape[0] - 1) * s + h, (x.shape[1] - 1) * s + w))
        for i, j in np.ndindex(x.shape):
            y[s * i : s * i + h, s * j : s * j + w] += x[i, j] * k
        return y

    x, k = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3))
    np.testing.assert_allclose(noted(x, k, 1), stamped(x, k))
    for s in (1, 2, 3):
        np.testing.assert_allclose(corrected(x, k, s), stamped(x, k, stride=s))
        ours = conv_transpose2d(x[None, None], k[None, None], stride=s)[0, 0]
        np.testing.assert_allclose(corrected(x, k, s), ours)
    assert noted(x, k, 2).shape == stamped(x, k, stride=2).shape
    assert not np.allclose(noted(x, k, 2), stamped(x, k, stride=2))
    # all stamps lie in one corner, as at stride 1
    np.testing.assert_allclose(noted(x, k, 2)[:4, :6], stamped(x, k))


def test_the_matrix_and_its_transpose():
    def noted_convolution(v, x):
        return v @ x

    def noted_transposed(v, y):
        return v.T @ y

    for options in ({}, {"padding": 1}, {"stride": 2}, {"stride": 2, "padding": 1}):
        k = RNG.normal(size=(3, 3))
        weight = torch.tensor(k)[None, None]

        def layer(x, weight=weight, options=options):
            return F.conv2d(x.reshape(1, 1, 5, 5), weight, **options).flatten()

        x = torch.tensor(RNG.normal(size=25))
        v = jacobian(layer, x).numpy()
        np.testing.assert_allclose(noted_convolution(v, x.numpy()), layer(x))
        np.testing.assert_array_equal(
            v, convolution_matrix(k, (5, 5), **options).toarray()
        )
        side = math.isqrt(len(v))
        y = RNG.normal(size=(side, side))
        truth = stamped(y, k, **options)
        np.testing.assert_allclose(noted_transposed(v, y.ravel()), truth.ravel())


def test_a_spread_and_padded_input_meets_the_turned_kernel():
    def noted(x, k, p, s):
        n, m = len(x), len(k)
        wide = np.zeros(((n - 1) * s + 1, (n - 1) * s + 1))
        wide[::s, ::s] = x
        wide = np.pad(wide, m - p - 1)
        return signal.correlate2d(wide, k[::-1, ::-1], "valid")

    def corrected(x, k, p, s):
        n, m = len(x), len(k)
        wide = np.zeros(((n - 1) * s + 1, (n - 1) * s + 1))
        wide[::s, ::s] = x
        cut = max(p - m + 1, 0)
        wide = wide[cut : len(wide) - cut, cut : len(wide) - cut]
        wide = np.pad(wide, max(m - p - 1, 0))
        return signal.correlate2d(wide, k[::-1, ::-1], "valid")

    for n, m, p, s in transposed_layers():
        if n < 3:
            continue
        x, k = RNG.normal(size=(n, n)), RNG.normal(size=(m, m))
        truth = stamped(x, k, padding=p, stride=s)
        np.testing.assert_allclose(corrected(x, k, p, s), truth, atol=1e-12)
        if p <= m - 1:
            np.testing.assert_allclose(noted(x, k, p, s), truth, atol=1e-12)
        else:
            with pytest.raises(ValueError, match="negative"):
                noted(x, k, p, s)


def test_a_transposed_convolution_is_one_with_zeros_around():
    def noted(y, k):
        return signal.correlate2d(np.pad(y, len(k) - 1), k[::-1, ::-1], "valid")

    for n, m in [(2, 3), (4, 2), (3, 1), (1, 3)]:
        y, k = RNG.normal(size=(n, n)), RNG.normal(size=(m, m))
        np.testing.assert_allclose(noted(y, k), stamped(y, k))


def test_no_padding_means_zeros_around():
    def noted(y, k):
        wide = np.zeros((2 * len(y) - 1, 2 * len(y) - 1))
        wide[::2, ::2] = y
        return signal.correlate2d(wide, k[::-1, ::-1], "valid")

    def corrected(y, k):
        wide = np.pad(y, len(k) - 1)
        return signal.correlate2d(wide, k[::-1, ::-1], "valid")

    y, k = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    np.testing.assert_allclose(corrected(y, k), stamped(y, k))
    assert (noted(y, k).shape, corrected(y, k).shape) == ((3, 3), (5, 5))
    # zeros in between are what a stride of 2 puts there, besides those around
    around = stamped(y, k, stride=2)
    assert around.shape == (7, 7)
    np.testing.assert_allclose(noted(y, k), around[2:5, 2:5])


def test_when_a_transposed_convolution_enlarges():
    def noted(before, after):
        return after > before

    def corrected(n, k, p, s):
        return (n - 1) * (s - 1) + k - 1 > 2 * p

    for n, k, p, s in transposed_layers():
        truth = transposed_outputs(n, k, stride=s, padding=p)
        assert noted(n, truth) == corrected(n, k, p, s)
    assert corrected(7, 64, 16, 32)
    assert [transposed_outputs(5, 3, padding=p) for p in (0, 1, 2)] == [7, 5, 3]


def test_when_a_convolution_does_not_enlarge():
    def noted(before, after):
        return after <= before

    def corrected(k, p):
        return 2 * p <= k - 1

    for n, k, p, s in layers():
        truth = outputs(n, k, stride=s, padding=p)
        if corrected(k, p):
            assert noted(n, truth)
        if s == 1:
            assert noted(n, truth) == corrected(k, p)
    assert outputs(5, 3, padding=2) == 7
    assert not noted(5, 7)


def test_the_transpose_is_not_the_inverse():
    def noted(y, c):
        return c.T @ y

    def corrected(y, c):
        return np.linalg.pinv(c) @ y

    x, w = np.array([1.0, 2, 3]), np.array([1.0, 1])
    c = np.array([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    y = np.convolve(x, w)
    np.testing.assert_array_equal(y, c @ x)
    back, _ = signal.deconvolve(y, w)
    np.testing.assert_allclose(corrected(y, c), back)
    np.testing.assert_allclose(back, x)
    # what a layer called deconvolution gives
    tensors = (torch.tensor(a)[None, None] for a in (y, w))
    theirs = F.conv_transpose1d(*tensors, padding=1)[0, 0]
    assert noted(y, c).tolist() == theirs.tolist() == [4, 8, 8]


def test_deconvolution_is_the_inverse():
    def noted(y, k):
        x = np.zeros(len(y) - len(k) + 1)
        for i in range(len(x)):
            x[i] = y[i] / k[0]
            y = y - np.convolve(np.eye(len(x))[i] * x[i], k)
        return x

    for n, m in [(5, 2), (4, 3), (6, 1)]:
        x, k = RNG.normal(size=n), np.array([2.0, 1, -1])[:m]
        y = np.convolve(x, k)
        np.testing.assert_allclose(noted(y, k), x)
        np.testing.assert_allclose(noted(y, k), signal.deconvolve(y, k)[0])
    # the transpose of the same convolution gives something else
    assert not np.allclose(np.correlate(np.convolve(x, [2, 1]), [2, 1], "valid"), x)


def test_each_pixel_gets_a_class():
    def noted(scores):
        return np.argmax(scores, axis=0)

    scores = RNG.normal(size=(5, 6, 7))
    classes = noted(scores)
    assert classes.shape == (6, 7)
    for i, j in np.ndindex(6, 7):
        assert scores[classes[i, j], i, j] == max(scores[:, i, j])
    np.testing.assert_array_equal(classes, torch.tensor(scores).argmax(0))


def test_two_objects_of_one_class():
    def corrected(classes, wanted):
        pieces, count = ndimage.label(classes == wanted)
        return pieces, count

    classes = np.zeros((6, 9), int)
    classes[1:4, 1:3] = classes[2:5, 5:8] = 3  # two dogs, say
    pieces, count = corrected(classes, 3)
    assert count == 2
    assert len(np.unique(classes)) == 2  # background and dog
    assert pieces[1, 1] != pieces[2, 5]
    assert classes[1, 1] == classes[2, 5]
    np.testing.assert_array_equal(pieces > 0, classes == 3)


def test_fully_convolutional_not_fully_connected():
    def noted(features, weight):
        return np.stack([w.ravel() @ features.ravel() for w in weight])

    def corrected(features, weight):
        def slide(x, w):
            return signal.correlate2d(x, w, "valid")

        return np.stack([sum(map(slide, features, bank)) for bank in weight])

    weight = RNG.normal(size=(5, 4, 3, 3))
    features = RNG.normal(size=(4, 3, 3))
    scores = F.linear(torch.tensor(features).flatten(), torch.tensor(weight).flatten(1))
    assert noted(features, weight).shape == (5,)
    np.testing.assert_allclose(noted(features, weight), scores)
    np.testing.assert_allclose(corrected(features, weight)[:, 0, 0], scores)
    # a larger picture: no dense layer takes it
    features = RNG.normal(size=(4, 6, 5))
    with pytest.raises(ValueError, match="mismatch"):
        noted(features, weight)
    theirs = F.conv2d(torch.tensor(features)[None], torch.tensor(weight))[0]
    np.testing.assert_allclose(corrected(features, weight), theirs)


def test_a_network_that_answers_for_each_pixel():
    def noted(classes, h, w):
        return classes, h, w

    for classes, h, w in [(5, 32, 64), (2, 64, 32), (3, 32, 32)]:
        maps = torch.zeros(1, 3, h, w)
        for _ in range(5):
            maps = F.max_pool2d(F.conv2d(maps, torch.zeros(3, 3, 3, 3), padding=1), 2)
        maps = F.conv2d(maps, torch.zeros(classes, 3, 1, 1))
        kernel = torch.zeros(classes, classes, 64, 64)
        maps = F.conv_transpose2d(maps, kernel, stride=32, padding=16)
        assert noted(classes, h, w) == tuple(maps.shape[1:])


def test_what_takes_the_place_of_the_dense_layer():
    def noted(features, weight):
        return sum(map(signal.convolve2d, features, weight))

    def corrected(features, weight):
        turned = weight[:, ::-1, ::-1]
        return sum(map(signal.convolve2d, features, turned))[2:3, 2:3]

    features, weight = RNG.normal(size=(4, 3, 3)), RNG.normal(size=(4, 3, 3))
    score = float(F.linear(*(torch.tensor(a).flatten() for a in (features, weight))))
    assert np.isclose(corrected(features, weight)[0, 0], score)
    assert corrected(features, weight).shape == (1, 1)
    # a transposed convolution with the dense layer's weights scores nothing
    transposed = F.conv_transpose2d(
        torch.tensor(features)[None], torch.tensor(weight)[:, None]
    )[0, 0]
    np.testing.assert_allclose(noted(features, weight), transposed)
    assert noted(features, weight).shape == (5, 5)
    assert not np.isclose(noted(features, weight), score).any()


def test_from_scores_to_the_size_of_the_picture():
    def noted(n):
        return n

    def corrected(n):
        return math.ceil(n / 32) * 32

    for n in (31, 32, 33, 64, 300, 320, 480):
        row = torch.zeros(1, 1, n)
        for _ in range(5):  # a ResNet halves five times
            row = F.conv1d(row, torch.zeros(1, 1, 3), stride=2, padding=1)
        truth = transposed_outputs(row.shape[-1], 64, stride=32, padding=16)
        assert corrected(n) == truth
        assert (noted(n) == truth) == (n % 32 == 0)
