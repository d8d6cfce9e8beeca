"""Explorer of momentum: where are the two roots, and what run do they make?"""

import math
from functools import lru_cache

import numpy as np

from notebook_utils import plotting, quadratic
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import (
    Panel,
    draw_dots,
    draw_frame,
    draw_pieces,
    thin,
    write,
)
from notebook_utils.optimizers import SGD, Momentum, Nesterov, minimize

STEPS = 40
METHODS = ("momentum", "Nesterov")
EVEN = 1e-9  # magnitudes as near to 1 as that are 1

# the board, in inches from the upper left

WIDTH, HEIGHT = 7.2, 3.6
WORDS, TICKS = 15, 14  # sizes of type, legible on a phone
PLANE = Panel(0.05, 0.4, 3.5, 2.6, (-2.2, 1.3), (-1.3, 1.3))
RUN = Panel(4.1, 0.4, 2.9, 2.6, (0, STEPS), (-1.3, 1.3))


def is_nesterov(method):
    """Tell the methods apart."""
    return method == "Nesterov"


@lru_cache(maxsize=1024)
def run(step, momentum, method):
    """Follow a method from 1 on a bowl of curvature 1: (STEPS + 1,) errors."""
    if not momentum:  # both are plain descent then
        rule = SGD(lr=step)
    else:
        rule = (Nesterov if is_nesterov(method) else Momentum)(
            lr=step, momentum=momentum
        )
    return minimize(rule, lambda x: x, 1.0, steps=STEPS)


def roots_of(step, momentum, method):
    """Return both roots."""
    return quadratic.roots(step, momentum=momentum, nesterov=is_nesterov(method))


def factor_of(step, momentum, method):
    """Return the larger root's magnitude."""
    return float(quadratic.rate(step, momentum=momentum, nesterov=is_nesterov(method)))


