"""Normalisation layers and their gradients, derived by hand.

All of them subtract a mean, divide by the root of a variance plus eps, multiply by
gamma and add beta. They differ in which values share a mean and a variance. The
variance is the mean of the squares (the biased one), and eps lies inside the root.
"""

import math
import numbers

import array_api_compat

from notebook_utils._norms import (
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from notebook_utils._standardize import (
    Cache,
    bind_channels,
    check_eps,
    check_sets,
    over_channels,
    read_gradient,
    standardize,
    standardize_backward,
)
from notebook_utils._switchable import switchable_norm, switchable_norm_backward
from notebook_utils.arrays import as_floats, bind_shapes, is_torch, whole
from notebook_utils.device import to_numpy

__all__ = [
    "BatchNorm",
    "batch_norm",
    "batch_norm_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "switchable_norm",
    "switchable_norm_backward",
]


def batch_norm(x, gamma, beta, *, eps=1e-5):
    r"""Normalise each channel over the batch, and over the image where there is one.

    .. math:: y = \gamma_c \hat x + \beta_c, \quad
              \hat x = \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}

    Parameters
    ----------
    x : (n, c) or (n, c, h, w) array
    gamma, beta : (c,) array
        Scale and shift.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : array
        Of the shape of x.
    cache : Cache
        What `batch_norm_backward` needs; it also holds the mean and the variance.

    Raises
    ------
    ValueError
        If a shape does not fit; if a channel has fewer than two values, n h w < 2; if
        eps is negative, or 0 where a channel is constant.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training
    by Reducing Internal Covariate Shift", ICML 2015, arXiv:1502.03167, algorithm 1.
    """
    _, (x, gamma, beta) = as_floats(x=x, gamma=gamma, beta=beta)
    bind_channels(x, gamma, beta)
    axes = _all_but_channels(x)
    check_sets(x, axes, eps, "channel")
    gamma, beta = over_channels(gamma, x), over_channels(beta, x)
    normalized, mean, variance, deviation = standardize(x, axes, eps)
    y = gamma * normalized + beta
    return y, Cache("batch_norm", normalized, mean, variance, deviation, gamma)


def batch_norm_backward(grad_y, cache):
    r"""Carry a gradient back through `batch_norm`.

    With g the gradient with respect to y, and sums and means over the N values of a
    channel:

    .. math:: \partial L/\partial\beta = \sum_i g_i, \quad
              \partial L/\partial\gamma = \sum_i g_i \hat x_i

    .. math:: \frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2+\epsilon}}
              \Bigl(g_i - \frac 1N \sum_j g_j
              - \hat x_i \frac 1N \sum_j g_j \hat x_j\Bigr)

    Parameters
    ----------
    grad_y : array
        Gradient of the loss with respect to y, of its shape.
    cache : Cache
        As `batch_norm` returned it.

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
    xp, grad_y = read_gradient(grad_y, cache, "batch_norm")
    axes = _all_but_channels(grad_y)
    grad_x = standardize_backward(
        cache.gamma * grad_y, cache.normalized, cache.deviation, axes
    )
    grad_gamma = xp.sum(grad_y * cache.normalized, axis=axes)
    grad_beta = xp.sum(grad_y, axis=axes)
    return grad_x, grad_gamma, grad_beta


def _all_but_channels(x):
    return (0, *range(2, x.ndim))


class BatchNorm:
    r"""Batch normalisation that remembers its batches, for use on single examples.

    In training each call normalises by the batch's own statistics and moves the running
    ones towards them, the variance in its unbiased form:

    .. math:: \mu_{run} \leftarrow (1 - m)\, \mu_{run} + m\, \mu, \quad
              \sigma^2_{run} \leftarrow (1 - m)\, \sigma^2_{run}
              + m \frac{N}{N - 1} \sigma^2

    At inference it normalises by the running ones and leaves them alone.

    Parameters
    ----------
    channels : int
    momentum : float
        m, the weight of the new batch, in [0, 1]. (In Keras, momentum is 1 - m.)
    eps : float

    Attributes
    ----------
    gamma, beta, running_mean, running_var : (c,) array
        1, 0, 0 and 1 at first. They take the kind, type and device of what they are
        used with.
    training : bool

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    As `batch_norm`; conventions as in torch.nn.BatchNorm2d.
    """

    def __init__(self, channels, *, momentum=0.1, eps=1e-5):
        channels = whole(channels, "channels", minimum=1)
        number = isinstance(momentum, numbers.Real) and not isinstance(momentum, bool)
        if not number or not 0 <= momentum <= 1:
            raise ValueError(f"momentum is {momentum!r}, but must lie in [0, 1]")
        check_eps(eps)
        self.momentum, self.eps, self.training = float(momentum), float(eps), True
        ones, zeros = [1] * channels, [0] * channels
        # an array each: one that is updated in place must not change another
        _, (self.gamma, self.beta) = as_floats(gamma=ones, beta=zeros)
        _, (self.running_mean, self.running_var) = as_floats(
            running_mean=zeros, running_var=ones
        )

    def train(self):
        """Use and collect statistics of batches from now on; return self."""
        self.training = True
        return self

    def eval(self):
        """Use the running statistics from now on; return self."""
        self.training = False
        return self

    def __call__(self, x):
        """Normalise x, (n, c) or (n, c, h, w); return (y, cache) as `batch_norm` does.

        Raises
        ------
        ValueError
            If a shape does not fit; in training as `batch_norm`.
        """
        _, (x,) = as_floats(x=x)
        for name in ("gamma", "beta", "running_mean", "running_var"):
            setattr(self, name, _like(getattr(self, name), x))
        if not self.training:
            return self._infer(x)
        y, cache = batch_norm(x, self.gamma, self.beta, eps=self.eps)
        count = math.prod(x.shape) // x.shape[1]
        mean, variance = _channels(cache.mean), _channels(cache.variance)
        self.running_mean = self._update(self.running_mean, mean)
        self.running_var = self._update(
            self.running_var, variance * (count / (count - 1))
        )
        return y, cache

    def _update(self, running, new):
        return (1 - self.momentum) * running + self.momentum * new

    def _infer(self, x):
        bind_channels(x, self.gamma, self.beta)
        state = (self.running_mean, self.running_var, self.gamma, self.beta)
        mean, variance, gamma, beta = (over_channels(each, x) for each in state)
        deviation = (variance + self.eps) ** 0.5
        normalized = (x - mean) / deviation
        y = gamma * normalized + beta
        return y, Cache("inference", normalized, mean, variance, deviation, gamma)

    def backward(self, grad_y, cache):
        """Return (grad_x, grad_gamma, grad_beta); the cache says in which mode.

        Raises
        ------
        ValueError
            As `batch_norm_backward`.
        """
        if not isinstance(cache, Cache) or cache.norm != "inference":
            return batch_norm_backward(grad_y, cache)
        xp, grad_y = read_gradient(grad_y, cache, "inference")
        axes = _all_but_channels(grad_y)
        # mean and deviation are constants here: nothing flows back through them
        grad_x = cache.gamma * grad_y / cache.deviation
        grad_gamma = xp.sum(grad_y * cache.normalized, axis=axes)
        return grad_x, grad_gamma, xp.sum(grad_y, axis=axes)

    def fold(self, weight, bias=None):
        r"""Merge the layer, as it works at inference, into the one before it.

        .. math:: W' = a_c W, \quad b' = a_c (b - \mu_{run}) + \beta, \quad
                  a_c = \frac{\gamma}{\sqrt{\sigma^2_{run} + \epsilon}}

        Parameters
        ----------
        weight : (c, i) or (c, i, kh, kw) array
            Of a dense layer or a convolution with i inputs and c outputs.
        bias : (c,) array, optional
            0 where it is left out.

        Returns
        -------
        weight, bias : array
            Of a layer that computes both. The arguments stay as they are.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        _, (weight, bias) = as_floats(weight=weight, bias=bias)
        state = (self.gamma, self.beta, self.running_mean, self.running_var)
        gamma, beta, mean, variance = (_like(each, weight) for each in state)
        form = "c i" if weight.ndim == 2 else "c i kh kw"
        bind_shapes(gamma=("c", gamma), weight=(form, weight), bias=("c", bias))
        scale = gamma / (variance + self.eps) ** 0.5
        shift = beta - scale * mean
        folded = weight * scale.reshape((-1, *(1 for _ in weight.shape[1:])))
        return folded, shift if bias is None else scale * bias + shift


def _channels(values):
    """Flatten statistics to (c,), cut off from torch's graph."""
    values = values.detach() if is_torch(values) else values
    return values.reshape(-1)


def _like(values, x):
    """Bring values to the kind, the type and the device of x."""
    if is_torch(values) and is_torch(x):
        return values.to(x)  # autograd passes through
    if is_torch(values) or is_torch(x):
        values = to_numpy(values).tolist()
    xp = array_api_compat.array_namespace(x)
    return xp.asarray(values, dtype=x.dtype, device=array_api_compat.device(x))
