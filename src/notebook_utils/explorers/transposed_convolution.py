"""Explorers of transposed convolution and upsampling.

Here: three ways to the same row of outputs; in `_upsampling`: interpolation.
"""

from matplotlib.transforms import Affine2D

from notebook_utils import plotting
from notebook_utils.convolution import transposed_output_size
from notebook_utils.explorers._upsampling import patch, photograph
from notebook_utils.explorers.controls import Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import write
from notebook_utils.plotting import Board, draw_cells, draw_line

__all__ = ["explorer", "patch", "photograph"]

# One row of inputs; the taps tell their order. Views one below the other share columns:
# output 0 stands in column LEFT of the board.
INPUTS, TAPS = (1, 2, 3), (1, 2, 3, 4, 5)
LEFT = 6.2
STAMPS, SUMS, MATRIX, SPREAD, TURNED = 1.0, 4.25, 6.6, 11.0, 12.1
ROWS = 13.2
SCALES = 16.6, 20.6, 26.2  # columns shown: as few of these as hold everything
NARROW, WIDE = SCALES[0], SCALES[-1]
FLAT = 0.8  # height of a cell, whose width is 1


class FlatBoard(Board):
    """A board whose cells are wider than high."""

    def __init__(self, figure, width):
        super().__init__(figure, width, width)
        across, down = figure.get_size_inches()
        scale = across / width
        cells = Affine2D().scale(scale, -FLAT * scale).translate(0, down)
        self.transform = cells + figure.dpi_scale_trans


def outputs(kernel, stride, padding, extra):
    """Return how many outputs there are, 0 where the arguments do not fit."""
    try:
        return transposed_output_size(
            len(INPUTS), kernel, stride=stride, padding=padding, output_padding=extra
        )
    except ValueError:
        return 0


def canvas(figure):
    """Return a board for all views; which part of it is shown says `view`."""
    return FlatBoard(figure, WIDE)


def view_key(kernel, stride, padding, extra):
    """How many columns are shown."""
    m = outputs(kernel, stride, padding, extra)
    end = LEFT + max(m, (len(INPUTS) - 1) * stride + kernel - padding)
    return {"columns": min(scale for scale in SCALES if scale > end)}


def view(columns):
    """Show the left part of the board, or all of it."""
    share = columns / WIDE
    return (0, 0, share, share)


def draw_titles(ax):
    """Name the three views."""
    for row, text in (
        (STAMPS, "1  each input stamps the kernel, times its value"),
        (MATRIX, "2  the inputs times the matrix C: column j makes output j"),
        (SPREAD, "3  inputs spread and padded, under the kernel turned round"),
    ):
        write(ax, 0.2, row - 0.5, text, fontsize=13.5, color=plotting.MUTED)


def stamp_key(row, kernel, stride, padding, extra):
    """Where one input's stamp begins, and how many outputs there are."""
    m = outputs(kernel, stride, padding, extra)
    return {"row": row, "first": row * stride - padding, "kernel": kernel, "m": m}


def draw_stamp(ax, row, first, kernel, m):
    """Draw one input with its stamp, and the same row of the matrix below it.

    What the padding cuts off is dashed.
    """
    if not m:
        return
    taps = range(kernel)
    places = [LEFT + first + a for a in taps]
    kept = [0 <= first + a < m for a in taps]
    for top, factor in ((STAMPS + row, INPUTS[row]), (MATRIX + row, 1)):
        inside = [(top, x) for x, keep in zip(places, kept, strict=True) if keep]
        outside = [(top, x) for x, keep in zip(places, kept, strict=True) if not keep]
        face = plotting.PEACH if factor > 1 or top < SUMS else plotting.FAINT
        draw_cells(ax, inside, size=0.92, face=face, edge=plotting.LINE)
        dashed = {"linestyle": (0, (1.5, 1.5)), "edge": plotting.MUTED}
        if top < SUMS:
            draw_cells(ax, outside, size=0.92, **dashed)
        for a, x, keep in zip(taps, places, kept, strict=True):
            if keep or top < SUMS:
                colour = plotting.INK if keep else plotting.MUTED
                _digit(ax, top, x, factor * TAPS[a], color=colour)


def draw_inputs(ax, first):
    """Draw the inputs, as factors left of both tables."""
    for top in (STAMPS, MATRIX):
        cells = [(top + i, LEFT + first) for i in range(len(INPUTS))]
        draw_cells(ax, cells, size=0.92, face=plotting.SKY, edge=plotting.BLUE)
        for (row, column), value in zip(cells, INPUTS, strict=True):
            _digit(ax, row, column, value)
            write(ax, column + 1.28, row + 0.52, "×", ha="center", fontsize=15)


