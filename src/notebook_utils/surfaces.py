r"""Losses over the plane on which optimizers are tried, and their gradients."""

from notebook_utils.arrays import as_floats


def rosenbrock(p):
    r"""Return the height of Rosenbrock's valley, whose floor bends along a parabola.

    .. math:: f = (1 - x)^2 + 10\,(y - x^2)^2

    The minimum, 0, is at (1, 1). Rosenbrock has 100 in place of 10.

    Parameters
    ----------
    p : (..., 2) array
        Points (x, y).

    Returns
    -------
    height : (...) array

    Raises
    ------
    ValueError
        If the points do not have two coordinates.

    References
    ----------
    H. H. Rosenbrock, "An automatic method for finding the greatest or least value of a
    function", The Computer Journal 3(3), 1960. doi:10.1093/comjnl/3.3.175
    """
    _, x, y = _coordinates(p)
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def rosenbrock_gradient(p):
    r"""Return the gradient of `rosenbrock`.

    .. math:: \nabla f = \big(-2\,(1 - x) - 40\,x\,(y - x^2),\ 20\,(y - x^2)\big)

    Parameters
    ----------
    p : (..., 2) array
        Points (x, y).

    Returns
    -------
    gradient : (..., 2) array

    Raises
    ------
    ValueError
        If the points do not have two coordinates.
    """
    xp, x, y = _coordinates(p)
    return xp.stack([-2 * (1 - x) - 40 * x * (y - x**2), 20 * (y - x**2)], axis=-1)


def saddle(p):
    r"""Return the height of a saddle at (0, 0), between two minima at (0, ±3).

    .. math:: f = 2 x^2 + \frac{(y^2 - 9)^2}{36}

    Parameters
    ----------
    p : (..., 2) array
        Points (x, y).

    Returns
    -------
    height : (...) array

    Raises
    ------
    ValueError
        If the points do not have two coordinates.
    """
    _, x, y = _coordinates(p)
    return 2 * x**2 + (y**2 - 9) ** 2 / 36


def saddle_gradient(p):
    r"""Return the gradient of `saddle`.

    .. math:: \nabla f = \big(4x,\ \tfrac19 y\,(y^2 - 9)\big)

    Parameters
    ----------
    p : (..., 2) array
        Points (x, y).

    Returns
    -------
    gradient : (..., 2) array

    Raises
    ------
    ValueError
        If the points do not have two coordinates.
    """
    xp, x, y = _coordinates(p)
    return xp.stack([4 * x, y * (y**2 - 9) / 9], axis=-1)


def _coordinates(p):
    """Return the namespace and the two coordinates of points."""
    xp, (p,) = as_floats(p=p)
    if p.ndim == 0 or p.shape[-1] != 2:
        raise ValueError(f"p has the shape {tuple(p.shape)}, but must end in 2")
    return xp, p[..., 0], p[..., 1]
