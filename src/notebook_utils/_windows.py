"""The arithmetic of sliding windows, axis by axis: sizes, paddings, positions."""

import functools
import inspect
from typing import NamedTuple

import numpy as np

from notebook_utils.arrays import is_sequence, pair

NAMED = ("valid", "same", "full")
SMALLEST = {"size": 0, "kernel": 1, "stride": 1, "dilation": 1, "output_padding": 0}


class Sides(NamedTuple):
    """Padding of one axis, in cells."""

    before: int
    after: int

    def __str__(self):
        before, after = self
        return f"{before}" if before == after else f"{before}+{after}"


class Axis(NamedTuple):
    """A window sliding along one axis: `out` positions, each reading `kernel` cells."""

    size: int
    kernel: int
    stride: int
    padding: Sides
    dilation: int
    out: int


def per_axis(formula):
    """Lift a formula for one axis to pairs (h, w): any pair in gives a pair out.

    The formula sees integers, checked, and as padding a name ("valid", "same", "full")
    or a `Sides`.
    """
    signature = inspect.signature(formula)

    @functools.wraps(formula)
    def lifted(*args, **kwargs):
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        both = {name: _split(value, name) for name, value in call.arguments.items()}
        height, width = ({name: axes[i] for name, axes in both.items()} for i in (0, 1))
        if any(_is_pair(value) for value in call.arguments.values()):
            return formula(**height), formula(**width)
        return formula(**height)

    return lifted


def _is_pair(value):
    if isinstance(value, Sides):
        return False
    return is_sequence(value) or isinstance(value, np.ndarray)


def _split(value, name):
    """Read an argument as its values along the two axes."""
    if name != "padding":
        return pair(value, name, SMALLEST[name])
    named = isinstance(value, str) and value in NAMED
    if named or isinstance(value, Sides):
        return value, value
    try:
        axes = value if _is_pair(value) else (value, value)
        height, width = (Sides(*pair(axis, "padding")) for axis in axes)
    except ValueError:
        raise ValueError(
            f'padding is {value!r}, but must be "valid", "same", "full", an integer of '
            "at least 0, a pair (h, w), or a pair of pairs ((top, bottom), "
            "(left, right))"
        ) from None
    return height, width


