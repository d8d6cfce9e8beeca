"""Explorer of word2vec's training pairs: which words learn from which?"""

from functools import cache

import numpy as np
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_cells, draw_line
from notebook_utils.word2vec import context_pairs, keep_probability

SENTENCE = "the cat sat on the mat and the dog lay by the fire"
WORDS = SENTENCE.split()
SIDE = len(WORDS)

# how often each word occurs in a text of a million words, made up but of the right size
TOTAL = 1_000_000
COUNTS = {
    "the": 60_000,
    "and": 28_000,
    "on": 7_000,
    "by": 6_000,
    "fire": 150,
    "dog": 80,
    "sat": 60,
    "lay": 50,
    "cat": 40,
    "mat": 8,
}
KNOWN = list(COUNTS)
OFF, FIXED, DRAWN = "off", "always w", "drawn, 1 to w"

# rows and columns of words begin here, right of and below their names
LEFT, TOP, MARGIN = 2.0, 2.0, 0.25


def keeping(threshold):
    """Return how likely each word of the sentence is to be kept."""
    if threshold == OFF:
        return np.ones(SIDE)
    counts = [*COUNTS.values(), TOTAL - sum(COUNTS.values())]
    keep = keep_probability(counts, threshold=float(threshold))
    return keep[[KNOWN.index(word) for word in WORDS]]


@cache
def kept_places(threshold, draw):
    """Return the places of the words that subsampling keeps."""
    drawn = np.random.default_rng(int(draw)).random(SIDE)
    return tuple(np.flatnonzero(drawn < keeping(threshold)).tolist())


@cache
def pair_places(threshold, window, size, draw):
    """Return the pairs (place of the centre, place of the context word)."""
    # drawn apart from the words, so that each threshold sees the same windows
    rng = np.random.default_rng([int(draw), 1]) if size == DRAWN else None
    kept = list(kept_places(threshold, draw))
    pairs = context_pairs(kept, window=int(window), rng=rng)
    return tuple((int(centre), int(context)) for centre, context in pairs)


def count_kept(threshold, draw):
    """Return how many centre words there are to choose from."""
    return len(kept_places(threshold, draw))


def canvas(figure):
    """Return a board for the grid of pairs."""
    across = LEFT + SIDE + 2 * MARGIN
    return plotting.Board(figure, across, TOP + SIDE + 2 * MARGIN, margin=MARGIN)


def _write(ax, x, y, text, **style):
    ax.add_artist(Text(x, y, text, fontsize=11, **style))


def kept_key(threshold, draw):
    """Which words are kept."""
    return {"kept": kept_places(threshold, draw)}


def draw_words(ax, kept):
    """Write the sentence down and across, and strike out what was dropped."""
    for place, word in enumerate(WORDS):
        colour = plotting.INK if place in kept else plotting.MUTED
        middle = place + 0.5
        down = {"ha": "right", "va": "center_baseline", "color": colour}
        _write(ax, LEFT - 0.25, TOP + middle, word, **down)
        across = {"ha": "left", "va": "center", "rotation": 60, "color": colour}
        across |= {"rotation_mode": "anchor"}
        _write(ax, LEFT + middle, TOP - 0.25, word, **across)
        if place not in kept:
            line = {"color": plotting.RED, "linewidth": 1.4}
            reach = 0.28 * len(word) + 0.2
            ends = ([LEFT - 0.2, LEFT - 0.2 - reach], [TOP + middle] * 2)
            draw_line(ax, *ends, **line)
            # at 60°, up from the foot of the word
            run, rise = np.cos(np.pi / 3) * reach, np.sin(np.pi / 3) * reach
            x, y = LEFT + middle - 0.02, TOP - 0.22
            draw_line(ax, [x, x + run], [y, y - rise], **line)


def draw_grid(ax, kept):
    """Draw a cell for each centre and context; a click on a row chooses its centre."""
    for row in range(SIDE):
        cells = [(TOP + row, LEFT + column) for column in range(SIDE) if column != row]
        own = [(TOP + row, LEFT + row)]
        style = {"face": plotting.PAPER, "edge": plotting.LINE, "size": 0.9}
        if row in kept:
            clicked = f"set:step={kept.index(row)}"
            draw_cells(ax, cells, gid=lambda _, clicked=clicked: clicked, **style)
            draw_cells(ax, own, gid=lambda _, clicked=clicked: clicked, **style)
        else:
            draw_cells(ax, cells, **style)
        draw_cells(ax, own, face=plotting.LINE, edge=plotting.LINE, size=0.9)


