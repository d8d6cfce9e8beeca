"""Explorer of convolution arithmetic: which input cells does each output read?"""

from functools import cache
from itertools import product
from typing import NamedTuple

from notebook_utils import plotting
from notebook_utils.convolution import effective_kernel, input_positions, output_size
from notebook_utils.explorers.controls import Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_cells, draw_crosses, draw_line

# The input begins at this row and column of the board and never moves: padding grows
# around it, so that a change is seen as a change.
START = 4
MAX_SIZE, MAX_PADDING = 8, START
GAP, MARGIN = 1.5, 0.5


class Extent(NamedTuple):
    """The rows, and columns, from `first` to `last` that padded inputs cover."""

    first: int
    last: int

    def output(self, side):
        """The row and column where an output of this side begins."""
        row = START if START + side <= self.last else self.first
        return row, self.last + GAP

    @property
    def width(self):
        """Columns of both panels, gap and margins."""
        return 2 * (self.last - self.first) + GAP + 2 * MARGIN


# two scales: cells are larger while the padding is not
NARROW = Extent(START - 2, START + MAX_SIZE + 2)
WIDE = Extent(START - MAX_PADDING, START + MAX_SIZE + MAX_PADDING)
RATIO = WIDE.width / (WIDE.last + 2 * MARGIN)  # of the picture's sides

# the board has room for the largest kernel, which may stick out of any input
MAX_KERNEL, MAX_DILATION = 7, 5
HEIGHT = START + effective_kernel(MAX_KERNEL, dilation=MAX_DILATION) + 2 * MARGIN
WIDTH = RATIO * HEIGHT


def extent(size, padding):
    """Return the smaller extent that holds a padded input."""
    fits = START - padding >= NARROW.first and START + size + padding <= NARROW.last
    return NARROW if fits else WIDE


@cache  # asked for at every step of every setting
def outputs(size, kernel, stride, padding, dilation):
    """Return the output's side, 0 where the kernel does not fit."""
    try:
        return output_size(
            size, kernel, stride=stride, padding=padding, dilation=dilation
        )
    except ValueError:
        return 0


def count_outputs(size, kernel, stride, padding, dilation):
    """Return how many outputs there are in both directions."""
    return outputs(size, kernel, stride, padding, dilation) ** 2


def canvas(figure):
    """Return a board for both panels; which part of it is shown says `view`."""
    return plotting.Board(figure, WIDTH, HEIGHT, margin=MARGIN)


def _square(low, high):
    return product(range(low, high), repeat=2)


def input_key(size, kernel, stride, padding, dilation):
    """The input, and along one axis which cells, padding included, are read."""
    n = outputs(size, kernel, stride, padding, dilation)
    read = set()
    if n:
        positions = input_positions(
            size, kernel, stride=stride, padding=padding, dilation=dilation
        )
        read = {int(i) + padding for i in positions.ravel()}
    return {
        "size": size,
        "padding": padding,
        "read": tuple(i in read for i in range(size + 2 * padding)),
    }


def draw_input(ax, size, padding, read):
    """Draw input cells filled, padding dashed, and cross out what is never read."""
    first = START - padding
    cells = {
        (first + r, first + c): read[r] and read[c]
        for r, c in _square(0, size + 2 * padding)
    }
    inside = set(_square(START, START + size))
    dashed = {"edge": plotting.MUTED, "linestyle": (0, (1.5, 1.5))}
    draw_cells(ax, sorted(set(cells) - inside), face=plotting.FAINT, size=0.9, **dashed)
    for is_read, face in ((True, plotting.SKY), (False, plotting.PAPER)):
        some = [cell for cell in sorted(inside) if cells[cell] == is_read]
        draw_cells(ax, some, face=face, edge=plotting.BLUE, size=0.9)
    draw_crosses(ax, [cell for cell, is_read in cells.items() if not is_read])


def window_key(size, kernel, stride, padding, dilation, step):
    """Where the window of one output lies on the board."""
    n = outputs(size, kernel, stride, padding, dilation)
    row, column = divmod(step, n) if n else (0, 0)
    # a kernel of one cell has nothing to spread
    spread = dilation if kernel > 1 else 1
    first = START - padding
    return {
        "top": first + row * stride,
        "left": first + column * stride,
        "kernel": kernel,
        "dilation": spread,
        "fits": n > 0,
    }


def draw_window(ax, top, left, kernel, dilation, fits):
    """Frame the window and fill the cells it reads; those it skips stay as they are."""
    side = effective_kernel(kernel, dilation=dilation)
    taps = [(top + a * dilation, left + b * dilation) for a, b in _square(0, kernel)]
    if fits:
        colour = plotting.ORANGE
        draw_cells(ax, taps, face=colour, edge=colour, size=0.62)
    else:
        colour = plotting.RED
        draw_cells(ax, taps, edge=colour, size=0.62, linewidth=1.4)
    frame = (
        (left, left + side, left + side, left, left),
        (top, top, top + side, top + side, top),
    )
    draw_line(ax, *frame, color=colour, linewidth=2.0, solid_joinstyle="miter")


def output_key(size, kernel, stride, padding, dilation):
    """The output's side, and where it begins."""
    place = extent(size, padding)
    side = outputs(size, kernel, stride, padding, dilation)
    top, left = place.output(side)
    return {"side": side, "top": top, "left": left}


def draw_output(ax, side, top, left):
    """Draw the output's cells; a click on one moves the window there."""
    cells = [(top + r, left + c) for r, c in _square(0, side)]
    style = {"face": plotting.MINT, "edge": plotting.GREEN, "size": 0.9}
    draw_cells(ax, cells, gid=lambda i: f"set:step={i}", **style)


