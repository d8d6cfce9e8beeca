"""Newton's method and coordinate descent against solvers, SciPy and scikit-learn."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import KINDS, assert_spread, in_kind
from scipy import optimize
from sklearn.linear_model import Lasso

from notebook_utils.descent import coordinate_descent, newton

SEEN = Counter()


@st.composite
def problems(draw):
    """Draw a positive definite matrix, a right side, a start, a kind and a type."""
    size = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(("float32", "float64")))
    rows = rng.standard_normal((size + 2, size))
    arrays = (
        rows.T @ rows / size + 0.3 * np.eye(size),
        rng.standard_normal(size),
        rng.standard_normal(size),
    )
    return [each.astype(dtype) for each in arrays], draw(st.sampled_from(KINDS))


@given(problems(), st.sampled_from((0.0, 0.5)))
def test_one_step_of_newton_solves_a_quadratic(problem, damping):
    (a, b, start), kind = problem
    SEEN.update(("newton", name) for name in ("examples", kind, str(a.dtype)))
    SEEN["newton", "damping"] += damping > 0
    tensor = in_kind(a, kind), in_kind(b, kind)
    path = newton(
        lambda x: tensor[0] @ x - tensor[1],
        lambda x: tensor[0],
        in_kind(start, kind),
        steps=1,
        damping=damping,
    )
    assert isinstance(path, torch.Tensor) == (kind == "torch")
    assert str(path.dtype).endswith(str(a.dtype))
    path = np.asarray(path)
    exact = 1e-3 if a.dtype == np.float32 else 1e-9
    np.testing.assert_array_equal(path[0], start)
    wide = a.astype(float)
    ridge = wide + damping * np.eye(len(a))
    expected = start - np.linalg.inv(ridge) @ (wide @ start - b)
    np.testing.assert_allclose(path[1], expected, rtol=exact, atol=exact)
    if not damping:
        solved = np.linalg.solve(wide, b)
        np.testing.assert_allclose(path[1], solved, rtol=exact, atol=exact)


def test_newton_covers_every_option():
    assert_spread(SEEN, "newton", (*KINDS, "float32", "float64", "damping"))


def test_newton_goes_where_scipy_goes():
    path = newton(optimize.rosen_der, optimize.rosen_hess, [-1.2, 1.0], steps=7)
    assert path.shape == (8, 2)
    np.testing.assert_allclose(path[-1], [1, 1], atol=1e-9)
    theirs = [-1.2, 1.0]
    for each in path[1:]:
        theirs = theirs - np.linalg.inv(optimize.rosen_hess(theirs)) @ (
            optimize.rosen_der(theirs)
        )
        np.testing.assert_allclose(each, theirs, atol=1e-8)


def test_newton_with_a_wider_gradient():
    start = np.float32([1, 2])
    path = newton(lambda x: np.float64(x), lambda x: np.eye(2), start, steps=2)
    assert path.dtype == np.float64
    assert path.tolist() == [[1, 2], [0, 0], [0, 0]]
    assert newton(None.__class__, len, start, steps=0).tolist() == [[1, 2]]
    leaf = torch.ones(2, requires_grad=True)
    moved = newton(lambda x: x, lambda x: torch.eye(2), leaf, steps=1)
    assert not moved.requires_grad
    start[:] = 9
    assert path[0].tolist() == [1, 2]


@given(problems(), st.integers(0, 4), st.sampled_from((0.0, 0.3)))
def test_sweeps_are_gauss_seidels(problem, sweeps, l1):
    (a, b, start), kind = problem
    SEEN.update(("coordinates", name) for name in ("examples", kind, str(a.dtype)))
    SEEN["coordinates", "l1"] += l1 > 0
    path = coordinate_descent(
        *(in_kind(each, kind) for each in (a, b, start)), sweeps=sweeps, l1=l1
    )
    assert isinstance(path, torch.Tensor) == (kind == "torch")
    assert str(path.dtype).endswith(str(a.dtype))
    path, wide = np.asarray(path), a.astype(float)
    exact = 1e-3 if a.dtype == np.float32 else 1e-9
    assert path.shape == (sweeps + 1, len(b))
    x = start.astype(float)
    for each in path[1:]:
        if l1:  # try all values of one coordinate
            for i in range(len(x)):

                def cost(value, i=i, x=x):
                    moved = x.copy()
                    moved[i] = value
                    smooth = moved @ wide @ moved / 2 - b @ moved
                    return smooth + l1 * np.abs(moved).sum()

                best = optimize.minimize_scalar(cost, (-1, 1)).x
                x[i] = best if cost(best) < cost(0.0) else 0.0
            np.testing.assert_allclose(each, x, rtol=1e-3, atol=1e-3)
        else:
            lower = np.tril(wide)
            x = np.linalg.solve(lower, b - (wide - lower) @ x)
            np.testing.assert_allclose(each, x, rtol=exact, atol=exact)


def test_coordinates_cover_every_option():
    assert_spread(SEEN, "coordinates", (*KINDS, "float32", "float64", "l1"))


def test_the_lasso_is_scikit_learns():
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((60, 8)), rng.standard_normal(60)
    y = x @ [3, 0, 0, -2, 0, 0, 0.1, 0] + 0.1 * noise
    for l1 in (0.01, 0.1, 1.0):
        path = coordinate_descent(
            x.T @ x / 60, x.T @ y / 60, np.zeros(8), sweeps=200, l1=l1
        )
        theirs = Lasso(alpha=l1, fit_intercept=False, tol=1e-12, max_iter=10**5)
        coefficients = theirs.fit(x, y).coef_
        np.testing.assert_allclose(path[-1], coefficients, atol=1e-8)
        assert ((path[-1] == 0) == (coefficients == 0)).all()
        assert (path[-1] == 0).any()


def test_coordinates_at_the_edges():
    assert coordinate_descent([[2]], [4], [9], sweeps=1).tolist() == [[9], [2]]
    empty = coordinate_descent(np.zeros((0, 0)), [], np.zeros(0), sweeps=2)
    assert empty.shape == (3, 0)
    leaf = torch.ones(1, requires_grad=True)
    assert not coordinate_descent([[1]], [1], leaf, sweeps=1).requires_grad
    start = np.array([5.0, 5.0])
    path = coordinate_descent(np.eye(2), [1, 2], start, sweeps=1)
    assert path.tolist() == [[5, 5], [1, 2]]
    assert start.tolist() == [5, 5]


def identity(x):
    return np.eye(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: newton(1, identity, [1, 2], steps=1),
            "gradient is 1, but must be a function",
        ),
        (
            lambda: newton(len, None, [1, 2], steps=1),
            "hessian is None, but must be a function",
        ),
        (
            lambda: newton(lambda x: x, identity, [[1, 2]], steps=1),
            r"start of shape \(1, 2\) does not fit \(n\): it has 2 axes",
        ),
        (
            lambda: newton(lambda x: x[:1], identity, [1, 2], steps=1),
            r"gradient of shape \(1,\) does not fit",
        ),
        (
            lambda: newton(lambda x: x, lambda x: np.eye(3), [1, 2], steps=1),
            r"hessian of shape \(3, 3\) does not fit",
        ),
        (
            lambda: newton(lambda x: x, identity, [1, 2], steps=-1),
            "steps is -1, but must be an integer",
        ),
        (
            lambda: newton(lambda x: x, identity, [1, 2], steps=1, damping=-1),
            "damping is -1, but must be a number of at least 0",
        ),
        (
            lambda: newton(lambda x: x, lambda x: np.zeros((2, 2)), [1, 2], steps=1),
            "the Hessian at step 1 is singular .* or a damping above 0",
        ),
        (
            lambda: newton(
                lambda x: x, lambda x: torch.zeros(2, 2), torch.ones(2), steps=1
            ),
            "the Hessian at step 1 is singular",
        ),
        (
            lambda: coordinate_descent([[1, 2]], [1], [1], sweeps=1),
            r"matrix of shape \(1, 2\) does not fit",
        ),
        (
            lambda: coordinate_descent(np.eye(2), [1], [1, 1], sweeps=1),
            r"target of shape \(1,\) does not fit",
        ),
        (
            lambda: coordinate_descent([[1, 2], [0, 1]], [1, 1], [1, 1], sweeps=1),
            "matrix is not symmetric, but must be",
        ),
        (
            lambda: coordinate_descent([[1, 0], [0, 0]], [1, 1], [1, 1], sweeps=1),
            r"matrix has 0 at \(1, 1\), but its diagonal must be positive",
        ),
        (
            lambda: coordinate_descent([[1]], [1], [1], sweeps=1.5),
            "sweeps is 1.5, but must be an integer",
        ),
        (
            lambda: coordinate_descent([[1]], [1], [1], sweeps=1, l1=-1),
            "l1 is -1, but must be a number of at least 0",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    a = np.array([[2.0, 1.0], [1.0, 2.0]])
    b, start = np.array([3.0, 3.0]), np.zeros(2)
    on_device = [in_kind(each, "cuda") for each in (a, b, start)]
    path = coordinate_descent(*on_device, sweeps=3, l1=0.1)
    assert path.device.type == "cuda"
    expected = coordinate_descent(a, b, start, sweeps=3, l1=0.1)
    np.testing.assert_allclose(path.cpu(), expected)
    matrix, target, begin = on_device
    path = newton(lambda x: matrix @ x - target, lambda x: matrix, begin, steps=1)
    np.testing.assert_allclose(path[-1].cpu(), [1, 1])
