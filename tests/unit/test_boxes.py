"""Boxes against their definitions in loops and fractions, pixels, OpenCV and torch."""

import itertools
import math
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import KINDS, assert_matches, assert_spread, in_kind
from sklearn.metrics import jaccard_score

from notebook_utils import boxes as module
from notebook_utils.boxes import (
    anchor_boxes,
    assign_anchors,
    batched_nms,
    box_area,
    box_iou,
    decode_offsets,
    encode_offsets,
    nms,
    roi_pool,
)

SEEN = Counter()
DTYPES = ("float32", "float64")
BOTH = ("numpy", "torch", "float32", "float64")
THRESHOLDS = (0, 0.2, 1 / 3, 0.5, 0.7, 1)


class Case(NamedTuple):
    """Boxes: of small whole numbers, where much coincides, or of any numbers."""

    kind: str
    dtype: str
    seed: int
    n: int
    m: int
    whole: bool
    flat: bool

    def boxes(self, count, shift=0):
        rng = np.random.default_rng(self.seed + shift)
        if self.whole:
            low = rng.integers(-2, 3, (count, 2))
            sides = rng.integers(0 if self.flat else 1, 5, (count, 2))
        else:
            low = rng.normal(size=(count, 2))
            sides = rng.exponential(size=(count, 2)) + 0.1
            if self.flat:
                sides *= rng.random((count, 2)) < 0.8
        return np.concatenate([low, low + sides], axis=1).astype(self.dtype)

    def scores(self, count):
        rng = np.random.default_rng(self.seed + 2)
        scores = rng.integers(0, 4, count) / 4 if self.whole else rng.normal(size=count)
        return scores.astype(self.dtype)

    def given(self, array):
        return in_kind(array, self.kind)

    def note(self, function):
        facts = {
            "examples": True,
            self.kind: True,
            self.dtype: True,
            "whole": self.whole,
            "flat": self.flat,
            "none of the first": self.n == 0,
            "none of the second": self.m == 0,
            "one": self.n == 1,
            "n is not m": self.n != self.m,
        }
        SEEN.update((function, fact) for fact, holds in facts.items() if holds)


PAIRS = (
    *BOTH,
    "whole",
    "flat",
    "none of the first",
    "none of the second",
    "one",
    "n is not m",
)
ROWS = (*BOTH, "whole", "none of the first", "one")


def cases(kinds=KINDS, flat=True, most=9):
    some = st.integers(2, most)
    count = st.one_of(st.sampled_from((0, 1)), some, some)
    return st.builds(
        Case,
        kind=st.sampled_from(kinds),
        dtype=st.sampled_from(DTYPES),
        seed=st.integers(0, 2**31),
        n=count,
        m=count,
        whole=st.booleans(),
        flat=st.booleans() if flat else st.just(False),
    )


def assert_indices(answer, expected, case):
    """Compare whole numbers: values, kind and type."""
    assert isinstance(answer, np.ndarray if case.kind == "numpy" else torch.Tensor)
    if case.kind == "cuda":
        assert answer.device.type == "cuda"
        answer = answer.cpu()
    assert str(answer.dtype).removeprefix("torch.") == "int64"
    assert answer.tolist() == expected


# areas and overlaps


def exact_area(box):
    x1, y1, x2, y2 = (Fraction(float(each)) for each in box)
    return (x2 - x1) * (y2 - y1)


def exact_iou(a, b):
    """Intersect along each axis, in fractions: nothing is rounded."""
    ax1, ay1, ax2, ay2 = (Fraction(float(each)) for each in a)
    bx1, by1, bx2, by2 = (Fraction(float(each)) for each in b)
    across = max(min(ax2, bx2) - max(ax1, bx1), Fraction(0))
    down = max(min(ay2, by2) - max(ay1, by1), Fraction(0))
    common = across * down
    union = exact_area(a) + exact_area(b) - common
    return common / union if union else Fraction(0)


def test_box_area_is_the_definition():
    @given(cases())
    def run(case):
        case.note("box_area")
        boxes = case.boxes(case.n)
        oracle = np.array([float(exact_area(box)) for box in boxes])
        assert_matches(box_area(case.given(boxes)), oracle, case)
        if case.n:
            boxes = boxes.reshape(1, case.n, 4)
            assert_matches(box_area(case.given(boxes)), oracle[None], case)
            one = box_area(case.given(boxes[0, 0]))
            assert float(one) == pytest.approx(oracle[0], rel=1e-6)

    run()
    assert_spread(SEEN, "box_area", (*ROWS, "flat"))


def test_box_iou_is_the_definition():
    @given(cases())
    def run(case):
        case.note("box_iou")
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        oracle = np.array([[float(exact_iou(p, q)) for q in b] for p in a])
        answer = box_iou(case.given(a), case.given(b))
        assert_matches(answer, oracle.reshape(case.n, case.m), case)

    run()
    assert_spread(SEEN, "box_iou", PAIRS)


def test_box_iou_of_whole_numbers_is_rounded_once():
    # so that equal overlaps are equal floats, and ties are ties
    @given(cases(kinds=("numpy",)))
    def run(case):
        case = case._replace(whole=True)
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        answer = box_iou(a, b)
        for (i, p), (j, q) in itertools.product(enumerate(a), enumerate(b)):
            expected = np.asarray(float(exact_iou(p, q)), case.dtype)
            assert answer[i, j] == expected

    run()


