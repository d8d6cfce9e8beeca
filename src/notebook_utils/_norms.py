"""Normalisations that look at one example at a time: layer, instance and group."""

import math

from notebook_utils._standardize import (
    Cache,
    bind_channels,
    check_sets,
    over_channels,
    read_gradient,
    standardize,
    standardize_backward,
)
from notebook_utils.arrays import as_floats, whole


def layer_norm(x, gamma, beta, *, eps=1e-5):
    r"""Normalise each example over all its values.

    .. math:: y = \gamma \hat x + \beta, \quad
              \hat x = \frac{x - \mu_n}{\sqrt{\sigma_n^2 + \epsilon}}

    Parameters
    ----------
    x : (n, ...) array
        Two axes at least. (For a Transformer's tokens, n counts tokens.)
    gamma, beta : (...) array
        Scale and shift of each value of an example: of shape ``x.shape[1:]``.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : array
        Of the shape of x.
    cache : Cache
        What `layer_norm_backward` needs.

    Raises
    ------
    ValueError
        If a shape does not fit; if an example has fewer than two values; if eps is
        negative, or 0 where an example is constant.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    _, (x, gamma, beta) = as_floats(x=x, gamma=gamma, beta=beta)
    _bind_examples(x, gamma=gamma, beta=beta)
    axes = tuple(range(1, x.ndim))
    check_sets(x, axes, eps, "example")
    normalized, mean, variance, deviation = standardize(x, axes, eps)
    y = gamma * normalized + beta
    return y, Cache("layer_norm", normalized, mean, variance, deviation, gamma)


def _bind_examples(x, **parameters):
    shape = tuple(x.shape)
    if len(shape) < 2:
        raise ValueError(
            f"x of shape {shape} does not fit (n, ...): it has {len(shape)} axes, but "
            "needs at least 2"
        )
    for name, values in parameters.items():
        if tuple(values.shape) != shape[1:]:
            raise ValueError(
                f"{name} of shape {tuple(values.shape)} does not fit x of shape "
                f"{shape}: it must be {shape[1:]}"
            )


def layer_norm_backward(grad_y, cache):
    """Carry a gradient back through `layer_norm`.

    As `batch_norm_backward`, but for the axes: the means run over the values of an
    example, while gamma and beta, which all examples share, collect over examples.

    Parameters
    ----------
    grad_y : array
        Gradient of the loss with respect to y, of its shape.
    cache : Cache
        As `layer_norm` returned it.

    Returns
    -------
    grad_x : array
        Of the shape of x.
    grad_gamma, grad_beta : (...) array

    Raises
    ------
    ValueError
        If the shape of `grad_y` or the origin of `cache` does not fit.
    """
    xp, grad_y = read_gradient(grad_y, cache, "layer_norm")
    axes = tuple(range(1, grad_y.ndim))
    grad_x = standardize_backward(
        cache.gamma * grad_y, cache.normalized, cache.deviation, axes
    )
    grad_gamma = xp.sum(grad_y * cache.normalized, axis=0)
    return grad_x, grad_gamma, xp.sum(grad_y, axis=0)


def instance_norm(x, gamma, beta, *, eps=1e-5):
    r"""Normalise each channel of each image over its pixels.

    .. math:: y = \gamma_c \hat x + \beta_c, \quad
              \hat x = \frac{x - \mu_{n,c}}{\sqrt{\sigma_{n,c}^2 + \epsilon}}

    Parameters
    ----------
    x : (n, c, h, w) array
    gamma, beta : (c,) array
        Scale and shift.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : (n, c, h, w) array
    cache : Cache
        What `instance_norm_backward` needs.

    Raises
    ------
    ValueError
        If a shape does not fit; if an image has fewer than two pixels; if eps is
        negative, or 0 where a channel of an image is constant.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance Normalization: The Missing
    Ingredient for Fast Stylization", arXiv:1607.08022.
    """
    _, (x, gamma, beta) = as_floats(x=x, gamma=gamma, beta=beta)
    bind_channels(x, gamma, beta, ndims=(4,))
    check_sets(x, (2, 3), eps, "channel of an image")
    gamma, beta = over_channels(gamma, x), over_channels(beta, x)
    normalized, mean, variance, deviation = standardize(x, (2, 3), eps)
    y = gamma * normalized + beta
    return y, Cache("instance_norm", normalized, mean, variance, deviation, gamma)


def instance_norm_backward(grad_y, cache):
    """Carry a gradient back through `instance_norm`.

    Parameters
    ----------
    grad_y : (n, c, h, w) array
        Gradient of the loss with respect to y.
    cache : Cache
        As `instance_norm` returned it.

    Returns
    -------
    grad_x : (n, c, h, w) array
    grad_gamma, grad_beta : (c,) array

    Raises
    ------
    ValueError
        If the shape of `grad_y` or the origin of `cache` does not fit.
    """
    xp, grad_y = read_gradient(grad_y, cache, "instance_norm")
    grad_x = standardize_backward(
        cache.gamma * grad_y, cache.normalized, cache.deviation, (2, 3)
    )
    grad_gamma = xp.sum(grad_y * cache.normalized, axis=(0, 2, 3))
    return grad_x, grad_gamma, xp.sum(grad_y, axis=(0, 2, 3))


def group_norm(x, gamma, beta, *, groups, eps=1e-5):
    r"""Normalise each group of neighbouring channels of each example.

    .. math:: y = \gamma_c \hat x + \beta_c, \quad
              \hat x = \frac{x - \mu_{n,g(c)}}{\sqrt{\sigma_{n,g(c)}^2 + \epsilon}},
              \quad g(c) = \lfloor c \cdot groups / C \rfloor

    One group takes the statistics of `layer_norm`, one for each channel those of
    `instance_norm`.

    Parameters
    ----------
    x : (n, c) or (n, c, h, w) array
    gamma, beta : (c,) array
        Scale and shift, one for each channel.
    groups : int
        Divides c.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : array
        Of the shape of x.
    cache : Cache
        What `group_norm_backward` needs.

    Raises
    ------
    ValueError
        If a shape does not fit; if `groups` does not divide the channels; if a group
        has fewer than two values; if eps is negative, or 0 where a group is constant.

    References
    ----------
    Y. Wu and K. He, "Group Normalization", ECCV 2018, arXiv:1803.08494.
    """
    xp, (x, gamma, beta) = as_floats(x=x, gamma=gamma, beta=beta)
    bind_channels(x, gamma, beta)
    n, c, *space = x.shape
    _check_groups(groups, c)
    grouped = xp.reshape(x, (n, groups, math.prod((c // groups, *space))))
    check_sets(grouped, (2,), eps, "group of channels")
    gamma, beta = over_channels(gamma, x), over_channels(beta, x)
    normalized, mean, variance, deviation = standardize(grouped, (2,), eps)
    normalized = xp.reshape(normalized, x.shape)
    y = gamma * normalized + beta
    return y, Cache("group_norm", normalized, mean, variance, deviation, gamma)


def _check_groups(groups, c):
    if c % whole(groups, "groups", minimum=1) == 0 and c > 0:
        return
    fitting = ", ".join(str(i) for i in range(1, c + 1) if c % i == 0) or "none"
    raise ValueError(f"groups {groups} must divide the {c} channels: {fitting} would")


def group_norm_backward(grad_y, cache):
    """Carry a gradient back through `group_norm`.

    Parameters
    ----------
    grad_y : array
        Gradient of the loss with respect to y, of its shape.
    cache : Cache
        As `group_norm` returned it.

    Returns
    -------
    grad_x : array
        Of the shape of x.
    grad_gamma, grad_beta : (c,) array

    Raises
    ------
    ValueError
        If the shape of `grad_y` or the origin of `cache` does not fit.
    """
    xp, grad_y = read_gradient(grad_y, cache, "group_norm")
    n, groups, _ = cache.deviation.shape
    grad_normalized, normalized = (
        xp.reshape(each, (n, groups, math.prod(each.shape[1:]) // groups))
        for each in (cache.gamma * grad_y, cache.normalized)
    )
    grad_x = standardize_backward(grad_normalized, normalized, cache.deviation, (2,))
    axes = (0, *range(2, grad_y.ndim))
    grad_gamma = xp.sum(grad_y * cache.normalized, axis=axes)
    return xp.reshape(grad_x, grad_y.shape), grad_gamma, xp.sum(grad_y, axis=axes)
