"""Explorer of training recipes: lower the rate, or enlarge the batch?"""

from functools import lru_cache

import numpy as np

from notebook_utils import plotting, quadratic
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import (
    Panel,
    draw_frame,
    draw_pieces,
    power_of_ten,
    thin,
    write,
)
from notebook_utils.schedules import constant, cosine, inverse_time, step, warm_up

STEPS = 200
STEEPEST = 1.0  # the bowl's largest curvature; the smallest is a share of it
START = 10.0  # along both directions
DEVIATION = 3.0  # of one example's gradient
STAGE = 50  # steps until the rate falls by a step
WARM = 20  # steps of warm-up

SCHEDULES = {
    "constant": lambda t, rate: constant(t, lr=rate),
    "step": lambda t, rate: step(t, lr=rate, step_size=STAGE, gamma=0.3),
    "1/t": lambda t, rate: inverse_time(t, lr=rate, decay=0.1),
    "cosine": lambda t, rate: cosine(t, lr=rate, t_max=STEPS),
    "warm-up, cosine": lambda t, rate: (
        warm_up(t, total_iters=WARM, start_factor=0.05)
        * cosine(np.maximum(t - WARM, 0), lr=rate, t_max=STEPS - WARM)
    ),
}


def rates_of(schedule, rate):
    """Return the learning rate of each step."""
    return SCHEDULES[schedule](np.arange(STEPS), rate)


def curvatures_of(condition):
    """Return the curvatures along both directions of the bowl."""
    return STEEPEST * np.array([1 / condition, 1])


@lru_cache(maxsize=4096)
def losses_of(schedule, rate, condition, batch):
    """Return the expected loss at each step, in its two parts: (STEPS + 1, 2).

    The first is what is left of the distance, the second what the noise has brought.
    """
    return quadratic.expected_loss(
        curvatures_of(condition),
        rates_of(schedule, rate),
        start=np.full(2, START),
        variance=DEVIATION**2 / batch,
    )


# the board, in inches from the upper left

WIDTH, HEIGHT = 7.2, 3.6
TOP, SIDE = 0.4, 2.6
WORDS, TICKS = 15, 14  # sizes of type, legible on a phone
RATES = Panel(0.45, TOP, 2.15, SIDE, (0, STEPS), (0, 2))
LOWEST, HIGHEST = -4, 4  # powers of ten
LOSSES = Panel(3.35, TOP, 3.6, SIDE, (0, STEPS), (LOWEST, HIGHEST))


def canvas(figure):
    """Return a board in inches."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_axes(ax):
    """Draw what is the same at every setting."""
    powers = range(LOWEST, HIGHEST + 1, 2)
    for panel, values, texts in (
        (RATES, (0, 0.5, 1, 1.5, 2), ("0", "0.5", "1", "1.5", "2")),
        (LOSSES, powers, [power_of_ten(power) for power in powers]),
    ):
        places = panel.place(np.array([(0, value) for value in values]))
        lines = [np.array([(x, y), (x + panel.width, y)]) for x, y in places[1:-1]]
        draw_pieces(ax, lines, plotting.FAINT, 0.8)
        for text, (x, y) in zip(texts, places, strict=True):
            write(ax, x - 0.07, y, text, ha="right", fontsize=TICKS)
        bottom = panel.top + panel.height
        for value in (0, STEPS // 2, STEPS):
            x = panel.place(np.array([(value, values[0])]))[0, 0]
            write(ax, x, bottom + 0.2, f"{value}", ha="center", fontsize=TICKS)
        middle = panel.left + panel.width / 2
        write(ax, middle, bottom + 0.4, "step", ha="center", fontsize=TICKS)
        draw_frame(ax, panel)
    for panel, text in ((RATES, "learning rate"), (LOSSES, "loss")):
        write(ax, panel.left, 0.2, text, color=plotting.MUTED, fontsize=WORDS)
    right = LOSSES.left + LOSSES.width
    for back, text, colour in (
        (1.45, "distance", plotting.GREEN),
        (0.68, "noise", plotting.ORANGE),
        (0, "both", plotting.BLUE),
    ):
        write(ax, right - back, 0.2, text, color=colour, ha="right", fontsize=WORDS)


def draw_rates(ax, schedule, rate):
    """Draw the learning rate of each step."""
    points = np.stack([np.arange(STEPS), rates_of(schedule, rate)], axis=1)
    draw_pieces(ax, [thin(RATES.place(points))], plotting.INK, 2)


def draw_curve(ax, losses, colour, width):
    """Draw losses on the panel's logarithmic scale, cut to it."""
    heights = np.log10(np.clip(losses, 1e-99, 1e99))
    points = np.stack([np.arange(len(losses)), heights], axis=1)
    pieces = [thin(piece) for piece in LOSSES.cut(points)]
    draw_pieces(ax, pieces, colour, width)


