"""Explorers of receptive fields: which inputs does an output see, and by how much?"""

from functools import cache

import numpy as np
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.explorers._effective_fields import effective_explorer
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer
from notebook_utils.explorers.core import Layer as Drawing
from notebook_utils.explorers.panels import thin
from notebook_utils.plotting import Board, draw_line
from notebook_utils.receptive_field import (
    Layer,
    effective_receptive_field,
    known_networks,
    path_counts,
    receptive_field,
    receptive_fields,
)

__all__ = ["effective_explorer", "explorer"]

MOST = 5  # layers of a stack
THRESHOLD = 0.05
MOST_BARS = 60
RATES = "rates 1, 2, 4"


@cache
def networks():
    """Name stacks of at most five layers, padding left out."""
    stacks = {RATES: [Layer(3, dilation=d) for d in (1, 2, 4)]}
    for name, layers in known_networks().items():
        start = [Layer(layer.kernel, layer.stride) for layer in layers[:MOST]]
        title, _, version = name.partition(", ")
        if version != "v1.5":  # it begins like v1
            stacks[title if len(layers) <= MOST else f"{title}, start"] = start
    return stacks


# the board, in cells of a fifth of an inch
WIDTH, HEIGHT, POINTS = 36, 22, 14.4
LEFT, RIGHT = 9.5, 35.5  # of the field
TOP, BOTTOM = 1.5, 13.5  # of the output and of the input
FLOOR, TALLEST = 20.5, 4.5  # of the bars
THICK, WIDEST = 0.9, 1.0  # a cell is at most so large


def stack(network, chosen, kernel, stride, dilation):
    """Put the chosen layer in its place, or after the last one; return a tuple."""
    layers = list(networks()[network])
    if chosen:
        # one tap has nothing to spread
        spread = dilation if kernel > 1 else 1
        layers[chosen - 1 : chosen] = [Layer(kernel, stride, dilation=spread)]
    return tuple(layers)


def stack_key(network, chosen, kernel, stride, dilation):
    """The stack alone: many settings make the same."""
    return {"layers": stack(network, chosen, kernel, stride, dilation)}


def picture_key(network, chosen, kernel, stride, dilation):
    """The stack, but for the last layer's stride, which changes no cell."""
    *below, last = stack(network, chosen, kernel, stride, dilation)
    return {"layers": (*below, Layer(last.kernel, dilation=last.dilation))}


@cache
def seen_cells(layers):
    """List, from the input to the output, what one output sees of each level.

    Each is the centres of a level's cells between the first and the last one seen, in
    input cells, whether each is seen, and the jump from one to the next.
    """
    seen, marks = np.array([True]), [np.array([True])]
    for layer in reversed(layers):
        count = (len(seen) - 1) * layer.stride
        below = np.zeros(count + layer.dilation * (layer.kernel - 1) + 1, dtype=bool)
        for tap in layer.dilation * np.arange(layer.kernel):
            below[tap : tap + count + 1 : layer.stride] |= seen
        seen = below
        marks.append(seen)
    fields = [(1, 1, 0.0), *receptive_fields(layers)]
    return [
        (start + jump * np.arange(len(mark)), mark, jump)
        for mark, (_, jump, start) in zip(reversed(marks), fields, strict=True)
    ]


class Scale:
    """Where levels and cells of a stack lie on the board."""

    def __init__(self, layers):
        self.levels = seen_cells(layers)
        self.count = len(self.levels[0][1])
        self.cell = (RIGHT - LEFT) / self.count

    def x(self, position):
        """The column of a position in input cells."""
        return LEFT + (np.asarray(position) + 0.5) * self.cell

    def y(self, level):
        """The row of a level: 0 is the input, the last one the output."""
        return BOTTOM - (BOTTOM - TOP) * level / (len(self.levels) - 1)

    def wide(self, jump):
        """How wide cells are that lie `jump` input cells apart."""
        return min(0.84 * jump * self.cell, WIDEST)


def canvas(figure):
    """Return a board with room for labels on the left and bars below."""
    return Board(figure, WIDTH, HEIGHT)


