"""The transpose of a convolution, its gradients, and the zeros that spread an input."""

from typing import NamedTuple

import array_api_compat

from notebook_utils._patches import check_groups, gather, scatter
from notebook_utils._windows import transposed_window
from notebook_utils.arrays import as_floats, bind_shapes, pair, whole


def conv_transpose2d(
    x, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1
):
    r"""Apply the transpose of a convolution: each cell stamps a scaled kernel.

    .. math:: y_{n,o,\, s i + d a - p,\, s j + d b - p} \mathrel{+}=
              w_{c,o,a,b} \; x_{n,c,i,j}

    Where `conv2d` computes y = C x, this computes C^T x: the same numbers as
    `conv2d_backward`'s grad_x.

    Parameters
    ----------
    x : (n, c, h, w) array
    weight : (c, o/groups, kh, kw) array
        The weight of the convolution that is transposed: its outputs are the inputs
        here.
    bias : (o,) array, optional
    stride, dilation, groups
        As in `conv2d`.
    padding, output_padding
        As in `transposed_output_size`.

    Returns
    -------
    y : (n, o, oh, ow) array
        oh and ow as `transposed_output_size`.

    Raises
    ------
    ValueError
        If a shape or a size does not fit.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, section 4.
    """
    xp, (x, weight, bias) = as_floats(x=x, weight=weight, bias=bias)
    window, shape = _bind(
        x, weight, stride, padding, output_padding, dilation, groups, bias=bias
    )
    filters = xp.reshape(weight, shape.filters)
    columns = xp.reshape(x, shape.columns)
    patches = xp.matrix_transpose(filters) @ columns
    y = scatter(xp.reshape(patches, shape.taps), window)
    return y if bias is None else y + bias[:, None, None]


def conv_transpose2d_backward(
    grad_output,
    x,
    weight,
    *,
    stride=1,
    padding=0,
    output_padding=0,
    dilation=1,
    groups=1,
):
    r"""Carry a gradient back through `conv_transpose2d`.

    The transpose of the transpose is the convolution itself: with y = C^T x, the
    gradient with respect to x is C times the gradient G with respect to y,

    .. math:: \frac{\partial L}{\partial x_{n,c,i,j}} = \sum_{o,a,b}
              w_{c,o,a,b} \; G_{n,o,\, s i + d a - p,\, s j + d b - p}, \quad
              \frac{\partial L}{\partial w_{c,o,a,b}} = \sum_{n,i,j}
              x_{n,c,i,j} \; G_{n,o,\, s i + d a - p,\, s j + d b - p}

    Parameters
    ----------
    grad_output : (n, o, oh, ow) array
        Gradient of the loss with respect to the output.
    x, weight, stride, padding, output_padding, dilation, groups
        As in `conv_transpose2d`.

    Returns
    -------
    grad_x : (n, c, h, w) array
    grad_weight : (c, o/groups, kh, kw) array
    grad_bias : (o,) array
        The bias that would have been added; ignore it where there was none.

    Raises
    ------
    ValueError
        As `conv_transpose2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_y, x, weight) = as_floats(grad_output=grad_output, x=x, weight=weight)
    window, shape = _bind(
        x, weight, stride, padding, output_padding, dilation, groups, grad_output=grad_y
    )
    filters = xp.reshape(weight, shape.filters)
    columns = xp.reshape(x, shape.columns)
    grad_patches = xp.reshape(gather(grad_y, window), shape.patches)

    grad_columns = filters @ grad_patches
    grad_filters = xp.sum(columns @ xp.matrix_transpose(grad_patches), axis=0)

    grad_x = xp.reshape(grad_columns, x.shape)
    grad_weight = xp.reshape(grad_filters, weight.shape)
    grad_bias = xp.sum(grad_y, axis=(0, 2, 3))
    return grad_x, grad_weight, grad_bias


def spread(x, stride):
    """Move the cells of images apart, with zeros in between.

    y[n, c, s i, s j] = x[n, c, i, j], and 0 elsewhere

    Parameters
    ----------
    x : (n, c, h, w) array
    stride : int or pair (h, w)
        Distance s of neighbours afterwards, in cells: s - 1 zeros between them.

    Returns
    -------
    y : (n, c, (h - 1) s + 1, (w - 1) s + 1) array
        Its gradient goes back as ``grad[..., ::s, ::s]``.

    Raises
    ------
    ValueError
        If x does not have four axes or no cells, or the stride is less than 1.
    """
    xp, (x,) = as_floats(x=x)
    n, c, h, w = bind_shapes(x=("n c h w", x)).values()
    if min(h, w) < 1:
        raise ValueError(f"x of shape {(n, c, h, w)} has no cells to spread")
    sh, sw = pair(stride, "stride", minimum=1)
    shape = (n, c, (h - 1) * sh + 1, (w - 1) * sw + 1)
    y = xp.zeros(shape, dtype=x.dtype, device=array_api_compat.device(x))
    y[..., ::sh, ::sw] = x
    return y


class _Shapes(NamedTuple):
    """What both functions reshape their arrays to."""

    filters: tuple  # (groups, c/groups, o/groups * kh * kw)
    columns: tuple  # (n, groups, c/groups, h * w)
    patches: tuple  # (n, groups, o/groups * kh * kw, h * w)
    taps: tuple  # (n, o, kh * kw, h, w)


def _bind(
    x,
    weight,
    stride,
    padding,
    output_padding,
    dilation,
    groups,
    *,
    bias=None,
    grad_output=None,
):
    """Check the arguments, and work out the window and the shapes."""
    sizes = bind_shapes(x=("n c h w", x), weight=("c o/groups kh kw", weight))
    n, c, h, w, depth, kh, kw = sizes.values()
    o = depth * whole(groups, "groups", minimum=1)
    check_groups(groups, c, o)
    window = transposed_window(
        (h, w),
        (kh, kw),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )
    oh, ow = (axis.size for axis in window)
    output = {"n": n, "o": o, "oh": oh, "ow": ow}
    bind_shapes(output, bias=("o", bias), grad_output=("n o oh ow", grad_output))
    return window, _Shapes(
        filters=(groups, c // groups, depth * kh * kw),
        columns=(n, groups, c // groups, h * w),
        patches=(n, groups, depth * kh * kw, h * w),
        taps=(n, o, kh * kw, h, w),
    )
