"""Numbers in cells, as the explorers of backpropagation show them."""

from itertools import product

from notebook_utils import plotting
from notebook_utils.explorers.panels import write
from notebook_utils.plotting import draw_line


def tell(value):
    """Write a number in at most five characters."""
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "−")


def square(top, left, side):
    """List the cells of a square, row by row."""
    return [(top + r, left + c) for r, c in product(range(side), repeat=2)]


def write_number(ax, row, column, value, size=12.5):
    """Write a number in the middle of a cell."""
    write(ax, column + 0.5, row + 0.53, tell(value), ha="center", fontsize=size)


def draw_outline(ax, top, left, side):
    """Draw a frame around a square of cells."""
    xs = (left, left + side, left + side, left, left)
    ys = (top, top, top + side, top + side, top)
    style = {"linewidth": 2.2, "solid_joinstyle": "miter"}
    draw_line(ax, xs, ys, color=plotting.ORANGE, **style)


def plural(number, thing):
    """Write a number of things."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
