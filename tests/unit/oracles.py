"""Slow, obvious or independent twins of the package's functions, and their inputs."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

KINDS = ("numpy", "torch")
PADDINGS = ("int", "pair", "sides", "valid", "same", "full")
OPTIONS = ("stride", "padding", "dilation", "groups")


class Case(NamedTuple):
    """Arguments of a convolution.

    `sides` is the padding in cells, ((top, bottom), (left, right)).
    """

    kind: str
    dtype: str
    seed: int
    n: int
    c: int
    o: int
    size: tuple
    kernel: tuple
    stride: object
    padding: object
    dilation: object
    groups: int
    sides: tuple

    def keywords(self):
        return {name: getattr(self, name) for name in OPTIONS}

    def changed(self):
        """Name what is not as usual about this case."""
        facts = {
            "examples": True,
            "stride": as_pair(self.stride) != (1, 1),
            "padding": self.sides != ((0, 0), (0, 0)),
            "dilation": as_pair(self.dilation) != (1, 1),
            "groups": self.groups > 1,
            "non-square": self.size[0] != self.size[1],
            "empty batch": self.n == 0,
            "one pixel": self.size == (1, 1),
            "torch": self.kind == "torch",
            "numpy": self.kind == "numpy",
            "float32": self.dtype == "float32",
            "float64": self.dtype == "float64",
        }
        return [name for name, holds in facts.items() if holds]

    def arrays(self, *shapes, integers=False):
        """Draw arrays of the case's type from its seed, as NumPy."""
        rng = np.random.default_rng(self.seed)

        def draw(shape):
            if integers:
                return rng.integers(-2, 3, shape)
            return rng.standard_normal(shape)

        return [draw(shape).astype(self.dtype) for shape in shapes]


def as_pair(value):
    return value if isinstance(value, tuple) else (value, value)


def int_or_pair(low, high):
    one = st.integers(low, high)
    return st.one_of(one, st.tuples(one, one))


