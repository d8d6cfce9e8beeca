"""Boxes by their corners: reading and checking them, areas, intersection over union."""

import math
import numbers

import array_api_compat
import numpy as np

from notebook_utils.arrays import as_floats, bind_shapes

CORNERS = ("x1", "y1", "x2", "y2")


def box_area(boxes):
    """Measure boxes: (x2 − x1)(y2 − y1).

    Parameters
    ----------
    boxes : (..., 4) array
        Corners (x1, y1, x2, y2), x to the right and y down, in any unit. They are
        points of the plane, not cells: a box from 0 to 2 is 2 wide, with no +1.

    Returns
    -------
    area : (...) array
        In that unit, squared. One too small for the floating type is 0.

    Raises
    ------
    ValueError
        If a box is not finite, has x2 < x1 or y2 < y1, or is too large for its area to
        be added to another one.
    """
    _, (boxes,) = as_boxes("... 4", boxes=boxes)
    return areas(boxes)


def box_iou(a, b):
    r"""Measure how well boxes agree: intersection over union, for all pairs.

    .. math:: J(A, B) = \frac{|A \cap B|}{|A \cup B|}
              = \frac{|A \cap B|}{|A| + |B| - |A \cap B|}

    Parameters
    ----------
    a : (n, 4) array
    b : (m, 4) array
        Corners as in `box_area`. An empty list is no boxes.

    Returns
    -------
    iou : (n, m) array
        From 0 (no common area) to 1 (the same box). Two boxes without area have 0.

    Raises
    ------
    ValueError
        As `box_area`.

    References
    ----------
    P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist
    11(2), 1912, pages 37-50: the index of two sets, of which this is a case.
    """
    _, (a, b) = as_boxes("n 4", a=a, b=b)
    return iou_matrix(a, b)


def iou_matrix(a, b):
    """`box_iou` of boxes that have been checked."""
    xp = array_api_compat.array_namespace(a, b)
    low = xp.maximum(a[:, None, :2], b[None, :, :2])
    high = xp.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = xp.clip(high - low, min=0.0)  # of the overlap; below 0 there is none
    intersection = sides[..., 0] * sides[..., 1]
    union = areas(a)[:, None] + areas(b)[None, :] - intersection
    return intersection / xp.where(union > 0, union, 1.0)


def areas(boxes):
    """`box_area` of boxes that have been checked."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]


def as_boxes(spec, /, **arrays):
    """Read arguments as boxes of one kind, one device and one type, and check them.

    Parameters
    ----------
    spec : str
        Their axes, as for `bind_shapes`.
    **arrays : array-like
        The arguments under their own names, which the errors repeat.

    Returns
    -------
    xp : module
        The array namespace of the answers.
    boxes : tuple of arrays
        An empty list is no boxes, of shape (0, 4).
    """
    xp, floats = as_floats(**arrays)
    boxes = [xp.reshape(x, (0, 4)) if tuple(x.shape) == (0,) else x for x in floats]
    for name, x in zip(arrays, boxes, strict=True):
        bind_shapes(**{name: (spec, x)})
        check_boxes(x, name)
    return xp, tuple(boxes)


def check_boxes(boxes, name):
    """Insist that boxes are finite, not inside out, and of areas that can be added."""
    xp = array_api_compat.array_namespace(boxes)
    check_finite(boxes, name)
    for low, high in ((0, 2), (1, 3)):
        inside_out = boxes[..., high] < boxes[..., low]
        if xp.any(inside_out):
            place, box = first_fault(inside_out, boxes, name)
            raise ValueError(
                f"{place} is {show(box)}: {CORNERS[high]} is {box[high]:g}, but must "
                f"be at least {CORNERS[low]}, {box[low]:g}"
            )
    with np.errstate(over="ignore"):
        too_large = ~(areas(boxes) <= xp.finfo(boxes.dtype).max / 2)
    if xp.any(too_large):
        place, box = first_fault(too_large, boxes, name)
        kind = str(boxes.dtype).removeprefix("torch.")
        raise ValueError(f"{place} is {show(box)}: its area is too large for {kind}")


def check_finite(rows, name):
    """Insist that an array (..., k) of numbers holds no NaN and no infinity."""
    xp = array_api_compat.array_namespace(rows)
    wrong = ~xp.all(xp.isfinite(rows), axis=-1)
    if xp.any(wrong):
        place, row = first_fault(wrong, rows, name)
        raise ValueError(f"{place} is {show(row)}, but must be finite")


def first_fault(wrong, rows, name):
    """Name the first row that is wrong, as in ``boxes[3]``, and list its numbers."""
    xp = array_api_compat.array_namespace(wrong)
    first = int(xp.argmax(xp.astype(xp.reshape(wrong, (-1,)), xp.int64)))
    row = xp.reshape(rows, (-1, rows.shape[-1]))[first, :]
    index = np.unravel_index(first, tuple(wrong.shape))
    place = ", ".join(str(int(i)) for i in index)
    return f"{name}[{place}]" if place else name, [float(number) for number in row]


def show(numbers_):
    """Write a row of numbers for a message."""
    return f"({', '.join(f'{number:g}' for number in numbers_)})"


def as_threshold(value, name="iou_threshold"):
    """Read a number from 0 to 1.

    Raises
    ------
    ValueError
        Naming the argument, the value found and the values that fit.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or math.isnan(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}, but must be a number from 0 to 1")
    return float(value)
