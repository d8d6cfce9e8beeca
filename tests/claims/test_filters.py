"""Filters that were designed by hand: blurs, differences, edges."""

import itertools

import numpy as np
from scipy import ndimage, signal
from skimage import filters

RNG = np.random.default_rng(0)
PICTURE = RNG.normal(size=(9, 8))
RAMP = np.tile(np.arange(8.0), (9, 1))  # brighter by 1 from column to column


def convolve(x, w):
    """Convolve a picture where the kernel lies inside."""
    return signal.convolve2d(x, w, mode="valid")


def test_the_average_filter():
    def noted(k):
        return np.full((k, k), 1 / k**2)

    for k in (1, 3, 5):
        half = k // 2
        theirs = ndimage.uniform_filter(PICTURE, k)[half : 9 - half, half : 8 - half]
        np.testing.assert_allclose(convolve(PICTURE, noted(k)), theirs)
        assert np.isclose(noted(k).sum(), 1)


def test_the_gaussian_is_a_product():
    def noted(i, j, s):
        return np.exp(-(i**2 + j**2) / (2 * s**2)) / (2 * np.pi * s**2)

    def noted_axis(i, s):
        return np.exp(-(i**2) / (2 * s**2)) / np.sqrt(2 * np.pi * s**2)

    for s in (0.5, 1.0, 2.0):
        for i, j in itertools.product(range(-3, 4), repeat=2):
            assert np.isclose(noted(i, j, s), noted_axis(i, s) * noted_axis(j, s))
        cells = np.arange(-60, 60, 0.05)
        density = noted_axis(cells, s)
        assert np.isclose(density.sum() * 0.05, 1)
        assert np.isclose((cells**2 * density).sum() * 0.05, s**2)
        assert np.isclose(noted(1.0, 2.0, s) / noted(0.0, 0.0, s), np.exp(-2.5 / s**2))
        assert np.isclose(noted(0.0, 0.0, s) * 2 * np.pi * s**2, 1)
    # cut off and on whole cells the weights miss 1, and are divided by their sum
    steps = np.arange(-1, 2)
    cut = noted_axis(steps[:, None], 1.0) * noted_axis(steps, 1.0)
    assert cut.sum() < 0.8


