"""Explorer of information: how much do two binary variables tell of each other?"""

import math

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.information import (
    conditional_entropy,
    entropy,
    joint_entropy,
    js_divergence,
    kl_divergence,
    mutual_information,
    pointwise_mutual_information,
)
from notebook_utils.plotting import Board, draw_line

# the board, in cells of a fifth of an inch
WIDTH, HEIGHT = 36, 18
LEFT, TOP, SIDE = 3.6, 3.0, 12.5  # of the square
START, BIT = 21.4, 6.9  # where the bars begin, and how long one bit is
ROWS = {"H(X, Y)": 4.4, "H(X)": 7.6, "H(Y)": 10.8, "split": 14.0}
THICK = 2.0
NEUTRAL, MORE, LESS, SHARED = (
    (plotting.FAINT, plotting.MUTED),
    (plotting.SKY, plotting.BLUE),
    (plotting.PEACH, plotting.ORANGE),
    (plotting.MINT, plotting.GREEN),
)


def joint_of(p, given_zero, given_one):
    """Return the joint distribution: rows are X = 0, 1 and columns are Y = 0, 1."""
    return np.array([[1 - p], [p]]) * rows_of(given_zero, given_one)


def rows_of(given_zero, given_one):
    """Return the distribution of Y given X = 0, and given X = 1."""
    return np.array([[1 - given_zero, given_zero], [1 - given_one, given_one]])


def in_digits(value, digits=3):
    """Write a number; rounding leaves no minus zero."""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    return f"{round(float(value), digits) + 0:.{digits}f}".replace("-", "−")


def colours_of(pmi):
    """Tell more than independent from less, and from what would be written as 0."""
    if abs(pmi) < 0.005:
        return NEUTRAL
    return MORE if pmi > 0 else LESS


def canvas(figure):
    """Return a board for the square and the bars."""
    return Board(figure, WIDTH, HEIGHT)


def _draw_box(ax, left, top, width, height, colours):
    if width > 0 and height > 0:
        face, edge = colours
        style = {"facecolor": face, "edgecolor": edge, "linewidth": 1.2}
        ax.add_artist(Rectangle((left, top), width, height, **style))


def _draw_text(ax, x, y, text, **style):
    usual = {"ha": "center", "va": "center", "fontsize": 13, "color": plotting.INK}
    ax.add_artist(Text(x, y, text, **usual | style))


def cells(p, given_zero, given_one):
    """List the cells: left, top, width and height on the board, y, and the pmi."""
    pmi = pointwise_mutual_information(joint_of(p, given_zero, given_one))
    answer = []
    for x, (left, share) in enumerate(((0, 1 - p), (1 - p, p))):
        bottom = TOP + SIDE
        for y, height in enumerate(SIDE * rows_of(given_zero, given_one)[x]):
            bottom -= height
            place = LEFT + SIDE * left, bottom, SIDE * share, height
            answer.append((place, y, pmi[x, y]))
    return answer


def draw_square(ax, p, given_zero, given_one):
    """Draw each pair of values as an area, coloured by the sign of its pmi."""
    for place, _, pmi in cells(p, given_zero, given_one):
        _draw_box(ax, *place, colours_of(pmi))


def draw_numbers(ax, p, given_zero, given_one):
    """Write the pmi into the cells that have room for it, and y if they have more."""
    for (left, top, width, height), y, pmi in cells(p, given_zero, given_one):
        if width > 3.2 and height > 1.2:
            text = f"Y = {y}\n" if height > 2.6 else ""
            behind = {"facecolor": colours_of(pmi)[0], "edgecolor": "none", "pad": 1.5}
            middle = left + width / 2, top + height / 2
            _draw_text(ax, *middle, text + in_digits(pmi, 2), bbox=behind)


def independence_key(p, given_zero, given_one):
    """The probability that Y is 1, in thousandths."""
    p_y = joint_of(p, given_zero, given_one).sum(axis=0)
    return {"p_one": round(float(p_y[1]), 3)}


def draw_independence(ax, p_one):
    """Draw where both columns would be cut if X and Y were independent."""
    y = TOP + SIDE * p_one
    style = {"color": plotting.INK, "linewidth": 1.4, "linestyle": (0, (4, 2))}
    draw_line(ax, [LEFT - 0.4, LEFT + SIDE + 0.4], [y, y], **style)


def draw_columns(ax, p):
    """Name the columns that are wide enough."""
    for value, left, share in ((0, 0, 1 - p), (1, 1 - p, p)):
        if share >= 0.3:
            x = LEFT + SIDE * (left + share / 2)
            _draw_text(ax, x, TOP + SIDE + 1, f"X = {value}")


