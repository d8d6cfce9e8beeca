"""Interpolation along a line, in a square and in a cube; unpooling."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import RegularGridInterpolator, interpn

from notebook_utils.upsampling import avg_unpool2d, interpolate, max_unpool2d

RNG = np.random.default_rng(0)
SHARES = (0.0, 0.25, 0.6, 1.0)


def test_linear_interpolation_along_a_line():
    def noted(f0, f1, w):
        return f0 + w * (f1 - f0)

    def noted_share(y, y0, y1):
        return (y - y0) / (y1 - y0)

    def noted_mixture(f0, f1, w):
        return (1 - w) * f0 + w * f1

    def corrected_along_x(x, x0, x1):
        return (x - x0) / (x1 - x0)

    (x0, y0), (x1, y1), f0, f1 = (1.0, 4.0), (3.0, 1.0), 2.0, 5.0
    for x, y in itertools.product((1.0, 1.5, 2.0, 3.0), (4.0, 3.25, 2.5, 1.0)):
        share = corrected_along_x(x, x0, x1)
        truth = np.interp(x, [x0, x1], [f0, f1])
        assert np.isclose(noted(f0, f1, share), truth)
        assert np.isclose(noted_mixture(f0, f1, share), truth)
        # the share in y is the same one on the line through both points only
        on_the_line = np.isclose((x - x0) * (y1 - y0), (y - y0) * (x1 - x0))
        assert np.isclose(noted_share(y, y0, y1), share) == on_the_line


def test_bilinear_interpolation_begins_with_two_rows():
    def noted_first(q, wx):
        return (1 - wx) * q[0, 0] + wx * q[1, 0]

    def noted_second(q, wx):
        return (1 - wx) * q[0, 1] + wx * q[1, 1]

    def noted_share(x, x0, x1):
        return (x - x0) / (x1 - x0)

    q = RNG.normal(size=(2, 2))  # q[i, j] is the value at (x_i, y_j)
    corners = ([2.0, 5.0], [1.0, 3.0])
    for x in (2.0, 2.75, 4.5, 5.0):
        wx = noted_share(x, 2.0, 5.0)
        for formula, y in ((noted_first, 1.0), (noted_second, 3.0)):
            assert np.isclose(formula(q, wx), interpn(corners, q, (x, y))[0])


def test_bilinear_interpolation_ends_with_a_column():
    def corrected(q, wx, wy):
        p1 = (1 - wx) * q[0, 0] + wx * q[1, 0]
        p2 = (1 - wx) * q[0, 1] + wx * q[1, 1]
        return (1 - wy) * p1 + wy * p2

    for wx, wy in itertools.product(SHARES, SHARES):
        q = RNG.normal(size=(2, 2))
        truth = interpn(([0.0, 1.0], [0.0, 1.0]), q, (wx, wy))[0]
        assert np.isclose(corrected(q, wx, wy), truth)
        across = corrected(q.T, wy, wx)  # first along y, then along x
        assert np.isclose(across, truth)
    ours = interpolate(q.T[None, None], size=5, mode="bilinear", align_corners=True)
    assert np.isclose(ours[0, 0, 3, 1], corrected(q, 0.25, 0.75))


def test_trilinear_interpolation():
    def noted(c, wx, wy, wz):
        p00 = (1 - wx) * c[0, 0, 0] + wx * c[1, 0, 0]
        p10 = (1 - wx) * c[0, 1, 0] + wx * c[1, 1, 0]
        p01 = (1 - wx) * c[0, 0, 1] + wx * c[1, 0, 1]
        p11 = (1 - wx) * c[0, 1, 1] + wx * c[1, 1, 1]
        p0 = (1 - wy) * p00 + wy * p10
        p1 = (1 - wy) * p01 + wy * p11
        return (1 - wz) * p0 + wz * p1

    def noted_share(x, x0, x1):
        return (x - x0) / (x1 - x0)

    c = RNG.normal(size=(2, 2, 2))  # c[i, j, k] is the value at (x_i, y_j, z_k)
    theirs = RegularGridInterpolator(([1.0, 3.0], [0.0, 2.0], [5.0, 9.0]), c)
    for x, y, z in itertools.product((1.0, 1.5, 3.0), (0.0, 1.5), (5.0, 8.0, 9.0)):
        shares = [
            noted_share(value, low, high)
            for value, low, high in ((x, 1.0, 3.0), (y, 0.0, 2.0), (z, 5.0, 9.0))
        ]
        assert np.isclose(noted(c, *shares), theirs((x, y, z)))
    cube = c.transpose(2, 1, 0)[None, None]
    ours = interpolate(cube, size=3, mode="trilinear", align_corners=True)
    assert np.isclose(ours[0, 0, 1, 1, 1], noted(c, 0.5, 0.5, 0.5))


def test_maxima_go_back_to_their_places():
    def noted(values, places, shape):
        y = np.zeros(shape)
        for i, (row, column) in enumerate(places):
            y[row, column] = values[i]
        return y

    for h, w in [(4, 4), (4, 6), (2, 2)]:
        x = torch.tensor(RNG.normal(size=(1, 1, h, w)))
        values, indices = F.max_pool2d(x, 2, return_indices=True)
        places = [divmod(int(i), w) for i in indices.flatten()]
        back = noted(values.flatten().tolist(), places, (h, w))
        np.testing.assert_array_equal(back, F.max_unpool2d(values, indices, 2)[0, 0])
        ours = max_unpool2d(values.numpy(), indices.numpy(), 2)[0, 0]
        np.testing.assert_array_equal(back, ours)


def test_means_go_to_all_cells_of_their_windows():
    def corrected(x, k):
        return np.kron(x, np.ones((k, k)))

    def corrected_gradient(x, k):
        return np.kron(x, np.full((k, k), 1 / k**2))

    for k in (2, 3):
        x = RNG.normal(size=(2, 3))
        back = torch.tensor(corrected(x, k))[None, None].requires_grad_()
        means = F.avg_pool2d(back, k)
        np.testing.assert_allclose(means.detach()[0, 0], x)
        np.testing.assert_allclose(
            corrected(x, k), avg_unpool2d(x[None, None], k)[0, 0]
        )
        # all cells of a window are alike
        assert all(len(np.unique(w)) == 1 for w in (back.detach()[0, 0, :k, :k],))
        # the gradient of the mean shares the value out instead
        means.backward(torch.tensor(x)[None, None])
        np.testing.assert_allclose(corrected_gradient(x, k), back.grad[0, 0])
