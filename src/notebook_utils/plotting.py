"""Pictures of the book: one palette, one style, SVG that follows the page's light and dark.

A picture is an ordinary matplotlib figure in the colours of `PALETTE`. `to_svg` writes each of them as
``var(--nu-blue, #2f6fb2)``: the value after the comma stands wherever nothing else is known (Jupyter, Colab,
print), and the rendered page sets the variable for its light and dark theme.
"""

import ast
import html
import inspect
import io
import re
import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D


class Colour(NamedTuple):
    """One colour of the palette on a light and on a dark page."""

    light: str
    dark: str


PALETTE = {
    "ink": Colour("#1e2530", "#e8eaed"),
    "paper": Colour("#fefefe", "#121212"),
    "muted": Colour("#667080", "#a3acb9"),
    "line": Colour("#b9c0ca", "#4a525e"),
    "faint": Colour("#f0f2f5", "#23282f"),
    "blue": Colour("#2468a8", "#74b3f0"),
    "sky": Colour("#cde1f5", "#1d4468"),
    "orange": Colour("#d2691e", "#ffa657"),
    "peach": Colour("#fbdcbf", "#61391a"),
    "green": Colour("#1f8a5b", "#5fd39a"),
    "mint": Colour("#c9ecd9", "#1b4d36"),
    "red": Colour("#c4314b", "#ff7d90"),
    "rose": Colour("#f8d3da", "#5e2430"),
}

INK, PAPER, MUTED, LINE, FAINT = (PALETTE[name].light for name in ("ink", "paper", "muted", "line", "faint"))
BLUE, SKY, ORANGE, PEACH = (PALETTE[name].light for name in ("blue", "sky", "orange", "peach"))
GREEN, MINT, RED, ROSE = (PALETTE[name].light for name in ("green", "mint", "red", "rose"))

# For signed values: zero is grey on either page, so a heat map needs no second version.
DIVERGING = LinearSegmentedColormap.from_list("notebook_utils_diverging", [ORANGE, "#f4f4f2", BLUE])

STYLE = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', {})".format([BLUE, ORANGE, GREEN, RED, MUTED]),
    "axes.grid": False,
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's own font
    "svg.hashsalt": "notebook_utils",  # equal pictures are equal files
}

_COLOUR_NAMES = {colour.light: name for name, colour in PALETTE.items()}


def subplots(rows=1, columns=1, *, width=7.2, height=3.0, **options):
    """Figure and axes in the book's style.

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
    with rc_context(STYLE):
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
    picture = {"image/svg+xml": to_svg(figure, alt=alt, name=name), "text/plain": f"Picture: {alt}"}
    display(picture, raw=True)
    _show_markdown(caption, caption)


def to_svg(figure, *, alt="", name=None, view=None):
    """Write a figure as a compact SVG whose palette colours are CSS variables.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        Stored as the drawing's accessible label.
    name : str, optional
        Stored as ``data-name``.
    view : tuple of float, optional
        The part to show: left, top, width and height as shares of the figure; all of it by default.

    Returns
    -------
    str
        One ``<svg>`` element that scales to the width it is given, at most its own.
    """
    with rc_context(STYLE), io.StringIO() as stream:
        figure.savefig(stream, format="svg", metadata={"Date": None})
        text = stream.getvalue()
    width, height = figure.get_size_inches() * 72
    box = view_box(figure.get_size_inches(), view)
    label = f' role="img" aria-label="{html.escape(alt)}"' if alt else ""
    target = f' data-name="{html.escape(name)}"' if name else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="nu-picture"'
        f' viewBox="{box}" width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}"'
        f"{label}{target}>{_compact(text)}</svg>"
    )


def view_box(size, view=None):
    """Return the viewBox of an SVG for a figure of this size in inches and a view as in `to_svg`."""
    left, top, width, height = view or (0, 0, 1, 1)
    across, down = (72 * side for side in size)
    return f"{left * across:.1f} {top * down:.1f} {width * across:.1f} {height * down:.1f}"


def _compact(text):
    """Return what is inside matplotlib's <svg>: no metadata, short numbers, only ids in use, palette colours as variables."""
    text = text[text.index("<svg") :]
    text = text[text.index(">") + 1 : text.rindex("</svg>")]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"(<style[^>]*>)\*\{stroke-linejoin: round; stroke-linecap: butt\}(</style>)", "", text)
    text = re.sub(r"<defs>\s*</defs>", "", text)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: m.group(0) if m.group(1) in used else _marker(m.group(1)), text)

    def shorten(tag):
        tag = re.sub(
            r"-?\d+\.\d{2,}", lambda m: f"{float(m.group(0)):.1f}".removesuffix(".0"), tag.group(0)
        )
        tag = re.sub(r"\s*\n\s*", " ", tag)
        return re.sub(r"#[0-9a-f]{6}", _variable, tag)

    text = re.sub(r"<[^>]+>", shorten, text)
    text = re.sub(r'(font[^;"]*?) \'DejaVu Sans\'', r"\1 var(--nu-font, 'DejaVu Sans', sans-serif)", text)
    return re.sub(r">\s+<", "><", text).strip()