def test_box_iou_is_the_share_of_common_pixels():
    @settings(max_examples=150)
    @given(cases(kinds=("numpy",), flat=False, most=4))
    def run(case):
        case = case._replace(whole=True, n=max(case.n, 1), m=max(case.m, 1))
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        pixels = [[painted(box) for box in boxes] for boxes in (a, b)]
        oracle = [[jaccard_score(p, q) for q in pixels[1]] for p in pixels[0]]
        np.testing.assert_allclose(box_iou(a, b), oracle, rtol=1e-6)
        np.testing.assert_array_equal(box_area(a), [sum(p) for p in pixels[0]])

    run()


def painted(box):
    """Paint a box on a sheet of pixels from −4 to 8 and lay it out as a row."""
    sheet = np.zeros((12, 12), int)
    x1, y1, x2, y2 = (int(each) + 4 for each in box)
    sheet[y1:y2, x1:x2] = 1
    return sheet.ravel()


def test_box_iou_is_opencvs_intersection():
    @settings(max_examples=150)
    @given(cases(kinds=("numpy",), flat=False, most=4))
    def run(case):
        case = case._replace(dtype="float64")
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        ours = box_iou(a, b)
        for (i, p), (j, q) in itertools.product(enumerate(a), enumerate(b)):
            common = cv2.rectangleIntersectionArea(rectangle(p), rectangle(q))
            union = box_area(p) + box_area(q) - common
            assert ours[i, j] == pytest.approx(common / union, abs=1e-12)

    run()


def rectangle(box):
    """Change corners to OpenCV's (x, y, width, height)."""
    x1, y1, x2, y2 = (float(each) for each in box)
    return x1, y1, x2 - x1, y2 - y1


def test_box_iou_is_a_measure_of_likeness():
    @given(cases(kinds=("numpy",)))
    def run(case):
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        iou = box_iou(a, b)
        assert np.all((iou >= 0) & (iou <= 1))
        np.testing.assert_array_equal(iou.T, box_iou(b, a))
        np.testing.assert_array_equal(np.diag(box_iou(a, a)), box_area(a) > 0)

    run()


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e3, 1e30, 1e150])
def test_box_iou_has_no_unit(scale):
    a, b = np.array([[0, 0, 2, 2.0]]), np.array([[1, 1, 3, 3.0]])
    assert box_iou(a * scale, b * scale)[0, 0] == pytest.approx(1 / 7, rel=1e-12)


# anchors


def naive_anchors(height, width, sizes, ratios, image):
    """Follow the definition, in pixels first."""
    image_height, image_width = image
    shapes = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    answer = []
    for i, j in itertools.product(range(height), range(width)):
        x, y = (j + 0.5) / width * image_width, (i + 0.5) / height * image_height
        for s, r in shapes:
            w, h = s * math.sqrt(r) * image_height, s / math.sqrt(r) * image_height
            corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            unit = (image_width, image_height) * 2
            answer.append([c / u for c, u in zip(corners, unit, strict=True)])
    return np.array(answer)


def test_anchor_boxes_are_the_definition():
    shares = st.lists(st.floats(0.01, 2), min_size=1, max_size=4)
    side = st.integers(1, 6)
    pixels = st.integers(1, 500)
    image_sizes = st.one_of(st.none(), pixels, st.tuples(pixels, pixels))

    @given(
        side,
        side,
        shares,
        shares,
        image_sizes,
        st.sampled_from(KINDS),
        st.sampled_from(DTYPES),
    )
    def run(height, width, sizes, ratios, image_size, kind, dtype):
        facts = {
            "examples": True,
            kind: True,
            dtype: True,
            "no image": image_size is None,
            "square image": isinstance(image_size, int),
            "image": isinstance(image_size, tuple),
            "one shape": len(sizes) == len(ratios) == 1,
            "non-square grid": height != width,
        }
        SEEN.update(("anchor_boxes", fact) for fact, holds in facts.items() if holds)
        sizes, ratios = (np.array(each, dtype) for each in (sizes, ratios))
        answer = anchor_boxes(
            height,
            width,
            sizes=in_kind(sizes, kind),
            ratios=in_kind(ratios, kind),
            image_size=image_size,
        )
        image = (height, width) if image_size is None else image_size
        image = (image, image) if isinstance(image, int) else image
        oracle = naive_anchors(height, width, sizes.tolist(), ratios.tolist(), image)
        count = height * width * (len(sizes) + len(ratios) - 1)
        assert answer.shape == (count, 4)
        case = Case(kind, "float64", 0, 0, 0, False, False)
        assert_matches(answer, oracle, case)

    run()
    facts = ("no image", "square image", "image", "one shape", "non-square grid")
    assert_spread(SEEN, "anchor_boxes", (*BOTH, *facts))


def test_an_anchor_has_its_ratio_in_pixels():
    # a width of s√r·W would make the square anchor 128 × 64 on this image
    (box,) = anchor_boxes(1, 1, sizes=[0.5], ratios=[1], image_size=(128, 256))
    assert (box * [256, 128, 256, 128]).tolist() == [96, 32, 160, 96]


def test_anchors_come_in_the_order_that_is_promised():
    anchors = anchor_boxes(1, 2, sizes=[0.5, 0.25], ratios=[1, 4, 0.25])
    wide, high = (anchors[:, 2:] - anchors[:, :2]).T * [[2], [1]]
    assert wide.tolist() == [0.5, 0.25, 1, 0.25] * 2
    assert high.tolist() == [0.5, 0.25, 0.25, 1] * 2
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert centres.tolist() == [[0.25, 0.5]] * 4 + [[0.75, 0.5]] * 4


# assignment


