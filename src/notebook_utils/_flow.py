"""What the estimators of motion share: slopes, windows, samples, pyramids."""

import array_api_compat

from notebook_utils.arrays import as_floats, bind_shapes, whole


def read_frames(frame0, frame1):
    """Read two finite frames of one size with at least one pixel, uint8 over 255."""
    xp, (frame0, frame1) = read_images(frame0=frame0, frame1=frame1)
    sizes = bind_shapes(frame0=("h w", frame0), frame1=("h w", frame1))
    check_pixels(sizes, "frame0")
    return xp, frame0, frame1


def read_images(flow=None, **images):
    """Read images, and a flow with them, as finite floats; an image of uint8 over 255.

    Returns the namespace, and the images in order with the flow, if any, last.
    """
    xp, floats = as_floats(**images, flow=flow)
    names = [*images, "flow"]
    for name, x in zip(names, floats, strict=True):
        if x is not None:
            check_finite(x, name)
    brightness = [
        # both kinds of array call the type by this name
        x / 255 if str(getattr(image, "dtype", "")).endswith("uint8") else x
        for image, x in zip(images.values(), floats[:-1], strict=True)
    ]
    return xp, (*brightness, *(() if flow is None else floats[-1:]))


def check_finite(x, name):
    """Insist that there is no NaN and no infinity."""
    xp = array_api_compat.array_namespace(x)
    if not bool(xp.all(xp.isfinite(x))):
        raise ValueError(f"{name} holds NaN or infinity, but must be finite")


def check_pixels(sizes, name):
    """Insist on at least one pixel."""
    h, w = sizes["h"], sizes["w"]
    if h * w == 0:
        raise ValueError(f"{name} of {h} by {w} has no pixel: at least 1 by 1 fits")


def odd(value, name):
    """Read an odd integer of at least 1."""
    if whole(value, name, minimum=1) % 2 == 0:
        raise ValueError(f"{name} is {value}, but must be odd, to have a middle pixel")
    return int(value)


def slopes(image):
    """Central differences across and down; one-sided on the outermost pixels."""
    xp = array_api_compat.array_namespace(image)
    down = _slope_across(xp, xp.matrix_transpose(image))
    return _slope_across(xp, image), xp.matrix_transpose(down)


def _slope_across(xp, x):
    n = x.shape[-1]
    i = xp.arange(n, device=array_api_compat.device(x))
    ahead, behind = xp.clip(i + 1, 0, n - 1), xp.clip(i - 1, 0, n - 1)
    apart = xp.clip(ahead - behind, 1, 2)  # 1 for a pixel alone, whose slope is 0
    return (x[..., ahead] - x[..., behind]) / xp.astype(apart, x.dtype)


def normal_equations(ix, iy, it):
    """Multiply out each pixel's share of AᵀA and of -Aᵀb: five numbers, stacked."""
    xp = array_api_compat.array_namespace(ix)
    return xp.stack([ix * ix, ix * iy, iy * iy, ix * it, iy * it])


