"""Explorers of batch normalisation: a graph of three examples, noise, shared axes."""

from functools import lru_cache

import numpy as np
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text

from notebook_utils import plotting
from notebook_utils.explorers._batch_noise import noise_explorer
from notebook_utils.explorers._shared_statistics import share, sharing_explorer
from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.normalization import batch_norm
from notebook_utils.plotting import draw_line

__all__ = ["explorer", "noise_explorer", "share", "sharing_explorer"]

# The graph. Nodes are boxes around these points of a board (column, row).
WIDTH, HEIGHT = 72.0, 47.0
BOX = (11.8, 10.0)
NODES = {
    **{f"x{i}": (6.7, row) for i, row in enumerate((7.5, 23.5, 39.5))},
    "mean": (21.4, 15.5),
    "variance": (21.4, 31.5),
    **{f"normalized{i}": (36.1, row) for i, row in enumerate((7.5, 23.5, 39.5))},
    "gamma": (50.8, 15.5),
    "beta": (50.8, 31.5),
    **{f"y{i}": (65.3, row) for i, row in enumerate((7.5, 23.5, 39.5))},
}
LABELS = {
    "mean": "μ",
    "variance": "σ²",
    "gamma": "γ",
    "beta": "β",
    **{f"x{i}": f"x{'₁₂₃'[i]}" for i in range(3)},
    **{f"normalized{i}": f"x̂{'₁₂₃'[i]}" for i in range(3)},
    **{f"y{i}": f"y{'₁₂₃'[i]}" for i in range(3)},
}
EDGES = [
    ("mean", "variance"),
    *((f"x{i}", name) for i in range(3) for name in ("mean", "variance")),
    *((f"x{i}", f"normalized{i}") for i in range(3)),
    *((name, f"normalized{i}") for i in range(3) for name in ("mean", "variance")),
    *((f"normalized{i}", f"y{i}") for i in range(3)),
    *((name, f"y{i}") for i in range(3) for name in ("gamma", "beta")),
]
FILL = {"gamma": plotting.MINT, "beta": plotting.MINT}


@lru_cache(maxsize=2**10)
def forward(x):
    """Return normalised values and root: plain numbers, for there are many settings."""
    _, cache = batch_norm(np.array(x, float)[:, None], [1], [0])
    return cache.normalized[:, 0].tolist(), cache.deviation.item()


@lru_cache(maxsize=2**18)
def node_gradients(x, gamma, grad_y):
    """Return the gradient of the loss at every node of the graph but y."""
    normalized, deviation = forward(x)
    grad_beta = sum(grad_y)
    grad_gamma = sum(g * hat for g, hat in zip(grad_y, normalized, strict=True))
    grad_x = [
        gamma / deviation * (g - grad_beta / 3 - hat * grad_gamma / 3)
        for g, hat in zip(grad_y, normalized, strict=True)
    ]
    return {
        **{f"x{i}": grad_x[i] for i in range(3)},
        "mean": -gamma * grad_beta / deviation,
        "variance": -gamma * grad_gamma / (2 * deviation**2),
        **{f"normalized{i}": gamma * grad_y[i] for i in range(3)},
        "gamma": grad_gamma,
        "beta": grad_beta,
    }


def node_values(x, gamma=1, beta=0):
    """Return the value at every node of the graph."""
    y, cache = batch_norm(np.array(x, float)[:, None], [gamma], [beta])
    return {
        **{f"x{i}": x[i] for i in range(3)},
        "mean": cache.mean.item(),
        "variance": cache.variance.item(),
        **{f"normalized{i}": cache.normalized[i, 0] for i in range(3)},
        "gamma": gamma,
        "beta": beta,
        **{f"y{i}": y[i, 0] for i in range(3)},
    }


def write(number):
    """Write a number in at most six characters: whole ones, and others to 0.01."""
    text = f"{number:.2f}" if abs(number) < 99.995 else f"{number:.0f}"
    text = text.removesuffix(".00")
    return "0" if float(text) == 0 else text.replace("-", "−")


