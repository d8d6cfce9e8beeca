"""Convolution as networks use it, its gradients, its transpose, its matrix; pooling.

Images are (n, c, h, w): examples, channels, rows, columns. Convolution here is
cross-correlation, as in torch: the kernel is not flipped. A pair is always (h, w).
"""

from notebook_utils._matrix import convolution_matrix
from notebook_utils._patches import bind_convolution, check_groups, gather, scatter
from notebook_utils._pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool2d_with_indices,
)
from notebook_utils._transposed import (
    conv_transpose2d,
    conv_transpose2d_backward,
    spread,
)
from notebook_utils._windows import (
    effective_kernel,
    input_positions,
    output_size,
    same_padding,
    transposed_output_size,
)
from notebook_utils.arrays import as_floats, pair, whole

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "convolution_matrix",
    "effective_kernel",
    "input_positions",
    "lp_pool2d",
    "lp_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_with_indices",
    "multiply_adds",
    "output_size",
    "parameter_count",
    "same_padding",
    "spread",
    "transposed_output_size",
]


def conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    r"""Slide a bank of kernels over images.

    .. math:: y_{n,o,i,j} = b_o +
              \sum_{c,a,b} w_{o,c,a,b} \; x_{n,\, c,\, s i + d a - p,\, s j + d b - p}

    Parameters
    ----------
    x : (n, c, h, w) array
    weight : (o, c/groups, kh, kw) array
    bias : (o,) array, optional
    stride, dilation : int or pair (h, w)
        Steps between windows and between taps, in cells.
    padding : int, pair, pair of pairs ((top, bottom), (left, right)), or str
        Cells of zeros on each side; ``"valid"``, ``"same"`` and ``"full"`` as in
        `output_size`.
    groups : int
        Input and output channels are cut into so many groups; each output sees its own
        group's inputs only.

    Returns
    -------
    y : (n, o, oh, ow) array
        Of the kind and on the device of the arguments; oh and ow as `output_size`.

    Raises
    ------
    ValueError
        If a shape or a size does not fit.

    Notes
    -----
    Every window is laid out as a column; one product of matrices per image and group
    then does all the sums.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285.
    """
    xp, (x, weight, bias) = as_floats(x=x, weight=weight, bias=bias)
    window, shape = bind_convolution(
        x, weight, stride, padding, dilation, groups, bias=bias
    )
    filters = xp.reshape(weight, shape.filters)
    patches = xp.reshape(gather(x, window), shape.patches)
    y = xp.reshape(filters @ patches, shape.y)
    return y if bias is None else y + bias[:, None, None]


def conv2d_backward(
    grad_output, x, weight, *, stride=1, padding=0, dilation=1, groups=1
):
    r"""Carry a gradient back through `conv2d`.

    With Y = W P, where P holds the windows as columns and G is the gradient with
    respect to Y:

    .. math:: \partial L/\partial W = G P^T, \quad \partial L/\partial P = W^T G, \quad
              \partial L/\partial b_o = \sum_{n,i,j} G_{n,o,i,j}

    and each cell of x collects the gradients of all the places in P to which it was
    copied.

    Parameters
    ----------
    grad_output : (n, o, oh, ow) array
        Gradient of the loss with respect to the output.
    x, weight, stride, padding, dilation, groups
        As in `conv2d`.

    Returns
    -------
    grad_x : (n, c, h, w) array
    grad_weight : (o, c/groups, kh, kw) array
    grad_bias : (o,) array
        The bias that would have been added; ignore it where there was none.

    Raises
    ------
    ValueError
        As `conv2d`, and if `grad_output` does not have the output's shape.
    """
    xp, (grad_y, x, weight) = as_floats(grad_output=grad_output, x=x, weight=weight)
    window, shape = bind_convolution(
        x, weight, stride, padding, dilation, groups, grad_output=grad_y
    )
    filters = xp.reshape(weight, shape.filters)
    patches = xp.reshape(gather(x, window), shape.patches)
    grad = xp.reshape(grad_y, shape.outputs)

    grad_filters = xp.sum(grad @ xp.matrix_transpose(patches), axis=0)
    grad_patches = xp.matrix_transpose(filters) @ grad

    grad_x = scatter(xp.reshape(grad_patches, shape.taps), window)
    grad_weight = xp.reshape(grad_filters, shape.weight)
    grad_bias = xp.sum(grad_y, axis=(0, 2, 3))
    return grad_x, grad_weight, grad_bias


def parameter_count(c_in, c_out, kernel, *, groups=1, bias=True):
    """Count the numbers that a convolution learns.

    c_out (c_in / groups) kh kw, and c_out more for the bias

    Parameters
    ----------
    c_in, c_out : int
        Channels in and out.
    kernel : int or pair (h, w)
    groups : int
    bias : bool

    Returns
    -------
    count : int

    Raises
    ------
    ValueError
        If an argument is out of range or `groups` does not divide both channel counts.
    """
    c_in, c_out = whole(c_in, "c_in", minimum=1), whole(c_out, "c_out", minimum=1)
    kh, kw = pair(kernel, "kernel", minimum=1)
    check_groups(groups, c_in, c_out)
    return c_out * (c_in // groups) * kh * kw + (c_out if bias else 0)


def multiply_adds(c_in, c_out, kernel, output_shape, *, groups=1):
    """Count a convolution's multiplications, each with its addition, for one image.

    oh ow c_out (c_in / groups) kh kw

    Parameters
    ----------
    c_in, c_out, kernel, groups
        As in `parameter_count`.
    output_shape : int or pair (h, w)
        Size of the output.

    Returns
    -------
    count : int
        The bias is not counted; taps that read padding are, as no implementation leaves
        them out.

    Raises
    ------
    ValueError
        As `parameter_count`.
    """
    oh, ow = pair(output_shape, "output_shape", minimum=1)
    return oh * ow * parameter_count(c_in, c_out, kernel, groups=groups, bias=False)
