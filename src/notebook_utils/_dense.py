"""Dense layers, rows for them, and the squared error of what they answer."""

import math

from notebook_utils._reduction import check_reduction
from notebook_utils.arrays import as_floats, bind_shapes


def linear(x, weight, bias=None):
    r"""Apply a dense layer to each row.

    .. math:: y_{n,o} = \sum_d w_{o,d} \, x_{n,d} + b_o, \quad Y = X W^T + 1 b^T

    Parameters
    ----------
    x : (n, d) array
        One row for each example.
    weight : (o, d) array
    bias : (o,) array, optional

    Returns
    -------
    y : (n, o) array

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    xp, (x, weight, bias) = as_floats(x=x, weight=weight, bias=bias)
    bind_shapes(x=("n d", x), weight=("o d", weight), bias=("o", bias))
    y = x @ xp.matrix_transpose(weight)
    return y if bias is None else y + bias


def linear_backward(grad_output, x, weight):
    r"""Carry a gradient back through `linear`.

    With G the gradient with respect to Y:

    .. math:: \partial L/\partial X = G W, \quad \partial L/\partial W = G^T X, \quad
              \partial L/\partial b_o = \sum_n G_{n,o}

    Parameters
    ----------
    grad_output : (n, o) array
        Gradient of the loss with respect to the output.
    x, weight
        As in `linear`.

    Returns
    -------
    grad_x : (n, d) array
    grad_weight : (o, d) array
    grad_bias : (o,) array
        The bias that would have been added; ignore it where there was none.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    xp, (grad_y, x, weight) = as_floats(grad_output=grad_output, x=x, weight=weight)
    bind_shapes(x=("n d", x), weight=("o d", weight), grad_output=("n o", grad_y))
    return grad_y @ weight, xp.matrix_transpose(grad_y) @ x, xp.sum(grad_y, axis=0)


def flatten(x):
    """Write each example's numbers in one row, the last axis running fastest.

    Parameters
    ----------
    x : (n, ...) array

    Returns
    -------
    y : (n, d) array

    Raises
    ------
    ValueError
        If `x` has no axis.
    """
    xp, (x,) = as_floats(x=x)
    if x.ndim == 0:
        raise ValueError("x is a single number, but must have an axis of examples")
    return xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def flatten_backward(grad_output, x):
    """Give each gradient back its place: a reshape.

    Parameters
    ----------
    grad_output : (n, d) array
        Gradient of the loss with respect to the output.
    x : (n, ...) array
        The input; only its shape matters.

    Returns
    -------
    grad_x : (n, ...) array

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    xp, (grad_output, x) = as_floats(grad_output=grad_output, x=x)
    n, d = flatten(x).shape
    bind_shapes({"n": n, "d": d}, grad_output=("n d", grad_output))
    return xp.reshape(grad_output, x.shape)


def squared_error(outputs, targets, *, reduction="mean"):
    r"""Measure how far outputs are from what they should be.

    .. math:: L_n = \frac{1}{2} \sum_k (h_{n,k} - y_{n,k})^2

    Parameters
    ----------
    outputs : (n, k) array
        What the network answers, h.
    targets : (n, k) array
        What it should answer, y.
    reduction : str
        ``"mean"`` or ``"sum"`` of the n losses, or ``"none"``: all of them.

    Returns
    -------
    loss : scalar, or (n,) array for ``"none"``

    Raises
    ------
    ValueError
        If the shapes do not fit, the reduction is unknown, or the mean of an empty
        batch is asked for.
    """
    xp, (outputs, targets) = _bind_errors(outputs, targets, reduction)
    loss = xp.sum((outputs - targets) ** 2, axis=1) / 2
    if reduction == "none":
        return loss
    return xp.mean(loss) if reduction == "mean" else xp.sum(loss)


def squared_error_backward(outputs, targets, *, reduction="mean"):
    r"""Differentiate `squared_error` with respect to the outputs.

    .. math:: \partial L / \partial h = h - y

    Parameters
    ----------
    outputs, targets, reduction
        As in `squared_error`.

    Returns
    -------
    grad : (n, k) array
        Divided by n for the mean; for ``"none"``, row n is the gradient of loss n.

    Raises
    ------
    ValueError
        As `squared_error`.
    """
    _, (outputs, targets) = _bind_errors(outputs, targets, reduction)
    grad = outputs - targets
    return grad / len(grad) if reduction == "mean" else grad


def _bind_errors(outputs, targets, reduction):
    """Check the arguments of a squared error."""
    xp, arrays = as_floats(outputs=outputs, targets=targets)
    outputs, targets = arrays
    sizes = bind_shapes(outputs=("n k", outputs), targets=("n k", targets))
    check_reduction(reduction, sizes["n"], "outputs and targets")
    return xp, arrays
