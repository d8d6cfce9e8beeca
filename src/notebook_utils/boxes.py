"""Boxes of object detection: overlap, anchors, offsets, suppression, RoI pooling.

A box is its corners (x1, y1, x2, y2): x to the right, y down, the upper left corner
first. Corners are points, not cells, so a box from 0 to 2 is 2 wide, with no +1. The
unit is the caller's (pixels, or shares of the picture) unless a function says which.
"""

import array_api_compat
import numpy as np

from notebook_utils._boxes import (
    as_boxes,
    box_area,
    box_iou,
    check_finite,
    first_fault,
    show,
)
from notebook_utils._matching import assign_anchors, batched_nms, nms
from notebook_utils._roi_pool import roi_pool
from notebook_utils.arrays import as_floats, bind_shapes, pair, whole
from notebook_utils.device import to_numpy

__all__ = [
    "anchor_boxes",
    "assign_anchors",
    "batched_nms",
    "box_area",
    "box_iou",
    "decode_offsets",
    "encode_offsets",
    "nms",
    "roi_pool",
]


def anchor_boxes(height, width, *, sizes, ratios, image_size=None):
    r"""Lay anchors over a picture: boxes of a few shapes around each cell of a grid.

    On an image of H × W pixels the anchor of size s and ratio r is

    .. math:: s \sqrt{r} \, H \text{ pixels wide and } \frac{s}{\sqrt{r}} \, H
              \text{ pixels high}

    so that r is its width over its height, and its area (s H)².

    Parameters
    ----------
    height, width : int
        Cells of the grid (of the feature map, say), down and across.
    sizes : (n,) array-like
        Sides of the square anchors, as shares of the image's height.
    ratios : (m,) array-like
        Width over height, in pixels.
    image_size : int or pair (h, w), optional
        The image's pixels; by default the grid's cells.

    Returns
    -------
    anchors : (height · width · (n + m − 1), 4) array of float64
        Corners as shares of the image's width and height; those that stick out are not
        cut. Row by row over the grid, centred at ((j + ½)/width, (i + ½)/height), and
        for each cell in the order (s1, r1), (s2, r1), …, (sn, r1), (s1, r2), …,
        (s1, rm). NumPy, unless sizes or ratios are tensors.

    Raises
    ------
    ValueError
        If there is no size or ratio, one is not positive or not finite, or the grid or
        the image is empty.

    References
    ----------
    S. Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region
    Proposal Networks", NeurIPS 2015, arXiv:1506.01497, section 3.1, with all n · m
    shapes; A. Zhang et al., "Dive into Deep Learning", arXiv:2106.11342, section on
    anchor boxes, with these n + m − 1.
    """
    height, width = whole(height, "height", minimum=1), whole(width, "width", minimum=1)
    image = (height, width) if image_size is None else image_size
    image_height, image_width = pair(image, "image_size", minimum=1)
    xp, (sizes, ratios) = as_floats(sizes=sizes, ratios=ratios)
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        _check_positive(xp, values, name)
    device = array_api_compat.device(sizes)
    # Apple's GPU has no doubles
    kind = xp.float32 if str(device).startswith("mps") else xp.float64
    sizes, ratios = xp.astype(sizes, kind), xp.astype(ratios, kind)

    s = xp.concat([sizes, xp.repeat(sizes[:1], ratios.shape[0] - 1)])
    r = xp.concat([xp.repeat(ratios[:1], sizes.shape[0]), ratios[1:]])
    wide = s * xp.sqrt(r) * (image_height / image_width)
    high = s / xp.sqrt(r)
    around_centre = xp.stack([-wide, -high, wide, high], axis=1) / 2

    x = (xp.arange(width, dtype=kind, device=device) + 0.5) / width
    y = (xp.arange(height, dtype=kind, device=device) + 0.5) / height
    y, x = xp.meshgrid(y, x, indexing="ij")
    centres = xp.reshape(xp.stack([x, y, x, y], axis=2), (height * width, 1, 4))
    return xp.reshape(centres + around_centre, (-1, 4))


