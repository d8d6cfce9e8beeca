"""Explorer of softmax: scores to probabilities, and how the loss pushes the scores."""

import functools
import math

import numpy as np

from notebook_utils import plotting
from notebook_utils.explorers import _bars
from notebook_utils.explorers._bars import (
    BOTTOM,
    CLASSES,
    HEIGHT,
    LEFTS,
    MIDDLE,
    SPAN,
    WIDTH,
    Bars,
    canvas,
    in_digits,
    listed,
)
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_line
from notebook_utils.softmax import (
    cross_entropy,
    cross_entropy_backward,
    log_softmax,
    softmax,
)

MAX_SCORE = 4
GROUPS = {
    "scores": Bars(
        "scores z",
        "true class underlined",
        LEFTS[0],
        MIDDLE,
        SPAN / 2 / MAX_SCORE,
        0,
        (-4, 0, 4),
    ),
    "chances": Bars(
        "p = softmax(z / T)", "dashed: at T = 1", LEFTS[1], BOTTOM, SPAN, 2, (0, 0.5, 1)
    ),
    "pushes": Bars(
        "p − y", "below 0: z is raised", LEFTS[2], MIDDLE, SPAN / 2, 2, (-1, 0, 1)
    ),
}


@functools.cache
def chances(cat, car, frog, temperature):
    """Return the probabilities."""
    return softmax([cat, car, frog], temperature=temperature)


@functools.cache
def pushes(cat, car, frog, temperature, truth):
    """Return p − y, the gradient of the loss with respect to z / T."""
    scaled = np.array([[cat, car, frog]]) / temperature
    return cross_entropy_backward(scaled, [CLASSES.index(truth)])[0]


def draw_ground(ax):
    """Draw what stays: titles, lines at the marks, names of the classes."""
    for group in GROUPS.values():
        _bars.draw_group(ax, group)


def draw_bar(ax, where, i, value):
    """Draw one bar, and write its value below."""
    _bars.draw_bar(ax, GROUPS[where], i, value)


def draw_unscaled(ax, i, value):
    """Outline a bar as it would be at temperature 1."""
    xs, ys = GROUPS["chances"].outline(i, value)
    dashes = (0, (2, 2))
    draw_line(ax, xs, ys, color=plotting.MUTED, linewidth=1.1, linestyle=dashes)


def draw_truth(ax, truth):
    """Underline the true class."""
    _bars.draw_truth(ax, GROUPS.values(), truth)


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
    return f"{in_digits(-float(p @ log_p), 3)} of at most log 3 = {most:.3f}"


def read_loss(cat, car, frog, temperature, truth):
    """Compute the loss."""
    scaled = np.array([[cat, car, frog]]) / temperature
    return in_digits(float(cross_entropy(scaled, [CLASSES.index(truth)])), 3)


def read_gradient(cat, car, frog, temperature, truth):
    """Compute the gradient with respect to the scores themselves."""
    return listed(pushes(cat, car, frog, temperature, truth) / temperature)


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
