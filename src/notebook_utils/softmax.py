"""Scores to probabilities, and the loss that trains them: softmax and cross-entropy.

A score (logit) is any real number, one for each class; -inf rules a class out, as a
mask does, and gives it probability 0. Logarithms are natural.
"""

import array_api_compat

from notebook_utils._reduction import read_number, reduce_losses, reduce_slopes, widen
from notebook_utils._scores import bind_labels, check_probabilities, shift
from notebook_utils.arrays import as_floats, bind_shapes

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "log_softmax",
    "log_sum_exp",
    "softmax",
    "softmax_jacobian",
]


def log_sum_exp(x, *, axis=-1):
    r"""Take the logarithm of a sum of exponentials: a maximum with its corner rounded.

    .. math:: \mathrm{lse}(x) = \log \sum_i e^{x_i} = m + \log \sum_i e^{x_i - m},
              \quad m = \max_i x_i

    Parameters
    ----------
    x : array
        Of any shape; scores, or logarithms of what is to be added.
    axis : int
        The axis to sum over.

    Returns
    -------
    total : array
        Of the shape of `x` without that axis. It lies between m and m + log(k), for k
        entries.

    Raises
    ------
    ValueError
        For NaN, for +inf, for a row of only -inf, for an axis that `x` does not have or
        that is empty.

    Notes
    -----
    No exponent is positive and one is 0, so the sum lies between 1 and k, and nothing
    overflows. float16 and bfloat16 are computed in float32 and rounded at the end,
    here, in the two functions after it, and in `cross_entropy` and its gradient.

    References
    ----------
    P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp
    and softmax functions", IMA Journal of Numerical Analysis 41 (2021), 2311-2330.
    """
    xp, (x,) = as_floats(x=x)
    shifted = shift(xp, x, axis)
    total = xp.max(x, axis=axis) + xp.log(xp.sum(xp.exp(shifted), axis=axis))
    return xp.astype(total, x.dtype, copy=False)


def softmax(x, *, axis=-1, temperature=1.0):
    r"""Turn scores into probabilities: positive, and of sum 1.

    .. math:: p_i = \frac{e^{x_i / T}}{\sum_j e^{x_j / T}}

    Parameters
    ----------
    x : array
        Scores, of any shape.
    axis : int
        The axis along which the classes lie.
    temperature : float
        T > 0. Towards 0 all goes to the largest score (equal parts where several are
        largest), towards infinity every class that is not ruled out gets the same.

    Returns
    -------
    p : array
        Of the shape of `x`.

    Raises
    ------
    ValueError
        As `log_sum_exp`, and for a temperature that is not positive or that float32
        (for float64 scores, float64) cannot hold.

    References
    ----------
    J. S. Bridle, "Probabilistic interpretation of feedforward classification network
    outputs, with relationships to statistical pattern recognition", in Neurocomputing,
    Springer 1990, 227-236. Temperature: G. Hinton, O. Vinyals and J. Dean, "Distilling
    the knowledge in a neural network", arXiv:1503.02531.
    """
    xp, (x,) = as_floats(x=x)
    weights = xp.exp(shift(xp, x, axis, temperature))
    p = weights / xp.sum(weights, axis=axis, keepdims=True)
    return xp.astype(p, x.dtype, copy=False)


def log_softmax(x, *, axis=-1, temperature=1.0):
    r"""Take the logarithms of the probabilities, without the probabilities.

    .. math:: \log p_i = x_i / T - \mathrm{lse}(x / T)

    A probability that is too small for its type becomes 0, and its logarithm -inf; this
    has it right.

    Parameters
    ----------
    x, axis, temperature
        As in `softmax`.

    Returns
    -------
    log_p : array
        Of the shape of `x`; -inf where the score is -inf.

    Raises
    ------
    ValueError
        As `softmax`.
    """
    xp, (x,) = as_floats(x=x)
    shifted = shift(xp, x, axis, temperature)
    log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))
    return xp.astype(log_p, x.dtype, copy=False)


