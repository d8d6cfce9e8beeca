"""Motion by least squares in windows: at every pixel, coarse to fine, at points."""

import math

import array_api_compat

from notebook_utils._flow import (
    check_levels,
    eigenvalues,
    enlarge,
    grid,
    inside,
    normal_equations,
    odd,
    pyramid,
    read_frames,
    sample,
    slopes,
    solve,
    window_sums,
)
from notebook_utils.arrays import as_floats, bind_shapes, whole


def image_gradients(frame0, frame1):
    r"""Differentiate a pair of frames: across, down, and from one to the other.

    .. math:: I_x = \tfrac12 \bigl(\bar I(x + 1, y) - \bar I(x - 1, y)\bigr), \quad
              I_y = \tfrac12 \bigl(\bar I(x, y + 1) - \bar I(x, y - 1)\bigr), \quad
              I_t = I_1 - I_0, \qquad \bar I = \tfrac12 (I_0 + I_1)

    Parameters
    ----------
    frame0, frame1 : (h, w) array

    Returns
    -------
    ix, iy : (h, w) array
        Brightness per pixel, to the right and down. One-sided differences on the
        outermost pixels; zero along an axis of one pixel.
    it : (h, w) array
        Brightness per frame.

    Raises
    ------
    ValueError
        If the frames are not two of one size, are empty, or hold NaN or infinity.

    Notes
    -----
    Slopes of the mean frame are those half way in time, where I_t is centred, too: the
    equation I_x dx + I_y dy + I_t = 0 is then exact for every quadratic brightness that
    moves as a whole, and changes only its signs when the frames are exchanged.
    """
    _, frame0, frame1 = read_frames(frame0, frame1)
    ix, iy = slopes((frame0 + frame1) / 2)
    return ix, iy, frame1 - frame0


def lucas_kanade(frame0, frame1, *, window):
    r"""Find the flow that fits best, by least squares, in the window of each pixel.

    .. math:: \begin{bmatrix} \sum I_x^2 & \sum I_x I_y \\
              \sum I_x I_y & \sum I_y^2 \end{bmatrix}
              \begin{bmatrix} dx \\ dy \end{bmatrix} =
              -\begin{bmatrix} \sum I_x I_t \\ \sum I_y I_t \end{bmatrix}

    Parameters
    ----------
    frame0, frame1 : (h, w) array
    window : int
        Side of the square window, in pixels: odd. The sums run over its pixels that lie
        in the frame, the outermost ones left out, where slopes are one-sided.

    Returns
    -------
    flow : (h, w, 2) array
        In pixels; zero where the system is singular: where the window holds slopes in
        no direction or in one only, up to rounding.

    Raises
    ------
    ValueError
        If `window` is no odd integer of at least 1, or as `image_gradients`.

    References
    ----------
    B. D. Lucas and T. Kanade, "An iterative image registration technique with an
    application to stereo vision", IJCAI 1981, pp. 674-679.
    """
    window = odd(window, "window")
    xp, frame0, frame1 = read_frames(frame0, frame1)
    sums = _sums(xp, frame0, image_gradients(frame0, frame1), True, window)
    flow, _ = solve(sums, window, xp.max(xp.abs(frame0)))
    return flow


def structure_eigenvalues(frame0, frame1, *, window):
    r"""Eigenvalues of the matrix that `lucas_kanade` solves with.

    .. math:: \lambda_{1, 2} = \tfrac12 (a + c) \pm
              \sqrt{\tfrac14 (a - c)^2 + b^2}, \quad
              a = \sum I_x^2,\; b = \sum I_x I_y,\; c = \sum I_y^2

    Parameters
    ----------
    frame0, frame1, window
        As in `lucas_kanade`.

    Returns
    -------
    values : (h, w, 2) array
        The larger one first. Both are zero where the window is flat; the smaller one is
        zero where all of its slopes have one direction, up to sign.

    Raises
    ------
    ValueError
        As `lucas_kanade`.

    References
    ----------
    J. Shi and C. Tomasi, "Good features to track", CVPR 1994, pp. 593-600.
    """
    window = odd(window, "window")
    xp, frame0, frame1 = read_frames(frame0, frame1)
    sums = _sums(xp, frame0, image_gradients(frame0, frame1), True, window)
    return xp.stack(eigenvalues(*sums[:3]), axis=-1)


