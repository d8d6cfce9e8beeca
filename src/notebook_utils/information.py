"""Information theory of finite distributions: surprise, entropies, shared information.

Probabilities lie along the last axis, and sum to 1 there; a joint distribution of X and
Y lies along the last two, joint[i, j] = p(x_i, y_j). Axes before them hold more
distributions, each treated on its own. Everything is in units of the logarithm's base:
bits for 2, nats for e, and with a base below 1 all signs turn. 0 log 0 counts as 0.
"""

import math

import array_api_compat
import numpy as np

from notebook_utils._probabilities import (
    TOLERANCE,
    divergence,
    finite_log,
    log,
    log_ratio,
    mean,
    read_distributions,
    read_joint,
    unit,
)
from notebook_utils.arrays import as_floats, bind_shapes, is_torch

__all__ = [
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "joint_entropy",
    "joint_from_samples",
    "js_divergence",
    "kl_divergence",
    "mutual_information",
    "pointwise_mutual_information",
    "self_information",
]


def self_information(p, *, base=2):
    """Say how surprising an event is.

    I(p) = -log p

    Parameters
    ----------
    p : array
        Probabilities of any shape, each on its own.
    base : float
        Of the logarithm: positive, and not 1.

    Returns
    -------
    information : array of the shape of p
        Infinite where p is 0.

    Raises
    ------
    ValueError
        If a probability does not lie in [0, 1] or the base does not fit. What exceeds 1
        by no more than 1e-6 is taken for rounding, and for 1.

    References
    ----------
    C. E. Shannon, "A mathematical theory of communication", Bell System Technical
    Journal 27, 1948, doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    xp, (p,) = as_floats(p=p)
    outside = ~((p >= 0) & (p <= 1 + TOLERANCE))  # NaN, too
    if xp.any(outside):
        raise ValueError(
            f"p holds {float(p[outside][0]):g}, but probabilities lie in [0, 1]"
        )
    return (0 - log(xp, xp.clip(p, 0, 1))) / unit(base)


def entropy(p, *, base=2):
    r"""Average the surprise of a random variable.

    .. math:: H(X) = -\sum_i p_i \log p_i

    Parameters
    ----------
    p : (..., k) array
        Probabilities of the k values.
    base : float
        As in `self_information`.

    Returns
    -------
    entropy : (...) array
        From 0, where one value is certain, to log k, where all are equally likely.

    Raises
    ------
    ValueError
        If a probability does not lie in [0, 1], if they do not sum to 1, or if the base
        does not fit.

    References
    ----------
    As `self_information`.
    """
    xp, (p,) = read_distributions(p=p)
    return xp.sum(p * (0 - finite_log(xp, p)), axis=-1) / unit(base)


def joint_entropy(joint, *, base=2):
    r"""Average the surprise of two variables together.

    .. math:: H(X, Y) = -\sum_{i,j} p(x_i, y_j) \log p(x_i, y_j)

    Parameters
    ----------
    joint : (..., m, n) array
        Joint probabilities of the m values of X and the n values of Y.
    base : float
        As in `self_information`.

    Returns
    -------
    entropy : (...) array

    Raises
    ------
    ValueError
        As `entropy`.
    """
    xp, joint = read_joint(joint)
    surprise = 0 - finite_log(xp, joint)
    return xp.sum(joint * surprise, axis=(-2, -1)) / unit(base)


def conditional_entropy(joint, *, base=2):
    r"""Average what is left of the surprise of Y once X is known.

    .. math:: H(Y | X) = -\sum_{i,j} p(x_i, y_j) \log \frac{p(x_i, y_j)}{p(x_i)}
              = H(X, Y) - H(X)

    Parameters
    ----------
    joint, base
        As in `joint_entropy`. The transposed joint gives H(X | Y).

    Returns
    -------
    entropy : (...) array

    Raises
    ------
    ValueError
        As `entropy`.
    """
    xp, joint = read_joint(joint)
    p_x = xp.sum(joint, axis=-1, keepdims=True)
    surprise = finite_log(xp, p_x) - finite_log(xp, joint)
    return xp.sum(joint * surprise, axis=(-2, -1)) / unit(base)


def mutual_information(joint, *, base=2):
    r"""Measure the information that two variables share.

    .. math:: I(X; Y) = \sum_{i,j} p(x_i, y_j) \log \frac{p(x_i, y_j)}{p(x_i)\, p(y_j)}
              = H(X) - H(X | Y) = H(Y) - H(Y | X)

    Parameters
    ----------
    joint, base
        As in `joint_entropy`.

    Returns
    -------
    information : (...) array
        0 if and only if X and Y are independent. Rounding is kept from making it
        negative.

    Raises
    ------
    ValueError
        As `entropy`.
    """
    xp, joint = read_joint(joint)
    shared = xp.sum(joint * log_ratio(xp, joint), axis=(-2, -1))
    return xp.clip(shared, min=0) / unit(base)


def pointwise_mutual_information(joint, *, base=2):
    r"""Say how much likelier two values occur together than if they were independent.

    .. math:: \operatorname{pmi}(x_i, y_j) = \log \frac{p(x_i, y_j)}{p(x_i)\, p(y_j)}

    Parameters
    ----------
    joint, base
        As in `joint_entropy`.

    Returns
    -------
    pmi : (..., m, n) array
        Its mean under the joint distribution is `mutual_information`. Minus infinity
        where the joint probability is 0, also for values that never occur.

    Raises
    ------
    ValueError
        As `entropy`.

    References
    ----------
    K. W. Church and P. Hanks, "Word association norms, mutual information, and
    lexicography", Computational Linguistics 16(1), 1990.
    """
    xp, joint = read_joint(joint)
    never = xp.full_like(joint, -math.inf)
    return xp.where(joint > 0, log_ratio(xp, joint), never) / unit(base)


def cross_entropy(p, q, *, base=2):
    r"""Average the surprise at values drawn from p for one who believes in q.

    .. math:: H(p, q) = -\sum_i p_i \log q_i = H(p) + D(p \,\|\, q)

    Parameters
    ----------
    p, q : (..., k) array
        Probabilities of the same k values.
    base : float
        As in `self_information`.

    Returns
    -------
    entropy : (...) array
        Infinite where q is 0 and p is not.

    Raises
    ------
    ValueError
        As `entropy`, and if the shapes differ.
    """
    xp, (p, q) = read_distributions(p=p, q=q)
    return mean(xp, p, 0 - log(xp, q)) / unit(base)


def kl_divergence(p, q, *, base=2):
    r"""Measure what it costs on average to believe in q where p holds.

    .. math:: D(p \,\|\, q) = \sum_i p_i \log \frac{p_i}{q_i}

    Parameters
    ----------
    p, q, base
        As in `cross_entropy`.

    Returns
    -------
    divergence : (...) array
        0 if and only if p and q are equal; infinite where q is 0 and p is not. It is
        not symmetric. Rounding is kept from making it negative.

    Raises
    ------
    ValueError
        As `cross_entropy`.

    References
    ----------
    S. Kullback and R. A. Leibler, "On information and sufficiency", Annals of
    Mathematical Statistics 22(1), 1951, doi:10.1214/aoms/1177729694.
    """
    xp, (p, q) = read_distributions(p=p, q=q)
    return divergence(xp, p, log(xp, q)) / unit(base)


def js_divergence(p, q, *, base=2):
    r"""Compare two distributions with their mean: symmetric, and always finite.

    .. math:: \operatorname{JS}(p, q) = \tfrac12 D(p \,\|\, m) + \tfrac12 D(q \,\|\, m),
              \quad m = \tfrac12 (p + q)

    Parameters
    ----------
    p, q, base
        As in `cross_entropy`.

    Returns
    -------
    divergence : (...) array
        From 0 to log 2, which is 1 bit. Its square root is a metric.

    Raises
    ------
    ValueError
        As `cross_entropy`.

    References
    ----------
    J. Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory 37(1), 1991, doi:10.1109/18.61115.
    """
    xp, (p, q) = read_distributions(p=p, q=q)
    # the mean is 0 only where p and q count for nothing
    log_mean = finite_log(xp, (p + q) / 2)
    both = divergence(xp, p, log_mean) + divergence(xp, q, log_mean)
    return both / 2 / unit(base)


def joint_from_samples(x, y):
    """Estimate a joint distribution by how often each pair of values occurs.

    Parameters
    ----------
    x, y : (n,) array
        Samples, row by row; equal numbers are the same value.

    Returns
    -------
    joint : (values of x, values of y) array
        Relative frequencies; rows and columns stand for the distinct values in
        ascending order.

    Raises
    ------
    ValueError
        If there are no samples, if there are not as many of x as of y, or if one is
        NaN.
    """
    xp, (x_floats, y_floats) = as_floats(x=x, y=y)
    (n,) = bind_shapes(x=("n", x_floats), y=("n", y_floats)).values()
    if not n:
        raise ValueError("x and y have no samples, but need at least one")
    for name, values in (("x", x_floats), ("y", y_floats)):
        if xp.any(xp.isnan(values)):
            raise ValueError(f"{name} holds NaN, which is not equal to itself")
    rows, columns = (_number(xp, each, x_floats) for each in (x, y))
    shape = int(xp.max(rows)) + 1, int(xp.max(columns)) + 1
    device = array_api_compat.device(x_floats)
    joint = xp.zeros(math.prod(shape), dtype=x_floats.dtype, device=device)
    cells, counts = xp.unique_counts(rows * shape[1] + columns)
    joint[cells] = xp.astype(counts, joint.dtype) / n
    return xp.reshape(joint, shape)


def _number(xp, values, like):
    """Number the distinct values in ascending order, from 0.

    As they are given: as floats, large integers might be rounded to one.
    """
    if not is_torch(values):
        device = array_api_compat.device(like)
        values = xp.asarray(np.asarray(values), device=device)
    return xp.unique_inverse(values).inverse_indices
