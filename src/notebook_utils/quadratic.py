r"""Descent on a quadratic, solved: roots, rates, and the best settings.

Along an eigenvector with the eigenvalue λ, its curvature, each step of these methods is
a linear recurrence. What counts is the product s = ηλ of learning rate and curvature,
called ``step`` here, and the momentum β.
"""

import math

from notebook_utils._optimizer import number
from notebook_utils.arrays import as_floats, bind_shapes


def roots(step, *, momentum=0.0, nesterov=False):
    r"""Solve the recurrence of the errors along one eigenvector.

    With x_t = z^t, the heavy ball and Nesterov's method ask for

    .. math:: z^2 - (1 + \beta - s) z + \beta = 0, \qquad
              z^2 - (1 + \beta)(1 - s) z + \beta (1 - s) = 0

    Without momentum one root is 1 - s, the factor of plain descent, and the other 0.

    Parameters
    ----------
    step : (...) array
        s = ηλ, of any shape.
    momentum : float
        β, at least 0 and below 1.
    nesterov : bool

    Returns
    -------
    roots : (..., 2) complex array
        Real ones in falling order; of a complex pair first that with the positive
        imaginary part.

    Raises
    ------
    ValueError
        If the momentum is out of range.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964.
    """
    xp, middle, _, square = _recurrence(step, momentum, nesterov)
    spread = xp.sqrt(xp.abs(square))
    real = xp.where(square >= 0, spread, xp.zeros_like(spread))
    imaginary = 1j * xp.where(square < 0, spread, xp.zeros_like(spread))
    return xp.stack([middle + real + imaginary, middle - real - imaginary], axis=-1)


def rate(step, *, momentum=0.0, nesterov=False):
    r"""Return the factor per step: the larger root in magnitude, see `roots`.

    After many steps each one multiplies the error by this factor; at 1 and above the
    method does not converge. A pair of complex roots has their product's root as
    magnitude: √β for the heavy ball, √(β (1 - s)) for Nesterov's method.

    Parameters
    ----------
    step, momentum, nesterov
        As in `roots`.

    Returns
    -------
    rate : (...) array

    Raises
    ------
    ValueError
        If the momentum is out of range.
    """
    xp, middle, product, square = _recurrence(step, momentum, nesterov)
    spread = xp.sqrt(xp.clip(square, min=0))
    size = xp.sqrt(xp.clip(product, min=0))
    return xp.where(square < 0, size, xp.abs(middle) + spread)


def _recurrence(step, momentum, nesterov):
    """Return half the sum of the roots, their product, and the square of their spread.

    The roots are half the sum, plus and minus the root of that square.
    """
    xp, (step,) = as_floats(step=step)
    beta = number(momentum, "momentum", below=1)
    if nesterov:
        middle, product = (1 + beta) * (1 - step) / 2, beta * (1 - step)
    else:
        middle, product = (1 + beta - step) / 2, beta * xp.ones_like(step)
    return xp, middle, product, middle * middle - product


def stable_step(*, momentum=0.0, nesterov=False):
    r"""Return the s = ηλ below which, from 0 on, the method converges.

    .. math:: 2 (1 + \beta), \qquad \text{Nesterov: } \frac{2 + 2\beta}{1 + 2\beta}

    Parameters
    ----------
    momentum, nesterov
        As in `roots`.

    Returns
    -------
    step : float

    Raises
    ------
    ValueError
        If the momentum is out of range.
    """
    beta = number(momentum, "momentum", below=1)
    return 2 * (1 + beta) / (1 + 2 * beta if nesterov else 1)


def best_descent(smallest, largest):
    r"""Return the best learning rate of plain descent, and its factor per step.

    .. math:: \eta = \frac{2}{L + \mu}, \qquad \frac{\kappa - 1}{\kappa + 1}, \quad
              \kappa = L / \mu

    Parameters
    ----------
    smallest, largest : float
        The least and the greatest curvature, μ and L, above 0.

    Returns
    -------
    lr, rate : float

    Raises
    ------
    ValueError
        If the curvatures are not positive, or out of order.
    """
    smallest, largest = _curvatures(smallest, largest)
    return 2 / (largest + smallest), (largest - smallest) / (largest + smallest)