def inputs_key(kernel, padding):
    """How far left the inputs stand: beyond the stamps and the spread row."""
    return {"first": -max(kernel - 1, padding) - 1.8}


def grid_key(kernel, stride, padding, extra):
    """The number of outputs."""
    return {"m": outputs(kernel, stride, padding, extra)}


def draw_grid(ax, m):
    """Draw the matrix's empty cells."""
    cells = [(MATRIX + row, LEFT + j) for row in range(len(INPUTS)) for j in range(m)]
    draw_cells(ax, cells, size=0.92, edge=plotting.LINE, linewidth=0.5)


def values_key(kernel, stride, padding, extra):
    """The outputs."""
    m = outputs(kernel, stride, padding, extra)
    parts = [contributions(kernel, stride, padding, j) for j in range(m)]
    return {"values": tuple(sum(x * w for x, w, *_ in part) for part in parts)}


def contributions(kernel, stride, padding, output):
    """List what one output adds up: input and tap, with their indices."""
    taps = [(i, output + padding - stride * i) for i in range(len(INPUTS))]
    return [(INPUTS[i], TAPS[a], i, a) for i, a in taps if 0 <= a < kernel]


def draw_values(ax, values):
    """Draw the outputs; a click on one chooses it."""
    cells = [(SUMS, LEFT + j) for j in range(len(values))]
    style = {"face": plotting.MINT, "edge": plotting.GREEN, "size": 0.92}
    draw_cells(ax, cells, gid=lambda i: f"set:step={i}", **style)
    for (row, column), value in zip(cells, values, strict=True):
        _digit(ax, row, column, value)
    if values:
        write(ax, LEFT - 0.4, SUMS + 0.52, "y =", ha="right", fontsize=15)


def spread_key(kernel, stride, padding, extra):
    """Where the spread row begins, its end, and the distance of the inputs."""
    m = outputs(kernel, stride, padding, extra)
    return {
        "start": 1 - kernel,
        "stop": m,
        "first": -padding,
        "stride": stride if m else 0,
    }


def draw_spread(ax, start, stop, first, stride):
    """Draw inputs with zeros between and around; dashed, what is cut off."""
    if not stride:
        return
    inputs = {first + stride * i: value for i, value in enumerate(INPUTS)}
    last = max(inputs)
    cells = range(min(start, first), max(stop, last + 1))
    for j in cells:
        place, kept = [(SPREAD, LEFT + j)], start <= j < stop
        real, between = j in inputs, first < j < last
        face = plotting.SKY if real else plotting.FAINT if between else "none"
        edge = plotting.BLUE if real else plotting.LINE
        dashed = {} if kept else {"linestyle": (0, (1.5, 1.5))}
        face = face if kept else "none"
        draw_cells(ax, place, size=0.92, face=face, edge=edge, **dashed)
        colour = plotting.INK if real and kept else plotting.MUTED
        _digit(ax, SPREAD, LEFT + j, inputs.get(j, 0), color=colour)


def mark_key(kernel, stride, padding, extra, step):
    """Which output is marked, and which rows of the tables reach it."""
    if not outputs(kernel, stride, padding, extra):
        return {"output": None, "kernel": 0, "rows": ()}
    rows = tuple(i for _, _, i, _ in contributions(kernel, stride, padding, step))
    return {"output": step, "kernel": kernel, "rows": rows}


def draw_mark(ax, output, kernel, rows):
    """Frame one output with all that it adds up, in each view."""
    if output is None:
        return
    column, thick = LEFT + output, {"edge": plotting.ORANGE, "linewidth": 2.2}
    cells = [(top + i, column) for top in (STAMPS, MATRIX) for i in rows]
    draw_cells(ax, [*cells, (SUMS, column)], size=0.92, **thick)
    left = column - kernel + 1
    for b in range(kernel):
        draw_cells(
            ax, [(TURNED, left + b)], size=0.92, edge=plotting.LINE, face=plotting.PEACH
        )
        _digit(ax, TURNED, left + b, TAPS[kernel - 1 - b])
    frame = (left, left + kernel, left + kernel, left, left)
    sides = (SPREAD - 0.05, SPREAD - 0.05, TURNED + 1.02, TURNED + 1.02, SPREAD - 0.05)
    draw_line(ax, frame, sides, color=plotting.ORANGE, linewidth=2.2)


