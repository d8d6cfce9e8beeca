"""Convolution against torch, against seven loops, and against centred differences."""

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
    naive_conv2d,
    numerical_gradient,
    relative_error,
    torch_conv2d,
)
from scipy import sparse

from notebook_utils.convolution import (
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    convolution_matrix,
    multiply_adds,
    output_size,
    parameter_count,
    transposed_output_size,
)

SEEN = Counter()


def shapes(case):
    """Return the shapes of x, weight and bias."""
    x, bias = (case.n, case.c, *case.size), (case.o,)
    return x, (case.o, case.c // case.groups, *case.kernel), bias


def out_shape(case):
    window = case.keywords()
    del window["groups"]
    return (case.n, case.o, *output_size(case.size, case.kernel, **window))


def test_conv2d_is_torchs():
    @given(convolutions(), st.booleans())
    def run(case, with_bias):
        SEEN.update(("conv2d", option) for option in case.changed())
        x, weight, bias = case.arrays(*shapes(case))
        answer = conv2d(
            in_kind(x, case.kind),
            in_kind(weight, case.kind),
            in_kind(bias, case.kind) if with_bias else None,
            **case.keywords(),
        )
        oracle_bias = leaf(bias) if with_bias else None
        oracle = torch_conv2d(case, leaf(x), leaf(weight), oracle_bias)
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "conv2d", (*OPTIONS, *EVERYWHERE))


def test_conv2d_is_seven_loops():
    @settings(max_examples=150)
    @given(convolutions(kinds=("numpy",)))
    def run(case):
        x, weight, bias = case.arrays(*shapes(case))
        answer = conv2d(x, weight, bias, **case.keywords())
        assert_matches(answer, naive_conv2d(case, x, weight, bias), case)

    run()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_same_at_stride_1_is_torchs():
    @settings(max_examples=100)
    @given(convolutions(paddings=("same",)))
    def run(case):
        x, weight, bias = case.arrays(*shapes(case))
        leaves = [leaf(each) for each in (x, weight, bias)]
        oracle = F.conv2d(*leaves, 1, "same", as_pair(case.dilation), case.groups)
        arrays = [in_kind(each, case.kind) for each in (x, weight, bias)]
        answer = conv2d(*arrays, **{**case.keywords(), "stride": 1})
        assert_matches(answer, oracle, case)

    run()


def test_conv2d_backward_is_autograds():
    @given(convolutions())
    def run(case):
        SEEN.update(("conv2d_backward", option) for option in case.changed())
        x, weight, bias, grad_output = case.arrays(*shapes(case), out_shape(case))
        leaves = [leaf(x), leaf(weight), leaf(bias)]
        y = torch_conv2d(case, *leaves)
        oracles = torch.autograd.grad(y, leaves, leaf(grad_output))
        arrays = [in_kind(each, case.kind) for each in (grad_output, x, weight)]
        answers = conv2d_backward(*arrays, **case.keywords())
        for answer, oracle in zip(answers, oracles, strict=True):
            assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "conv2d_backward", (*OPTIONS, *EVERYWHERE))


def test_conv2d_backward_is_the_slope():
    @settings(max_examples=40)
    @given(convolutions(kinds=("numpy",)))
    def run(case):
        case = case._replace(dtype="float64")
        x, weight, bias, grad_output = case.arrays(*shapes(case), out_shape(case))
        grads = conv2d_backward(grad_output, x, weight, **case.keywords())
        functions = (
            lambda x: conv2d(x, weight, bias, **case.keywords()),
            lambda weight: conv2d(x, weight, bias, **case.keywords()),
            lambda bias: conv2d(x, weight, bias, **case.keywords()),
        )
        for grad, function, at in zip(grads, functions, (x, weight, bias), strict=True):
            # linear in each argument: any step is exact, and a large one rounds least
            slope = numerical_gradient(function, at, grad_output, step=0.1)
            assert relative_error(grad, slope) < 1e-7

    run()


