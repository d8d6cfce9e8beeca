"""Mean 0 and variance 1 along some axes, and what every normalisation shares."""

import math
import numbers
from typing import Any, NamedTuple

import array_api_compat

from notebook_utils.arrays import as_floats, bind_shapes


class Cache(NamedTuple):
    """What the forward pass of a normalisation keeps for its backward pass.

    mean, variance and deviation have an axis of size 1 wherever values share them.
    """

    norm: str  # the function that made it
    normalized: Any  # of the shape of x
    mean: Any
    variance: Any  # biased: the mean of the squares
    deviation: Any  # the root of variance + eps
    gamma: Any  # shaped to multiply what is normalised


def moments(x, axes):
    """Return x less its mean along `axes`, the mean, and the mean of the squares."""
    xp = array_api_compat.array_namespace(x)
    mean = xp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    # what rounding has left of a mean that is large beside the spread
    rest = xp.mean(centred, axis=axes, keepdims=True)
    centred = centred - rest
    return centred, mean + rest, xp.mean(centred**2, axis=axes, keepdims=True)


def standardize(x, axes, eps):
    """Subtract the mean along `axes` and divide by the root of variance + eps.

    Returns (normalized, mean, variance, deviation).
    """
    centred, mean, variance = moments(x, axes)
    deviation = (variance + float(eps)) ** 0.5
    return centred / deviation, mean, variance, deviation


def standardize_backward(grad_normalized, normalized, deviation, axes):
    """Carry a gradient back through `standardize`."""
    xp = array_api_compat.array_namespace(normalized)
    along = xp.mean(grad_normalized * normalized, axis=axes, keepdims=True)
    mean = xp.mean(grad_normalized, axis=axes, keepdims=True)
    return (grad_normalized - mean - normalized * along) / deviation


def over_channels(values, x):
    """Shape (c,) values so that they multiply channels of x, (n, c) or (n, c, h, w)."""
    xp = array_api_compat.array_namespace(values)
    return xp.reshape(values, (1, -1, *(1 for _ in x.shape[2:])))


def bind_channels(x, gamma, beta, ndims=(2, 4)):
    """Check the shapes of images or rows and of their channels' gamma and beta."""
    forms = {2: "n c", 4: "n c h w"}
    if x.ndim not in ndims:
        wanted = " or ".join(f"({forms[ndim].replace(' ', ', ')})" for ndim in ndims)
        raise ValueError(
            f"x of shape {tuple(x.shape)} does not fit {wanted}: it has {x.ndim} axes"
        )
    bind_shapes(x=(forms[x.ndim], x), gamma=("c", gamma), beta=("c", beta))


def check_eps(eps):
    """Insist on a finite number of at least 0."""
    number = isinstance(eps, numbers.Real) and not isinstance(eps, bool)
    if not number or not 0 <= eps < math.inf:
        raise ValueError(f"eps is {eps!r}, but must be a finite number of at least 0")


def check_sets(x, axes, eps, sharing):
    """Insist that values which share statistics are two at least, and can be divided.

    `sharing` says what shares them: "channel", "example", …
    """
    xp = array_api_compat.array_namespace(x)
    count = math.prod(x.shape[axis] for axis in axes)
    if count < 2:  # a single value is its own mean, and only beta would be left
        values = "1 value" if count == 1 else f"{count} values"
        raise ValueError(
            f"x of shape {tuple(x.shape)} has {values} per {sharing}, but needs at "
            "least 2"
        )
    check_eps(eps)
    if eps == 0 and 0 not in x.shape:
        constant = xp.max(x, axis=axes) == xp.min(x, axis=axes)
        if bool(xp.any(constant)):
            raise ValueError(
                f"eps is 0, but must be positive: all values of some {sharing} of x "
                "are the same, so their variance is 0"
            )


def read_gradient(grad_y, cache, norm, kind=Cache):
    """Check a gradient and the cache it belongs to; return (xp, grad_y)."""
    if not isinstance(cache, kind) or cache.norm != norm:
        found = cache.norm if isinstance(cache, kind) else type(cache).__name__
        raise ValueError(f"cache comes from {found}, but must be what {norm} returned")
    xp, (grad_y, normalized) = as_floats(grad_y=grad_y, cache=cache.normalized)
    shape = tuple(normalized.shape)
    if tuple(grad_y.shape) != shape:
        raise ValueError(
            f"grad_y of shape {tuple(grad_y.shape)} does not fit y of shape {shape}"
        )
    return xp, grad_y
