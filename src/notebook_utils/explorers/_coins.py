"""A photograph with known boxes, and a simple detector: what detection is tried on."""

from functools import cache
from typing import NamedTuple

import numpy as np

SIZE = (303, 384)  # of the photograph, (h, w)
RADII = (20, 24, 28)  # of the discs that the detector looks for, in pixels
STRIDE = 4
LOWEST = 0.5


class Scene(NamedTuple):
    """A picture, the boxes of its objects and what a detector proposes, in pixels."""

    image: np.ndarray  # (h, w)
    truth: np.ndarray  # (m, 4)
    candidates: np.ndarray  # (n, 4)
    scores: np.ndarray  # (n,)


@cache
def coins():
    """Photograph of 24 Greek coins (skimage.data.coins): boxes and candidates."""
    from skimage import data

    image = data.coins()
    truth = find_coins(image)
    return Scene(image, truth, *propose(image))


def find_coins(image):
    """Find the boxes of the coins by flooding from what is surely coin or ground."""
    from scipy import ndimage
    from skimage import filters, measure, segmentation

    sure = np.select([image < 30, image > 150], [1, 2])  # ground, coin, or not sure
    regions = segmentation.watershed(filters.sobel(image), sure)
    labelled, _ = ndimage.label(ndimage.binary_fill_holes(regions == 2))
    found = [each for each in measure.regionprops(labelled) if each.area > 100]
    return np.array([each.bbox for each in found], float)[:, [1, 0, 3, 2]]


def propose(image):
    """Score squares by how much the picture in them looks like a bright disc.

    The score is the correlation of the pixels with a disc's, from −1 to 1, at every
    fourth pixel across and down and for each radius.

    Returns
    -------
    candidates : (n, 4) array
    scores : (n,) array
    """
    from skimage.feature import match_template

    candidates, scores = [], []
    for radius in RADII:
        likeness = match_template(image, disc(radius), pad_input=True, mode="edge")
        y, x = np.mgrid[tuple(slice(STRIDE // 2, side, STRIDE) for side in image.shape)]
        score = likeness[y, x].ravel()
        centres = np.stack([x, y, x, y], axis=2).reshape(-1, 4) + 0.5
        boxes = centres + radius * np.array([-1, -1, 1, 1])
        candidates.append(boxes[score >= LOWEST])
        scores.append(score[score >= LOWEST])
    return np.concatenate(candidates), np.concatenate(scores)


def disc(radius):
    """Paint a disc of ones on zeros, with a margin of 4 pixels."""
    steps = np.arange(-radius - 4, radius + 5)
    return (steps**2 + steps[:, None] ** 2 <= radius**2).astype(float)