def test_conv_transpose2d_is_torchs():
    @given(convolutions(paddings=("int", "pair")), st.data())
    def run(case, data):
        stride, dilation = as_pair(case.stride), as_pair(case.dilation)
        most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        each = st.tuples(*(st.integers(0, limit) for limit in most))
        extra = data.draw(st.one_of(st.integers(0, min(most)), each))
        wanted, extras = as_pair(case.padding), as_pair(extra)
        axes = (wanted, case.size, stride, dilation, case.kernel, extras)
        pads = tuple(
            min(p, ((n - 1) * s + d * (k - 1) + e) // 2)
            for p, n, s, d, k, e in zip(*axes, strict=True)
        )
        case = case._replace(padding=pads, sides=tuple((p, p) for p in pads))
        SEEN.update(("conv_transpose2d", option) for option in case.changed())
        SEEN["conv_transpose2d", "output_padding"] += extras != (0, 0)
        shape_x, _, shape_bias = shapes(case)
        shape_weight = (case.c, case.o // case.groups, *case.kernel)
        arrays = case.arrays(shape_x, shape_weight, shape_bias)
        oracle = F.conv_transpose2d(
            *map(leaf, arrays), stride, pads, extras, case.groups, dilation
        )
        inputs = [in_kind(each, case.kind) for each in arrays]
        answer = conv_transpose2d(*inputs, **case.keywords(), output_padding=extra)
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "conv_transpose2d", (*OPTIONS, "output_padding", *EVERYWHERE))


def test_conv_transpose2d_undoes_shapes_with_asymmetric_padding():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 2, 5, 6)), rng.standard_normal((3, 2, 3, 2))
    around = ((1, 0), (2, 1))
    y = conv2d(x, weight, padding=around)
    grad_x, _, _ = conv2d_backward(y, x, weight, padding=around)
    up = conv_transpose2d(y, weight, padding=around)
    np.testing.assert_allclose(up, grad_x, atol=1e-12)


def test_convolution_matrix_is_the_convolution():
    @given(convolutions(empty=False), st.booleans())
    def run(case, plain):
        case = case._replace(n=1, groups=1, dilation=1)
        if plain:
            case = case._replace(c=1, o=1)
        if isinstance(case.padding, tuple | int):
            case = case._replace(size=tuple(max(size, 3) for size in case.size))
        SEEN.update(("convolution_matrix", option) for option in case.changed())
        x, weight = case.arrays(*shapes(case)[:2])
        window = {"stride": case.stride, "padding": case.padding}
        y = conv2d(x, weight, **window)
        bank = weight[0, 0] if plain else weight
        input_shape = case.size if plain else (case.c, *case.size)
        matrix = convolution_matrix(in_kind(bank, case.kind), input_shape, **window)
        assert isinstance(matrix, sparse.csr_array)
        assert matrix.dtype == case.dtype
        assert matrix.shape == (y.size, x.size)
        tolerance = {"atol": 1e-4 if case.dtype == "float32" else 1e-10}
        np.testing.assert_allclose(matrix @ x.ravel(), y.ravel(), **tolerance)
        if not isinstance(case.padding, str):
            out = output_size(case.size, case.kernel, **window)
            back = transposed_output_size(out, case.kernel, **window)
            extra = tuple(n - b for n, b in zip(case.size, back, strict=True))
            up = conv_transpose2d(y, weight, **window, output_padding=extra)
            np.testing.assert_allclose(matrix.T @ y.ravel(), up.ravel(), **tolerance)

    run()
    options = ("stride", "padding", "non-square", "torch", "float32")
    assert_spread(SEEN, "convolution_matrix", options)


def test_convolution_matrix_stores_taps_and_no_padding():
    matrix = convolution_matrix([[1, 0], [0, 2]], (2, 3))
    assert matrix.toarray().tolist() == [[1, 0, 0, 0, 2, 0], [0, 1, 0, 0, 0, 2]]
    assert matrix.nnz == 8  # four taps a row, the zeros among the weights too
    assert convolution_matrix(np.ones((3, 3)), (1, 1), padding=1).nnz == 1
    assert convolution_matrix(np.ones((2, 2), np.float16), (2, 2)).dtype == np.float32


