"""What the losses share: reading their arguments, and adding their values up."""

import math
import numbers

import numpy as np

from notebook_utils.arrays import as_floats, is_torch
from notebook_utils.device import to_numpy

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction, count, names):
    """Insist on a way to add up the losses, and on losses to have a mean of."""
    if reduction not in REDUCTIONS:
        choices = ", ".join(map(repr, REDUCTIONS))
        raise ValueError(f"reduction is {reduction!r}, but must be one of {choices}")
    if count == 0 and reduction == "mean":
        raise ValueError(
            f'{names} are empty: no losses have no mean; reduction "sum" and "none" '
            "would do"
        )


def reduce_losses(xp, losses, reduction, like, count=None):
    """Add the losses up, or average them, or leave them; in the type of an array.

    The mean divides by how many losses there are, unless another count is given.
    """
    if reduction == "mean":
        losses = xp.sum(losses) / (_size(losses) if count is None else count)
    elif reduction == "sum":
        losses = xp.sum(losses)
    return xp.astype(losses, like.dtype, copy=False)


def reduce_slopes(xp, slopes, reduction, like, count=None):
    """Divide the slopes of the losses as their mean is divided."""
    if reduction == "mean":
        slopes = slopes / (_size(slopes) if count is None else count)
    return xp.astype(slopes, like.dtype, copy=False)


def _size(x):
    return math.prod(x.shape)


def widen(xp, x):
    """Give half-precision numbers the digits and the range of float32."""
    return xp.astype(x, xp.result_type(x.dtype, xp.float32), copy=False)


def as_scores(**arrays):
    """Read arguments as `as_floats` does, but let only floating arrays decide the type.

    Targets of integers, and weights in a list, would widen float32 scores.
    """
    xp, floats = as_floats(**arrays)
    typed = {name: x for name, x in arrays.items() if _is_floating(x)}
    if typed:
        dtype = as_floats(**typed)[1][0].dtype
        floats = [x if x is None else xp.astype(x, dtype, copy=False) for x in floats]
    return xp, tuple(floats)


def _is_floating(x):
    if is_torch(x):
        return x.dtype.is_floating_point
    return hasattr(x, "dtype") and np.dtype(x.dtype).kind == "f"


def spread_over(xp, x, shape, name, owner):
    """Repeat an array along axes that it lacks, up to the shape of the owner."""
    try:
        fits = np.broadcast_shapes(tuple(x.shape), tuple(shape)) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} cannot be repeated to the shape "
            f"{tuple(shape)} of {owner}"
        )
    return xp.broadcast_to(x, tuple(shape))


def check_finite(xp, x, name):
    """Insist that nothing is NaN or infinite."""
    refuse(xp, x, ~xp.isfinite(x), name, "must be finite")


def refuse(xp, x, wrong, name, rule):
    """Raise for the first entry that is wrong, with the rule that it breaks."""
    if xp.any(wrong):
        place = first_true(wrong)
        at = f" at {place}" if place else ""
        raise ValueError(f"{name} is {float(x[place]):g}{at}, but {rule}")


def first_true(mask):
    """Return the index of the first True."""
    return tuple(int(i) for i in np.argwhere(to_numpy(mask))[0])


def read_number(value, name, low, high, *, above=False):
    """Read a number from `low` (or above it) to `high`."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    fits = is_number and low <= value <= high and not (above and value == low)
    if not fits:
        start = f"above {low:.3g}" if above else f"of at least {low:.3g}"
        end = "" if math.isinf(high) else f" and at most {high:.3g}"
        raise ValueError(f"{name} is {value!r}, but must be a number {start}{end}")
    return float(value)
