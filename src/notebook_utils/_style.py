"""The look of the book's pictures: the palette and matplotlib's settings."""

from contextlib import contextmanager
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap


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

INK, PAPER, MUTED, LINE, FAINT = (
    PALETTE[name].light for name in ("ink", "paper", "muted", "line", "faint")
)
BLUE, SKY, ORANGE, PEACH = (
    PALETTE[name].light for name in ("blue", "sky", "orange", "peach")
)
GREEN, MINT, RED, ROSE = (
    PALETTE[name].light for name in ("green", "mint", "red", "rose")
)

# For signed values: zero is grey on either page, so a heat map needs no second version.
DIVERGING = LinearSegmentedColormap.from_list(
    "notebook_utils_diverging", [ORANGE, "#f4f4f2", BLUE]
)

STYLE = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100,
    "savefig.facecolor": PAPER,
    "savefig.bbox": None,  # a tight box would not be the size that is said
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler('color', {[BLUE, ORANGE, GREEN, RED, MUTED]})",
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
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "notebook_utils",  # equal pictures are equal files
}

_open = []  # one entry while the style is in force


@contextmanager
def book_style():
    """Draw in the book's style; inside itself it does nothing, and takes no time."""
    if _open:
        yield
        return
    with rc_context(STYLE):
        _open.append(True)
        try:
            yield
        finally:
            _open.clear()
