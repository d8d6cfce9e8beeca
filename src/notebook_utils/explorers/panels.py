"""Panels for explorers: values to places on a board, and lines cut to their edges.

Everything has the same zorder, so that later layers cover earlier ones wherever the
layers are drawn into one figure, as they do on the page.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text

from notebook_utils import plotting


class Panel(NamedTuple):
    """A rectangle of the board, and the values at its edges: low and high."""

    left: float
    top: float
    width: float
    height: float
    xs: tuple
    ys: tuple

    def place(self, points):
        """Turn values (n, 2) into places on the board."""
        low, high = np.array([self.xs, self.ys]).T
        across, up = ((points - low) / (high - low)).T
        return np.stack(
            [self.left + self.width * across, self.top + self.height * (1 - up)], axis=1
        )

    def holds(self, points):
        """Tell which points lie in the panel, edges included."""
        low, high = np.array([self.xs, self.ys]).T
        return ((low <= points) & (points <= high)).all(axis=1)

    def cut(self, points):
        """Cut a line to the panel: a list of pieces, as places on the board."""
        low, high = np.array([self.xs, self.ys]).T
        start, stretch = points[:-1], np.diff(points, axis=0)
        moves = stretch != 0
        # the shares of each stretch at which it comes in and goes out, axis by axis
        edges = [(edge - start) / np.where(moves, stretch, 1) for edge in (low, high)]
        inside = (low <= start) & (start <= high)
        first = np.where(moves, np.minimum(*edges), np.where(inside, 0, 1))
        last = np.where(moves, np.maximum(*edges), np.where(inside, 1, 0))
        first = np.clip(first.max(axis=1), 0, None)
        last = np.clip(last.min(axis=1), None, 1)
        pieces, seen = [], None
        for i in np.flatnonzero(first < last):
            if first[i] > 0 or i - 1 != seen:
                pieces.append([start[i] + first[i] * stretch[i]])
            seen = i if last[i] == 1 else None
            pieces[-1].append(start[i] + last[i] * stretch[i])
        return [self.place(np.array(piece)) for piece in pieces]


def thin(places, tolerance=0.004):
    """Leave out what lies on a line anyway, to within the tolerance.

    The method is Ramer's, Douglas's and Peucker's: keep the place farthest from the
    line between the ends, and go on with both halves.
    """
    if len(places) < 3:
        return places
    chord, offsets = places[-1] - places[0], places[1:-1] - places[0]
    if np.hypot(*chord) > tolerance:
        along = np.clip(offsets @ chord / (chord @ chord), 0, 1)
        offsets = offsets - along[:, None] * chord
    distances = np.hypot(*offsets.T)
    if distances.max() <= tolerance:
        return places[[0, -1]]
    middle = 1 + int(distances.argmax())
    before, after = (
        thin(places[: middle + 1], tolerance),
        thin(places[middle:], tolerance),
    )
    return np.concatenate([before[:-1], after])


def apart(places, distance=0.04):
    """Leave out places that lie nearly on the last one kept."""
    kept = [places[0]]
    for place in places[1:]:
        if np.hypot(*(place - kept[-1])) > distance:
            kept.append(place)
    return np.array(kept)


def draw_pieces(ax, pieces, colour, width):
    """Draw lines, places on the board, as one element."""
    if pieces:
        codes = [[Path.MOVETO] + [Path.LINETO] * (len(piece) - 1) for piece in pieces]
        _draw(ax, np.concatenate(pieces), np.concatenate(codes), colour, width)


def draw_dots(ax, places, colour, size=0.045):
    """Draw dots as one element: strokes of no length, with round ends."""
    codes = [Path.MOVETO, Path.LINETO] * len(places)
    _draw(ax, np.repeat(places, 2, axis=0), codes, colour, 72 * size)


def _draw(ax, vertices, codes, colour, width):
    path = Path(vertices, codes)
    path.should_simplify = False  # it would drop strokes of no length
    style = {"facecolor": "none", "edgecolor": colour, "linewidth": width}
    style |= {"joinstyle": "round", "capstyle": "round"}
    ax.add_artist(PathPatch(path, clip_on=False, zorder=1, **style))


def draw_frame(ax, panel):
    """Draw the edges of a panel."""
    right, bottom = panel.left + panel.width, panel.top + panel.height
    corners = [(panel.left, panel.top), (right, panel.top), (right, bottom)]
    corners += [(panel.left, bottom), (panel.left, panel.top)]
    draw_pieces(ax, [np.array(corners)], plotting.LINE, 0.8)


def write(ax, x, y, text, **style):
    """Write on the board."""
    style = {"color": plotting.INK, "fontsize": 11, "va": "center", "zorder": 1} | style
    ax.add_artist(Text(x, y, text, **style))


def power_of_ten(power):
    """Write a power of ten."""
    digits = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "1" if power == 0 else f"10{str(power).translate(digits)}"