def best_momentum(smallest, largest):
    r"""Return the best learning rate and momentum of the heavy ball, and the factor.

    .. math:: \eta = \frac{4}{(\sqrt L + \sqrt \mu)^2}, \qquad
              \sqrt\beta = \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}

    and √β is the factor per step.

    Parameters
    ----------
    smallest, largest : float
        As in `best_descent`.

    Returns
    -------
    lr, momentum, rate : float

    Raises
    ------
    ValueError
        If the curvatures are not positive, or out of order.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964.
    """
    low, high = (math.sqrt(each) for each in _curvatures(smallest, largest))
    factor = (high - low) / (high + low)
    return 4 / (high + low) ** 2, factor**2, factor


def expected_loss(curvatures, rates, *, start, variance):
    r"""Return the expected loss of stochastic descent at each step, in its two parts.

    Each coordinate has a curvature λ of its own, and each gradient fresh noise of
    variance σ². With m_t for the mean and V_t for the variance of a coordinate

    .. math:: m_{t+1} = (1 - \eta_t\lambda)\, m_t, \qquad
              V_{t+1} = (1 - \eta_t\lambda)^2\, V_t + \eta_t^2 \sigma^2

    and the expected loss is the sum of λ (m² + V) / 2 over the coordinates.

    Parameters
    ----------
    curvatures : (n,) array
    rates : (steps,) array
        η_t, the learning rate of each step.
    start : (n,) array
    variance : float
        σ² of the gradient's noise in each coordinate, at least 0; of a batch of b
        independent examples 1/b of one example's.

    Returns
    -------
    parts : (steps + 1, 2) array
        What is left of the distance, and what the noise has brought.

    Raises
    ------
    ValueError
        If the shapes do not fit or the variance is negative.
    """
    xp, (lam, rates, mean) = as_floats(curvatures=curvatures, rates=rates, start=start)
    bind_shapes(curvatures=("n", lam), rates=("steps", rates), start=("n", mean))
    variance = number(variance, "variance")
    spread, parts = xp.zeros_like(mean), []
    for t in range(rates.shape[0] + 1):
        parts.append(xp.stack([xp.sum(lam * each) / 2 for each in (mean**2, spread)]))
        if t < rates.shape[0]:
            shrink = 1 - rates[t] * lam
            mean = shrink * mean
            spread = shrink**2 * spread + rates[t] ** 2 * variance
    return xp.stack(parts)


def noise_floor(curvature, rate, *, variance):
    r"""Return the variance at which stochastic descent comes to rest, at one rate.

    .. math:: V = \frac{\eta\, \sigma^2}{\lambda\, (2 - \eta\lambda)}

    Where ηλ is not between 0 and 2 it does not converge, and the answer is infinite.

    Parameters
    ----------
    curvature, rate : (...) array
        λ and η.
    variance : float
        σ² of the gradient's noise, at least 0.

    Returns
    -------
    floor : (...) array

    Raises
    ------
    ValueError
        If the variance is negative.
    """
    xp, (lam, eta) = as_floats(curvature=curvature, rate=rate)
    step = eta * lam
    safe = xp.where((step > 0) & (step < 2), step, xp.ones_like(step))
    floor = eta**2 * number(variance, "variance") / (safe * (2 - safe))
    return xp.where(step == safe, floor, xp.full_like(step, math.inf))


def _curvatures(smallest, largest):
    smallest = number(smallest, "smallest", zero=False)
    largest = number(largest, "largest", zero=False)
    if smallest > largest:
        raise ValueError(
            f"smallest is {smallest:g}, but must be at most largest, {largest:g}"
        )
    return smallest, largest
