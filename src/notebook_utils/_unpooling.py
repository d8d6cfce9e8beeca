"""Unpooling: maxima put back where they stood, and means spread over their windows."""

import math

import array_api_compat
import numpy as np

from notebook_utils._patches import gather, scatter
from notebook_utils._pooling import check_padding, patch_shape
from notebook_utils._windows import sliding_window
from notebook_utils.arrays import as_floats, bind_shapes, is_torch, pair


def max_unpool2d(x, indices, kernel, *, stride=None, padding=0, size=None):
    """Put each value back to where its pool found it; all else is 0.

    y[n, c].ravel()[indices[n, c, i, j]] = x[n, c, i, j]

    Parameters
    ----------
    x : (n, c, h, w) array
        What `max_pool2d_with_indices` returned, or something of its shape.
    indices : (n, c, h, w) array of int
        Row times width plus column in the *output*.
    kernel : int or pair (h, w)
    stride, padding
        As in `max_pool2d`, whose arguments these three were.
    size : int or pair (h, w), optional
        Of the output: the size of the picture that was pooled. Several sizes are pooled
        to the same one; the smallest of them unless given.

    Returns
    -------
    y : (n, c, oh, ow) array

    Raises
    ------
    ValueError
        If a shape or the size does not fit, or an index lies outside the output.

    Notes
    -----
    Where windows overlap, a cell may have won several of them. Of their values the last
    one in row-major order stays, and the gradient goes to that one alone. torch's
    ``max_unpool2d`` leaves open which value stays and sends the gradient to them all.
    """
    xp, (x,) = as_floats(x=x)
    shape, winners, cells = _bind(xp, x, indices, kernel, stride, padding, size)
    y = xp.zeros(math.prod(shape), dtype=x.dtype, device=array_api_compat.device(x))
    y[cells] = xp.reshape(x, (-1,))[winners]
    return xp.reshape(y, shape)