def naive_assign(iou, threshold):
    """Walk through all pairs, best first, then through the anchors left."""
    n, m = iou.shape
    pairs = sorted(itertools.product(range(n), range(m)), key=lambda p: (-iou[p], p))
    assigned, taken = [-1] * n, set()
    for i, j in pairs:
        if assigned[i] == -1 and j not in taken and iou[i, j] > 0:
            assigned[i] = j
            taken.add(j)
    for i in range(n):
        if assigned[i] == -1 and m:
            j = max(range(m), key=lambda j: (iou[i, j], -j))
            if iou[i, j] > 0 and iou[i, j] >= iou.dtype.type(threshold):
                assigned[i] = j
    return assigned


def test_assign_anchors_is_the_definition():
    @settings(max_examples=1000)
    @given(cases(most=12), st.sampled_from(THRESHOLDS))
    def run(case, threshold):
        case.note("assign_anchors")
        SEEN["assign_anchors", threshold] += 1
        a, b = case.boxes(case.n), case.boxes(case.m, shift=1)
        iou = box_iou(a, b)
        SEEN["assign_anchors", "ties"] += len(np.unique(iou[iou > 0])) < np.sum(iou > 0)
        answer = assign_anchors(case.given(a), case.given(b), iou_threshold=threshold)
        assert_indices(answer, naive_assign(iou, threshold), case)

    run()
    assert_spread(SEEN, "assign_anchors", (*PAIRS, *THRESHOLDS, "ties"))


IOU_STRIPS = {  # one pixel high, from 0: IoU is a quotient of lengths
    "truth": [[0, 0, 10, 1], [20, 0, 24, 1]],
    "anchors": [
        [0, 0, 9, 1],  # 0.9 with the first
        [0, 0, 6, 1],  # 0.6 with the first
        [0, 0, 5, 1],  # 0.5 with the first
        [20, 0, 21, 1],  # 0.25 with the second: its best all the same
        [30, 0, 31, 1],  # none
    ],
}


def test_assign_anchors_by_hand():
    anchors, truth = IOU_STRIPS["anchors"], IOU_STRIPS["truth"]
    assert assign_anchors(anchors, truth).tolist() == [0, 0, 0, 1, -1]
    tight = assign_anchors(anchors, truth, iou_threshold=0.51)
    assert tight.tolist() == [0, 0, -1, 1, -1]
    loose = assign_anchors(anchors, truth, iou_threshold=0)
    assert loose.tolist() == [0, 0, 0, 1, -1]


def test_a_true_box_keeps_an_anchor_that_likes_another_one_better():
    # 0.6 with the first and 0.4 with the second; the first has a better anchor
    truth = [[0, 0, 6, 1], [6, 0, 10, 1]]
    anchors = [[0, 0, 10, 1], [0, 0, 5, 1]]
    assert box_iou(anchors, truth)[0].tolist() == [0.6, 0.4]
    assert assign_anchors(anchors, truth).tolist() == [1, 0]