def draw_frame(ax):
    """Draw what stays: titles, the names of rows, and the scale in bits."""
    _draw_text(ax, LEFT + SIDE / 2, 1.4, "areas: p(x, y); numbers: pmi")
    _draw_text(ax, START + BIT, 1.4, "information in bits")
    for y, value in ((TOP + SIDE - 0.7, 0), (TOP + 0.7, 1)):
        _draw_text(ax, LEFT - 0.5, y, f"Y = {value}", ha="right")
    for bits in (0, 0.5, 1, 1.5, 2):
        x = START + BIT * bits
        line = {"color": plotting.LINE, "linewidth": 0.8, "zorder": 0}
        draw_line(ax, [x, x], [ROWS["H(X, Y)"] - 1.6, ROWS["split"] + 1.6], **line)
        _draw_text(ax, x, ROWS["split"] + 2.4, f"{bits:g}", color=plotting.MUTED)
    for name, y in ROWS.items():
        _draw_text(ax, START - 0.5, y, name, ha="right")


def parts_key(p, given_zero, given_one):
    """What only X tells, what both share, and what only Y tells, to a thousandth."""
    joint = joint_of(p, given_zero, given_one)
    parts = (
        conditional_entropy(joint.T),
        mutual_information(joint),
        conditional_entropy(joint),
    )
    return {"parts": tuple(round(float(part), 3) for part in parts)}


def draw_bars(ax, parts):
    """Draw H(X) and H(Y) as bars that overlap by what they share."""
    only_x, shared, only_y = parts
    h_x = only_x + shared
    for name, start, length, colours, text in (
        ("H(X, Y)", 0, h_x + only_y, NEUTRAL, ""),
        ("H(X)", 0, h_x, MORE, ""),
        ("H(Y)", only_x, shared + only_y, LESS, ""),
        ("split", 0, only_x, MORE, "H(X|Y)"),
        ("split", only_x, shared, SHARED, "I"),
        ("split", h_x, only_y, LESS, "H(Y|X)"),
    ):
        left, width = START + BIT * start, BIT * length
        _draw_box(ax, left, ROWS[name] - THICK / 2, width, THICK, colours)
        if text and width > 0.6 * len(text):
            _draw_text(ax, left + width / 2, ROWS[name], text)


def read_both(p, given_zero, given_one):
    """Fill in the joint entropy as a sum."""
    joint = joint_of(p, given_zero, given_one)
    both = in_digits(joint_entropy(joint))
    parts = in_digits(entropy(joint.sum(axis=1))), in_digits(conditional_entropy(joint))
    return f"{' + '.join(parts)} = {both}"


def read_shared(p, given_zero, given_one):
    """Fill in the mutual information as a difference."""
    joint = joint_of(p, given_zero, given_one)
    parts = in_digits(entropy(joint.sum(axis=0))), in_digits(conditional_entropy(joint))
    return f"{' − '.join(parts)} = {in_digits(mutual_information(joint))}"


def read_divergences(given_zero, given_one):
    """Compare the two rows both ways."""
    zero, one = rows_of(given_zero, given_one)
    ways = kl_divergence(zero, one), kl_divergence(one, zero)
    return " and ".join(in_digits(way) for way in ways)


def read_js(given_zero, given_one):
    """Compare the two rows with their mean."""
    return in_digits(js_divergence(*rows_of(given_zero, given_one)))


explorer = Explorer(
    name="information-theory",
    module=__name__,
    title="How much do X and Y tell of each other?",
    description=(
        "Left, a square of area 1. Its two columns are X = 0 and X = 1, as wide as they"
        " are likely, and each is cut into Y = 0 (below) and Y = 1; the dashed line"
        " says where it would be cut if X and Y were independent. Pairs that occur more"
        " often than that are blue, less often orange, just as often grey. Right,"
        " entropies as bars: H(X) and H(Y) overlap by the mutual information I, and"
        " together they cover H(X, Y)."
    ),
    controls=(
        Slider("p", "p(X = 1)", 0.0, 1.0, 0.5, step=0.1),
        Slider("given_zero", "p(Y = 1 | X = 0)", 0.0, 1.0, 0.1, step=0.1),
        Slider("given_one", "p(Y = 1 | X = 1)", 0.0, 1.0, 0.7, step=0.1),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_square),
        Layer(draw_independence, independence_key),
        Layer(draw_numbers),
        Layer(draw_columns),
        Layer(draw_frame),
        Layer(draw_bars, parts_key),
    ),
    readout=(
        ("H(X, Y) = H(X) + H(Y | X)", Layer(read_both)),
        ("I(X; Y) = H(Y) − H(Y | X)", Layer(read_shared)),
        ("D(Y given 0 ‖ Y given 1), and back", Layer(read_divergences)),
        ("JS of Y given 0 and Y given 1", Layer(read_js)),
    ),
    size=(WIDTH / 5, HEIGHT / 5),
    presets=(
        ("Noisy", {}),
        ("Copy", {"given_zero": 0.0, "given_one": 1.0}),
        ("Opposite", {"given_zero": 1.0, "given_one": 0.0}),
        ("Independent", {"p": 0.3, "given_zero": 0.6, "given_one": 0.6}),
        ("Flips 1 in 10", {"given_zero": 0.1, "given_one": 0.9}),
        ("Only 1 may flip", {"given_zero": 0.0, "given_one": 0.5}),
    ),
)