def _sums(xp, frame, gradients, counts, window):
    """Add up normal equations where they count; never the outermost pixels'."""
    counts = inside(*grid(frame), frame.shape, margin=1) & counts
    equations = normal_equations(*gradients)
    return window_sums(xp.astype(counts, frame.dtype) * equations, window)


def pyramidal_lucas_kanade(frame0, frame1, *, levels, window, iterations):
    r"""Find large motions: Lucas-Kanade from coarse frames to fine ones, with warping.

    Each level starts from twice the flow of the next coarser one. Each iteration warps
    frame1 back by the flow f so far, and looks, in the window around each pixel, for
    the one motion d that explains what is left:

    .. math:: \min_d \sum \bigl(I_x (d_x - f_x) + I_y (d_y - f_y) + I_t\bigr)^2, \quad
              I_t = I_1(x + f_x, y + f_y) - I_0(x, y)

    Parameters
    ----------
    frame0, frame1 : (h, w) array
    levels : int
        How many sizes of the frames are used, each half the one before; 1 uses the
        frames only. The coarsest must have 3 pixels on each side if there are several.
    window : int
        As in `lucas_kanade`, and the same number of pixels at each level. Pixels whose
        flow leads out of the frame do not count.
    iterations : int
        On each level, at least 1. One iteration at one level is `lucas_kanade`, but for
        motions that are not taken.

    Returns
    -------
    flow : (h, w, 2) array
        In pixels. A step is not taken where the system is singular, or where it would
        be longer than the window's side and lead to pixels that the window has not
        seen: there the flow so far stands, which is zero at first.

    Raises
    ------
    ValueError
        If `levels`, `window` or `iterations` is out of range, or as `image_gradients`.

    Notes
    -----
    Where all flows f in a window are equal, d is f plus the textbook's increment. Where
    they are not, adding the window's increment to the flow of its middle pixel alone
    does not settle: iterated, it diverges.

    Blurring repeats the frame's edge, so that slanted stripes end there on the coarser
    levels. What those windows find is no motion of the stripes, but spreads.

    References
    ----------
    J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker",
    Intel Corporation, 2000. G. Le Besnerais and F. Champagnat, "Dense optical flow by
    iterative local window registration", ICIP 2005, for one motion d in each window.
    """
    window, iterations = odd(window, "window"), whole(iterations, "iterations", 1)
    xp, frame0, frame1 = read_frames(frame0, frame1)
    check_levels(levels, frame0.shape)
    coarse, *finer = reversed(
        list(zip(pyramid(frame0, levels), pyramid(frame1, levels), strict=True))
    )
    flow = xp.stack([xp.zeros_like(coarse[0])] * 2, axis=-1)
    flow = _refine(*coarse, flow, window, iterations)
    for small0, small1 in finer:
        flow = _refine(small0, small1, enlarge(flow, small0), window, iterations)
    return flow


def _refine(frame0, frame1, flow, window, iterations):
    """Iterate on one level of the pyramid, from a flow."""
    xp = array_api_compat.array_namespace(frame0)
    x, y = grid(frame0)
    brightness = xp.max(xp.abs(frame0))
    for _ in range(iterations):
        dx, dy = flow[..., 0], flow[..., 1]
        ix, iy, it = image_gradients(frame0, sample(frame1, x + dx, y + dy))
        gradients = ix, iy, it - ix * dx - iy * dy
        stays = inside(x + dx, y + dy, frame0.shape, margin=1)
        sums = _sums(xp, frame0, gradients, stays, window)
        motion, singular = solve(sums, window, brightness)
        unknown = singular | _is_far(motion - flow, window)
        flow = xp.where(unknown[..., None], flow, motion)
    return flow