def test_ties_of_the_assignment_go_to_the_first():
    square = [[0, 0, 1, 1]]
    assert assign_anchors(square * 3, square * 2).tolist() == [0, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_without_true_boxes_all_is_background(kind):
    anchors = in_kind(np.array([[0, 0, 1, 1.0]] * 3), kind)
    for truth in ([], in_kind(np.zeros((0, 4)), kind)):
        assert assign_anchors(anchors, truth).tolist() == [-1, -1, -1]


# offsets


def naive_offsets(anchors, truth, mean, std):
    answer = []
    for a, b in zip(anchors.tolist(), truth.tolist(), strict=True):
        (ax, ay, aw, ah), (bx, by, bw, bh) = (
            ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
            for x1, y1, x2, y2 in (a, b)
        )
        t = ((bx - ax) / aw, (by - ay) / ah, math.log(bw / aw), math.log(bh / ah))
        answer.append([(v - m) / s for v, m, s in zip(t, mean, std, strict=True)])
    return np.array(answer).reshape(-1, 4)


def assert_rows_match(answer, oracle, case):
    """Compare in proportion to the largest number of each row."""
    size = np.maximum(1, np.abs(oracle).max(axis=1, initial=0, keepdims=True))
    scaled = answer / case.given(size.astype(case.dtype))
    assert_matches(scaled, oracle / size, case)


@st.composite
def normalisations(draw):
    """Draw mean and std, or leave them out."""
    if draw(st.booleans()):
        return {}
    four = [draw(st.floats(0.1, 2)) for _ in range(8)]
    return {"mean": four[:4], "std": four[4:]}


DEFAULTS = {"mean": (0, 0, 0, 0), "std": (0.1, 0.1, 0.2, 0.2)}


def test_encode_offsets_is_the_definition():
    @given(cases(flat=False), normalisations())
    def run(case, options):
        case.note("encode_offsets")
        SEEN["encode_offsets", "options"] += bool(options)
        anchors, truth = case.boxes(case.n), case.boxes(case.n, shift=1)
        oracle = naive_offsets(anchors, truth, **(DEFAULTS | options))
        answer = encode_offsets(case.given(anchors), case.given(truth), **options)
        assert_rows_match(answer, oracle, case)

    run()
    assert_spread(SEEN, "encode_offsets", (*ROWS, "options"))


def test_decode_offsets_is_the_inverse():
    @given(cases(flat=False), normalisations())
    def run(case, options):
        case.note("decode_offsets")
        SEEN["decode_offsets", "options"] += bool(options)
        anchors = case.boxes(case.n)
        rng = np.random.default_rng(case.seed)
        offsets = rng.normal(size=(case.n, 4)).astype(case.dtype)
        answer = decode_offsets(case.given(anchors), case.given(offsets), **options)
        oracle = naive_decode(anchors, offsets, **(DEFAULTS | options))
        assert_rows_match(answer, oracle, case)

        case = case._replace(dtype="float64")
        anchors, truth = case.boxes(case.n), case.boxes(case.n, shift=1)
        offsets = encode_offsets(case.given(anchors), case.given(truth), **options)
        back = decode_offsets(case.given(anchors), offsets, **options)
        assert_matches(back, truth, case)

    run()
    assert_spread(SEEN, "decode_offsets", (*ROWS, "options"))


def naive_decode(anchors, offsets, mean, std):
    answer = []
    for (x1, y1, x2, y2), row in zip(anchors.tolist(), offsets.tolist(), strict=True):
        tx, ty, tw, th = (m + s * v for m, s, v in zip(mean, std, row, strict=True))
        x, y = (x1 + x2) / 2 + (x2 - x1) * tx, (y1 + y2) / 2 + (y2 - y1) * ty
        w, h = (x2 - x1) * math.exp(tw), (y2 - y1) * math.exp(th)
        answer.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return np.array(answer).reshape(-1, 4)


def test_offsets_by_hand():
    anchor, truth = [[0, 0, 10, 20]], [[1, 1, 21, 11]]
    # centre (5, 10) to (11, 6); width 10 to 20; height 20 to 10
    expected = [6 / 10 / 0.1, -4 / 20 / 0.1, math.log(2) / 0.2, -math.log(2) / 0.2]
    np.testing.assert_allclose(encode_offsets(anchor, truth), [expected], rtol=1e-12)
    np.testing.assert_allclose(decode_offsets(anchor, [expected]), truth, rtol=1e-12)
    assert decode_offsets(anchor, [[0, 0, 0, 0]]).tolist() == anchor


def test_mean_and_std_do_not_widen_the_boxes():
    anchor = np.array([[0, 0, 1, 1]], np.float32)
    for kind in KINDS:
        for four in ([1, 1, 1, 1], np.ones(4), torch.ones(4, dtype=torch.float64)):
            options = {"mean": four, "std": four}
            offsets = encode_offsets(*[in_kind(anchor, kind)] * 2, **options)
            assert str(offsets.dtype).removeprefix("torch.") == "float32"
            assert offsets.tolist() == [[-1, -1, -1, -1]]
            assert decode_offsets(
                in_kind(anchor, kind), offsets, **options
            ).tolist() == (anchor.tolist())


def test_autograd_flows_through_boxes():
    generator = torch.Generator().manual_seed(0)
    low = torch.rand((3, 2), generator=generator, dtype=torch.float64)
    sides = torch.rand((3, 2), generator=generator, dtype=torch.float64) + 0.5
    boxes = torch.cat([low, low + sides], dim=1).requires_grad_()
    other = (boxes.detach() + 0.1).requires_grad_()
    for function in (box_iou, encode_offsets, decode_offsets):
        torch.autograd.gradcheck(function, (boxes, other))
    flat = torch.zeros((1, 4), requires_grad=True)
    box_iou(flat, flat).sum().backward()
    assert flat.grad.tolist() == [[0, 0, 0, 0]]


# suppression


def naive_nms(iou, scores, threshold, labels=None):
    """Look at each box once, best first: is it too close to one that was kept?"""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if labels is None or labels[k] == labels[i]]
        if all(iou[k, i] <= iou.dtype.type(threshold) for k in rivals):
            kept.append(i)
    return kept


def test_nms_is_the_definition():
    @settings(max_examples=1000)
    @given(cases(most=25), st.sampled_from(THRESHOLDS))
    def run(case, threshold):
        case.note("nms")
        SEEN["nms", threshold] += 1
        boxes, scores = case.boxes(case.n), case.scores(case.n)
        SEEN["nms", "equal scores"] += len(np.unique(scores)) < case.n
        oracle = naive_nms(box_iou(boxes, boxes), scores.tolist(), threshold)
        SEEN["nms", "some dropped"] += len(oracle) < case.n
        answer = nms(case.given(boxes), case.given(scores), iou_threshold=threshold)
        assert_indices(answer, oracle, case)

    run()
    facts = (*ROWS, "flat", *THRESHOLDS, "equal scores", "some dropped")
    assert_spread(SEEN, "nms", facts)


def test_batched_nms_is_the_definition():
    @settings(max_examples=1000)
    @given(cases(most=25), st.sampled_from(THRESHOLDS), st.integers(1, 4))
    def run(case, threshold, classes):
        case.note("batched_nms")
        SEEN["batched_nms", threshold] += 1
        SEEN["batched_nms", "classes"] += classes > 1
        boxes, scores = case.boxes(case.n), case.scores(case.n)
        labels = np.random.default_rng(case.seed).integers(-1, classes, case.n)
        SEEN["batched_nms", "equal scores"] += len(np.unique(scores)) < case.n
        iou = box_iou(boxes, boxes)
        oracle = naive_nms(iou, scores.tolist(), threshold, labels.tolist())
        arrays = [case.given(each) for each in (boxes, scores)]
        for read in (case.given(labels), labels.tolist()):
            answer = batched_nms(*arrays, read, iou_threshold=threshold)
            assert_indices(answer, oracle, case)
        for label in set(labels.tolist()):
            (own,) = np.nonzero(labels == label)
            alone = nms(boxes[own], scores[own], iou_threshold=threshold)
            assert [i for i in oracle if labels[i] == label] == own[alone].tolist()

    run()
    facts = (*ROWS, "flat", *THRESHOLDS, "equal scores", "classes")
    assert_spread(SEEN, "batched_nms", facts)


