"""Interpolation and unpooling against torch and against centred differences."""

import itertools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import (
    KINDS,
    as_pair,
    assert_matches,
    assert_spread,
    in_kind,
    leaf,
    numerical_gradient,
    poolings,
    relative_error,
)

from notebook_utils.convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    conv_transpose2d,
    max_pool2d,
    max_pool2d_backward,
    max_pool2d_with_indices,
    output_size,
)
from notebook_utils.upsampling import (
    avg_unpool2d,
    avg_unpool2d_backward,
    bilinear_kernel,
    interpolate,
    interpolate_backward,
    interpolation_matrix,
    max_unpool2d,
    max_unpool2d_backward,
)

SEEN = Counter()
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
KIND_OPTIONS = ("empty batch", "torch", "numpy", "float32", "float64")


# interpolation


class Case(NamedTuple):
    """Arguments of an interpolation."""

    kind: str
    dtype: str
    seed: int
    shape: tuple
    size: object
    scale_factor: object
    mode: str
    align_corners: bool

    def keywords(self):
        return {
            name: getattr(self, name)
            for name in ("size", "scale_factor", "mode", "align_corners")
        }

    def changed(self):
        facts = {
            "examples": True,
            "size": self.size is not None,
            "scale_factor": self.scale_factor is not None,
            "one factor": isinstance(self.scale_factor, int | float),
            "align_corners": self.align_corners,
            "not aligned": self.mode != "nearest" and not self.align_corners,
            self.mode: True,
            "empty batch": self.shape[0] == 0,
            "one cell": 1 in self.shape[2:],
            "torch": self.kind == "torch",
            "numpy": self.kind == "numpy",
            "float32": self.dtype == "float32",
            "float64": self.dtype == "float64",
        }
        return [name for name, holds in facts.items() if holds]

    def draw(self, shape):
        rng = np.random.default_rng(self.seed)
        return rng.standard_normal(shape).astype(self.dtype)


INTERPOLATION = (
    "size",
    "scale_factor",
    "one factor",
    "align_corners",
    "not aligned",
    "nearest",
    *LINEAR.values(),
    "one cell",
    *KIND_OPTIONS,
)


@st.composite
def interpolations(draw):
    axes = draw(st.sampled_from((1, 2, 3)))
    n, c = draw(st.sampled_from((1, 2, 0))), draw(st.integers(1, 2))
    sides = tuple(draw(st.integers(1, 6 if axes < 3 else 4)) for _ in range(axes))
    mode = draw(st.sampled_from(("nearest", LINEAR[axes], LINEAR[axes])))
    size = scale_factor = None
    if draw(st.booleans()):
        each = st.integers(1, 9 if axes < 3 else 6)
        size = draw(st.one_of(each, st.tuples(*[each] * axes)))
    else:
        each = st.sampled_from((1, 2, 3, 4, 0.5, 1.5, 2.5, 1.7, 0.8, 2.25))
        scale_factor = draw(st.one_of(each, st.tuples(*[each] * axes)))
        factors = (
            scale_factor if isinstance(scale_factor, tuple) else [scale_factor] * axes
        )
        assume(all(side * f >= 1 for side, f in zip(sides, factors, strict=True)))
    return Case(
        kind=draw(st.sampled_from(KINDS)),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shape=(n, c, *sides),
        size=size,
        scale_factor=scale_factor,
        mode=mode,
        align_corners=mode != "nearest" and draw(st.booleans()),
    )


def torch_interpolate(case, x):
    corners = None if case.mode == "nearest" else case.align_corners
    return F.interpolate(x, case.size, case.scale_factor, case.mode, corners)


def naive_interpolate(case, x):
    """Interpolate cell by cell, and mix the corners of each cell's box."""
    sides = case.shape[2:]
    factors = [None] * len(sides)
    if case.size is None:
        factors = case.scale_factor
        factors = factors if isinstance(factors, tuple) else [factors] * len(sides)
        outs = [math.floor(n * f) for n, f in zip(sides, factors, strict=True)]
    else:
        outs = case.size if isinstance(case.size, tuple) else [case.size] * len(sides)
    y = np.zeros((*case.shape[:2], *outs))
    for cell in np.ndindex(*outs):
        choices = []
        for i, n, m, f in zip(cell, sides, outs, factors, strict=True):
            ratio = n / m if f is None else 1 / f
            if case.align_corners:
                u = i * (n - 1) / (m - 1) if m > 1 else 0
            else:
                u = min(max((i + 0.5) * ratio - 0.5, 0), n - 1)
            low = math.floor(u)
            choices.append([(low, 1 - u + low), (min(low + 1, n - 1), u - low)])
        for corner in itertools.product(*choices):
            weight = math.prod(share for _, share in corner)
            y[..., *cell] += weight * x[..., *(place for place, _ in corner)]
    return y


