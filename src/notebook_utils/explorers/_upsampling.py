"""Explorers of upsampling: on a patch of sixteen cells, and on a photograph."""

import functools
from fractions import Fraction

import numpy as np

from notebook_utils import plotting
from notebook_utils.convolution import avg_pool2d, conv_transpose2d
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.upsampling import bilinear_kernel, interpolate, interpolation_matrix

NEAREST, BILINEAR, STAMPS = "nearest", "bilinear", "bilinear stamps"
EDGES, CORNERS = "edges", "corners"


def enlarge(x, factor, kind, corners):
    """Enlarge a picture (h, w) by a factor in one of the ways."""
    x = np.asarray(x, float)[None, None]
    if kind == NEAREST:
        y = interpolate(x, scale_factor=factor)
    elif kind == BILINEAR:
        aligned = corners == CORNERS
        y = interpolate(x, scale_factor=factor, mode="bilinear", align_corners=aligned)
    else:
        kernel = bilinear_kernel(factor)
        padding = (len(kernel) - factor) // 2
        y = conv_transpose2d(x, kernel[None, None], stride=factor, padding=padding)
    return y[0, 0]


# a patch

SIDE = 4
PATCHES = {
    "ramp": ((0, 1, 2, 3),) * 4,
    "spot": ((0, 0, 0, 0), (0, 3, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)),
    "top row": ((1, 3, 0, 2), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)),
    "flat": ((3, 3, 3, 3),) * 4,
    "checks": ((3, 0, 3, 0), (0, 3, 0, 3)) * 2,
}
PATCH = "checks"


def patch_canvas(figure):
    """Return axes for the picture and for the graph of its top row."""
    picture = figure.add_axes((0.01, 0.04, 0.45, 0.9))
    picture.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02))
    picture.axis("off")
    graph = figure.add_axes((0.545, 0.17, 0.445, 0.77))
    graph.set(xlim=(0, 1), ylim=(-0.25, 3.35))
    graph.set_yticks([0, 1, 2, 3])
    graph.set_xticks([])
    graph.tick_params(labelsize=13)
    graph.set_xlabel("along the top row", labelpad=8, fontsize=13)
    graph.axis("off")  # drawn once, by `draw_axes`, and not with every layer
    return picture, graph


def draw_axes(ax):
    """Draw the axes of the graph."""
    ax[1].axis("on")


def draw_picture(ax, patch, factor, kind, corners):
    """Draw the enlarged patch: the brighter, the larger."""
    values = enlarge(PATCHES[patch], factor, kind, corners)
    style = {"cmap": "gray", "vmin": -0.75, "vmax": 3.25, "interpolation": "none"}
    ax[0].imshow(values, extent=(0, 1, 1, 0), aspect="auto", **style)
    ax[0].plot(
        [0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0],
        color=plotting.LINE,
        linewidth=1,
        clip_on=False,
    )
    m = values.shape[1]
    places = (np.arange(m) + 0.5) / m
    ax[1].plot(places, values[0], color=plotting.GREEN, linewidth=1, alpha=0.6)
    style = {"linestyle": "none", "marker": "o", "clip_on": False}
    ax[1].plot(places, values[0], color=plotting.GREEN, markersize=5, **style)


def where_inputs_lie(factor, kind, corners):
    """Say where the centres of the inputs lie in the picture, whose side is 1."""
    if kind == BILINEAR and corners == CORNERS:
        m = factor * SIDE
        return (np.arange(SIDE) * (m - 1) / (SIDE - 1) + 0.5) / m
    return (np.arange(SIDE) + 0.5) / SIDE


def places_key(patch, factor, kind, corners):
    """The values of the top row, and where they lie."""
    places = where_inputs_lie(factor, kind, corners)
    return {
        "values": tuple(PATCHES[patch][0]),
        "places": tuple(round(float(place), 4) for place in places),
    }


def draw_places(ax, values, places):
    """Ring the inputs, in the picture and in the graph."""
    style = {"linestyle": "none", "marker": "o", "clip_on": False}
    style |= {"markeredgecolor": plotting.BLUE, "markeredgewidth": 2}
    columns, rows = np.meshgrid(places, places)
    places_within = {"markersize": 7, "markerfacecolor": plotting.PAPER}
    ax[0].plot(columns.ravel(), rows.ravel(), **places_within, **style)
    ax[1].plot(places, values, markersize=12, markerfacecolor="none", **style)


def count_outputs(factor):
    """Count the outputs along the top row."""
    return factor * SIDE


def draw_output(ax, factor, step):
    """Frame the output in the picture, and mark its place in the graph."""
    m = factor * SIDE
    left, right = step / m, (step + 1) / m
    frame = {"color": plotting.ORANGE, "linewidth": 2, "clip_on": False}
    xs, ys = [left, right, right, left, left], [0, 0, 1 / m, 1 / m, 0]
    ax[0].plot(xs, ys, solid_joinstyle="miter", **frame)
    ax[1].plot([(left + right) / 2] * 2, [-0.25, 3.35], alpha=0.6, **frame)


