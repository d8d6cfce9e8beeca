"""Losses of yes or no, from scores: binary cross-entropy and focal loss."""

import math

from notebook_utils._reduction import (
    as_scores,
    check_finite,
    check_reduction,
    read_number,
    reduce_losses,
    reduce_slopes,
    refuse,
    spread_over,
    widen,
)
from notebook_utils.arrays import bind_shapes


def softplus(xp, x):
    """Compute log(1 + e^x), which is -log sigmoid(-x), without overflow."""
    return xp.clip(x, 0, None) + xp.log1p(xp.exp(-xp.abs(x)))


def binary_cross_entropy_with_logits(
    logits, targets, *, weight=None, pos_weight=None, mask=None, reduction="mean"
):
    r"""Measure how badly a score predicts yes or no; each entry is its own question.

    .. math:: L = w \left[ -a\,y \log \sigma(x) - (1 - y) \log \sigma(-x) \right]

    Parameters
    ----------
    logits : (...) array
        Scores x, not probabilities: the probability of yes is sigma(x).
    targets : (...) array
        The truth y from 0 to 1: 1 for yes, 0 for no, between them for a share.
    weight : array, optional
        w >= 0, of the shape of `logits` or one that can be repeated to it. The mean
        does not divide by it, as in torch.
    pos_weight : array, optional
        a >= 0: how often each yes counts; likewise.
    mask : array, optional
        True or 1 where an entry counts, False or 0 where it does not; likewise. What is
        masked may hold anything, NaN included, and the mean is over what is not.
    reduction : str
        ``"mean"`` or ``"sum"`` of the losses that count, or ``"none"``: each of them,
        0 where it is masked.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``
        Of no losses, the sum is 0, and there is no mean.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN or infinite, a target is not from 0 to
        1, a weight is negative or not finite, the mask holds anything but 0 and 1, the
        reduction is unknown, or the mean of no losses is asked for.
    """
    batch = _read(logits, targets, weight, pos_weight, mask, reduction)
    xp, like, count, x, yes, no = batch
    losses = yes * softplus(xp, -x) + no * softplus(xp, x)
    return reduce_losses(xp, losses, reduction, like, count)


def binary_cross_entropy_with_logits_backward(
    logits, targets, *, weight=None, pos_weight=None, mask=None, reduction="mean"
):
    r"""Differentiate `binary_cross_entropy_with_logits` with respect to the scores.

    .. math:: \frac{\partial L}{\partial x} =
              w \left[ (1 - y)\,\sigma(x) - a\,y\,\sigma(-x) \right]

    without weights this is sigma(x) - y. It is 0 where masked, and divided by the
    number of losses that count for the mean. Parameters and errors are those of the
    forward.
    """
    batch = _read(logits, targets, weight, pos_weight, mask, reduction)
    xp, like, count, x, yes, no = batch
    slopes = no * xp.exp(-softplus(xp, -x)) - yes * xp.exp(-softplus(xp, x))
    return reduce_slopes(xp, slopes, reduction, like, count)


def focal_loss(logits, targets, *, alpha=0.25, gamma=2.0, reduction="mean"):
    r"""Binary cross-entropy in which what is right already hardly counts.

    .. math:: L = -\alpha_t\,(1 - p_t)^\gamma \log p_t, \quad
              p_t = \sigma(\pm x), \quad \alpha_t = \alpha \text{ or } 1 - \alpha

    with the upper sign and alpha for yes, the lower sign and 1 - alpha for no: p_t is
    the probability of what is true.

    Parameters
    ----------
    logits : (...) array
        Scores x, not probabilities.
    targets : (...) array
        The truth: 1 for yes, 0 for no.
    alpha : float or None
        From 0 to 1; None leaves the factor out.
    gamma : float
        At least 0; 0 gives binary cross-entropy.
    reduction : str
        ``"mean"`` or ``"sum"`` of all losses, or ``"none"``: each of them. The paper
        divides the sum by the number of objects instead.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``
        Of no losses, the sum is 0, and there is no mean.

    Raises
    ------
    ValueError
        If the shapes differ, a score is NaN or infinite, a target is neither 0 nor 1,
        alpha or gamma is out of its range, the reduction is unknown, or the mean of no
        losses is asked for.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, "Focal loss for dense object
    detection", ICCV 2017.
    """
    xp, like, _, x, factor = _read_focal(logits, targets, alpha, gamma, reduction)
    # (1 - p)^gamma is e^(-gamma softplus(x)), as 1 - p is sigma(-x)
    fading = xp.exp(-gamma * softplus(xp, x))
    return reduce_losses(xp, factor * fading * softplus(xp, -x), reduction, like)


