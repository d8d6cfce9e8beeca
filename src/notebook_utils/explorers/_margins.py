"""Explorer of margins: SVM against softmax on three scores."""

import functools

from notebook_utils import plotting
from notebook_utils.explorers import _bars
from notebook_utils.explorers._bars import (
    CLASSES,
    LEFTS,
    MIDDLE,
    SPAN,
    Bars,
    in_digits,
    listed,
)
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.losses import multiclass_hinge_loss, multiclass_hinge_loss_backward
from notebook_utils.plotting import draw_line
from notebook_utils.softmax import cross_entropy, cross_entropy_backward

LOW, HIGH = -4, 6
UNIT = SPAN / (HIGH - LOW)
GROUPS = {
    "scores": Bars(
        "scores s",
        "dashed: truth − margin",
        LEFTS[0],
        MIDDLE + UNIT,
        UNIT,
        1,
        (-4, 0, 6),
    ),
    "hinge": Bars(
        "hinge slopes",
        "below 0: s is raised",
        LEFTS[1],
        MIDDLE - SPAN / 6,
        SPAN / 3,
        0,
        (-2, -1, 0, 1),
    ),
    "softmax": Bars(
        "softmax slopes", "p − y", LEFTS[2], MIDDLE, SPAN / 2, 2, (-1, 0, 1)
    ),
}


@functools.cache
def hinge_slopes(cat, car, frog, margin, truth):
    """Return the gradient of the hinge loss."""
    batch = [[cat, car, frog]], [CLASSES.index(truth)]
    return multiclass_hinge_loss_backward(*batch, margin=margin)[0]


@functools.cache
def softmax_slopes(cat, car, frog, truth):
    """Return the gradient of softmax's loss."""
    return cross_entropy_backward([[cat, car, frog]], [CLASSES.index(truth)])[0]


def draw_ground(ax):
    """Draw what stays: titles, lines at the marks, names of the classes."""
    for group in GROUPS.values():
        _bars.draw_group(ax, group)


def draw_bar(ax, where, i, value, is_near):
    """Draw one bar; red edges mark a class that comes too near."""
    edge = plotting.RED if is_near else None
    _bars.draw_bar(ax, GROUPS[where], i, value, edge=edge)


def draw_level(ax, level):
    """Draw how high a wrong class may come, if the group reaches as low."""
    if level is None:
        return
    group = GROUPS["scores"]
    row, ends = group.row(level), [group.left - 0.1, group.right + 0.1]
    style = {"color": plotting.RED, "linewidth": 1.6, "linestyle": (0, (4, 2))}
    draw_line(ax, ends, [row, row], **style)


def draw_truth(ax, truth):
    """Underline the true class."""
    _bars.draw_truth(ax, GROUPS.values(), truth)


def score_layer(i):
    """Bar i of the scores, marked where it comes nearer than the margin."""

    def value(cat, car, frog, margin, truth):
        slope = hinge_slopes(cat, car, frog, margin, truth)[i]
        score = (cat, car, frog)[i]
        return {"where": "scores", "i": i, "value": score, "is_near": bool(slope > 0)}

    return Layer(draw_bar, value)


def hinge_layer(i):
    """Bar i of the hinge's slopes."""

    def value(cat, car, frog, margin, truth):
        slope = float(hinge_slopes(cat, car, frog, margin, truth)[i])
        return {"where": "hinge", "i": i, "value": slope + 0.0, "is_near": slope > 0}

    return Layer(draw_bar, value)


def softmax_layer(i):
    """Bar i of softmax's slopes, to two digits."""

    def value(cat, car, frog, truth):
        slope = round(float(softmax_slopes(cat, car, frog, truth)[i]), 2)
        return {"where": "softmax", "i": i, "value": slope + 0.0, "is_near": False}

    return Layer(draw_bar, value)


def level_key(cat, car, frog, margin, truth):
    """The true class's score, less the margin, or None below the lowest score."""
    level = round((cat, car, frog)[CLASSES.index(truth)] - margin, 2)
    return {"level": level if level >= LOW else None}


def read_hinge(cat, car, frog, margin, truth):
    """Fill in the hinge loss, term by term."""
    scores, true = (cat, car, frog), (cat, car, frog)[CLASSES.index(truth)]
    terms = [
        f"max(0, {in_digits(score, 1)} − {in_digits(true, 1)} + {margin:g})".replace(
            "− −", "+ "
        )
        for name, score in zip(CLASSES, scores, strict=True)
        if name != truth
    ]
    loss = multiclass_hinge_loss([scores], [CLASSES.index(truth)], margin=margin)
    return f"{' + '.join(terms)} = {in_digits(float(loss), 2)}"


def read_squared(cat, car, frog, margin, truth):
    """Compute the squared hinge loss."""
    batch = [[cat, car, frog]], [CLASSES.index(truth)]
    return in_digits(float(multiclass_hinge_loss(*batch, margin=margin, p=2)), 2)


def read_softmax(cat, car, frog, truth):
    """Compute softmax's loss."""
    loss = cross_entropy([[cat, car, frog]], [CLASSES.index(truth)])
    return in_digits(float(loss), 4)


def read_slopes(cat, car, frog, truth):
    """List softmax's slopes to three digits."""
    return listed(softmax_slopes(cat, car, frog, truth))


def score_slider(name, default, page):
    """Make the slider of one class's score."""
    return Slider(name, f"Score of {name}", LOW, HIGH, default, 0.1, page)


svm_against_softmax = Explorer(
    name="svm-against-softmax",
    module=__name__,
    title="Which loss does a score move?",
    description=(
        "Three groups of three bars, one for each class: left the scores, in the middle"
        " the slopes of the hinge loss, right those of softmax's loss. A dashed line"
        " lies below the true class's score by the margin, if that is not below −4;"
        " wrong classes above it have red edges. The true class is underlined."
    ),
    controls=(
        score_slider("cat", 3.2, (-4, -1.7, 0, 1.3, 2.2, 3.2, 4.5, 6)),
        score_slider("car", 5.1, (-4, 0, 2.5, 3.9, 4.4, 4.6, 4.9, 5.1, 6)),
        score_slider("frog", -1.7, (-4, -3.1, -1.7, 0, 2, 4, 6)),
        Slider("margin", "Margin", 0, 3, 1, 0.1, (0, 0.5, 1, 2, 3)),
        Choice("truth", "True class", CLASSES, "cat"),
    ),
    canvas=_bars.canvas,
    layers=(
        Layer(draw_ground),
        *(score_layer(i) for i in range(3)),
        *(hinge_layer(i) for i in range(3)),
        *(softmax_layer(i) for i in range(3)),
        Layer(draw_level, level_key),
        Layer(draw_truth),
    ),
    readout=(
        ("Hinge loss", Layer(read_hinge)),
        ("Squared hinge loss", Layer(read_squared)),
        ("Softmax's loss", Layer(read_softmax)),
        ("Slopes of softmax's loss, p − y", Layer(read_slopes)),
    ),
    size=(7.2, 7.2 * _bars.HEIGHT / _bars.WIDTH),
    presets=(
        ("Cat", {}),
        ("Car", {"cat": 1.3, "car": 4.9, "frog": 2, "truth": "car"}),
        ("Frog", {"cat": 2.2, "car": 2.5, "frog": -3.1, "truth": "frog"}),
        ("Just ahead", {"cat": 4.5, "car": 3.9, "frog": 0}),
        ("All zero", {"cat": 0, "car": 0, "frog": 0}),
    ),
)
