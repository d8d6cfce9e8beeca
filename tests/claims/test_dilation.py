"""Dilated kernels: their span, their sizes, their cost."""

import numpy as np
import torch
import torch.nn.functional as F
from measured import cells_read, outputs, products
from scipy import signal

from notebook_utils.convolution import effective_kernel, multiply_adds, output_size

CASES = [(n, k, d) for n in (9, 12, 16) for k in (1, 2, 3) for d in (1, 2, 4)]


def test_a_dilated_kernel_has_zeros_between_its_weights():
    def noted_kernel(w, d):
        spread = np.zeros([d * (size - 1) + 1 for size in w.shape])
        spread[::d, ::d] = w
        return spread

    def noted_input(x, w, d):
        return sum(
            w[a, b] * x[d * a : d * a + 5, d * b : d * b + 5]
            for a, b in np.ndindex(w.shape)
        )

    rng = np.random.default_rng(0)
    for d in (1, 2, 3):
        w = rng.normal(size=(3, 2))
        x = rng.normal(size=(5 + 2 * d, 5 + d))
        tensors = (torch.tensor(array)[None, None] for array in (x, w))
        theirs = F.conv2d(*tensors, dilation=d)[0, 0].numpy()
        ours = signal.correlate2d(x, noted_kernel(w, d), mode="valid")
        np.testing.assert_allclose(ours, theirs)
        np.testing.assert_allclose(noted_input(x, w, d), theirs)


def test_the_span_of_a_dilated_kernel():
    def noted(k, r):
        return r * (k - 1) + 1

    assert [noted(3, r) for r in (1, 2, 4)] == [3, 5, 9]
    for n, k, d in CASES:
        cells = cells_read(n, k, dilation=d)[0]
        assert noted(k, d) == cells[-1] - cells[0] + 1
        assert noted(k, d) == effective_kernel(k, dilation=d)
        assert (noted(k, d) > k) == (k > 1 and d > 1)


def test_the_size_under_dilation_is_floored():
    def noted(n, f, p, s, r):
        return (n + 2 * p - r * (f - 1) - 1) / s + 1

    def corrected(n, f, p, s, r):
        return (n + 2 * p - r * (f - 1) - 1) // s + 1

    for n, k, d in CASES:
        for p in (0, 1, 2):
            for s in (1, 2, 3):
                options = {"padding": p, "stride": s, "dilation": d}
                truth = outputs(n, k, **options)
                assert corrected(n, k, p, s, d) == output_size(n, k, **options) == truth
                fits = (n + 2 * p - d * (k - 1) - 1) % s == 0
                assert (noted(n, k, p, s, d) == truth) == fits


def test_a_dilated_convolution_is_not_transposed():
    def noted(n, k, d):
        return d * (n - 1) + k  # the input spread, as a transposed one does

    def corrected(n, k, d):
        return n - d * (k - 1)

    for n, k, d in CASES:
        truth = outputs(n, k, dilation=d)
        assert corrected(n, k, d) == output_size(n, k, dilation=d) == truth
        assert truth <= n <= noted(n, k, d)
        row, kernel = torch.zeros(1, 1, n), torch.zeros(1, 1, k)
        transposed = F.conv_transpose1d(row, kernel, stride=d).shape[-1]
        assert noted(n, k, d) == transposed
        assert transposed != truth or (k == 1 and d == 1)


def test_branches_of_several_rates_keep_their_size():
    def noted(n, k, r, p):
        return n

    def corrected(n, k, r, p):
        return n + 2 * p - r * (k - 1)

    for r in (1, 2, 3):
        for p in (0, 1, 2, 3):
            truth = outputs(9, 3, padding=p, dilation=r)
            assert corrected(9, 3, r, p) == truth
            assert (noted(9, 3, r, p) == truth) == (p == r)
    x, w = torch.zeros(1, 4, 9, 9), torch.zeros(2, 4, 3, 3)
    branches = [F.conv2d(x, w, padding=r, dilation=r) for r in (1, 2, 3)]
    assert torch.cat(branches, dim=1).shape == (1, 6, 9, 9)


def test_what_dilation_costs():
    def noted(n, k, d):
        return n**2 * k**2  # of a dilated layer at full resolution

    def corrected_dense(n, k, d):
        return n**2 * (d * (k - 1) + 1) ** 2

    def corrected_pooled(n, k, d):
        return (n // d) ** 2 * k**2

    for n, k, d in [(32, 3, 2), (32, 3, 4), (25, 2, 3)]:
        x = torch.zeros(1, 1, n, n)
        span = d * (k - 1) + 1
        small, large = torch.zeros(1, 1, k, k), torch.zeros(1, 1, span, span)

        def padded(kernel, x=x, d=1):
            span = d * (kernel.shape[-1] - 1) + 1
            before, after = (span - 1) // 2, span - 1 - (span - 1) // 2
            x = F.pad(x, (before, after) * 2)
            return lambda: F.conv2d(x, kernel, dilation=d)

        dilated = products(padded(small, d=d))
        dense = products(padded(large))
        pooled = products(padded(small, F.avg_pool2d(x, d)))
        assert noted(n, k, d) == dilated == multiply_adds(1, 1, k, n)
        assert corrected_dense(n, k, d) == dense
        assert corrected_pooled(n, k, d) == pooled
        assert pooled < dilated < dense
        assert (pooled * d**2 == dilated) == (n % d == 0)