def canvas(figure):
    """Return a board in inches."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def circle(radius, centre=0.0):
    """Return points of a circle around a real number."""
    angles = np.linspace(0, 2 * math.pi, 97)
    return np.stack([centre + radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def draw_axes(ax):
    """Draw what is the same at every setting."""
    for panel, lines in (
        (PLANE, [[(-2.2, 0), (1.3, 0)], [(0, -1.3), (0, 1.3)]]),
        (RUN, [[(0, 0), (STEPS, 0)]]),
    ):
        pieces = [panel.place(np.array(line)) for line in lines]
        draw_pieces(ax, pieces, plotting.FAINT, 1)
    draw_pieces(ax, PLANE.cut(circle(1)), plotting.MUTED, 1.2)
    style = {"color": plotting.MUTED, "fontsize": WORDS}
    write(ax, PLANE.left, 0.2, "roots, and the unit circle", **style)
    write(ax, RUN.left, 0.2, "the run they make", **style)
    for panel, values in ((PLANE, (-2, -1, 0, 1)), (RUN, (0, 10, 20, 30, 40))):
        bottom = panel.top + panel.height
        places = panel.place(np.array([(value, 0) for value in values]))
        for value, (x, _) in zip(values, places, strict=True):
            draw_pieces(
                ax, [np.array([(x, bottom), (x, bottom + 0.05)])], plotting.LINE, 0.8
            )
            text = f"{value}".replace("-", "−")
            write(ax, x, bottom + 0.2, text, ha="center", fontsize=TICKS)
    for value, (_, y) in zip(
        (-1, 0, 1), RUN.place(np.array([(0, -1), (0, 0), (0, 1)])), strict=True
    ):
        text = f"{value}".replace("-", "−")
        write(ax, RUN.left - 0.07, y, text, ha="right", fontsize=TICKS)
    for panel, text in ((PLANE, "real part"), (RUN, "step")):
        middle, below = panel.left + panel.width / 2, panel.top + panel.height + 0.45
        write(ax, middle, below, text, ha="center", fontsize=TICKS)
    draw_frame(ax, PLANE)
    draw_frame(ax, RUN)


def draw_track(ax, momentum, method):
    """Draw the circle on which complex roots move as the learning rate changes."""
    if not momentum:
        return
    if is_nesterov(method):  # |z|² = β(1 - s), 2 Re z = (1 + β)(1 - s): through 0
        radius = momentum / (1 + momentum)
        track = circle(radius, radius)
    else:
        track = circle(math.sqrt(momentum))
    draw_pieces(ax, [thin(PLANE.place(track), 0.002)], plotting.SKY, 3)


def draw_roots(ax, step, momentum, method):
    """Draw the roots as dots, red outside the circle; at the edge if they are off."""
    for root in roots_of(step, momentum, method):
        place = np.array([[max(root.real, -2.15), root.imag]])
        inside = abs(root) <= 1 + EVEN
        colour = plotting.BLUE if inside else plotting.RED
        draw_dots(ax, PLANE.place(place), colour, size=0.13)
        if root.real < PLANE.xs[0]:
            x, y = PLANE.place(place)[0]
            text = f"← {root.real:.1f}".replace("-", "−")
            write(ax, x, y - 0.22, text, color=colour, fontsize=TICKS)


def bounds_of(step, momentum, method):
    """Return the steps and the curve C r^t that touches the run from above."""
    errors, factor = (
        np.abs(run(step, momentum, method)),
        factor_of(step, momentum, method),
    )
    t = np.arange(STEPS + 1)
    if not factor:
        return t[:0], t[:0]
    with np.errstate(over="ignore", under="ignore"):
        heights = (errors / factor**t).max() * factor**t
    return t, np.minimum(heights, 99).round(6)


def draw_run(ax, step, momentum, method):
    """Draw the errors of a run, between their bounds."""
    t, heights = bounds_of(step, momentum, method)
    for sign in (1, -1):
        curve = np.stack([t, sign * heights], axis=1)
        if len(t):
            pieces = [thin(piece) for piece in RUN.cut(curve)]
            draw_pieces(ax, pieces, plotting.PEACH, 2)
    errors = np.clip(run(step, momentum, method), -99, 99).round(6)
    points = np.stack([np.arange(STEPS + 1), errors], axis=1)
    beyond = np.abs(errors) > 3
    points = points[: int(beyond.argmax()) + 1 if beyond.any() else None]
    lost = factor_of(step, momentum, method) > 1 + EVEN
    colour = plotting.RED if lost else plotting.BLUE
    draw_pieces(ax, [thin(piece) for piece in RUN.cut(points)], colour, 1.2)
    shown = points[RUN.holds(points)]
    draw_dots(ax, RUN.place(shown), colour, size=0.05)


# the read-out


def read_roots(step, momentum, method):
    """Write both roots."""
    first, second = roots_of(step, momentum, method)
    if first.imag:
        text = f"{first.real:.3f} ± {first.imag:.3f}i"
    else:
        text = f"{first.real:.3f} and {second.real:.3f}"
    return text.replace("-", "−")


def read_regime(step, momentum, method):
    """Say in words what the run does."""
    first, second = roots_of(step, momentum, method)
    factor = factor_of(step, momentum, method)
    swings = "changes its sign at every step"
    if factor > 1 + EVEN:
        return f"diverges: it {swings} and grows"
    if factor >= 1 - EVEN:
        return f"at the limit: it {swings} and never ends"
    if factor <= EVEN:
        return "arrives at once: both roots are 0"
    if first.imag:
        return "swings: the roots are complex, a pair"
    if abs(second) > abs(first):
        return f"{swings}, and converges: the larger root is negative"
    return "creeps: the larger root is real and positive"


def read_factor(step, momentum, method):
    """Fill in the factor, and how many steps it takes to a millionth."""
    factor = factor_of(step, momentum, method)
    if factor >= 1 - EVEN:
        return f"{factor:.3f}: it does not converge"
    if factor <= EVEN:
        return "0: one or two steps are enough"
    steps = math.ceil(math.log(1e-6) / math.log(factor))
    return f"{factor:.3f}, a millionth in about {steps} steps"


def read_range(momentum, method):
    """Say where the roots are complex, and where the limit is."""
    nesterov = is_nesterov(method)
    limit = quadratic.stable_step(momentum=momentum, nesterov=nesterov)
    if not momentum:
        return f"never complex; stable below {limit:.3f}"
    if nesterov:
        low, high = ((1 - momentum) / (1 + momentum)) ** 2, 1
    else:
        low, high = ((1 + sign * math.sqrt(momentum)) ** 2 for sign in (-1, 1))
    low = np.format_float_positional(low, precision=2, fractional=False)
    return f"complex from {low} to {high:.3f}; stable below {limit:.3f}"


momentum_explorer = Explorer(
    name="momentum",
    module=__name__,
    title="What do the two roots do?",
    description=(
        "Left, the complex plane with the unit circle (grey), the circle on which"
        " complex roots move (light blue), and the two roots for this setting (dots):"
        " blue inside the unit circle, red outside. Right, the error over 40 steps from"
        " 1, between curves that shrink or grow by the larger root in each step."
    ),
    controls=(
        Choice("method", "Method", METHODS, "momentum"),
        Slider(
            "step",
            "ηλ, learning rate times curvature",
            0.01,
            4,
            0.1,
            step=0.01,
            page=(
                0.01,
                0.03,
                0.1,
                0.3,
                0.6,
                1,
                1.2,
                1.4,
                1.8,
                2.1,
                2.4,
                2.6,
                3,
                3.5,
                4,
            ),
        ),
        Slider(
            "momentum",
            "Momentum β",
            0,
            0.99,
            0.8,
            step=0.01,
            page=(0, 0.25, 0.5, 0.8, 0.9, 0.95, 0.99),
        ),
    ),
    canvas=canvas,
    layers=(Layer(draw_axes), Layer(draw_track), Layer(draw_roots), Layer(draw_run)),
    readout=(
        ("Roots", Layer(read_roots)),
        ("The run", Layer(read_regime)),
        ("Factor per step", Layer(read_factor)),
        ("Roots for other ηλ", Layer(read_range)),
    ),
    size=(WIDTH, HEIGHT),
    presets=(
        ("Swings", {}),
        ("Creeps", {"step": 0.01, "momentum": 0.5}),
        ("Nearly critical", {"step": 0.1, "momentum": 0.5}),
        ("Changes its sign", {"step": 2.4, "momentum": 0.25}),
        ("Diverges", {"step": 2.6, "momentum": 0.25}),
        ("Nesterov diverges", {"method": "Nesterov", "step": 1.4, "momentum": 0.9}),
    ),
)
