"""Explorer of a convolution backwards: which outputs does an input cell answer to?"""

from functools import lru_cache
from itertools import product

import numpy as np

from notebook_utils import plotting
from notebook_utils.convolution import conv2d_backward, output_size
from notebook_utils.explorers._numbers import draw_outline, square, tell, write_number
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import write
from notebook_utils.plotting import draw_cells

# The gradient of the outputs in its frame of zeros, left, and the gradient
# at the input, right. Both begin in row START + what the frame needs.
PADDINGS = ("valid", "same", "full")
LARGEST, WIDEST = 9, 5
MARGIN, GAP, TITLE = 0.4, 1.6, 1.0
CANVAS = LARGEST + WIDEST - 1 + GAP + LARGEST + 2 * MARGIN
TALL = LARGEST + WIDEST - 1 + TITLE + MARGIN
DELTAS = (2, -1, 1, 3, 0, -2, 1)  # the gradients of the outputs, in turn


def frame_of(size, kernel, padding):
    """Return the zeros before and after that the backward pass puts around δ."""
    forward = {"valid": 0, "same": (kernel - 1) // 2, "full": kernel - 1}[padding]
    before = kernel - 1 - forward
    return before, size + kernel - 1 - before - outputs(size, kernel, padding)


def outputs(size, kernel, padding):
    """Return the side of the output."""
    return output_size(size, kernel, padding=padding)


def deltas(side):
    """Return gradients for side × side outputs, whole numbers."""
    return np.array(
        [[DELTAS[(2 * r + 3 * c) % 7] for c in range(side)] for r in range(side)], float
    )


def weights(kernel):
    """Return a kernel whose weights are numbered in reading order, from 1."""
    return np.arange(1.0, kernel**2 + 1).reshape(kernel, kernel)


@lru_cache(maxsize=2**8)
def gradient(size, kernel, padding):
    """Return the gradient at the input, as `conv2d_backward` gives it."""
    delta = deltas(outputs(size, kernel, padding))[None, None]
    x, w = np.zeros((1, 1, size, size)), weights(kernel)[None, None]
    grad_x, _, _ = conv2d_backward(delta, x, w, padding=padding)
    return tuple(map(tuple, grad_x[0, 0].tolist()))


def count_inputs(size):
    """Return how many input cells there are."""
    return size**2


def wide_canvas(figure):
    """Return a board for both panels; which part of it is shown says `view`."""
    return plotting.Board(figure, CANVAS, TALL)


def view_key(size, kernel):
    """The side of the larger panel, and of the smaller."""
    return {"framed": size + kernel - 1, "size": size}


def view(framed, size):
    """Show both panels, as large as they can be in the picture's proportions."""
    share = max(
        (framed + GAP + size + 2 * MARGIN) / CANVAS, (framed + TITLE + MARGIN) / TALL
    )
    return (0, 0, share, share)


def framed_key(size, kernel, padding):
    """The gradient of the outputs, and its frame."""
    before, after = frame_of(size, kernel, padding)
    return {"side": outputs(size, kernel, padding), "before": before, "after": after}


def draw_framed(ax, side, before, after):
    """Draw the gradient of the outputs within its frame of zeros."""
    whole = set(square(TITLE, MARGIN, before + side + after))
    inside = square(TITLE + before, MARGIN + before, side)
    dashed = {"edge": plotting.MUTED, "linestyle": (0, (1.5, 1.5)), "size": 0.92}
    draw_cells(ax, sorted(whole - set(inside)), face=plotting.FAINT, **dashed)
    style = {"face": plotting.MINT, "edge": plotting.GREEN, "size": 0.92}
    draw_cells(ax, inside, **style)
    for (r, c), value in np.ndenumerate(deltas(side)):
        x, y = MARGIN + before + c + 0.4, TITLE + before + r + 0.34
        write(ax, x, y, tell(value), ha="center", fontsize=13)
    title = "∂L/∂y in a frame of zeros" if before or after else "∂L/∂y"
    write(ax, MARGIN, TITLE - 0.45, title, color=plotting.MUTED, fontsize=13.5)


def turned_key(size, kernel, step):
    """Where the turned kernel lies for the chosen input cell."""
    row, column = divmod(step, size)
    return {"row": row, "column": column, "kernel": kernel}


def draw_turned(ax, row, column, kernel):
    """Frame the outputs that read the chosen cell, and write their weights."""
    top, left = TITLE + row, MARGIN + column
    for (r, c), weight in np.ndenumerate(weights(kernel)[::-1, ::-1]):
        style = {"color": plotting.ORANGE, "fontsize": 12, "ha": "right"}
        write(ax, left + c + 0.92, top + r + 0.74, tell(weight), **style)
    draw_outline(ax, top, left, kernel)


def sum_key(size, kernel, padding):
    """The gradient at the input, and where it is drawn."""
    return {
        "values": gradient(size, kernel, padding),
        "left": MARGIN + size + kernel - 1 + GAP,
    }


def draw_sum(ax, values, left):
    """Draw the gradient at the input; a click on a cell chooses it."""
    style = {"face": plotting.SKY, "edge": plotting.BLUE, "size": 0.92}
    cells = square(TITLE, left, len(values))
    draw_cells(ax, cells, gid=lambda i: f"set:step={i}", **style)
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            write_number(ax, TITLE + r, left + c, value, size=12)
    write(ax, left, TITLE - 0.45, "∂L/∂x", color=plotting.MUTED, fontsize=13.5)


def chosen_key(size, kernel, step):
    """Where the chosen input cell lies."""
    row, column = divmod(step, size)
    return {"row": TITLE + row, "column": MARGIN + size + kernel - 1 + GAP + column}


def draw_chosen(ax, row, column):
    """Frame the chosen input cell."""
    draw_outline(ax, row, column, 1)


def terms(size, kernel, padding, step):
    """List δ and weight of each output that reads the chosen cell."""
    row, column = divmod(step, size)
    before, _ = frame_of(size, kernel, padding)
    side = outputs(size, kernel, padding)
    delta, turned = deltas(side), weights(kernel)[::-1, ::-1]
    found = []
    for a, b in product(range(kernel), repeat=2):
        r, c = row + a - before, column + b - before
        if 0 <= r < side and 0 <= c < side:
            found.append((float(delta[r, c]), float(turned[a, b])))
    return tuple(found)


def terms_key(size, kernel, padding, step):
    """The products alone."""
    return {"pairs": terms(size, kernel, padding, step)}


def read_terms(pairs):
    """Write the sum out, as far as there is room."""
    total = tell(sum(d * w for d, w in pairs))
    shown = [f"{tell(w)}·{f'({tell(d)})' if d < 0 else tell(d)}" for d, w in pairs]
    more = " + …" if len(shown) > 9 else ""
    return f"{' + '.join(shown[:9])}{more} = {total}"


def readers_key(size, kernel, padding, step):
    """How many outputs read the chosen cell, and how many there are."""
    return {
        "some": len(terms(size, kernel, padding, step)),
        "every": outputs(size, kernel, padding) ** 2,
    }


def read_readers(some, every):
    """Say how many outputs read the chosen cell."""
    return f"{some} of {every}"


def read_modes(size, kernel, padding):
    """Say what the backward pass does with the sizes."""
    side = outputs(size, kernel, padding)
    before, after = frame_of(size, kernel, padding)
    frame = f"{before}" if before == after else f"{before} before, {after} after"
    back = {"valid": "full", "same": "same", "full": "valid"}[padding]
    forward = f"{padding} forwards, {size} → {side}"
    return f"{forward}; {back} backwards, {side} → {size} (zeros: {frame})"


convolution_explorer = Explorer(
    name="convolution-backwards",
    module=__name__,
    title="Which outputs does an input cell answer to?",
    description=(
        "Left, the gradient of the outputs (green) in a frame of zeros (dashed). The"
        " kernel, whose weights are numbered in reading order, lies on it turned by"
        " half a turn (orange numbers). Right, the gradient at the input: the marked"
        " cell is the sum of the products in the frame."
    ),
    controls=(
        Slider("size", "Input size n", WIDEST, LARGEST, 5),
        Slider("kernel", "Kernel k", 1, WIDEST, 3),
        Choice("padding", "Forward padding", PADDINGS, "valid"),
        Steps("step", "Input cell", count_inputs),
    ),
    canvas=wide_canvas,
    layers=(
        Layer(draw_framed, framed_key),
        Layer(draw_sum, sum_key),
        Layer(draw_turned, turned_key),
        Layer(draw_chosen, chosen_key),
    ),
    readout=(
        ("Outputs that read this cell", Layer(read_readers, readers_key)),
        ("Weight · gradient, added up", Layer(read_terms, terms_key)),
        ("Sizes", Layer(read_modes)),
    ),
    view=Layer(view, view_key),
    presets=(
        ("Valid", {}),
        ("Same", {"padding": "same"}),
        ("Full", {"padding": "full"}),
        ("1 × 1", {"kernel": 1}),
    ),
    size=(
        7.2 * CANVAS / (7 + GAP + 5 + 2 * MARGIN),
        7.2 * TALL / (7 + GAP + 5 + 2 * MARGIN),
    ),
)
