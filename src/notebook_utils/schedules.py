"""Learning rates that change with the step, and gradients that are cut to size.

A schedule is a function of t, the number of steps taken so far (the first step is taken
at t = 0). It takes one t or an array of them; ``minimize(..., rates=...)`` follows it.
"""

import math

from notebook_utils._optimizer import is_several, number
from notebook_utils.arrays import as_floats, is_torch, whole


def constant(t, *, lr):
    """Keep the learning rate.

    Parameters
    ----------
    t : (...) array
        Steps taken so far, at least 0.
    lr : float
        Learning rate η.

    Returns
    -------
    rates : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.
    """
    xp, t = _read(t)
    return number(lr, "lr") * xp.ones_like(t)


def step(t, *, lr, step_size, gamma=0.1):
    r"""Multiply the learning rate by γ after each ``step_size`` steps.

    .. math:: \eta\, \gamma^{\lfloor t / \text{step size} \rfloor}

    Parameters
    ----------
    t, lr
        As in `constant`.
    step_size : int
        At least 1.
    gamma : float
        γ.

    Returns
    -------
    rates : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.
    """
    xp, t = _read(t)
    stages = xp.floor(t / whole(step_size, "step_size", minimum=1))
    return number(lr, "lr") * number(gamma, "gamma") ** stages


def exponential(t, *, lr, gamma):
    r"""Multiply the learning rate by γ after each step.

    .. math:: \eta\, \gamma^t

    Parameters
    ----------
    t, lr
        As in `constant`.
    gamma : float
        γ.

    Returns
    -------
    rates : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.
    """
    _, t = _read(t)
    return number(lr, "lr") * number(gamma, "gamma") ** t


def inverse_time(t, *, lr, decay):
    r"""Let the learning rate fall like 1/t.

    .. math:: \frac{\eta}{1 + \delta t}

    With δ > 0 its sum over all t is infinite and that of its squares is not, which is
    what Robbins and Monro ask for.

    Parameters
    ----------
    t, lr
        As in `constant`.
    decay : float
        δ, at least 0.

    Returns
    -------
    rates : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.

    References
    ----------
    H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical
    Statistics 22, 1951.
    """
    _, t = _read(t)
    return number(lr, "lr") / (1 + number(decay, "decay") * t)


def cosine(t, *, lr, t_max, eta_min=0.0):
    r"""Let the learning rate fall along half a cosine.

    .. math:: \eta_{\min} + (\eta - \eta_{\min}) \frac{1 + \cos(\pi t / T)}{2}

    From t = T on it stays at its end. (In torch it climbs again.)

    Parameters
    ----------
    t, lr
        As in `constant`.
    t_max : int
        T, at least 1.
    eta_min : float
        Where it ends.

    Returns
    -------
    rates : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, arXiv:1608.03983.
    """
    xp, t = _read(t)
    share = xp.clip(t / whole(t_max, "t_max", minimum=1), max=1)
    end = number(eta_min, "eta_min")
    return end + (number(lr, "lr") - end) * (1 + xp.cos(math.pi * share)) / 2


def warm_up(t, *, total_iters=5, start_factor=1 / 3):
    r"""Return factors that grow linearly to 1, for the learning rates of a schedule.

    .. math:: f + (1 - f) \min(t / T, 1)

    Parameters
    ----------
    t
        As in `constant`.
    total_iters : int
        T, at least 1: the factor is 1 from then on.
    start_factor : float
        f, at least 0.

    Returns
    -------
    factors : (...) array

    Raises
    ------
    ValueError
        If t or a setting is out of range.

    References
    ----------
    P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour",
    arXiv:1706.02677.
    """
    xp, t = _read(t)
    first = number(start_factor, "start_factor")
    share = xp.clip(t / whole(total_iters, "total_iters", minimum=1), max=1)
    return first + (1 - first) * share


def global_norm(grads):
    r"""Return the length of all gradients laid end to end.

    .. math:: \sqrt{\textstyle\sum g_i^2}

    over every entry of every array; no square overflows on the way.

    Parameters
    ----------
    grads : array, or list or tuple of arrays
        Of any shapes.

    Returns
    -------
    norm : float

    Raises
    ------
    ValueError
        If something is no array of real numbers.
    """
    norms = [_norm(each) for each in _read_grads(grads)]
    return math.nan if any(map(math.isnan, norms)) else math.hypot(*norms)


def clip_by_norm(grads, *, max_norm):
    r"""Shorten gradients that are too long together; their direction stays.

    .. math:: g \min(1, \theta / \lVert g \rVert)

    with the norm of all gradients laid end to end. An infinite gradient becomes NaN,
    and all others 0. (torch divides by the norm plus 10⁻⁶.)

    Parameters
    ----------
    grads : array, or list or tuple of arrays
        Of any shapes.
    max_norm : float
        θ.

    Returns
    -------
    grads : array, or list or tuple of arrays
        New ones in the same structure.

    Raises
    ------
    ValueError
        If something is no array of real numbers, or θ is out of range.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent
    neural networks", ICML 2013, arXiv:1211.5063.
    """
    limit = number(max_norm, "max_norm")
    norm = global_norm(grads)
    share = limit / norm if norm > limit else norm * 0 + 1  # NaN stays NaN
    return _rebuild(grads, [share * each for each in _read_grads(grads)])


def clip_by_value(grads, *, clip_value):
    r"""Cut every entry of the gradients to [-c, c]; their direction changes.

    .. math:: \max(-c, \min(g_i, c))

    Parameters
    ----------
    grads : array, or list or tuple of arrays
        Of any shapes.
    clip_value : float
        c.

    Returns
    -------
    grads : array, or list or tuple of arrays
        New ones in the same structure.

    Raises
    ------
    ValueError
        If something is no array of real numbers, or c is out of range.
    """
    limit = number(clip_value, "clip_value")
    cut = []
    for each in _read_grads(grads):
        xp, (each,) = as_floats(grads=each)
        cut.append(xp.clip(each, min=-limit, max=limit))
    return _rebuild(grads, cut)


def _read(t):
    xp, (t,) = as_floats(t=t)
    wrong = ~(t >= 0)  # NaN, too
    if xp.any(wrong):
        raise ValueError(f"t is {float(t[wrong][0]):g}, but must be at least 0")
    return xp, t


def _read_grads(grads):
    """Read one array or several as a list of floats."""
    several = is_several(grads)
    arrays = []
    for i, each in enumerate(grads if several else [grads]):
        name = f"grads[{i}]" if several else "grads"
        if each is None:
            raise ValueError(f"{name} is None, but must be an array")
        _, (each,) = as_floats(**{name: each})
        arrays.append(each.detach() if is_torch(each) else each)
    return arrays


def _norm(x):
    """Return an array's length; NaN where it holds one, and never an overflow."""
    xp, (x,) = as_floats(x=x)
    if not math.prod(x.shape):
        return 0.0
    largest = float(xp.max(xp.abs(x)))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(xp.sum((x / largest) ** 2)) ** 0.5


def _rebuild(grads, arrays):
    if not is_several(grads):
        return arrays[0]
    return tuple(arrays) if isinstance(grads, tuple) else arrays
