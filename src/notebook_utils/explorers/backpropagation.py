"""Explorers of backpropagation: gradients through a pool, and through a kernel."""

from functools import lru_cache
from itertools import product

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from notebook_utils import plotting
from notebook_utils.convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    output_size,
)
from notebook_utils.explorers._convolution_backwards import convolution_explorer
from notebook_utils.explorers._numbers import (
    draw_outline,
    plural,
    square,
    tell,
    write_number,
)
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import write
from notebook_utils.plotting import draw_cells, draw_line

__all__ = ["convolution_explorer", "pooling_explorer"]

# A board of four panels, in cells. Forwards above, backwards below.
SIDE = 6
LEFT, RIGHT, TOP, BOTTOM = 0.3, 7.5, 1.0, 8.5
WIDTH, HEIGHT = 13.8, 14.8
PICTURES = {
    "digits": (
        (3, 1, 4, 1, 5, 9),
        (2, 6, 5, 3, 8, 7),
        (0, 9, 2, 7, 1, 4),
        (8, 2, 1, 6, 3, 5),
        (5, 7, 3, 0, 9, 2),
        (4, 6, 8, 2, 1, 7),
    ),
    "ties": (
        (2, 2, 5, 5, 1, 1),
        (2, 2, 5, 5, 1, 1),
        (3, 3, 0, 0, 5, 5),
        (3, 3, 0, 0, 5, 5),
        (4, 4, 4, 4, 4, 4),
        (1, 4, 4, 4, 4, 1),
    ),
    "signs": (
        (3, -1, 4, -1, 5, -9),
        (-2, 6, -5, 3, -8, 7),
        (0, -9, 2, -7, 1, -4),
        (8, -2, 1, -6, 3, -5),
        (-5, 7, -3, 0, -9, 2),
        (4, -6, 8, -2, 1, -7),
    ),
}
MAX, MEAN, NORM = "max", "mean", "Lᵖ norm"
ALL, ONE = "all outputs", "this output"


def _pools(kind, p):
    """Return a pool and its backward, with p put in."""
    if kind == NORM:
        return (
            lambda x, *window, **stride: lp_pool2d(x, p, *window, **stride),
            lambda g, x, *window, **stride: lp_pool2d_backward(
                g, x, p, *window, **stride
            ),
        )
    if kind == MAX:
        return max_pool2d, max_pool2d_backward
    return avg_pool2d, avg_pool2d_backward


@lru_cache(maxsize=2**13)
def pooled(picture, kind, p, kernel, stride):
    """Pool a picture; return the outputs as rows of numbers."""
    forward, _ = _pools(kind, p)
    x = np.array(PICTURES[picture], float)[None, None]
    return tuple(map(tuple, forward(x, kernel, stride=stride)[0, 0].tolist()))


@lru_cache(maxsize=2**13)
def sent_back(picture, kind, p, kernel, stride, cell):
    """Carry a gradient of 1 back from one output, or from all where `cell` is None."""
    _, backward = _pools(kind, p)
    side = output_size(SIDE, kernel, stride=stride)
    grad = np.ones((side, side)) if cell is None else np.zeros((side, side))
    if cell is not None:
        grad[cell] = 1
    x = np.array(PICTURES[picture], float)[None, None]
    back = backward(grad[None, None], x, kernel, stride=stride)[0, 0]
    # nine digits: equal gradients are equal, and none that is tiny becomes 0
    return tuple(tuple(float(f"{g:.9g}") for g in row) for row in back.tolist())


def count_windows(kernel, stride):
    """Return how many outputs the pool has."""
    return output_size(SIDE, kernel, stride=stride) ** 2


def place(kernel, stride, step):
    """Return row and column of an output."""
    return divmod(step, output_size(SIDE, kernel, stride=stride))