def _draw_segments(ax, points, colour, linewidth):
    """Draw a line from each second point to the next, as one element."""
    codes = [Path.MOVETO, Path.LINETO] * (len(points) // 2)
    style = {"facecolor": "none", "edgecolor": colour, "capstyle": "butt"}
    ax.add_artist(PathPatch(Path(points, codes), linewidth=linewidth, **style))


def _draw_text(ax, x, y, text, **style):
    style = {"fontsize": 13, "color": plotting.INK, "va": "center"} | style
    ax.add_artist(Text(x, y, text, **style))


def draw_stack(ax, layers):
    """Draw all that depends on the stack: nothing of it stays when a layer changes."""
    scale = Scale(layers)
    draw_cone(ax, scale)
    draw_taps(ax, scale, layers)
    draw_levels(ax, scale)
    draw_bars(ax, scale, path_counts(layers))


def draw_cone(ax, scale):
    """Shade what lies between the output and the ends of its field."""
    left, right = [], []
    for level, (centres, _, jump) in enumerate(scale.levels):
        half, y = scale.wide(jump) / 2, scale.y(level)
        left.append((scale.x(centres[0]) - half, y))
        right.append((scale.x(centres[-1]) + half, y))
    face = {"facecolor": plotting.FAINT, "edgecolor": "none"}
    ax.add_artist(Polygon(left + right[::-1], **face))


def draw_taps(ax, scale, layers):
    """Connect one cell of each level, near the middle, to the cells that it reads."""
    for level, layer in enumerate(layers):
        (below, *_), (centres, seen, _) = scale.levels[level : level + 2]
        middle = np.flatnonzero(seen)[seen.sum() // 2]
        taps = middle * layer.stride + layer.dilation * np.arange(layer.kernel)
        top = (scale.x(centres[middle]), scale.y(level + 1) + THICK / 2)
        ends = [(x, scale.y(level) - THICK / 2) for x in scale.x(below[taps])]
        points = [point for end in ends for point in (top, end)]
        _draw_segments(ax, points, plotting.ORANGE, 1.2)


def draw_levels(ax, scale):
    """Draw the cells of each level: seen ones filled, others pale; the output."""
    for level, (centres, seen, jump) in enumerate(scale.levels):
        full = plotting.BLUE if level < len(scale.levels) - 1 else plotting.ORANGE
        row = {"y": scale.y(level), "width": scale.wide(jump)}
        _draw_row(ax, scale.x(centres), **row, height=0.24, colour=plotting.LINE)
        xs = scale.x(centres)
        for run in _runs(np.flatnonzero(seen)):
            _draw_row(ax, xs[run], **row, height=THICK, colour=full)


def _runs(indices):
    """Cut indices into runs of equal steps: one run, if all steps are equal."""
    steps = np.diff(indices)
    if len(set(steps.tolist())) <= 1:
        return [indices]
    return np.split(indices, np.flatnonzero(steps > 1) + 1)


def _draw_row(ax, xs, y, width, height, colour):
    """Draw equal cells at equal steps as one dashed stroke: that keeps frames small."""
    style = {"color": colour, "linewidth": height * POINTS, "dash_capstyle": "butt"}
    if len(xs) > 1:
        dashes = np.array([width, xs[1] - xs[0] - width]) / height
        style["linestyle"] = (0, tuple(dashes.round(3)))
    ends = [xs[0] - width / 2, xs[-1] + width / 2]
    draw_line(ax, ends, [y, y], solid_capstyle="butt", **style)


def label(level):
    """Make the layer of the picture that names one level by its layer of the stack."""

    def key(network, chosen, kernel, stride, dilation):
        layers = stack(network, chosen, kernel, stride, dilation)
        if level > len(layers):
            return {"share": 0, "text": ""}
        text = f"{level}: {describe(layers[level - 1])}" if level else "input"
        return {"share": level / len(layers), "text": text}

    return Drawing(draw_label, key)


def draw_label(ax, share, text):
    """Write the name of the level that is so far up the picture."""
    if text:
        _draw_text(ax, 0.2, BOTTOM - (BOTTOM - TOP) * share, text)


def draw_bars(ax, scale, counts):
    """Draw how many paths lead from each input to the output: bars, or one outline."""
    shares = counts / counts.max()
    heavy = shares >= THRESHOLD
    # to a point or so: equal numbers make small frames
    heights = np.ceil(shares * TALLEST * POINTS) / POINTS
    groups = ((heavy, plotting.GREEN), ((shares > 0) & ~heavy, plotting.RED))
    for which, colour in groups:
        if not which.any():
            continue
        at = np.flatnonzero(which)
        if len(counts) > MOST_BARS:
            _draw_outline(
                ax, scale.x(np.arange(-1, len(counts) + 1)), heights, which, colour
            )
            continue
        bottoms, tops = np.full(len(at), FLOOR), FLOOR - heights[at]
        xs = np.repeat(scale.x(at), 2)
        points = np.stack([xs, np.stack([bottoms, tops], axis=1).ravel()], axis=1)
        _draw_segments(ax, points, colour, scale.wide(1) * POINTS)


def _draw_outline(ax, xs, heights, which, colour):
    """Fill the area below the tops of some bars: cells are too narrow to tell apart."""
    tops = np.zeros(len(xs))
    tops[1:-1] = np.where(which, heights, 0)
    outline = thin(np.stack([xs, FLOOR - tops], axis=1), 0.02)
    style = {"facecolor": colour, "edgecolor": colour, "linewidth": 0.4}
    ax.add_artist(Polygon(outline, **style))


def draw_frame(ax):
    """Draw the ground of the bars, and say what they are."""
    draw_line(ax, [LEFT, RIGHT], [FLOOR] * 2, color=plotting.MUTED, linewidth=1)
    limit = FLOOR - TALLEST * THRESHOLD
    dashes = {"linestyle": (0, (2, 2)), "linewidth": 0.8}
    draw_line(ax, [LEFT, RIGHT], [limit] * 2, color=plotting.MUTED, **dashes)
    _draw_text(ax, 0.2, FLOOR - TALLEST / 2, "paths from here\nto the output")


def describe(layer):
    """Name a layer by its kernel, and what is not 1 about it."""
    parts = [f"k {layer.kernel}"]
    for name in ("stride", "dilation"):
        value = getattr(layer, name)
        parts += [f"{name[0]} {value}"] if value > 1 else []
    return ", ".join(parts)


def read_sizes(layers):
    """List the sizes of the field from the input on."""
    sizes = [1, *(field.size for field in receptive_fields(layers))]
    return " → ".join(map(str, sizes))


def read_jump(layers):
    """Say how far apart the fields of neighbouring outputs are, and their start."""
    _, jump, start = receptive_field(layers)
    return f"j = {jump}, c = {start:g}"


def read_touched(layers):
    """Count the inputs that the output really sees."""
    (_, seen, _), *_ = seen_cells(layers)
    return f"{seen.sum()} of {len(seen)} cells"


def read_effective(layers):
    """Count the inputs that carry weight."""
    side = effective_receptive_field(path_counts(layers), threshold=THRESHOLD)
    return f"{side:.0f} cells"


explorer = Explorer(
    name="receptive-fields",
    module=__name__,
    title="Which inputs does an output really see?",
    description=(
        "From top to bottom: one output (orange), the cells of each layer that it"
        " depends on (blue) with the taps of one kernel per layer, and the input. Pale"
        " dashes lie inside the receptive field, but no tap lands on them. Below, how"
        " many paths lead from each input to the output; red are inputs below 5 % of"
        " the largest number."
    ),
    controls=(
        Choice("network", "Network", tuple(networks()), RATES),
        Slider("chosen", "Layer to set (0: none)", 0, MOST, 1),
        Slider("kernel", "Kernel k", 1, 7, 3, page=(1, 2, 3, 4, 5)),
        Slider("stride", "Stride s", 1, 3, 1),
        Slider("dilation", "Dilation d", 1, 9, 2, page=(1, 2, 3, 5, 9)),
    ),
    canvas=canvas,
    layers=(
        Drawing(draw_stack, picture_key),
        *(label(level) for level in range(MOST + 1)),
        Drawing(draw_frame),
    ),
    readout=(
        ("Receptive field, layer by layer", Drawing(read_sizes, stack_key)),
        ("Jump j and start c, without padding", Drawing(read_jump, stack_key)),
        ("Inputs that it really sees", Drawing(read_touched, stack_key)),
        (
            "Inputs with at least 5 % of the most paths",
            Drawing(read_effective, stack_key),
        ),
    ),
    size=(WIDTH / 5, HEIGHT / 5),
    presets=(
        ("Rates 2, 2, 4", {}),
        ("Rates 1, 2, 4", {"chosen": 0, "dilation": 1}),
        ("Rates 1, 2, 5", {"chosen": 3, "dilation": 5}),
        ("Rates 1, 2, 9", {"chosen": 3, "dilation": 9}),
        ("LeNet-5", {"network": "LeNet-5", "chosen": 0, "dilation": 1}),
        ("VGG-16, start", {"network": "VGG-16, start", "chosen": 0, "dilation": 1}),
        (
            "ResNet-50, start",
            {"network": "ResNet-50, start", "chosen": 0, "dilation": 1},
        ),
    ),
)