def test_by_hand():
    x = [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]
    weight = [[[[1, 0], [0, -1]]]]
    answer = conv2d(x, weight, [10])
    assert answer.dtype == np.float64
    assert answer.tolist() == [[[[6, 6], [6, 6]]]]
    grad_x, grad_weight, grad_bias = conv2d_backward(np.ones((1, 1, 2, 2)), x, weight)
    assert grad_x.tolist() == [[[[1, 1, 0], [1, 0, -1], [0, -1, -1]]]]
    assert grad_weight.tolist() == [[[[12, 16], [24, 28]]]]
    assert grad_bias.tolist() == [4]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_one_element(kind):
    x, weight, grad_output = (
        in_kind(np.full((1, 1, 1, 1), value), kind) for value in (2.0, 3.0, 5.0)
    )
    bias = in_kind(np.array([4.0]), kind)
    assert conv2d(x, weight, bias).tolist() == [[[[10]]]]
    assert conv_transpose2d(x, weight, bias).tolist() == [[[[10]]]]
    grads = conv2d_backward(grad_output, x, weight)
    assert [float(grad.sum()) for grad in grads] == [15, 10, 5]


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)
    x, weight, up = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 2, 4, 3), (4, 1, 2, 2), (2, 2, 2, 3))
    )
    torch.autograd.gradcheck(
        lambda x, w: conv2d(x, w, padding=1, groups=2), (x, weight)
    )
    torch.autograd.gradcheck(
        lambda x, w: conv_transpose2d(x, w, stride=2, padding=1, groups=2), (x, up)
    )


def test_inputs_are_left_alone():
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(shape)
        for shape in ((1, 2, 5, 5), (2, 2, 3, 3), (2,), (1, 2, 5, 5))
    ]
    tensors = [torch.from_numpy(each.copy()) for each in arrays]
    for x, weight, bias, grad in (arrays, tensors):
        conv2d(x, weight, bias, padding=1)
        conv2d(x, weight)
        conv2d_backward(grad, x, weight, padding=1)
        conv_transpose2d(x, weight, bias, padding=1)
        convolution_matrix(weight, (2, 5, 5), padding="same")
    rng = np.random.default_rng(0)
    for array, tensor in zip(arrays, tensors, strict=True):
        original = rng.standard_normal(array.shape)
        np.testing.assert_array_equal(array, original)
        np.testing.assert_array_equal(tensor.numpy(), original)


def test_counts():
    assert parameter_count(3, 64, 7) == 64 * 3 * 49 + 64
    assert parameter_count(4, 8, (3, 1), groups=2, bias=False) == 8 * 2 * 3
    assert multiply_adds(3, 64, 7, 112) == 112 * 112 * 64 * 3 * 49
    many = np.int64(2**20)
    assert type(multiply_adds(many, many, 3, (2**15, 2**15))) is int
    assert multiply_adds(many, many, 3, 2**15) == 9 * 2**70


def test_counts_are_torchs():
    @given(
        st.integers(1, 4),
        st.integers(1, 4),
        int_or_pair_kernel(),
        st.integers(1, 3),
        st.booleans(),
    )
    def run(c_in, c_out, kernel, groups, bias):
        SEEN["parameter_count", "examples"] += 1
        SEEN["parameter_count", "groups"] += groups > 1
        SEEN["parameter_count", "bias"] += not bias
        layout = (c_in * groups, c_out * groups, kernel)
        layer = torch.nn.Conv2d(*layout, groups=groups, bias=bias)
        expected = sum(parameter.numel() for parameter in layer.parameters())
        assert parameter_count(*layout, groups=groups, bias=bias) == expected
        adds = multiply_adds(*layout, (3, 2), groups=groups)
        assert adds == 6 * layer.weight.numel()

    run()
    assert_spread(SEEN, "parameter_count", ("groups", "bias"))


def int_or_pair_kernel():
    return st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))


