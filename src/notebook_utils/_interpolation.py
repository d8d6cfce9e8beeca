"""Where each output of an interpolation looks: the arithmetic of one axis."""

import math
import numbers
from typing import NamedTuple

import numpy as np

from notebook_utils.arrays import bind_shapes, is_sequence, whole

SPECS = {1: "n c w", 2: "n c h w", 3: "n c d h w"}
LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}  # and how many axes they mix
MODES = ("nearest", *LINEAR)


class Grid(NamedTuple):
    """One axis: output i is (1 - share[i]) x[low[i]] + share[i] x[high[i]]."""

    low: np.ndarray
    high: np.ndarray
    share: np.ndarray


def positions(size, out, factor, mode, align_corners):
    """Say where the outputs lie among the inputs, the first of which lies at 0.

    A factor of None means that the outputs share the input evenly.
    """
    i = np.arange(out)
    # whole numbers are multiplied before they are divided: the floor must be exact
    cells, per = (size, out) if factor is None else (1, factor)
    if mode == "nearest":
        return np.floor(i * cells / per)
    if align_corners:
        return i * (size - 1) / max(out - 1, 1)
    return np.maximum((i + 0.5) * cells / per - 0.5, 0)


def grid(size, out, factor, mode, align_corners):
    """Find the two inputs next to each output, and the share of the second one."""
    where = positions(size, out, factor, mode, align_corners)
    low = np.minimum(np.floor(where), size - 1).astype(np.int64)
    return Grid(low, np.minimum(low + 1, size - 1), where - low)


def grids(x, size, scale_factor, mode, align_corners, *, grad_output=None):
    """Check the arguments of an interpolation; pair up the axes of x with their grids.

    Like the axes, the grids count from 2: the axes n and c are not mixed.
    """
    check_mode(mode, align_corners)
    n, c, *sizes = _bind(x, mode)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"size is {size!r} and scale_factor is {scale_factor!r}, but exactly one "
            "of them must be given"
        )
    if size is None:
        factors = _per_axis(scale_factor, "scale_factor", len(sizes), _factor)
        outs = [math.floor(s * f) for s, f in zip(sizes, factors, strict=True)]
        if min(outs) < 1:
            raise ValueError(
                f"scale_factor {scale_factor!r} leaves nothing of {tuple(sizes)} cells"
            )
    else:
        outs = _per_axis(size, "size", len(sizes), _side)
        factors = [None] * len(sizes)
    spec = SPECS[len(sizes)]
    output = dict(zip(spec.split(), (n, c, *outs), strict=True))
    bind_shapes(output, grad_output=(spec, grad_output))
    axes = zip(sizes, outs, factors, strict=True)
    return list(enumerate((grid(*axis, mode, align_corners) for axis in axes), start=2))


def check_mode(mode, align_corners):
    """Insist on a known mode, and on corners only where they say something."""
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, but must be one of {', '.join(MODES)}")
    if align_corners and mode == "nearest":
        raise ValueError(
            "align_corners is True, but mode nearest has no corners to align: only "
            f"{', '.join(LINEAR)} have"
        )


def _bind(x, mode):
    """Return the shape of x, which must fit the mode and have cells."""
    if mode == "nearest" and x.ndim - 2 not in SPECS:
        raise ValueError(
            f"x of shape {tuple(x.shape)} does not fit mode nearest: it needs (n, c, w)"
            ", (n, c, h, w) or (n, c, d, h, w)"
        )
    shape = bind_shapes(x=(SPECS[LINEAR.get(mode, x.ndim - 2)], x)).values()
    if min(list(shape)[2:]) < 1:
        raise ValueError(f"x of shape {tuple(shape)} has no cells to interpolate")
    return shape


def _per_axis(value, name, axes, read):
    """Read one number, or one for each axis, as a list of them."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    values = list(value) if is_sequence(value) else [value] * axes
    if len(values) != axes:
        raise ValueError(
            f"{name} is {value!r}, but must be one number or one for each of the "
            f"{axes} axes after n and c"
        )
    return [read(each, name) for each in values]


def _side(value, name):
    return whole(value, name, minimum=1)


def _factor(value, name):
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0 < value < math.inf:
        raise ValueError(f"{name} holds {value!r}, but must be positive and finite")
    return float(value)
