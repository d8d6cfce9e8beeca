"""What the explorers of anchor boxes say, counted independently."""

import random
import re

import numpy as np
import pytest

from notebook_utils._svg import to_svg
from notebook_utils.boxes import box_iou
from notebook_utils.explorers import anchor_boxes as explorers
from notebook_utils.explorers._coins import SIZE, coins


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def painted(box):
    sheet = np.zeros((20, 20), bool)
    x1, y1, x2, y2 = box
    sheet[y1:y2, x1:x2] = True
    return sheet


def sample(explorer, count):
    return random.Random(0).sample(list(explorer.settings()), count)


def test_the_overlap_is_what_can_be_counted():
    explorer = explorers.overlap_explorer
    for setting in [*sample(explorer, 150), *explorer.ends()]:
        one, other = painted(explorers.FIRST), painted(explorers.second_box(**setting))
        common, union = np.sum(one & other), np.sum(one | other)
        lines = list(explorer.read(**setting).values())
        assert numbers(lines[0]) == list(explorers.FIRST)
        assert numbers(lines[1]) == list(explorers.second_box(**setting))
        assert numbers(lines[2])[-1] == common
        assert numbers(lines[3])[-1] == union
        assert numbers(lines[4])[:2] == [common, union]
        assert numbers(lines[4])[2] == pytest.approx(common / union, abs=6e-4)
        box = explorers.common_part(**setting)["box"]
        assert (box is None) == (common == 0)


def test_the_overlap_stays_on_the_paper():
    for setting in explorers.overlap_explorer.settings():
        _, _, x2, y2 = explorers.second_box(**setting)
        assert x2 <= explorers.ACROSS
        assert y2 <= explorers.DOWN


def test_the_coins_are_those_of_the_photograph():
    scene = coins()
    assert scene.image.shape == SIZE
    assert len(scene.truth) == 24
    sides = scene.truth[:, 2:] - scene.truth[:, :2]
    assert sides.min() > 30
    assert sides.max() < 70
    # coins are bright and lie on dark ground: a box holds its coin and not much else
    for x1, y1, x2, y2 in scene.truth.astype(int):
        inside = scene.image[y1:y2, x1:x2]
        around = scene.image[max(0, y1 - 4) : y2 + 4, max(0, x1 - 4) : x2 + 4]
        rim = (around.sum() - inside.sum()) / (around.size - inside.size)
        assert inside.mean() > rim + 20


def test_a_candidates_score_is_a_correlation():
    scene = coins()
    whole = np.pad(scene.image.astype(float), 40, mode="edge")
    for i in range(0, len(scene.scores), 40):
        x1, y1, x2, _ = scene.candidates[i]
        radius = round((x2 - x1) / 2)
        row, column = round(y1 + radius - 0.5), round(x1 + radius - 0.5)
        reach = radius + 4
        part = whole[
            row + 40 - reach : row + 41 + reach,
            column + 40 - reach : column + 41 + reach,
        ]
        steps = np.arange(-reach, reach + 1)
        ideal = np.hypot(steps, steps[:, None]) <= radius
        oracle = np.corrcoef(part.ravel(), ideal.ravel())[0, 1]
        assert scene.scores[i] == pytest.approx(oracle, abs=1e-6)


def test_anchors_are_counted_once_and_rightly():
    explorer = explorers.anchor_explorer
    for setting in sample(explorer, 60):
        lines = list(explorer.read(**setting).values())
        rows, columns, _, total = numbers(lines[0])
        assert rows * columns == total
        by_iou, forced, background = numbers(lines[2])
        assert by_iou + forced + background == total
        lost, of = numbers(lines[3])
        assert of == 24
        assert lost >= 24 - (by_iou + forced)
        match = explorers.matched(**setting)
        assert not set(match["close"]) & set(match["forced"])
        best = naive_best(**{k: setting[k] for k in ("rows", "size", "ratio")})
        reach = np.flatnonzero(best >= setting["threshold"])
        # who reaches the threshold is positive, if not always with the nearest coin
        positive = set(match["close"]) | set(match["forced"])
        assert set(reach.tolist()) <= positive
        assert set(match["close"]) <= set(reach.tolist())


def test_each_anchor_is_led_to_its_coin():
    explorer = explorers.anchor_explorer
    for setting in sample(explorer, 20):
        match = explorers.matched(**setting)
        where = {k: setting[k] for k in ("rows", "size", "ratio")}
        anchors = explorers.anchors_on_photo(**where)
        for kind, key in (("close", "close_key"), ("forced", "forced_key")):
            pairs = getattr(explorers, key)(**setting)["pairs"]
            assert [i for i, _ in pairs] == list(match[kind])
            for i, j in pairs:
                reached = box_iou([anchors[i]], [coins().truth[j]])[0, 0]
                assert reached > 0
                assert (reached >= setting["threshold"]) == (kind == "close")


def naive_best(rows, size, ratio):
    """Return each anchor's largest IoU, by its definition in pixels."""
    height, width = SIZE
    columns = round(rows * width / height)
    w, h = size * height * ratio**0.5, size * height / ratio**0.5
    best = []
    for i in range(rows):
        for j in range(columns):
            x, y = (j + 0.5) * width / columns, (i + 0.5) * height / rows
            overlaps = [0.0]
            for x1, y1, x2, y2 in coins().truth:
                across = min(x2, x + w / 2) - max(x1, x - w / 2)
                down = min(y2, y + h / 2) - max(y1, y - h / 2)
                if across > 0 and down > 0:
                    area = (x2 - x1) * (y2 - y1)
                    overlaps.append(across * down / (area + w * h - across * down))
            best.append(max(overlaps))
    return np.array(best)


def test_the_detections_are_what_the_threshold_leaves():
    explorer = explorers.suppression_explorer
    scene = coins()
    for setting in explorer.settings():
        candidates, kept, found = explorer.read(**setting).values()
        enough = int(np.sum(scene.scores >= setting["score"]))
        assert numbers(candidates) == [enough]
        assert 0 < numbers(kept)[0] <= enough
        if setting["threshold"] == 1:
            assert numbers(kept)[0] == enough
        coins_found, total, twice = numbers(found)
        assert twice <= coins_found <= total == 24


@pytest.mark.parametrize(
    "explorer", [explorers.anchor_explorer, explorers.suppression_explorer]
)
def test_the_photograph_is_drawn_pixel_by_pixel(explorer):
    svg = to_svg(explorer.figure())
    assert svg.count("<image") == 1
    assert f'width="{SIZE[1]}"' in svg