def draw_distance(ax, schedule, rate, condition):
    """Draw the loss that there would be without noise."""
    losses = losses_of(schedule, rate, condition, 1)[:, 0]
    draw_curve(ax, losses, plotting.GREEN, 1.3)


def draw_noise(ax, schedule, rate, condition, batch):
    """Draw the loss that noise alone would bring, from the minimum on."""
    losses = losses_of(schedule, rate, condition, batch)[:, 1]
    draw_curve(ax, losses, plotting.ORANGE, 1.3)


def draw_both(ax, schedule, rate, condition, batch):
    """Draw the expected loss."""
    losses = losses_of(schedule, rate, condition, batch).sum(axis=1)
    draw_curve(ax, losses, plotting.BLUE, 2.2)


# the read-out


def figures(value):
    """Write a number to two digits, without an exponent."""
    if value < 1e-4:
        return "less than 0.0001"
    return f"{value:,.{max(1 - int(np.floor(np.log10(value))), 0)}f}"


def read_end(schedule, rate, condition, batch):
    """Split the loss at the end into its parts."""
    distance, noise = losses_of(schedule, rate, condition, batch)[-1]
    parts = f"distance {figures(distance)}, noise {figures(noise)}"
    return f"{figures(distance + noise)} ({parts})"


def read_floor(rate, condition, batch):
    """Fill in where noise comes to rest if the rate stays."""
    if rate * STEEPEST >= 2:
        return "none: it does not converge"
    curvatures = curvatures_of(condition)
    floor = quadratic.noise_floor(curvatures, rate, variance=DEVIATION**2 / batch)
    return figures(curvatures @ floor / 2)


def read_work(batch):
    """Count the examples."""
    return f"{STEPS} steps of {batch}: {STEPS * batch:,} examples"


explorer = Explorer(
    name="training-recipes",
    module=__name__,
    title="Lower the rate, or enlarge the batch?",
    description=(
        "Left, the learning rate over 200 steps. Right, on a logarithmic scale, the"
        " expected loss of stochastic descent on a bowl (blue), and its two parts: what"
        " is left of the distance (green), and what noise has brought (orange)."
    ),
    controls=(
        Choice("schedule", "Schedule", tuple(SCHEDULES), "constant"),
        Slider(
            "rate",
            "Largest learning rate η",
            0.01,
            2,
            0.3,
            step=0.01,
            page=(0.03, 0.1, 0.3, 1, 1.8, 2),
        ),
        Slider("batch", "Batch size b", 1, 256, 4, page=(1, 4, 16, 64, 256)),
        Slider("condition", "Condition number κ", 1, 100, 10, page=(1, 3, 10, 30, 100)),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_axes),
        Layer(draw_rates),
        Layer(draw_distance),
        Layer(draw_noise),
        Layer(draw_both),
    ),
    readout=(
        ("Expected loss at the end", Layer(read_end)),
        ("Floor, if η stayed", Layer(read_floor)),
        ("Work", Layer(read_work)),
    ),
    size=(WIDTH, HEIGHT),
    presets=(
        ("In between", {}),
        ("Fast and high", {"rate": 1}),
        ("Slow and low", {"rate": 0.03}),
        ("Fast, then low", {"rate": 1, "schedule": "cosine"}),
        ("A larger batch", {"rate": 1, "batch": 64}),
        ("A ravine", {"rate": 1, "schedule": "cosine", "condition": 100}),
    ),
)