def encode_offsets(
    anchors, truth, *, mean=(0.0, 0.0, 0.0, 0.0), std=(0.1, 0.1, 0.2, 0.2)
):
    r"""Say how each anchor must be moved and stretched to become its true box.

    With centre (x, y), width w and height h of the anchor a and of the true box b:

    .. math:: t = \left( \frac{x_b - x_a}{w_a}, \frac{y_b - y_a}{h_a},
              \log \frac{w_b}{w_a}, \log \frac{h_b}{h_a} \right), \qquad
              offsets = \frac{t - \mu}{\sigma}

    Parameters
    ----------
    anchors, truth : (n, 4) arrays
        Corners as in `box_area`, both in the same unit, row by row.
    mean, std : four numbers
        μ and σ, in the order (x, y, w, h).

    Returns
    -------
    offsets : (n, 4) array
        In the order (x, y, w, h), without a unit.

    Raises
    ------
    ValueError
        If a box is not one (`box_area`) or has no width or no height, the numbers of
        rows differ, `mean` is not four finite numbers or `std` not four positive ones,
        or an offset is too large for the floating type.

    References
    ----------
    R. Girshick et al., "Rich feature hierarchies for accurate object detection and
    semantic segmentation", CVPR 2014, arXiv:1311.2524, appendix C, without mean and
    std.
    """
    xp, (anchors, truth) = as_boxes("n 4", anchors=anchors, truth=truth)
    bind_shapes(anchors=("n 4", anchors), truth=("n 4", truth))
    mean, std = _normalisation(xp, mean, std, anchors)
    (centre_a, sides_a), (centre_b, sides_b) = (
        _centres_and_sides(boxes, name)
        for boxes, name in ((anchors, "anchors"), (truth, "truth"))
    )
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        shift = (centre_b - centre_a) / sides_a
        stretch = xp.log(sides_b / sides_a)
        offsets = (xp.concat([shift, stretch], axis=1) - mean) / std
    _check_result(offsets, anchors, "anchors", "its offsets are")
    return offsets


def decode_offsets(
    anchors, offsets, *, mean=(0.0, 0.0, 0.0, 0.0), std=(0.1, 0.1, 0.2, 0.2)
):
    r"""Move and stretch each anchor: the inverse of `encode_offsets`.

    .. math:: t = \mu + \sigma \cdot offsets, \qquad
              (x, y) = (x_a + w_a t_x, \; y_a + h_a t_y), \qquad
              (w, h) = (w_a e^{t_w}, \; h_a e^{t_h})

    Parameters
    ----------
    anchors : (n, 4) array
        Corners as in `box_area`.
    offsets : (n, 4) array
        Row by row, in the order (x, y, w, h); what a network predicts.
    mean, std : four numbers
        As in `encode_offsets`.

    Returns
    -------
    boxes : (n, 4) array
        Corners in the unit of the anchors.

    Raises
    ------
    ValueError
        As `encode_offsets`, and if an offset is not finite or leads to a box that is
        not (a width offset of 4000, say, stretches by e^800).
    """
    xp, (anchors, offsets) = as_floats(anchors=anchors, offsets=offsets)
    _, (anchors,) = as_boxes("n 4", anchors=anchors)
    if tuple(offsets.shape) == (0,):
        offsets = xp.reshape(offsets, (0, 4))
    bind_shapes(anchors=("n 4", anchors), offsets=("n 4", offsets))
    check_finite(offsets, "offsets")
    mean, std = _normalisation(xp, mean, std, anchors)
    centre, sides = _centres_and_sides(anchors, "anchors")
    with np.errstate(over="ignore", invalid="ignore"):
        t = mean + std * offsets
        centre = centre + sides * t[:, :2]
        half = sides * xp.exp(t[:, 2:]) / 2
        boxes = xp.concat([centre - half, centre + half], axis=1)
    _check_result(boxes, offsets, "offsets", "its box is")
    return boxes


def _centres_and_sides(boxes, name):
    """Change corners to centres (n, 2) and sides (n, 2), which must not be 0."""
    xp = array_api_compat.array_namespace(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    flat = xp.any(sides <= 0, axis=1)
    if xp.any(flat):
        place, box = first_fault(flat, boxes, name)
        raise ValueError(f"{place} is {show(box)}, but must have a width and a height")
    return boxes[:, :2] + sides / 2, sides


def _normalisation(xp, mean, std, like):
    """Read mean and std as arrays (4,) of the boxes' kind and type."""
    answers = []
    for name, values in (("mean", mean), ("std", std)):
        _, (values,) = as_floats(**{name: values})
        values = to_numpy(values)
        bind_shapes(**{name: ("4", values)})
        check_finite(values, name)
        device = array_api_compat.device(like)
        answers.append(xp.asarray(values.tolist(), dtype=like.dtype, device=device))
    _check_positive(xp, answers[1], "std")
    return answers


def _check_result(result, rows, name, what):
    """Insist that what was computed row by row is finite."""
    xp = array_api_compat.array_namespace(result)
    wrong = ~xp.all(xp.isfinite(result), axis=1)
    if xp.any(wrong):
        place, row = first_fault(wrong, rows, name)
        raise ValueError(f"{place} is {show(row)}: {what} not finite")


def _check_positive(xp, values, name):
    """Insist on a row of at least one positive, finite number."""
    bind_shapes(**{name: ("n", values)})
    if values.shape[0] == 0:
        raise ValueError(f"{name} is empty, but must hold at least one number")
    wrong = ~((values > 0) & xp.isfinite(values))
    if xp.any(wrong):
        place, found = first_fault(wrong, values[:, None], name)
        raise ValueError(f"{place} is {found[0]:g}, but must be positive and finite")
