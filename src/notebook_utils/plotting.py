"""Pictures of the book: one palette, one style, and what the pages draw with them.

A picture is an ordinary matplotlib figure in the colours named here. `to_svg` writes
each of them as ``var(--nu-blue, #2468a8)``: the value after the comma stands wherever
nothing else is known (Jupyter, Colab, print), and the rendered page sets the variable
for its light and dark theme.
"""

import ast
import inspect
import textwrap

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from notebook_utils._style import (
    BLUE,
    DIVERGING,
    FAINT,
    GREEN,
    INK,
    LINE,
    MINT,
    MUTED,
    ORANGE,
    PALETTE,
    PAPER,
    PEACH,
    RED,
    ROSE,
    SKY,
    STYLE,
    book_style,
)
from notebook_utils._svg import to_svg

__all__ = [
    "BLUE",
    "DIVERGING",
    "FAINT",
    "GREEN",
    "INK",
    "LINE",
    "MINT",
    "MUTED",
    "ORANGE",
    "PALETTE",
    "PAPER",
    "PEACH",
    "RED",
    "ROSE",
    "SKY",
    "STYLE",
    "Board",
    "book_style",
    "draw_cells",
    "draw_crosses",
    "draw_line",
    "grid_axes",
    "show",
    "show_source",
    "show_table",
    "subplots",
    "to_svg",
]


def subplots(rows=1, columns=1, *, width=7.2, height=3.0, **options):
    """Figure and axes in the book's style, which is matplotlib's from then on.

    Parameters
    ----------
    rows, columns : int
        The grid of axes, as in `matplotlib.pyplot.subplots`.
    width, height : float
        Size in inches; a page column is 7.2 inches wide.
    **options
        Passed on to `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not registered with pyplot: it is shown once, by `show`, and freed.
    axes : matplotlib.axes.Axes or ndarray of them
    """
    # for good: what is added to the axes later takes its colours from here, too
    rcParams.update(STYLE)
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def show(figure, *, caption, alt, name=None):
    """Display a figure with its caption; on the page it becomes a numbered figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    caption : str
        Markdown, shown below the picture.
    alt : str
        What the picture shows, for a reader who cannot see it.
    name : str, optional
        Target for a cross-reference, ``{numref}`name` ``.

    Raises
    ------
    ValueError
        If the caption or the alternative text is empty.
    """
    from IPython.display import display

    if not caption.strip() or not alt.strip():
        raise ValueError("a figure needs a caption and an alternative text (alt)")
    picture = {
        "image/svg+xml": to_svg(figure, alt=alt, name=name),
        "text/plain": f"Picture: {alt}",
    }
    display(picture, raw=True)
    _show_markdown(caption, caption)


class Board:
    """A plane to draw on, in units of cells with row 0 at the top.

    It has no ticks and no frame, and is far quicker to make than axes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    width, height : float
        Cells across and down, margins included; the figure should have the same
        proportions.
    margin : float
        Cells left of column 0 and above row 0.
    """

    def __init__(self, figure, width, height, *, margin=0.0):
        across, down = figure.get_size_inches()
        scale = min(across / width, down / height)
        self.figure = figure
        inches = Affine2D().translate(margin, margin).scale(scale, -scale)
        self.transform = inches.translate(0, down) + figure.dpi_scale_trans

    def add_artist(self, artist):
        """Add an artist whose coordinates are cells, as `Axes.add_artist` does."""
        artist.set_transform(self.transform)
        return self.figure.add_artist(artist)


def draw_cells(ax, cells, *, size=1.0, face="none", edge=LINE, gid=None, **style):
    """Draw unit cells of a grid.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or Board
    cells : iterable of (row, column)
        The cell (row, column) covers x in [column, column + 1] and y in [row, row + 1].
    size : float
        Side of the drawn square, centred in its cell.
    face, edge : colour
    gid : callable, optional
        Takes the cell's position in `cells`; ``"set:step=3"`` makes an explorer's page
        set the control `step` to 3 when the cell is clicked.
    **style
        Passed on to `matplotlib.patches.PathPatch`.
    """
    low, high = (1 - size) / 2, (1 + size) / 2
    corners = np.array([(low, low), (high, low), (high, high), (low, high), (low, low)])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    style = {"facecolor": face, "edgecolor": edge, "linewidth": 0.8} | style
    if gid is None:
        _draw_rows(ax, cells, corners, codes, **style)
        return
    for i, cell in enumerate(cells):
        _draw_rows(ax, [cell], corners, codes, gid=gid(i), **style)


def draw_crosses(ax, cells, *, size=0.4, colour=MUTED, linewidth=0.9):
    """Cross out unit cells of a grid; parameters as in `draw_cells`."""
    low, high = (1 - size) / 2, (1 + size) / 2
    strokes = np.array([(low, low), (high, high), (low, high), (high, low)])
    codes = [Path.MOVETO, Path.LINETO] * 2
    _draw_rows(
        ax,
        cells,
        strokes,
        codes,
        facecolor="none",
        edgecolor=colour,
        linewidth=linewidth,
    )


def _draw_rows(ax, cells, shape, codes, **style):
    """Draw a shape in each cell, as one element for each row.

    That keeps elements few, and frames of an explorer share the rows that look alike.
    """
    rows = {}
    for row, column in cells:
        rows.setdefault(row, []).append((column, row))
    for row in rows.values():
        vertices = (np.array(row)[:, None] + shape).reshape(-1, 2)
        ax.add_artist(
            PathPatch(Path(vertices, codes * len(row)), clip_on=False, **style)
        )


def draw_line(ax, xs, ys, **style):
    """Draw a line through points on axes or a `Board`; style as for `Line2D`."""
    ax.add_artist(Line2D(xs, ys, clip_on=False, **style))


def grid_axes(ax, rows, columns, *, margin=0.1):
    """Prepare axes for `draw_cells`: square cells, row 0 at the top, no frame."""
    ax.set(
        xlim=(-margin, columns + margin), ylim=(rows + margin, -margin), aspect="equal"
    )
    ax.axis("off")


def show_source(function):
    """Display the source of a function of the package, without its docstring.

    Parameters
    ----------
    function : callable
    """
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    definition = ast.parse("\n".join(lines)).body[0]
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    source = "\n".join(lines)
    _show_markdown(f"```python\n{source}\n```", source)


def show_table(header, rows):
    """Display a table.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences
        Of the header's length; entries are written with `str`.

    Raises
    ------
    ValueError
        If a row has another length than the header.
    """
    wrong = [row for row in rows if len(row) != len(header)]
    if wrong:
        raise ValueError(
            f"row {wrong[0]} has {len(wrong[0])} entries, the header has {len(header)}"
        )
    table = [[str(entry) for entry in row] for row in (header, *rows)]
    table.insert(1, ["---"] * len(header))
    text = "\n".join(" | ".join(row) for row in table)
    # a bar within an entry would begin a column
    cells = [[entry.replace("|", "\\|") for entry in row] for row in table]
    _show_markdown("\n".join(f"| {' | '.join(row)} |" for row in cells), text)


def _show_markdown(markdown, text):
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": text}, raw=True)
