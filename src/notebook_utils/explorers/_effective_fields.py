"""Explorer of effective receptive fields: which cells carry the weight of an output?"""

from functools import cache

import numpy as np
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from notebook_utils import plotting
from notebook_utils.convolution import conv2d, conv_transpose2d
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer
from notebook_utils.explorers.core import Layer as Drawing
from notebook_utils.explorers.panels import Panel, draw_frame, draw_pieces, write
from notebook_utils.plotting import Board, draw_line
from notebook_utils.receptive_field import (
    Layer,
    effective_receptive_field,
    path_spread,
    receptive_field,
)

SIDE, PLACE = 27, 6  # of the picture; row and column that the output lies over
MARGIN = 3  # shown of what lies beyond the picture
NETWORKS, CHANNELS = 32, 4  # more channels, and the products start threads that wait
THRESHOLD = 0.05
BANDS = ((0.5, 1.0), (0.2, 0.65), (THRESHOLD, 0.35))  # share of the largest, opacity

EQUAL, LINEAR, RELU, TANH = ("equal weights", "random", "random, ReLU", "random, tanh")
PADDINGS = ("zeros", "mirror", "wrap")

# the board, in cells of 0.15 inches
WIDTH, HEIGHT = 48, 34
FIELD = Panel(
    left=0.5,
    top=0.5,
    width=SIDE + 2 * MARGIN,
    height=SIDE + 2 * MARGIN,
    xs=(-MARGIN, SIDE + MARGIN),
    ys=(-SIDE - MARGIN, MARGIN),  # rows count downwards
)
LEGEND = 35.5


def stack(depth, kernel):
    """Build a plain stack."""
    return [Layer(kernel)] * depth


def border(kernel, padding):
    """Return the matrix (n + 2p, n) that pads n cells so that a layer keeps them."""
    p = (kernel - 1) // 2
    places = np.arange(SIDE)
    mode = {"mirror": "reflect", "wrap": "wrap"}.get(padding)
    if mode is None:
        places = np.pad(places, p, constant_values=-1)
    else:
        places = np.pad(places, p, mode=mode)
    return (places[:, None] == np.arange(SIDE)).astype(np.float32)


@cache
def weigh_cells(depth, kernel, network, padding):
    """Measure how strongly one output depends on each cell, the largest being 1.

    Returns
    -------
    shares : (SIDE, SIDE) array
        The gradient itself where all weights are equal; else its root mean square over
        a few random networks, each scaled to the same sum of squares: how large a
        random network's gradient is as a whole varies far more than its shape.
    """
    if network == EQUAL:
        row = np.zeros(SIDE)
        row[PLACE] = 1
        pad = border(kernel, padding).astype(np.float64)
        for _ in range(depth):
            row = pad.T @ np.convolve(row, np.ones(kernel))
        shares = np.outer(row, row)
    else:
        total = np.zeros((SIDE, SIDE))
        for seed in range(NETWORKS):
            gradient = random_gradient(depth, kernel, network, padding, seed)
            squares = (gradient.astype(np.float64) ** 2).sum(axis=(0, 1))
            if squares.any():  # a network of dead ReLUs says nothing
                total += squares / squares.sum()
        shares = np.sqrt(total)
    return shares / shares.max()


