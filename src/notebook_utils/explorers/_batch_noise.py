"""How far the statistics of a batch stray, and with them every example in it."""

import math
from functools import lru_cache

import numpy as np

from notebook_utils import plotting
from notebook_utils.explorers import panels
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import Panel
from notebook_utils.normalization import batch_norm

# A feature with mean 0 and variance 1 over all data. There are two kinds of images, as
# many of each; of the variance that an image's pixels share, the kind makes this part.
KIND = 0.64
BATCHES = 40
EXAMPLES = (-1, 0, 1)  # the values that are followed through the batches
COLOURS = ("BLUE", "GREEN", "ORANGE")
SIZES = (2, 4, 8, 16, 32, 64, 128)

WIDTH, HEIGHT = 72.0, 51.0
STRIPS = Panel(11, 2.5, 58, 19.5, (-3, 3), (0, 3))
CURVE = Panel(11, 32, 58, 11.5, (1, 7), (0, 1))


def predict(n, side, common, order):
    """Predict the standard deviation of a batch's mean."""
    alone = (1 - common) / (n * side**2) + common / n
    kind = common * KIND * (1 - 1 / n) if order == "sorted" else 0
    return math.sqrt(alone + kind)


@lru_cache(maxsize=2**12)
def statistics(n, side, common, order):
    """Draw batches; return their means and the roots of their variances."""
    rng = np.random.default_rng(0)
    # a channel of this array is a batch
    kinds = rng.choice((-1, 1), size=(n, BATCHES))
    if order == "sorted":
        kinds = np.tile((-1, 1), BATCHES // 2) * np.ones((n, 1))
    image = math.sqrt(KIND) * kinds + math.sqrt(1 - KIND) * rng.normal(size=kinds.shape)
    pixels = rng.normal(size=(n, BATCHES, side, side))
    x = math.sqrt(common) * image[..., None, None] + math.sqrt(1 - common) * pixels
    _, cache = batch_norm(x, np.ones(BATCHES), np.zeros(BATCHES))
    return cache.mean.ravel(), cache.deviation.ravel()


def canvas(figure):
    """Return a board for the strips and the curve."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_frames(ax):
    """Draw what never changes: frames, scales, and where inference puts examples."""
    style = {"fontsize": 14, "color": plotting.MUTED}
    for panel in (STRIPS, CURVE):
        panels.draw_frame(ax, panel)
    for row, (example, colour) in enumerate(zip(EXAMPLES, COLOURS, strict=True)):
        line = STRIPS.place(np.array([(example, 2 - row), (example, 3 - row)], float))
        colour = getattr(plotting, colour)
        panels.draw_pieces(ax, [line], colour, 1.6)
        label = f"{example}".replace("-", "−")
        y = line.mean(axis=0)[1]
        panels.write(ax, 10, y, f"x = {label}", ha="right", fontsize=14, color=colour)
    for value in range(-3, 4):
        x, y = STRIPS.place(np.array([(value, 0)], float))[0]
        text = f"{value}".replace("-", "−")
        panels.write(ax, x, y + 1.8, text, ha="center", **style)
    panels.write(ax, 40, 26.2, "normalised value in each batch", ha="center", **style)
    for n in SIZES:
        x, y = CURVE.place(np.array([(math.log2(n), 0)]))[0]
        panels.write(ax, x, y + 1.8, f"{n}", ha="center", **style)
    for share in (0, 0.5, 1):
        x, y = CURVE.place(np.array([(1, share)]))[0]
        panels.write(ax, x - 1, y, f"{share:g}", ha="right", **style)
    panels.write(ax, 40, 48.2, "examples in the batch, n", ha="center", **style)
    # above the frame: inside, a curve runs through every place at some setting
    text = "spread of the batch's mean"
    panels.write(ax, 11, 30, text, fontsize=14, color=plotting.ORANGE)
    panels.write(ax, 69, 30, "1/√n", ha="right", **style)


def draw_strips(ax, n, side, common, order):
    """Draw where the followed examples land, one dot for each batch."""
    means, roots = statistics(n, side, common, order)
    heights = 0.12 + 0.76 * (np.arange(BATCHES) * 0.381966 % 1)
    for row, (example, colour) in enumerate(zip(EXAMPLES, COLOURS, strict=True)):
        landed = np.clip((example - means) / roots, -2.96, 2.96)
        places = STRIPS.place(np.stack([landed, 2 - row + heights], axis=1))
        panels.draw_dots(ax, places.round(1), getattr(plotting, colour), size=0.07)


def draw_curve(ax, side, common, order):
    """Draw the predicted spread against the size of the batch."""
    across = np.linspace(1, 7, 61)
    for arguments, colour, width in (
        ((1, 0, "shuffled"), plotting.LINE, 2.0),
        ((side, common, order), plotting.ORANGE, 2.6),
    ):
        up = [predict(2**each, *arguments) for each in across]
        points = np.stack([across, up], axis=1)
        pieces = [panels.thin(piece, 0.03) for piece in CURVE.cut(points)]
        panels.draw_pieces(ax, pieces, colour, width)


def draw_mark(ax, n, side, common, order):
    """Mark the batch's size on the curve."""
    point = np.array([(math.log2(n), predict(n, side, common, order))])
    panels.draw_dots(ax, CURVE.place(point), plotting.ORANGE, size=0.16)


def read_count(n, side):
    """Count the values behind each mean."""
    return f"{n} · {side} · {side} = {n * side**2}"


def read_spread(n, side, common, order):
    """Compare the measured spread of the means with the predicted one."""
    means, _ = statistics(n, side, common, order)
    predicted = predict(n, side, common, order)
    return f"{np.sqrt(np.mean(means**2)):.2f}; expected {predicted:.2f}"


def read_worth(n, side, common, order):
    """Say how many independent values would stray as little."""
    return f"{1 / predict(n, side, common, order) ** 2:.1f}"


def read_zero(n, side, common, order):
    """Say between which values an example at the mean lands."""
    means, roots = statistics(n, side, common, order)
    landed = -means / roots
    ends = (f"{end:.2f}".replace("-", "−") for end in (landed.min(), landed.max()))
    return "from {} to {}".format(*ends)


noise_explorer = Explorer(
    name="batch-noise",
    module=__name__,
    title="How noisy are the statistics of a batch?",
    description=(
        "Above, three examples, x = −1, 0 and 1, of a feature whose mean is 0 and whose"
        " standard deviation is 1 over all data. Each dot is such an example,"
        " normalised by the statistics of one of 40 batches that it does not belong"
        " to; the lines show where inference puts it. Below, how far the mean of a"
        " batch strays, against the batch's size; the grey curve is 1/√n. ρ is the part"
        " of their variance that the pixels of an image share."
    ),
    controls=(
        Slider("n", "Examples n", 2, 128, 8, page=SIZES),
        Slider("side", "Pixels h = w", 1, 16, 4, page=(1, 2, 4, 8, 16)),
        Slider(
            "common",
            "Pixels alike, ρ",
            0,
            1,
            0.5,
            step=0.05,
            page=(0, 0.1, 0.25, 0.5, 1),
        ),
        Choice("order", "Batches", ("shuffled", "sorted"), "shuffled"),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_frames),
        Layer(draw_strips),
        Layer(draw_curve),
        Layer(draw_mark),
    ),
    readout=(
        ("Values for each mean, nhw", Layer(read_count)),
        ("Spread of the batch's mean", Layer(read_spread)),
        ("Worth so many independent values", Layer(read_worth)),
        ("An example at x = 0 lands", Layer(read_zero)),
    ),
    presets=(
        ("Rows, batch of 2", {"n": 2, "side": 1}),
        ("Rows, batch of 64", {"n": 64, "side": 1}),
        ("4 images, pixels independent", {"n": 4, "side": 8, "common": 0}),
        ("4 images, pixels alike", {"n": 4, "side": 8, "common": 1}),
        ("Sorted, batch of 128", {"n": 128, "order": "sorted"}),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
)
