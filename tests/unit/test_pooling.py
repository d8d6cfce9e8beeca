"""Pools against torch and against centred differences."""

from collections import Counter

import hypothesis
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    EVERYWHERE,
    INFINITY,
    as_pair,
    assert_matches,
    assert_spread,
    in_kind,
    leaf,
    numerical_gradient,
    padded,
    poolings,
    relative_error,
)

from notebook_utils.convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    conv2d,
    lp_pool2d,
    lp_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    output_size,
)

SEEN = Counter()
POOL_OPTIONS = ("stride", "padding", *EVERYWHERE)
EXPONENTS = (1, 1.5, 2, 3, 7.0, INFINITY)


def stride_of(case):
    return case.kernel if case.stride is None else case.stride


def windows(case):
    return {"stride": case.stride, "padding": case.padding}


def shape_in(case):
    return (case.n, case.c, *case.size)


def shape_out(case):
    window = {"stride": stride_of(case), "padding": case.padding}
    return (case.n, case.c, *output_size(case.size, as_pair(case.kernel), **window))


def note(function, case):
    SEEN.update((function, option) for option in case.changed() if option != "stride")
    SEEN[function, "stride"] += case.stride is not None


def torch_max(case, x):
    return F.max_pool2d(x, case.kernel, stride_of(case), case.padding)


def torch_avg(case, x, **options):
    return F.avg_pool2d(x, case.kernel, stride_of(case), case.padding, **options)


def torch_lp(case, x, p):
    magnitudes = padded(x.abs(), case.sides)
    if p == INFINITY:
        return F.max_pool2d(magnitudes, case.kernel, stride_of(case))
    return F.lp_pool2d(magnitudes, float(p), case.kernel, stride_of(case))


def test_max_pool2d_is_torchs():
    @given(poolings(), st.booleans())
    def run(case, integers):
        note("max_pool2d", case)
        (x,) = case.arrays(shape_in(case), integers=integers)
        answer = max_pool2d(in_kind(x, case.kind), case.kernel, **windows(case))
        assert_matches(answer, torch_max(case, leaf(x)), case)

    run()
    assert_spread(SEEN, "max_pool2d", POOL_OPTIONS)


def test_max_pool2d_backward_is_autograds_ties_included():
    @given(poolings(), st.booleans())
    def run(case, integers):
        note("max_pool2d_backward", case)
        SEEN["max_pool2d_backward", "ties"] += integers
        (x,) = case.arrays(shape_in(case), integers=integers)
        (grad_output,) = case.arrays(shape_out(case))
        at = leaf(x)
        (oracle,) = torch.autograd.grad(torch_max(case, at), at, leaf(grad_output))
        inputs = [in_kind(each, case.kind) for each in (grad_output, x)]
        answer = max_pool2d_backward(*inputs, case.kernel, **windows(case))
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "max_pool2d_backward", (*POOL_OPTIONS, "ties"))


def test_avg_pool2d_is_torchs():
    @given(poolings(), st.booleans())
    def run(case, count_include_pad):
        note("avg_pool2d", case)
        SEEN["avg_pool2d", "count_include_pad"] += not count_include_pad
        (x,) = case.arrays(shape_in(case))
        denominator = {"count_include_pad": count_include_pad}
        options = {**windows(case), **denominator}
        answer = avg_pool2d(in_kind(x, case.kind), case.kernel, **options)
        assert_matches(answer, torch_avg(case, leaf(x), **denominator), case)

    run()
    assert_spread(SEEN, "avg_pool2d", (*POOL_OPTIONS, "count_include_pad"))


def test_avg_pool2d_backward_is_autograds():
    @given(poolings(), st.booleans())
    def run(case, count_include_pad):
        note("avg_pool2d_backward", case)
        SEEN["avg_pool2d_backward", "count_include_pad"] += not count_include_pad
        x, grad_output = case.arrays(shape_in(case), shape_out(case))
        at = leaf(x)
        denominator = {"count_include_pad": count_include_pad}
        y = torch_avg(case, at, **denominator)
        (oracle,) = torch.autograd.grad(y, at, leaf(grad_output))
        inputs = [in_kind(each, case.kind) for each in (grad_output, x)]
        options = {**windows(case), **denominator}
        answer = avg_pool2d_backward(*inputs, case.kernel, **options)
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "avg_pool2d_backward", (*POOL_OPTIONS, "count_include_pad"))