def random_gradient(depth, kernel, network, padding, seed):
    """Send noise through a random network, and a random gradient of one place back."""
    rng = np.random.default_rng(seed)
    pad = border(kernel, padding)

    def draw(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    x, weights, slopes = draw(1, 1, SIDE, SIDE), [], []
    for _ in range(depth):
        width = x.shape[1]
        # ReLU halves the mean square, so its weights are larger
        scale = np.sqrt((2 if network == RELU else 1) / (width * kernel**2))
        weights.append(draw(CHANNELS, width, kernel, kernel) * np.float32(scale))
        z = conv2d(pad @ x @ pad.T, weights[-1])
        x = {LINEAR: z, RELU: np.maximum(z, 0), TANH: np.tanh(z)}[network]
        slopes.append({LINEAR: None, RELU: z > 0, TANH: 1 - x**2}[network])
    gradient = np.zeros_like(x)
    gradient[:, :, PLACE, PLACE] = draw(1, CHANNELS)
    for weight, slope in zip(reversed(weights), reversed(slopes), strict=True):
        if slope is not None:
            gradient = gradient * slope
        gradient = pad.T @ conv_transpose2d(gradient, weight) @ pad
    return gradient


def canvas(figure):
    """Return a board for the picture, with the legend at its right."""
    return Board(figure, WIDTH, HEIGHT)


def draw_heat(ax, depth, kernel, network, padding):
    """Fill the cells, each band of shares as one element."""
    shares = weigh_cells(depth, kernel, network, padding)
    taken = np.zeros_like(shares, dtype=bool)
    for low, opacity in BANDS:
        _fill(ax, (shares >= low) & ~taken, plotting.BLUE, opacity)
        taken |= shares >= low
    _fill(ax, (shares > 0) & ~taken, plotting.ROSE, 1)


def _fill(ax, cells, colour, opacity):
    """Fill cells of the picture, run by run, as one element."""
    edges = np.diff(np.pad(cells, ((0, 0), (1, 1))).astype(int), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    if not len(starts):
        return
    corner = FIELD.place(np.array([[0.0, 0.0]]))[0]
    left, top = starts[:, 1] + corner[0], starts[:, 0] + corner[1]
    right, bottom = ends[:, 1] + corner[0], top + 1
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    vertices = np.array(corners).transpose(2, 0, 1).reshape(-1, 2)
    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * len(starts)
    style = {"facecolor": colour, "alpha": opacity, "linewidth": 0, "zorder": 1}
    ax.add_artist(PathPatch(Path(vertices, codes), **style))


def draw_picture(ax):
    """Draw the edge of the picture and the cell that the output lies over."""
    draw_frame(
        ax,
        FIELD._replace(
            left=FIELD.left + MARGIN, top=FIELD.top + MARGIN, width=SIDE, height=SIDE
        ),
    )
    x, y = FIELD.place(np.array([[PLACE, -PLACE]]))[0]
    draw_line(ax, [x + 0.5], [y + 0.5], marker="o", markersize=5, color=plotting.ORANGE)


def draw_square(ax, depth, kernel):
    """Draw the theoretical field, as far as there is room for it."""
    half = receptive_field(stack(depth, kernel)).size / 2
    _draw_closed(
        ax,
        half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]),
        plotting.ORANGE,
    )


def spread(depth, kernel, network):
    """Predict the spread of the gradient: that of paths, or of their square root."""
    sigma = path_spread(stack(depth, kernel))
    return sigma if network == EQUAL else np.sqrt(2) * sigma


def circle_key(depth, kernel, network):
    """The circle's radius is all that it depends on."""
    return {"sigma": float(spread(depth, kernel, network))}


def draw_circle(ax, sigma):
    """Draw where a Gaussian falls to the threshold."""
    turn = np.linspace(0, 2 * np.pi, 61)
    radius = sigma * np.sqrt(2 * np.log(1 / THRESHOLD))
    _draw_closed(
        ax, radius * np.stack([np.cos(turn), np.sin(turn)], axis=1), plotting.INK
    )


def _draw_closed(ax, offsets, colour):
    """Draw a line around the output's cell, cut at the edges of what is shown."""
    points = np.array([PLACE + 0.5, -PLACE - 0.5]) + offsets
    draw_pieces(ax, FIELD.cut(points), colour, 2)