def canvas(figure):
    """Return a board for the four panels."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def _arrow(ax, x, y, down=0.0, right=0.0):
    """Draw an arrow from a place."""
    style = {"color": plotting.MUTED, "linewidth": 1.6}
    draw_line(ax, [x, x + right], [y, y + down], **style)
    length = abs(down + right)
    u, v = right / length, down / length
    for turn in (1, -1):
        back = (-0.3 * u - 0.2 * turn * v, -0.3 * v + 0.2 * turn * u)
        ends = [x + right, x + right + back[0]], [y + down, y + down + back[1]]
        draw_line(ax, *ends, **style)


def draw_titles(ax):
    """Name the panels, and show which way the numbers go."""
    for x, y, text in (
        (LEFT, TOP, "input x"),
        (RIGHT, TOP, "output y"),
        (LEFT, BOTTOM, "gradient ∂L/∂x"),
        (RIGHT, BOTTOM, "gradient ∂L/∂y"),
    ):
        write(ax, x, y - 0.45, text, fontsize=13.5, color=plotting.MUTED)
    _arrow(ax, LEFT + SIDE + 0.15, TOP + SIDE / 2, right=0.9)
    _arrow(ax, RIGHT - 0.15, BOTTOM + SIDE / 2, right=-0.9)


def draw_input(ax, picture):
    """Draw the input's cells and their numbers."""
    draw_cells(
        ax, square(TOP, LEFT, SIDE), size=0.92, face=plotting.SKY, edge=plotting.BLUE
    )
    for r, row in enumerate(PICTURES[picture]):
        for c, value in enumerate(row):
            write_number(ax, TOP + r, LEFT + c, value, size=14)


def output_key(picture, kind, p, kernel, stride):
    """The outputs alone: many settings have the same."""
    return {"values": pooled(picture, kind, p, kernel, stride)}


def draw_output(ax, values):
    """Draw the outputs; a click on one chooses it."""
    side = len(values)
    style = {"face": plotting.MINT, "edge": plotting.GREEN, "size": 0.92}
    cells = square(TOP, RIGHT, side)
    draw_cells(ax, cells, gid=lambda i: f"set:step={i}", **style)
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            write_number(ax, TOP + r, RIGHT + c, value, size=13)


def delta_key(which, kernel, stride, step):
    """How many outputs there are, and which of them sends a gradient."""
    side = output_size(SIDE, kernel, stride=stride)
    return {"side": side, "cell": None if which == ALL else divmod(step, side)}


def draw_delta(ax, side, cell):
    """Draw the gradient that comes in: 1 from each output, or from one."""
    cells = square(BOTTOM, RIGHT, side)
    style = {"face": plotting.FAINT, "edge": plotting.LINE, "size": 0.92}
    draw_cells(ax, cells, gid=lambda i: f"set:step={i}", **style)
    for r, c in product(range(side), repeat=2):
        if cell in (None, (r, c)):
            _draw_share(ax, BOTTOM + r, RIGHT + c, 1.0, 1.0)


def back_key(picture, kind, p, kernel, stride, which, step):
    """The gradient at the input alone."""
    cell = None if which == ALL else place(kernel, stride, step)
    return {"values": sent_back(picture, kind, p, kernel, stride, cell)}


def draw_back(ax, values):
    """Draw the gradient at the input: each cell filled to its share of the largest."""
    style = {"face": plotting.PAPER, "edge": plotting.LINE, "size": 0.92}
    draw_cells(ax, square(BOTTOM, LEFT, SIDE), **style)
    largest = max(abs(value) for row in values for value in row)
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            if value:
                _draw_share(ax, BOTTOM + r, LEFT + c, value, abs(value) / largest)


def _draw_share(ax, row, column, value, share):
    """Fill a cell from below, up to its share, and write the number."""
    face = plotting.PEACH if value < 0 else plotting.SKY
    left, right, floor = column + 0.04, column + 0.96, row + 0.96
    top = floor - 0.92 * share
    corners = [(left, floor), (left, top), (right, top), (right, floor), (left, floor)]
    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY]
    style = {"facecolor": face, "edgecolor": "none"}
    ax.add_artist(PathPatch(Path(corners, codes), clip_on=False, **style))
    edge = plotting.ORANGE if value < 0 else plotting.BLUE
    draw_cells(ax, [(row, column)], edge=edge, size=0.92)
    text = _tell_share(value)
    if abs(value) < 1:
        text = text.replace("0.", ".")  # leaves room for larger digits
    write(ax, column + 0.5, row + 0.53, text, ha="center", fontsize=13)


def _tell_share(value):
    """Write a gradient: two decimals, and no 0 for one that is only small."""
    text = tell(value)
    if text == "0" and value:
        return "≈0"
    short = "." in text and abs(value) < 10
    return f"{value:.2f}".replace("-", "−") if short else text


def window_key(kernel, stride, step):
    """Where the chosen window and its output lie."""
    row, column = place(kernel, stride, step)
    return {
        "top": row * stride,
        "left": column * stride,
        "kernel": kernel,
        "row": row,
        "column": column,
    }


