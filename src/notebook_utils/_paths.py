"""The weight of a cell: how many paths of taps lead from it to an output."""

import math
import numbers

import numpy as np

from notebook_utils._stack import read_stack
from notebook_utils.arrays import as_floats


def tap_steps(layers):
    """List for each layer how far apart its taps lie, in input cells: d j."""
    steps, jump = [], 1
    for layer in layers:
        steps.append(layer.dilation * jump)
        jump *= layer.stride
    return steps


def path_counts(layers):
    r"""Count the paths of taps from each input of a receptive field to the output.

    It is the gradient of one output where all weights are 1 and nothing else is in
    between: the convolution of one comb for each layer, with k teeth d j cells apart.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output. Padding and the last stride make no difference.

    Returns
    -------
    counts : (size,) NumPy array
        From the first cell of the field to the last, as float64; exact up to 2^53.

    Raises
    ------
    ValueError
        If `layers` is no sequence of layers.
    """
    layers = read_stack(layers)
    counts = np.ones(1)
    for layer, step in zip(layers, tap_steps(layers), strict=True):
        comb = np.zeros((layer.kernel - 1) * step + 1)
        comb[::step] = 1
        counts = np.convolve(counts, comb)
    return counts


def path_spread(layers):
    r"""Work out how far the paths of a stack spread: their standard deviation.

    .. math:: \sigma^2 = \sum_l \frac{k_l^2 - 1}{12} (d_l\, j_{l-1})^2

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output.

    Returns
    -------
    sigma : float
        Of `path_counts` as a distribution over the field, in input cells.

    Raises
    ------
    ValueError
        As `path_counts`.
    """
    layers = read_stack(layers)
    squares = (
        (layer.kernel**2 - 1) / 12 * step**2
        for layer, step in zip(layers, tap_steps(layers), strict=True)
    )
    return math.sqrt(sum(squares))


def effective_receptive_field(gradient, *, threshold=0.05):
    """Measure the part of a receptive field that carries weight.

    Parameters
    ----------
    gradient : (h, w) or (n,) array
        Of one output with respect to its input; where there are channels or examples,
        of their mean magnitude, say.
    threshold : float
        A cell counts if its gradient's magnitude is at least this share of the largest
        one, and is not 0. At threshold 0 all cells count that the output depends on.

    Returns
    -------
    side : float
        How many cells count along an axis: their number or, in two dimensions, its
        square root; 0 if the gradient is 0 everywhere.

    Raises
    ------
    ValueError
        If `gradient` has no cells, more than two axes or entries that are not finite,
        or if `threshold` is not within [0, 1].

    Notes
    -----
    The paper counts what exceeds 1 - 95.45 % of the value at the centre, which is the
    largest in its Gaussian fields.

    References
    ----------
    W. Luo, Y. Li, R. Urtasun and R. Zemel, "Understanding the effective receptive field
    in deep convolutional neural networks", NeurIPS 2016, arXiv:1701.04128.
    """
    xp, (gradient,) = as_floats(gradient=gradient)
    shape = tuple(np.shape(gradient))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(
            f"gradient of shape {shape} does not fit (h, w) or (n,) with cells in it"
        )
    if not xp.all(xp.isfinite(gradient)):
        raise ValueError("gradient holds NaN or infinity, but must be finite")
    if not isinstance(threshold, numbers.Real) or not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold!r}, but must lie in [0, 1]")
    magnitude = xp.abs(gradient)
    counts = (magnitude >= float(threshold) * xp.max(magnitude)) & (magnitude > 0)
    return float(xp.sum(xp.astype(counts, xp.int64))) ** (1 / len(shape))