def test_interpolate_is_torchs():
    @given(interpolations())
    def run(case):
        SEEN.update(("interpolate", option) for option in case.changed())
        x = case.draw(case.shape)
        answer = interpolate(in_kind(x, case.kind), **case.keywords())
        if case.shape[0] == 0:  # torch refuses it
            one = leaf(np.zeros((1, *case.shape[1:])))
            oracle = torch_interpolate(case, one)[:0]
        else:
            oracle = torch_interpolate(case, leaf(x))
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "interpolate", INTERPOLATION)


def test_interpolate_is_a_loop_over_cells():
    @settings(max_examples=100)
    @given(interpolations())
    def run(case):
        assume(case.mode != "nearest")
        x = case.draw(case.shape)
        answer = interpolate(in_kind(x, case.kind), **case.keywords())
        assert_matches(answer, naive_interpolate(case, x), case)

    run()


def test_interpolate_backward_is_autograds():
    @given(interpolations())
    def run(case):
        SEEN.update(("backward", option) for option in case.changed())
        if case.shape[0] == 0:
            at = leaf(np.zeros((1, *case.shape[1:])))
            shape = torch_interpolate(case, at).shape
            x, grad_output = case.draw(case.shape), case.draw((0, *shape[1:]))
            oracle = at[:0]
        else:
            at = leaf(case.draw(case.shape))
            y = torch_interpolate(case, at)
            x, grad_output = case.draw(case.shape), case.draw(y.shape)
            (oracle,) = torch.autograd.grad(y, at, leaf(grad_output))
        inputs = [in_kind(each, case.kind) for each in (grad_output, x)]
        answer = interpolate_backward(*inputs, **case.keywords())
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "backward", INTERPOLATION)


def test_interpolate_backward_is_the_slope():
    @settings(max_examples=60)
    @given(interpolations())
    def run(case):
        case = case._replace(dtype="float64")
        x = case.draw(case.shape)
        y = interpolate(x, **case.keywords())
        grad_output = case.draw(y.shape)
        answer = interpolate_backward(grad_output, x, **case.keywords())
        slope = numerical_gradient(
            lambda x: interpolate(x, **case.keywords()), x, grad_output
        )
        assert relative_error(answer, slope) < 1e-6

    run()


def test_the_matrix_is_the_interpolation():
    @given(
        st.integers(1, 12),
        st.integers(1, 16),
        st.sampled_from(("linear", "nearest")),
        st.booleans(),
    )
    def run(size, out, mode, corners):
        corners = corners and mode == "linear"
        SEEN.update([("matrix", "examples"), ("matrix", mode)])
        SEEN["matrix", "align_corners"] += corners
        matrix = interpolation_matrix(size, out, mode=mode, align_corners=corners)
        assert matrix.dtype == np.float64
        basis = torch.eye(size, dtype=torch.float64)[None]
        options = {"mode": mode} | ({"align_corners": corners} if corners else {})
        theirs = F.interpolate(basis, size=out, **options)[0].T
        np.testing.assert_allclose(matrix, theirs, atol=1e-12)
        np.testing.assert_allclose(matrix.sum(axis=1), 1)

    run()
    assert_spread(SEEN, "matrix", ("linear", "nearest", "align_corners"))


def test_a_picture_takes_a_matrix_on_each_side():
    x = np.random.default_rng(0).standard_normal((5, 3))
    a, b = interpolation_matrix(5, 8), interpolation_matrix(3, 7)
    y = interpolate(x[None, None], size=(8, 7), mode="bilinear")[0, 0]
    np.testing.assert_allclose(a @ x @ b.T, y, atol=1e-12)


