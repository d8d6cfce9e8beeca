"""What scores, labels and probabilities must be like, and scores brought into reach."""

import math
import numbers

import array_api_compat
import numpy as np

from notebook_utils._reduction import check_reduction, first_true, widen
from notebook_utils.arrays import as_floats, bind_shapes, is_torch
from notebook_utils.device import to_numpy


def shift(xp, x, axis, temperature=1.0):
    """Move the largest score to 0, which changes no probability; divide by T."""
    check_scores(xp, x, axis, "x")
    x = widen(xp, x)
    temperature = read_temperature(temperature, xp.finfo(x.dtype))
    with np.errstate(over="ignore"):  # too far below the largest is -inf: p = 0
        return (x - xp.max(x, axis=axis, keepdims=True)) / temperature


def bind_labels(scores, labels, reduction, name="logits", check=None):
    """Check a batch; return its scores, and a table (n, k) that is True at the labels.

    The labels decide nothing about the type of the scores, which are checked as scores
    unless there is another check for them.
    """
    xp, (read, classes) = as_floats(**{name: scores}, labels=labels)
    if hasattr(scores, "dtype"):  # integers, read as float64, have widened it
        _, (read,) = as_floats(**{name: scores})
    n, k = bind_shapes(**{name: ("n k", read)}, labels=("n", classes)).values()
    check_reduction(reduction, n, f"{name} and labels")
    (check or check_scores)(xp, read, 1, name)
    check_labels(xp, labels, classes, k)
    every = xp.arange(k, dtype=classes.dtype, device=array_api_compat.device(read))
    return xp, read, classes[:, None] == every


def check_scores(xp, x, axis, name):
    """Insist that each row along the axis can be turned into probabilities."""
    shape = tuple(x.shape)
    is_whole = isinstance(axis, numbers.Integral) and not isinstance(axis, bool)
    if not is_whole or not -x.ndim <= axis < x.ndim:
        axes = f"axes {-x.ndim} to {x.ndim - 1}" if shape else "no axis"
        raise ValueError(f"axis is {axis!r}, but {name} of shape {shape} has {axes}")
    if shape[axis] == 0:
        raise ValueError(
            f"{name} of shape {shape} is empty along axis {axis}, but at least one "
            "score is needed"
        )
    wrong = xp.isnan(x) | (x == math.inf)
    if xp.any(wrong):
        place = first_true(wrong)
        raise ValueError(
            f"{name} is {float(x[place])} at {place}, but must be finite or -inf"
        )
    ruled_out = xp.all(x == -math.inf, axis=axis, keepdims=True)
    if xp.any(ruled_out):
        place = first_true(ruled_out)
        raise ValueError(
            f"{name} holds only -inf along axis {axis}, from {place} on, but at least "
            "one score must be finite"
        )


def check_labels(xp, labels, classes, k):
    """Insist that the labels are integers, and their values classes from 0 to k - 1."""
    given = labels if is_torch(labels) else np.asarray(labels)
    integral = array_api_compat.array_namespace(given).isdtype(given.dtype, "integral")
    if classes.shape[0] and not integral:  # an empty list has no integers to show
        raise ValueError(f"labels holds {given.dtype}, but must hold integers")
    outside = (classes < 0) | (classes >= k)
    if xp.any(outside):
        place = first_true(outside)
        raise ValueError(
            f"labels is {int(classes[place])} at {place}, but must be a class from 0 "
            f"to {k - 1}"
        )


def read_temperature(temperature, limits):
    """Insist on a positive number that a type of these limits holds."""
    low, high = float(limits.smallest_normal), float(limits.max)
    is_number = isinstance(temperature, numbers.Real)
    is_number = is_number and not isinstance(temperature, bool)
    if not is_number or not low <= temperature <= high:
        raise ValueError(
            f"temperature is {temperature!r}, but must be a number from {low:.3g} to "
            f"{high:.3g}"
        )
    return float(temperature)


def check_probabilities(xp, p):
    """Insist that no entry is negative and that each row has the sum 1."""
    if xp.any(p < 0):
        place = first_true(p < 0)
        raise ValueError(f"p is {float(p[place]):g} at {place}, but must be at least 0")
    tolerance = max(1e-6, 4 * float(xp.finfo(p.dtype).eps))
    total = np.sum(to_numpy(p), axis=-1, dtype=np.float64)
    off = ~(np.abs(total - 1) <= tolerance)  # NaN is off, too
    if np.any(off):
        place = first_true(off)
        raise ValueError(
            f"p has the sum {float(total[place]):.9g} at {place}, but must have 1 "
            f"within {tolerance:.3g}"
        )
