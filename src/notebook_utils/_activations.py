"""Functions that act on each number by itself, and their gradients."""

from notebook_utils.arrays import as_floats, bind_shapes


def sigmoid(x):
    r"""Squeeze each number into (0, 1).

    .. math:: \sigma(x) = \frac{1}{1 + e^{-x}}

    Parameters
    ----------
    x : array
        Of any shape.

    Returns
    -------
    y : array
        Of the shape of `x`.

    Notes
    -----
    Only exponentials of numbers up to 0 are taken, so none overflows; for negative x
    it is e^x / (1 + e^x).
    """
    xp, (x,) = as_floats(x=x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x < 0, small, 1.0) / (1 + small)


def sigmoid_backward(grad_output, x):
    r"""Carry a gradient back through `sigmoid`.

    .. math:: \sigma'(x) = \sigma(x) (1 - \sigma(x))

    Parameters
    ----------
    grad_output : array
        Gradient of the loss with respect to the output.
    x : array
        The input, of the same shape.

    Returns
    -------
    grad_x : array

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    1 - σ(x) is computed as σ(-x): where σ(x) is rounded to 1, the difference would be
    0.
    """
    _, (grad_output, x) = _bind(grad_output, x)
    return grad_output * (sigmoid(x) * sigmoid(-x))


def tanh(x):
    r"""Squeeze each number into (-1, 1).

    .. math:: \tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2 \sigma(2x) - 1

    Parameters
    ----------
    x : array
        Of any shape.

    Returns
    -------
    y : array
        Of the shape of `x`.
    """
    xp, (x,) = as_floats(x=x)
    return xp.tanh(x)


def tanh_backward(grad_output, x):
    r"""Carry a gradient back through `tanh`.

    .. math:: \tanh' x = 1 - \tanh^2 x

    Parameters
    ----------
    grad_output, x
        As in `sigmoid_backward`.

    Returns
    -------
    grad_x : array

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    xp, (grad_output, x) = _bind(grad_output, x)
    return grad_output * (1 - xp.tanh(x) ** 2)


def relu(x):
    r"""Replace negative numbers by 0.

    .. math:: y = \max(x, 0)

    Parameters
    ----------
    x : array
        Of any shape.

    Returns
    -------
    y : array
        Of the shape of `x`; NaN stays NaN.
    """
    xp, (x,) = as_floats(x=x)
    return xp.where(x <= 0, 0.0, x)


def relu_backward(grad_output, x):
    """Carry a gradient back through `relu`: where the input was positive, as it is.

    Parameters
    ----------
    grad_output, x
        As in `sigmoid_backward`. At 0, where `relu` has a corner, the slope is taken
        to be 0, as in torch.

    Returns
    -------
    grad_x : array

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    xp, (grad_output, x) = _bind(grad_output, x)
    return xp.where(x <= 0, 0.0, grad_output)


def _bind(grad_output, x):
    """Read a gradient and the input that it belongs to."""
    xp, arrays = as_floats(grad_output=grad_output, x=x)
    grad_output, x = arrays
    bind_shapes(x=("...", x), grad_output=("...", grad_output))
    return xp, arrays