def draw_window(ax, top, left, kernel, row, column):
    """Frame the chosen window, above and below, and its output."""
    for y in (TOP, BOTTOM):
        draw_outline(ax, y + top, LEFT + left, kernel)
        draw_outline(ax, y + row, RIGHT + column, 1)


def window_cells(picture, kernel, stride, step):
    """Return the numbers in the chosen window."""
    row, column = (stride * each for each in place(kernel, stride, step))
    rows = PICTURES[picture][row : row + kernel]
    return {"cells": tuple(each for r in rows for each in r[column : column + kernel])}


def between_key(picture, kernel, stride, step, p):
    """The chosen window's numbers, and p."""
    return window_cells(picture, kernel, stride, step) | {"p": p}


def read_between(cells, p):
    """Show that the mean of powers lies between mean and maximum."""
    sizes = np.abs(np.array(cells, float))
    power = float((sizes**p).mean() ** (1 / p))
    return f"{sizes.mean():.2f} ≤ {power:.2f} ≤ {sizes.max():.2f} (p = {p:g})"


def output_of(picture, kind, p, kernel, stride, step):
    """What is needed to say what the chosen output is."""
    row, column = place(kernel, stride, step)
    return {
        "kind": kind,
        "count": kernel**2,
        "value": pooled(picture, kind, p, kernel, stride)[row][column],
    }


def read_output(kind, count, value):
    """Say what the chosen output is."""
    return f"{kind} of {plural(count, 'cell')} = {tell(value)}"


def share_key(picture, kind, p, kernel, stride, step):
    """The gradient that the chosen output sends back."""
    back = sent_back(picture, kind, p, kernel, stride, place(kernel, stride, step))
    return {"shares": tuple(v for row in back for v in row if v), "count": kernel**2}


def read_share(shares, count):
    """Say how many cells of the window get something, and how much."""
    if not shares:
        return f"0 of {plural(count, 'cell')}"
    low, high = (_tell_share(each) for each in (min(shares), max(shares)))
    amount = high if low == high else f"{low} to {high}"
    return f"{len(shares)} of {plural(count, 'cell')}: {amount}"


def read_total(values):
    """Add up the gradient at the input, and count the cells without any."""
    total = sum(value for row in values for value in row)
    none = sum(value == 0 for row in values for value in row)
    return f"{tell(total)}; {plural(none, 'cell')} of {SIDE**2} without any"


pooling_explorer = Explorer(
    name="pooling-backwards",
    module=__name__,
    title="Where does a pool send the gradient?",
    description=(
        "Above, a pool goes forwards: an input of six by six numbers, and the outputs."
        " Below, it goes backwards: a gradient of 1 comes in from every output, or from"
        " one, and is sent to the cells of the input, filled up to their share of the"
        " largest; orange ones are negative. A frame marks one output and its"
        " window."
    ),
    controls=(
        Choice("kind", "Pool", (MAX, MEAN, NORM), NORM),
        Slider("p", "p of the norm", 1, 16, 2, step=0.5, page=(1, 1.5, 2, 4, 16)),
        Slider("kernel", "Window k", 1, SIDE, 2),
        Slider("stride", "Stride s", 1, SIDE, 2),
        Choice("picture", "Input", tuple(PICTURES), "digits"),
        Choice("which", "Gradient from", (ALL, ONE), ALL),
        Steps("step", "Output", count_windows),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_titles),
        Layer(draw_input),
        Layer(draw_output, output_key),
        Layer(draw_delta, delta_key),
        Layer(draw_back, back_key),
        Layer(draw_window, window_key),
    ),
    readout=(
        ("The framed output", Layer(read_output, output_of)),
        ("It sends a gradient to", Layer(read_share, share_key)),
        ("The gradient at the input adds up to", Layer(read_total, back_key)),
        (
            "Of |x| in the frame: mean ≤ power mean ≤ largest",
            Layer(read_between, between_key),
        ),
    ),
    presets=(
        ("Norm, p = 2", {}),
        ("Max, side by side", {"kind": MAX}),
        ("Mean, side by side", {"kind": MEAN}),
        ("Max, overlapping", {"kind": MAX, "kernel": 3, "stride": 1}),
        ("Max of ties", {"kind": MAX, "picture": "ties", "kernel": 3, "stride": 3}),
        ("Norm, p = 16", {"p": 16}),
        ("Norm of signs", {"picture": "signs", "p": 4, "kernel": 3, "stride": 3}),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
)