def test_nms_is_opencvs():
    @given(cases(kinds=("numpy",), flat=False, most=25))
    def run(case):
        case = case._replace(dtype="float64")
        # OpenCV keeps scores above its own threshold, and in single precision
        boxes, scores = case.boxes(case.n), case.scores(case.n) + 10
        scores = scores.astype(np.float32)
        rectangles = [rectangle(box) for box in boxes]
        # no quotient of small whole numbers is this threshold, so rounding is no tie
        theirs = cv2.dnn.NMSBoxes(rectangles, scores.tolist(), 0.0, 0.4321)
        ours = nms(boxes, scores.astype(float), iou_threshold=np.float32(0.4321))
        assert ours.tolist() == list(theirs)
        labels = np.random.default_rng(case.seed).integers(0, 3, case.n)
        for label in range(3):
            (own,) = np.nonzero(labels == label)
            some = [rectangles[i] for i in own]
            theirs = cv2.dnn.NMSBoxes(some, scores[own].tolist(), 0.0, 0.4321)
            ours = batched_nms(
                boxes, scores.astype(float), labels, iou_threshold=np.float32(0.4321)
            )
            assert [i for i in ours if labels[i] == label] == [own[i] for i in theirs]

    run()


def test_nms_keeps_what_touches_the_threshold():
    boxes, scores = [[0, 0, 2, 1], [0, 0, 1, 1]], [1, 2]
    assert nms(boxes, scores, iou_threshold=0.5).tolist() == [1, 0]
    assert nms(boxes, scores, iou_threshold=0.499).tolist() == [1]


def test_a_dropped_box_drops_nothing():
    # a chain: each overlaps the next with 1/2, and the first and the last not at all
    boxes = [[0, 0, 3, 1], [1, 0, 4, 1], [2, 0, 5, 1], [3, 0, 6, 1]]
    assert nms(boxes, [4, 3, 2, 1], iou_threshold=0.4).tolist() == [0, 2]


def test_infinite_scores_have_an_order():
    boxes = [[0, 0, 1, 1]] * 3
    scores = [-math.inf, 0, math.inf]
    assert nms(boxes, scores, iou_threshold=1).tolist() == [2, 1, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_may_be_of_any_whole_type(dtype):
    boxes, labels = np.array([[0, 0, 1, 1.0]] * 3), np.array([1, 2, 1], dtype)
    kept = batched_nms(boxes, np.array([1, 2, 3.0]), labels, iou_threshold=0.5)
    assert kept.tolist() == [2, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_suppression_of_nothing(kind):
    case = Case(kind, "float64", 0, 0, 0, False, False)
    none = in_kind(np.zeros((0, 4)), kind)
    assert_indices(nms(none, [], iou_threshold=0.5), [], case)
    assert_indices(batched_nms(none, [], [], iou_threshold=0.5), [], case)
    assert nms([], [], iou_threshold=0.5).tolist() == []


# RoI pooling


def naive_roi_pool(features, boxes, images, output_size):
    """Slice each bin out of the map, as far as it lies inside, and take its maximum."""
    (h, w), (oh, ow) = features.shape[2:], output_size
    answer = np.zeros((len(boxes), features.shape[1], oh, ow))
    for k, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        rows, columns = naive_bins(y1, y2, oh), naive_bins(x1, x2, ow)
        for (p, (top, bottom)), (q, (left, right)) in itertools.product(
            enumerate(rows), enumerate(columns)
        ):
            top, left = max(top, 0), max(left, 0)
            bottom, right = min(bottom, h), min(right, w)
            if top < bottom and left < right:
                part = features[images[k], :, top:bottom, left:right]
                answer[k, :, p, q] = part.max(axis=(1, 2))
    return answer


def naive_bins(low, high, count):
    low, high = Fraction(low), Fraction(high)
    start, stop = (math.floor(x + Fraction(1, 2)) for x in (low, high))
    if start == stop:
        start = math.floor((low + high) / 2)
        stop = start + 1
    size = Fraction(stop - start, count)
    return [
        (start + math.floor(q * size), start + math.ceil((q + 1) * size))
        for q in range(count)
    ]


@st.composite
def regions(draw, kinds=KINDS):
    """Draw a feature map, boxes in and around it, and a number of bins."""
    case = draw(cases(kinds=kinds))
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    bins = draw(
        st.one_of(st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4)))
    )
    rng = np.random.default_rng(case.seed)
    features = rng.normal(size=(n, c, *size)).astype(case.dtype)
    low = rng.uniform(-3, 8, (case.n, 2))
    boxes = np.concatenate([low, low + rng.uniform(0, 8, (case.n, 2))], axis=1)
    if case.whole:
        boxes = np.round(2 * boxes) / 2  # halves among them
    if case.flat:
        boxes[::2, 2:] = boxes[::2, :2]
    images = rng.integers(0, n, case.n)
    return case, features, boxes.astype(case.dtype), images, bins


def test_roi_pool_is_the_definition():
    @given(regions())
    def run(drawn):
        case, features, boxes, images, bins = drawn
        case.note("roi_pool")
        pair = bins if isinstance(bins, tuple) else (bins, bins)
        SEEN["roi_pool", "pair"] += isinstance(bins, tuple)
        SEEN["roi_pool", "batch"] += len(features) > 1
        oracle = naive_roi_pool(features, boxes, images, pair)
        SEEN["roi_pool", "outside"] += bool(np.any(oracle == 0))
        arrays = (
            case.given(features),
            case.given(np.c_[images, boxes].astype(case.dtype)),
        )
        assert_matches(roi_pool(*arrays, bins), oracle, case)
        if len(features) == 1:
            SEEN["roi_pool", "one image"] += 1
            for one in (features, features[0]):
                answer = roi_pool(case.given(one), case.given(boxes), bins)
                assert_matches(answer, oracle, case)

    run()
    facts = ("pair", "batch", "outside", "one image", "flat")
    assert_spread(SEEN, "roi_pool", (*ROWS, *facts))


