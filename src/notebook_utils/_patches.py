"""Images to windows laid out as columns and back: gather and scatter."""

import itertools
import math
from typing import NamedTuple

import array_api_compat

from notebook_utils._windows import sliding_window
from notebook_utils.arrays import bind_shapes, whole


def gather(x, window, fill=0.0):
    """Collect what every tap reads: (n, c, h, w) -> (n, c, kh*kw, oh, ow).

    Taps are in row-major order. The loop runs over taps, not over pixels: one tap of
    all windows at once is a strided slice of the padded image.
    """
    xp = array_api_compat.array_namespace(x)
    padded = _pad(xp, x, window, fill)
    taps = [padded[..., rows, columns] for rows, columns in _taps(window)]
    return xp.stack(taps, axis=2)


def scatter(patches, window):
    """Add every tap back to where it was read: (n, c, kh*kw, oh, ow) -> (n, c, h, w).

    This is the transpose of `gather` with fill 0; what lands in the padding is dropped.
    """
    xp = array_api_compat.array_namespace(patches)
    padded = _blank(xp, patches, window, 0.0)
    for tap, (rows, columns) in enumerate(_taps(window)):
        padded[..., rows, columns] += patches[:, :, tap]
    return padded[_interior(window)]


def _taps(window):
    """Where each tap reads in the padded image: a strided slice along each axis."""
    return itertools.product(*(_slices(axis) for axis in window))


def _slices(axis):
    starts = [axis.dilation * tap for tap in range(axis.kernel)]
    reach = (axis.out - 1) * axis.stride + 1
    return [slice(start, start + reach, axis.stride) for start in starts]


def _interior(window):
    """Where the image itself lies in the padded image."""
    rows, columns = (
        slice(axis.padding.before, axis.padding.before + axis.size) for axis in window
    )
    return ..., rows, columns


def _blank(xp, like, window, fill):
    sizes = (axis.size + sum(axis.padding) for axis in window)
    device = array_api_compat.device(like)
    return xp.full((*like.shape[:2], *sizes), fill, dtype=like.dtype, device=device)


def _pad(xp, x, window, fill):
    if not any(sum(axis.padding) for axis in window):
        return x
    padded = _blank(xp, x, window, fill)
    padded[_interior(window)] = x
    return padded


class Shapes(NamedTuple):
    """What `conv2d` reshapes its arrays to."""

    weight: tuple  # (o, c/groups, kh, kw)
    filters: tuple  # (groups, o/groups, c/groups * kh * kw)
    taps: tuple  # (n, c, kh * kw, oh, ow)
    patches: tuple  # (n, groups, c/groups * kh * kw, oh * ow)
    outputs: tuple  # (n, groups, o/groups, oh * ow)
    y: tuple  # (n, o, oh, ow)


def bind_convolution(
    x, weight, stride, padding, dilation, groups, *, bias=None, grad_output=None
):
    """Check the arguments of a convolution, and work out its window and its shapes."""
    bank = ("o c/groups kh kw", weight)
    n, c, h, w = bind_shapes(x=("n c h w", x)).values()
    o, _, kh, kw = bind_shapes(weight=bank, bias=("o", bias)).values()
    check_groups(groups, c, o)
    bind_shapes({"c/groups": c // groups}, weight=bank)
    window = sliding_window(
        (h, w), (kh, kw), stride=stride, padding=padding, dilation=dilation
    )
    oh, ow = (axis.out for axis in window)
    output = {"n": n, "o": o, "oh": oh, "ow": ow}
    bind_shapes(output, grad_output=("n o oh ow", grad_output))
    depth = c // groups * kh * kw
    return window, Shapes(
        weight=(o, c // groups, kh, kw),
        filters=(groups, o // groups, depth),
        taps=(n, c, kh * kw, oh, ow),
        patches=(n, groups, depth, oh * ow),
        outputs=(n, groups, o // groups, oh * ow),
        y=(n, o, oh, ow),
    )


def check_groups(groups, c_in, c_out):
    """Insist that the groups divide both channel counts."""
    whole(groups, "groups", minimum=1)
    if c_in % groups or c_out % groups:
        common = math.gcd(c_in, c_out)
        fitting = (str(n) for n in range(1, common + 1) if common % n == 0)
        raise ValueError(
            f"groups {groups} must divide both the {c_in} channels in and the {c_out} "
            f"channels out: {', '.join(fitting)} would"
        )