def focal_loss_backward(logits, targets, *, alpha=0.25, gamma=2.0, reduction="mean"):
    r"""Differentiate `focal_loss` with respect to the scores.

    .. math:: \frac{\partial L}{\partial x} = \pm \alpha_t\,(1 - p_t)^\gamma
              \left[ \gamma\,p_t \log p_t - (1 - p_t) \right]

    divided by the number of losses for the mean. Parameters and errors are those of
    `focal_loss`.
    """
    xp, like, sign, x, factor = _read_focal(logits, targets, alpha, gamma, reduction)
    log_p, log_rest = -softplus(xp, -x), -softplus(xp, x)
    bracket = gamma * xp.exp(log_p) * log_p - xp.exp(log_rest)
    slopes = sign * factor * xp.exp(gamma * log_rest) * bracket
    return reduce_slopes(xp, slopes, reduction, like)


def _read(logits, targets, weight, pos_weight, mask, reduction):
    """Check a batch; return how many entries count, and how much each is yes and no."""
    xp, (x, y, weight, pos_weight, mask) = as_scores(
        logits=logits, targets=targets, weight=weight, pos_weight=pos_weight, mask=mask
    )
    bind_shapes(logits=("...", x), targets=("...", y))
    like, shape, count = x, tuple(x.shape), math.prod(x.shape)
    x, y = widen(xp, x), widen(xp, y)
    if mask is not None:
        mask = spread_over(xp, mask, shape, "mask", "logits")
        refuse(xp, mask, (mask != 0) & (mask != 1), "mask", "must be 0 or 1")
        count = int(xp.sum(xp.astype(mask != 0, xp.int64)))
        x, y = (xp.where(mask != 0, each, 0.0) for each in (x, y))
    check_reduction(reduction, count, "logits and targets")
    check_finite(xp, x, "logits")
    refuse(xp, y, ~((y >= 0) & (y <= 1)), "targets", "must be from 0 to 1")
    yes, no = y, 1 - y
    if mask is not None:
        no = xp.where(mask != 0, no, 0.0)
    for name, factor in (("pos_weight", pos_weight), ("weight", weight)):
        if factor is not None:
            refuse(
                xp,
                factor,
                ~(xp.isfinite(factor) & (factor >= 0)),
                name,
                "must be finite and at least 0",
            )
            factor = widen(xp, spread_over(xp, factor, shape, name, "logits"))
            yes, no = yes * factor, no * factor if name == "weight" else no
    return xp, like, count, x, yes, no


def _read_focal(logits, targets, alpha, gamma, reduction):
    """Check a batch; return the signs of the truth, the scores of it, and alpha_t."""
    xp, (x, y) = as_scores(logits=logits, targets=targets)
    bind_shapes(logits=("...", x), targets=("...", y))
    check_reduction(reduction, math.prod(x.shape), "logits and targets")
    check_finite(xp, x, "logits")
    refuse(xp, y, (y != 0) & (y != 1), "targets", "must be 0 or 1")
    read_number(gamma, "gamma", 0, 1e6)
    like, x, y = x, widen(xp, x), widen(xp, y)
    factor = xp.ones_like(y)
    if alpha is not None:
        alpha = read_number(alpha, "alpha", 0, 1)
        factor = alpha * y + (1 - alpha) * (1 - y)
    sign = 2 * y - 1
    return xp, like, sign, sign * x, factor
