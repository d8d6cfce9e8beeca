"""Probabilities as arrays: read, checked, and under the logarithm."""

import math
import numbers

from notebook_utils.arrays import as_floats, bind_shapes

TOLERANCE = 1e-6  # how far a sum of probabilities may be from 1


def read_distributions(**arrays):
    """Read distributions (..., k), all of one shape, and check them."""
    xp, floats = as_floats(**arrays)
    named = dict(zip(arrays, floats, strict=True))
    bind_shapes(**{name: ("... k", p) for name, p in named.items()})
    for name, p in named.items():
        _check(xp, p, name, axis=-1)
    return xp, floats


def read_joint(joint):
    """Read joint distributions (..., m, n), and check them."""
    xp, (joint,) = as_floats(joint=joint)
    bind_shapes(joint=("... m n", joint))
    _check(xp, joint, "joint", axis=(-2, -1))
    return xp, joint


def _check(xp, p, name, axis):
    """Insist on probabilities that sum to 1."""
    wrong = ~(p >= 0)  # NaN, too
    if xp.any(wrong):
        raise ValueError(
            f"{name} holds {float(p[wrong][0]):g}, but probabilities are at least 0"
        )
    sums = xp.sum(p, axis=axis)
    wrong = ~(xp.abs(sums - 1) <= TOLERANCE)
    if xp.any(wrong):
        raise ValueError(
            f"{name} sums to {float(sums[wrong][0]):.9g}, but probabilities must sum to"
            f" 1 within {TOLERANCE:g}"
        )


def unit(base):
    """Return the natural logarithm of the base."""
    fits = isinstance(base, numbers.Real) and 0 < base < math.inf and base != 1
    if not fits:
        raise ValueError(f"base is {base!r}, but must be positive, finite and not 1")
    return math.log(base)


def finite_log(xp, p):
    """Take logarithms, and 0 at 0: for products with p itself, or less."""
    return xp.log(xp.where(p > 0, p, xp.ones_like(p)))


def log(xp, p):
    """Take logarithms, and minus infinity at 0, without a warning."""
    return xp.where(p > 0, finite_log(xp, p), xp.full_like(p, -math.inf))


def log_ratio(xp, joint):
    """Compare the joint with the product of its marginals; 0 where the joint is 0."""
    logs = [
        finite_log(xp, xp.sum(joint, axis=axis, keepdims=True)) for axis in (-1, -2)
    ]
    ratio = finite_log(xp, joint) - logs[0] - logs[1]
    return xp.where(joint > 0, ratio, xp.zeros_like(joint))


def mean(xp, p, values):
    """Average values, infinite ones included, where p is not 0."""
    return xp.sum(p * xp.where(p > 0, values, xp.zeros_like(p)), axis=-1)


def divergence(xp, p, log_q):
    """Work out D(p || q) in nats."""
    return xp.clip(mean(xp, p, finite_log(xp, p) - log_q), min=0)
