"""Heights against SciPy's and by hand, gradients against autograd and differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import KINDS, in_kind
from scipy import optimize

from notebook_utils import surfaces

NAMES = ("rosenbrock", "saddle")


@st.composite
def points(draw):
    """Draw points of any shape, and a kind."""
    shape = draw(st.sampled_from(((2,), (3, 2), (0, 2), (2, 1, 2))))
    size = int(np.prod(shape))
    values = draw(st.lists(st.floats(-3, 3, width=32), min_size=size, max_size=size))
    dtype = draw(st.sampled_from(("float32", "float64")))
    return np.array(values, dtype).reshape(shape), draw(st.sampled_from(KINDS))


@pytest.mark.parametrize("name", NAMES)
@given(case=points())
def test_gradients_are_autograds_and_differences(name, case):
    p, kind = case
    height, gradient = getattr(surfaces, name), getattr(surfaces, f"{name}_gradient")
    found, high = gradient(in_kind(p, kind)), height(in_kind(p, kind))
    assert tuple(found.shape) == p.shape
    assert tuple(high.shape) == p.shape[:-1]
    assert str(found.dtype).endswith(str(p.dtype))
    t = torch.tensor(p.astype(float), requires_grad=True)
    height(t).sum().backward()
    tolerance = 1e-4 if p.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(found, t.grad, rtol=tolerance, atol=tolerance * 100)
    for axis, h in enumerate(1e-5 * np.eye(2)):
        slope = (height(p.astype(float) + h) - height(p.astype(float) - h)) / 2e-5
        np.testing.assert_allclose(found[..., axis], slope, rtol=1e-3, atol=1e-2)


def test_heights():
    p = np.random.default_rng(0).normal(size=(50, 2))
    x = p[:, 0]
    # SciPy has 100 in place of 10
    tenth = (1 - x) ** 2 + (optimize.rosen(p.T) - (1 - x) ** 2) / 10
    np.testing.assert_allclose(surfaces.rosenbrock(p), tenth)
    assert surfaces.rosenbrock([1, 1]) == 0
    assert surfaces.rosenbrock([-1, 2]) == 14
    assert surfaces.saddle([0, 0]) == 2.25
    assert surfaces.saddle([1, 0]) == 4.25
    assert surfaces.saddle([0, 3]) == surfaces.saddle([0, -3]) == 0
    assert surfaces.saddle([0, 1]) == 64 / 36


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}_gradient" for name in NAMES)])
def test_refuses(name):
    with pytest.raises(ValueError, match=r"p has the shape \(3,\), but must end in 2"):
        getattr(surfaces, name)([1, 2, 3])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_on_cuda(name):
    p = np.random.default_rng(1).normal(size=(4, 2))
    found = getattr(surfaces, f"{name}_gradient")(in_kind(p, "cuda"))
    assert found.device.type == "cuda"
    np.testing.assert_allclose(found.cpu(), getattr(surfaces, f"{name}_gradient")(p))
