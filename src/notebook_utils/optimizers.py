"""Gradient descent and its relatives, step by step as torch takes them.

An optimizer holds its settings and its state; `step` takes parameters and gradients and
returns new parameters. In the formulas x is a parameter, g its gradient, η the learning
rate ``lr``, and all products, roots and quotients are taken element by element.
"""

from notebook_utils._adaptive import AdaDelta, AdaGrad, Adam, AdamW, RMSProp
from notebook_utils._optimizer import Optimizer, is_several, number
from notebook_utils.arrays import as_floats, bind_shapes, is_torch, whole

__all__ = [
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Momentum",
    "Nesterov",
    "RMSProp",
    "minimize",
]


class SGD(Optimizer):
    r"""Descend along the gradient, with momentum if asked for.

    .. math:: x \leftarrow x - \eta g

    With a momentum μ > 0, and v = g at the first step,

    .. math:: v \leftarrow \mu v + (1 - \tau) g, \quad x \leftarrow x - \eta v

    or with ``nesterov``

    .. math:: v \leftarrow \mu v + g, \quad x \leftarrow x - \eta (g + \mu v)

    Parameters
    ----------
    lr : float
        Learning rate η; it may be set between steps.
    momentum : float
        μ, at least 0 and below 1.
    dampening : float
        τ, at least 0 and at most 1; not at the first step.
    weight_decay : float
        λ: adds λx to the gradient, as a term λ/2 |x|² of the loss would.
    nesterov : bool
        Nesterov's momentum; needs a momentum and no dampening.
    maximize : bool
        Climb: the gradient is negated before all else.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical
    Statistics 22, 1951. I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the
    importance of initialization and momentum in deep learning", ICML 2013.
    """

    def __init__(
        self,
        *,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        maximize=False,
    ):
        super().__init__(lr=lr, weight_decay=weight_decay, maximize=maximize)
        self.momentum = number(momentum, "momentum", below=1)
        self.dampening = number(dampening, "dampening")
        self.nesterov = bool(nesterov)
        if self.dampening > 1:
            raise ValueError(f"dampening is {dampening!r}, but must be at most 1")
        if nesterov and (not momentum or dampening):
            raise ValueError(
                f"nesterov needs a momentum above 0 and no dampening, but momentum is "
                f"{momentum!r} and dampening is {dampening!r}"
            )

    def _update(self, x, g, state):
        if not self.momentum:
            return x - self.lr * g
        if "v" in state:
            v = self.momentum * state["v"] + (1 - self.dampening) * g
        else:
            v = 1.0 * g  # a copy: the caller may reuse its array
        state["v"] = v
        return x - self.lr * (g + self.momentum * v if self.nesterov else v)


class Momentum(SGD):
    """`SGD` with a momentum of 0.9 by default: the heavy ball.

    Parameters
    ----------
    lr, momentum, dampening, weight_decay, maximize
        As in `SGD`.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964.
    """

    def __init__(
        self, *, lr=1e-3, momentum=0.9, dampening=0, weight_decay=0, maximize=False
    ):
        super().__init__(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            maximize=maximize,
        )


class Nesterov(SGD):
    """`SGD` with Nesterov's momentum, 0.9 by default.

    The parameters are the points where the gradient is asked for: Nesterov's points
    with the coming step of momentum, η μ v, already taken.

    Parameters
    ----------
    lr, momentum, weight_decay, maximize
        As in `SGD`; the momentum must be above 0.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    Y. Nesterov, "A method for solving the convex programming problem with convergence
    rate O(1/k²)", Soviet Mathematics Doklady 27, 1983. The form: I. Sutskever et al.,
    "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    def __init__(self, *, lr=1e-3, momentum=0.9, weight_decay=0, maximize=False):
        super().__init__(
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=True,
            maximize=maximize,
        )


def minimize(optimizer, gradient, start, *, steps, rates=None):
    """Follow an optimizer from a starting point.

    Parameters
    ----------
    optimizer : SGD, Adam, ...
        It keeps its state: a fresh run takes a new one.
    gradient : callable
        Takes an array of the shape of `start` and returns the gradient there.
    start : array
        Of any shape.
    steps : int
        How many steps to take, 0 or more.
    rates : (steps,) array, optional
        The learning rate of each step, as `notebook_utils.schedules` computes it; the
        optimizer keeps the last. By default its own.

    Returns
    -------
    path : (steps + 1, ...) array
        Where the optimizer was: row 0 is the start.

    Raises
    ------
    ValueError
        If an argument is not what it should be, or a gradient has the wrong shape.

    Examples
    --------
    >>> minimize(SGD(lr=0.5), lambda x: x, 8, steps=3)
    array([8., 4., 2., 1.])
    """
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer is {optimizer!r}, but must be an optimizer, such as SGD(lr=0.1)"
        )
    if not callable(gradient):
        raise ValueError(f"gradient is {gradient!r}, but must be a function")
    if start is None or is_several(start):
        raise ValueError("start must be one array")
    xp, (x,) = as_floats(start=start)
    path = [x.detach() if is_torch(x) else x]
    rates = _read_rates(rates, whole(steps, "steps"))
    for t in range(steps):
        if rates is not None:
            optimizer.lr = rates[t]
        path.append(optimizer.step(path[-1], gradient(path[-1])))
    # the first is of the others' type, which the gradient may have widened
    return xp.stack([xp.astype(each, path[-1].dtype) for each in path])


def _read_rates(rates, steps):
    """Read the learning rates as numbers, and check that each step has one."""
    if rates is None:
        return None
    _, (rates,) = as_floats(rates=rates)
    bind_shapes({"steps": steps}, rates=("steps", rates))
    return [float(rate) for rate in rates]