def test_roi_pool_within_the_map_is_torchs_adaptive_pool():
    @settings(max_examples=200)
    @given(regions())
    def run(drawn):
        case, features, _, images, bins = drawn
        rng = np.random.default_rng(case.seed)
        (h, w), boxes, oracle = features.shape[2:], [], []
        pair = bins if isinstance(bins, tuple) else (bins, bins)
        for image in images:
            (x1, x2), (y1, y2) = (
                np.sort(rng.choice(side + 1, 2, replace=False)) for side in (w, h)
            )
            boxes.append([x1, y1, x2, y2])
            part = torch.from_numpy(features[image, None, :, y1:y2, x1:x2].copy())
            oracle.append(F.adaptive_max_pool2d(part, pair).numpy())
        boxes = np.array(boxes, case.dtype).reshape(-1, 4)
        oracle = np.array(oracle).reshape(-1, features.shape[1], *pair)
        rois = case.given(np.c_[images, boxes].astype(case.dtype))
        assert_matches(roi_pool(case.given(features), rois, bins), oracle, case)

    run()


def test_roi_pool_by_hand():
    features = [[[0, 1, 2], [9, 4, 5], [3, 7, 8]]]
    # bins of rows 0 and 1, and 1 and 2: the middle belongs to both
    assert roi_pool(features, [[0, 0, 3, 3]], 2).tolist() == [[[[9, 5], [9, 8]]]]
    assert roi_pool(features, [[1, 1, 3, 3]], 2).tolist() == [[[[4, 5], [7, 8]]]]
    assert roi_pool(features, [[0, 0, 2, 3]], 1).tolist() == [[[[9]]]]


def test_roi_pool_rounds_halves_up_and_never_to_nothing():
    ramp = np.arange(6.0)[None, None]
    for x1, x2, first, last in (
        (0.5, 2.5, 1, 2),
        (0.49, 2.49, 0, 1),
        (-0.5, 1.5, 0, 1),
        (5.6, 6, 5, 5),
        (2.6, 2.9, 2, 2),
        (2.4, 2.6, 2, 2),
        (3, 3, 3, 3),
    ):
        box = [[x1, 0, x2, 1]]
        assert roi_pool(ramp, box, 1).tolist() == [[[[last]]]]
        assert roi_pool(-ramp, box, 1).tolist() == [[[[-first]]]]


def test_roi_pool_of_nan_and_of_infinity():
    features = np.full((1, 2, 4), -np.inf)
    features[0, 0, 0] = np.nan
    answer = roi_pool(features, [[0, 0, 4, 2], [2, 0, 6, 2]], (1, 2))
    np.testing.assert_array_equal(answer[:, 0, 0], [[np.nan, -np.inf], [-np.inf, 0]])


def test_boxes_of_doubles_do_not_widen_the_features():
    features = np.ones((1, 2, 2), np.float32)
    for kind in KINDS:
        for boxes in ([[0, 0, 2, 2]], in_kind(np.array([[0, 0, 2, 2.0]]), kind)):
            pooled = roi_pool(in_kind(features, kind), boxes, 1)
            assert str(pooled.dtype).removeprefix("torch.") == "float32"
    pooled = roi_pool(features.tolist(), torch.tensor([[0, 0, 2, 2.0]]), 1)
    assert isinstance(pooled, torch.Tensor)


def test_roi_pool_without_boxes():
    for boxes in ([], np.zeros((0, 4)), np.zeros((0, 5))):
        assert roi_pool(np.ones((1, 3, 2, 2)), boxes, (2, 4)).shape == (0, 3, 2, 4)
    empty = np.zeros((0, 3, 2, 2))
    assert roi_pool(empty, np.zeros((0, 5)), 2).shape == (0, 3, 2, 2)


# all of them


def test_inputs_are_left_alone():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [0, 0, 2, 2.0]])
    scores, features = np.array([0.1, 0.9, 0.5]), np.ones((1, 4, 4))
    sizes = np.array([0.5, 0.2])
    for kind in KINDS:
        b, s, f, z = (
            torch.from_numpy(each.copy()) if kind == "torch" else each.copy()
            for each in (boxes, scores, features, sizes)
        )
        for answer in (
            box_area(b),
            box_iou(b, b),
            anchor_boxes(2, 2, sizes=z, ratios=z),
            assign_anchors(b, b),
            encode_offsets(b, b),
            decode_offsets(b, b),
            nms(b, s, iou_threshold=1),
            batched_nms(b, s, [0, 0, 0], iou_threshold=0.5),
            roi_pool(f, b, 2),
            roi_pool(f, b, 1),
        ):
            answer[...] = 7  # no answer may be the input itself
        for after, before in ((b, boxes), (s, scores), (f, features), (z, sizes)):
            np.testing.assert_array_equal(np.asarray(after), before)


def test_lists_of_whole_numbers_become_doubles():
    box = [[0, 0, 2, 2]]
    for answer in (
        box_area(box),
        box_iou(box, box),
        anchor_boxes(1, 1, sizes=[1], ratios=[1]),
        encode_offsets(box, box),
        decode_offsets(box, [[0, 0, 0, 0]]),
        roi_pool([[[1]]], box, 1),
    ):
        assert isinstance(answer, np.ndarray)
        assert answer.dtype == np.float64