def pairs_key(threshold, window, size, draw):
    """All pairs."""
    return {"pairs": pair_places(threshold, window, size, draw)}


def draw_pairs(ax, pairs):
    """Fill a cell for each pair that is trained on."""
    cells = [(TOP + centre, LEFT + context) for centre, context in pairs]
    draw_cells(ax, cells, face=plotting.SKY, edge=plotting.BLUE, size=0.9)


def own_key(threshold, window, size, draw, step):
    """The chosen centre, and the words in its window."""
    kept = kept_places(threshold, draw)
    if not kept:
        return {"centre": None, "contexts": ()}
    pairs = pair_places(threshold, window, size, draw)
    centre = kept[step]
    return {"centre": centre, "contexts": tuple(o for c, o in pairs if c == centre)}


def draw_own(ax, centre, contexts):
    """Mark the pairs of the chosen centre."""
    if centre is None:
        return
    colour = plotting.ORANGE
    draw_cells(ax, [(TOP + centre, LEFT + centre)], face=colour, edge=colour, size=0.9)
    cells = [(TOP + centre, LEFT + context) for context in contexts]
    draw_cells(ax, cells, face=plotting.PEACH, edge=colour, size=0.9)


def read_centre(centre, contexts):
    """List the pairs of the chosen centre."""
    if centre is None:
        return "—"
    pairs = ", ".join(f"({WORDS[centre]}, {WORDS[place]})" for place in contexts)
    return pairs or f"none: {WORDS[centre]} has no neighbour"


def centre_key(threshold, draw, step):
    """The chosen centre word."""
    kept = kept_places(threshold, draw)
    return {"threshold": threshold, "place": kept[step] if kept else None}


def read_keep(threshold, place):
    """Fill in how likely the chosen centre word was to be kept."""
    if place is None:
        return "—"
    word = WORDS[place]
    share = f"{COUNTS[word] / TOTAL:.6f}".rstrip("0")
    if threshold == OFF:
        return f"1 for {word}, as for all"
    keep = keeping(threshold)[place]
    if keep == 1:
        return f"1 for {word}: f = {share} is at most t"
    return f"√({threshold} / {share}) = {keep:.3f} for {word}"


def read_kept(kept):
    """Count the words kept."""
    return f"{len(kept)} of {SIDE}"


def read_pairs(pairs):
    """Count the pairs."""
    return f"{len(pairs)}"


explorer = Explorer(
    name="word2vec",
    module=__name__,
    title="Which pairs of words are trained on?",
    description=(
        "A grid with a sentence down its left side, as centre words, and across its"
        " top, as context words. Words that subsampling dropped are struck out. A blue"
        " cell is a pair that skip-gram trains on; those of one centre word are orange."
        " The cells on the diagonal are the words themselves, and no pairs."
    ),
    controls=(
        Slider("window", "Window w", 1, 5, 2),
        Choice("size", "Size", (FIXED, DRAWN), FIXED),
        Choice(
            "threshold",
            "Threshold t",
            (OFF, "0.01", "0.001", "0.0001", "0.00001"),
            "0.001",
        ),
        Slider("draw", "Draw number", 1, 5, 2),
        Steps("step", "Centre word", count_kept, default=4),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_words, kept_key),
        Layer(draw_grid, kept_key),
        Layer(draw_pairs, pairs_key),
        Layer(draw_own, own_key),
    ),
    readout=(
        ("Pairs of this centre word", Layer(read_centre, own_key)),
        ("Pairs in all", Layer(read_pairs, pairs_key)),
        ("Words kept", Layer(read_kept, kept_key)),
        ("Probability of keeping this word", Layer(read_keep, centre_key)),
    ),
    presets=(
        ("Subsampled", {}),
        ("Every pair", {"threshold": OFF}),
        ("Near words weigh more", {"window": 5, "size": DRAWN, "threshold": OFF}),
        ("As word2vec trains", {"window": 5, "size": DRAWN}),
    ),
    size=(5.6, 5.6 * (TOP + SIDE + 2 * MARGIN) / (LEFT + SIDE + 2 * MARGIN)),
)
