"""Who belongs to whom: anchors to true boxes, and duplicates to the best of them."""

import array_api_compat
import numpy as np

from notebook_utils._boxes import as_boxes, as_threshold, check_boxes, iou_matrix
from notebook_utils.arrays import as_floats, bind_shapes, is_torch


def assign_anchors(anchors, truth, *, iou_threshold=0.5):
    """Decide for each anchor which true box it shall learn, if any.

    First each true box gets an anchor of its own, greedily: of all pairs left the one
    with the largest IoU is matched, and both leave. Then every other anchor goes to the
    true box with which its IoU is largest, if that is at least the threshold.

    Parameters
    ----------
    anchors : (n, 4) array
    truth : (m, 4) array
        Corners as in `box_area`, both in the same unit. No true boxes (an empty list,
        say) leave all anchors to the background.
    iou_threshold : float
        In [0, 1].

    Returns
    -------
    assigned : (n,) array of int64
        The index of a true box, or −1 for the background.

    Raises
    ------
    ValueError
        If a box is not one (`box_area`), or the threshold is out of range.

    Notes
    -----
    Among equal IoU the lowest anchor comes first, then the lowest true box. An anchor
    that does not overlap a true box (IoU 0) is never assigned to it, at any threshold.
    So a true box stays without an anchor where all that overlap it are taken.

    References
    ----------
    W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, arXiv:1512.02325,
    section 2.2, where the best anchor of each true box is kept, too.
    """
    threshold = as_threshold(iou_threshold)
    xp, (anchors, truth) = as_boxes("n 4", anchors=anchors, truth=truth)
    n, m = anchors.shape[0], truth.shape[0]
    device = array_api_compat.device(anchors)
    assigned = xp.full((n,), -1, dtype=xp.int64, device=device)
    if n == 0 or m == 0:
        return assigned
    iou = iou_matrix(anchors, truth)
    best = xp.argmax(iou, axis=1)
    overlap = xp.max(iou, axis=1)
    assigned = xp.where((overlap >= threshold) & (overlap > 0), best, assigned)

    left = xp.asarray(iou, copy=True)
    for _ in range(min(n, m)):
        # the first of the largest in row-major order: lowest anchor, then lowest box
        i, j = divmod(int(xp.argmax(xp.reshape(left, (-1,)))), m)
        if left[i, j] == 0:
            break
        assigned[i] = j
        left[i, :] = 0.0
        left[:, j] = 0.0
    return assigned


def nms(boxes, scores, *, iou_threshold):
    """Keep the best of boxes that overlap: non-maximum suppression.

    Keep the box with the highest score, drop all whose IoU with it is above the
    threshold, and go on with what is left.

    Parameters
    ----------
    boxes : (n, 4) array
        Corners as in `box_area`.
    scores : (n,) array
        Higher is better.
    iou_threshold : float
        In [0, 1]. At 1 nothing is dropped, at 0 all that shares any area with a better
        box.

    Returns
    -------
    kept : (k,) array of int64
        Indices of the boxes kept, best first; among equal scores the lower index.

    Raises
    ------
    ValueError
        If a box is not one (`box_area`), a score is NaN, there are not as many scores
        as boxes, or the threshold is out of range.

    References
    ----------
    R. Girshick et al., "Rich feature hierarchies for accurate object detection and
    semantic segmentation", CVPR 2014, arXiv:1311.2524, section 2.2.
    """
    threshold = as_threshold(iou_threshold)
    xp, boxes, scores = _scored(boxes, scores)
    everything = xp.zeros_like(scores, dtype=xp.int64)
    return _suppress(boxes, scores, everything, threshold)


def batched_nms(boxes, scores, labels, *, iou_threshold):
    """Suppress within each class: boxes of different labels never drop one another.

    Parameters
    ----------
    boxes, scores, iou_threshold
        As in `nms`.
    labels : (n,) array of int
        The class of each box, or its image and class in one number.

    Returns
    -------
    kept : (k,) array of int64
        Indices of the boxes kept, best first whatever their class; among equal scores
        the lower index.

    Raises
    ------
    ValueError
        As `nms`, and if the labels are not whole numbers, or not as many as boxes.
    """
    threshold = as_threshold(iou_threshold)
    _, boxes, scores = _scored(boxes, scores)
    labels = _as_labels(labels, boxes)
    return _suppress(boxes, scores, labels, threshold)


def _suppress(boxes, scores, labels, threshold):
    xp = array_api_compat.array_namespace(boxes)
    order = xp.argsort(-scores, stable=True)  # best first, equal ones as they come
    kept = [order[:0]]
    while order.shape[0]:
        best, rest = order[:1], order[1:]
        kept.append(best)
        overlap = iou_matrix(boxes[best], boxes[rest])[0, :]
        same = labels[rest] == labels[best]
        order = rest[~(same & (overlap > threshold))]
    return xp.concat(kept)


def _scored(boxes, scores):
    xp, (boxes, scores) = as_floats(boxes=boxes, scores=scores)
    if tuple(boxes.shape) == (0,):
        boxes = xp.reshape(boxes, (0, 4))
    bind_shapes(boxes=("n 4", boxes), scores=("n", scores))
    check_boxes(boxes, "boxes")
    if xp.any(xp.isnan(scores)):
        first = int(xp.argmax(xp.astype(xp.isnan(scores), xp.int64)))
        raise ValueError(f"scores[{first}] is nan, but scores must have an order")
    return xp, boxes, scores


def _as_labels(labels, boxes):
    """Read labels as whole numbers of the boxes' kind, on their device."""
    xp = array_api_compat.array_namespace(boxes)
    as_floats(boxes=boxes, labels=labels)  # insists on one kind and one device
    if not is_torch(labels):
        labels = np.asarray(labels)
        labels = labels.astype(np.int64) if labels.size == 0 else labels
    found = labels.dtype
    if not array_api_compat.array_namespace(labels).isdtype(found, "integral"):
        raise ValueError(f"labels holds {found}, but must hold whole numbers")
    bind_shapes({"n": boxes.shape[0]}, labels=("n", labels))
    return xp.asarray(labels, device=array_api_compat.device(boxes))