def softmax_jacobian(p):
    r"""Differentiate probabilities with respect to the scores that they came from.

    .. math:: \frac{\partial p_i}{\partial x_j} = p_i (\delta_{ij} - p_j), \quad
              J = \operatorname{diag}(p) - p p^T

    Parameters
    ----------
    p : (..., k) array
        Probabilities, as `softmax` gives them at temperature 1; at another one, divide
        the Jacobian by it.

    Returns
    -------
    jacobian : (..., k, k) array
        Symmetric, its rows of sum 0; row i has the slopes of p_i.

    Raises
    ------
    ValueError
        If `p` has no axis, is negative somewhere, or does not sum to 1 within 1e-6
        (within 4 units in the last place of 1, for float16 and bfloat16).
    """
    xp, (p,) = as_floats(p=p)
    k = bind_shapes(p=("... k", p))["k"]
    check_probabilities(xp, p)
    one = xp.eye(k, dtype=p.dtype, device=array_api_compat.device(p))
    return p[..., :, None] * (one - p[..., None, :])


def cross_entropy(logits, labels, *, reduction="mean", label_smoothing=0.0):
    r"""Measure how badly scores predict the true classes.

    .. math:: L_i = -\sum_c q_{ic} \log p_{ic}, \quad
              q_{ic} = (1 - \varepsilon) [c = y_i] + \varepsilon / k

    which without smoothing is :math:`-\log p_{i, y_i} = \mathrm{lse}(z_i) -
    z_{i, y_i}`.

    Parameters
    ----------
    logits : (n, k) array
        Scores z, not probabilities: one row for each example.
    labels : (n,) array of int
        The true classes y, from 0 to k - 1.
    reduction : str
        ``"mean"`` or ``"sum"`` of the n losses, or ``"none"``: all of them.
    label_smoothing : float
        Which part of the truth is shared out among all classes: epsilon, from 0 to 1.

    Returns
    -------
    loss : scalar, or (n,) array for ``"none"``
        In nats, from 0; infinite where the true class, or with smoothing any class, has
        the score -inf. An empty batch has the sum 0, and no mean.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is no integer or no class, a row of scores is
        not as in `log_sum_exp`, the reduction is unknown, the smoothing out of its
        range, or the mean of an empty batch is asked for.

    References
    ----------
    Smoothing: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking
    the inception architecture for computer vision", CVPR 2016.
    """
    xp, logits, q = _bind(logits, labels, reduction, label_smoothing)
    log_p = log_softmax(widen(xp, logits))
    loss = -xp.sum(q * xp.where(q > 0, log_p, 0.0), axis=1)
    return reduce_losses(xp, loss, reduction, logits)


def cross_entropy_backward(logits, labels, *, reduction="mean", label_smoothing=0.0):
    r"""Differentiate `cross_entropy` with respect to the scores.

    .. math:: \partial L_i / \partial z_{ic} = p_{ic} - q_{ic}

    divided by n for the mean.

    Parameters
    ----------
    logits, labels, reduction, label_smoothing
        As in `cross_entropy`.

    Returns
    -------
    grad_logits : (n, k) array
        Each row has the sum 0. For ``"none"``, row i is the gradient of loss i, which
        depends on no other row; so it is what ``"sum"`` gives.

    Raises
    ------
    ValueError
        As `cross_entropy`.
    """
    xp, logits, q = _bind(logits, labels, reduction, label_smoothing)
    p = softmax(widen(xp, logits))
    return reduce_slopes(xp, p - q, reduction, logits, count=logits.shape[0])


def _bind(logits, labels, reduction, label_smoothing):
    """Check a batch; return its scores, and the truth q (n, k) as a distribution."""
    xp, scores, truth = bind_labels(logits, labels, reduction)
    share = read_number(label_smoothing, "label_smoothing", 0, 1)
    one_hot = xp.astype(truth, widen(xp, scores).dtype)
    return xp, scores, (1 - share) * one_hot + share / scores.shape[1]
