"""Channels, their kernels, and how many numbers and products they take."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from measured import numbers, outputs, products
from scipy import ndimage, signal
from skimage import data
from torch import nn

from notebook_utils.convolution import conv2d, multiply_adds, parameter_count

# torch warns that an even kernel costs it a copy of the input
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
RNG = np.random.default_rng(0)
LAYERS = [(32, 64, 3), (4, 1, 3), (3, 7, 2), (5, 5, 1), (8, 2, 5), (1, 2, 2)]


def slide(x, w):
    """Correlate one channel with one kernel, by SciPy."""
    return signal.correlate2d(x, w, mode="valid")


def test_a_layer_correlates_and_adds_a_constant():
    def noted(x, w, b, i, j):
        rows, columns = w.shape
        return np.sum(w * x[i : i + rows, j : j + columns]) + b

    for size, kernel in [((5, 4), (3, 2)), ((6, 6), (2, 2)), ((4, 4), (4, 4))]:
        x, w, b = RNG.normal(size=size), RNG.normal(size=kernel), 1.5
        tensors = (torch.tensor(a)[None, None] for a in (x, w))
        theirs = F.conv2d(*tensors, bias=torch.tensor([b], dtype=torch.float64))[0, 0]
        ours = conv2d(x[None, None], w[None, None], [b])[0, 0]
        np.testing.assert_allclose(ours, theirs)
        for i, j in np.ndindex(ours.shape):
            assert np.isclose(noted(x, w, b, i, j), ours[i, j])


def test_the_channels_of_a_colour_picture():
    def noted(x, w):
        return sum(slide(x[c], w[c]) for c in range(3))

    astronaut = np.moveaxis(data.astronaut()[:12, :9] / 255, -1, 0)
    w = RNG.normal(size=(3, 3, 2))
    tensors = (torch.tensor(a)[None] for a in (astronaut, w))
    np.testing.assert_allclose(noted(astronaut, w), F.conv2d(*tensors)[0, 0])
    assert len(astronaut) == 3


def test_grey_loses_colour():
    def noted(colour):
        return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]

    w = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    for colour in np.eye(3):
        grey = F.conv2d(torch.tensor(colour).reshape(1, 3, 1, 1), w.reshape(1, 3, 1, 1))
        assert np.isclose(noted(colour), grey.item())
    # three numbers become one: these two colours can no longer be told apart
    one, other = np.array([0.587, 0.0, 0.0]), np.array([0.0, 0.299, 0.0])
    assert np.isclose(noted(one), noted(other))


def test_each_kernel_makes_one_output_channel():
    def noted(x, w):
        return np.stack(
            [
                sum(slide(x[c], w[o, c]) for c in range(w.shape[1]))
                for o in range(w.shape[0])
            ]
        )

    for c_in, c_out in [(3, 1), (2, 4), (1, 3)]:
        x, w = RNG.normal(size=(c_in, 6, 5)), RNG.normal(size=(c_out, c_in, 3, 2))
        theirs = F.conv2d(torch.tensor(x)[None], torch.tensor(w))[0]
        np.testing.assert_allclose(noted(x, w), theirs)
        np.testing.assert_allclose(noted(x, w), conv2d(x[None], w)[0])
        assert noted(x, w).shape == (c_out, 4, 4)


def test_the_index_of_the_output_channel():
    def corrected(x, w, i):
        return sum(slide(x[c], w[i, c]) for c in range(w.shape[1]))

    x, w = RNG.normal(size=(2, 5, 5)), RNG.normal(size=(4, 2, 3, 3))
    theirs = F.conv2d(torch.tensor(x)[None], torch.tensor(w))[0]
    for i in range(4):
        np.testing.assert_allclose(corrected(x, w, i), theirs[i])


def test_the_shape_of_the_weights():
    def corrected(c_out, c_in, rows, columns):
        return c_out, c_in, rows, columns

    for c_out, c_in, rows, columns in [(6, 3, 5, 4), (2, 1, 3, 7)]:
        layer = nn.Conv2d(c_in, c_out, (rows, columns))
        assert corrected(c_out, c_in, rows, columns) == tuple(layer.weight.shape)


def test_the_kernel_of_rgb():
    def noted(c_in, c_out, rows, columns):
        return c_out, c_in, rows, columns

    channels = data.astronaut().shape[-1]
    assert channels == 3
    layer = nn.Conv2d(channels, 5, (4, 2))
    assert noted(channels, 5, 4, 2) == tuple(layer.weight.shape)


def test_an_input_channel_has_a_slice():
    def noted(c_in, rows, columns):
        return c_in, rows, columns

    def corrected(c_in, rows, columns):
        return rows, columns

    weight = nn.Conv2d(3, 6, (5, 4)).weight
    for o, c in np.ndindex(6, 3):
        assert corrected(3, 5, 4) == tuple(weight[o, c].shape)
    assert noted(3, 5, 4) == tuple(weight[0].shape)  # that of one output channel


def test_kernels_counted_as_slices():
    def noted(c_in, c_out):
        return c_in * c_out

    def corrected(c_in, c_out):
        return c_out

    for c_in, c_out, k in [(3, 6, 5), (1, 4, 3), (6, 12, 5)]:
        weight = nn.Conv2d(c_in, c_out, k).weight
        slices = weight.reshape(-1, k, k)
        assert noted(c_in, c_out) == len(slices)
        assert corrected(c_in, c_out) == len(weight)
        assert (noted(c_in, c_out) == len(weight)) == (c_in == 1)
        # either way the layer has the same numbers
        assert weight.numel() == noted(c_in, c_out) * k * k
    assert parameter_count(3, 6, 5) == 456


def test_a_small_network_of_the_notes():
    def noted(n):
        first = n - 5 + 1
        second = first // 2 - 5 + 1
        return [first, first // 2, second, second // 2, 12 * (second // 2) ** 2, 10]

    network = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.AvgPool2d(2), nn.Conv2d(6, 12, 5), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip
    for n in (28, 30, 31):  # the pools round 13 and 9 down
        x, sizes = torch.zeros(1, 3, n, n), []
        for layer in network:
            x = layer(x)
            sizes.append(x.shape[-1])
        assert noted(n) == sizes
    assert noted(28) == [24, 12, 8, 4, 192, 10]


def test_one_bias_for_each_output_channel():
    def noted(c_out):
        return c_out

    for c_in, c_out in [(3, 6), (6, 12)]:
        layer = nn.Conv2d(c_in, c_out, 5)
        assert noted(c_out) == layer.bias.numel()
        bare = parameter_count(c_in, c_out, 5, bias=False)
        assert noted(c_out) == parameter_count(c_in, c_out, 5) - bare


def test_layers_are_those_with_weights():
    def noted(network):
        return sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network)

    network = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.AvgPool2d(2), nn.Conv2d(6, 12, 5), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip
    with_weights = sum(numbers(layer) > 0 for layer in network)
    assert noted(network) == with_weights == 3


def test_a_layer_filters():
    def noted(x, w):
        return ndimage.correlate(x, w, mode="constant")

    x, w = RNG.normal(size=(7, 6)), RNG.normal(size=(3, 3))
    ours = conv2d(x[None, None], w[None, None], padding="same")[0, 0]
    tensors = (torch.tensor(a)[None, None] for a in (x, w))
    np.testing.assert_allclose(noted(x, w), F.conv2d(*tensors, padding=1)[0, 0])
    np.testing.assert_allclose(noted(x, w), ours)


def test_a_one_by_one_layer_is_dense_at_each_position():
    def noted(x, w):
        return np.einsum("oc,chw->ohw", w, x)

    for c_in, c_out in [(3, 7), (64, 32), (5, 1)]:
        x, w = RNG.normal(size=(c_in, 4, 5)), RNG.normal(size=(c_out, c_in))
        by_pixel = F.linear(torch.tensor(x.reshape(c_in, -1).T), torch.tensor(w))
        np.testing.assert_allclose(noted(x, w).reshape(c_out, -1).T, by_pixel)
        theirs = F.conv2d(torch.tensor(x)[None], torch.tensor(w)[..., None, None])[0]
        np.testing.assert_allclose(noted(x, w), theirs)


def test_six_maps_from_colour_and_thirty_two_from_sixty_four():
    def noted(n, k, filters):
        return n - k + 1, n - k + 1, filters

    for n, c_in, k, filters in [(32, 3, 5, 6), (56, 64, 1, 32)]:
        y = nn.Conv2d(c_in, filters, k)(torch.zeros(1, c_in, n, n))
        assert noted(n, k, filters) == tuple(y[0].permute(1, 2, 0).shape)
    assert noted(32, 5, 6) == (28, 28, 6)
    assert noted(56, 1, 32) == (56, 56, 32)


def test_ten_filters_on_thirty_two_cells():
    def noted(n, p, k, c, filters):
        return n + 2 * p - k + 1, (k * k * c + 1) * filters

    assert noted(32, 2, 5, 3, 10) == (32, 760)
    for n, p, k, c, filters in [(32, 2, 5, 3, 10), (28, 0, 5, 3, 6), (9, 1, 2, 4, 3)]:
        layer = nn.Conv2d(c, filters, k, padding=p)
        size = layer(torch.zeros(1, c, n, n)).shape[-1]
        assert noted(n, p, k, c, filters) == (size, numbers(layer))
        assert numbers(layer) == parameter_count(c, filters, k)


def test_weights_and_biases_of_a_layer():
    def noted(f, c, k):
        return f**2 * c * k + k

    for c_in, c_out, k in LAYERS:
        assert noted(k, c_in, c_out) == numbers(nn.Conv2d(c_in, c_out, k))
        assert noted(k, c_in, c_out) == parameter_count(c_in, c_out, k)


def test_convolutional_layers_need_few_weights():
    def noted(c_in, c_out, k):
        return c_in * c_out * k**2

    for c_in, c_out, k in LAYERS:
        assert noted(c_in, c_out, k) == numbers(nn.Conv2d(c_in, c_out, k, bias=False))
    # all of VGG-16's convolutions have a seventh of its first dense layer's weights
    channels = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    pairs = itertools.pairwise(channels)
    convolutions = sum(noted(*pair, 3) for pair in pairs)
    assert round(convolutions / 1e6, 1) == 14.7
    assert 6.9 < noted(512, 4096, 7) / convolutions < 7.1
    # the dense layer after the last map is a kernel as large as the map
    for c_in, k, c_out, printed in [(16, 5, 120, 48e3), (512, 7, 4096, 102e6)]:
        dense = nn.Linear(c_in * k * k, c_out, bias=False, device="meta")
        assert noted(c_in, c_out, k) == numbers(dense)
        assert abs(noted(c_in, c_out, k) / printed - 1) < 0.01


def alexnet_map(size, padding):
    """Follow one axis of AlexNet's layers, as torch counts, to the last map."""
    for kernel, stride, p in [
        (11, 4, padding), (3, 2, 0), (5, 1, 2), (3, 2, 0),
        (3, 1, 1), (3, 1, 1), (3, 1, 1), (3, 2, 0),
    ]:  # fmt: skip
        size = outputs(size, kernel, stride=stride, padding=p)
    return size