def test_nearest_is_exact_where_a_quotient_is_whole():
    # 49 · (1/49) is less than 1 in floating point
    x = np.arange(3.0)[None, None]
    for m in (49, 98, 103, 107, 161):
        y = interpolate(x, size=3 * m)[0, 0]
        assert y.tolist() == np.repeat(x[0, 0], m).tolist()
        assert interpolate(x, scale_factor=m)[0, 0].tolist() == y.tolist()


def test_a_wild_value_stays_where_it_is():
    x = np.zeros((1, 1, 1, 6))
    x[..., 2] = np.inf
    y = interpolate(x, size=(1, 12), mode="bilinear")[0, 0, 0]
    assert np.isfinite(y).tolist() == [True] * 3 + [False] * 4 + [True] * 5
    assert np.isinf(interpolate(x, size=(1, 6))).sum() == 1


def test_by_hand():
    y = interpolate([[[0, 4]]], scale_factor=2, mode="linear")
    assert y.dtype == np.float64
    assert y.tolist() == [[[0, 1, 3, 4]]]
    y = interpolate([[[0, 3]]], size=4, mode="linear", align_corners=True)
    assert y.tolist() == [[[0, 1, 2, 3]]]
    assert interpolate([[[1, 2]]], size=np.array([5])).tolist() == [[[1, 1, 1, 2, 2]]]


