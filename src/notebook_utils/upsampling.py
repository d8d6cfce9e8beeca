"""Ways to make a picture larger: interpolation, bilinear kernels, and unpooling.

Images are (n, c, h, w): examples, channels, rows, columns. Transposed convolution,
which makes a picture larger by weights, is in `notebook_utils.convolution`.
"""

import array_api_compat
import numpy as np

from notebook_utils._interpolation import check_mode, grid, grids
from notebook_utils._unpooling import (
    avg_unpool2d,
    avg_unpool2d_backward,
    max_unpool2d,
    max_unpool2d_backward,
)
from notebook_utils.arrays import as_floats, pair, whole

__all__ = [
    "avg_unpool2d",
    "avg_unpool2d_backward",
    "bilinear_kernel",
    "interpolate",
    "interpolate_backward",
    "interpolation_matrix",
    "max_unpool2d",
    "max_unpool2d_backward",
]


def interpolate(
    x, *, size=None, scale_factor=None, mode="nearest", align_corners=False
):
    r"""Read a picture between its cells, one axis after the other.

    Output i of an axis lies at u among the inputs, and mixes the two next to it:

    .. math:: y_i = (1 - w)\, x_{\lfloor u \rfloor} + w\, x_{\lfloor u \rfloor + 1},
              \quad w = u - \lfloor u \rfloor

    With n inputs and m outputs, or the factor f in the place of m / n,

    .. math:: u = \max\Bigl(\bigl(i + \tfrac12\bigr) \frac nm - \tfrac12,\ 0\Bigr)
              \quad \text{or} \quad u = i\, \frac{n - 1}{m - 1}
              \ \text{with align\_corners};

    beyond the last input there is no other, and it counts alone. Nearest takes
    the input floor(i n / m).

    Parameters
    ----------
    x : (n, c, w), (n, c, h, w) or (n, c, d, h, w) array
    size : int, or tuple with one for each axis after n and c
        Cells of the output.
    scale_factor : float, or tuple with one for each axis
        In the place of `size`: the output has floor(n f) cells. Where that is not n f,
        f and not m / n sets the distances, as in torch.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
        Linear for one axis, bilinear for two, trilinear for three; nearest for each.
    align_corners : bool
        Whether the centres of the outer cells coincide, or else their outer edges.

    Returns
    -------
    y : array
        Of the kind and on the device of `x`.

    Raises
    ------
    ValueError
        If the mode does not fit x or the corners, or a size is out of range.

    References
    ----------
    torch.nn.functional.interpolate, whose conventions these are.
    """
    xp, (x,) = as_floats(x=x)
    device = array_api_compat.device(x)
    for axis, (low, high, share) in grids(x, size, scale_factor, mode, align_corners):
        below, above = (
            xp.take(x, xp.asarray(cells, device=device), axis=axis)
            for cells in (low, high)
        )
        w = xp.asarray(share, dtype=x.dtype, device=device)
        w = xp.reshape(w, (-1, *[1] * (x.ndim - axis - 1)))
        # without a share not even an infinite neighbour counts
        x = (1 - w) * below + w * xp.where(w > 0, above, 0.0)
    return x


def interpolate_backward(
    grad_output, x, *, size=None, scale_factor=None, mode="nearest", align_corners=False
):
    """Carry a gradient back through `interpolate`: each output pays its inputs back.

    Along each axis y = A x, where A is `interpolation_matrix`, and so the gradient with
    respect to x is A^T times the one with respect to y.

    Parameters
    ----------
    grad_output : array
        Gradient of the loss with respect to the output.
    x, size, scale_factor, mode, align_corners
        As in `interpolate`; of `x` only the shape matters.

    Returns
    -------
    grad_x : array
        Of the shape of `x`.

    Raises
    ------
    ValueError
        As `interpolate`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad, x) = as_floats(grad_output=grad_output, x=x)
    axes = grids(x, size, scale_factor, mode, align_corners, grad_output=grad)
    device = array_api_compat.device(grad)
    for axis, between in axes:
        matrix = _matrix(x.shape[axis], between)
        matrix = xp.asarray(matrix, dtype=grad.dtype, device=device)
        mixed = xp.tensordot(grad, matrix, axes=((axis,), (0,)))
        grad = xp.moveaxis(mixed, -1, axis)
    return grad


def interpolation_matrix(size, out, *, mode="linear", align_corners=False):
    """Write the interpolation of one axis as a matrix A, so that y = A x.

    A picture x of two axes becomes A x B^T, where A belongs to its rows and B to its
    columns.

    Parameters
    ----------
    size, out : int
        Cells before and after.
    mode : {"linear", "nearest"}
    align_corners : bool
        As in `interpolate`.

    Returns
    -------
    A : (out, size) array of float64
        Every row adds up to 1.

    Raises
    ------
    ValueError
        If a size is less than 1, or the mode is another.
    """
    if mode not in ("linear", "nearest"):
        raise ValueError(f"mode is {mode!r}, but one axis is linear or nearest")
    check_mode(mode, align_corners)
    size, out = whole(size, "size", minimum=1), whole(out, "out", minimum=1)
    return _matrix(size, grid(size, out, None, mode, align_corners))


def _matrix(size, between):
    low, high = (
        (cells[:, None] == np.arange(size)).astype(float)
        for cells in (between.low, between.high)
    )
    share = between.share[:, None]
    return (1 - share) * low + share * high


def bilinear_kernel(factor):
    r"""Weights with which a transposed convolution interpolates bilinearly.

    .. math:: w_a = 1 - \Bigl|\frac{a - c}{f}\Bigr|, \quad c = \frac{k - 1}{2}, \quad
              k = 2 f - (f \bmod 2)

    along each axis, and their product in the plane. Give `conv_transpose2d` the stride
    f and the padding (k - f) / 2: the picture becomes f times as large, and away from
    the border it is that of `interpolate` with edges aligned.

    Parameters
    ----------
    factor : int or pair (h, w)
        The factor f.

    Returns
    -------
    kernel : (kh, kw) array of float64

    Raises
    ------
    ValueError
        If the factor is less than 1.

    References
    ----------
    J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015, whose last layer holds these weights.
    """
    rows, columns = (_tent(f) for f in pair(factor, "factor", minimum=1))
    return rows[:, None] * columns


def _tent(factor):
    k = 2 * factor - factor % 2
    return 1 - np.abs(np.arange(k) - (k - 1) / 2) / factor
