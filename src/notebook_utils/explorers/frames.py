"""An explorer as one file for the rendered page: every drawing once, compressed."""

import gzip
import json
from itertools import product

from notebook_utils._svg import view_box
from notebook_utils.explorers.core import Explorer
from notebook_utils.plotting import book_style, to_svg

BUDGET = 600_000  # bytes that one explorer may transfer


def render_layer(explorer, layer, arguments):
    """Draw one layer alone and return the inside of its SVG, without background."""
    figure = explorer.draw([(layer, arguments)])
    for background in (figure.patch, *(ax.patch for ax in figure.axes)):
        background.set_visible(False)
    svg = to_svg(figure)
    return svg[svg.index(">") + 1 : -len("</svg>")]


def render_frames(explorer):
    """Render everything that the page of an explorer needs.

    Parameters
    ----------
    explorer : Explorer

    Returns
    -------
    dict
        ``counts``: for each setting of the fixed controls (row-major in the order of
        the controls) the number of steps. ``layers`` and ``readout``: one table each,
        see `tabulate`; a drawing in ``layers`` is a list of indices into ``lines``,
        whose concatenation is its SVG; a drawing in ``readout`` is its text. ``view``:
        the same for the SVG's viewBox, or None.
    """
    lines = {}

    def shared(svg):
        return [
            lines.setdefault(line, len(lines))
            for line in svg.replace("><", ">\0<").split("\0")
        ]

    layers = [
        tabulate(
            explorer,
            layer,
            lambda arguments, layer=layer: shared(
                render_layer(explorer, layer, arguments)
            ),
        )
        for layer in explorer.layers
    ]
    readout = [
        tabulate(
            explorer, layer, lambda arguments, layer=layer: layer.make(**arguments)
        )
        for _, layer in explorer.readout
    ]
    view = explorer.view and tabulate(
        explorer,
        explorer.view,
        lambda arguments: view_box(explorer.size, explorer.view.make(**arguments)),
    )
    counts = [explorer.step_count(values) for values in _combinations(explorer.fixed)]
    return {
        "counts": counts,
        "layers": layers,
        "readout": readout,
        "view": view,
        "lines": list(lines),
    }


def tabulate(explorer, layer, render):
    """Render each different drawing of a layer once and say which setting shows which.

    Returns
    -------
    dict
        ``controls``: indices of the fixed controls the layer depends on; ``pointer``:
        for each setting of those (row-major) an index into ``runs``; a run lists the
        drawing at step 0, 1, … (a single entry: the same at every step); ``drawings``:
        what `render` returned.
    """
    steps = explorer.steps
    stepped = steps is not None and steps.name in layer.names
    # how many steps there are depends on controls that the drawing itself may not ask
    # for
    own = [i for i, c in enumerate(explorer.fixed) if c.name in layer.names or stepped]
    drawings, runs, pointer, rendered = {}, {}, [], []
    for values in _combinations([explorer.fixed[i] for i in own]):
        run = []
        for step in range(explorer.last_step(values) + 1 if stepped else 1):
            setting = values | ({steps.name: step} if stepped else {})
            try:
                arguments = layer.arguments(setting)
                # by their text: 1, 1.0 and True are equal, but do not read alike
                key = repr(sorted(arguments.items()))
                if key not in drawings:
                    drawings[key] = len(drawings)
                    rendered.append(render(arguments))
            except Exception as error:
                error.add_note(f"explorer {explorer.name} at {setting}")
                raise
            run.append(drawings[key])
        pointer.append(runs.setdefault(tuple(run), len(runs)))
    return {
        "controls": own,
        "pointer": pointer,
        "runs": list(runs),
        "drawings": rendered,
    }


def _combinations(controls):
    names = [control.name for control in controls]
    for combination in product(*(control.page for control in controls)):
        yield dict(zip(names, combination, strict=True))


def pack(explorer: Explorer):
    """Render an explorer's frames and compress them.

    The page unpacks them itself, so that any static host will do.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the file is larger than `BUDGET`.
    """
    with book_style():
        frames = render_frames(explorer)
    text = json.dumps(frames, ensure_ascii=False, separators=(",", ":"))
    data = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    if len(data) > BUDGET:
        raise ValueError(
            f"explorer {explorer.name}: its frames take {len(data):,} bytes,"
            f" the page allows {BUDGET:,}; give a control fewer page positions"
            " or split a layer"
        )
    return data