def test_the_first_dense_layer_of_alexnet():
    def noted():
        return 256 * 5 * 5 * 4096

    def corrected():
        return 256 * 6 * 6 * 4096

    by_map = {
        side: numbers(nn.Linear(256 * side**2, 4096, bias=False, device="meta"))
        for side in (5, 6)
    }
    assert alexnet_map(224, 0) == 5
    assert noted() == by_map[5]
    assert round(noted() / 1e6) == 26
    # the paper's sizes need 227 cells, or two zeros around 224
    assert alexnet_map(227, 0) == alexnet_map(224, 2) == 6
    assert corrected() == by_map[6] != noted()


def separable(c_in, c_out, k):
    """Build the depthwise and the pointwise layer, without biases; k may be a pair."""
    return (
        nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False),
        nn.Conv2d(c_in, c_out, 1, bias=False),
    )


def test_depthwise_then_pointwise():
    def noted(x, depthwise, pointwise):
        between = [slide(x[c], depthwise[c]) for c in range(len(x))]
        return np.einsum("oc,chw->ohw", pointwise, between)

    x = RNG.normal(size=(4, 7, 6))
    u, v = RNG.normal(size=(4, 3, 2)), RNG.normal(size=(5, 4))
    first = F.conv2d(torch.tensor(x)[None], torch.tensor(u)[:, None], groups=4)
    theirs = F.conv2d(first, torch.tensor(v)[..., None, None])[0]
    np.testing.assert_allclose(noted(x, u, v), theirs)