def test_lp_pool2d_is_torchs():
    @given(poolings())
    def run(case):
        (x,) = case.arrays(shape_in(case))
        for p in EXPONENTS:
            hypothesis.note(f"p = {p}")
            note(f"lp_pool2d at {p}", case)
            answer = lp_pool2d(in_kind(x, case.kind), p, case.kernel, **windows(case))
            assert_matches(answer, torch_lp(case, leaf(x), p), case)

    run()
    for p in EXPONENTS:
        assert_spread(SEEN, f"lp_pool2d at {p}", POOL_OPTIONS)


def test_lp_pool2d_backward_is_autograds():
    @given(poolings())
    def run(case):
        x, grad_output = case.arrays(shape_in(case), shape_out(case))
        inputs = [in_kind(each, case.kind) for each in (grad_output, x)]
        for p in EXPONENTS:
            hypothesis.note(f"p = {p}")
            note(f"lp_pool2d_backward at {p}", case)
            at = leaf(x)
            y = torch_lp(case, at, p)
            (oracle,) = torch.autograd.grad(y, at, leaf(grad_output))
            answer = lp_pool2d_backward(*inputs, p, case.kernel, **windows(case))
            assert_matches(answer, oracle, case)

    run()
    for p in EXPONENTS:
        assert_spread(SEEN, f"lp_pool2d_backward at {p}", POOL_OPTIONS)