@per_axis
def effective_kernel(kernel, *, dilation=1):
    r"""Count the cells that a dilated kernel spans.

    .. math:: k' = d (k - 1) + 1

    Parameters
    ----------
    kernel : int or pair (h, w)
        Taps of the kernel, k.
    dilation : int or pair
        Distance d of neighbouring taps, in cells.

    Returns
    -------
    effective : int, or pair where any argument is one

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    return dilation * (kernel - 1) + 1


@per_axis
def output_size(size, kernel, *, stride=1, padding=0, dilation=1):
    r"""Count the outputs of a window that slides along an axis.

    .. math:: o = \lfloor (n + p_{before} + p_{after} - k') / s \rfloor + 1, \quad
              k' = d (k - 1) + 1

    Parameters
    ----------
    size : int or pair (h, w)
        Cells of the input, n.
    kernel : int or pair
        Taps of the kernel, k; dilated, they span the effective kernel k'.
    stride, dilation : int or pair
        Steps s between windows and d between taps, in cells.
    padding : int, pair, pair of pairs ((top, bottom), (left, right)), or str
        Cells added on each side: ``"valid"`` none, ``"same"`` as `same_padding`,
        ``"full"`` k' - 1 on each.

    Returns
    -------
    out : int, or pair where any argument is one

    Raises
    ------
    ValueError
        If the effective kernel does not fit the padded input, the input is empty, or an
        argument is out of range.

    Notes
    -----
    The last (n + p - k') mod s cells of the padded input are read by no window.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, section 2.
    """
    effective = effective_kernel(kernel, dilation=dilation)
    before, after = padding_cells(size, kernel, stride, padding, dilation)
    padded = size + before + after
    if size < 1 or effective > padded:
        reach = f"{kernel} (effective {effective})" if dilation > 1 else f"{kernel}"
        sides = Sides(before, after)
        raise ValueError(
            f"kernel {reach} does not fit input {size} with padding {sides}"
        )
    return (padded - effective) // stride + 1


@per_axis
def same_padding(size, kernel, *, stride=1, dilation=1):
    r"""Pad as TensorFlow's SAME does, so that the output has ceil(n / s) cells.

    .. math:: p = \max((\lceil n / s \rceil - 1) s + k' - n, 0), \quad
              p_{before} = \lfloor p / 2 \rfloor

    Parameters
    ----------
    size, kernel, stride, dilation : int or pair (h, w)
        As in `output_size`.

    Returns
    -------
    padding : (before, after), or ((top, bottom), (left, right))
        Cells on each side; the odd one comes after. A pair of pairs where any argument
        is a pair.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    At stride 1 this is torch's ``padding="same"``; torch defines it at no other stride.

    References
    ----------
    TensorFlow, "tf.nn: Notes on padding", https://www.tensorflow.org/api_docs/python/tf/nn.
    """
    effective = effective_kernel(kernel, dilation=dilation)
    out = -(-size // stride)
    total = max((out - 1) * stride + effective - size, 0)
    return total // 2, total - total // 2


def padding_cells(size, kernel, stride, padding, dilation):
    """Cells (before, after) that a padding, by name or by number, adds to one axis."""
    if padding == "same":
        return same_padding(size, kernel, stride=stride, dilation=dilation)
    if padding == "full":
        beyond = effective_kernel(kernel, dilation=dilation) - 1
        return beyond, beyond
    return (0, 0) if padding == "valid" else padding


@per_axis
def transposed_output_size(
    size, kernel, *, stride=1, padding=0, output_padding=0, dilation=1
):
    r"""Count the outputs of a transposed convolution along an axis.

    .. math:: o = (n - 1) s - p_{before} - p_{after} + d (k - 1) + p_{out} + 1

    Parameters
    ----------
    size, kernel, stride, dilation : int or pair (h, w)
        As in `output_size`; the size is that of the transposed convolution's own input.
    padding : int, pair, or pair of pairs
        The padding of the convolution that is transposed: here so many cells are cut
        off on each side.
    output_padding : int or pair
        Cells added at the end, less than the stride or the dilation. A stride s maps s
        sizes onto one; this says which of them to come back to.

    Returns
    -------
    out : int, or pair where any argument is one

    Raises
    ------
    ValueError
        If nothing is left of the output, or an argument is out of range.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, section 4.
    """
    if isinstance(padding, str):
        raise ValueError(
            f"padding is {padding!r}, but a transposed convolution needs it as a "
            "number of cells"
        )
    if size < 1:
        raise ValueError(f"size is {size}, but must be an integer of at least 1")
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding {output_padding} does not fit stride {stride} and "
            f"dilation {dilation}: it must be less than {max(stride, dilation)}"
        )
    effective = effective_kernel(kernel, dilation=dilation)
    uncut = (size - 1) * stride + effective + output_padding
    if uncut <= sum(padding):
        raise ValueError(
            f"padding {padding} leaves nothing of a transposed output of {uncut}"
        )
    return uncut - padding.before - padding.after


@per_axis
def input_positions(size, kernel, *, stride=1, padding=0, dilation=1):
    """List which input cells each output reads, along one axis.

    position[o, k] = s o + d k - p_before

    Parameters
    ----------
    size, kernel, stride, padding, dilation : int
        As in `output_size`; `padding` may be a name.

    Returns
    -------
    positions : (out, kernel) array of int
        In row o, the index of the cell that tap k of output o reads; one below 0 or at
        `size` and beyond lies in the padding. Two such arrays, one per axis, where any
        argument is a pair (h, w).

    Raises
    ------
    ValueError
        As `output_size`.
    """
    out = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    before, _ = padding_cells(size, kernel, stride, padding, dilation)
    return stride * np.arange(out)[:, None] + dilation * np.arange(kernel) - before


@per_axis
def sliding_window(size, kernel, *, stride=1, padding=0, dilation=1):
    """Work out a window along one axis (an `Axis`), or along both (a pair of them)."""
    sides = Sides(*padding_cells(size, kernel, stride, padding, dilation))
    out = output_size(size, kernel, stride=stride, padding=sides, dilation=dilation)
    return Axis(size, kernel, stride, sides, dilation, out)


@per_axis
def transposed_window(
    size, kernel, *, stride=1, padding=0, output_padding=0, dilation=1
):
    """Work out the window of a convolution from its outputs, `size` of them."""
    out = transposed_output_size(
        size,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )
    return Axis(out, kernel, stride, padding, dilation, size)
