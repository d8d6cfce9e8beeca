"""What a prediction costs: losses for numbers, for classes, and for yes or no.

Each loss has a gradient, `..._backward`, with respect to its first argument: the
prediction or the scores. Names, defaults and reductions are torch's, where torch has
the loss; a batch of no losses has the sum 0, and its mean raises. float16 and bfloat16
are computed in float32 and rounded at the end. Softmax's own loss, `cross_entropy`, is
in `notebook_utils.softmax`.
"""

from notebook_utils._binary_losses import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    focal_loss,
    focal_loss_backward,
)
from notebook_utils._margin_losses import (
    hinge_loss,
    hinge_loss_backward,
    multiclass_hinge_loss,
    multiclass_hinge_loss_backward,
)
from notebook_utils._reduction import (
    reduce_losses,
    reduce_slopes,
    refuse,
    spread_over,
    widen,
)
from notebook_utils._regression_losses import (
    huber_loss,
    huber_loss_backward,
    l1_loss,
    l1_loss_backward,
    mse_loss,
    mse_loss_backward,
    smooth_l1_loss,
    smooth_l1_loss_backward,
)
from notebook_utils._scores import bind_labels
from notebook_utils.arrays import as_floats

__all__ = [
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "focal_loss",
    "focal_loss_backward",
    "hinge_loss",
    "hinge_loss_backward",
    "huber_loss",
    "huber_loss_backward",
    "l1_loss",
    "l1_loss_backward",
    "mse_loss",
    "mse_loss_backward",
    "multiclass_hinge_loss",
    "multiclass_hinge_loss_backward",
    "nll_loss",
    "nll_loss_backward",
    "smooth_l1_loss",
    "smooth_l1_loss_backward",
]


def nll_loss(log_p, labels, *, weight=None, reduction="mean"):
    r"""Take the negative log-likelihood of the true classes, each with its weight.

    .. math:: L_i = -w_{y_i} \log p_{i, y_i}, \quad
              \text{mean} = \frac{\sum_i L_i}{\sum_i w_{y_i}}

    Parameters
    ----------
    log_p : (n, k) array
        Logarithms of probabilities, as `log_softmax` gives them: at most 0. Scores and
        probabilities are refused where they show, by being positive.
    labels : (n,) array of int
        The true classes y, from 0 to k - 1.
    weight : (k,) array, optional
        w >= 0: how much each class counts.
    reduction : str
        ``"mean"``, which divides by the weights, ``"sum"``, or ``"none"``: all losses.

    Returns
    -------
    loss : scalar, or (n,) array for ``"none"``
        Infinite where the true class has the logarithm -inf, and a weight above 0. An
        empty batch has the sum 0, and no mean.

    Raises
    ------
    ValueError
        If the shapes do not fit, something in `log_p` is NaN or positive, a label is no
        integer or no class, a weight is negative or not finite, the reduction is
        unknown, or the mean is asked for and no example has a weight.
    """
    xp, like, parts, total = _bind(log_p, labels, weight, reduction)
    chosen = xp.where(parts > 0, widen(xp, like), 0.0)
    losses = -xp.sum(parts * chosen, axis=1)
    return reduce_losses(xp, losses, reduction, like, count=total)


def nll_loss_backward(log_p, labels, *, weight=None, reduction="mean"):
    r"""Differentiate `nll_loss` with respect to the logarithms.

    .. math:: \frac{\partial L_i}{\partial \log p_{ic}} = -w_{y_i}\,[c = y_i]

    divided by the sum of the weights for the mean. With respect to the *scores* behind
    them it is :math:`w_{y_i} (p_{ic} - [c = y_i])`. Parameters and errors are those of
    `nll_loss`.
    """
    xp, like, parts, total = _bind(log_p, labels, weight, reduction)
    return reduce_slopes(xp, -parts, reduction, like, count=total)


def _bind(log_p, labels, weight, reduction):
    """Check a batch; return it, each entry's weight in its loss, and their sum."""
    xp, read, truth = bind_labels(log_p, labels, reduction, "log_p", _check_logarithms)
    parts = xp.astype(truth, widen(xp, read).dtype)
    if weight is not None:
        _, (_, weight) = as_floats(log_p=read, weight=weight)
        rule = "must be finite and at least 0"
        refuse(xp, weight, ~(xp.isfinite(weight) & (weight >= 0)), "weight", rule)
        shape = (truth.shape[1],)
        weight = spread_over(xp, weight, shape, "weight", "the classes")
        parts = parts * xp.astype(weight, parts.dtype, copy=False)
    total = float(xp.sum(parts))
    if total == 0 and reduction == "mean":
        raise ValueError(
            "weight is 0 for each label, but a mean needs a loss that counts"
        )
    return xp, read, parts, total


def _check_logarithms(xp, log_p, axis, name):
    """Insist on logarithms of probabilities, but for rounding."""
    if log_p.shape[axis] == 0:
        raise ValueError(
            f"{name} of shape {tuple(log_p.shape)} is empty along axis {axis}, but at "
            "least one class is needed"
        )
    rule = "must be at most 0, as the logarithm of a probability is"
    refuse(xp, log_p, ~(log_p <= 1e-6), name, rule)