X, W = np.ones((1, 4, 5, 5)), np.ones((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: conv2d(X[0], W),
            r"x of shape \(4, 5, 5\) does not fit \(n, c, h, w\): "
            "it has 3 axes, but needs 4",
        ),
        (
            lambda: conv2d(X, W[0]),
            r"weight of shape \(4, 3, 3\) does not fit \(o, c/groups, kh, kw\)",
        ),
        (
            lambda: conv2d(X, W, groups=2),
            r"\(6, 4, 3, 3\) .*: c/groups is 4, but must be 2",
        ),
        (
            lambda: conv2d(X, W, np.ones(4)),
            r"bias of shape \(4,\) .*: o is 4, but must be 6 as in weight",
        ),
        (
            lambda: conv2d(X, W, groups=3),
            "groups 3 must divide both the 4 channels in and the 6 channels out: 1, 2",
        ),
        (
            lambda: conv2d(X, W, groups=0),
            "groups is 0, but must be an integer of at least 1",
        ),
        (
            lambda: conv2d(X, W, dilation=3),
            r"kernel 3 \(effective 7\) does not fit input 5 with padding 0",
        ),
        (lambda: conv2d(X, W, stride=0), "stride is 0, but must be"),
        (lambda: conv2d(X, W, padding="reflect"), "padding is 'reflect', but must be"),
        (
            lambda: conv2d(X[:, :, :0], W),
            "kernel 3 does not fit input 0 with padding 0",
        ),
        (lambda: conv2d(X, W[:, :, :0]), "kernel is .*0.*, but must be"),
        (
            lambda: conv2d(X, torch.ones(6, 4, 3, 3)),
            r"NumPy arrays \(x\) are mixed with torch tensors \(weight\)",
        ),
        (lambda: conv2d(X * 1j, W), "x holds complex128, but must hold real numbers"),
        (
            lambda: conv2d_backward(np.ones((1, 6, 5, 5)), X, W),
            r"grad_output of shape \(1, 6, 5, 5\) does not fit \(n, o, oh, ow\): "
            "oh is 5, but must be 3",
        ),
        (
            lambda: conv_transpose2d(X, W),
            "weight of shape .*: c is 6, but must be 4 as in x of shape",
        ),
        (
            lambda: conv_transpose2d(X, W[:4], np.ones(3)),
            r"bias of shape \(3,\) .*: o is 3, but must be 4",
        ),
        (
            lambda: conv_transpose2d(X, W[:4], groups=3),
            "groups 3 must divide both the 4 channels in",
        ),
        (
            lambda: conv_transpose2d(X, W[:4], groups=1.0),
            "groups is 1.0, but must be an integer",
        ),
        (
            lambda: conv_transpose2d(X, W[:4], output_padding=1),
            "output_padding 1 does not fit stride 1",
        ),
        (
            lambda: convolution_matrix(W, (5, 5)),
            r"input_shape is \(5, 5\), but a weight .* needs \(c, h, w\)",
        ),
        (
            lambda: convolution_matrix(W[0, 0], (4, 5, 5)),
            r"input_shape is \(4, 5, 5\), but .* needs \(h, w\)",
        ),
        (
            lambda: convolution_matrix(W[0, 0], 5),
            r"input_shape is 5, but .* needs \(h, w\)",
        ),
        (
            lambda: convolution_matrix(W[0], (5, 5)),
            r"weight has shape \(4, 3, 3\), but must be \(kh, kw\)",
        ),
        (
            lambda: convolution_matrix(W, (3, 5, 5)),
            "weight of shape .*: c is 4, but must be 3",
        ),
        (
            lambda: convolution_matrix(W[0, 0], (5, 2.5)),
            "input_shape is 2.5, but must be an integer",
        ),
        (
            lambda: convolution_matrix(W[0, 0], (2, 5)),
            "kernel 3 does not fit input 2 with padding 0",
        ),
        (
            lambda: parameter_count(0, 4, 3),
            "c_in is 0, but must be an integer of at least 1",
        ),
        (
            lambda: parameter_count(4, 6, 3, groups=4),
            "groups 4 must divide both the 4 .*: 1, 2 would",
        ),
        (lambda: multiply_adds(4, 6, 3, 0), "output_shape is 0, but must be"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(convolutions(kinds=("cuda",)))
    def run(case):
        # NumPy is the oracle here, on doubles: float32 on a GPU may round more coarsely
        case = case._replace(dtype="float64")
        x, weight, bias, grad_output = case.arrays(*shapes(case), out_shape(case))
        tensors = [in_kind(each, "cuda") for each in (x, weight, bias)]
        grad = in_kind(grad_output, "cuda")
        options = case.keywords()
        answer = conv2d(*tensors, **options)
        assert_matches(answer, conv2d(x, weight, bias, **options), case)
        answers = conv2d_backward(grad, *tensors[:2], **options)
        oracles = conv2d_backward(grad_output, x, weight, **options)
        for answer, oracle in zip(answers, oracles, strict=True):
            assert_matches(answer, oracle, case)
        options["padding"] = 0  # a transpose knows no "same"
        answer = conv_transpose2d(grad, tensors[1], **options)
        assert_matches(answer, conv_transpose2d(grad_output, weight, **options), case)

    run()
