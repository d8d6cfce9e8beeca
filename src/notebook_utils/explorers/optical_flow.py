"""Explorers of optical flow: what one window can know, and how far Lucas-Kanade sees.

All frames are drawn from formulas, so that the true motion is known at every pixel.
"""

import functools
import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from notebook_utils import plotting
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.explorers.panels import Panel, draw_frame, draw_pieces, write
from notebook_utils.optical_flow import (
    endpoint_error,
    image_gradients,
    lucas_kanade,
    pyramidal_lucas_kanade,
    structure_eigenvalues,
)
from notebook_utils.plotting import draw_line


def draw_brightness(ax, frame, low, high):
    """Draw a frame as a veil of grey, which lies as well on a light page as on a dark.

    Sixteen levels are enough for the eye, and compress well.
    """
    level = np.round(15 * np.clip((frame - low) / (high - low), 0, 1)) / 15
    veil = np.full((*frame.shape, 4), 0.5)
    veil[..., 3] = 0.75 * (1 - level)
    ax.imshow(veil, interpolation="none", aspect="auto")


# one window: the aperture problem

SIDE = 31  # pixels of the picture, a side
MOTION = 1.0, 0.0  # pixels a frame
STRIPE = 2 * math.pi / 12  # a stripe is 12 pixels wide
REACH = 2.0  # of the plane of motions: from -REACH to REACH
SHOWN = 5  # of the window's equations, along each side


@functools.lru_cache(maxsize=64)
def crossed_stripes(angle, crossing, noise):
    """Two frames of stripes in one direction, or two, that move by MOTION."""
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    directions = [math.radians(angle), math.radians(angle + crossing)]
    frames = []
    for x_then in (x, x - MOTION[0]):
        stripes = [
            np.sin(STRIPE * (np.cos(t) * x_then + np.sin(t) * y) + phase)
            for t, phase in zip(directions, (0.7, 1.9), strict=True)
        ]
        frames.append((stripes[0] + stripes[1]) / 2 if crossing else stripes[0])
    rng = np.random.default_rng(0)
    noises = rng.standard_normal((2, SIDE, SIDE)) * noise / 100
    return frames[0] + noises[0], frames[1] + noises[1]


