"""Optical flow: how far, and which way, the picture moves at every pixel.

Frames are (h, w) arrays of brightness, in any unit; uint8 is divided by 255. A point is
(x, y), in pixels: x to the right, y down, (0, 0) the centre of the first pixel. A flow
is (h, w, 2), (dx, dy) at each pixel of the first frame, and says where the pixel goes:
frame0(x, y) = frame1(x + dx, y + dy).
"""

import math
import numbers

from notebook_utils._flow import (
    check_finite,
    check_pixels,
    grid,
    neighbour_mean,
    read_frames,
    read_images,
    sample,
)
from notebook_utils._lucas_kanade import (
    image_gradients,
    lucas_kanade,
    pyramidal_lucas_kanade,
    structure_eigenvalues,
    track_points,
)
from notebook_utils.arrays import as_floats, bind_shapes, whole

__all__ = [
    "endpoint_error",
    "flow_to_rgb",
    "horn_schunck",
    "image_gradients",
    "lucas_kanade",
    "pyramidal_lucas_kanade",
    "structure_eigenvalues",
    "track_points",
    "warp",
]


def horn_schunck(frame0, frame1, *, alpha, iterations):
    r"""Find the smooth flow that explains the frames: minimise, over the whole field,

    .. math:: E = \sum (I_x u + I_y v + I_t)^2 + \tfrac{\alpha}{4} \sum_{pairs}
              \bigl((u_p - u_q)^2 + (v_p - v_q)^2\bigr)

    (each pair of neighbours once), from u = v = 0 by Jacobi's iteration

    .. math:: u \leftarrow \bar u - I_x
              \frac{I_x \bar u + I_y \bar v + I_t}{\alpha + I_x^2 + I_y^2}, \quad
              v \leftarrow \bar v - I_y
              \frac{I_x \bar u + I_y \bar v + I_t}{\alpha + I_x^2 + I_y^2}

    with the mean over the four neighbours; beyond the edge the pixel itself stands in.

    Parameters
    ----------
    frame0, frame1 : (h, w) array
    alpha : float
        Weight of the smoothness, positive, in squared brightness per pixel: frames
        twice as bright need four times the alpha.
    iterations : int
        At least 1. Each carries motion one pixel further into flat places.

    Returns
    -------
    flow : (h, w, 2) array
        In pixels: u = dx, v = dy.

    Raises
    ------
    ValueError
        If `alpha` is not positive and finite, `iterations` is no integer of at least 1,
        or as `image_gradients`.

    References
    ----------
    B. K. P. Horn and B. G. Schunck, "Determining optical flow", Artificial Intelligence
    17 (1981), pp. 185-203, doi:10.1016/0004-3702(81)90024-2. They weight diagonal
    neighbours, too, and write alpha squared.
    """
    if not _is_positive(alpha):
        raise ValueError(f"alpha is {alpha!r}, but must be a positive number")
    alpha, iterations = float(alpha), whole(iterations, "iterations", minimum=1)
    xp, frame0, frame1 = read_frames(frame0, frame1)
    ix, iy, it = image_gradients(frame0, frame1)
    u = v = xp.zeros_like(it)
    for _ in range(iterations):
        u, v = neighbour_mean(u), neighbour_mean(v)
        rate = (ix * u + iy * v + it) / (alpha + ix * ix + iy * iy)
        u, v = u - ix * rate, v - iy * rate
    return xp.stack([u, v], axis=-1)


def warp(image, flow):
    """Read an image where a flow leads: answer(x, y) = image(x + dx, y + dy).

    With the flow from frame0 to frame1, ``warp(frame1, flow)`` looks like frame0: the
    second frame is carried back.

    Parameters
    ----------
    image : (h, w) or (h, w, c) array
        uint8 is divided by 255.
    flow : (h, w, 2) array
        (dx, dy) in pixels.

    Returns
    -------
    warped : array of the image's shape
        Interpolated bilinearly. Places beyond the edge read the nearest pixel.

    Raises
    ------
    ValueError
        If the sizes differ, there is no pixel, or a number is NaN or infinite.
    """
    _, (image, flow) = read_images(image=image, flow=flow)
    spec = "h w c" if image.ndim == 3 else "h w"
    sizes = bind_shapes(image=(spec, image), flow=("h w 2", flow))
    check_pixels(sizes, "image")
    x, y = grid(flow)
    return sample(image, x + flow[..., 0], y + flow[..., 1])


def endpoint_error(flow, truth):
    r"""Mean distance, in pixels, between where two flows lead.

    .. math:: \frac1n \sum \sqrt{(dx - dx^*)^2 + (dy - dy^*)^2}

    Parameters
    ----------
    flow, truth : (..., 2) array
        Two flows (h, w, 2), or two lists of points (n, 2).

    Returns
    -------
    error : scalar, of the arguments' kind

    Raises
    ------
    ValueError
        If the shapes differ, there is nothing to take the mean of, or a number is NaN
        or infinite.

    References
    ----------
    S. Baker et al., "A database and evaluation methodology for optical flow",
    International Journal of Computer Vision 92 (2011), pp. 1-31.
    """
    xp, (flow, truth) = as_floats(flow=flow, truth=truth)
    sizes = bind_shapes(flow=("... 2", flow), truth=("... 2", truth))
    if 0 in sizes["..."]:
        raise ValueError(
            f"flow of shape {tuple(flow.shape)} holds no vector: at least 1 is needed"
        )
    check_finite(flow, "flow")
    check_finite(truth, "truth")
    difference = flow - truth
    return xp.mean(xp.hypot(difference[..., 0], difference[..., 1]))


def flow_to_rgb(flow, *, largest=None):
    r"""Paint a flow: its direction as the hue, its length as the saturation.

    Right is red, down yellow-green, left cyan, up violet, no motion white.

    Parameters
    ----------
    flow : (h, w, 2) array
    largest : float, optional
        The length, in pixels, that is painted in full colour; longer ones are, too. By
        default that of the longest vector. Give it to compare two pictures.

    Returns
    -------
    rgb : (h, w, 3) array
        Red, green and blue, from 0 to 1: the HSV colour of hue atan2(dy, dx), read as a
        share of the full turn, saturation min(length / largest, 1), and value 1.

    Raises
    ------
    ValueError
        If the shape does not fit, a number is NaN or infinite, or `largest` is not
        positive.
    """
    if largest is not None and not _is_positive(largest):
        raise ValueError(f"largest is {largest!r}, but must be a positive number")
    xp, (flow,) = read_images(flow=flow)
    sizes = bind_shapes(flow=("h w 2", flow))
    check_pixels(sizes, "flow")
    dx, dy = flow[..., 0], flow[..., 1]
    length = xp.hypot(dx, dy)
    longest = float(xp.max(length)) or 1.0  # all white where nothing moves
    largest = longest if largest is None else float(largest)
    sixths = xp.atan2(dy, dx) * (3 / math.pi)  # of the turn, from red
    # each colour is full within a sixth of its own hue and gone beyond two sixths
    hues = xp.stack([sixths, sixths - 2, sixths - 4], axis=-1)
    apart = xp.abs(xp.remainder(hues + 3, 6 * xp.ones_like(hues)) - 3)
    saturation = xp.clip(length / largest, 0, 1)[..., None]
    return 1 - saturation * (1 - xp.clip(2 - apart, 0, 1))


def _is_positive(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return 0 < value < math.inf
