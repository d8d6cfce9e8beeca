"""Explorer of optimizers: who gets down first, and who does not get down at all?"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from notebook_utils import plotting, quadratic
from notebook_utils.explorers._momentum import momentum_explorer
from notebook_utils.explorers.controls import Choice, Slider
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import (
    Panel,
    apart,
    draw_dots,
    draw_frame,
    draw_pieces,
    power_of_ten,
    thin,
    write,
)
from notebook_utils.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Momentum,
    Nesterov,
    RMSProp,
    minimize,
)
from notebook_utils.surfaces import (
    rosenbrock,
    rosenbrock_gradient,
    saddle,
    saddle_gradient,
)

__all__ = ["explorer", "momentum_explorer"]

STEPS = 100
STEEPEST = 12.0  # the bowls' largest curvature; the smallest is a share of it
NOISE = np.random.default_rng(0).normal(scale=6, size=(STEPS, 2)).tolist()
LOST = 1e3  # a run whose loss has grown so many times, for good, has diverged

RIVAL = "SGD"
RULES = {
    "SGD": lambda rate, momentum: SGD(lr=rate),
    "Momentum": lambda rate, momentum: Momentum(lr=rate, momentum=momentum),
    # without momentum Nesterov's is plain descent, too; torch wants it said so
    "Nesterov": lambda rate, momentum: (
        Nesterov(lr=rate, momentum=momentum) if momentum else SGD(lr=rate)
    ),
    "AdaGrad": lambda rate, momentum: AdaGrad(lr=rate),
    "RMSProp": lambda rate, momentum: RMSProp(lr=rate),
    "AdaDelta": lambda rate, momentum: AdaDelta(lr=rate),
    "Adam": lambda rate, momentum: Adam(lr=rate, betas=(momentum, 0.999)),
}
WITH_MOMENTUM = ("Momentum", "Nesterov", "Adam")


class Surface(NamedTuple):
    """A loss over the plane, 0 at its lowest points, and the part that is shown."""

    loss: Callable
    gradient: Callable
    start: tuple
    lowest: tuple
    corner: tuple  # the panel's lower left
    side: float
    levels: tuple  # heights of the contours
    is_noisy: bool = False


def bowl(condition, **options):
    """Make a quadratic whose curvatures are L / κ across and L up."""
    curvatures = np.array([STEEPEST / condition, STEEPEST])
    return Surface(
        loss=lambda p: p**2 @ curvatures / 2,
        gradient=lambda p: curvatures * p,
        start=(-4.0, 3.0),
        lowest=((0, 0),),
        corner=(-5, -5),
        side=10,
        levels=(0.5, 2, 8, 24, 56, 110, 200),
        **options,
    )


SADDLE = Surface(
    loss=saddle,
    gradient=saddle_gradient,
    start=(-4.0, 0.05),
    lowest=((0, -3), (0, 3)),
    corner=(-5, -5),
    side=10,
    levels=(0.25, 1, 2.25, 4, 8, 16, 32, 50),
)
ROSENBROCK = Surface(
    loss=rosenbrock,
    gradient=rosenbrock_gradient,
    start=(-1.2, 1.0),
    lowest=((1, 1),),
    corner=(-2, -1),
    side=4,
    levels=(0.2, 1, 3, 7, 16, 40, 90),
)
NOISY = bowl(5, is_noisy=True)
SURFACES = ("bowl", "saddle", "Rosenbrock", "noisy bowl")


def surface_of(surface, condition):
    """Return a surface by its name; only the bowl asks for the condition number."""
    fixed = {"saddle": SADDLE, "Rosenbrock": ROSENBROCK, "noisy bowl": NOISY}
    return fixed[surface] if surface in fixed else bowl(condition)


@lru_cache(maxsize=4096)
def run(surface, condition, optimizer, rate, momentum):
    """Follow an optimizer; return its path (STEPS + 1, 2) and its losses."""
    place = surface_of(surface, condition)
    noise = iter(NOISE)

    def gradient(p):
        return place.gradient(p) + (next(noise) if place.is_noisy else 0)

    with np.errstate(all="ignore"):  # who diverges may overflow
        rule = RULES[optimizer](rate, momentum)
        path = minimize(rule, gradient, place.start, steps=STEPS)
        losses = place.loss(path)
    return path, losses


def run_key(surface, condition, optimizer, rate, momentum):
    """What a run depends on: other settings share its drawing."""
    return {
        "surface": surface,
        "condition": condition if surface == "bowl" else None,
        "optimizer": optimizer,
        "rate": rate,
        "momentum": momentum if optimizer in WITH_MOMENTUM else None,
    }


def rival_key(surface, condition, rate):
    """Run the rival: gradient descent at the same learning rate."""
    return run_key(surface, condition, RIVAL, rate, None)


def lost_at(losses):
    """Return the step from which on a run is lost, or None if it is not at its end."""
    near = losses <= LOST * losses[0]  # NaN is not
    return None if near[-1] else int(np.flatnonzero(near)[-1]) + 1


# the board, in inches from the upper left

WIDTH, HEIGHT = 7.2, 3.85
WORDS, TICKS = 15, 14  # sizes of type, legible on a phone
MAP = {"left": 0.05, "top": 0.4, "width": 3.3, "height": 3.3}
LOWEST, HIGHEST = -8, 4  # powers of ten
CURVE = Panel(4.0, 0.4, 3.0, 2.85, (0, STEPS), (LOWEST, HIGHEST))


def map_panel(surface):
    """Return the panel that shows a surface from above."""
    (x, y), side = surface.corner, surface.side
    return Panel(**MAP, xs=(x, x + side), ys=(y, y + side))


def canvas(figure):
    """Return a board in inches."""
    return plotting.Board(figure, WIDTH, HEIGHT)


def draw_axes(ax):
    """Draw what is the same at every setting: the axes of the losses."""
    powers_of_ten = range(LOWEST + 2, HIGHEST, 2)
    places = CURVE.place(np.array([(0, power) for power in powers_of_ten]))
    lines = [np.array([(x, y), (x + CURVE.width, y)]) for x, y in places]
    draw_pieces(ax, lines, plotting.FAINT, 0.8)
    for (x, y), power in zip(places, powers_of_ten, strict=True):
        write(ax, x - 0.07, y, power_of_ten(power), ha="right", fontsize=TICKS)
    steps = range(0, STEPS + 1, STEPS // 4)
    places = CURVE.place(np.array([(step, LOWEST) for step in steps]))
    ticks = [np.array([(x, y), (x, y + 0.05)]) for x, y in places]
    draw_pieces(ax, ticks, plotting.LINE, 0.8)
    for (x, y), step in zip(places, steps, strict=True):
        write(ax, x, y + 0.2, f"{step}", ha="center", fontsize=TICKS)
    bottom = CURVE.top + CURVE.height
    middle = CURVE.left + CURVE.width / 2
    write(ax, middle, bottom + 0.42, "step", ha="center", fontsize=TICKS)
    write(ax, CURVE.left, 0.2, "loss", color=plotting.MUTED, fontsize=WORDS)
    draw_frame(ax, CURVE)


def surface_key(surface, condition):
    """The bowl alone asks for the condition number."""
    return {"surface": surface, "condition": condition if surface == "bowl" else None}


def draw_surface(ax, surface, condition):
    """Draw contours, the start as a dot and the lowest points as crosses."""
    place = surface_of(surface, condition)
    panel = map_panel(place)
    xs, ys = (np.linspace(*ends, 161) for ends in (panel.xs, panel.ys))
    heights = place.loss(np.stack(np.meshgrid(xs, ys), axis=-1))
    contours = Figure().subplots().contour(xs, ys, heights, levels=place.levels)
    for path in contours.get_paths():
        path.should_simplify = False
        lines = [line for line in path.to_polygons(closed_only=False) if len(line) > 1]
        pieces = [thin(panel.place(line), 0.002) for line in lines]
        draw_pieces(ax, pieces, plotting.LINE, 0.9)
    for cross in panel.place(np.array(place.lowest)):
        slants = 0.06 * np.array([[(-1, -1), (1, 1)], [(-1, 1), (1, -1)]])
        draw_pieces(ax, list(cross + slants), plotting.GREEN, 2)
    draw_dots(ax, panel.place(np.array([place.start])), plotting.INK, size=0.11)
    style = {"color": plotting.MUTED, "fontsize": WORDS}
    write(ax, MAP["left"], 0.2, "seen from above", **style)
    draw_frame(ax, panel)


def draw_path(ax, colour, width, **setting):
    """Draw the way of an optimizer over the surface, to where it leaves the panel."""
    path, losses = run(**setting)
    panel = map_panel(surface_of(setting["surface"], setting["condition"]))
    path = path[: lost_at(losses)]
    draw_pieces(ax, [thin(piece) for piece in panel.cut(path)], colour, width)
    draw_dots(ax, apart(panel.place(path[panel.holds(path)])), colour)


def draw_curve(ax, colour, width, **setting):
    """Draw the losses, to where they leave the panel."""
    _, losses = run(**setting)
    end = lost_at(losses)
    losses = losses[: None if end is None else end + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(losses)
    # a loss of 0, or beyond all numbers, lies far below or above the panel
    heights = np.nan_to_num(heights, nan=99, posinf=99, neginf=-99)
    points = np.stack([np.arange(len(heights)), heights], axis=1)
    draw_pieces(ax, [thin(piece) for piece in CURVE.cut(points)], colour, width)


def draw_rival(ax, **setting):
    """Draw plain gradient descent, path and losses."""
    draw_path(ax, plotting.MUTED, 1.2, **setting)
    draw_curve(ax, plotting.MUTED, 1.2, **setting)


def draw_runner(ax, **setting):
    """Draw the optimizer that was chosen, path and losses; in red where it diverges."""
    _, losses = run(**setting)
    lost = lost_at(losses) is not None
    colour = plotting.RED if lost else plotting.BLUE
    draw_path(ax, colour, 1.5, **setting)
    draw_curve(ax, colour, 1.8, **setting)
    if lost:
        middle, text = CURVE.left + CURVE.width / 2, f"{setting['optimizer']} diverges"
        style = {"color": colour, "fontsize": WORDS}
        write(ax, middle, CURVE.top + 0.25, text, ha="center", **style)


def draw_names(ax, optimizer):
    """Say which colour is who."""
    right = CURVE.left + CURVE.width
    if optimizer != RIVAL:
        style = {"color": plotting.BLUE, "fontsize": WORDS}
        write(ax, right - 0.6, 0.2, optimizer, ha="right", **style)
    colour = plotting.BLUE if optimizer == RIVAL else plotting.MUTED
    write(ax, right, 0.2, RIVAL, color=colour, ha="right", fontsize=WORDS)


# the read-out


def figures(value):
    """Write a number to two digits, small ones with a power of ten."""
    if value < 1e-12:
        return f"below {power_of_ten(-12)}"
    mantissa, power = f"{value:.1e}".split("e")
    power = int(power)
    if -3 <= power < 3:
        return f"{value:.{max(1 - power, 0)}f}"
    return f"{mantissa}·{power_of_ten(power)}"


def read_run(**setting):
    """Say in words how a run went."""
    _, losses = run(**setting)
    lost = lost_at(losses)
    if lost is not None:
        return f"diverges: by step {lost} the loss has grown more than 1000 times"
    start, end, peak = losses[0], losses[-1], losses.max()
    worst = f"; at worst it was {figures(peak)}" if peak > LOST * start else ""
    return read_end(losses, figures(start), figures(end)) + worst


def read_end(losses, start, end):
    """Say where a run that has not diverged ends."""
    if losses[-1] >= losses[0]:
        return f"gets nowhere: the loss was {start} and is {end}"
    above = np.flatnonzero(losses > losses[0] / 1000)
    if above[-1] < STEPS:
        return f"a thousandth of the loss by step {above[-1] + 1}; ends at {end}"
    share = 100 * losses[-1] / losses[0]
    share = f"{share:.1f}" if share >= 99 else f"{share:.2g}"
    share += "\N{NO-BREAK SPACE}%"
    return f"after {STEPS} steps the loss is {end}, {share} of the start's"


def read_order(surface, condition, rate, momentum):
    """Put all optimizers in the order of their losses at the end."""
    ends = {}
    for name in RULES:
        _, losses = run(**run_key(surface, condition, name, rate, momentum))
        ends[name] = np.inf if lost_at(losses) is not None else losses[-1]
    order = sorted(ends, key=ends.get)
    done = [f"{name} {figures(ends[name])}" for name in order if ends[name] < np.inf]
    lost = [name for name in order if ends[name] == np.inf]
    texts = [", ".join(done)] if done else []
    return "; ".join(texts + ([f"diverged: {', '.join(lost)}"] if lost else []))


def read_theory(surface, condition, optimizer, rate, momentum):
    """Say what theory predicts, where there is one."""
    if surface != "bowl" or optimizer not in ("SGD", "Momentum", "Nesterov"):
        return "no formula here"
    options = {"momentum": momentum or 0, "nesterov": optimizer == "Nesterov"}
    steps = rate * np.array([STEEPEST / condition, STEEPEST])
    factor = quadratic.rate(steps, **options).max()
    limit = quadratic.stable_step(**options) / STEEPEST
    return f"error × {factor:.3f} each step; stable for η below {limit:.3f}"


explorer = Explorer(
    name="optimizers",
    module=__name__,
    title="Who gets down first?",
    description=(
        "Left, a surface from above with its contours, the start (black), the lowest"
        " points (green crosses), and the way of the chosen optimizer (blue) and of"
        " plain gradient descent at the same learning rate (grey), with a dot for each"
        " step as long as they can be told apart. Right, their losses over 100 steps,"
        " on a logarithmic scale. The chosen optimizer is red where it diverges."
    ),
    controls=(
        Choice("surface", "Surface", SURFACES, "bowl"),
        Slider("condition", "Condition number κ", 1, 100, 30, page=(1, 3, 10, 30, 100)),
        Choice("optimizer", "Optimizer", tuple(RULES), "Momentum"),
        Slider(
            "rate",
            "Learning rate η",
            0.001,
            1,
            0.03,
            step=0.001,
            page=(0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1),
        ),
        Slider(
            "momentum",
            "Momentum β",
            0,
            0.99,
            0.8,
            step=0.01,
            page=(0, 0.5, 0.8, 0.9, 0.99),
        ),
    ),
    canvas=canvas,
    layers=(
        Layer(draw_axes),
        Layer(draw_surface, surface_key),
        Layer(draw_rival, rival_key),
        Layer(draw_runner, run_key),
        Layer(draw_names),
    ),
    readout=(
        ("The chosen optimizer", Layer(read_run, run_key)),
        ("Plain gradient descent", Layer(read_run, rival_key)),
        ("Theory, on the bowl", Layer(read_theory, run_key)),
        ("Last losses, best first", Layer(read_order)),
    ),
    size=(WIDTH, HEIGHT),
    presets=(
        ("Rolling down a bowl", {}),
        ("Too long a step", {"optimizer": "SGD", "rate": 0.2}),
        ("Off a saddle", {"surface": "saddle", "rate": 0.03, "momentum": 0.9}),
        ("A bent valley", {"surface": "Rosenbrock", "optimizer": "Adam", "rate": 0.1}),
        ("Noise", {"surface": "noisy bowl", "optimizer": "AdaGrad", "rate": 0.5}),
    ),
)
