"""Explorers of losses: SVM against softmax, and the shapes of losses side by side."""

import functools

import numpy as np

from notebook_utils import plotting
from notebook_utils.explorers._bars import in_digits
from notebook_utils.explorers._margins import svm_against_softmax
from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import (
    Panel,
    draw_dots,
    draw_frame,
    draw_pieces,
    thin,
    write,
)
from notebook_utils.losses import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    focal_loss,
    focal_loss_backward,
    hinge_loss,
    hinge_loss_backward,
    huber_loss,
    huber_loss_backward,
    l1_loss,
    l1_loss_backward,
    mse_loss,
    mse_loss_backward,
    smooth_l1_loss,
    smooth_l1_loss_backward,
)

__all__ = ["binary_losses", "regression_losses", "svm_against_softmax"]

WIDTH, HEIGHT = 24, 13.2
REACH = 4  # of the horizontal axes
LEFT, RIGHT, TOP, SIDE, TALL = 1.6, 13.8, 3.1, 9.6, 8.2
STEPS = 321  # places at which a curve is computed
HALVES = tuple(x / 2 for x in range(-2 * REACH, 2 * REACH + 1))


def shape_panels(losses, slopes):
    """Place the panels of losses and slopes, from the ranges of their values."""
    across = (-REACH, REACH)
    return {
        "loss": Panel(LEFT, TOP, SIDE, TALL, across, losses),
        "slope": Panel(RIGHT, TOP, SIDE, TALL, across, slopes),
    }


REGRESSION = shape_panels((0, 6), (-4.5, 4.5))
BINARY = shape_panels((0, 6), (-4.5, 1))
RESIDUAL_LOSSES = {
    "square": (mse_loss, mse_loss_backward, plotting.RED, None),
    "absolute": (l1_loss, l1_loss_backward, plotting.ORANGE, None),
    "Huber": (huber_loss, huber_loss_backward, plotting.BLUE, "delta"),
    "smooth L1": (smooth_l1_loss, smooth_l1_loss_backward, plotting.GREEN, "beta"),
}