def test_backwards_are_the_slopes():
    @settings(max_examples=60)
    @given(poolings(), st.sampled_from(EXPONENTS), st.booleans())
    def run(case, p, count_include_pad):
        case = case._replace(kind="numpy", dtype="float64")
        rng = np.random.default_rng(case.seed)
        # distinct magnitudes away from 0: no kink within a step
        count = int(np.prod(shape_in(case)))
        magnitudes = (1 + rng.permutation(count)) / (1 + count) + 0.5
        x = (magnitudes * rng.choice((-1, 1), count)).reshape(shape_in(case))
        grad_output = rng.standard_normal(shape_out(case))
        rest = windows(case)
        mean = {**rest, "count_include_pad": count_include_pad}
        pairs = [
            (
                max_pool2d_backward(grad_output, x, case.kernel, **rest),
                lambda x: max_pool2d(x, case.kernel, **rest),
            ),
            (
                avg_pool2d_backward(grad_output, x, case.kernel, **mean),
                lambda x: avg_pool2d(x, case.kernel, **mean),
            ),
            (
                lp_pool2d_backward(grad_output, x, p, case.kernel, **rest),
                lambda x: lp_pool2d(x, p, case.kernel, **rest),
            ),
        ]
        for grad, function in pairs:
            slope = numerical_gradient(function, x, grad_output)
            assert relative_error(grad, slope) < 1e-6

    run()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_ties_go_to_the_first(kind):
    x = in_kind(np.zeros((1, 1, 3, 3)), kind)
    one = in_kind(np.ones((1, 1, 1, 1)), kind)
    first = [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert max_pool2d_backward(one, x, 3)[0, 0].tolist() == first
    assert lp_pool2d_backward(one, x + 1, INFINITY, 3)[0, 0].tolist() == first


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_padding_never_wins(kind):
    x = in_kind(np.full((1, 1, 2, 2), -np.inf), kind)
    grad_output = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    at = leaf(np.full((1, 1, 2, 2), -np.inf))
    y = F.max_pool2d(at, 2, 1, 1)
    (oracle,) = torch.autograd.grad(y, at, leaf(grad_output))
    grad_output = in_kind(grad_output, kind)
    answer = max_pool2d_backward(grad_output, x, 2, stride=1, padding=1)
    assert answer.tolist() == oracle.tolist()
    ours = max_pool2d(in_kind(-np.ones((1, 1, 2, 2)), kind), 2, stride=1, padding=1)
    assert ours.tolist() == (-np.ones((1, 1, 3, 3))).tolist()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_nan_propagates_as_in_torch(kind):
    values = np.arange(16.0).reshape(1, 1, 4, 4)
    values[0, 0, 1, 2] = np.nan
    x, tensor = in_kind(values, kind), torch.from_numpy(values)
    for ours, theirs in (
        (max_pool2d(x, 3, stride=1, padding=1), F.max_pool2d(tensor, 3, 1, 1)),
        (avg_pool2d(x, 2), F.avg_pool2d(tensor, 2)),
        (lp_pool2d(x, 2, 2), F.lp_pool2d(tensor, 2, 2)),
    ):
        np.testing.assert_allclose(np.asarray(ours), theirs.numpy())


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_gradient_goes_to_the_first_nan(kind):
    rng = np.random.default_rng(0)
    windows, grad_output = rng.standard_normal((200, 9)), rng.standard_normal(200)
    nan = rng.random(windows.shape) < 0.3
    windows[nan] = np.nan
    one_nan = windows.copy()
    one_nan[nan & (np.cumsum(nan, axis=1) > 1)] = 0
    counts = nan.sum(axis=1)
    assert min(np.sum(counts == 0), np.sum(counts == 1), np.sum(counts > 1)) >= 5

    # torch takes the last of several: its oracle sees the first only
    grad_output = grad_output[:, None, None, None]
    at = leaf(one_nan.reshape(-1, 1, 3, 3))
    (oracle,) = torch.autograd.grad(F.max_pool2d(at, 3), at, leaf(grad_output))
    x = in_kind(windows.reshape(-1, 1, 3, 3), kind)
    answer = max_pool2d_backward(in_kind(grad_output, kind), x, 3)
    np.testing.assert_array_equal(np.asarray(answer), oracle.numpy())


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("p", [1, 2, 3.5, 100, INFINITY])
def test_lp_pool2d_at_the_ends_of_the_range(kind, p):
    window = np.array([[3.0, -4.0], [0.0, 1.0]])
    magnitudes = np.abs(window)
    if p == INFINITY:
        expected, slope = 4.0, magnitudes == 4
    else:
        expected = np.sum(magnitudes**p) ** (1 / p)
        slope = (magnitudes / expected) ** (p - 1)
    slope = np.sign(window) * slope
    for scale in (1e-300, 1e-150, 1.0, 1e300):
        x = in_kind((window * scale)[None, None], kind)
        y = float(lp_pool2d(x, p, 2)[0, 0, 0, 0])
        assert y / scale == pytest.approx(expected, rel=1e-12)
        grad = lp_pool2d_backward(in_kind(np.ones((1, 1, 1, 1)), kind), x, p, 2)
        np.testing.assert_allclose(np.asarray(grad[0, 0]), slope, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("p", [1, 2, 3.5, INFINITY])
def test_lp_pool2d_of_zeros_and_of_infinity(p):
    zeros, one = np.zeros((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
    assert lp_pool2d(zeros, p, 2).tolist() == [[[[0]]]]
    assert lp_pool2d_backward(one, zeros, p, 2).tolist() == zeros.tolist()
    assert lp_pool2d(zeros - np.inf, p, 2).tolist() == [[[[np.inf]]]]


def test_avg_pool2d_is_a_convolution():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 5))
    weight = np.full((3, 1, 2, 3), 1 / 6)
    ours = avg_pool2d(x, (2, 3), stride=1, padding=1)
    np.testing.assert_allclose(ours, conv2d(x, weight, padding=1, groups=3), atol=1e-12)


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(
        (2, 2, 5, 4), generator=generator, dtype=torch.float64, requires_grad=True
    )
    torch.autograd.gradcheck(lambda x: max_pool2d(x, 2, padding=1), x)
    torch.autograd.gradcheck(
        lambda x: avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False), x
    )
    torch.autograd.gradcheck(lambda x: lp_pool2d(x, 3, 2), x)


def test_inputs_are_left_alone():
    original = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    for x in (original.copy(), torch.from_numpy(original.copy())):
        for forward, backward, p in (
            (max_pool2d, max_pool2d_backward, ()),
            (avg_pool2d, avg_pool2d_backward, ()),
            (lp_pool2d, lp_pool2d_backward, (2,)),
        ):
            y = forward(x, *p, 2, padding=1)
            grad_output = y + 0
            backward(grad_output, x, *p, 2, padding=1)
            np.testing.assert_array_equal(np.asarray(grad_output), np.asarray(y))
            # a pool of one cell must not hand out the input itself
            forward(x, *p, 1)[...] = 0
        np.testing.assert_array_equal(np.asarray(x), original)


X = np.ones((1, 2, 4, 4))
G = np.ones((1, 2, 4, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: max_pool2d(X, 3, padding=2),
            "padding 2 is more than half of kernel 3: at most 1 fits",
        ),
        (
            lambda: avg_pool2d(X, (3, 1), padding=1),
            "padding 1 is more than half of kernel 1: at most 0 fits",
        ),
        (
            lambda: lp_pool2d(X, 2, 2, padding=(0, 2)),
            "padding 2 is more than half of kernel 2: at most 1 fits",
        ),
        (
            lambda: max_pool2d(X, 3, padding="same"),
            "padding is 'same', but must be an integer of at least 0",
        ),
        (lambda: max_pool2d(X, 5), "kernel 5 does not fit input 4 with padding 0"),
        (lambda: max_pool2d(X, 0), "kernel is 0, but must be an integer of at least 1"),
        (
            lambda: max_pool2d(X, 2, stride=0),
            "stride is 0, but must be an integer of at least 1",
        ),
        (
            lambda: max_pool2d(X[0], 2),
            r"x of shape \(2, 4, 4\) does not fit \(n, c, h, w\)",
        ),
        (
            lambda: max_pool2d(X[..., :0], 1),
            "kernel 1 does not fit input 0 with padding 0",
        ),
        (
            lambda: max_pool2d_backward(G, X, 2),
            r"grad_output of shape \(1, 2, 4, 4\) .*: oh is 4, but must be 2",
        ),
        (
            lambda: avg_pool2d_backward(G[:, :1], X, 1),
            "grad_output of shape .*: c is 1, but must be 2",
        ),
        (
            lambda: lp_pool2d_backward(G, X, 2, 2),
            "grad_output of shape .*: oh is 4, but must be 2",
        ),
        (
            lambda: lp_pool2d(X, 0.5, 2),
            "p is 0.5, but must be a number of at least 1, or infinity",
        ),
        (lambda: lp_pool2d(X, float("nan"), 2), "p is nan, but must be"),
        (lambda: lp_pool2d(X, "2", 2), "p is '2', but must be"),
        (lambda: lp_pool2d_backward(G[:, :, :2, :2], X, 0, 2), "p is 0, but must be"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(poolings(), st.sampled_from(EXPONENTS))
    def run(case, p):
        case = case._replace(kind="cuda")
        (x,) = case.arrays(shape_in(case), integers=True)
        (grad_output,) = case.arrays(shape_out(case))
        there = [in_kind(each, "cuda") for each in (grad_output, x)]
        for forward, backward, *rest in (
            (max_pool2d, max_pool2d_backward, case.kernel),
            (avg_pool2d, avg_pool2d_backward, case.kernel),
            (lp_pool2d, lp_pool2d_backward, p, case.kernel),
        ):
            answer = forward(there[1], *rest, **windows(case))
            assert_matches(answer, forward(x, *rest, **windows(case)), case)
            answer = backward(*there, *rest, **windows(case))
            oracle = backward(grad_output, x, *rest, **windows(case))
            assert_matches(answer, oracle, case)

    run()