@functools.lru_cache(maxsize=4096)
def look_through(angle, crossing, window, noise):
    """Solve in the middle window: its flow, eigenvalues and sum of equations."""
    frames = crossed_stripes(angle, crossing, noise)
    middle = SIDE // 2, SIDE // 2
    flow = lucas_kanade(*frames, window=window)[middle]
    values = structure_eigenvalues(*frames, window=window)[middle]
    near = slice(SIDE // 2 - window // 2, SIDE // 2 + window // 2 + 1)
    gradients = np.stack([each[near, near] for each in image_gradients(*frames)])
    return flow, values, gradients


class ApertureCanvas:
    """The picture on axes, and the plane of motions on a board.

    Axes take long to make, so they are made only where a layer draws on them.
    """

    plane = Panel(3.744, 0.108, 3.384, 3.384, (-REACH, REACH), (REACH, -REACH))

    def __init__(self, figure):
        self.figure = figure
        self.board = plotting.Board(figure, *figure.get_size_inches())

    @functools.cached_property
    def picture(self):
        """The axes, in pixels of the picture."""
        axes = self.figure.add_axes((0.01, 0.03, 0.47, 0.94))
        axes.set(xlim=(-0.5, SIDE - 0.5), ylim=(SIDE - 0.5, -0.5))
        axes.axis("off")
        return axes

    def place(self, *motions):
        """Return where motions (dx, dy) lie on the board."""
        return self.plane.place(np.array(motions))


def draw_stripes(ax, angle, crossing, noise):
    """Draw the first frame."""
    frame, _ = crossed_stripes(angle, crossing, noise)
    draw_brightness(ax.picture, frame, -1.1, 1.1)


def draw_opening(ax, window):
    """Frame the window, and the plane with its axes and the true motion."""
    corner = SIDE // 2 - window / 2
    style = {"facecolor": "none", "linewidth": 2.0}
    ax.picture.add_patch(
        Rectangle((corner,) * 2, window, window, edgecolor=plotting.ORANGE, **style)
    )
    for ends in (((-REACH, 0), (REACH, 0)), ((0, -REACH), (0, REACH))):
        draw_pieces(ax.board, [ax.place(*ends)], plotting.LINE, 1)
    draw_frame(ax.board, ax.plane)
    for text, motion in (
        ("dx →", (-REACH + 0.27, -0.13)),
        ("dy ↓", (-0.27, -REACH + 0.15)),
    ):
        style = {"color": plotting.MUTED, "ha": "center"}
        write(ax.board, *ax.place(motion)[0], text, **style)


def line_key(angle, crossing, window, noise):
    """Where the lines of the window's equations cross the plane of motions."""
    _, _, gradients = look_through(angle, crossing, window, noise)
    few = np.unique(np.linspace(0, window - 1, min(SHOWN, window)).round().astype(int))
    equations = gradients[:, few][:, :, few].reshape(3, -1).T
    ends = {_ends(*(float(value) for value in equation)) for equation in equations}
    return {"lines": tuple(sorted(end for end in ends if end))}


def _ends(a, b, c):
    """Ends of the line a u + b v + c = 0 within the plane shown; None if outside."""
    steep = math.hypot(a, b)
    if steep < 0.02:  # too flat a pixel to say anything
        return None
    a, b, c = a / steep, b / steep, c / steep
    half = REACH**2 * 2 - c * c
    if half <= 0:
        return None
    half = math.sqrt(half)
    ends = [(-a * c - b * t, -b * c + a * t) for t in (-half, half)]
    clipped = _clip(*ends)
    return clipped and tuple(round(value, 2) for end in clipped for value in end)


def _clip(start, end):
    """Cut a line to the square of the plane."""
    low, high = 0.0, 1.0
    for s, e in zip(start, end, strict=True):
        if math.isclose(s, e):
            if abs(s) > REACH:
                return None
            continue
        first, last = sorted(((-REACH - s) / (e - s), (REACH - s) / (e - s)))
        low, high = max(low, first), min(high, last)
    if low >= high:
        return None
    return tuple(
        tuple(s + t * (e - s) for s, e in zip(start, end, strict=True))
        for t in (low, high)
    )


def draw_lines(ax, lines):
    """Draw the equations' lines."""
    pieces = [ax.place(line[:2], line[2:]) for line in lines]
    draw_pieces(ax.board, pieces, plotting.BLUE, 0.9)


def answer_key(angle, crossing, window, noise):
    """The least squares solution, held at the edge of the plane; None if singular."""
    flow, _, _ = look_through(angle, crossing, window, noise)
    if not flow.any():
        return {"answer": None}
    dx, dy = (round(float(np.clip(value, -REACH, REACH)), 2) for value in flow)
    return {"answer": (dx, dy)}


def draw_answer(ax, answer):
    """Ring the true motion, and dot the one found."""
    at = {"linestyle": "none", "marker": "o"}
    ring = {"markersize": 15, "markeredgewidth": 2.2, "markerfacecolor": "none"}
    draw_line(ax.board, *ax.place(MOTION).T, color=plotting.ORANGE, **at, **ring)
    if answer:
        place = ax.place(answer).T
        draw_line(ax.board, *place, color=plotting.GREEN, markersize=7, **at)


def read_found(angle, crossing, window, noise):
    """Write the motion found, or that there is none."""
    flow, _, _ = look_through(angle, crossing, window, noise)
    if not flow.any():
        return "none: the system is singular"
    return f"({_signed(flow[0])}, {_signed(flow[1])})"


def read_eigenvalues(angle, crossing, window, noise):
    """Write both eigenvalues."""
    _, (larger, smaller), _ = look_through(angle, crossing, window, noise)
    return f"{larger:.3f} and {max(smaller, 0):.3f}"


def read_error(angle, crossing, window, noise):
    """Write how far the motion found is from the true one."""
    flow, _, _ = look_through(angle, crossing, window, noise)
    if not flow.any():
        return "—"
    return f"{math.dist(flow, MOTION):.2f} pixels"


def _signed(value):
    return (
        f"{value:+.2f}".replace("-", "−")
        .replace("+0.00", "0.00")
        .replace("−0.00", "0.00")
    )


aperture = Explorer(
    name="aperture",
    module=__name__,
    title="What can one window know?",
    description=(
        "Left, stripes that move one pixel to the right, and a window (orange). The"
        " gradient turns from rightward (0°) to downward (90°); second stripes may be"
        " turned against the first. Right, the plane of all motions, dx to the right"
        " and dy down: each pixel of the window allows the motions on one blue line (up"
        " to 25 are drawn). The ring is the true motion, the green dot the least"
        " squares solution; a singular system has none."
    ),
    controls=(
        Slider("angle", "Gradient at (°)", 0, 90, 30, step=15),
        Slider("crossing", "Second, turned by (°)", 0, 90, 0, step=15),
        Slider("window", "Window (pixels)", 1, 15, 9, step=2, page=(1, 3, 5, 9, 15)),
        Slider("noise", "Noise (%)", 0, 10, 0, page=(0, 1, 2, 5, 10)),
    ),
    canvas=ApertureCanvas,
    layers=(
        Layer(draw_stripes),
        Layer(draw_opening),
        Layer(draw_lines, line_key),
        Layer(draw_answer, answer_key),
    ),
    readout=(
        ("Motion found (dx, dy)", Layer(read_found)),
        ("Error", Layer(read_error)),
        ("Eigenvalues of M", Layer(read_eigenvalues)),
    ),
    size=(7.2, 3.6),
    presets=(
        ("One edge", {}),
        ("One edge, noise", {"noise": 2}),
        ("A corner", {"crossing": 90}),
        ("Hardly a corner", {"crossing": 15, "noise": 2}),
        ("One pixel", {"crossing": 90, "window": 1}),
    ),
)


# all windows: Lucas-Kanade, plain and in a pyramid

HEIGHT, WIDTH = 60, 96
GAP = 8  # pixels between the places where flow is drawn
ITERATIONS = 3
CLOSE = 0.5  # pixels: an error that counts as right
RADIUS = 17  # of the disc
SCENES = (
    "a texture slides",
    "a texture turns",
    "a texture grows",
    "stripes slide",
    "a disc slides",
)


def waves(x, y):
    """A smooth texture without a period, given at every point."""
    rng = np.random.default_rng(3)
    vectors, phases = rng.normal(size=(24, 2)) * 0.25, rng.uniform(0, 2 * np.pi, 24)
    return sum(
        np.cos(a * x + b * y + phase) / 8
        for (a, b), phase in zip(vectors, phases, strict=True)
    )


@functools.lru_cache(maxsize=64)
def moving_scene(scene, motion):
    """Two frames and the true flow between them; `motion` is its largest length."""
    y, x = np.indices((HEIGHT, WIDTH)).astype(float)
    x, y = x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2
    shift = motion * np.array([0.8, -0.6])
    if scene == "a disc slides":

        def brightness(x, y):
            fades = np.clip((RADIUS + 2 - np.hypot(x + 12, y - 6)) / 4, 0, 1)
            return fades * waves(x, y)  # flat beyond the edge, exactly

        on_disc = np.hypot(x + 12, y - 6) < RADIUS
        flow = np.where(on_disc[..., None], shift, 0.0)
        return brightness(x, y), brightness(x - shift[0], y - shift[1]), flow
    if scene == "stripes slide":
        frames = [np.sin(0.45 * each) for each in (x, x - shift[0])]
        return *frames, np.broadcast_to(shift, (HEIGHT, WIDTH, 2))
    matrix = np.eye(2)
    share = motion / math.hypot(WIDTH / 2, HEIGHT / 2)  # of the way to a corner
    if scene == "a texture turns":
        cosine, sine = math.cos(share), math.sin(share)
        matrix, shift = np.array([[cosine, -sine], [sine, cosine]]), np.zeros(2)
    elif scene == "a texture grows":
        matrix, shift = (1 + share) * matrix, np.zeros(2)
    points = np.stack([x, y], axis=-1)
    back = (points - shift) @ np.linalg.inv(matrix).T
    flow = points @ matrix.T + shift - points
    return waves(x, y), waves(back[..., 0], back[..., 1]), flow


@functools.lru_cache(maxsize=4096)
def estimate(scene, motion, window, levels):
    """Estimate the flow; return it with the error at each pixel."""
    frame0, frame1, truth = moving_scene(scene, motion)
    flow = pyramidal_lucas_kanade(
        frame0, frame1, levels=levels, window=window, iterations=ITERATIONS
    )
    return flow, np.linalg.norm(flow - truth, axis=-1)


@functools.lru_cache(maxsize=64)
def singular_windows(scene, window):
    """Tell where the first frame's own window has no slope in some direction."""
    frame, _, _ = moving_scene(scene, 0.0)
    larger, smaller = np.moveaxis(
        structure_eigenvalues(frame, frame, window=window), -1, 0
    )
    # a hundred thousandth of the steepest window's: far below any slope one can see
    return smaller <= 1e-5 * larger.max()


PLACES = [
    (row, column)
    for row in range(GAP // 2 + 2, HEIGHT, GAP)
    for column in range(GAP // 2, WIDTH, GAP)
]


def flow_canvas(figure):
    """Return axes that hold one frame, in pixels."""
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.5, WIDTH - 0.5), ylim=(HEIGHT - 0.5, -0.5))
    ax.axis("off")
    return ax


def frame_key(scene, motion, step):
    """The first frame is the same for all motions."""
    return {"scene": scene, "motion": motion if step else 0.0, "second": step > 0}


def draw_scene(ax, scene, motion, second):
    """Draw one of the frames."""
    draw_brightness(ax, moving_scene(scene, motion)[second], -1.2, 1.2)


def draw_truth(ax, scene, motion):
    """Draw where the true flow leads, broadly."""
    _, _, truth = moving_scene(scene, motion)
    _draw_needles(ax, truth, PLACES, plotting.ORANGE, linewidth=4.5, alpha=0.45)


def draw_singular(ax, scene, window):
    """Ring the places where the window's system is singular; dot all others."""
    singular = singular_windows(scene, window)
    for is_singular, style in (
        (False, {"markersize": 3, "color": plotting.INK}),
        (True, {"markersize": 6, "color": plotting.INK, "markerfacecolor": "none"}),
    ):
        places = [place for place in PLACES if singular[place] == is_singular]
        rows, columns = zip(*places, strict=True) if places else ((), ())
        ax.plot(columns, rows, marker="o", linestyle="none", **style)


def draw_estimate(ax, scene, motion, window, levels):
    """Draw where the estimated flow leads: green where it is right, red elsewhere."""
    flow, error = estimate(scene, motion, window, levels)
    for right, colour in ((True, plotting.GREEN), (False, plotting.RED)):
        places = [place for place in PLACES if (error[place] <= CLOSE) == right]
        _draw_needles(ax, flow, places, colour, linewidth=1.8)


def _draw_needles(ax, flow, places, colour, **style):
    """Draw flow vectors from places, as one element; none longer than the frame."""
    ends = []
    for row, column in places:
        # whole thirds of a pixel, which the eye does not tell from more
        dx, dy = np.round(3 * np.clip(flow[row, column], -WIDTH, WIDTH)) / 3
        ends += [(column, row), (column + dx, row + dy), (np.nan, np.nan)]
    xs, ys = zip(*ends, strict=True) if ends else ((), ())
    ax.add_line(Line2D(xs, ys, color=colour, solid_capstyle="round", **style))


def read_mean_error(scene, motion, window, levels):
    """Write the mean endpoint error."""
    flow, _ = estimate(scene, motion, window, levels)
    return f"{float(endpoint_error(flow, moving_scene(scene, motion)[2])):.2f} pixels"


def read_right(scene, motion, window, levels):
    """Write the share of pixels that are right."""
    _, error = estimate(scene, motion, window, levels)
    return f"{float(np.mean(error <= CLOSE)):.0%} of the pixels"


def read_coarsest(motion, levels):
    """Write how long the largest motion is on the coarsest level."""
    return f"{motion / 2 ** (levels - 1):.2f} pixels"


def read_singular(scene, window):
    """Write the share of windows that are singular."""
    return f"{float(np.mean(singular_windows(scene, window))):.0%}"


def read_frame(step):
    """Say which frame is shown."""
    return ("the first", "the second")[step]


explorer = Explorer(
    name="optical-flow",
    module=__name__,
    title="How far does Lucas–Kanade see?",
    description=(
        "A frame, and at every eighth pixel the true motion (broad, orange) and the"
        " estimated one: green where it is off by at most half a pixel, red elsewhere."
        " A ring in place of the dot marks a window whose system is singular."
    ),
    controls=(
        Choice("scene", "Scene", SCENES, SCENES[1]),
        Slider(
            "motion",
            "Largest motion (pixels)",
            0,
            16,
            8,
            step=0.5,
            page=(0.5, 1, 2, 4, 8, 12),
        ),
        Slider("window", "Window (pixels)", 3, 31, 9, step=2, page=(3, 5, 9, 15, 25)),
        Slider("levels", "Levels of the pyramid", 1, 5, 1),
        Steps("step", "Frame shown", lambda: 2),
    ),
    canvas=flow_canvas,
    layers=(
        Layer(draw_scene, frame_key),
        Layer(draw_truth),
        Layer(draw_singular),
        Layer(draw_estimate),
    ),
    readout=(
        ("Mean endpoint error", Layer(read_mean_error)),
        ("Right to half a pixel", Layer(read_right)),
        ("Windows that are singular", Layer(read_singular)),
        ("Largest motion on the coarsest level", Layer(read_coarsest)),
        ("Frame shown", Layer(read_frame)),
    ),
    size=(7.2, 7.2 * HEIGHT / WIDTH),
    presets=(
        ("Too fast", {}),
        ("Pyramid", {"levels": 4}),
        ("Small slide", {"scene": "a texture slides", "motion": 2}),
        ("Large slide", {"scene": "a texture slides", "levels": 4}),
        ("Stripes", {"scene": "stripes slide", "motion": 2}),
        ("A disc", {"scene": "a disc slides", "motion": 4}),
    ),
)
