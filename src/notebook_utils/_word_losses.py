"""The losses of word2vec and their gradients, derived by hand.

In all of them h, (n, d), holds one vector for each example: that of the centre word in
skip-gram, the mean of the context's in CBOW. The rows of the table u are what h is
compared with: one vector for each word, or for each inner node of a tree.
"""

import numpy as np
from scipy import sparse

from notebook_utils._words import like, read_ids
from notebook_utils.arrays import as_floats, bind_shapes, is_torch
from notebook_utils.device import to_numpy


def softmax_loss(h, u, targets):
    r"""Compute the loss of the full softmax over all words.

    .. math:: L = -\log P(o \mid h) = \log \sum_i \exp(u_i^T h) - u_o^T h

    Parameters
    ----------
    h : (n, d) array
    u : (v, d) array
    targets : (n,) array of int
        The word o that each example has to predict.

    Returns
    -------
    losses : (n,) array

    Raises
    ------
    ValueError
        If a shape does not fit or a target is no row of `u`.
    """
    xp, h, u, right = _read(h, u, targets)
    scores = h @ u.T
    return log_sum_exp(xp, scores)[:, 0] - scores[right]


def softmax_loss_backward(h, u, targets):
    r"""Differentiate the sum of `softmax_loss`.

    With P the matrix of probabilities (n, v) and Y that of the one-hot targets:

    .. math:: \partial L / \partial h = (P - Y)\, u, \quad
              \partial L / \partial u = (P - Y)^T h

    Parameters
    ----------
    h, u, targets
        As in `softmax_loss`.

    Returns
    -------
    grad_h : (n, d) array
    grad_u : (v, d) array

    Raises
    ------
    ValueError
        As `softmax_loss`.
    """
    xp, h, u, right = _read(h, u, targets)
    scores = h @ u.T
    errors = xp.exp(scores - log_sum_exp(xp, scores))
    errors[right] -= 1
    return errors @ u, errors.T @ h


def decision_loss(h, u, nodes, signs):
    r"""Compute the loss of a series of yes-or-no decisions.

    .. math:: L = -\sum_{j:\, s_j \ne 0} \log \sigma(s_j \, u_{n_j}^T h), \quad
              \sigma(x) = 1 / (1 + e^{-x})

    This is both approximations. In negative sampling the n are the target and the noise
    words, with the sign 1 for the target and -1 for noise. In the hierarchical softmax
    they are the inner nodes on the way down to the target, with 1 where it leads to the
    left and -1 where to the right.

    Parameters
    ----------
    h : (n, d) array
    u : (v, d) array
    nodes : (n, m) array of int
        Rows of `u`; -1, too, where there is no decision.
    signs : (n, m) array
        1 or -1; 0 where there is no decision.

    Returns
    -------
    losses : (n,) array

    Raises
    ------
    ValueError
        If a shape does not fit, a node is no row of `u`, or a sign is none.
    """
    xp, h, u, nodes, signs = _read_decisions(h, u, nodes, signs)
    losses, _, _ = decide(xp, h, u[nodes], signs)
    return losses


def decision_loss_backward(h, u, nodes, signs):
    r"""Differentiate the sum of `decision_loss`.

    .. math:: g_j = -s_j \, \sigma(-s_j \, u_{n_j}^T h), \quad
              \partial L / \partial h = \sum_j g_j u_{n_j}, \quad
              \partial L / \partial u_i = \sum_{j:\, n_j = i} g_j h

    Parameters
    ----------
    h, u, nodes, signs
        As in `decision_loss`.

    Returns
    -------
    grad_h : (n, d) array
    grad_u : (v, d) array

    Raises
    ------
    ValueError
        As `decision_loss`.
    """
    xp, h, u, nodes, signs = _read_decisions(h, u, nodes, signs)
    _, grad_h, grad_rows = decide(xp, h, u[nodes], signs)
    return grad_h, spread(xp, u, nodes, grad_rows)


def decide(xp, h, rows, signs):
    """Compute losses, and gradients of h and of the rows (n, m, d) of u, one by one."""
    margins = signs * (rows @ h[:, :, None])[:, :, 0]
    zero = xp.zeros_like(margins)
    losses = xp.sum(xp.where(signs == 0, zero, xp.logaddexp(zero, -margins)), axis=1)
    # σ(-x), as the exponential of its logarithm, which cannot overflow
    slopes = -signs * xp.exp(-xp.logaddexp(zero, margins))
    grad_h = (slopes[:, None, :] @ rows)[:, 0, :]
    return losses, grad_h, slopes[:, :, None] * h[:, None, :]


def spread(xp, table, index, rows):
    """Add rows (n, m, d) up where they belong in zeros shaped like a table (v, d)."""
    places, sums = sum_rows(xp, index, rows)
    total = xp.zeros_like(table)
    total[places] = sums
    return total


def sum_rows(xp, index, rows):
    """Sum the rows that have the same index; return the indices and their sums.

    Only what occurs is touched: a batch sees few of the words. torch has a sum by
    index; NumPy's is slow, and a product with a sparse matrix of ones does the same.
    """
    index, rows = xp.reshape(index, (-1,)), xp.reshape(rows, (-1, rows.shape[-1]))
    places, inverse = xp.unique_inverse(index)
    if is_torch(rows):
        empty = xp.zeros(
            (len(places), rows.shape[1]), dtype=rows.dtype, device=rows.device
        )
        return places, empty.index_add(0, inverse, rows)
    ones = np.ones(len(index), rows.dtype)
    shape = len(places), len(index)
    which = sparse.csr_array((ones, (inverse, np.arange(len(index)))), shape=shape)
    return places, which @ rows


def log_sum_exp(xp, scores):
    """Compute log sum exp of each row, (n, 1); no exponential overflows."""
    top = xp.max(scores, axis=1, keepdims=True)
    return top + xp.log(xp.sum(xp.exp(scores - top), axis=1, keepdims=True))


def _read(h, u, targets):
    xp, (h, u) = as_floats(h=h, u=u)
    sizes = bind_shapes(h=("n d", h), u=("v d", u))
    if not sizes["v"]:
        raise ValueError("u is empty, but a softmax needs at least one word")
    targets = read_ids(targets, "targets", sizes["v"])
    bind_shapes({"n": sizes["n"]}, targets=("n", targets))
    return xp, h, u, (like(h, np.arange(sizes["n"])), like(h, targets))


def _read_decisions(h, u, nodes, signs):
    xp, (h, u, signs) = as_floats(h=h, u=u, signs=signs)
    sizes = bind_shapes(h=("n d", h), u=("v d", u))
    bind_shapes({"n": sizes["n"]}, nodes=("n m", nodes), signs=("n m", signs))
    if not bool(xp.all((signs == 0) | (xp.abs(signs) == 1))):
        raise ValueError("signs must be 1, -1 or 0")
    nodes = read_ids(nodes, "nodes", sizes["v"], lowest=-1)
    if nodes.size and not sizes["v"]:
        raise ValueError("u is empty, but there are nodes to compare with")
    decided = to_numpy(signs) != 0
    nodes = read_ids(np.where(decided, nodes, 0), "nodes", sizes["v"])
    return xp, h, u, like(h, nodes), signs
