"""Sizes, paddings and positions of sliding windows."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    as_pair,
    assert_spread,
    convolutions,
    int_or_pair,
    sides,
    window_count,
)

from notebook_utils.convolution import (
    effective_kernel,
    input_positions,
    output_size,
    same_padding,
    transposed_output_size,
)

SEEN = Counter()
WINDOW_OPTIONS = ("stride", "padding", "dilation")


def sizes_only(case):
    return {"stride": case.stride, "padding": case.padding, "dilation": case.dilation}


def test_output_size_counts_windows():
    @given(convolutions())
    def run(case):
        SEEN.update(("output_size", option) for option in case.changed())
        stride, dilation = as_pair(case.stride), as_pair(case.dilation)
        counted = tuple(
            map(window_count, case.size, case.kernel, stride, case.sides, dilation)
        )
        assert output_size(case.size, case.kernel, **sizes_only(case)) == counted
        for axis in range(2):
            each = {"stride": stride[axis], "dilation": dilation[axis]}
            around = case.sides[axis]
            padding = case.padding if isinstance(case.padding, str) else around[0]
            if isinstance(padding, str) or around[0] == around[1]:
                one = output_size(
                    case.size[axis], case.kernel[axis], padding=padding, **each
                )
                assert type(one) is int
                assert one == counted[axis]

    run()
    assert_spread(SEEN, "output_size", (*WINDOW_OPTIONS, "non-square"))


def test_effective_kernel_spans_the_taps():
    for kernel, dilation in itertools.product(range(1, 8), range(1, 6)):
        image = torch.zeros(1, 1, 1, 50, requires_grad=True)
        weight = torch.ones(1, 1, 1, kernel)
        F.conv2d(image, weight, dilation=(1, dilation))[..., 0].sum().backward()
        read = image.grad[0, 0, 0].nonzero()[:, 0]
        span = int(read[-1] - read[0]) + 1
        assert effective_kernel(kernel, dilation=dilation) == span
    assert effective_kernel((3, 5), dilation=2) == (5, 9)
    with pytest.raises(ValueError, match="dilation"):
        effective_kernel(3, dilation=0)


def test_same_padding_is_tensorflows():
    @given(int_or_pair(1, 40), int_or_pair(1, 7), int_or_pair(1, 5), int_or_pair(1, 3))
    def run(size, kernel, stride, dilation):
        arguments = [as_pair(value) for value in (size, kernel, stride, dilation)]
        SEEN["same_padding", "examples"] += 1
        SEEN["same_padding", "stride"] += arguments[2] != (1, 1)
        SEEN["same_padding", "dilation"] += arguments[3] != (1, 1)
        expected = sides("same", *arguments)
        found = same_padding(size, kernel, stride=stride, dilation=dilation)
        if any(isinstance(value, tuple) for value in (size, kernel, stride, dilation)):
            assert found == expected
        else:
            assert found == expected[0]
        out = output_size(
            *arguments[:2], stride=stride, dilation=dilation, padding="same"
        )
        assert out == tuple(
            -(-n // s) for n, s in zip(arguments[0], arguments[2], strict=True)
        )
        assert out == output_size(
            *arguments[:2], stride=stride, dilation=dilation, padding=expected
        )

    run()
    assert_spread(SEEN, "same_padding", ("stride", "dilation"))


def test_transposed_output_size_is_torchs():
    @given(
        st.integers(1, 9),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(1, 3),
        st.data(),
    )
    def run(size, kernel, stride, padding, dilation, data):
        extra = data.draw(st.integers(0, max(stride, dilation) - 1))
        window = {
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "dilation": dilation,
        }
        for option, default in (
            ("stride", 1),
            ("padding", 0),
            ("dilation", 1),
            ("output_padding", 0),
        ):
            SEEN["transposed_output_size", option] += window[option] != default
        SEEN["transposed_output_size", "examples"] += 1
        if (size - 1) * stride + dilation * (kernel - 1) + extra + 1 <= 2 * padding:
            with pytest.raises(ValueError, match="leaves nothing"):
                transposed_output_size(size, kernel, **window)
            return
        found = transposed_output_size(size, kernel, **window)
        x, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
        assert type(found) is int
        assert found == F.conv_transpose1d(x, weight, **window).shape[-1]
        assert transposed_output_size((size, 9), kernel, **window)[0] == found
        if extra < stride:
            back = {name: window[name] for name in ("stride", "padding", "dilation")}
            assert output_size(found, kernel, **back) == size

    run()
    assert_spread(SEEN, "transposed_output_size", (*WINDOW_OPTIONS, "output_padding"))


def test_transposed_output_size_takes_sides():
    assert transposed_output_size((4, 4), 3, padding=((1, 0), (2, 1))) == (5, 3)


def test_input_positions_name_the_cells_read():
    @given(convolutions())
    def run(case):
        SEEN.update(("input_positions", option) for option in case.changed())
        both = input_positions(case.size, case.kernel, **sizes_only(case))
        outs = output_size(case.size, case.kernel, **sizes_only(case))
        for axis, (positions, out) in enumerate(zip(both, outs, strict=True)):
            stride, dilation = as_pair(case.stride)[axis], as_pair(case.dilation)[axis]
            assert positions.shape == (out, case.kernel[axis])
            assert positions.dtype.kind == "i"
            for (o, k), position in np.ndenumerate(positions):
                assert position + case.sides[axis][0] == o * stride + k * dilation

    run()
    assert_spread(SEEN, "input_positions", WINDOW_OPTIONS)


def test_input_positions_of_one_axis():
    positions = input_positions(4, 3, padding=1)
    assert positions.tolist() == [[-1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    positions = input_positions(5, 2, stride=2, padding="same")
    assert positions.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_one_argument_as_a_pair_makes_the_answer_a_pair():
    assert output_size(7, 3) == 5
    assert output_size(7, (3, 2)) == (5, 6)
    assert output_size(7, 3, padding=(0, 1)) == (5, 7)
    assert output_size([7, 8], np.array([3, 2]), padding=[[0, 1], [2, 0]]) == (6, 9)
    assert output_size(np.int64(7), 3) == 5
    assert same_padding(7, 4) == (1, 2)
    assert same_padding((7, 8), 4, stride=2) == ((1, 2), (1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((7, 5), {"dilation": 2}),
            r"kernel 5 \(effective 9\) does not fit input 7 with padding 0$",
        ),
        (((2, 5), {"padding": 1}), r"kernel 5 does not fit input 2 with padding 1$"),
        (
            ((2, 6), {"padding": ((1, 2), (1, 2))}),
            r"kernel 6 does not fit input 2 with padding 1\+2$",
        ),
        (((0, 3), {}), "kernel 3 does not fit input 0 with padding 0$"),
        (
            ((0, 3), {"padding": "full"}),
            "kernel 3 does not fit input 0 with padding 2$",
        ),
        (
            ((0, 3), {"padding": "same"}),
            "kernel 3 does not fit input 0 with padding 1$",
        ),
        ((((7, 2), 3), {}), "kernel 3 does not fit input 2 with padding 0$"),
        (((7, 0), {}), "kernel is 0, but must be an integer of at least 1"),
        (((7, 1.5), {}), "kernel is 1.5, but must be an integer"),
        (((7, True), {}), "kernel is True, but must be an integer"),
        (
            ((7, (3, 3, 3)), {}),
            r"kernel is \(3, 3, 3\), but must be .* a pair \(h, w\)",
        ),
        (((7, "3"), {}), "kernel is '3', but must be"),
        (((-1, 3), {}), "size is -1, but must be"),
        (((7, 3), {"stride": 0}), "stride is 0, but must be an integer of at least 1"),
        (
            ((7, 3), {"stride": (1, 0)}),
            r"stride is \(1, 0\), but must be an integer of at least 1",
        ),
        (
            ((7, 3), {"dilation": 0}),
            "dilation is 0, but must be an integer of at least 1",
        ),
        (
            ((7, 3), {"padding": -1}),
            'padding is -1, but must be "valid", "same", "full", an integer of at least'
            " 0, a pair",
        ),
        (((7, 3), {"padding": "SAME"}), "padding is 'SAME', but must be \"valid\""),
        (((7, 3), {"padding": (1, 2, 3)}), r"padding is \(1, 2, 3\), but must be"),
        (((7, 3), {"padding": ((1, 2, 3), 1)}), "padding is .* but must be"),
        (((7, 3), {"padding": 0.5}), "padding is 0.5, but must be"),
        (((7, 3), {"padding": None}), "padding is None, but must be"),
    ],
)
def test_output_size_refuses(arguments, message):
    positional, keywords = arguments
    with pytest.raises(ValueError, match=message):
        output_size(*positional, **keywords)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"output_padding": 1},
            "output_padding 1 does not fit stride 1 and dilation 1: "
            "it must be less than 1",
        ),
        ({"stride": 2, "output_padding": 2}, "it must be less than 2"),
        ({"padding": 3}, "padding 3 leaves nothing of a transposed output of 6"),
        (
            {"padding": "same"},
            "padding is 'same', but a transposed convolution needs it as a number",
        ),
        ({"size": 0}, "size is 0, but must be an integer of at least 1"),
        (
            {"output_padding": -1},
            "output_padding is -1, but must be an integer of at least 0",
        ),
    ],
)
def test_transposed_output_size_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        transposed_output_size(**{"size": 4, "kernel": 3, **arguments})


def test_same_padding_refuses():
    with pytest.raises(ValueError, match="kernel is 0, but must be"):
        same_padding(5, 0)