def mark_key(size, kernel, stride, padding, dilation, step):
    """Where the output that is being computed lies, if there is one."""
    place = extent(size, padding)
    side = outputs(size, kernel, stride, padding, dilation)
    if not side:
        return {"cell": None}
    (row, column), (top, left) = divmod(step, side), place.output(side)
    return {"cell": (top + row, left + column)}


def draw_mark(ax, cell):
    """Fill the output cell that is being computed."""
    if cell:
        draw_cells(ax, [cell], face=plotting.ORANGE, edge=plotting.ORANGE, size=0.62)


def view_key(size, kernel, stride, padding, dilation):
    """The extent to show, and how far a kernel that does not fit sticks out."""
    place = extent(size, padding)
    reach = START - padding + effective_kernel(kernel, dilation=dilation)
    fits = outputs(size, kernel, stride, padding, dilation) > 0
    return {"place": place, "reach": 0 if fits or reach <= place.last else reach}


def view(place, reach):
    """Show both panels of an extent, or all of a kernel that does not fit."""
    across = max(place.width, (reach + 2 * MARGIN) * RATIO)
    corner = 0 if reach else place.first
    share = across / WIDTH
    return (corner / WIDTH, corner / HEIGHT, share, share)


def read_kernel(kernel, dilation):
    """Fill in the effective kernel."""
    effective = effective_kernel(kernel, dilation=dilation)
    return f"{dilation} · ({kernel} − 1) + 1 = {effective}"


def read_size(size, kernel, stride, padding, dilation):
    """Fill in the output size, or say what does not fit."""
    try:
        n = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    except ValueError as error:
        return str(error)
    effective = effective_kernel(kernel, dilation=dilation)
    return f"⌊({size} + 2 · {padding} − {effective}) / {stride}⌋ + 1 = {n}"


def read_floor(size, kernel, stride, padding, dilation):
    """Say what the floor drops at the far end."""
    if not outputs(size, kernel, stride, padding, dilation):
        return "—"
    positions = input_positions(
        size, kernel, stride=stride, padding=padding, dilation=dilation
    )
    rest = size + padding - 1 - int(positions[-1, -1])
    if not rest:
        return "nothing"
    return f"{_count(rest, 'row')} and {_count(rest, 'column')}"


def read_never(size, kernel, stride, padding, dilation):
    """Count the input cells (padding left out) that no output reads."""
    read = input_key(size, kernel, stride, padding, dilation)["read"][
        padding : padding + size
    ]
    return f"{size**2 - sum(read) ** 2} of {size**2}"


def output_reads(size, kernel, stride, padding, dilation, step):
    """Which output it is, and how many cells it reads."""
    n = outputs(size, kernel, stride, padding, dilation)
    if not n:
        return {"row": 0, "column": 0, "cells": None, "zeros": None}
    positions = input_positions(
        size, kernel, stride=stride, padding=padding, dilation=dilation
    )
    row, column = divmod(step, n)
    real = [
        int(((positions[i] >= 0) & (positions[i] < size)).sum()) for i in (row, column)
    ]
    return {
        "row": row,
        "column": column,
        "cells": real[0] * real[1],
        "zeros": kernel**2 - real[0] * real[1],
    }


def read_output(row, column, cells, zeros):
    """Say what one output reads."""
    if cells is None:
        return "—"
    reads = f"{_count(cells, 'cell')}, {_count(zeros, 'zero')}"
    return f"{reads} (row {row}, column {column})"


def _count(number, thing):
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


explorer = Explorer(
    name="convolution-arithmetic",
    module=__name__,
    title="Which cells does each output read?",
    description=(
        "Left, the input (blue) in its ring of padding (dashed), and the window of one"
        " output with the cells it reads (orange); right, the output (green) with that"
        " output marked. Crossed cells are read by no output at all. A kernel that does"
        " not fit is red."
    ),
    controls=(
        Slider("size", "Input size n", 1, MAX_SIZE, 7, page=(4, 5, 6, 7, 8)),
        Slider("kernel", "Kernel k", 1, MAX_KERNEL, 3, page=(1, 2, 3, 4, 5)),
        Slider("stride", "Stride s", 1, 5, 2),
        Slider("padding", "Padding p, each side", 0, MAX_PADDING, 1),
        Slider("dilation", "Dilation d", 1, MAX_DILATION, 1),
        Steps("step", "Output", count_outputs),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_input, input_key),
        Layer(draw_window, window_key),
        Layer(draw_output, output_key),
        Layer(draw_mark, mark_key),
    ),
    readout=(
        ("Effective kernel k′ = d(k − 1) + 1", Layer(read_kernel)),
        ("Output size o = ⌊(n + 2p − k′) / s⌋ + 1", Layer(read_size)),
        ("Left over, padding included", Layer(read_floor)),
        ("Input cells never read", Layer(read_never)),
        ("This output reads", Layer(read_output, output_reads)),
    ),
    view=Layer(view, view_key),
    size=(7.2 * WIDTH / WIDE.width, 7.2 * HEIGHT / WIDE.width),
    presets=(
        ("Strided", {}),
        ("Valid", {"size": 7, "kernel": 3, "stride": 1, "padding": 0}),
        ("Same", {"size": 7, "kernel": 3, "stride": 1, "padding": 1}),
        ("Full", {"size": 5, "kernel": 3, "stride": 1, "padding": 2}),
        ("Stride 3 on 7", {"size": 7, "kernel": 3, "stride": 3, "padding": 0}),
        ("Dilated", {"size": 8, "kernel": 3, "stride": 1, "padding": 0, "dilation": 2}),
        (
            "Does not fit",
            {"size": 5, "kernel": 3, "stride": 1, "padding": 0, "dilation": 3},
        ),
    ),
)
