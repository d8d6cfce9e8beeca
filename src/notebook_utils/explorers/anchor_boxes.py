"""Explorers of anchor boxes: how two boxes overlap, which anchors fit, which stay."""

from functools import cache

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from notebook_utils import plotting
from notebook_utils.boxes import anchor_boxes, assign_anchors, box_area, box_iou, nms
from notebook_utils.explorers._coins import SIZE, coins
from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_line

# how two boxes overlap

FIRST = (3, 2, 9, 6)  # stays where it is
ACROSS, DOWN = 17, 12
MARGIN = 0.25


def overlap_canvas(figure):
    """Return a board of unit cells."""
    return plotting.Board(figure, ACROSS + 2 * MARGIN, DOWN + 2 * MARGIN, margin=MARGIN)


def draw_box(ax, box, *, edge, face="none", linewidth=2.0):
    """Draw a box (x1, y1, x2, y2) of the board's units."""
    x1, y1, x2, y2 = box
    outline = Path([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], closed=True)
    style = {"edgecolor": edge, "facecolor": face, "linewidth": linewidth}
    ax.add_artist(PathPatch(outline, joinstyle="miter", clip_on=False, **style))


def second_box(x, y, width, height):
    """Return the box that moves."""
    return x, y, x + width, y + height


def common_part(x, y, width, height):
    """Return the intersection, None where there is none."""
    x1, y1, x2, y2 = second_box(x, y, width, height)
    low = max(x1, FIRST[0]), max(y1, FIRST[1])
    high = min(x2, FIRST[2]), min(y2, FIRST[3])
    box = (*low, *high)
    return {"box": box if low[0] < high[0] and low[1] < high[1] else None}


def draw_sheet(ax):
    """Draw the first box on squared paper."""
    draw_rules(ax, (0, 0, ACROSS, DOWN), plotting.FAINT)
    draw_box(ax, FIRST, edge=plotting.BLUE, face=plotting.SKY)
    draw_rules(ax, FIRST, plotting.PAPER)


