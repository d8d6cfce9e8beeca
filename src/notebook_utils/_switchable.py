"""Switchable normalisation: a learned mixture of three sets of statistics."""

import math
from typing import Any, NamedTuple

from notebook_utils._standardize import (
    bind_channels,
    check_sets,
    moments,
    over_channels,
    read_gradient,
)
from notebook_utils.arrays import as_floats, bind_shapes

# which axes share statistics, and what they make: in the order of the logits
SETS = {
    (2, 3): "channel of an image",  # as in instance_norm
    (1, 2, 3): "image",  # as in layer_norm
    (0, 2, 3): "channel",  # as in batch_norm
}


class SwitchableCache(NamedTuple):
    """What the forward pass keeps for its backward pass."""

    norm: str
    normalized: Any  # (n, c, h, w)
    deviation: Any  # (n, c, 1, 1)
    gamma: Any  # (1, c, 1, 1)
    variance: Any  # (n, c, 1, 1), the mixture
    statistics: list  # (x less its mean, variance) of each set
    mean_weights: Any  # (3,)
    var_weights: Any  # (3,)


def switchable_norm(x, gamma, beta, mean_logits, var_logits, *, eps=1e-5):
    r"""Normalise by a mixture of the statistics of instance, layer and batch.

    .. math:: y = \gamma_c \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_c, \quad
              \mu = \sum_k w_k \mu_k, \quad \sigma^2 = \sum_k v_k \sigma_k^2

    with w = softmax(mean_logits) and v = softmax(var_logits).

    Parameters
    ----------
    x : (n, c, h, w) array
    gamma, beta : (c,) array
        Scale and shift.
    mean_logits, var_logits : (3,) array
        For the statistics of `instance_norm`, `layer_norm` and `batch_norm`, in this
        order. Minus infinity leaves one out.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : (n, c, h, w) array
    cache : SwitchableCache
        What `switchable_norm_backward` needs.

    Raises
    ------
    ValueError
        If a shape does not fit; if an image has fewer than two pixels; if the logits
        hold NaN or infinity, or nothing but minus infinity; if eps is negative, or 0
        where a channel of an image is constant.

    References
    ----------
    P. Luo, J. Ren, Z. Peng, R. Zhang and J. Li, "Differentiable Learning-to-Normalize
    via Switchable Normalization", ICLR 2019, arXiv:1806.10779.
    """
    xp, (x, gamma, beta, mean_logits, var_logits) = as_floats(
        x=x, gamma=gamma, beta=beta, mean_logits=mean_logits, var_logits=var_logits
    )
    bind_channels(x, gamma, beta, ndims=(4,))
    bind_shapes(mean_logits=("3", mean_logits), var_logits=("3", var_logits))
    for axes, sharing in SETS.items():
        check_sets(x, axes, eps, sharing)
    w = _softmax(xp, mean_logits, "mean_logits")
    v = _softmax(xp, var_logits, "var_logits")
    gamma, beta = over_channels(gamma, x), over_channels(beta, x)

    statistics = [moments(x, axes)[::2] for axes in SETS]
    # the weights add up to 1, so this is x less the mixture of the means
    centred = sum(w[k] * each for k, (each, _) in enumerate(statistics))
    variance = sum(v[k] * each for k, (_, each) in enumerate(statistics))
    deviation = (variance + float(eps)) ** 0.5
    normalized = centred / deviation
    cache = SwitchableCache(
        "switchable_norm", normalized, deviation, gamma, variance, statistics, w, v
    )
    return gamma * normalized + beta, cache


def _softmax(xp, logits, name):
    values = logits.tolist()
    top = max(values)
    if any(map(math.isnan, values)) or not math.isfinite(top):
        raise ValueError(
            f"{name} is {values}, but must hold numbers, or minus infinity for one or "
            "two of them"
        )
    powers = xp.exp(logits - top)
    return powers / xp.sum(powers)


def switchable_norm_backward(grad_y, cache):
    r"""Carry a gradient back through `switchable_norm`.

    With u the gradient with respect to the normalised values and s the root, each
    channel of an image has

    .. math:: \frac{\partial L}{\partial \mu} = -\sum_{pixels} \frac us, \quad
              \frac{\partial L}{\partial \sigma^2}
              = -\sum_{pixels} \frac{u \hat x}{2 s^2}

    and each set k of values that share statistics sends its share of them, summed over
    the channels and images in the set, back to its N_k values:

    .. math:: \frac{\partial L}{\partial x} = \frac us + \sum_k \frac 1{N_k} \Bigl(
              w_k \frac{\partial L}{\partial \mu}
              + 2 v_k (x - \mu_k) \frac{\partial L}{\partial \sigma^2} \Bigr)

    The logits get, in the notation of `switchable_norm` and summed over all channels
    of images,

    .. math:: w_k \sum \frac{\partial L}{\partial \mu} (\mu_k - \mu), \quad
              v_k \sum \frac{\partial L}{\partial \sigma^2} (\sigma_k^2 - \sigma^2)

    Parameters
    ----------
    grad_y : (n, c, h, w) array
        Gradient of the loss with respect to y.
    cache : SwitchableCache
        As `switchable_norm` returned it.

    Returns
    -------
    grad_x : (n, c, h, w) array
    grad_gamma, grad_beta : (c,) array
    grad_mean_logits, grad_var_logits : (3,) array

    Raises
    ------
    ValueError
        If the shape of `grad_y` or the origin of `cache` does not fit.
    """
    xp, grad_y = read_gradient(grad_y, cache, "switchable_norm", SwitchableCache)
    _, normalized, deviation, gamma, variance, statistics, w, v = cache
    scaled = gamma * grad_y / deviation
    grad_mean = -xp.sum(scaled, axis=(2, 3), keepdims=True)
    grad_var = -xp.sum(scaled * normalized, axis=(2, 3), keepdims=True) / deviation / 2

    centred = normalized * deviation
    grad_x, grad_mean_logits, grad_var_logits = scaled, [], []
    for k, (axes, (own, own_variance)) in enumerate(zip(SETS, statistics, strict=True)):
        count = math.prod(grad_y.shape[axis] for axis in axes)
        to_mean, to_var = _collect(xp, grad_mean, axes), _collect(xp, grad_var, axes)
        grad_x = grad_x + (w[k] * to_mean + 2 * v[k] * own * to_var) / count
        # softmax passes on what a mean, or a variance, has beyond the mixture's
        beyond_mean = (centred - own)[:, :, :1, :1]
        beyond_var = own_variance - variance
        grad_mean_logits.append(w[k] * xp.sum(grad_mean * beyond_mean))
        grad_var_logits.append(v[k] * xp.sum(grad_var * beyond_var))
    return (
        grad_x,
        xp.sum(grad_y * normalized, axis=(0, 2, 3)),
        xp.sum(grad_y, axis=(0, 2, 3)),
        xp.stack(grad_mean_logits),
        xp.stack(grad_var_logits),
    )


def _collect(xp, grad, axes):
    """Sum gradients of all channels of images, (n, c, 1, 1), that share a set."""
    for axis in set(axes) - {2, 3}:
        grad = xp.sum(grad, axis=axis, keepdims=True)
    return grad