def canvas(figure):
    """Return a board for the graph."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_text(ax, x, y, text, **style):
    """Write text on a board."""
    style = {"fontsize": 15, "va": "center", "color": plotting.INK} | style
    ax.add_artist(Text(x, y, text, **style))


def draw_box(ax, name):
    """Draw a node with its name and the sign of its gradient."""
    x, y = NODES[name]
    corner = (x - BOX[0] / 2, y - BOX[1] / 2)
    face = FILL.get(name, plotting.SKY if name[0] == "x" else plotting.FAINT)
    ax.add_artist(
        Rectangle(corner, *BOX, facecolor=face, edgecolor=plotting.MUTED, linewidth=0.8)
    )
    draw_text(ax, x - 5.2, y - 2.2, LABELS[name], color=plotting.MUTED)
    draw_text(ax, x - 5.2, y + 2.4, "∂", color=plotting.ORANGE)


def arrow_head(start, end):
    """Return the corners of an edge's head; the first, its tip, touches the end's box.

    Parameters
    ----------
    start, end : str
        The nodes that the edge leads from and to.
    """
    base, centre = np.array(NODES[start]), np.array(NODES[end])
    way = centre - base
    # the box's half sides, and how much of the way lies inside it
    inside = min(
        half / abs(step)
        for half, step in zip((BOX[0] / 2, BOX[1] / 2), way, strict=True)
        if step
    )
    tip, along = centre - inside * way, way / np.hypot(*way)
    across = np.array([-along[1], along[0]])
    return np.array(
        [tip, tip - 1.5 * along + 0.6 * across, tip - 1.5 * along - 0.6 * across]
    )


def draw_graph(ax):
    """Draw what never changes: edges and boxes."""
    style = {"color": plotting.MUTED, "linewidth": 1.0}
    for start, end in EDGES:
        (x0, y0), (x1, y1) = NODES[start], NODES[end]
        draw_line(ax, [x0, x1], [y0, y1], zorder=0, **style)
        head = Polygon(arrow_head(start, end), facecolor=plotting.MUTED, linewidth=0)
        ax.add_artist(head)
    for name in NODES:
        draw_box(ax, name)


def draw_values(ax, numbers):
    """Write values into their boxes; `numbers` are pairs of node and text."""
    for name, text in numbers:
        x, y = NODES[name]
        draw_text(ax, x + 5.2, y - 2.2, text, ha="right")


def draw_gradients(ax, numbers):
    """Write gradients into their boxes, below the values."""
    for name, text in numbers:
        x, y = NODES[name]
        draw_text(ax, x + 5.2, y + 2.4, text, ha="right", color=plotting.ORANGE)


def _pick(values, *prefixes):
    names = [name for name in values if name.startswith(prefixes)]
    return {"numbers": tuple((name, write(values[name])) for name in names)}


def batch_key(first, second, third):
    """The nodes that depend on the inputs alone."""
    values = node_values((first, second, third))
    return _pick(values, "x", "mean", "variance", "normalized")


def output_key(first, second, third, gamma, beta):
    """The outputs."""
    return _pick(node_values((first, second, third), gamma, beta), "y")


def gamma_key(gamma):
    """The scale."""
    return {"numbers": (("gamma", write(gamma)),)}


def beta_key(beta):
    """The shift."""
    return {"numbers": (("beta", write(beta)),)}


def upstream_key(grad_first, grad_second, grad_third):
    """The gradients that arrive, and their sum, which is beta's."""
    grads = (grad_first, grad_second, grad_third)
    arriving = {f"y{i}": grad for i, grad in enumerate(grads)}
    return _pick(arriving | {"beta": sum(grads)}, "y", "beta")


def scaled_key(gamma, grad_first, grad_second, grad_third):
    """The gradients with respect to the normalised values."""
    grads = (grad_first, grad_second, grad_third)
    scaled = {f"normalized{i}": gamma * grad for i, grad in enumerate(grads)}
    return _pick(scaled, "normalized")


def gamma_gradient_key(first, second, third, grad_first, grad_second, grad_third):
    """The gradient with respect to the scale."""
    grads = (grad_first, grad_second, grad_third)
    return _pick(node_gradients((first, second, third), 1, grads), "gamma")


def gradient_layer(node):
    """Return the layer of one such node: alone, its drawings are few."""

    def key(first, second, third, gamma, grad_first, grad_second, grad_third):
        grads = (grad_first, grad_second, grad_third)
        number = node_gradients((first, second, third), gamma, grads)[node]
        return {"numbers": ((node, write(number)),)}

    return Layer(draw_gradients, key)