@st.composite
def convolutions(draw, paddings=PADDINGS, kinds=KINDS, empty=True):
    """Draw valid arguments of conv2d: inputs at least as large as the kernel needs."""
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    kernel = as_pair(draw(int_or_pair(1, 3)))
    stride = draw(int_or_pair(1, 3))
    dilation = draw(int_or_pair(1, 2))
    form = draw(st.sampled_from(paddings))
    few = st.integers(0, 2)
    padding = {
        "int": few,
        "pair": st.tuples(few, few),
        "sides": st.tuples(st.tuples(few, few), st.tuples(few, few)),
    }.get(form, st.just(form))
    padding = draw(padding)
    effective = [
        d * (k - 1) + 1 for k, d in zip(kernel, as_pair(dilation), strict=True)
    ]
    size = tuple(
        draw(st.integers(smallest(e, padding, axis), 7))
        for axis, e in enumerate(effective)
    )
    return Case(
        kind=draw(st.sampled_from(kinds)),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        n=draw(st.sampled_from((1, 2, 1, 2, 0) if empty else (1, 2))),
        c=groups * draw(st.integers(1, 4 // groups)),
        o=groups * draw(st.integers(1, 4 // groups)),
        size=size,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        sides=sides(padding, size, kernel, as_pair(stride), as_pair(dilation)),
    )


@st.composite
def poolings(draw, empty=True):
    """Draw valid arguments of a pool: at most half the kernel is padding.

    A stride of None, as left out, puts the windows side by side.
    """
    kernel = draw(int_or_pair(1, 4))
    taps = as_pair(kernel)
    each = st.tuples(*(st.integers(0, k // 2) for k in taps))
    padding = draw(st.one_of(each, st.integers(0, min(taps) // 2)))
    size = tuple(
        draw(st.integers(max(1, k - 2 * p), 7))
        for k, p in zip(taps, as_pair(padding), strict=True)
    )
    return Case(
        kind=draw(st.sampled_from(KINDS)),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        n=draw(st.sampled_from((1, 2, 1, 2, 0) if empty else (1, 2))),
        c=draw(st.integers(1, 3)),
        o=0,
        size=size,
        kernel=kernel,
        stride=draw(st.one_of(st.none(), int_or_pair(1, 3))),
        padding=padding,
        dilation=1,
        groups=1,
        sides=tuple((p, p) for p in as_pair(padding)),
    )


def smallest(effective, padding, axis):
    """Return the smallest size, from 1, in which an effective kernel fits."""
    if padding in ("same", "full"):
        return 1
    if padding == "valid":
        return effective
    each = as_pair(padding)[axis]
    return max(1, effective - (sum(each) if isinstance(each, tuple) else 2 * each))


def sides(padding, size, kernel, stride, dilation):
    """Return the padding in cells; "same" by TensorFlow's documented formula."""
    answer = []
    for axis in range(2):
        effective = dilation[axis] * (kernel[axis] - 1) + 1
        if padding == "valid":
            answer.append((0, 0))
        elif padding == "full":
            answer.append((effective - 1, effective - 1))
        elif padding == "same":
            rest = size[axis] % stride[axis]
            total = max(effective - (rest or stride[axis]), 0)
            answer.append((total // 2, total - total // 2))
        else:
            each = as_pair(padding)[axis]
            answer.append(each if isinstance(each, tuple) else (each, each))
    return tuple(answer)


def padded(x, around):
    (top, bottom), (left, right) = around
    return F.pad(x, (left, right, top, bottom))


def torch_conv2d(case, x, weight, bias=None):
    """Convolve with torch, padding made explicit beforehand."""
    stride, dilation = as_pair(case.stride), as_pair(case.dilation)
    x = padded(x, case.sides)
    return F.conv2d(x, weight, bias, stride, 0, dilation, case.groups)


def naive_conv2d(case, x, weight, bias):
    """Convolve with seven loops: image, out, row, column; in, tap's row and column."""
    (top, bottom), (left, right) = case.sides
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, _, h, w = x.shape
    o, depth, kh, kw = weight.shape
    (sh, sw), (dh, dw) = as_pair(case.stride), as_pair(case.dilation)
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((n, o, oh, ow))
    for image, out, i, j in itertools.product(range(n), range(o), range(oh), range(ow)):
        first = out // (o // case.groups) * depth
        total = bias[out]
        for c, a, b in itertools.product(range(depth), range(kh), range(kw)):
            cell = x[image, first + c, sh * i + dh * a, sw * j + dw * b]
            total += weight[out, c, a, b] * cell
        y[image, out, i, j] = total
    return y


def numerical_gradient(function, x, grad_output, step=1e-5):
    """Differentiate sum(grad_output * function(x)) with centred differences."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[index] += step
        behind[index] -= step
        difference = function(ahead) - function(behind)
        gradient[index] = np.sum(grad_output * difference) / (2 * step)
    return gradient


def relative_error(a, b):
    """Compare gradients as the course cs231n does."""
    if a.size == 0:
        return 0.0
    return float(np.max(np.abs(a - b) / np.maximum(1e-4, np.abs(a) + np.abs(b))))


def in_kind(array, kind):
    """Turn a NumPy array into the kind asked for.

    A NumPy array is made read-only, to catch writing to it.
    """
    if kind == "numpy":
        array = array.copy()
        array.flags.writeable = False
        return array
    return torch.from_numpy(array.copy()).to("cuda" if kind == "cuda" else "cpu")


def leaf(array):
    """Return a float64 tensor to which torch's autograd computes the gradient."""
    return torch.from_numpy(np.asarray(array, np.float64).copy()).requires_grad_()


def assert_matches(answer, oracle, case):
    """Compare an answer with a float64 oracle: its kind, type, shape and values."""
    oracle = oracle.detach().numpy() if isinstance(oracle, torch.Tensor) else oracle
    if case.kind == "numpy":
        assert isinstance(answer, np.ndarray)
    else:
        assert isinstance(answer, torch.Tensor)
        assert answer.device.type == ("cuda" if case.kind == "cuda" else "cpu")
        answer = answer.cpu().numpy()
    assert str(answer.dtype) == case.dtype
    assert answer.shape == oracle.shape
    tolerance = 1e-4 if case.dtype == "float32" else 1e-10
    np.testing.assert_allclose(answer, oracle, rtol=tolerance, atol=tolerance)


def assert_spread(seen, function, options, *, examples=500, at_least=50):
    """Assert enough examples, and enough of them with each option not as by default."""
    counts = {option: seen[function, option] for option in options}
    assert seen[function, "examples"] >= examples
    assert min(counts.values()) >= at_least, counts


def window_count(size, kernel, stride, around, dilation):
    """Count windows by sliding one."""
    reach, end = dilation * (kernel - 1), size + sum(around)
    return sum(1 for start in range(0, end, stride) if start + reach < end)


EVERYWHERE = ("non-square", "empty batch", "torch", "numpy", "float32", "float64")
INFINITY = math.inf