def _marker(gid):
    """Turn an artist's gid `set:step=3` into the attribute by which a page's explorer knows what a click sets."""
    return f' data-set="{gid[4:]}"' if gid.startswith("set:") else ""


def _variable(match):
    name = _COLOUR_NAMES.get(match.group(0))
    return f"var(--nu-{name}, {match.group(0)})" if name else match.group(0)


def theme_css():
    """Return the style sheet that sets the palette's variables for a light and for a dark page."""
    rules = {
        theme: "".join(f"--nu-{name}:{getattr(colour, theme)};" for name, colour in PALETTE.items())
        for theme in Colour._fields
    }
    return f":root{{{rules['light']}}}\nhtml[data-theme=dark]{{{rules['dark']}}}\n"


class Board:
    """A plane to draw on in units of cells: row 0 at the top, no ticks, no frame, and far quicker to make than axes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    width, height : float
        Cells across and down; the figure should have the same proportions.
    """

    def __init__(self, figure, width, height):
        across, down = figure.get_size_inches()
        scale = min(across / width, down / height)
        self.figure = figure
        self.transform = Affine2D().scale(scale, -scale).translate(0, down) + figure.dpi_scale_trans

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
        Takes the cell's position in `cells`; ``"set:step=3"`` makes an explorer's page set the control `step` to 3 when
        the cell is clicked.
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
    _draw_rows(ax, cells, strokes, codes, facecolor="none", edgecolor=colour, linewidth=linewidth)


def _draw_rows(ax, cells, shape, codes, **style):
    """Draw a shape in each cell, one element for each row: few elements, and frames share the rows that look the same."""
    rows = {}
    for row, column in cells:
        rows.setdefault(row, []).append((column, row))
    for row in rows.values():
        vertices = (np.array(row)[:, None] + shape).reshape(-1, 2)
        ax.add_artist(PathPatch(Path(vertices, codes * len(row)), clip_on=False, **style))


def draw_line(ax, xs, ys, **style):
    """Draw a line through points, on axes or on a `Board`; style as in `matplotlib.lines.Line2D`."""
    ax.add_artist(Line2D(xs, ys, clip_on=False, **style))


def grid_axes(ax, rows, columns, *, margin=0.1):
    """Prepare axes for `draw_cells`: square cells, row 0 at the top, nothing else drawn."""
    ax.set(xlim=(-margin, columns + margin), ylim=(rows + margin, -margin), aspect="equal")
    ax.axis("off")


def show_source(function):
    """Display the source of a function of the package, without its docstring.

    Parameters
    ----------
    function : callable
    """
    lines = inspect.getsource(function).splitlines()
    tree = ast.parse(textwrap.dedent("\n".join(lines)))
    first = tree.body[0].body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        del lines[first.lineno - 1 : first.end_lineno]
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
        raise ValueError(f"row {wrong[0]} has {len(wrong[0])} entries, the header has {len(header)}")
    lines = [" | ".join(map(str, row)) for row in (header, ["---"] * len(header), *rows)]
    _show_markdown("\n".join(f"| {line} |" for line in lines), "\n".join(lines))


def _show_markdown(markdown, text):
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": text}, raw=True)
