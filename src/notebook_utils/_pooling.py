"""Pooling: the largest, the mean and the p-norm of each window, and their gradients."""

import math
import numbers

import array_api_compat

from notebook_utils._patches import gather, scatter
from notebook_utils._windows import sliding_window
from notebook_utils.arrays import as_floats, bind_shapes, pair


def max_pool2d(x, kernel, *, stride=None, padding=0):
    """Take the largest value of each window.

    y[n, c, i, j] = max over taps (a, b) of x[n, c, s i + a - p, s j + b - p]

    Parameters
    ----------
    x : (n, c, h, w) array
    kernel : int or pair (h, w)
    stride : int or pair, optional
        The kernel unless given: windows side by side.
    padding : int or pair
        Cells on each side, at most half the kernel. They never win: they count as minus
        infinity.

    Returns
    -------
    y : (n, c, oh, ow) array
        NaN wherever a window holds NaN.

    Raises
    ------
    ValueError
        If a shape, a size or the padding does not fit.
    """
    xp, (x,) = as_floats(x=x)
    patches = gather(x, _window(x, kernel, stride, padding), fill=-math.inf)
    return xp.max(patches, axis=2)


def max_pool2d_backward(grad_output, x, kernel, *, stride=None, padding=0):
    """Send the gradient of each window's maximum to the cell that won.

    Ties go to the first cell in row-major order; a cell that wins several windows
    collects from all of them. NaN wins over every number, and of several NaNs in a
    window the first wins, as in any tie (in torch, the last).

    Parameters
    ----------
    grad_output : (n, c, oh, ow) array
        Gradient of the loss with respect to the output.
    x, kernel, stride, padding
        As in `max_pool2d`.

    Returns
    -------
    grad_x : (n, c, h, w) array

    Raises
    ------
    ValueError
        As `max_pool2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    window = _window(x, kernel, stride, padding, grad_output)
    first = _first_maximum(xp, x, window)
    return scatter(xp.where(first, grad_output[:, :, None], 0.0), window)


def max_pool2d_with_indices(x, kernel, *, stride=None, padding=0):
    """Take the largest value of each window, and say where it stood.

    Parameters
    ----------
    x, kernel, stride, padding
        As in `max_pool2d`.

    Returns
    -------
    y : (n, c, oh, ow) array
        As `max_pool2d`.
    indices : (n, c, oh, ow) array of int64
        Row times w plus column of the winner in x, ties and NaN as in
        `max_pool2d_backward`. Made for `max_unpool2d` of `notebook_utils.upsampling`.

    Raises
    ------
    ValueError
        As `max_pool2d`.
    """
    xp, (x,) = as_floats(x=x)
    window = _window(x, kernel, stride, padding)
    h, w = x.shape[2:]
    cells = xp.arange(h * w, dtype=xp.int64, device=array_api_compat.device(x))
    taps = gather(xp.reshape(cells, (1, 1, h, w)), window, fill=0)
    first = _first_maximum(xp, x, window)
    indices = xp.sum(xp.where(first, taps, 0), axis=2, dtype=xp.int64)
    return xp.max(gather(x, window, fill=-math.inf), axis=2), indices


def avg_pool2d(x, kernel, *, stride=None, padding=0, count_include_pad=True):
    """Take the mean of each window.

    y = (sum of the window's cells) / (number of its cells)

    Parameters
    ----------
    x : (n, c, h, w) array
    kernel, stride, padding
        As in `max_pool2d`, but padding counts as 0.
    count_include_pad : bool
        Whether cells of the padding count in the denominator.

    Returns
    -------
    y : (n, c, oh, ow) array

    Raises
    ------
    ValueError
        If a shape, a size or the padding does not fit.
    """
    xp, (x,) = as_floats(x=x)
    window = _window(x, kernel, stride, padding)
    return xp.sum(gather(x, window), axis=2) / _cells(xp, x, window, count_include_pad)


def avg_pool2d_backward(
    grad_output, x, kernel, *, stride=None, padding=0, count_include_pad=True
):
    """Share the gradient of each mean out evenly among the cells of its window.

    Parameters
    ----------
    grad_output : (n, c, oh, ow) array
        Gradient of the loss with respect to the output.
    x, kernel, stride, padding, count_include_pad
        As in `avg_pool2d`; of `x` only the shape matters.

    Returns
    -------
    grad_x : (n, c, h, w) array

    Raises
    ------
    ValueError
        As `avg_pool2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    window = _window(x, kernel, stride, padding, grad_output)
    share = (grad_output / _cells(xp, x, window, count_include_pad))[:, :, None]
    return scatter(xp.broadcast_to(share, patch_shape(x, window)), window)


def lp_pool2d(x, p, kernel, *, stride=None, padding=0):
    """Take the p-norm of each window.

    y = (sum of abs(x)^p over the window)^(1/p)

    At p = 1 this is the sum of magnitudes; as p grows, it nears the largest of them.

    Parameters
    ----------
    x : (n, c, h, w) array
    p : float
        At least 1; infinity gives the largest magnitude.
    kernel, stride, padding
        As in `max_pool2d`; padding adds nothing.

    Returns
    -------
    y : (n, c, oh, ow) array

    Raises
    ------
    ValueError
        If p is less than 1, or a shape, a size or the padding does not fit.

    Notes
    -----
    The largest magnitude is taken out of the sum first, so that no power overflows.
    torch's ``lp_pool2d`` raises x itself, not abs(x), to the power p, and so differs
    where p is odd and x negative.
    """
    xp, (x,) = as_floats(x=x)
    _check_exponent(p)
    patches = xp.abs(gather(x, _window(x, kernel, stride, padding)))
    largest = xp.max(patches, axis=2)
    if p == math.inf:
        return largest
    scale = xp.where((largest > 0) & xp.isfinite(largest), largest, 1.0)
    return scale * xp.sum((patches / scale[:, :, None]) ** p, axis=2) ** (1 / p)


def lp_pool2d_backward(grad_output, x, p, kernel, *, stride=None, padding=0):
    """Send the gradient of each p-norm back to the cells of its window.

    dy/dx = sign(x) (abs(x) / y)^(p - 1), and 0 where the whole window is 0

    Parameters
    ----------
    grad_output : (n, c, oh, ow) array
        Gradient of the loss with respect to the output.
    x, p, kernel, stride, padding
        As in `lp_pool2d`. At p = infinity ties go to the first cell in row-major order.

    Returns
    -------
    grad_x : (n, c, h, w) array

    Raises
    ------
    ValueError
        As `lp_pool2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    if p == math.inf:
        return xp.sign(x) * max_pool2d_backward(
            grad_output, xp.abs(x), kernel, stride=stride, padding=padding
        )
    y = lp_pool2d(x, p, kernel, stride=stride, padding=padding)
    window = _window(x, kernel, stride, padding, grad_output)
    norm = xp.where(y > 0, y, 1.0)[:, :, None]
    patches = gather(x, window)
    slope = xp.sign(patches) * (xp.abs(patches) / norm) ** (p - 1)
    return scatter(slope * grad_output[:, :, None], window)


def _window(x, kernel, stride, padding, grad_output=None):
    """Check a pool's arguments, and `grad_output` if given; work out its window."""
    n, c, h, w = bind_shapes(x=("n c h w", x)).values()
    kernel = pair(kernel, "kernel", minimum=1)
    check_padding(kernel, padding)
    stride = kernel if stride is None else stride
    window = sliding_window((h, w), kernel, stride=stride, padding=padding)
    oh, ow = (axis.out for axis in window)
    output = {"n": n, "c": c, "oh": oh, "ow": ow}
    bind_shapes(output, grad_output=("n c oh ow", grad_output))
    return window


def check_padding(kernel, padding):
    """Insist that no more than half of a window may be padding."""
    for taps, cells in zip(kernel, pair(padding, "padding"), strict=True):
        if cells > taps // 2:
            raise ValueError(
                f"padding {cells} is more than half of kernel {taps}: "
                f"at most {taps // 2} fits"
            )


def _first_maximum(xp, x, window):
    """(n, c, kh*kw, oh, ow): True at the tap that wins its window, the first in ties.

    NaN wins over every number.
    """
    patches = gather(x, window, fill=-math.inf)
    largest = xp.max(patches, axis=2, keepdims=True)
    # an image may hold -inf itself, and only then could padding pass for the maximum
    wins = ((patches == largest) | xp.isnan(patches)) & (_inside(xp, x, window) > 0)
    rank = xp.cumulative_sum(xp.astype(wins, xp.int64), axis=2)
    return wins & (rank == 1)


def _inside(xp, x, window):
    """(1, 1, kh*kw, oh, ow): 1 where a tap reads the image, 0 where it reads none."""
    device = array_api_compat.device(x)
    return gather(xp.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=device), window)


def _cells(xp, x, window, count_include_pad):
    if count_include_pad:
        return math.prod(axis.kernel for axis in window)
    return xp.sum(_inside(xp, x, window), axis=2)


def patch_shape(x, window):
    height, width = window
    return (*x.shape[:2], height.kernel * width.kernel, height.out, width.out)


def _check_exponent(p):
    if not isinstance(p, numbers.Real) or isinstance(p, bool) or not p >= 1:
        raise ValueError(f"p is {p!r}, but must be a number of at least 1, or infinity")