def draw_rules(ax, box, colour):
    """Rule the cells of a box, its edges included."""
    x1, y1, x2, y2 = box
    downs = [((x, y1), (x, y2)) for x in range(int(np.ceil(x1)), int(x2) + 1)]
    acrosses = [((x1, y), (x2, y)) for y in range(int(np.ceil(y1)), int(y2) + 1)]
    ends = np.array([*downs, *acrosses]).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO] * (len(ends) // 2)
    style = {"edgecolor": colour, "facecolor": "none", "linewidth": 1}
    ax.add_artist(PathPatch(Path(ends, codes), clip_on=False, **style))


def draw_second(ax, box):
    """Fill the second box."""
    draw_box(ax, box, edge="none", face=plotting.MINT)
    draw_rules(ax, box, plotting.PAPER)


def draw_common(ax, box):
    """Fill the intersection and rule its cells, so that they can be counted."""
    if box is not None:
        draw_box(ax, box, edge="none", face=plotting.PEACH)
        draw_rules(ax, box, plotting.PAPER)


def draw_outlines(ax, box):
    """Outline both boxes over what fills them."""
    draw_box(ax, FIRST, edge=plotting.BLUE, linewidth=2.4)
    draw_box(ax, box, edge=plotting.GREEN, linewidth=2.4)


def second_key(x, y, width, height):
    """The box that moves."""
    return {"box": second_box(x, y, width, height)}


def read_corners(box):
    """Write the corners of a box."""
    return f"({', '.join(f'{corner:g}' for corner in box)})"


def read_first():
    """Fill in the corners of the box that stays."""
    return read_corners(FIRST)


def read_common(box):
    """Fill in the intersection."""
    if box is None:
        return "nothing: 0"
    x1, y1, x2, y2 = box
    return f"{x2 - x1:g} × {y2 - y1:g} = {box_area(box):g}"


def areas_key(x, y, width, height):
    """The areas that the union is made of."""
    box = common_part(x, y, width, height)["box"]
    areas = [float(box_area(each)) for each in (FIRST, second_box(x, y, width, height))]
    return {
        "areas": tuple(areas),
        "common": 0.0 if box is None else float(box_area(box)),
    }


def read_union(areas, common):
    """Fill in the union."""
    first, second = areas
    return f"{first:g} + {second:g} − {common:g} = {first + second - common:g}"


def read_iou(x, y, width, height):
    """Fill in the quotient."""
    areas = areas_key(x, y, width, height)
    common, union = areas["common"], sum(areas["areas"]) - areas["common"]
    iou = box_iou([FIRST], [second_box(x, y, width, height)])[0, 0]
    return f"{common:g} / {union:g} = {iou:.3f}"


overlap_explorer = Explorer(
    name="box-overlap",
    module=__name__,
    title="How much do two boxes agree?",
    description=(
        "Two boxes on squared paper: a blue one of 6 by 4 cells that stays, and a green"
        " one that moves. What they have in common is orange."
    ),
    controls=(
        Slider("x", "Left edge x1", 0, 9, 6),
        Slider("y", "Upper edge y1", 0, 6, 4),
        Slider("width", "Width", 1, 8, 6, page=(1, 2, 4, 6, 8)),
        Slider("height", "Height", 1, 6, 4, page=(1, 2, 3, 4, 6)),
    ),
    canvas=overlap_canvas,
    layers=(
        Layer(draw_sheet),
        Layer(draw_second, second_key),
        Layer(draw_common, common_part),
        Layer(draw_outlines, second_key),
    ),
    readout=(
        ("Blue box A, (x1, y1, x2, y2)", Layer(read_first)),
        ("Green box B, (x1, y1, x2, y2)", Layer(read_corners, second_key)),
        ("Intersection |A ∩ B|", Layer(read_common, common_part)),
        ("Union |A| + |B| − |A ∩ B|", Layer(read_union, areas_key)),
        ("IoU", Layer(read_iou)),
    ),
    presets=(
        ("One seventh", {}),
        ("The same box", {"x": 3, "y": 2}),
        ("One cell to the right", {"x": 4, "y": 2}),
        ("Inside", {"x": 4, "y": 3, "width": 4, "height": 2}),
        ("Touching", {"x": 9, "y": 2}),
    ),
    size=(7.2, 7.2 * (DOWN + 2 * MARGIN) / (ACROSS + 2 * MARGIN)),
)

# which anchors fit


HEIGHT, WIDTH = SIZE  # of the photograph, in pixels
FIGURE = (7.2, 7.2 * HEIGHT / WIDTH)


def photo_canvas(figure):
    """Return a board of the photograph's pixels."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_photo(ax):
    """Draw the photograph under everything else."""
    axes = ax.figure.add_axes((0, 0, 1, 1))
    # the pixels themselves, not resampled ones
    axes.imshow(coins().image, cmap="gray", interpolation="none", aspect="auto")
    axes.axis("off")


def draw_boxes(ax, boxes, colour, linewidth=2.4):
    """Draw boxes with a rim that sets them off from light and from dark pixels."""
    for box in boxes:
        draw_box(ax, box, edge=plotting.PAPER, linewidth=linewidth + 1.2)
    for box in boxes:
        draw_box(ax, box, edge=colour, linewidth=linewidth)


def draw_truth(ax):
    """Draw the boxes of the coins."""
    draw_boxes(ax, coins().truth, plotting.BLUE, linewidth=1.5)


def columns_of(rows):
    """Return how many columns make the grid's cells about square."""
    return round(rows * WIDTH / HEIGHT)


@cache
def anchors_on_photo(rows, size, ratio):
    """Return the anchors in pixels."""
    shares = anchor_boxes(
        rows, columns_of(rows), sizes=[size], ratios=[ratio], image_size=SIZE
    )
    return shares * [WIDTH, HEIGHT, WIDTH, HEIGHT]


@cache
def matched(rows, size, ratio, threshold):
    """Return which anchors get a coin, and which of these only as the best one left."""
    anchors = anchors_on_photo(rows, size, ratio)
    assigned = assign_anchors(anchors, coins().truth, iou_threshold=threshold)
    iou = box_iou(anchors, coins().truth)
    positive = assigned >= 0
    own = iou[np.arange(len(anchors)), assigned]
    close = positive & (own >= threshold)
    return {
        "assigned": assigned,
        "close": tuple(np.flatnonzero(close).tolist()),
        "forced": tuple(np.flatnonzero(positive & ~close).tolist()),
    }


def draw_centres(ax, rows):
    """Dot the centres of the grid's cells."""
    columns = columns_of(rows)
    for i in range(rows):
        xs = (np.arange(columns) + 0.5) * WIDTH / columns
        style = {"linestyle": "none", "marker": "o", "markersize": 3}
        y = np.full(columns, (i + 0.5) * HEIGHT / rows)
        draw_line(
            ax, xs, y, color=plotting.PAPER, markeredgecolor=plotting.INK, **style
        )


def draw_matches(ax, rows, size, ratio, pairs, colour):
    """Draw anchors, each with a line from its centre to that of its coin."""
    which = [anchor for anchor, _ in pairs]
    boxes = anchors_on_photo(rows, size, ratio)[which]
    targets = coins().truth[[coin for _, coin in pairs]]
    draw_boxes(ax, boxes, colour)
    for ends in zip(centres(boxes), centres(targets), strict=True):
        for shade, linewidth in ((plotting.PAPER, 3.0), (colour, 1.6)):
            draw_line(ax, *np.transpose(ends), color=shade, linewidth=linewidth)


def centres(boxes):
    """Return the centres (n, 2) of boxes."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def pairs_key(kind, rows, size, ratio, threshold):
    """The anchors matched in one way, each with the index of its coin."""
    match = matched(rows, size, ratio, threshold)
    pairs = tuple((i, int(match["assigned"][i])) for i in match[kind])
    return {"rows": rows, "size": size, "ratio": ratio, "pairs": pairs}


def draw_close(ax, rows, size, ratio, pairs):
    """Draw the anchors whose IoU with their coin reaches the threshold."""
    draw_matches(ax, rows, size, ratio, pairs, plotting.GREEN)


def draw_forced(ax, rows, size, ratio, pairs):
    """Draw the anchors that were the best one left for a coin."""
    draw_matches(ax, rows, size, ratio, pairs, plotting.ORANGE)


def close_key(rows, size, ratio, threshold):
    """The anchors whose IoU with their coin reaches the threshold."""
    return pairs_key("close", rows, size, ratio, threshold)


def forced_key(rows, size, ratio, threshold):
    """The anchors that were the best one left for a coin."""
    return pairs_key("forced", rows, size, ratio, threshold)


def read_anchors(rows):
    """Count the anchors."""
    columns = columns_of(rows)
    return f"{rows} · {columns} · 1 = {rows * columns}"


def read_shape(size, ratio):
    """Say how large an anchor is."""
    x1, y1, x2, y2 = anchors_on_photo(2, size, ratio)[0]
    return f"{x2 - x1:.0f} × {y2 - y1:.0f} (s · {HEIGHT} = {size * HEIGHT:.0f})"


def matches_key(rows, size, ratio, threshold):
    """How many anchors are matched, and how many coins have none."""
    match = matched(rows, size, ratio, threshold)
    taken = {int(j) for j in match["assigned"] if j >= 0}
    return {
        "close": len(match["close"]),
        "forced": len(match["forced"]),
        "background": int(np.sum(match["assigned"] < 0)),
        "without": len(coins().truth) - len(taken),
    }


def read_matches(close, forced, background, without):
    """Say how many anchors are matched in which way."""
    return f"{close} by IoU, {forced} as the best one left; {background} background"


def read_without(close, forced, background, without):
    """Count the coins that no anchor learns."""
    return f"{without} of {len(coins().truth)}"


anchor_explorer = Explorer(
    name="anchor-boxes",
    module=__name__,
    title="Which anchors learn a coin?",
    description=(
        "A photograph of 24 coins with their true boxes (blue) and the centres of a"
        " grid of anchors (dots). Anchors that are assigned to a coin because their IoU"
        " with it reaches the threshold are green; those that are only the best one"
        " left for a coin are orange. A line leads from the centre of an anchor to that"
        " of its coin. All other anchors are background and not drawn."
    ),
    controls=(
        Slider("rows", "Rows of the grid", 2, 16, 12, page=(2, 4, 6, 8, 12, 16)),
        Slider(
            "size",
            "Size s",
            0.06,
            0.4,
            0.16,
            step=0.02,
            page=(0.08, 0.12, 0.16, 0.2, 0.3),
        ),
        Slider("ratio", "Ratio r", 0.25, 4, 1, step=0.25, page=(0.25, 0.5, 1, 2, 4)),
        Slider("threshold", "IoU threshold", 0.3, 0.7, 0.5, step=0.1),
    ),
    canvas=photo_canvas,
    layers=(
        Layer(draw_photo),
        Layer(draw_truth),
        Layer(draw_close, close_key),
        Layer(draw_forced, forced_key),
        Layer(draw_centres),
    ),
    readout=(
        ("Anchors", Layer(read_anchors)),
        ("Each one, in pixels", Layer(read_shape)),
        ("Assigned", Layer(read_matches, matches_key)),
        ("Coins that no anchor learns", Layer(read_without, matches_key)),
    ),
    presets=(
        ("Squares of the right size", {}),
        ("Too few", {"rows": 2}),
        ("Denser", {"rows": 16}),
        ("Wide", {"ratio": 2}),
        ("Too large", {"size": 0.3}),
    ),
    size=FIGURE,
)

# which detections stay


@cache
def detections(score, threshold):
    """Return the candidates from a score on, and which of these are kept."""
    scene = coins()
    enough = scene.scores >= score
    boxes = scene.candidates[enough]
    kept = nms(boxes, scene.scores[enough], iou_threshold=threshold)
    return boxes, tuple(kept.tolist())


def draw_candidates(ax, score):
    """Draw thinly what the detector proposes."""
    boxes, _ = detections(score, 1)
    for box in boxes:
        draw_box(ax, box, edge=plotting.ORANGE, linewidth=0.8)


def kept_key(score, threshold):
    """The boxes that are kept."""
    boxes, kept = detections(score, threshold)
    return {"boxes": tuple(tuple(boxes[i].tolist()) for i in kept)}


def draw_kept(ax, boxes):
    """Draw what is kept."""
    draw_boxes(ax, boxes, plotting.GREEN, linewidth=1.8)


def read_candidates(score):
    """Count what the detector proposes."""
    boxes, _ = detections(score, 1)
    return f"{len(boxes)}"


def kept_counts(score, threshold):
    """How many boxes are kept, and how many coins have one, or several, of them."""
    boxes, kept = detections(score, threshold)
    iou = box_iou(boxes[list(kept)], coins().truth)
    found = np.sum(iou >= 0.5, axis=0)
    return {
        "kept": len(kept),
        "found": int(np.sum(found > 0)),
        "twice": int(np.sum(found > 1)),
    }


def read_kept(kept, found, twice):
    """Count the boxes that are kept."""
    return f"{kept}"


def read_found(kept, found, twice):
    """Count the coins that have a box."""
    total = len(coins().truth)
    return f"{found} of {total}, {twice} of them more than once"


suppression_explorer = Explorer(
    name="box-suppression",
    module=__name__,
    title="Which detections stay?",
    description=(
        "A photograph of 24 coins with the squares that a simple detector takes for"
        " coins (thin, orange), and those that non-maximum suppression keeps (green)."
    ),
    controls=(
        Slider("score", "Score from", 0.5, 0.8, 0.6, step=0.05),
        Slider("threshold", "IoU threshold", 0, 1, 0.7, step=0.1),
    ),
    canvas=photo_canvas,
    layers=(Layer(draw_photo), Layer(draw_candidates), Layer(draw_kept, kept_key)),
    readout=(
        ("Candidates", Layer(read_candidates)),
        ("Kept", Layer(read_kept, kept_counts)),
        ("Coins found, with an IoU of at least 0.5", Layer(read_found, kept_counts)),
    ),
    presets=(
        ("Several boxes a coin", {}),
        ("One box a coin", {"threshold": 0.5}),
        ("Nothing suppressed", {"threshold": 1}),
        ("Too picky", {"score": 0.8, "threshold": 0.5}),
    ),
    size=FIGURE,
)
