"""Transposed convolution's gradients, and the spreading of its input."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    EVERYWHERE,
    OPTIONS,
    as_pair,
    assert_matches,
    assert_spread,
    convolutions,
    in_kind,
    leaf,
    numerical_gradient,
    relative_error,
)

from notebook_utils.convolution import (
    conv2d,
    conv_transpose2d,
    conv_transpose2d_backward,
    spread,
    transposed_output_size,
)

SEEN = Counter()


@st.composite
def transposed(draw, empty=True):
    """Draw a case whose transpose has an output, and an output padding for it."""
    case = draw(convolutions(paddings=("int", "pair"), empty=empty))
    stride, dilation = as_pair(case.stride), as_pair(case.dilation)
    most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
    extra = tuple(draw(st.integers(0, limit)) for limit in most)
    axes = (as_pair(case.padding), case.size, stride, dilation, case.kernel, extra)
    pads = tuple(
        min(p, ((n - 1) * s + d * (k - 1) + e) // 2)
        for p, n, s, d, k, e in zip(*axes, strict=True)
    )
    return case._replace(padding=pads, sides=tuple((p, p) for p in pads)), extra


def shapes(case, extra):
    """Return the shapes of x, weight, bias and y."""
    window = case.keywords() | {"output_padding": extra}
    del window["groups"]
    y = (case.n, case.o, *transposed_output_size(case.size, case.kernel, **window))
    weight = (case.c, case.o // case.groups, *case.kernel)
    return (case.n, case.c, *case.size), weight, (case.o,), y


def note(function, case, extra):
    SEEN.update((function, option) for option in case.changed())
    SEEN[function, "output_padding"] += extra != (0, 0)


def test_conv_transpose2d_backward_is_autograds():
    @given(transposed())
    def run(drawn):
        case, extra = drawn
        note("backward", case, extra)
        x, weight, bias, grad_output = case.arrays(*shapes(case, extra))
        leaves = [leaf(each) for each in (x, weight, bias)]
        options = (as_pair(case.stride), case.padding, extra, case.groups)
        y = F.conv_transpose2d(*leaves, *options, as_pair(case.dilation))
        oracles = torch.autograd.grad(y, leaves, leaf(grad_output))
        inputs = [in_kind(each, case.kind) for each in (grad_output, x, weight)]
        answers = conv_transpose2d_backward(
            *inputs, **case.keywords(), output_padding=extra
        )
        assert len(answers) == 3
        for answer, oracle in zip(answers, oracles, strict=True):
            assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "backward", (*OPTIONS, "output_padding", *EVERYWHERE))


def test_backward_is_the_slope():
    @settings(max_examples=40)
    @given(transposed(empty=False))
    def run(drawn):
        case, extra = drawn
        case = case._replace(kind="numpy", dtype="float64")
        x, weight, bias, grad_output = case.arrays(*shapes(case, extra))
        options = case.keywords() | {"output_padding": extra}
        answers = conv_transpose2d_backward(grad_output, x, weight, **options)
        functions = (
            lambda x: conv_transpose2d(x, weight, **options),
            lambda weight: conv_transpose2d(x, weight, **options),
            lambda bias: conv_transpose2d(x, weight, bias, **options),
        )
        for answer, function, at in zip(
            answers, functions, (x, weight, bias), strict=True
        ):
            slope = numerical_gradient(function, at, grad_output)
            assert relative_error(answer, slope) < 1e-6

    run()


def test_the_transpose_of_the_transpose_is_the_convolution():
    rng = np.random.default_rng(0)
    x, weight, grad = (
        rng.standard_normal(s) for s in ((2, 4, 3, 5), (4, 3, 3, 2), (2, 6, 7, 10))
    )
    options = {"stride": 2, "padding": (0, 1), "groups": 2, "dilation": (1, 3)}
    grad_x, _, _ = conv_transpose2d_backward(grad, x, weight, **options)
    np.testing.assert_allclose(grad_x, conv2d(grad, weight, **options), atol=1e-12)


def test_spread_moves_cells_apart():
    @given(convolutions(empty=True))
    def run(case):
        SEEN.update(("spread", option) for option in case.changed())
        (x,) = case.arrays((case.n, case.c, *case.size))
        sh, sw = as_pair(case.stride)
        h, w = case.size
        naive = np.zeros((case.n, case.c, (h - 1) * sh + 1, (w - 1) * sw + 1))
        for i in range(h):
            for j in range(w):
                naive[..., i * sh, j * sw] = x[..., i, j]
        answer = spread(in_kind(x, case.kind), case.stride)
        assert_matches(answer, naive, case)

    run()
    assert_spread(SEEN, "spread", ("stride", *EVERYWHERE))


def test_the_third_view():
    """Spread, pad by k' - 1 - p (or crop) and correlate with the turned kernel."""

    @settings(max_examples=200)
    @given(transposed())
    def run(drawn):
        case, extra = drawn
        case = case._replace(groups=1, kind="numpy", dtype="float64")
        x, weight, _, _ = case.arrays(*shapes(case, extra))
        y = conv_transpose2d(x, weight, **case.keywords(), output_padding=extra)
        wide = spread(x, case.stride)
        for axis, (k, d, p, e) in enumerate(
            zip(case.kernel, as_pair(case.dilation), case.padding, extra, strict=True),
            start=2,
        ):
            before = d * (k - 1) - p
            pads = [(0, 0)] * 4
            pads[axis] = (max(before, 0), max(before + e, 0))
            wide = np.pad(wide, pads)
            cut = [slice(None)] * 4
            cut[axis] = slice(max(-before, 0), min(before + e, 0) or None)
            wide = wide[tuple(cut)]
        turned = np.flip(np.swapaxes(weight, 0, 1), (2, 3))
        again = conv2d(wide, turned, dilation=case.dilation)
        np.testing.assert_allclose(y, again, atol=1e-10)

    run()


