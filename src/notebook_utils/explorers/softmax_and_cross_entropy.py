"""Explorer of softmax: scores to probabilities, and how the loss pushes the scores."""

import functools
import math
from typing import NamedTuple

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_line
from notebook_utils.softmax import (
    cross_entropy,
    cross_entropy_backward,
    log_softmax,
    softmax,
)

CLASSES = ("cat", "car", "frog")
EDGES = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)
FACES = (plotting.SKY, plotting.PEACH, plotting.MINT)

WIDTH, HEIGHT = 25.4, 13.2
SLOT, BAR = 2.3, 1.5  # from bar to bar, and the width of one
MAX_SCORE = 4


class Panel(NamedTuple):
    """One group of bars: what it shows, and where its values lie on the board."""

    title: str
    hint: str
    left: float
    zero: float
    unit: float
    digits: int
    marks: tuple

    def row(self, value):
        """Return the row of the board at which a value lies."""
        return self.zero - value * self.unit

    @property
    def right(self):
        """Return where the panel ends."""
        return self.left + len(CLASSES) * SLOT


TOP, BOTTOM = 2.9, 9.5
VALUES, NAMES, UNDERLINE = 10.45, 11.75, 12.5  # rows below the bars
MIDDLE, SPAN = (TOP + BOTTOM) / 2, BOTTOM - TOP
PANELS = {
    "scores": Panel(
        "scores z",
        "true class underlined",
        1.1,
        MIDDLE,
        SPAN / 2 / MAX_SCORE,
        0,
        (-4, 0, 4),
    ),
    "chances": Panel(
        "p = softmax(z / T)", "dashed: at T = 1", 9.8, BOTTOM, SPAN, 2, (0, 0.5, 1)
    ),
    "pushes": Panel(
        "p − y", "below 0: z is raised", 18.5, MIDDLE, SPAN / 2, 2, (-1, 0, 1)
    ),
}


def write(number, digits):
    """Write a number with a true minus, and no minus before a zero."""
    text = f"{number:.{digits}f}"
    negative = text.startswith("-") and float(text) != 0
    return ("−" if negative else "") + text.removeprefix("-")


@functools.cache
def chances(cat, car, frog, temperature):
    """Return the probabilities."""
    return softmax([cat, car, frog], temperature=temperature)


@functools.cache
def pushes(cat, car, frog, temperature, truth):
    """Return p − y, the gradient of the loss with respect to z / T."""
    scaled = np.array([[cat, car, frog]]) / temperature
    return cross_entropy_backward(scaled, [CLASSES.index(truth)])[0]


