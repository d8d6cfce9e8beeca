"""Do things said with 71 % come true in 71 % of the cases? Measured, and mended."""

from typing import NamedTuple

import array_api_compat
import numpy as np

from notebook_utils._scores import bind_labels, check_probabilities
from notebook_utils.arrays import whole
from notebook_utils.device import to_numpy

__all__ = ["Reliability", "calibration_error", "fit_temperature", "reliability"]


class Reliability(NamedTuple):
    """Predictions sorted into bins by their confidence, the largest probability.

    Parameters
    ----------
    confidence, accuracy : (bins,) array
        Means over the predictions in each bin; NaN where there are none.
    count : (bins,) array of int
        How many there are.
    """

    confidence: object
    accuracy: object
    count: object


def reliability(p, labels, *, bins=15):
    r"""Compare how sure predictions are with how often they are right.

    Parameters
    ----------
    p : (n, k) array
        Probabilities, one row for each example.
    labels : (n,) array of int
        The true classes, from 0 to k - 1.
    bins : int
        Bins of equal width from 0 to 1; each has its upper edge and not its lower one.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is no integer or no class, a row of `p` is
        negative somewhere or does not have the sum 1, or `bins` is no whole number of
        at least 1.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
    networks", ICML 2017.
    """
    xp, p, *means, count = _sort(p, labels, bins, "sum")
    device = array_api_compat.device(p)
    means = (xp.astype(xp.asarray(each, device=device), p.dtype) for each in means)
    return Reliability(*means, xp.asarray(count, device=device))


def calibration_error(p, labels, *, bins=15):
    r"""Average how far confidence is from accuracy: expected calibration error.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n}\,|\mathrm{accuracy}_b -
              \mathrm{confidence}_b|

    Parameters
    ----------
    p, labels, bins
        As in `reliability`.

    Returns
    -------
    error : float
        From 0 to 1.

    Raises
    ------
    ValueError
        As `reliability`, and for an empty batch.
    """
    *_, confidence, accuracy, count = _sort(p, labels, bins, "mean")
    gaps = np.abs(accuracy - confidence)
    return float(np.nansum(gaps * count) / count.sum())


def fit_temperature(logits, labels):
    r"""Find the temperature at which the mean cross-entropy is smallest.

    .. math:: \frac{\partial L}{\partial \beta} = \frac1n \sum_i \Bigl( \sum_c p_{ic}
              z_{ic} - z_{i, y_i} \Bigr), \quad \beta = 1 / T

    It grows with beta, as the variance of the scores under p is its slope; so its zero
    is found by bisection, in float64.

    Parameters
    ----------
    logits : (n, k) array
        Scores z of examples that the scores were *not* trained on.
    labels : (n,) array of int
        The true classes y, from 0 to k - 1.

    Returns
    -------
    temperature : float
        To divide the scores by.

    Raises
    ------
    ValueError
        As `cross_entropy`; where a true class is ruled out; and where no temperature is
        best: when every true class has the largest score, the colder the better, and
        when the true classes' scores are no larger than scores are on average, the
        hotter the better.
    """
    scores, true = _read(logits, labels)
    values = np.where(np.isneginf(scores), 0.0, scores)

    def slope(beta):
        weights = np.exp(beta * scores)
        means = (weights * values).sum(axis=1) / weights.sum(axis=1)
        return np.mean(means - true)

    low = high = 1.0
    while slope(low) > 0:
        low, high = low / 2, low
    while slope(high) < 0:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / middle


def _sort(p, labels, bins, reduction):
    """Check a batch, and sort it into bins: mean confidence, accuracy, and count."""
    xp, p, truth = bind_labels(p, labels, reduction, "p", _check_rows)
    bins = whole(bins, "bins", 1)
    wide, truth = to_numpy(p).astype(np.float64), to_numpy(truth)
    sure, decision = wide.max(axis=1), wide.argmax(axis=1)
    right = np.take_along_axis(truth, decision[:, None], axis=1)[:, 0]
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.searchsorted(edges, sure, side="left")
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        confidence = np.bincount(place, sure, minlength=bins) / count
        accuracy = np.bincount(place, right, minlength=bins) / count
    return xp, p, confidence, accuracy, count


def _check_rows(xp, p, axis, name):
    check_probabilities(xp, p)


def _read(logits, labels):
    """Check a batch; return its scores, the largest at 0, and those of the truth."""
    _, scores, truth = bind_labels(logits, labels, "mean")
    scores = to_numpy(scores).astype(np.float64)
    scores = scores - scores.max(axis=1, keepdims=True)
    true = scores[to_numpy(truth)]
    ruled_out = np.isneginf(true)
    if np.any(ruled_out):
        raise ValueError(
            f"logits is -inf for the true class of example {ruled_out.argmax()}: the "
            "loss is infinite at every temperature"
        )
    if np.all(true == 0):
        raise ValueError(
            "logits are largest for the true class of each example: the colder, the "
            "better, and no temperature is best"
        )
    means = np.mean(scores, axis=1, where=np.isfinite(scores))
    if np.mean(means - true) >= 0:
        raise ValueError(
            "logits are no larger for the true classes than on average: the hotter, "
            "the better, and no temperature is best"
        )
    return scores, true
