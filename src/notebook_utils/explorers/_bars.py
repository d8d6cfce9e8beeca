"""Groups of three bars, one for each class: what explorers of scores draw."""

from typing import NamedTuple

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.plotting import draw_line

CLASSES = ("cat", "car", "frog")
EDGES = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)
FACES = (plotting.SKY, plotting.PEACH, plotting.MINT)

WIDTH, HEIGHT = 25.4, 13.2  # of the board that holds three groups
SLOT, BAR = 2.3, 1.5  # from bar to bar, and the width of one
TOP, BOTTOM = 2.9, 9.5
MIDDLE, SPAN = (TOP + BOTTOM) / 2, BOTTOM - TOP
LEFTS = (1.1, 9.8, 18.5)
VALUES, NAMES, UNDERLINE = 10.45, 11.75, 12.5  # rows below the bars


class Bars(NamedTuple):
    """One group of bars: what it shows, and where its values lie on the board."""

    title: str
    hint: str
    left: float
    zero: float
    unit: float
    digits: int
    marks: tuple

    def row(self, value):
        """Return the row of the board at which a value lies."""
        return self.zero - value * self.unit

    @property
    def right(self):
        """Return where the group ends."""
        return self.left + len(CLASSES) * SLOT

    def middle(self, i):
        """Return the column of the middle of bar i."""
        return self.left + (i + 0.5) * SLOT

    def outline(self, i, value):
        """Return the corners of a bar."""
        left, right = self.middle(i) - BAR / 2, self.middle(i) + BAR / 2
        low, high = self.row(0), self.row(value)
        return [left, right, right, left, left], [low, low, high, high, low]


def canvas(figure):
    """Return a board for three groups."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def in_digits(number, digits):
    """Write a number with a true minus, and no minus before a zero."""
    text = f"{number:.{digits}f}"
    negative = text.startswith("-") and float(text) != 0
    return ("−" if negative else "") + text.removeprefix("-")


def listed(values):
    """Write three numbers."""
    return ", ".join(in_digits(float(value), 3) for value in values)


def say(ax, x, y, text, **style):
    """Write on the board, centred."""
    style = {"color": plotting.INK, "fontsize": 15} | style
    ax.add_artist(Text(x, y, text, ha="center", va="center", **style))


def draw_group(ax, group):
    """Draw what stays of a group: title, lines at the marks, names of the classes."""
    middle = (group.left + group.right) / 2
    say(ax, middle, 0.6, group.title, fontsize=16)
    say(ax, middle, 1.75, group.hint, color=plotting.MUTED, fontsize=13)
    for mark in group.marks:
        row, style = group.row(mark), {"color": plotting.LINE, "linewidth": 0.8}
        if mark == 0:
            style = {"color": plotting.MUTED, "linewidth": 1.2}
        draw_line(ax, [group.left, group.right], [row, row], **style)
        text = f"{mark:g}".replace("-", "−")
        say(ax, group.left - 0.6, row, text, color=plotting.MUTED, fontsize=13)
    for i, name in enumerate(CLASSES):
        say(ax, group.middle(i), NAMES, name)


def draw_bar(ax, group, i, value, *, edge=None):
    """Draw one bar, and write its value below the group, clear of all bars."""
    xs, ys = group.outline(i, value)
    style = {"facecolor": FACES[i], "edgecolor": edge or EDGES[i], "linewidth": 1.4}
    corners = np.stack([xs, ys], axis=1)
    ax.add_artist(PathPatch(Path(corners), clip_on=False, **style))
    text = in_digits(value, group.digits)
    say(ax, group.middle(i), VALUES, text, fontsize=14)


def draw_truth(ax, groups, truth):
    """Underline the true class."""
    for group in groups:
        middle = group.middle(CLASSES.index(truth))
        ends = [middle - 0.9, middle + 0.9]
        draw_line(ax, ends, [UNDERLINE, UNDERLINE], color=plotting.INK, linewidth=2.2)