def window_sums(x, window):
    """Sum over the square window around each pixel, as far as there are pixels."""
    xp = array_api_compat.array_namespace(x)
    for _ in range(2):  # along the rows; then, turned over, along the columns
        x = xp.matrix_transpose(_sums_across(xp, x, window // 2))
    return x


def _sums_across(xp, x, reach):
    # Running sums would take fewer additions, but what they round off would fill flat
    # places with slopes that are not there.
    n = x.shape[-1]
    reach = min(reach, n - 1)
    beyond = xp.zeros_like(x[..., :reach])
    padded = xp.concat([beyond, x, beyond], axis=-1)
    return sum(padded[..., k : k + n] for k in range(2 * reach + 1))


def eigenvalues(xx, xy, yy):
    """Eigenvalues of the matrices [[xx, xy], [xy, yy]], the larger one first."""
    xp = array_api_compat.array_namespace(xx)
    middle, root = (xx + yy) / 2, xp.hypot((xx - yy) / 2, xy)
    return middle + root, xp.clip(middle - root, 0, None)


def solve(sums, window, brightness):
    """Solve summed normal equations: motion (..., 2), zero where they are singular.

    They are singular where the smaller eigenvalue is no more than rounding makes of a
    zero: in sums of this length, and in slopes between pixels of this brightness. The
    second answer tells where.
    """
    xp = array_api_compat.array_namespace(sums)
    xx, xy, yy, xt, yt = sums
    larger, smaller = eigenvalues(xx, xy, yy)
    eps = xp.finfo(sums.dtype).eps
    singular = smaller <= 8 * window * eps * (larger + eps * brightness**2)
    determinant = xp.where(singular, xp.ones_like(xx), xx * yy - xy * xy)
    motion = xp.stack([xy * yt - yy * xt, xy * xt - xx * yt], axis=-1)
    motion = xp.where(singular[..., None], xp.zeros_like(motion), motion)
    return motion / determinant[..., None], singular


def grid(image, step=1):
    """Coordinates x (w,) and y (h, 1) of an image's pixels, times `step`."""
    xp, device = array_api_compat.array_namespace(image), array_api_compat.device(image)
    rows, columns = (
        xp.arange(size, dtype=image.dtype, device=device) * step
        for size in image.shape[:2]
    )
    return columns, rows[:, None]


def inside(x, y, shape, margin=0):
    """Tell which points lie at least `margin` pixels within the outermost centres."""
    h, w = shape
    across = (x >= margin) & (x <= w - 1 - margin)
    return across & (y >= margin) & (y <= h - 1 - margin)


def sample(image, x, y):
    """Read an image (h, w, ...) at points, bilinearly; beyond the edge, at the edge."""
    xp = array_api_compat.array_namespace(image)
    h, w = image.shape[:2]
    x, y = xp.clip(x, 0, w - 1), xp.clip(y, 0, h - 1)
    left, top = (xp.astype(xp.floor(each), xp.int64) for each in (x, y))
    right, bottom = xp.clip(left + 1, 0, w - 1), xp.clip(top + 1, 0, h - 1)
    across, down = x - xp.astype(left, x.dtype), y - xp.astype(top, y.dtype)
    if image.ndim == 3:
        across, down = across[..., None], down[..., None]
    # a + f (b - a) is a where a = b; (1 - f) a + f b would round, and make slopes
    a, b = image[top, left], image[bottom, left]
    upper = a + across * (image[top, right] - a)
    lower = b + across * (image[bottom, right] - b)
    return upper + down * (lower - upper)


def pyramid(frame, levels):
    """Halve a frame `levels` - 1 times: a list, the frame itself first."""
    frames = [frame]
    while len(frames) < levels:
        frames.append(_halve(frames[-1]))
    return frames


def _halve(frame):
    """Blur with 1 4 6 4 1, edges repeated, and keep every second pixel from the first.

    Pixel (x, y) of the half frame lies at (2x, 2y) of the whole one.
    """
    xp = array_api_compat.array_namespace(frame)
    for _ in range(2):
        frame = xp.matrix_transpose(_blur_across(xp, frame)[..., ::2])
    return frame


def _blur_across(xp, x):
    n = x.shape[-1]
    i = xp.arange(n, device=array_api_compat.device(x))
    taps = zip((1, 4, 6, 4, 1), (-2, -1, 0, 1, 2), strict=True)
    return sum(weight * x[..., xp.clip(i + k, 0, n - 1)] for weight, k in taps) / 16


def enlarge(flow, frame):
    """Carry the flow of a half frame over to the whole one, where it is twice as long.

    .. math:: u^{l}(x, y) = 2 u^{l-1}(x / 2, y / 2)
    """
    return 2 * sample(flow, *grid(frame, step=0.5))


def check_levels(levels, shape):
    """Insist that the coarsest of several frames has three pixels on each side."""
    whole(levels, "levels", minimum=1)
    most, side = 1, min(shape)
    while (side + 1) // 2 >= 3:
        most, side = most + 1, (side + 1) // 2
    if levels > most:
        h, w = shape
        raise ValueError(
            f"levels {levels} does not fit frames of {h} by {w}: at most {most}, for "
            "the coarsest level needs 3 pixels on each side"
        )


def neighbour_mean(x):
    """Mean of the four neighbours; beyond the edge the pixel itself stands in."""
    xp = array_api_compat.array_namespace(x)
    columns = _neighbours_across(xp, xp.matrix_transpose(x))
    return (_neighbours_across(xp, x) + xp.matrix_transpose(columns)) / 4


def _neighbours_across(xp, x):
    left = xp.concat([x[..., :1], x[..., :-1]], axis=-1)
    right = xp.concat([x[..., 1:], x[..., -1:]], axis=-1)
    return left + right
