"""RoI pooling: from a region of any size to a grid of a fixed one."""

import array_api_compat

from notebook_utils._boxes import check_boxes, first_fault, show
from notebook_utils.arrays import as_floats, bind_shapes, is_torch, pair

FARTHEST = 2**30  # corners beyond it, times the bins, might not be exact


def roi_pool(features, boxes, output_size):
    r"""Cut each box into a fixed number of bins and take the largest value of each.

    The corners are rounded to whole cells, from s to e. Bin q of k then covers, across
    and in the same way down, the cells

    .. math:: s + \lfloor q (e - s) / k \rfloor \;\le\; j \;<\;
              s + \lceil (q + 1)(e - s) / k \rceil

    Where k does not divide e − s, neighbouring bins may share a cell.

    Parameters
    ----------
    features : (c, h, w) or (n, c, h, w) array
        The feature map of one image, or a batch of them.
    boxes : (k, 4) or (k, 5) array
        Corners (x1, y1, x2, y2) in cells of the feature map: the cell in row i and
        column j covers x from j to j + 1 and y from i to i + 1. With five columns the
        first is the index of the image in the batch; with four there must be one image.
    output_size : int or pair (h, w)
        Bins down and across.

    Returns
    -------
    pooled : (k, c, oh, ow) array
        Of the type of the features. A bin outside the feature map is 0; one partly
        outside takes what is inside. NaN wherever a bin holds NaN.

    Raises
    ------
    ValueError
        If a shape does not fit, the map has no cells, a box is not one (`box_area`) or
        lies farther than 2^30 cells away, or there is no such image.

    Notes
    -----
    Halves are rounded up, and a box that rounds to nothing takes the cell of its
    centre. The bins are those of torchvision's ``roi_pool``, which however takes x2 and
    y2 as the last cell *inside*: for whole numbers pass it x2 − 1 and y2 − 1.

    References
    ----------
    R. Girshick, "Fast R-CNN", ICCV 2015, arXiv:1504.08083, section 2.1.
    """
    oh, ow = pair(output_size, "output_size", minimum=1)
    xp, features, image, boxes = _read(features, boxes)
    h, w = features.shape[2:]
    rows = _bins(boxes[:, 1], boxes[:, 3], oh, h)
    columns = _bins(boxes[:, 0], boxes[:, 2], ow, w)
    # maxima of columns of cells first, then of these along the rows
    strips = _largest(rows, lambda row: features[image[:, None], :, row])
    box = xp.arange(boxes.shape[0], device=array_api_compat.device(boxes))
    pooled = _largest(columns, lambda column: strips[box[:, None], :, :, column])
    pooled = xp.permute_dims(pooled, (0, 3, 2, 1))  # from (k, ow, oh, c)
    inside = (rows[0] < rows[1])[:, :, None] & (columns[0] < columns[1])[:, None, :]
    return xp.where(inside[:, None], pooled, 0.0)


def _bins(low, high, count, size):
    """First cell of each bin, and the first behind it: two (k, count) arrays of int.

    Both are cut to the cells from 0 to `size`; a bin that lies outside ends no later
    than it begins.
    """
    xp = array_api_compat.array_namespace(low)
    start, stop = _round(xp, low), _round(xp, high)
    empty = start == stop
    start = xp.where(empty, xp.floor(low + (high - low) / 2), start)
    stop = xp.where(empty, start + 1, stop)
    start, stop = (xp.astype(x, xp.int64)[:, None] for x in (start, stop))
    extent = stop - start  # whole numbers from here on: no rounding
    bins = xp.arange(count, device=array_api_compat.device(low))
    first = start + bins * extent // count
    behind = start - (-(bins + 1) * extent // count)
    return xp.clip(first, 0, size), xp.clip(behind, 0, size)


def _round(xp, x):
    """Round to whole numbers, halves up; x + 1/2 would round itself."""
    below = xp.floor(x)
    return xp.where(x - below < 0.5, below, below + 1)


def _largest(bins, read):
    """Take the maximum over each bin of what `read` gives for cells, one per bin.

    The loop runs over places within a bin, not over boxes; a bin that is shorter than
    the longest reads its last cell again.
    """
    first, behind = bins
    xp = array_api_compat.array_namespace(first)
    longest = max([1, *xp.reshape(behind - first, (-1,)).tolist()])
    last = xp.clip(behind - 1, min=0)
    largest = read(xp.minimum(first, last))
    for place in range(1, longest):
        largest = xp.maximum(largest, read(xp.minimum(first + place, last)))
    return largest


def _read(features, boxes):
    """Check both; return features (n, c, h, w), indices of images, and corners."""
    xp, (wide, boxes) = as_floats(features=features, boxes=boxes)
    _, (own,) = as_floats(features=features)
    # boxes only say where to look: doubles among them do not widen the features
    features = own if is_torch(own) == is_torch(wide) else wide
    features = features[None] if features.ndim == 3 else features
    n, _, h, w = bind_shapes(features=("n c h w", features)).values()
    if h == 0 or w == 0:
        raise ValueError(f"features has {h} × {w} cells, but must have at least 1 × 1")
    if tuple(boxes.shape) == (0,):
        boxes = xp.reshape(boxes, (0, 4))
    if boxes.ndim == 2 and boxes.shape[1] == 5:
        image, boxes = boxes[:, 0], boxes[:, 1:]
    else:
        bind_shapes(boxes=("k 4", boxes))
        image = xp.zeros_like(boxes[:, 0])
        if n != 1:
            raise ValueError(
                f"boxes has 4 columns, but features holds {n} images: put the index "
                "of the image before the corners, (k, 5)"
            )
    check_boxes(boxes, "boxes")
    far = xp.any(xp.abs(boxes) > FARTHEST, axis=1)
    if xp.any(far):
        place, box = first_fault(far, boxes, "boxes")
        raise ValueError(f"{place} is {show(box)}: farther than 2^30 cells away")
    missing = ~((image >= 0) & (image < n) & (image == xp.floor(image)))
    if xp.any(missing):
        place, found = first_fault(missing, image[:, None], "boxes")
        raise ValueError(
            f"{place} is of image {found[0]:g}, but must be of one of the {n} from 0"
        )
    return xp, features, xp.astype(image, xp.int64), boxes