def max_unpool2d_backward(
    grad_output, x, indices, kernel, *, stride=None, padding=0, size=None
):
    """Fetch for each value the gradient of the cell that it was put back to.

    Parameters
    ----------
    grad_output : (n, c, oh, ow) array
        Gradient of the loss with respect to the output.
    x, indices, kernel, stride, padding, size
        As in `max_unpool2d`; of `x` only the shape matters.

    Returns
    -------
    grad_x : (n, c, h, w) array
        0 for a value that another one has overwritten.

    Raises
    ------
    ValueError
        As `max_unpool2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    _, winners, cells = _bind(
        xp, x, indices, kernel, stride, padding, size, grad_output
    )
    grad_x = xp.zeros(
        math.prod(x.shape), dtype=x.dtype, device=array_api_compat.device(x)
    )
    grad_x[winners] = xp.reshape(grad_output, (-1,))[cells]
    return xp.reshape(grad_x, x.shape)


def avg_unpool2d(x, kernel, *, stride=None, padding=0, size=None):
    """Copy each value to all cells of its window; where windows overlap, take the mean.

    Pooled with `avg_pool2d` again, windows side by side without padding give back x.

    Parameters
    ----------
    x : (n, c, h, w) array
    kernel, stride, padding, size
        As in `max_unpool2d`.

    Returns
    -------
    y : (n, c, oh, ow) array
        0 in cells that lie in no window.

    Raises
    ------
    ValueError
        If a shape or the size does not fit.

    Notes
    -----
    This is not the gradient of the mean, `avg_pool2d_backward`, which shares each value
    out among the cells of its window.
    """
    xp, (x,) = as_floats(x=x)
    window = _window(x, kernel, stride, padding, size)
    taps = xp.broadcast_to(x[:, :, None], patch_shape(x, window))
    return scatter(taps, window) / _cover(xp, x, window)


def avg_unpool2d_backward(grad_output, x, kernel, *, stride=None, padding=0, size=None):
    """Collect for each value the gradients of the cells of its window.

    Parameters
    ----------
    grad_output : (n, c, oh, ow) array
        Gradient of the loss with respect to the output.
    x, kernel, stride, padding, size
        As in `avg_unpool2d`; of `x` only the shape matters.

    Returns
    -------
    grad_x : (n, c, h, w) array

    Raises
    ------
    ValueError
        As `avg_unpool2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    window = _window(x, kernel, stride, padding, size, grad_output)
    return xp.sum(gather(grad_output / _cover(xp, x, window), window), axis=2)


def _window(x, kernel, stride, padding, size, grad_output=None):
    """Check the arguments; work out the window of the pool that is undone."""
    n, c, h, w = bind_shapes(x=("n c h w", x)).values()
    kernel = pair(kernel, "kernel", minimum=1)
    check_padding(kernel, padding)
    stride = pair(kernel if stride is None else stride, "stride", minimum=1)
    sizes = _size((h, w), kernel, stride, pair(padding, "padding"), size)
    output = {"n": n, "c": c, "oh": sizes[0], "ow": sizes[1]}
    bind_shapes(output, grad_output=("n c oh ow", grad_output))
    return sliding_window(sizes, kernel, stride=stride, padding=padding)


def _size(pooled, kernel, stride, padding, size):
    """Choose the smallest picture that is pooled to this size, or check the one given.

    The others have up to stride - 1 rows and columns more.
    """
    axes = zip(pooled, kernel, stride, padding, strict=True)
    least = [(n - 1) * s + k - 2 * p for n, k, s, p in axes]
    fits = [range(max(m, 1), m + s) for m, s in zip(least, stride, strict=True)]
    chosen = [fit.start for fit in fits] if size is None else pair(size, "size")
    if not all(m in fit for m, fit in zip(chosen, fits, strict=True)):
        rows, columns = (f"{f.start} to {f.stop - 1}" if f else "no" for f in fits)
        raise ValueError(
            f"size is {size!r}, but {pooled} cells are what this pool makes of {rows} "
            f"rows and {columns} columns"
        )
    return tuple(chosen)


def _bind(xp, x, indices, kernel, stride, padding, size, grad_output=None):
    """Check the arguments; pair up values, by their places in x, with output cells.

    Of several values for the same cell only the last is listed.
    """
    window = _window(x, kernel, stride, padding, size, grad_output)
    sides = tuple(axis.size for axis in window)
    n, c = x.shape[:2]
    area = math.prod(sides)
    planes = xp.arange(n * c, dtype=xp.int64, device=array_api_compat.device(x))
    first = xp.reshape(planes, (n, c, 1, 1)) * area
    cells = xp.reshape(first + _as_indices(xp, x, indices, area), (-1,))

    order = xp.argsort(cells, stable=True)
    cells = cells[order]
    last = xp.concat([cells[1:] != cells[:-1], cells[-1:] >= 0])
    return (n, c, *sides), order[last], cells[last]


def _as_indices(xp, x, indices, area):
    """Read indices as whole numbers of the kind of x, and check their range."""
    as_floats(x=x, indices=indices)  # insists on one kind and one device
    given = indices if is_torch(indices) else np.asarray(indices)
    if not array_api_compat.array_namespace(given).isdtype(given.dtype, "integral"):
        raise ValueError(f"indices holds {given.dtype}, but must hold whole numbers")
    bind_shapes(dict(zip("nchw", x.shape, strict=True)), indices=("n c h w", given))
    given = xp.asarray(given, device=array_api_compat.device(x))
    given = xp.astype(given, xp.int64)
    wrong = (given < 0) | (given >= area)
    if xp.any(wrong):
        raise ValueError(
            f"indices holds {int(given[wrong][0])}, but the output has the cells 0 to "
            f"{area - 1}"
        )
    return given


def _cover(xp, x, window):
    """(1, 1, oh, ow): how many windows hold each cell, and 1 where none does."""
    one = xp.ones((1, 1, 1, 1, 1), dtype=x.dtype, device=array_api_compat.device(x))
    _, _, *shape = patch_shape(x, window)
    count = scatter(xp.broadcast_to(one, (1, 1, *shape)), window)
    return xp.where(count > 0, count, 1.0)