def test_the_public_names():
    for name in module.__all__:
        assert getattr(module, name).__doc__


B = np.array([[0, 0, 2, 2], [1, 1, 3, 3.0]])
S = np.array([0.5, 0.25])
FEATURES = np.ones((2, 3, 4, 4))
ONE = {"sizes": [0.5], "ratios": [1]}
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: box_area([0, 0, 1]), r"boxes of shape \(3,\) does not fit"),
        (lambda: box_area(1.0), r"boxes of shape \(\) .* needs at least 1"),
        (lambda: box_area(["a"]), "boxes holds"),
        (
            lambda: box_area([[0, 0, 1, 1], [0, 3, 1, 2]]),
            r"boxes\[1\] is \(0, 3, 1, 2\): y2 is 2, but must be at least y1, 3",
        ),
        (
            lambda: box_area([1, 0, 0.5, 1]),
            r"boxes is \(1, 0, 0.5, 1\): x2 is 0.5, but must be at least x1, 1",
        ),
        (lambda: box_area([[[0, 0, 1, NAN]]]), r"boxes\[0, 0\] is \(0, 0, 1, nan\)"),
        (
            lambda: box_area([[0, 0, 1, INF]]),
            r"boxes\[0\] is \(0, 0, 1, inf\), but must be finite",
        ),
        (
            lambda: box_area([[-1e308, 0, 1e308, 1]]),
            r"boxes\[0\] is .*: its area is too large for float64",
        ),
        (lambda: box_iou(B, B[:1, :3]), r"b of shape \(1, 3\) does not fit \(n, 4\)"),
        (
            lambda: box_iou(*[torch.tensor([[0, 0, 2e19, 2e19]])] * 2),
            r"a\[0\] is \(0, 0, 2e\+19, 2e\+19\): its area is too large for float32",
        ),
        (lambda: box_iou(B[0], B), r"a of shape \(4,\) does not fit \(n, 4\)"),
        (lambda: box_iou(B, -B), r"b\[0\] is .*: x2 is -2, but must be at least x1"),
        (lambda: box_iou(B, torch.from_numpy(B)), "NumPy arrays .* are mixed"),
        (lambda: anchor_boxes(0, 1, **ONE), "height is 0, but must be an integer"),
        (lambda: anchor_boxes(1, 1.0, **ONE), "width is 1.0, but must be an integer"),
        (
            lambda: anchor_boxes(1, 1, sizes=[], ratios=[1]),
            "sizes is empty, but must hold at least one number",
        ),
        (lambda: anchor_boxes(1, 1, sizes=[1], ratios=[]), "ratios is empty"),
        (
            lambda: anchor_boxes(1, 1, sizes=0.5, ratios=[1]),
            r"sizes of shape \(\) does not fit \(n\)",
        ),
        (
            lambda: anchor_boxes(1, 1, sizes=[0.5, 0], ratios=[1]),
            r"sizes\[1\] is 0, but must be positive and finite",
        ),
        (
            lambda: anchor_boxes(1, 1, sizes=[0.5], ratios=[1, NAN]),
            r"ratios\[1\] is nan, but must be positive and finite",
        ),
        (lambda: anchor_boxes(1, 1, sizes=[INF], ratios=[1]), r"sizes\[0\] is inf"),
        (lambda: anchor_boxes(1, 1, sizes=[1], ratios=[-1]), r"ratios\[0\] is -1"),
        (
            lambda: anchor_boxes(1, 1, **ONE, image_size=(0, 4)),
            r"image_size is \(0, 4\), but must be an integer of at least 1 or a pair",
        ),
        (lambda: assign_anchors(B, B[:, :3]), r"truth of shape \(2, 3\)"),
        (lambda: assign_anchors(-B, B), r"anchors\[0\] is"),
        (
            lambda: assign_anchors(B, B, iou_threshold=1.01),
            "iou_threshold is 1.01, but must be a number from 0 to 1",
        ),
        (lambda: assign_anchors(B, B, iou_threshold=NAN), "iou_threshold is nan"),
        (lambda: assign_anchors(B, B, iou_threshold=True), "iou_threshold is True"),
        (lambda: assign_anchors(B, B, iou_threshold="1"), "iou_threshold is '1'"),
        (
            lambda: encode_offsets(B, B[:1]),
            r"truth of shape \(1, 4\) .*: n is 1, but must be 2",
        ),
        (
            lambda: encode_offsets([[0, 0, 0, 1]], B[:1]),
            r"anchors\[0\] is \(0, 0, 0, 1\), but must have a width and a height",
        ),
        (lambda: encode_offsets(B[:1], [[0, 1, 1, 1]]), r"truth\[0\] is .*must have"),
        (
            lambda: encode_offsets([[0, 0, 1e-200, 1]], [[1e150, 0, 2e150, 1]]),
            r"anchors\[0\] is \(0, 0, 1e-200, 1\): its offsets are not finite",
        ),
        (lambda: encode_offsets(B, B, mean=(0, 0)), r"mean of shape \(2,\) does not"),
        (lambda: encode_offsets(B, B, mean=(0, 0, 0, INF)), r"mean is \(0, 0, 0, inf"),
        (
            lambda: encode_offsets(B, B, std=(1, 0, 1, 1)),
            r"std\[1\] is 0, but must be positive and finite",
        ),
        (lambda: decode_offsets(B, B, std=(1, 1, 1)), r"std of shape \(3,\)"),
        (
            lambda: decode_offsets(B, B[:1]),
            r"offsets of shape \(1, 4\) .*: n is 1, but must be 2",
        ),
        (lambda: decode_offsets(B, []), r"offsets of shape \(0, 4\) .*: n is 0"),
        (lambda: decode_offsets(B, B + NAN), r"offsets\[0\] is \(nan, .*finite"),
        (lambda: decode_offsets(-B, B), r"anchors\[0\] is"),
        (
            lambda: decode_offsets(B[:1], [[0, 0, 4000, 0]]),
            r"offsets\[0\] is \(0, 0, 4000, 0\): its box is not finite",
        ),
        (
            lambda: nms(B, S[:1], iou_threshold=0.5),
            r"scores of shape \(1,\) .*: n is 1, but must be 2 as in boxes",
        ),
        (
            lambda: nms(B, [0.5, NAN], iou_threshold=0.5),
            r"scores\[1\] is nan, but scores must have an order",
        ),
        (lambda: nms(-B, S, iou_threshold=0.5), r"boxes\[0\] is"),
        (lambda: nms(B, S, iou_threshold=-0.1), "iou_threshold is -0.1, but must be"),
        (
            lambda: batched_nms(B, S, [0], iou_threshold=0.5),
            r"labels of shape \(1,\) .*: n is 1, but must be 2",
        ),
        (
            lambda: batched_nms(B, S, [0, 0.5], iou_threshold=0.5),
            "labels holds float64, but must hold whole numbers",
        ),
        (
            lambda: batched_nms(B, S, [True, False], iou_threshold=0.5),
            "labels holds bool, but must hold whole numbers",
        ),
        (
            lambda: batched_nms(B, S, torch.tensor([0, 1]), iou_threshold=0.5),
            "NumPy arrays .* are mixed with torch tensors",
        ),
        (lambda: batched_nms(B, S, [0, 0], iou_threshold=2), "iou_threshold is 2"),
        (
            lambda: roi_pool(FEATURES[0, 0], B, 2),
            r"features of shape \(4, 4\) does not fit \(n, c, h, w\)",
        ),
        (lambda: roi_pool(FEATURES[0], B[:, :3], 2), r"boxes of shape \(2, 3\)"),
        (
            lambda: roi_pool(FEATURES[0, :, :0], B, 2),
            "features has 0 × 4 cells, but must have at least 1 × 1",
        ),
        (
            lambda: roi_pool(FEATURES, B, 2),
            "boxes has 4 columns, but features holds 2 images",
        ),
        (
            lambda: roi_pool(FEATURES, [[2, 0, 0, 1, 1]], 2),
            r"boxes\[0\] is of image 2, but must be of one of the 2 from 0",
        ),
        (lambda: roi_pool(FEATURES, [[0.5, 0, 0, 1, 1]], 2), "is of image 0.5"),
        (lambda: roi_pool(FEATURES, [[NAN, 0, 0, 1, 1]], 2), "is of image nan"),
        (lambda: roi_pool(FEATURES, [[-1, 0, 0, 1, 1]], 2), "is of image -1"),
        (
            lambda: roi_pool(FEATURES[0], [[0, 0, 1, 2e9]], 2),
            r"boxes\[0\] is \(0, 0, 1, 2e\+09\): farther than 2\^30 cells away",
        ),
        (lambda: roi_pool(FEATURES[0], -B, 2), r"boxes\[0\] is"),
        (
            lambda: roi_pool(FEATURES[0], B, 0),
            "output_size is 0, but must be an integer of at least 1 or a pair",
        ),
        (lambda: roi_pool(FEATURES[0], B, (1, 2, 3)), r"output_size is \(1, 2, 3\)"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=100)
    @given(regions(kinds=("cuda",)))
    def run(drawn):
        case, features, rois, images, bins = drawn
        case = case._replace(flat=False)
        boxes, scores = case.boxes(case.n), case.scores(case.n)
        there, scores_there = case.given(boxes), case.given(scores)
        iou = box_iou(boxes, boxes)
        assert_matches(box_iou(there, there), iou, case)
        assert_matches(box_area(there), box_area(boxes), case)
        kept = naive_nms(iou, scores.tolist(), 0.3)
        assert_indices(nms(there, scores_there, iou_threshold=0.3), kept, case)
        labels = np.arange(case.n) % 2
        kept = naive_nms(iou, scores.tolist(), 0.3, labels.tolist())
        for read in (case.given(labels), labels.tolist()):
            answer = batched_nms(there, scores_there, read, iou_threshold=0.3)
            assert_indices(answer, kept, case)
        truth = case.boxes(case.m, shift=1)
        assigned = assign_anchors(there, case.given(truth))
        assert_indices(assigned, naive_assign(box_iou(boxes, truth), 0.5), case)
        offsets = encode_offsets(there, there.flip(0))
        back = decode_offsets(there, offsets)
        assert_rows_match(back, boxes[::-1], case)
        both = case.given(features), case.given(np.c_[images, rois].astype(case.dtype))
        pair = bins if isinstance(bins, tuple) else (bins, bins)
        oracle = naive_roi_pool(features, rois, images, pair)
        assert_matches(roi_pool(*both, bins), oracle, case)
        sizes = torch.tensor([0.5, 0.25], device="cuda")
        anchors = anchor_boxes(2, 3, sizes=sizes, ratios=[1, 2])
        oracle = anchor_boxes(2, 3, sizes=[0.5, 0.25], ratios=[1, 2])
        assert_matches(anchors, oracle, case._replace(dtype="float64"))

    run()
