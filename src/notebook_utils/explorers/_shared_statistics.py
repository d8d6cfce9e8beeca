"""Which values of a batch share a mean: the axes of six normalisations."""

from itertools import product

from notebook_utils import plotting
from notebook_utils.explorers import panels
from notebook_utils.explorers.controls import Choice, Steps
from notebook_utils.explorers.core import Explorer, Layer
from notebook_utils.plotting import draw_cells

# A batch of 3 examples with 6 channels of 2 by 2 pixels, a value each.
SHAPE = (3, 6, 2, 2)
PITCH = 2.6  # cells from one channel's image to the next
LEFT, TOP = 4.0, 1.6
VALUES = tuple(product(*map(range, SHAPE)))
SETS = {
    "batch": (0, 2, 3),
    "layer": (1, 2, 3),
    "layer, each pixel": (1,),
    "instance": (2, 3),
    "group": (1, 2, 3),
    "switchable": (2, 3),  # with those of layer and batch
}
AXES = ("n", "c", "h", "w")


def share(norm, groups, value, other):
    """Tell whether two values, given by their indices, share a mean."""
    agree = all(value[i] == other[i] for i in range(4) if i not in SETS[norm])
    width = SHAPE[1] // groups
    return agree and (norm != "group" or value[1] // width == other[1] // width)


def sharing_canvas(figure):
    """Return a board for the batch."""
    return plotting.Board(figure, LEFT + 6 * PITCH, TOP + 3 * PITCH)


def draw_names(ax):
    """Write the names of examples and channels beside the batch."""
    for example in range(SHAPE[0]):
        y = TOP + PITCH * example + 1
        panels.write(ax, 0.1, y, f"example {example + 1}", fontsize=14)
    for channel in range(SHAPE[1]):
        x = LEFT + PITCH * channel + 1
        panels.write(ax, x, 0.9, f"c = {channel + 1}", fontsize=14, ha="center")


def sets_key(norm, groups, step):
    """The groups matter to one norm only."""
    return {"norm": norm, "groups": groups if norm == "group" else 1, "step": step}


def draw_sets(ax, norm, groups, step):
    """Draw all values: the chosen one, those that share its mean, and the rest.

    A click on a value chooses it.
    """
    more = ("layer", "batch") if norm == "switchable" else ()
    for i, value in enumerate(VALUES):
        n, c, h, w = value
        cell = (TOP + PITCH * n + h, LEFT + PITCH * c + w)
        face, edge = plotting.FAINT, plotting.LINE
        for part, tint in zip(more, (plotting.MINT, plotting.SKY), strict=False):
            if share(part, 1, VALUES[step], value):
                face = tint
        if share(norm, groups, VALUES[step], value):
            face, edge = plotting.PEACH, plotting.ORANGE
        if i == step:
            face = plotting.ORANGE
        draw_cells(
            ax,
            [cell],
            face=face,
            edge=edge,
            size=0.94,
            gid=lambda _, i=i: f"set:step={i}",
        )


def read_axes(norm):
    """Name the axes that means run over."""
    over = "(" + ", ".join(AXES[i] for i in SETS[norm]) + ")"
    return {
        "group": f"{over}, c within a group",
        "switchable": "(h, w), (c, h, w) and (n, h, w), mixed by learned weights",
    }.get(norm, over)


def count_sharing(norm, groups):
    """Count the values of each set that shares a mean."""
    return sum(share(norm, groups, VALUES[0], value) for value in VALUES)


def read_sharing(norm, groups):
    """Say how many values share a mean, and how many means that makes."""
    parts = ("instance", "layer", "batch") if norm == "switchable" else (norm,)
    counts = [count_sharing(part, groups) for part in parts]
    values = ", ".join(str(count) for count in counts)
    means = " + ".join(str(len(VALUES) // count) for count in counts)
    return f"{values} of {len(VALUES)} values share one; {means} means in all"


def read_value(step):
    """Name the value that is chosen."""
    n, c, h, w = VALUES[step]
    return f"example {n + 1}, channel {c + 1}, row {h + 1}, column {w + 1}"


def read_others(norm):
    """Say whether an output depends on the other examples."""
    return "yes" if norm in ("batch", "switchable") else "no"


sharing_explorer = Explorer(
    name="shared-statistics",
    module=__name__,
    title="Which values share a mean and a variance?",
    description=(
        "A batch of three examples with six channels of two by two pixels. One value is"
        " chosen (orange); the values normalised by the same mean and variance as it"
        " are pale orange. For the switchable norm green and blue mark the further"
        " values that enter through the layer's and the batch's statistics."
    ),
    controls=(
        Choice("norm", "Norm", tuple(SETS), "group"),
        Choice("groups", "Groups, for the group norm", (1, 2, 3, 6), 2),
        Steps("step", "Value", lambda: len(VALUES), default=29),
    ),
    canvas=sharing_canvas,
    layers=(Layer(draw_names), Layer(draw_sets, sets_key)),
    readout=(
        ("Means run over", Layer(read_axes)),
        ("Sharing", Layer(read_sharing)),
        ("Depends on the other examples of the batch", Layer(read_others)),
        ("Chosen value", Layer(read_value)),
    ),
    size=(7.2, 7.2 * (TOP + 3 * PITCH) / (LEFT + 6 * PITCH)),
)