KERNELS = [(1, 1), (1, 2), (2, 1), (3, 3), (2, 5)]


def test_what_separating_saves():
    def noted(m, n, h, w):
        return h * w * m + m * n, h * w * m * n

    def corrected(n, h, w):
        return (n - 1) * (h * w - 1) > 1

    for m, n in itertools.product((1, 3, 4), (1, 2, 3, 8)):
        for h, w in KERNELS:
            first, second = separable(m, n, (h, w))
            ordinary = numbers(nn.Conv2d(m, n, (h, w), bias=False))
            assert noted(m, n, h, w) == (numbers(first, second), ordinary)
            saved = numbers(first, second) < ordinary
            assert corrected(n, h, w) == saved
            depthwise = parameter_count(m, m, (h, w), groups=m, bias=False)
            assert depthwise == numbers(first)


def test_shapes_of_separable_layers():
    def noted(m, n, k):
        return (k, k, m, n), (k, k, 1, m), (1, 1, m, n)

    for m, n, k in LAYERS:
        layers = nn.Conv2d(m, n, k), *separable(m, n, k)
        # the notes write rows, columns, inputs, outputs
        shapes = (tuple(layer.weight.permute(2, 3, 1, 0).shape) for layer in layers)
        assert noted(m, n, k) == tuple(shapes)