def canvas(figure):
    """Return a board for the three panels."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def say(ax, x, y, text, **style):
    """Write on the board, centred."""
    style = {"color": plotting.INK, "fontsize": 15} | style
    ax.add_artist(Text(x, y, text, ha="center", va="center", **style))


def draw_ground(ax):
    """Draw what stays: titles, lines at the marks, names of the classes."""
    for panel in PANELS.values():
        middle = (panel.left + panel.right) / 2
        say(ax, middle, 0.6, panel.title, fontsize=16)
        say(ax, middle, 1.75, panel.hint, color=plotting.MUTED, fontsize=13)
        for mark in panel.marks:
            row, style = panel.row(mark), {"color": plotting.LINE, "linewidth": 0.8}
            if mark == 0:
                style = {"color": plotting.MUTED, "linewidth": 1.2}
            draw_line(ax, [panel.left, panel.right], [row, row], **style)
            text = f"{mark:g}".replace("-", "−")
            say(ax, panel.left - 0.6, row, text, color=plotting.MUTED, fontsize=13)
        for i, name in enumerate(CLASSES):
            say(ax, middle_of(panel, i), NAMES, name)


def middle_of(panel, i):
    """Return the column of the middle of bar i."""
    return panel.left + (i + 0.5) * SLOT


def outline(panel, i, value):
    """Return the corners of a bar."""
    left, right = middle_of(panel, i) - BAR / 2, middle_of(panel, i) + BAR / 2
    low, high = panel.row(0), panel.row(value)
    return [left, right, right, left, left], [low, low, high, high, low]


def draw_bar(ax, where, i, value):
    """Draw one bar, and write its value below the panel, clear of all bars."""
    panel = PANELS[where]
    xs, ys = outline(panel, i, value)
    style = {"facecolor": FACES[i], "edgecolor": EDGES[i], "linewidth": 1.4}
    corners = np.stack([xs, ys], axis=1)
    ax.add_artist(PathPatch(Path(corners), clip_on=False, **style))
    say(ax, middle_of(panel, i), VALUES, write(value, panel.digits), fontsize=14)


def draw_unscaled(ax, i, value):
    """Outline a bar as it would be at temperature 1."""
    xs, ys = outline(PANELS["chances"], i, value)
    dashes = (0, (2, 2))
    draw_line(ax, xs, ys, color=plotting.MUTED, linewidth=1.1, linestyle=dashes)


def draw_truth(ax, truth):
    """Underline the true class."""
    for panel in PANELS.values():
        middle = middle_of(panel, CLASSES.index(truth))
        ends = [middle - 0.9, middle + 0.9]
        draw_line(ax, ends, [UNDERLINE, UNDERLINE], color=plotting.INK, linewidth=2.2)


def score_layer(i):
    """Bar i of the scores."""

    def value(cat, car, frog):
        return {"where": "scores", "i": i, "value": (cat, car, frog)[i]}

    return Layer(draw_bar, value)


def chance_layer(i):
    """Bar i of the probabilities, to two digits, as is written on it."""

    def value(cat, car, frog, temperature):
        p = round(float(chances(cat, car, frog, temperature)[i]), 2)
        return {"where": "chances", "i": i, "value": p}

    return Layer(draw_bar, value)


def unscaled_layer(i):
    """Bar i of the probabilities at temperature 1, as an outline."""

    def value(cat, car, frog):
        return {"i": i, "value": round(float(chances(cat, car, frog, 1)[i]), 2)}

    return Layer(draw_unscaled, value)


def push_layer(i):
    """Bar i of p − y, to two digits."""

    def value(cat, car, frog, temperature, truth):
        push = round(float(pushes(cat, car, frog, temperature, truth)[i]), 2)
        return {"where": "pushes", "i": i, "value": push + 0.0}  # no −0

    return Layer(draw_bar, value)


def read_chances(cat, car, frog, temperature):
    """List the probabilities."""
    return listed(chances(cat, car, frog, temperature))


def read_entropy(cat, car, frog, temperature):
    """Compute the entropy of the probabilities."""
    p = chances(cat, car, frog, temperature)
    log_p = log_softmax([cat, car, frog], temperature=temperature)
    most = math.log(len(CLASSES))
    return f"{write(-float(p @ log_p), 3)} of at most log 3 = {most:.3f}"


def read_loss(cat, car, frog, temperature, truth):
    """Compute the loss."""
    scaled = np.array([[cat, car, frog]]) / temperature
    return write(float(cross_entropy(scaled, [CLASSES.index(truth)])), 3)


def read_gradient(cat, car, frog, temperature, truth):
    """Compute the gradient with respect to the scores themselves."""
    return listed(pushes(cat, car, frog, temperature, truth) / temperature)


def listed(values):
    """Write three numbers."""
    return ", ".join(write(float(value), 3) for value in values)


PAGE_TEMPERATURES = (0.1, 0.2, 0.5, 1, 2, 5, 10)


def score_slider(name, default):
    """Make the slider of one class's score."""
    label = f"Score of {name}"
    return Slider(name, label, -MAX_SCORE, MAX_SCORE, default)


explorer = Explorer(
    name="softmax-and-cross-entropy",
    module=__name__,
    title="Where does the probability go, and where does the loss push?",
    description=(
        "Three groups of three bars, one for each class: left the scores, in the middle"
        " their probabilities at the temperature chosen (dashed: at temperature 1),"
        " right what the loss does to the scores. Where a bar on the right is negative,"
        " a step of gradient descent raises the score. The true class is underlined."
    ),
    controls=(
        score_slider("cat", 2),
        score_slider("car", 1),
        score_slider("frog", -1),
        Slider("temperature", "Temperature", 0.1, 10, 1, 0.1, PAGE_TEMPERATURES),
        Choice("truth", "True class", CLASSES, "car"),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_ground),
        *(score_layer(i) for i in range(3)),
        *(chance_layer(i) for i in range(3)),
        *(unscaled_layer(i) for i in range(3)),
        *(push_layer(i) for i in range(3)),
        Layer(draw_truth),
    ),
    readout=(
        ("Probabilities p", Layer(read_chances)),
        ("Entropy of p, in nats", Layer(read_entropy)),
        ("Loss L = −log p of the true class", Layer(read_loss)),
        ("Gradient ∂L/∂z = (p − y) / T", Layer(read_gradient)),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
    presets=(
        ("Nearly right", {}),
        ("Right and sure", {"cat": -1, "car": 4, "frog": -2}),
        ("Wrong and sure", {"cat": 4, "car": -2, "frog": -1}),
        ("Know nothing", {"cat": 0, "car": 0, "frog": 0}),
        ("Cold", {"temperature": 0.2}),
        ("Hot", {"temperature": 5}),
    ),
)
