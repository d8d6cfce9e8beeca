"""Convolution as a matrix, and what its transpose does."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd.functional import jacobian

from notebook_utils.convolution import conv2d_backward, convolution_matrix

RNG = np.random.default_rng(0)


def theirs(w):
    """Let torch write the layer on a 5 x 5 picture as a matrix."""

    def layer(x):
        return F.conv2d(x.reshape(1, 1, 5, 5), torch.tensor(w)[None, None]).flatten()

    return jacobian(layer, torch.zeros(25, dtype=torch.float64)).numpy()


def test_the_matrix_of_three_by_three_on_five_by_five():
    def noted(w):
        row = [*w[0], 0, 0, *w[1], 0, 0, *w[2]]
        starts = [0, 1, 2, 5, 6, 7, 10, 11, 12]
        return np.array([[0] * s + row + [0] * (12 - s) for s in starts])

    w = np.arange(1.0, 10).reshape(3, 3)
    assert noted(w).shape == (9, 25)
    np.testing.assert_array_equal(noted(w), theirs(w))
    np.testing.assert_array_equal(noted(w), convolution_matrix(w, (5, 5)).toarray())
    x = RNG.normal(size=(5, 5))
    y = F.conv2d(*(torch.tensor(a)[None, None] for a in (x, w)))
    np.testing.assert_allclose((noted(w) @ x.ravel()).reshape(3, 3), y[0, 0])


def test_the_transpose_gives_back_a_shape():
    def noted(y, c):
        return y @ c.T

    def corrected(y, c):
        return c.T @ y

    w, x = RNG.normal(size=(3, 3)), RNG.normal(size=25)
    c = theirs(w)
    y = c @ x
    for vector in (y, y[None, :], y[:, None]):
        with pytest.raises(ValueError, match="mismatch"):
            noted(vector, c)
    # for a square matrix the shapes would fit, and it is the other product
    square = RNG.normal(size=(9, 9))
    np.testing.assert_allclose(noted(y, square), square @ y)
    back = corrected(y, c)
    stamped = F.conv_transpose2d(
        torch.tensor(y.reshape(1, 1, 3, 3)), torch.tensor(w)[None, None]
    )
    np.testing.assert_allclose(back, stamped.flatten())
    assert back.shape == x.shape
    assert not np.allclose(back, x)
    assert np.linalg.matrix_rank(c) == 9  # 25 numbers cannot come from 9


def test_the_transpose_carries_gradients_back():
    def noted(c, delta):
        return c.T @ delta

    w, x, delta = (RNG.normal(size=shape) for shape in [(3, 3), (5, 5), (3, 3)])
    picture = torch.tensor(x[None, None], requires_grad=True)
    F.conv2d(picture, torch.tensor(w)[None, None]).backward(
        torch.tensor(delta[None, None])
    )
    answer = noted(theirs(w), delta.ravel())
    np.testing.assert_allclose(answer, picture.grad.flatten())
    ours, _, _ = conv2d_backward(delta[None, None], x[None, None], w[None, None])
    np.testing.assert_allclose(answer, ours.ravel())
