"""Losses that ask for a margin: the hinge, for two classes and for several."""

import math

import numpy as np

from notebook_utils._reduction import (
    as_scores,
    check_finite,
    check_reduction,
    read_number,
    reduce_losses,
    reduce_slopes,
    refuse,
    widen,
)
from notebook_utils._scores import bind_labels
from notebook_utils.arrays import bind_shapes


def hinge_loss(scores, signs, *, margin=1.0, p=1, reduction="mean"):
    r"""Ask that a score be on the right side of 0, by a margin.

    .. math:: L = \max(0, \Delta - t s)^p

    Parameters
    ----------
    scores : (...) array
        Scores s, whose signs are the decisions.
    signs : (...) array
        The truth t: 1 or -1.
    margin : float
        At least 0.
    p : int
        1, or 2 for the squared hinge.
    reduction : str
        ``"mean"`` or ``"sum"`` of all losses, or ``"none"``: each of them.

    Returns
    -------
    loss : scalar, or (...) array for ``"none"``
        From 0. Of no losses, the sum is 0, and there is no mean.

    Raises
    ------
    ValueError
        If the shapes differ, a score is NaN or infinite, a sign is neither 1 nor -1,
        the margin or p is out of its range, the reduction is unknown, or the mean of no
        losses is asked for.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20 (1995),
    273-297.
    """
    xp, like, _, gaps = _binary_gaps(scores, signs, margin, p, reduction)
    with np.errstate(over="ignore"):
        return reduce_losses(xp, gaps**p, reduction, like)


def hinge_loss_backward(scores, signs, *, margin=1.0, p=1, reduction="mean"):
    r"""Differentiate `hinge_loss` with respect to the scores.

    .. math:: \frac{\partial L}{\partial s} = \begin{cases}
              -t\,p\,(\Delta - t s)^{p - 1} & t s < \Delta \\ 0 & \text{otherwise}
              \end{cases}

    divided by the number of losses for the mean. At the corner, t s = margin, the slope
    is given as 0. Parameters and errors are those of `hinge_loss`.
    """
    xp, like, signs, gaps = _binary_gaps(scores, signs, margin, p, reduction)
    return reduce_slopes(xp, -signs * _slopes(xp, gaps, p), reduction, like)


def multiclass_hinge_loss(scores, labels, *, margin=1.0, p=1, reduction="mean"):
    r"""Ask that the true class lead each other class by a margin.

    .. math:: L_i = \sum_{j \ne y_i} \max(0, \Delta + s_{ij} - s_{i, y_i})^p

    Parameters
    ----------
    scores : (n, k) array
        Scores s: one row for each example. -inf rules a class out, and it costs
        nothing.
    labels : (n,) array of int
        The true classes y, from 0 to k - 1.
    margin, p, reduction
        As in `hinge_loss`.

    Returns
    -------
    loss : scalar, or (n,) array for ``"none"``
        From 0; infinite where the true class has the score -inf, and another has not.
        An empty batch has the sum 0, and no mean.

    Raises
    ------
    ValueError
        If the shapes do not fit, a score is NaN or +inf, a row holds only -inf, a label
        is no integer or no class, and as `hinge_loss`.

    Notes
    -----
    torch's ``multi_margin_loss`` divides by k; this is the sum, as in the course cs231n
    and in the notes 003.

    References
    ----------
    J. Weston and C. Watkins, "Support vector machines for multi-class pattern
    recognition", ESANN 1999.
    """
    xp, like, _, gaps = _gaps(scores, labels, margin, p, reduction)
    with np.errstate(over="ignore"):
        losses = xp.sum(gaps**p, axis=1)
        return reduce_losses(xp, losses, reduction, like)


def multiclass_hinge_loss_backward(
    scores, labels, *, margin=1.0, p=1, reduction="mean"
):
    r"""Differentiate `multiclass_hinge_loss` with respect to the scores.

    Each class that comes closer than the margin is pushed down with the slope of its
    own term, and the true class up with the sum of them; for p = 1,

    .. math:: \frac{\partial L_i}{\partial s_{ij}} = \begin{cases}
              [\Delta + s_{ij} - s_{i, y_i} > 0] & j \ne y_i \\
              - \text{how many such } j & j = y_i \end{cases}

    divided by n for the mean. Parameters and errors are those of
    `multiclass_hinge_loss`.
    """
    xp, like, truth, gaps = _gaps(scores, labels, margin, p, reduction)
    slopes = _slopes(xp, gaps, p)
    total = xp.sum(slopes, axis=1, keepdims=True)
    grad = xp.where(truth, 0 - total, slopes)
    return reduce_slopes(xp, grad, reduction, like, count=like.shape[0])


def _slopes(xp, gaps, p):
    """Differentiate gaps**p, where there is a gap."""
    return xp.where(gaps > 0, p * gaps ** (p - 1), 0.0)


def _binary_gaps(scores, signs, margin, p, reduction):
    """Check the arguments; return scores and signs, and what is missing."""
    xp, (scores, signs) = as_scores(scores=scores, signs=signs)
    bind_shapes(scores=("...", scores), signs=("...", signs))
    check_reduction(reduction, math.prod(scores.shape), "scores and signs")
    check_finite(xp, scores, "scores")
    refuse(xp, signs, xp.abs(signs) != 1, "signs", "must be 1 or -1")
    wide, signs = widen(xp, scores), widen(xp, signs)
    margin = _read(margin, p, xp, wide)
    return xp, scores, signs, xp.clip(margin - signs * wide, 0, None)


def _gaps(scores, labels, margin, p, reduction):
    """Check a batch; return it, its labels as a table, and by how much each comes near.

    The true class, and classes that are ruled out, come no nearer than by 0.
    """
    xp, scores, truth = bind_labels(scores, labels, reduction, "scores")
    wide = widen(xp, scores)
    margin = _read(margin, p, xp, wide)
    others = ~truth & (wide > -math.inf)
    true = xp.sum(xp.where(truth, wide, 0.0), axis=1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):  # -inf less -inf is not used
        gaps = xp.clip(margin + wide - true, 0, None)
    return xp, scores, truth, xp.where(others, gaps, 0.0)


def _read(margin, p, xp, scores):
    if isinstance(p, bool) or p not in (1, 2):
        raise ValueError(f"p is {p!r}, but must be 1 or 2")
    return read_number(margin, "margin", 0, float(xp.finfo(scores.dtype).max))