# bilinear kernels


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8, (2, 3), (5, 1)])
def test_a_bilinear_kernel_interpolates_away_from_the_border(factor):
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 6))
    kernel = bilinear_kernel(factor)
    assert kernel.dtype == np.float64
    factors = as_pair(factor)
    padding = tuple((k - f) // 2 for k, f in zip(kernel.shape, factors, strict=True))
    options = {"stride": factor, "padding": padding}
    up = conv_transpose2d(x, kernel[None, None], **options)
    theirs = F.interpolate(
        torch.tensor(x), scale_factor=factors, mode="bilinear"
    ).numpy()
    assert up.shape == theirs.shape
    inner = zip(factors, up.shape[2:], strict=True)
    rows, columns = (slice(f // 2, n - f // 2) for f, n in inner)
    np.testing.assert_allclose(
        up[..., rows, columns], theirs[..., rows, columns], atol=1e-12
    )
    agree = np.isclose(up, theirs).sum()
    assert agree == theirs[..., rows, columns].size  # and nowhere else


@pytest.mark.parametrize("k", [1, 3, 4, 5, 7, 8, 9, 64])
def test_a_bilinear_kernel_is_that_of_fcn(k):
    # the recipe of FCN's code: from the kernel's size, not from the factor
    factor = (k + 1) // 2
    centre = factor - 1 if k % 2 else factor - 0.5
    rows, columns = np.ogrid[:k, :k]
    filt = (1 - abs(rows - centre) / factor) * (1 - abs(columns - centre) / factor)
    if k == 2 * factor - factor % 2:
        np.testing.assert_allclose(bilinear_kernel(factor), filt, atol=1e-15)
    else:
        assert k in (3, 7)  # an odd kernel for an even factor: centred on a cell


# unpooling


def windows(case):
    return {"stride": case.stride, "padding": case.padding}


def stride_of(case):
    return as_pair(case.kernel if case.stride is None else case.stride)


def pooled(case):
    window = {"stride": stride_of(case), "padding": case.padding}
    return output_size(case.size, as_pair(case.kernel), **window)


def note(function, case):
    SEEN.update((function, option) for option in case.changed() if option != "stride")
    SEEN[function, "stride"] += case.stride is not None
    default = [
        max(1, (n - 1) * s + k - 2 * p)
        for n, s, k, p in zip(
            pooled(case),
            stride_of(case),
            as_pair(case.kernel),
            as_pair(case.padding),
            strict=True,
        )
    ]
    SEEN[function, "size"] += case.size != tuple(default)


UNPOOL = ("stride", "padding", "size", "non-square", *KIND_OPTIONS)


def test_indices_are_torchs():
    @given(poolings(), st.booleans())
    def run(case, integers):
        note("indices", case)
        (x,) = case.arrays((case.n, case.c, *case.size), integers=integers)
        options = (case.kernel, stride_of(case), case.padding)
        oracle, places = F.max_pool2d(leaf(x), *options, return_indices=True)
        y, indices = max_pool2d_with_indices(
            in_kind(x, case.kind), case.kernel, **windows(case)
        )
        assert_matches(y, oracle, case)
        assert type(indices) is type(y)
        assert str(indices.dtype).endswith("int64")
        np.testing.assert_array_equal(np.asarray(indices), places.numpy())

    run()
    assert_spread(SEEN, "indices", UNPOOL)


def side_by_side(case):
    steps, taps = stride_of(case), as_pair(case.kernel)
    return all(s >= k for s, k in zip(steps, taps, strict=True))


def test_max_unpool2d_is_torchs():
    @settings(max_examples=1500)
    @given(poolings())
    def run(case):
        assume(side_by_side(case))
        note("max_unpool2d", case)
        x, grad_output = case.arrays(
            (case.n, case.c, *pooled(case)), (case.n, case.c, *case.size)
        )
        (picture,) = case.arrays((case.n, case.c, *case.size))
        options = (case.kernel, stride_of(case), case.padding)
        _, indices = F.max_pool2d(leaf(picture), *options, return_indices=True)
        at = leaf(x)
        oracle = F.max_unpool2d(at, indices, *options, output_size=case.size)
        (slope,) = torch.autograd.grad(oracle, at, leaf(grad_output))
        indices = in_kind(indices.numpy(), case.kind)
        options = {**windows(case), "size": case.size}
        x, grad_output = (in_kind(each, case.kind) for each in (x, grad_output))
        answer = max_unpool2d(x, indices, case.kernel, **options)
        assert_matches(answer, oracle, case)
        answer = max_unpool2d_backward(grad_output, x, indices, case.kernel, **options)
        assert_matches(answer, slope, case)

    run()
    assert_spread(SEEN, "max_unpool2d", UNPOOL)


def test_max_unpool2d_where_windows_overlap():
    """The last value stays and the gradient is the slope; torch's is another."""

    @given(poolings(), st.booleans())
    def run(case, integers):
        note("overlap", case)
        size, options = case.size, {**windows(case), "size": case.size}
        (picture,) = case.arrays((case.n, case.c, *size), integers=integers)
        y, indices = max_pool2d_with_indices(picture, case.kernel, **windows(case))
        x, grad_output = case.arrays(y.shape, picture.shape)
        naive, slope = np.zeros(picture.shape), np.zeros(x.shape)
        owner = {}
        for place in np.ndindex(x.shape):
            cell = (*place[:2], *divmod(int(indices[place]), size[1]))
            SEEN["overlap", "repeated"] += cell in owner
            owner[cell] = place
        for cell, place in owner.items():
            naive[cell], slope[place] = x[place], grad_output[cell]
        x, grad_output = (in_kind(each, case.kind) for each in (x, grad_output))
        indices = in_kind(indices, case.kind)
        answer = max_unpool2d(x, indices, case.kernel, **options)
        assert_matches(answer, naive, case)
        answer = max_unpool2d_backward(grad_output, x, indices, case.kernel, **options)
        assert_matches(answer, slope, case)

    run()
    assert_spread(SEEN, "overlap", (*UNPOOL, "repeated"))


def test_pooled_and_put_back_the_gradient_is_right_where_torchs_is_doubled():
    x = np.array([[[[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]])
    y, indices = max_pool2d_with_indices(x, 2, stride=1)
    back = max_unpool2d(y, indices, 2, stride=1)
    assert back.tolist() == x.tolist()
    ones = np.ones_like(x)
    grad_y = max_unpool2d_backward(ones, y, indices, 2, stride=1)
    grad_x = max_pool2d_backward(grad_y, x, 2, stride=1)
    assert grad_x[0, 0, 1, 1] == 1  # the middle comes back once
    at = leaf(x)
    pooled_there, places = F.max_pool2d(at, 2, 1, return_indices=True)
    there = F.max_unpool2d(pooled_there, places, 2, 1)
    (theirs,) = torch.autograd.grad(there.sum(), at)
    assert theirs[0, 0, 1, 1] == 4


def naive_avg_unpool(case, x):
    total, count = np.zeros((case.n, case.c, *case.size)), np.zeros(case.size)
    (sh, sw), (kh, kw) = stride_of(case), as_pair(case.kernel)
    ph, pw = as_pair(case.padding)
    for i, j in np.ndindex(pooled(case)):
        for a, b in np.ndindex(kh, kw):
            r, c = i * sh + a - ph, j * sw + b - pw
            if 0 <= r < case.size[0] and 0 <= c < case.size[1]:
                total[..., r, c] += x[..., i, j]
                count[r, c] += 1
    return total / np.maximum(count, 1)


def test_avg_unpool2d_is_a_loop():
    @given(poolings())
    def run(case):
        note("avg_unpool2d", case)
        (x,) = case.arrays((case.n, case.c, *pooled(case)))
        options = {**windows(case), "size": case.size}
        answer = avg_unpool2d(in_kind(x, case.kind), case.kernel, **options)
        assert_matches(answer, naive_avg_unpool(case, x), case)

    run()
    assert_spread(SEEN, "avg_unpool2d", UNPOOL)


def test_avg_unpool2d_backward_is_the_transpose():
    """The loop is linear: its gradient comes from its values at the unit pictures."""

    @given(poolings())
    def run(case):
        note("avg_unpool2d_backward", case)
        shape = (case.n, case.c, *pooled(case))
        x, grad_output = case.arrays(shape, (case.n, case.c, *case.size))
        units = np.eye(math.prod(pooled(case))).reshape(1, -1, *pooled(case))
        basis = naive_avg_unpool(case._replace(n=1, c=units.shape[1]), units)[0]
        oracle = np.einsum("uhw,nchw->ncu", basis, grad_output).reshape(shape)
        inputs = [in_kind(each, case.kind) for each in (grad_output, x)]
        options = {**windows(case), "size": case.size}
        answer = avg_unpool2d_backward(*inputs, case.kernel, **options)
        assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "avg_unpool2d_backward", UNPOOL)


def test_backwards_of_unpooling_are_the_slopes():
    @settings(max_examples=60)
    @given(poolings())
    def run(case):
        case = case._replace(dtype="float64")
        size = case.size
        picture, grad_output = case.arrays(*[(case.n, case.c, *size)] * 2)
        options = {**windows(case), "size": size}
        x, indices = max_pool2d_with_indices(picture, case.kernel, **windows(case))
        pairs = [
            (
                max_unpool2d_backward(grad_output, x, indices, case.kernel, **options),
                lambda x: max_unpool2d(x, indices, case.kernel, **options),
            ),
            (
                avg_unpool2d_backward(grad_output, x, case.kernel, **options),
                lambda x: avg_unpool2d(x, case.kernel, **options),
            ),
        ]
        for answer, function in pairs:
            slope = numerical_gradient(function, x, grad_output)
            assert relative_error(answer, slope) < 1e-6

    run()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_pools_undo_unpools_side_by_side(kind):
    x = in_kind(np.random.default_rng(0).standard_normal((2, 3, 4, 3)), kind)
    for kernel in (2, 3, (1, 4)):
        up = avg_unpool2d(x, kernel)
        np.testing.assert_allclose(avg_pool2d(up, kernel), x)
        repeats = as_pair(kernel)
        theirs = F.interpolate(leaf(np.asarray(x)), scale_factor=repeats).detach()
        np.testing.assert_array_equal(np.asarray(up), theirs.numpy())
        # the other average unpooling, which is the gradient of the mean, is its share
        share = avg_pool2d_backward(x, up, kernel)
        np.testing.assert_allclose(share * math.prod(repeats), up)


def test_unpooling_by_hand():
    x = [[[[1, 2, 5, 3], [4, 0, 1, 2], [7, 8, 1, 0], [3, 2, 1, 9]]]]
    y, indices = max_pool2d_with_indices(x, 2)
    assert (y.tolist(), indices.tolist()) == (
        [[[[4, 5], [8, 9]]]],
        [[[[4, 2], [9, 15]]]],
    )
    up = max_unpool2d(y, indices.tolist(), 2)
    assert up[0, 0].tolist() == [[0, 0, 5, 0], [4, 0, 0, 0], [0, 8, 0, 0], [0, 0, 0, 9]]
    assert avg_unpool2d([[[[1, 2]]]], 2, size=(2, 5)).tolist() == [
        [[[1, 1, 2, 2, 0]] * 2]
    ]
    overlapping = avg_unpool2d([[[[1, 3, 8]]]], (1, 2), stride=1)
    assert overlapping.tolist() == [[[[1, 2, 5.5, 8]]]]


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_indices_of_nan_and_of_padding(kind):
    x = np.full((1, 1, 4, 4), -np.inf)
    x[0, 0, 2, 3] = np.nan
    y, indices = max_pool2d_with_indices(in_kind(x, kind), 2, stride=2, padding=1)
    np.testing.assert_array_equal(
        np.asarray(y), np.asarray(max_pool2d(in_kind(x, kind), 2, stride=2, padding=1))
    )
    assert indices[0, 0].tolist() == [[0, 1, 3], [4, 5, 11], [12, 13, 15]]


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(
        (1, 2, 3, 4), generator=generator, dtype=torch.float64, requires_grad=True
    )
    _, indices = max_pool2d_with_indices(torch.rand((1, 2, 6, 8)), 2)
    for function in (
        lambda x: interpolate(x, size=(5, 5), mode="bilinear"),
        lambda x: interpolate(x, scale_factor=2),
        lambda x: max_unpool2d(x, indices, 2),
        lambda x: avg_unpool2d(x, 3, stride=2, padding=1),
    ):
        torch.autograd.gradcheck(function, x)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_inputs_are_left_alone(kind):
    original = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    x = in_kind(original, kind)
    interpolate(x, size=4)[...] = 0
    interpolate(x, size=4, mode="bilinear", align_corners=True)[...] = 0
    y, indices = max_pool2d_with_indices(x, 1)
    before = np.asarray(indices).copy()
    max_unpool2d(y, indices, 1)[...] = 0
    max_unpool2d_backward(x, y, indices, 1)[...] = 0
    avg_unpool2d(x, 1)[...] = 0
    avg_unpool2d_backward(x, x, 1)[...] = 0
    interpolate_backward(x, x, size=4)[...] = 0
    np.testing.assert_array_equal(np.asarray(x), original)
    np.testing.assert_array_equal(np.asarray(indices), before)


X = np.ones((1, 2, 3, 4))
INDICES = np.zeros((1, 2, 3, 4), int)
BILINEAR = {"mode": "bilinear"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: interpolate(X, size=5, mode="cubic"),
            "mode is 'cubic', but must be one of nearest, linear, bilinear, trilinear",
        ),
        (lambda: interpolate(X, size=5, mode=["linear"]), r"mode is \['linear'\], but"),
        (
            lambda: interpolate(X, size=5, align_corners=True),
            "align_corners is True, but mode nearest has no corners",
        ),
        (
            lambda: interpolate(X, size=5, mode="linear"),
            r"x of shape \(1, 2, 3, 4\) does not fit \(n, c, w\)",
        ),
        (
            lambda: interpolate(X[0, 0], size=5),
            r"x of shape \(3, 4\) does not fit mode nearest",
        ),
        (
            lambda: interpolate(X[:, :, :0], size=5, **BILINEAR),
            r"x of shape \(1, 2, 0, 4\) has no cells to interpolate",
        ),
        (
            lambda: interpolate(X, **BILINEAR),
            "size is None and scale_factor is None, but exactly one",
        ),
        (
            lambda: interpolate(X, size=2, scale_factor=2, **BILINEAR),
            "size is 2 and scale_factor is 2, but exactly one",
        ),
        (lambda: interpolate(X, size=0), "size is 0, but must be an integer"),
        (lambda: interpolate(X, size=(3, 2.0)), "size is 2.0, but must be an integer"),
        (
            lambda: interpolate(X, size=(3, 2, 1)),
            r"size is \(3, 2, 1\), but must be one number or one for each of the 2",
        ),
        (
            lambda: interpolate(X, scale_factor=(2, -1)),
            "scale_factor holds -1, but must be positive and finite",
        ),
        (lambda: interpolate(X, scale_factor=math.inf), "scale_factor holds inf, but"),
        (lambda: interpolate(X, scale_factor=True), "scale_factor holds True, but"),
        (lambda: interpolate(X, scale_factor="2"), "scale_factor holds '2', but"),
        (
            lambda: interpolate(X, scale_factor=0.3),
            r"scale_factor 0.3 leaves nothing of \(3, 4\) cells",
        ),
        (
            lambda: interpolate_backward(X, X, size=(3, 5)),
            "grad_output of shape .*: w is 4, but must be 5",
        ),
        (
            lambda: interpolate_backward(X[:, :1], X, size=(3, 4)),
            "grad_output of shape .*: c is 1, but must be 2",
        ),
        (
            lambda: interpolation_matrix(3, 4, mode="bilinear"),
            "mode is 'bilinear', but one axis is linear or nearest",
        ),
        (
            lambda: interpolation_matrix(3, 4, mode="nearest", align_corners=True),
            "align_corners is True, but",
        ),
        (lambda: interpolation_matrix(0, 4), "size is 0, but must be"),
        (lambda: interpolation_matrix(3, 0), "out is 0, but must be"),
        (lambda: bilinear_kernel(0), "factor is 0, but must be"),
        (lambda: bilinear_kernel(1.5), "factor is 1.5, but must be"),
        (
            lambda: max_unpool2d(X, INDICES + 0.0, 2),
            "indices holds float64, but must hold whole numbers",
        ),
        (
            lambda: max_unpool2d(X, INDICES[:, :1], 2),
            "indices of shape .*: c is 1, but must be 2",
        ),
        (
            lambda: max_unpool2d(X, INDICES - 1, 2),
            "indices holds -1, but the output has the cells 0 to 47",
        ),
        (lambda: max_unpool2d(X, INDICES + 48, 2), "indices holds 48, but"),
        (
            lambda: max_unpool2d(X, torch.zeros((1, 2, 3, 4), dtype=torch.int64), 2),
            r"NumPy arrays \(x\) are mixed with torch tensors \(indices\)",
        ),
        (
            lambda: max_unpool2d(X, INDICES, 2, size=(6, 10)),
            r"size is \(6, 10\), but \(3, 4\) cells are what this pool makes of 6 to 7 "
            "rows and 8 to 9 columns",
        ),
        (lambda: max_unpool2d(X, INDICES, 2, size=5), r"size is 5, but \(3, 4\) cells"),
        (
            lambda: avg_unpool2d(X[:, :, :1], (2, 1), stride=1, padding=(1, 0)),
            "size is None, but .* makes of no rows and 4 to 4 columns",
        ),
        (
            lambda: avg_unpool2d(X[:, :, :0], 2),
            "kernel 2 does not fit input 1 with padding 0",
        ),
        (
            lambda: max_unpool2d(X, INDICES, 2, padding=2),
            "padding 2 is more than half of kernel 2: at most 1 fits",
        ),
        (
            lambda: max_unpool2d(X[0], INDICES, 2),
            r"x of shape \(2, 3, 4\) does not fit",
        ),
        (
            lambda: max_unpool2d_backward(X, X, INDICES, 2),
            "grad_output of shape .*: oh is 3, but must be 6",
        ),
        (
            lambda: avg_unpool2d_backward(X, X, 2),
            "grad_output of shape .*: oh is 3, but must be 6",
        ),
        (lambda: avg_unpool2d(X, 0), "kernel is 0, but must be"),
        (lambda: avg_unpool2d(X, 2, stride=0), "stride is 0, but must be"),
        (lambda: max_pool2d_with_indices(X, 5), "kernel 5 does not fit input 3"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(interpolations(), poolings())
    def run(case, pool):
        case, pool = case._replace(kind="cuda"), pool._replace(kind="cuda")
        x = case.draw(case.shape)
        y = interpolate(x, **case.keywords())
        assert_matches(interpolate(in_kind(x, "cuda"), **case.keywords()), y, case)
        there = [in_kind(each, "cuda") for each in (y, x)]
        oracle = interpolate_backward(y, x, **case.keywords())
        assert_matches(interpolate_backward(*there, **case.keywords()), oracle, case)

        (picture,) = pool.arrays((pool.n, pool.c, *pool.size))
        x, indices = max_pool2d_with_indices(picture, pool.kernel, **windows(pool))
        options = {**windows(pool), "size": pool.size}
        for forward, backward, *arrays in (
            (max_unpool2d, max_unpool2d_backward, x, indices),
            (avg_unpool2d, avg_unpool2d_backward, x),
        ):
            there = [in_kind(each, "cuda") for each in arrays]
            oracle = forward(*arrays, pool.kernel, **options)
            assert_matches(forward(*there, pool.kernel, **options), oracle, pool)
            oracle = backward(picture, *arrays, pool.kernel, **options)
            there = [in_kind(picture, "cuda"), *there]
            assert_matches(backward(*there, pool.kernel, **options), oracle, pool)

    run()