def draw_legend(ax):
    """Explain colours and lines."""
    write(ax, LEGEND, 2, "share of the", fontsize=14)
    write(ax, LEGEND, 4, "largest", fontsize=14)
    swatches = [
        (f"≥ {100 * low:.0f} %", plotting.BLUE, opacity) for low, opacity in BANDS
    ]
    swatches += [("> 0", plotting.ROSE, 1)]
    for i, (text, colour, opacity) in enumerate(swatches):
        y = 5.6 + 2.6 * i
        style = {"facecolor": colour, "alpha": opacity, "linewidth": 0}
        ax.add_artist(Rectangle((LEGEND, y), 1.6, 1.6, **style))
        write(ax, LEGEND + 2.4, y + 0.8, text, fontsize=14)
    lines = [
        (plotting.ORANGE, "theoretical\nfield"),
        (plotting.INK, "5 % of a\nGaussian"),
        (plotting.LINE, "edge of the\npicture"),
    ]
    for i, (colour, text) in enumerate(lines):
        y = 19 + 5 * i
        draw_line(ax, [LEGEND, LEGEND + 1.6], [y, y], color=colour, linewidth=2)
        write(ax, LEGEND + 2.4, y, text, fontsize=14)


def read_size(depth, kernel):
    """Fill in the size of the theoretical field."""
    size = receptive_field(stack(depth, kernel)).size
    return f"{size} × {size} cells"


def measure(depth, kernel, network, padding):
    """Count the cells that carry weight, as the side of a square."""
    shares = weigh_cells(depth, kernel, network, padding)
    side = effective_receptive_field(shares, threshold=THRESHOLD)
    return {"side": round(side, 1), "size": receptive_field(stack(depth, kernel)).size}


def read_side(side, size):
    """Tell the side of the effective field, and its share of the theoretical one."""
    return f"{side:.1f} × {side:.1f}, {100 * (side / size) ** 2:.0f} % of the field"


def read_predicted(depth, kernel, network):
    """Tell the side that a Gaussian of this spread would have, without a border."""
    sigma = spread(depth, kernel, network)
    side = sigma * np.sqrt(2 * np.pi * np.log(1 / THRESHOLD))
    return f"σ = {sigma:.2f}, so {side:.1f} × {side:.1f}"


def read_inside(depth, kernel):
    """Tell how much of the theoretical field lies inside the picture."""
    half = (receptive_field(stack(depth, kernel)).size - 1) // 2
    inside = min(PLACE, half) + 1 + min(SIDE - 1 - PLACE, half)
    return f"{inside} × {inside} cells"


effective_explorer = Explorer(
    name="effective-fields",
    module=__name__,
    title="Which cells carry the weight?",
    description=(
        "A picture of 27 × 27 cells. The bluer a cell, the more strongly the output"
        " over the dot depends on it; red cells count for less than 5 % of the largest."
        " The orange square is the theoretical field, the circle is where a Gaussian of"
        " the predicted spread falls to 5 %."
    ),
    controls=(
        Slider("depth", "Layers", 1, 16, 8, page=(1, 2, 4, 8, 16)),
        Choice("kernel", "Kernel k", (3, 5, 7), 3),
        Choice("network", "Network", (EQUAL, LINEAR, RELU, TANH), RELU),
        Choice("padding", "Padding", PADDINGS, "zeros"),
    ),
    canvas=canvas,
    layers=(
        Drawing(draw_heat),
        Drawing(draw_picture),
        Drawing(draw_square),
        Drawing(draw_circle, circle_key),
        Drawing(draw_legend),
    ),
    readout=(
        ("Theoretical field", Drawing(read_size)),
        ("Part of it inside the picture", Drawing(read_inside)),
        ("Cells of at least 5 %", Drawing(read_side, measure)),
        ("A Gaussian without border", Drawing(read_predicted)),
    ),
    size=(WIDTH * 0.15, HEIGHT * 0.15),
    presets=(
        ("Eight layers of 3 × 3", {}),
        ("Two layers", {"depth": 2}),
        ("Large kernels", {"depth": 4, "kernel": 7}),
        ("Equal weights", {"network": EQUAL}),
        ("Deep, mirrored", {"depth": 16, "kernel": 5, "padding": "mirror"}),
    ),
)
