"""Ways down beside the gradient's: Newton's, and one coordinate at a time."""

import numpy as np

from notebook_utils._optimizer import number
from notebook_utils.arrays import as_floats, bind_shapes, is_torch, whole


def newton(gradient, hessian, start, *, steps, damping=0.0):
    r"""Step to where the second-order Taylor polynomial is stationary.

    .. math:: x \leftarrow x - (H + \delta I)^{-1} g

    That is its minimum if H + δI is positive definite. It may be a saddle otherwise.

    Parameters
    ----------
    gradient : callable
        Takes a point (n,) and returns the gradient (n,) there.
    hessian : callable
        Takes a point (n,) and returns the matrix (n, n) of second derivatives.
    start : (n,) array
    steps : int
        How many steps to take, 0 or more.
    damping : float
        δ, at least 0.

    Returns
    -------
    path : (steps + 1, n) array
        Row 0 is the start.

    Raises
    ------
    ValueError
        If an argument is not what it should be, or a matrix is singular.

    References
    ----------
    J. Nocedal and S. J. Wright, "Numerical optimization", 2nd edition, Springer 2006,
    chapter 3.
    """
    for name, value in (("gradient", gradient), ("hessian", hessian)):
        if not callable(value):
            raise ValueError(f"{name} is {value!r}, but must be a function")
    xp, (x,) = as_floats(start=start)
    sizes = bind_shapes(start=("n", x))
    delta, path = number(damping, "damping"), [x.detach() if is_torch(x) else x]
    for _ in range(whole(steps, "steps")):
        x = path[-1]
        _, (_, g, h) = as_floats(start=x, gradient=gradient(x), hessian=hessian(x))
        bind_shapes(sizes, gradient=("n", g), hessian=("n n", h))
        ridge = delta * xp.eye(sizes["n"], dtype=h.dtype, device=h.device)
        try:
            move = xp.linalg.solve(h + ridge, g[:, None])[:, 0]
        except (np.linalg.LinAlgError, RuntimeError) as error:
            raise ValueError(
                f"the Hessian at step {len(path)} is singular ({error}): choose "
                f"another start or a damping above {delta:g}"
            ) from error
        path.append(x - move)
    # the first is of the others' type, which the gradient may have widened
    return xp.stack([xp.astype(each, path[-1].dtype) for each in path])


def coordinate_descent(matrix, target, start, *, sweeps, l1=0.0):
    r"""Minimise a quadratic, with an L1 penalty if asked for, one coordinate at a time.

    .. math:: f(x) = \tfrac12 x^\top A x - b^\top x + \lambda \lVert x \rVert_1

    Each coordinate in turn goes to its minimum while the others stand still:

    .. math:: r = b_i - \sum_{j \ne i} A_{ij} x_j, \qquad
              x_i \leftarrow \operatorname{sign}(r) \max(|r| - \lambda, 0) / A_{ii}

    There is no learning rate. With λ > 0 many coordinates end at exactly 0.

    Parameters
    ----------
    matrix : (n, n) array
        A, symmetric, positive semidefinite, and positive on its diagonal.
    target : (n,) array
        b.
    start : (n,) array
    sweeps : int
        How often to go through all coordinates, 0 or more.
    l1 : float
        λ, at least 0.

    Returns
    -------
    path : (sweeps + 1, n) array
        Row 0 is the start, each further row the end of a sweep.

    Raises
    ------
    ValueError
        If shapes do not fit, the matrix is not symmetric or not positive on its
        diagonal, or a number is out of range.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized
    linear models via coordinate descent", Journal of Statistical Software 33(1), 2010.
    """
    xp, (a, b, x) = as_floats(matrix=matrix, target=target, start=start)
    bind_shapes(matrix=("n n", a), target=("n", b), start=("n", x))
    if is_torch(x):
        a, b, x = a.detach(), b.detach(), x.detach()
    scale = xp.max(xp.abs(a)) if a.shape[0] else 0
    if not xp.all(xp.abs(a - a.T) <= 1e-6 * scale):
        raise ValueError("matrix is not symmetric, but must be")
    for i in range(a.shape[0]):
        if not a[i, i] > 0:
            raise ValueError(
                f"matrix has {float(a[i, i]):g} at ({i}, {i}), but its diagonal must "
                "be positive"
            )
    limit, path = number(l1, "l1"), [x]
    for _ in range(whole(sweeps, "sweeps")):
        x = xp.asarray(path[-1], copy=True)
        for i in range(a.shape[0]):
            rest = b[i] - xp.sum(a[i, :] * x) + a[i, i] * x[i]
            x[i] = xp.sign(rest) * xp.clip(xp.abs(rest) - limit, min=0) / a[i, i]
        path.append(x)
    return xp.stack(path)