def _is_far(step, window):
    """Tell which steps lead to pixels that the window has not seen."""
    xp = array_api_compat.array_namespace(step)
    return xp.hypot(step[..., 0], step[..., 1]) > window


def track_points(frame0, frame1, points, *, levels=3, window=15, iterations=10):
    """Follow single points from one frame to the next, coarse to fine.

    The window moves as a whole, by fractions of a pixel: `pyramidal_lucas_kanade` for a
    few points, where the slopes are those of frame0.

    Parameters
    ----------
    frame0, frame1 : (h, w) array
    points : (n, 2) array
        Points (x, y) of frame0, between the centres of its outermost pixels. NaN is a
        point that was lost before.
    levels, window, iterations
        As in `pyramidal_lucas_kanade`.

    Returns
    -------
    points : (n, 2) array
        The same points in frame1; NaN for one that is lost: its last step is not to be
        taken (as in `pyramidal_lucas_kanade`), it left frame1, or was lost before.

    Raises
    ------
    ValueError
        If a point lies outside frame0, or as `pyramidal_lucas_kanade`.

    References
    ----------
    J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker",
    Intel Corporation, 2000.
    """
    window, iterations = odd(window, "window"), whole(iterations, "iterations", 1)
    xp, frame0, frame1 = read_frames(frame0, frame1)
    check_levels(levels, frame0.shape)
    _, (frame0, frame1, points) = as_floats(frame0=frame0, frame1=frame1, points=points)
    bind_shapes(points=("n 2", points))
    lost = xp.any(xp.isnan(points), axis=-1)
    start = xp.where(lost[:, None], xp.zeros_like(points), points)
    outside = ~inside(start[:, 0], start[:, 1], frame0.shape)
    if bool(xp.any(outside)):
        (h, w), (x, y) = frame0.shape, (float(each) for each in start[outside][0])
        raise ValueError(
            f"points holds ({x:g}, {y:g}), but x must lie in [0, {w - 1}] and y in "
            f"[0, {h - 1}]"
        )
    motion = xp.zeros_like(start)
    frames = list(zip(pyramid(frame0, levels), pyramid(frame1, levels), strict=True))
    for level in reversed(range(levels)):
        place, motion = start / 2**level, 2 * motion
        motion, unknown = _follow(*frames[level], place, motion, window, iterations)
    end = start + motion
    lost = lost | unknown | ~inside(end[:, 0], end[:, 1], frame0.shape)
    return xp.where(lost[:, None], xp.full_like(end, math.nan), end)


def _follow(frame0, frame1, points, motion, window, iterations):
    """Track on one level; also tell which points had no step at the last."""
    xp = array_api_compat.array_namespace(frame0)
    device = array_api_compat.device(frame0)
    offsets = xp.arange(window, dtype=frame0.dtype, device=device) - window // 2
    # windows are (n, window, window)
    x = points[:, 0, None, None] + offsets
    y = points[:, 1, None, None] + offsets[:, None]
    ix, iy = (sample(slope, x, y) for slope in slopes(frame0))
    starts = inside(x, y, frame0.shape, margin=1)
    patch, brightness = sample(frame0, x, y), xp.max(xp.abs(frame0))
    for _ in range(iterations):
        x1, y1 = x + motion[:, 0, None, None], y + motion[:, 1, None, None]
        equations = normal_equations(ix, iy, sample(frame1, x1, y1) - patch)
        counts = xp.astype(starts & inside(x1, y1, frame0.shape), frame0.dtype)
        sums = xp.sum(counts * equations, axis=(-2, -1))
        step, singular = solve(sums, window, brightness)
        unknown = singular | _is_far(step, window)
        motion = xp.where(unknown[:, None], motion, motion + step)
    return motion, unknown