def shares(factor, kind, corners):
    """Return the weights of the inputs in the outputs of a row, (m, 4)."""
    m = factor * SIDE
    if kind == NEAREST:
        return interpolation_matrix(SIDE, m, mode="nearest")
    if kind == BILINEAR:
        return interpolation_matrix(SIDE, m, align_corners=corners == CORNERS)
    kernel = bilinear_kernel((1, factor))[None, None]
    padding = (0, (kernel.shape[-1] - factor) // 2)
    rows = np.eye(SIDE)[:, None, None]
    y = conv_transpose2d(rows, kernel, stride=(1, factor), padding=padding)
    return y[:, 0, 0].T


def read_share(factor, kind, corners, step):
    """Write the shares of one output, along the row."""
    weights = shares(factor, kind, corners)[step]
    text = [
        f"{'all' if weight == 1 else _fraction(weight)} of input {i}"
        for i, weight in enumerate(weights)
        if weight
    ]
    total = _fraction(weights.sum())
    return " + ".join(text) + ("" if total == "1" else f": together only {total}")


def _fraction(value):
    nearest = Fraction(float(value)).limit_denominator(1000)
    return f"{nearest}".replace("-", "−")


def read_distance(factor, kind, corners):
    """Say how far apart neighbouring inputs lie, in outputs."""
    places = where_inputs_lie(factor, kind, corners) * factor * SIDE
    apart = _fraction(places[1] - places[0])
    return f"{apart} output" + ("" if apart == "1" else "s")


def read_first(factor, kind, corners):
    """Say where the first input's centre lies."""
    place = where_inputs_lie(factor, kind, corners)[0] * factor * SIDE - 0.5
    ignored = kind != BILINEAR and corners == CORNERS
    return f"output {_fraction(place)}" + (": this way aligns edges" if ignored else "")


def read_corner(patch, factor, kind, corners):
    """Write the value in the picture's corner, and the input's."""
    corner = enlarge(PATCHES[patch], factor, kind, corners)[0, 0]
    return f"{_fraction(corner)}, the input's is {PATCHES[patch][0][0]}"


patch = Explorer(
    name="upsampling-patch",
    module=__name__,
    title="What does each new cell mix?",
    description=(
        "Left, a patch of four by four values from 0 to 3, enlarged: the brighter, the"
        " larger. Blue rings stand where the centres of the sixteen inputs lie. Right,"
        " the top row as a graph: inputs (rings) and outputs (dots). Orange marks one"
        " output of that row. Bilinear stamps: a transposed convolution with the"
        " bilinear kernel."
    ),
    controls=(
        Choice("patch", "Patch", tuple(PATCHES), PATCH),
        Choice("kind", "Way", (NEAREST, BILINEAR, STAMPS), BILINEAR),
        Choice("corners", "Aligned", (EDGES, CORNERS), EDGES),
        Slider("factor", "Factor f", 1, 6, 3),
        Steps("step", "Output of the top row", count_outputs, default=2),
    ),
    canvas=patch_canvas,
    layers=(
        Layer(draw_axes),
        Layer(draw_picture),
        Layer(draw_places, places_key),
        Layer(draw_output),
    ),
    readout=(
        ("This output takes, along the row", Layer(read_share)),
        ("Neighbouring inputs lie apart", Layer(read_distance)),
        ("The first input lies at", Layer(read_first)),
        ("Top left corner of the picture", Layer(read_corner)),
    ),
    size=(7.2, 3.6),
    presets=(
        ("Edges aligned", {}),
        ("Corners aligned", {"corners": CORNERS}),
        ("Nearest", {"kind": NEAREST}),
        ("Dark border", {"kind": STAMPS, "patch": "flat", "step": 0}),
        ("One spot", {"kind": STAMPS, "patch": "spot", "factor": 4}),
    ),
)


# a photograph, made smaller and larger again

CROP = 96  # pixels, a side
UNEVEN = "uneven stamps"
WAYS = {
    "nearest": (NEAREST, EDGES),
    "bilinear": (BILINEAR, EDGES),
    "bilinear, corners": (BILINEAR, CORNERS),
    STAMPS: (STAMPS, EDGES),
    UNEVEN: (UNEVEN, EDGES),
}
WAY = "bilinear"
PICTURE, ERROR = "the picture", "its error"


@functools.lru_cache(maxsize=1)
def photograph_crop():
    """A part of a photograph at half its size, brightness from 0 to 1."""
    from skimage import data

    part = data.camera()[48 : 48 + 2 * CROP, 172 : 172 + 2 * CROP] / 255
    return avg_pool2d(part[None, None], 2)[0, 0]


@functools.lru_cache(maxsize=64)
def make_smaller(factor):
    """Take the mean of each block of pixels."""
    return avg_pool2d(photograph_crop()[None, None], factor)[0, 0]


@functools.lru_cache(maxsize=64)
def make_larger(factor, way):
    """Enlarge the small photograph to its old size."""
    return upsample(make_smaller(factor), factor, way)


def upsample(x, factor, way):
    """Enlarge a picture in one of the ways, to a multiple of its size."""
    kind, corners = WAYS[way]
    if kind != UNEVEN:
        return enlarge(x, factor, kind, corners)
    # as bright as the picture on average; the last row and column stick out
    kernel = np.full((1, 1, factor + 1, factor + 1), (factor / (factor + 1)) ** 2)
    y = conv_transpose2d(np.asarray(x)[None, None], kernel, stride=factor)
    return y[0, 0, :-1, :-1]


def photograph_canvas(figure):
    """Return axes for the small picture and for the large one."""
    small = figure.add_axes((0.01, 0.02, 0.46, 0.88))
    large = figure.add_axes((0.53, 0.02, 0.46, 0.88))
    for ax in (small, large):
        ax.set(xlim=(0, CROP), ylim=(CROP, 0))
        ax.axis("off")
    return small, large


def draw_small(ax, factor):
    """Draw the small picture, its pixels as large as their blocks, and both frames."""
    _draw_grey(ax[0], make_smaller(factor))
    side = CROP // factor
    _write_above(ax[0], f"{side} × {side} means")
    for each in ax:
        edges = [0, CROP, CROP, 0, 0], [0, 0, CROP, CROP, 0]
        each.plot(*edges, color=plotting.LINE, linewidth=1.5, clip_on=False)


def draw_large(ax, factor, way, shown):
    """Draw the enlarged picture, or its difference from the original."""
    larger = make_larger(factor, way)
    if shown == PICTURE:
        _draw_grey(ax[1], larger)
        _write_above(ax[1], f"{CROP} × {CROP} again")
        return
    error = np.round(63 * (larger - photograph_crop()) / 0.5) / 63
    style = {"cmap": plotting.DIVERGING, "vmin": -1, "vmax": 1}
    ax[1].imshow(error, extent=(0, CROP, CROP, 0), interpolation="none", **style)
    _write_above(ax[1], "minus the original")


def _draw_grey(ax, values):
    # sixty-four levels are enough for the eye, and compress well
    style = {"cmap": "gray", "vmin": 0, "vmax": 63, "interpolation": "none"}
    ax.imshow(np.round(63 * values), extent=(0, CROP, CROP, 0), **style)


def _write_above(ax, text):
    ax.text(0, -2, text, fontsize=14, color=plotting.INK, va="bottom")


def read_error(factor, way):
    """Write the mean error of the whole picture."""
    return _percent(np.abs(make_larger(factor, way) - photograph_crop()).mean())


def read_inside(factor, way):
    """Write the mean error away from the border."""
    error = np.abs(make_larger(factor, way) - photograph_crop())
    return _percent(error[factor:-factor, factor:-factor].mean())


def _percent(share):
    return f"{100 * share:.2f} % of white"


def read_range(factor, way, shown):
    """Say between which values the picture on the right lies."""
    values = make_larger(factor, way)
    if shown == ERROR:
        values = values - photograph_crop()
    low, high = (f"{100 * value:.0f}" for value in (values.min(), values.max()))
    return f"{low} to {high} % of white".replace("-", "−")


def read_flat(factor, way):
    """Say what becomes of a flat grey picture, border left out."""
    side = CROP // factor
    flat = upsample(np.full((side, side), 0.5), factor, way)
    inner = flat[factor:-factor, factor:-factor]
    low, high = (f"{100 * value:.0f} %" for value in (inner.min(), inner.max()))
    return low if low == high else f"{low} to {high}"


photograph = Explorer(
    name="upsampling-photograph",
    module=__name__,
    title="How much of a photograph comes back?",
    description=(
        "Left, a photograph whose blocks of f by f pixels have been replaced by their"
        " means. Right, that small picture enlarged to the old size, or its difference"
        " from the original: orange where it is too dark, blue where it is too bright."
        " Corners: their centres are aligned, not the outer edges. Stamps: a transposed"
        " convolution, with the bilinear kernel or with f + 1 by f + 1 ones."
    ),
    controls=(
        Choice("way", "Way", tuple(WAYS), WAY),
        Slider("factor", "Factor f", 2, 8, 4, page=(2, 3, 4, 6, 8)),
        Choice("shown", "Right", (PICTURE, ERROR), PICTURE),
    ),
    canvas=photograph_canvas,
    layers=(Layer(draw_small), Layer(draw_large)),
    readout=(
        ("Mean error", Layer(read_error)),
        ("Mean error inside", Layer(read_inside)),
        ("Right, the values go from", Layer(read_range)),
        ("Flat grey, 50 %, becomes inside", Layer(read_flat)),
    ),
    size=(7.2, 3.78),
    presets=(
        ("Bilinear", {}),
        ("Pulled apart", {"way": "bilinear, corners", "shown": ERROR}),
        ("Dark border", {"way": STAMPS}),
        ("Checkerboard", {"way": UNEVEN}),
    ),
)