def test_the_identity():
    def noted(k):
        kernel = np.zeros((k, k))
        kernel[k // 2, k // 2] = 1
        return kernel

    for k in (1, 3, 5):
        half = k // 2
        inside = PICTURE[half : 9 - half, half : 8 - half]
        np.testing.assert_array_equal(convolve(PICTURE, noted(k)), inside)


def identity(k):
    return np.pad([[1.0]], k // 2)


def average(k):
    return np.full((k, k), 1 / k**2)


def test_what_a_blur_takes_away():
    def noted(k):
        return identity(k) - average(k)

    for k in (3, 5):
        half = k // 2
        taken = PICTURE - ndimage.uniform_filter(PICTURE, k)
        inside = taken[half : 9 - half, half : 8 - half]
        np.testing.assert_allclose(convolve(PICTURE, noted(k)), inside)
        # what is flat is taken away, the finest pattern stays but for 1 / k²
        assert np.allclose(convolve(np.ones((9, 8)), noted(k)), 0)
        checks = np.indices((9, 8)).sum(axis=0) % 2 * 2.0 - 1
        inside = checks[half : 9 - half, half : 8 - half]
        np.testing.assert_allclose(convolve(checks, noted(k)), inside * (1 - 1 / k**2))


def test_high_frequencies_need_a_minus():
    def noted(k):
        kernel = np.full((k, k), 1 / (k**2 - 1))
        kernel[k // 2, k // 2] = 1
        return kernel

    def corrected(k):
        kernel = np.full((k, k), -1 / (k**2 - 1))
        kernel[k // 2, k // 2] = 1
        return kernel

    flat = np.ones((5, 5))
    for k in (3, 5):
        assert np.allclose(convolve(flat, noted(k)), 2)  # passed, and doubled
        assert np.allclose(convolve(flat, corrected(k)), 0)
        taken = identity(k) - average(k)
        np.testing.assert_allclose(corrected(k), taken * k**2 / (k**2 - 1))
        np.testing.assert_allclose(noted(k) + corrected(k), 2 * identity(k))


def test_identity_and_high_frequencies_sharpen():
    def noted(k):
        return identity(k) + (identity(k) - average(k))  # said to be a high-pass

    def corrected(k):
        return identity(k) - average(k)

    flat, step = np.ones((7, 7)), np.repeat([[0.0] * 4 + [1.0] * 4], 7, axis=0)
    for k in (3, 5):
        # a high-pass takes away what is flat; this one keeps it
        assert np.allclose(convolve(flat, noted(k)), 1)
        assert np.allclose(convolve(flat, corrected(k)), 0)
        # it makes edges overshoot, as sharpening does
        assert convolve(step, noted(k)).max() > 1
        assert convolve(step, noted(k)).min() < 0
        weights = noted(k).ravel()
        others = np.delete(weights, k**2 // 2)
        assert (others < 0).all()
        assert weights[k**2 // 2] > 1
        assert np.isclose(corrected(k)[k // 2, k // 2], 1 - 1 / k**2)
        np.testing.assert_allclose(noted(k) - corrected(k), identity(k))


def test_the_median_is_not_linear():
    def noted(window):
        return sorted(window)[len(window) // 2]

    theirs = ndimage.median_filter(PICTURE, 3)[1:-1, 1:-1]
    for i, j in np.ndindex(theirs.shape):
        assert noted(PICTURE[i : i + 3, j : j + 3].ravel()) == theirs[i, j]
    one, other = [0, 0, 1], [0, 1, 0]
    total = [a + b for a, b in zip(one, other, strict=True)]
    assert noted(total) == 1 != noted(one) + noted(other)


def test_the_answer_to_an_impulse():
    def noted(w, shift):
        return np.roll(np.pad(w, 2), shift, axis=(0, 1))

    w = RNG.normal(size=(3, 3))
    for shift in [(0, 0), (1, 0), (-1, 1)]:
        impulse = np.roll(np.pad([[1.0]], 3), shift, axis=(0, 1))
        assert impulse.sum() == 1
        answer = signal.convolve2d(impulse, w, mode="same")
        np.testing.assert_array_equal(noted(w, shift), answer)


def test_linear_means_linear_in_whole_signals():
    def noted(h, a, f, x1, b, x2):
        return h(np.full(f.shape, a * f[x1] + b * f[x2]))  # f(x1), f(x2) as numbers

    def corrected(h, a, f1, b, f2):
        return h(a * f1 + b * f2)

    def blur(f):
        return ndimage.correlate1d(f, [0.25, 0.5, 0.25])

    def median(f):
        return ndimage.median_filter(f, 3)

    f1, f2 = RNG.normal(size=7), RNG.normal(size=7)
    for h, is_linear in [(blur, True), (median, False)]:
        apart = 2 * h(f1) - 3 * h(f2)
        assert np.allclose(corrected(h, 2, f1, -3, f2), apart) == is_linear
    # a filter leaves a constant alone, and knows nothing of what is around x1 and x2
    for x1, x2 in [(1, 4), (2, 5), (3, 3)]:
        answer = noted(blur, 2, f1, x1, -3, x2)
        np.testing.assert_allclose(answer, 2 * f1[x1] - 3 * f1[x2])
        expected = 2 * blur(f1)[x1] - 3 * blur(f1)[x2]
        assert not np.allclose(answer, expected)
    summed = noted(lambda f: np.cumsum(f), 2, f1, 1, -3, 4)
    assert np.isclose(summed[-1], 7 * (2 * f1[1] - 3 * f1[4]))


SQUARE = np.arange(12.0) ** 2  # its slope is 2x


def test_the_forward_difference():
    def noted(f, x):
        return f[x + 1] - f[x]

    for x in range(1, 11):
        assert noted(SQUARE, x) == np.diff(SQUARE)[x] == 2 * x + 1


def test_the_backward_difference():
    def noted(f, x):
        return f[x + 1] - f[x]

    def corrected(f, x):
        return f[x] - f[x - 1]

    step = np.array([0.0, 0, 0, 1, 1, 1])
    for x in range(1, 11):
        assert corrected(SQUARE, x) == np.diff(SQUARE)[x - 1] == 2 * x - 1
        assert noted(SQUARE, x) == np.diff(SQUARE)[x] == 2 * x + 1
    # a difference that looks back does not know of the step before it comes
    assert (noted(step, 2), corrected(step, 2), corrected(step, 3)) == (1, 0, 1)


def test_the_central_difference():
    def noted(f, x):
        return (f[x + 1] - f[x - 1]) / 2

    signal_ = RNG.normal(size=12)
    for x in range(1, 11):
        assert noted(SQUARE, x) == 2 * x  # exact for squares, as the others are not
        assert np.isclose(noted(signal_, x), np.gradient(signal_)[x])


def test_kernels_of_differences():
    def noted():
        return {"forward": [1, -1, 0], "backward": [0, 1, -1], "central": [1, 0, -1]}

    def corrected():
        return noted() | {"central": [0.5, 0, -0.5]}

    f = RNG.normal(size=9)
    slopes = {
        "forward": np.diff(f)[1:],
        "backward": np.diff(f)[:-1],
        "central": np.gradient(f)[1:-1],
    }
    for name, kernel in corrected().items():
        answer = np.convolve(f, kernel, mode="valid")
        np.testing.assert_allclose(answer, slopes[name])
        answer = np.convolve(f, noted()[name], mode="valid")
        times = 2 if name == "central" else 1
        np.testing.assert_allclose(answer, times * slopes[name])
    assert len(corrected()) == 3


def test_a_kernel_is_turned_in_the_matrix():
    def noted(w):
        return w[::-1, ::-1]

    for w in (np.array([[1, -1, 0]]), RNG.normal(size=(3, 2))):
        sliding = signal.correlate2d(PICTURE, noted(w), mode="valid")
        np.testing.assert_allclose(sliding, convolve(PICTURE, w))
        assert not np.array_equal(noted(w), w)


V = np.array([[1.0, 0, -1]] * 3)


def test_which_slope_prewitt_measures():
    def noted():
        return {"across": V.T, "down": V}

    def corrected():
        return {"across": V, "down": V.T}

    for kernels, right in [(noted(), False), (corrected(), True)]:
        across = convolve(RAMP, kernels["across"])
        down = convolve(RAMP, kernels["down"])
        assert np.allclose(across, 6) == right
        assert np.allclose(down, 0) == right
        turned = convolve(RAMP.T, kernels["down"])
        assert np.allclose(turned, 6) == right
    theirs = filters.prewitt_v(PICTURE)[1:-1, 1:-1]
    np.testing.assert_allclose(convolve(PICTURE, corrected()["across"]) / 3, theirs)


def test_rows_of_prewitt_and_sobel_smooth():
    def noted(rows):
        return np.outer(rows, [1, 0, -1])  # a sum down, a difference across

    np.testing.assert_array_equal(noted([1, 1, 1]), V)
    theirs = ndimage.sobel(PICTURE, axis=1)[1:-1, 1:-1]
    np.testing.assert_allclose(convolve(PICTURE, noted([1, 2, 1])), theirs)
    theirs = ndimage.prewitt(PICTURE, axis=1)[1:-1, 1:-1]
    np.testing.assert_allclose(convolve(PICTURE, noted([1, 1, 1])), theirs)
    # of one wild pixel, a sum over three rows shows a third
    noisy = RAMP.copy()
    noisy[4, 5] += 6
    alone = np.abs(convolve(noisy, [[0.5, 0, -0.5]]) - 1).max()
    steadied = np.abs(convolve(noisy, noted([1, 1, 1])) / 6 - 1).max()
    assert np.isclose(steadied, alone / 3)


def test_steepness_and_direction():
    def noted(f):
        g_h, g_v = convolve(f, V.T), convolve(f, V)  # as the notes name them
        return np.sqrt(g_h**2 + g_v**2), np.arctan2(g_v, g_h)

    def corrected(f):
        g_h, g_v = convolve(f, V), convolve(f, V.T)
        return np.sqrt(g_h**2 + g_v**2), np.arctan2(g_v, g_h)

    rows, columns = np.indices((5, 5))
    for across, down in [(1, 0), (0, 2), (-1, 1), (-3, -4), (2, 2), (5, -2)]:
        plane = across * columns + down * rows
        truth = 6 * abs(complex(across, down)), np.angle(complex(across, down))
        for form in (noted, corrected):
            steepness, angle = form(plane)
            assert np.allclose(steepness, truth[0])
            is_right = form is corrected or across == down
            assert np.allclose(angle, truth[1]) == is_right