def test_parameters_and_products_have_changed_places():
    def noted(m, n, k, h, w):
        return {"parameters": h * w * n * k**2 * m, "products": k**2 * m * n}

    def corrected(m, n, k, h, w):
        return {"parameters": k**2 * m * n, "products": h * w * n * k**2 * m}

    for m, n, k in LAYERS:
        layer = nn.Conv2d(m, n, k, padding="same", bias=False)
        made = products(lambda layer=layer, m=m: layer(torch.zeros(1, m, 7, 6)))
        assert corrected(m, n, k, 7, 6) == {
            "parameters": numbers(layer), "products": made,
        }  # fmt: skip
        assert noted(m, n, k, 7, 6) == {
            "parameters": made, "products": numbers(layer),
        }  # fmt: skip
        assert parameter_count(m, n, k, bias=False) == numbers(layer)
        assert multiply_adds(m, n, k, (7, 6)) == made


def test_the_ratio_of_separable_to_ordinary():
    def noted(n, h, w):
        return 1 / n + 1 / (h * w)

    assert f"{noted(64, 3, 3):.4f}" == "0.1267"
    for m, n in itertools.product((1, 4), (1, 2, 8)):
        for h, w in KERNELS:
            ordinary = nn.Conv2d(m, n, (h, w), padding="same", bias=False)
            first, second = separable(m, n, (h, w))
            first.padding = "same"
            x = torch.zeros(1, m, 7, 6)

            def pair(x=x, first=first, second=second):
                return second(first(x))

            held = numbers(first, second) / numbers(ordinary)
            assert np.isclose(noted(n, h, w), held)
            made = products(lambda x=x, layer=ordinary: layer(x))
            assert np.isclose(noted(n, h, w), products(pair) / made)
            depthwise = multiply_adds(m, m, (h, w), (7, 6), groups=m)
            assert depthwise == products(lambda x=x, layer=first: layer(x))


def test_a_cell_of_a_map_answers_to_a_pattern():
    def noted(left, right):
        return right - left  # what a small edge detector says

    for left, right in [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)]:
        x = torch.tensor([left] * 4 + [right] * 4)[None, None]
        y = F.conv1d(x, torch.tensor([[[-1.0, 1.0]]]))[0, 0]
        assert y[3] == noted(left, right)
        assert (y[[0, 1, 2, 4, 5, 6]] == 0).all()