def read_batch(first, second, third):
    """Write out mean, variance and root."""
    values = node_values((first, second, third))
    mean, variance = write(values["mean"]), write(values["variance"])
    root = (values["variance"] + 1e-5) ** 0.5
    return f"mean {mean}, variance {variance}, root {root:.4g}"


def read_outputs(first, second, third, gamma, beta):
    """Write out mean and standard deviation of the outputs."""
    values = node_values((first, second, third), gamma, beta)
    y = [values[f"y{i}"] for i in range(3)]
    return f"mean {write(np.mean(y))}, standard deviation {write(np.std(y))}"


def read_factor(first, second, third, gamma):
    """Write out what the rest of the upstream gradient is multiplied by."""
    variance = node_values((first, second, third))["variance"]
    return f"{gamma / (variance + 1e-5) ** 0.5:.4g}".replace("-", "−")


def read_mean(grad_first, grad_second, grad_third):
    """Write out the mean of the gradients that arrive."""
    return write((grad_first + grad_second + grad_third) / 3)


def along_key(first, second, third, grad_first, grad_second, grad_third):
    """The mean product of arriving gradients and normalised values."""
    grads = (grad_first, grad_second, grad_third)
    gradients = node_gradients((first, second, third), 1, grads)
    return {"text": write(gradients["gamma"] / 3)}


def read_along(text):
    """Write out how much of the normalised values is taken out."""
    return text


INPUTS, SLOPES = (0, 3, 6, 9, 12), (-5, -3, 0, 3, 5)

explorer = Explorer(
    name="batch-normalization",
    module=__name__,
    title="How do gradients flow back through a batch of three?",
    description=(
        "The graph of batch normalisation for three examples of one feature: inputs x,"
        " their mean μ and variance σ², the normalised x̂, scale γ and shift β, outputs"
        " y. Each box holds its value and, below it in orange, the gradient of the loss"
        " with respect to it: at y, the upstream gradient g. ε is 0.00001."
    ),
    controls=(
        # the order keeps the file small: settings of like inputs stand close together
        Slider("gamma", "Scale γ", -2, 2, 1, step=0.5, page=(-1, 0, 0.5, 1, 2)),
        Slider("beta", "Shift β", -5, 5, 0, page=(-2, -1, 0, 2, 5)),
        Slider("first", "Input x₁", -12, 12, 0, page=INPUTS),
        Slider("second", "Input x₂", -12, 12, 6, page=INPUTS),
        Slider("third", "Input x₃", -12, 12, 9, page=INPUTS),
        Slider("grad_first", "Gradient g₁ at y₁", -6, 6, -5, page=SLOPES),
        Slider("grad_second", "Gradient g₂ at y₂", -6, 6, 5, page=SLOPES),
        Slider("grad_third", "Gradient g₃ at y₃", -6, 6, 3, page=SLOPES),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_graph),
        Layer(draw_values, batch_key),
        Layer(draw_values, gamma_key),
        Layer(draw_values, beta_key),
        Layer(draw_values, output_key),
        Layer(draw_gradients, upstream_key),
        Layer(draw_gradients, scaled_key),
        Layer(draw_gradients, gamma_gradient_key),
        *(gradient_layer(node) for node in ("variance", "mean", "x0", "x1", "x2")),
    ),
    readout=(
        ("Batch", Layer(read_batch)),
        ("Outputs", Layer(read_outputs)),
        ("Mean of g, subtracted from g", Layer(read_mean)),
        ("Mean of g · x̂, subtracted times x̂", Layer(read_along, along_key)),
        ("The rest is multiplied by γ / √(σ² + ε) =", Layer(read_factor)),
    ),
    presets=(
        ("The example, γ = 1", {}),
        ("Evenly spaced", {"first": 3, "second": 6, "third": 9}),
        ("Twice as far apart", {"first": 0, "second": 6, "third": 12}),
        ("All inputs equal", {"first": 6, "second": 6, "third": 6}),
        (
            "Same gradient for all",
            {f"grad_{n}": 3 for n in ("first", "second", "third")},
        ),
        (
            "Gradient along x̂",
            {
                **{"first": 3, "second": 6, "third": 9},
                **{"grad_first": -5, "grad_second": 0, "grad_third": 5},
            },
        ),
        ("Scale 0", {"gamma": 0}),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
)
