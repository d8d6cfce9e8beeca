"""Explorer of convolution arithmetic: which input cells does each output read?"""

from itertools import product

from notebook_utils import plotting
from notebook_utils.convolution import input_positions, output_size
from notebook_utils.explorers.controls import Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_cells, draw_crosses, draw_line

MAX_SIZE, MAX_PADDING = 8, 4
PANEL = MAX_SIZE + 2 * MAX_PADDING
GAP = 1.5
WIDTH, HEIGHT = 2 * PANEL + GAP + 1, PANEL + 1


def outputs(size, kernel, stride, padding, dilation):
    """Return the output's side, 0 where the kernel does not fit."""
    try:
        return output_size(
            size, kernel, stride=stride, padding=padding, dilation=dilation
        )
    except ValueError:
        return 0


def canvas(figure):
    """Lay out: the input ends at column PANEL, the output begins behind the gap."""
    return plotting.Board(figure, WIDTH, HEIGHT)


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
    side = size + 2 * padding
    cells = list(_square(0, side))

    def place(some):
        return [(0.5 + r, 0.5 + PANEL - side + c) for r, c in some]

    inside = [
        (r, c)
        for r, c in cells
        if padding <= r < padding + size and padding <= c < padding + size
    ]
    outside = sorted(set(cells) - set(inside))
    dashed = {
        "face": plotting.FAINT,
        "edge": plotting.MUTED,
        "linestyle": (0, (1.5, 1.5)),
    }
    draw_cells(ax, place(outside), size=0.9, **dashed)
    never = [(r, c) for r, c in cells if not (read[r] and read[c])]
    kept = [cell for cell in inside if cell not in set(never)]
    draw_cells(ax, place(kept), face=plotting.SKY, edge=plotting.BLUE, size=0.9)
    draw_cells(
        ax,
        place(sorted(set(inside) - set(kept))),
        face=plotting.PAPER,
        edge=plotting.BLUE,
        size=0.9,
    )
    draw_crosses(ax, place(never))


def window_key(size, kernel, stride, padding, dilation, step):
    """Where the window of one output lies on the board."""
    n = outputs(size, kernel, stride, padding, dilation)
    row, column = divmod(step, n) if n else (0, 0)
    # a kernel of one cell has nothing to spread
    spread = dilation if kernel > 1 else 1
    return {
        "top": row * stride,
        "left": PANEL - size - 2 * padding + column * stride,
        "kernel": kernel,
        "dilation": spread,
        "fits": n > 0,
    }


def draw_window(ax, top, left, kernel, dilation, fits):
    """Frame the window and fill the cells it reads; those it skips stay as they are."""
    top, left, side = top + 0.5, left + 0.5, dilation * (kernel - 1) + 1
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
    """The output's side."""
    return {"side": outputs(size, kernel, stride, padding, dilation)}


def draw_output(ax, side):
    """Draw the output's cells; a click on one moves the window there."""
    cells = [(0.5 + r, 0.5 + PANEL + GAP + c) for r, c in _square(0, side)]
    draw_cells(
        ax,
        cells,
        face=plotting.MINT,
        edge=plotting.GREEN,
        size=0.9,
        gid=lambda i: f"set:step={i}",
    )


def mark_key(size, kernel, stride, padding, dilation, step):
    """Which output is being computed."""
    side = outputs(size, kernel, stride, padding, dilation)
    row, column = divmod(step, side) if side else (0, 0)
    return {"side": side, "row": row, "column": column}


def draw_mark(ax, side, row, column):
    """Fill the output cell that is being computed."""
    if side:
        cell = (0.5 + row, 0.5 + PANEL + GAP + column)
        draw_cells(ax, [cell], face=plotting.ORANGE, edge=plotting.ORANGE, size=0.62)


def view(size, padding):
    """Show both panels, in one scale, as large as the padded input allows."""
    side = max(size + 2 * padding, MAX_SIZE)
    width, height = 2 * side + GAP + 1, (2 * side + GAP + 1) * HEIGHT / WIDTH
    return ((PANEL - side) / WIDTH, 0, width / WIDTH, height / HEIGHT)


def read_kernel(kernel, dilation):
    """Fill in the effective kernel."""
    return f"{dilation} · ({kernel} − 1) + 1 = {dilation * (kernel - 1) + 1}"


def read_size(size, kernel, stride, padding, dilation):
    """Fill in the output size, or say what does not fit."""
    try:
        n = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    except ValueError as error:
        return str(error)
    effective = dilation * (kernel - 1) + 1
    return f"⌊({size} + 2 · {padding} − {effective}) / {stride}⌋ + 1 = {n}"


def read_floor(size, kernel, stride, padding, dilation):
    """Say what the floor drops at the far end."""
    n = outputs(size, kernel, stride, padding, dilation)
    if not n:
        return "—"
    rest = (size + 2 * padding - dilation * (kernel - 1) - 1) % stride
    if not rest:
        return "nothing"
    return "1 row and 1 column" if rest == 1 else f"{rest} rows and {rest} columns"


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
    return (
        "—"
        if cells is None
        else f"({row}, {column}) reads {cells} of input, {zeros} of padding"
    )


explorer = Explorer(
    name="convolution-arithmetic",
    module=__name__,
    title="Which cells does each output read?",
    description=(
        "Left, the input (blue) in its ring of padding (dashed), and the window of one"
        " output with the cells it reads (orange); right, the output (green) with that"
        " output marked. Crossed cells are read by no output at all."
    ),
    controls=(
        Slider("size", "Input size i", 1, MAX_SIZE, 7, page=(4, 5, 6, 7, 8)),
        Slider("kernel", "Kernel k", 1, 7, 3, page=(1, 2, 3, 4, 5)),
        Slider("stride", "Stride s", 1, 5, 2),
        Slider("padding", "Padding p, each side", 0, MAX_PADDING, 1),
        Slider("dilation", "Dilation d", 1, 5, 1),
        Steps(
            "step",
            "Output",
            lambda size, kernel, stride, padding, dilation: (
                max(outputs(size, kernel, stride, padding, dilation), 1) ** 2
            ),
        ),
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
        ("Output size o = ⌊(i + 2p − k′) / s⌋ + 1", Layer(read_size)),
        ("Left over at the far end", Layer(read_floor)),
        ("Input cells never read", Layer(read_never)),
        ("This output", Layer(read_output, output_reads)),
    ),
    view=Layer(view),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
    presets=(
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
