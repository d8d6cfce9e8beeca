"""Losses of a number that should have been another: square, absolute, and between."""

import math

import numpy as np

from notebook_utils._reduction import (
    check_finite,
    check_reduction,
    read_number,
    reduce_losses,
    reduce_slopes,
    widen,
)
from notebook_utils.arrays import as_floats, bind_shapes


def mse_loss(prediction, target, *, reduction="mean"):
    r"""Square the residuals: L2 loss, mean squared error.

    .. math:: L = r^2, \quad r = \hat y - y

    Parameters
    ----------
    prediction, target : (...) array
        Of the same shape: nothing is repeated to make them fit.
    reduction : str
        ``"mean"`` or ``"sum"`` of all losses, or ``"none"``: each of them.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``
        Infinite where the square is too large for its type. Of no losses, the sum is 0,
        and there is no mean.

    Raises
    ------
    ValueError
        If the shapes differ, something is NaN or infinite, the reduction is unknown, or
        the mean of no losses is asked for.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    with np.errstate(over="ignore"):
        return reduce_losses(xp, r**2, reduction, like)


def mse_loss_backward(prediction, target, *, reduction="mean"):
    r"""Differentiate `mse_loss` with respect to the prediction.

    .. math:: \partial L / \partial \hat y = 2 r

    divided by the number of losses for the mean; for ``"none"`` each entry is the slope
    of its own loss. With respect to the target it is the negative of that. Parameters
    and errors are those of `mse_loss`.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    with np.errstate(over="ignore"):
        return reduce_slopes(xp, 2 * r, reduction, like)


def l1_loss(prediction, target, *, reduction="mean"):
    r"""Take the residuals without their signs: L1 loss, mean absolute error.

    .. math:: L = |r|, \quad r = \hat y - y

    Parameters, answer and errors are those of `mse_loss`.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    return reduce_losses(xp, xp.abs(r), reduction, like)


def l1_loss_backward(prediction, target, *, reduction="mean"):
    r"""Differentiate `l1_loss` with respect to the prediction.

    .. math:: \partial L / \partial \hat y = \operatorname{sign}(r)

    At 0, where there is a corner, the slope is given as 0, as by torch. The rest is as
    for `mse_loss_backward`.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    return reduce_slopes(xp, xp.sign(r), reduction, like)


def huber_loss(prediction, target, *, delta=1.0, reduction="mean"):
    r"""Go from squares to straight lines: Huber's loss.

    .. math:: L = \begin{cases} r^2 / 2 & |r| \le \delta \\
              \delta\,(|r| - \delta / 2) & \text{otherwise} \end{cases}

    Parameters
    ----------
    prediction, target, reduction
        As in `mse_loss`.
    delta : float
        Above 0: the residual at which the line begins.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``

    Raises
    ------
    ValueError
        As `mse_loss`, and for a delta that is not above 0.

    Notes
    -----
    With g for the residual cut off at -delta and delta, which is the slope, both lines
    are g (r - g / 2).

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical
    Statistics 35 (1964), 73-101.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    delta = _read(delta, "delta", xp, r, above=True)
    slope = xp.clip(r, -delta, delta)
    with np.errstate(over="ignore"):
        return reduce_losses(xp, slope * (r - slope / 2), reduction, like)


def huber_loss_backward(prediction, target, *, delta=1.0, reduction="mean"):
    r"""Differentiate `huber_loss` with respect to the prediction.

    .. math:: \partial L / \partial \hat y = \min(\max(r, -\delta), \delta)

    The rest is as for `mse_loss_backward`.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    delta = _read(delta, "delta", xp, r, above=True)
    return reduce_slopes(xp, xp.clip(r, -delta, delta), reduction, like)


def smooth_l1_loss(prediction, target, *, beta=1.0, reduction="mean"):
    r"""Round the corner of the absolute value: smooth L1 loss.

    .. math:: L = \begin{cases} r^2 / (2 \beta) & |r| < \beta \\
              |r| - \beta / 2 & \text{otherwise} \end{cases}

    It is Huber's loss divided by its delta, here beta.

    Parameters
    ----------
    prediction, target, reduction
        As in `mse_loss`.
    beta : float
        At least 0: the residual at which the line begins. 0 gives `l1_loss`.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``

    Raises
    ------
    ValueError
        As `mse_loss`, and for a beta below 0.

    References
    ----------
    R. Girshick, "Fast R-CNN", ICCV 2015, with beta = 1.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    beta = _read(beta, "beta", xp, r)
    losses = _slope(xp, r, beta) * (r - xp.clip(r, -beta, beta) / 2)
    return reduce_losses(xp, losses, reduction, like)


def smooth_l1_loss_backward(prediction, target, *, beta=1.0, reduction="mean"):
    r"""Differentiate `smooth_l1_loss` with respect to the prediction.

    .. math:: \partial L / \partial \hat y = \min(\max(r / \beta, -1), 1)

    The rest is as for `mse_loss_backward`; at beta = 0, as for `l1_loss_backward`.
    """
    xp, like, r = _residuals(prediction, target, reduction)
    slopes = _slope(xp, r, _read(beta, "beta", xp, r))
    return reduce_slopes(xp, slopes, reduction, like)


def _residuals(prediction, target, reduction):
    """Check the arguments; return the prediction as read, and the residuals."""
    xp, (prediction, target) = as_floats(prediction=prediction, target=target)
    bind_shapes(prediction=("...", prediction), target=("...", target))
    count = math.prod(prediction.shape)
    check_reduction(reduction, count, "prediction and target")
    check_finite(xp, prediction, "prediction")
    check_finite(xp, target, "target")
    with np.errstate(over="ignore"):
        return xp, prediction, widen(xp, prediction) - widen(xp, target)


def _read(value, name, xp, r, **options):
    """Read a number that a residual can be compared with."""
    return read_number(value, name, 0, float(xp.finfo(r.dtype).max), **options)


def _slope(xp, r, beta):
    """Cut r / beta off at -1 and 1, without dividing by 0 or overflowing."""
    return xp.clip(r, -beta, beta) / beta if beta > 0 else xp.sign(r)