def test_by_hand():
    x, weight = [[[[1, 2], [3, 4]]]], [[[[1, 10], [100, 1000]]]]
    y = conv_transpose2d(x, weight, stride=2)
    assert y.dtype == np.float64
    assert y[0, 0].tolist() == [
        [1, 10, 2, 20],
        [100, 1000, 200, 2000],
        [3, 30, 4, 40],
        [300, 3000, 400, 4000],
    ]
    grads = conv_transpose2d_backward(np.ones((1, 1, 4, 4)), x, weight, stride=2)
    assert grads[0].tolist() == [[[[1111, 1111], [1111, 1111]]]]
    assert grads[1].tolist() == [[[[10, 10], [10, 10]]]]
    assert grads[2].tolist() == [16]
    assert spread(x, (2, 1))[0, 0].tolist() == [[1, 2], [0, 0], [3, 4]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_inputs_are_left_alone(kind):
    x = in_kind(np.ones((1, 1, 2, 2)), kind)
    weight = in_kind(np.ones((1, 1, 3, 3)), kind)
    grad = in_kind(np.ones((1, 1, 4, 4)), kind)
    conv_transpose2d_backward(grad, x, weight)
    spread(x, 1)[...] = 0  # no view of the input
    assert float(x.sum() + weight.sum() + grad.sum()) == 4 + 9 + 16


X, W = np.ones((1, 4, 5, 5)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: conv_transpose2d_backward(np.ones((1, 3, 6, 7)), X, W),
            r"grad_output of shape \(1, 3, 6, 7\) does not fit \(n, o, oh, ow\): "
            "oh is 6, but must be 7",
        ),
        (
            lambda: conv_transpose2d_backward(np.ones((1, 4, 7, 7)), X, W),
            "grad_output of shape .*: o is 4, but must be 3",
        ),
        (
            lambda: conv_transpose2d_backward(np.ones((1, 3, 7, 7)), X, W[:2]),
            "weight of shape .*: c is 2, but must be 4 as in x",
        ),
        (
            lambda: conv_transpose2d_backward(
                np.ones((1, 3, 7, 7)), X, W, output_padding=1
            ),
            "output_padding 1 does not fit stride 1",
        ),
        (lambda: spread(X[0], 2), r"x of shape \(4, 5, 5\) does not fit"),
        (lambda: spread(X, 0), "stride is 0, but must be"),
        (
            lambda: spread(X[:, :, :0], 2),
            r"x of shape \(1, 4, 0, 5\) has no cells to spread",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(transposed())
    def run(drawn):
        case, extra = drawn
        case = case._replace(kind="cuda")
        x, weight, _, grad_output = case.arrays(*shapes(case, extra))
        options = case.keywords() | {"output_padding": extra}
        arrays = (grad_output, x, weight)
        there = [in_kind(each, "cuda") for each in arrays]
        answers = conv_transpose2d_backward(*there, **options)
        oracles = conv_transpose2d_backward(*arrays, **options)
        for answer, oracle in zip(answers, oracles, strict=True):
            assert_matches(answer, oracle, case)

    run()