def shapes_canvas(figure):
    """Return a board for two panels."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_axes(ax, panels, across, names, ticks):
    """Draw frames, axes and marks; above both panels, the names of their curves."""
    for panel, title, marks in zip(
        panels.values(), ("loss", "slope"), ticks, strict=True
    ):
        draw_frame(ax, panel)
        middle = panel.left + panel.width / 2
        write(ax, middle, 2.15, title, ha="center", fontsize=16)
        bottom = panel.top + panel.height
        write(ax, middle, bottom + 1.5, across, ha="center", fontsize=14)
        for x in (-4, -2, 0, 2, 4):
            place = panel.place(np.array([[x, panel.ys[0]]]))[0]
            text = f"{x}".replace("-", "−")
            style = {"ha": "center", "fontsize": 13, "color": plotting.MUTED}
            write(ax, place[0], bottom + 0.55, text, **style)
        for y in marks:
            ends = panel.place(np.array([[-REACH, y], [REACH, y]], float))
            width = 1.2 if y == 0 else 0.6
            draw_pieces(ax, [ends], plotting.LINE, width)
            text = f"{y}".replace("-", "−")
            style = {"ha": "right", "fontsize": 13, "color": plotting.MUTED}
            write(ax, ends[0, 0] - 0.25, ends[0, 1], text, **style)
    letters = sum(len(name) + 3 for name in names)
    x = 0.5
    for name, colour in names.items():
        room = (WIDTH - 1) * (len(name) + 3) / letters
        style = {"ha": "center", "fontsize": 14, "color": colour}
        write(ax, x + room / 2, 0.6, name, **style)
        x += room


def draw_curve(ax, panel, function, colour, width=2.2):
    """Draw a function in a panel, cut to its edges."""
    xs = np.linspace(-REACH, REACH, STEPS)
    points = np.stack([xs, function(xs)], axis=1)
    pieces = [thin(piece) for piece in panel.cut(points)]
    draw_pieces(ax, pieces, colour, width)


def draw_place(ax, panel, x, value, colour):
    """Mark a value of a curve, if it lies in the panel."""
    point = np.array([[x, value]], float)
    if panel.holds(point)[0]:
        draw_dots(ax, panel.place(point), colour, 0.13)


def draw_upright(ax, panels, x):
    """Draw a line at a place in both panels."""
    for panel in panels.values():
        ends = panel.place(np.array([[x, panel.ys[0]], [x, panel.ys[1]]], float))
        draw_pieces(ax, [ends], plotting.MUTED, 1.0)


def draw_residual_ground(ax):
    """Draw what stays of the regression losses."""
    names = {name: colour for name, (*_, colour, _) in RESIDUAL_LOSSES.items()}
    ticks = (0, 2, 4, 6), (-4, -2, 0, 2, 4)
    draw_axes(ax, REGRESSION, "residual r", names, ticks)


def draw_residual(ax, r):
    """Draw a line at the residual."""
    draw_upright(ax, REGRESSION, r)


def residual_parts(name, width):
    """Return the loss and the slope of a residual as functions, and the colour."""
    loss, slope, colour, option = RESIDUAL_LOSSES[name]
    options = {"reduction": "none"} | ({option: width} if option else {})
    return (
        lambda r: loss(r, np.zeros_like(r), **options),
        lambda r: slope(r, np.zeros_like(r), **options),
        colour,
    )


def draw_residual_loss(ax, name, width):
    """Draw a loss and its slope."""
    *functions, colour = residual_parts(name, width)
    for panel, function in zip(REGRESSION.values(), functions, strict=True):
        draw_curve(ax, panel, function, colour)


def draw_residual_place(ax, name, width, r):
    """Mark the residual on a loss and on its slope."""
    *functions, colour = residual_parts(name, width)
    for panel, function in zip(REGRESSION.values(), functions, strict=True):
        draw_place(ax, panel, r, float(function(np.array(float(r)))), colour)


def residual_layers(name):
    """Return the layers of one loss: curve and place; its width is its own control."""
    option = RESIDUAL_LOSSES[name][3]

    def width(delta, beta):
        return {"delta": delta, "beta": beta}.get(option)

    def curve_key(delta, beta):
        return {"name": name, "width": width(delta, beta)}

    def place_key(delta, beta, r):
        return curve_key(delta, beta) | {"r": r}

    return Layer(draw_residual_loss, curve_key), Layer(draw_residual_place, place_key)


def read_residual(name):
    """Return a function that writes a loss and its slope at the residual."""

    def read(delta, beta, r):
        option = RESIDUAL_LOSSES[name][3]
        width = {"delta": delta, "beta": beta}.get(option)
        loss, slope, _ = residual_parts(name, width)
        values = (float(part(np.array(float(r)))) for part in (loss, slope))
        return "{}, slope {}".format(*(in_digits(value, 3) for value in values))

    return read


regression_losses = Explorer(
    name="regression-losses",
    module=__name__,
    title="How much does a large residual count?",
    description=(
        "Left, four losses of a residual between −4 and 4, each in its colour: its"
        " square, its absolute value, Huber's loss and smooth L1. Right, their slopes."
        " A line and dots mark one residual; dots beyond the panel are left out."
    ),
    controls=(
        Slider("r", "Residual r", -REACH, REACH, 2, 0.25, HALVES),
        Slider("delta", "Limit δ", 0.25, 4, 1, 0.25, (0.25, 0.5, 1, 2, 4)),
        Slider("beta", "Width β", 0, 4, 0.5, 0.25, (0, 0.25, 0.5, 1, 2, 4)),
    ),
    canvas=shapes_canvas,
    layers=(
        Layer(draw_residual_ground),
        Layer(draw_residual),
        *(residual_layers(name)[0] for name in RESIDUAL_LOSSES),
        *(residual_layers(name)[1] for name in RESIDUAL_LOSSES),
    ),
    readout=(
        ("Square r²", Layer(read_residual("square"))),
        ("Absolute value |r|", Layer(read_residual("absolute"))),
        ("Huber's loss", Layer(read_residual("Huber"))),
        ("Smooth L1", Layer(read_residual("smooth L1"))),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
    presets=(
        ("One outlier", {"r": 4}),
        ("Nearly right", {"r": 0.5}),
        ("Huber = half the square", {"delta": 4}),
        ("Smooth L1 = L1", {"beta": 0}),
        ("Both alike", {"delta": 1, "beta": 1}),
    ),
)


# losses of the score of what is true: beyond 0 the decision is right

SCORE_LOSSES = {
    "hinge": plotting.ORANGE,
    "squared hinge": plotting.RED,
    "cross-entropy": plotting.BLUE,
    "focal": plotting.GREEN,
}


def score_parts(name, margin, gamma):
    """Return the loss and the slope of a score as functions."""
    functions, options = {
        "hinge": ((hinge_loss, hinge_loss_backward), {"margin": margin}),
        "squared hinge": (
            (hinge_loss, hinge_loss_backward),
            {"margin": margin, "p": 2},
        ),
        "cross-entropy": (
            (
                binary_cross_entropy_with_logits,
                binary_cross_entropy_with_logits_backward,
            ),
            {},
        ),
        "focal": ((focal_loss, focal_loss_backward), {"alpha": None, "gamma": gamma}),
    }[name]
    return tuple(
        functools.partial(at_yes, each, options | {"reduction": "none"})
        for each in functions
    )


def at_yes(function, options, x):
    """Compute a loss, or its slope, where the truth is 1."""
    return function(x, np.ones_like(x), **options)


def draw_score_ground(ax):
    """Draw what stays of the binary losses, with mistakes counted."""
    names = SCORE_LOSSES | {"a mistake": plotting.MUTED}
    ticks = (0, 2, 4, 6), (-4, -2, 0)
    draw_axes(ax, BINARY, "score of what is true", names, ticks)
    step = BINARY["loss"].place(np.array([[-4, 1], [0, 1], [0, 0], [4, 0]], float))
    draw_pieces(ax, [step], plotting.MUTED, 1.4)


def draw_score(ax, x):
    """Draw a line at the score."""
    draw_upright(ax, BINARY, x)


def draw_score_loss(ax, name, margin, gamma):
    """Draw a loss and its slope."""
    parts = score_parts(name, margin, gamma)
    for panel, part in zip(BINARY.values(), parts, strict=True):
        draw_curve(ax, panel, part, SCORE_LOSSES[name])


def draw_score_place(ax, name, margin, gamma, x):
    """Mark the score on a loss and on its slope."""
    parts = score_parts(name, margin, gamma)
    for panel, part in zip(BINARY.values(), parts, strict=True):
        draw_place(ax, panel, x, float(part(np.array(float(x)))), SCORE_LOSSES[name])


def score_layers(name):
    """Return the layers of one loss, keyed by what it asks for: curve and place."""

    def curve_key(margin, gamma):
        return {
            "name": name,
            "margin": margin if "hinge" in name else None,
            "gamma": gamma if name == "focal" else None,
        }

    def place_key(margin, gamma, x):
        return curve_key(margin, gamma) | {"x": x}

    return Layer(draw_score_loss, curve_key), Layer(draw_score_place, place_key)


def read_score(name):
    """Return a function that writes a loss and its slope at the score."""

    def read(margin, gamma, x):
        values = (
            float(part(np.array(float(x)))) for part in score_parts(name, margin, gamma)
        )
        return "{}, slope {}".format(*(in_digits(value, 3) for value in values))

    return read


binary_losses = Explorer(
    name="binary-losses",
    module=__name__,
    title="Which answers does a loss still push?",
    description=(
        "Left, four losses of the score of what is true, from −4, surely wrong, to 4,"
        " surely right: hinge, squared hinge, cross-entropy and focal loss, and a step"
        " that counts a mistake as 1. Right, their slopes. A line and dots mark one"
        " score; dots beyond the panel are left out."
    ),
    controls=(
        Slider("x", "Score", -REACH, REACH, 0.5, 0.25, HALVES),
        Slider("margin", "Margin", 0, 3, 1, 0.25, (0, 0.5, 1, 2, 3)),
        Slider("gamma", "Fading γ", 0, 5, 2, 0.25, (0, 0.5, 1, 2, 5)),
    ),
    canvas=shapes_canvas,
    layers=(
        Layer(draw_score_ground),
        Layer(draw_score),
        *(score_layers(name)[0] for name in SCORE_LOSSES),
        *(score_layers(name)[1] for name in SCORE_LOSSES),
    ),
    readout=(
        ("Hinge", Layer(read_score("hinge"))),
        ("Squared hinge", Layer(read_score("squared hinge"))),
        ("Cross-entropy", Layer(read_score("cross-entropy"))),
        ("Focal loss, without α", Layer(read_score("focal"))),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
    presets=(
        ("Right, not sure", {}),
        ("Right and sure", {"x": 4}),
        ("Wrong and sure", {"x": -4}),
        ("Focal = cross-entropy", {"gamma": 0}),
        ("No margin", {"margin": 0}),
    ),
)