def _digit(ax, row, column, value, **style):
    style = {"ha": "center", "fontsize": 15} | style
    write(ax, column + 0.5, row + 0.53, f"{value}", **style)


def read_size(kernel, stride, padding, extra):
    """Fill in the size, or say what does not fit."""
    n = len(INPUTS)
    if extra >= stride:
        return f"e = {extra} does not fit s = {stride}: it must be less"
    try:
        m = transposed_output_size(
            n, kernel, stride=stride, padding=padding, output_padding=extra
        )
    except ValueError as error:
        return str(error)
    return f"({n} − 1) · {stride} + {kernel} − 2 · {padding} + {extra} = {m}"


def read_spread(kernel, stride, padding, extra):
    """Say how the input is spread and padded."""
    if not outputs(kernel, stride, padding, extra):
        return "—"
    before = kernel - 1 - padding
    if not extra:
        return f"{stride - 1} between, {_zeros(before)} on each side"
    ends = f"{_zeros(before)} before, {_zeros(before + extra)} after"
    return f"{stride - 1} between, {ends}"


def _zeros(count):
    return f"{count}" if count >= 0 else f"{-count} cells cut off"


def read_output(kernel, stride, padding, extra, step):
    """Write one output as a sum."""
    if not outputs(kernel, stride, padding, extra):
        return "—"
    parts = contributions(kernel, stride, padding, step)
    if not parts:
        return f"y[{step}] = 0: no stamp reaches it"
    products = " + ".join(f"{x} · {w}" for x, w, *_ in parts)
    total = sum(x * w for x, w, *_ in parts)
    return f"y[{step}] = {products}" + (f" = {total}" if len(parts) > 1 else "")


def read_back(kernel, stride, padding, extra):
    """Say to what size the convolution takes the output."""
    m = outputs(kernel, stride, padding, extra)
    if not m:
        return "—"
    rest = (m + 2 * padding - kernel) % stride
    left = f", {rest} of them left over" if rest else ""
    return f"{m} cells to {(m + 2 * padding - kernel) // stride + 1}{left}"


def _stamp(row):
    def key(kernel, stride, padding, extra):
        return stamp_key(row, kernel, stride, padding, extra)

    return Layer(draw_stamp, key)


explorer = Explorer(
    name="transposed-convolution",
    module=__name__,
    title="Three ways to the same outputs",
    description=(
        "Three inputs (blue), a kernel with the weights 1, 2, 3 … and the outputs"
        " (green). First, the stamp that each input makes; dashed cells are cut off by"
        " the padding, the rest is added up. Second, the matrix of the convolution that"
        " is transposed, its zeros left empty. Third, the inputs with zeros between"
        " and around them, and under them the turned kernel. Orange marks one output"
        " and what it adds up in each of the three."
    ),
    controls=(
        Slider("kernel", "Kernel k", 1, 5, 3),
        Slider("stride", "Stride s", 1, 5, 2),
        Slider("padding", "Padding p", 0, 4, 0),
        Slider("extra", "Output padding e", 0, 4, 0),
        Steps("step", "Output", outputs, default=2),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_titles),
        Layer(draw_inputs, inputs_key),
        Layer(draw_grid, grid_key),
        *(_stamp(row) for row in range(len(INPUTS))),
        Layer(draw_values, values_key),
        Layer(draw_spread, spread_key),
        Layer(draw_mark, mark_key),
    ),
    readout=(
        ("Outputs m = (n − 1)s + k − 2p + e", Layer(read_size)),
        ("Zeros in the third view", Layer(read_spread)),
        ("The output that is marked", Layer(read_output)),
        ("The convolution takes", Layer(read_back)),
    ),
    view=Layer(view, view_key),
    size=(7.2 * WIDE / NARROW, 7.2 * FLAT * ROWS / NARROW * WIDE / NARROW),
    presets=(
        ("Overlapping stamps", {}),
        ("Stride 1", {"stride": 1}),
        ("Padding", {"stride": 1, "padding": 1}),
        ("Twice as long", {"kernel": 4, "stride": 2, "padding": 1}),
        ("Output padding", {"padding": 1, "extra": 1}),
        ("Padding cuts inputs", {"kernel": 1, "stride": 3, "padding": 2}),
        ("Gaps", {"kernel": 2, "stride": 4}),
    ),
)
