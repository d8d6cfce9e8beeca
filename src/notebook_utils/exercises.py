"""Checks that a notebook prints: of a reader's attempt, or of ours with a library."""

import copy
import math
import reprlib
from typing import Any, NamedTuple

import numpy as np

from notebook_utils.arrays import is_torch
from notebook_utils.device import to_numpy

WIDTH = 80


def check(attempt, reference, inputs, *, tolerance=1e-9):
    """Compare an attempt with the reference on every input, and print how it went.

    The line is ``not attempted yet``, ``correct (7 inputs)``, or ``not yet:`` and the
    first input that fails, such as
    ``not yet: on input (7, 3) expected 5, got 4 (off by 1)``.

    Parameters
    ----------
    attempt : callable
        The reader's function. One that returns None or ``...`` or raises
        NotImplementedError on every input, or is ``...`` itself, has not been
        attempted.
    reference : callable
        The solution. Where it raises ValueError, the attempt must too.
    inputs : iterable
        A tuple is the positional arguments of one call, a dict its keyword arguments,
        and anything else its only argument. Each call gets copies of its own.
    tolerance : float
        How far a number may be off, relative to the expected one where that exceeds 1
        in magnitude.

    Raises
    ------
    ValueError
        If there are no inputs: nothing would be checked.

    Notes
    -----
    Numbers, arrays, tensors, strings, and tuples, lists and dicts of them are compared;
    NaN equals NaN.
    """
    inputs = list(inputs)
    if not inputs:
        raise ValueError(
            "inputs is empty, but at least one is needed: nothing would be checked"
        )
    outcomes = [_call(attempt, arguments, Exception) for arguments in inputs]
    if all(_is_blank(outcome) for outcome in outcomes):
        print("not attempted yet")
        return
    for arguments, outcome in zip(inputs, outcomes, strict=True):
        fault = _fault(_call(reference, arguments, ValueError), outcome, tolerance)
        if fault:
            print(f"not yet: on input {_show(arguments)} {fault}")
            return
    plural = "s" if len(inputs) > 1 else ""
    print(f"correct ({len(inputs)} input{plural})")


def agree(name, ours, theirs, *, tolerance=1e-9):
    """Print that two results agree; the line is the same on every machine.

    Parameters
    ----------
    name : str
        What is compared.
    ours, theirs : array, tensor, number, or tuples and lists of them
    tolerance : float
        As in `check`.

    Raises
    ------
    ValueError
        If they differ by more, or in shape.
    """
    fault = _difference(theirs, ours, tolerance)
    if fault:
        raise ValueError(f"{name}: {fault}")
    limit = f"{tolerance:g}".replace("e-0", "e-")
    print(f"{name}: difference ≤ {limit}")


class _Outcome(NamedTuple):
    """What a call returned, or else the exception that it raised."""

    value: Any = None
    error: Exception | None = None


def _call(function, arguments, caught):
    if function is None or function is Ellipsis:
        return _Outcome()
    arguments = copy.deepcopy(arguments)
    try:
        if isinstance(arguments, dict):
            return _Outcome(function(**arguments))
        if isinstance(arguments, tuple):
            return _Outcome(function(*arguments))
        return _Outcome(function(arguments))
    except caught as error:
        return _Outcome(error=error)


def _is_blank(outcome):
    if outcome.error is not None:
        return isinstance(outcome.error, NotImplementedError)
    value = outcome.value
    values = value if isinstance(value, tuple) and value else (value,)
    # `in` would compare arrays; what counts is identity
    return all(each is None or each is ... or each is NotImplemented for each in values)


def _fault(expected, got, tolerance):
    """Say how an outcome differs from the one expected; "" where it does not."""
    if expected.error is not None:
        if isinstance(got.error, ValueError):
            return ""
        found = f"got {_show(got.value)}" if got.error is None else _raised(got.error)
        return f"expected a ValueError ({_line(expected.error)}), {found}"
    if got.error is not None:
        return _raised(got.error)
    return _difference(expected.value, got.value, tolerance)


def _raised(error):
    return f"raised {type(error).__name__}: {_line(error)}"


def _difference(expected, got, tolerance):
    """Say how a value differs from the one expected; "" where it does not."""
    expected, got = _plain(expected), _plain(got)
    differs = f"expected {_show(expected)}, got {_show(got)}"
    if isinstance(expected, dict):
        if not isinstance(got, dict) or expected.keys() != got.keys():
            return differs
        return _first_difference(expected, got, expected, tolerance)
    if isinstance(expected, tuple | list) and isinstance(got, tuple | list):
        if len(expected) != len(got):
            return differs
        return _first_difference(expected, got, range(len(expected)), tolerance)
    wanted, found = _numeric(expected), _numeric(got)
    if wanted is None or found is None:
        same = type(expected) is type(got) and expected == got
        return "" if same else differs
    if wanted.shape != found.shape:
        scalar = wanted.ndim == 0 or found.ndim == 0
        return differs if scalar else f"shape {found.shape} instead of {wanted.shape}"
    off = _distances(wanted, found)
    magnitude = np.abs(np.nan_to_num(wanted, posinf=1, neginf=-1))
    if np.all(off <= tolerance * np.maximum(1, magnitude)):
        return ""
    if off.ndim == 0:
        return f"{differs} (off by {float(off):.6g})" if math.isfinite(off) else differs
    place = tuple(int(index) for index in np.unravel_index(np.argmax(off), off.shape))
    place = place[0] if len(place) == 1 else place
    if not math.isfinite(off.max()):
        return f"expected {_show(wanted[place])} at {place}, got {_show(found[place])}"
    return f"largest difference {off.max():.6g} at {place}"


def _first_difference(expected, got, keys, tolerance):
    for key in keys:
        fault = _difference(expected[key], got[key], tolerance)
        if fault:
            return f"item {key!r}: {fault}"
    return ""


def _distances(wanted, found):
    """Absolute differences.

    Infinite where only one is NaN, or where an infinity meets anything but itself.
    """
    kind = complex if "c" in wanted.dtype.kind + found.dtype.kind else float
    wanted, found = wanted.astype(kind), found.astype(kind)
    same = (wanted == found) | (np.isnan(wanted) & np.isnan(found))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(same, 0.0, np.abs(wanted - found))
    return np.where(np.isnan(off), np.inf, off)


def _plain(value):
    """Bring tensors and sparse matrices to NumPy."""
    if is_torch(value):
        return to_numpy(value)
    return value.toarray() if hasattr(value, "toarray") else value


def _numeric(value):
    """Read a value as an array of numbers; None where it is not one."""
    if value is None or isinstance(value, str | bytes | dict):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biufc" else None


class _Brief(reprlib.Repr):
    """Representations cut short, numbers to six digits."""

    def __init__(self):
        super().__init__()
        self.maxstring, self.maxother = 30, 40

    def repr1(self, x, level):
        if is_torch(x) or isinstance(x, np.ndarray):
            array = to_numpy(x)
            if array.size > 9:
                return f"array of shape {array.shape}"
            return super().repr1(array.tolist(), level)
        if isinstance(x, np.generic):
            x = x.item()
        if isinstance(x, float):
            return f"{x:.6g}"
        return super().repr1(x, level)


def _show(value):
    return _line(_Brief().repr(value))


def _line(text):
    line = " ".join(str(text).split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
