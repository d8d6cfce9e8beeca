"""Sphinx extension: the page form of an explorer.

`Explorer.show()` leaves ``<div data-explorer="name">`` in a notebook's output. Here that becomes a figure with native
inputs, the default picture, the read-out, and the address of the frame file, which the build renders and caches.
"""

import html
import json
import re
from pathlib import Path

from cache import CACHE, frames_file, keep
from docutils import nodes
from notebook_utils.explorers.core import Choice, Steps, all_explorers
from notebook_utils.explorers.frames import pack, render_layer
from notebook_utils.plotting import view_box
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
FOLDER = "_explorers"


def is_bundle(node):
    """Tell whether a node holds one output of a notebook in several formats."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


class ExplorerNode(nodes.General, nodes.Element):
    """An explorer on a page; its only attribute is the explorer's name."""


class PlaceExplorers(SphinxTransform):
    """Replace the outputs of `Explorer.show()` by explorer nodes."""

    default_priority = 860

    def apply(self):
        """Look at every output that offers several formats."""
        known = all_explorers()
        for bundle in list(self.document.findall(is_bundle)):
            match = re.search(r'<div data-explorer="([^"]+)">', "".join(raw.astext() for raw in bundle.findall(nodes.raw)))
            if match is None:
                continue
            if match.group(1) not in known:
                logger.warning("no explorer is called %s", match.group(1), location=bundle)
                continue
            bundle.replace_self(ExplorerNode(name=match.group(1)))
            self.env.metadata[self.env.docname]["explorers"] = True


def load_frames(explorer):
    """Return an explorer's frames from the cache, or render them now."""
    path = frames_file(explorer)
    if not path.exists():
        keep(path, pack(explorer))
    return path.read_bytes()


def visit_explorer(self, node):
    explorer = all_explorers()[node["name"]]
    try:
        data = load_frames(explorer)
    except Exception as error:  # name the page and the explorer; with warnings as errors the build fails
        logger.warning("explorer %s: %s: %s", explorer.name, type(error).__name__, error, location=node)
        raise nodes.SkipNode from error
    target = frames_file(explorer).name
    output = Path(self.builder.outdir) / FOLDER / target
    if not output.exists():
        keep(output, data)
        output.chmod(0o644)
    depth = self.builder.current_docname.count("/")
    self.body.append(render_html(explorer, "../" * depth + f"{FOLDER}/{target}"))
    raise nodes.SkipNode


def visit_explorer_elsewhere(self, node):
    """Outside HTML (print formats of other builders) the description stands for the explorer."""
    explorer = all_explorers()[node["name"]]
    self.body.append(f"{explorer.title}: {explorer.description}")
    raise nodes.SkipNode


def render_html(explorer, address):
    """Render an explorer at its default, with disabled behaviour until the script takes over."""
    values = explorer.values()
    groups = "".join(f"<g>{render_layer(explorer, layer, layer.arguments(values))}</g>" for layer in explorer.layers)
    readout = "".join(
        f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(text)}</dd></div>" for label, text in explorer.read().items()
    )
    controls = "".join(_control(explorer, control) for control in explorer.controls)
    presets = "".join(
        f'<button type="button" data-preset="{i}">{html.escape(label)}</button>' for i, (label, _) in enumerate(explorer.presets)
    )
    settings = [
        [control.page.index(setting.get(control.name, control.default)) for control in explorer.fixed]
        + [setting.get(explorer.steps.name, explorer.steps.default)] * bool(explorer.steps)
        for _, setting in explorer.presets
    ]
    config = {
        "frames": address,
        "names": [control.name for control in explorer.controls],
        "pages": [[str(value) for value in control.page] for control in explorer.fixed],
        "steps": explorer.steps is not None,
        "presets": settings,
    }
    data = json.dumps(config).replace("<", "\\u003c")  # so that no text can end the script element
    more = [c.label for c in explorer.fixed if not isinstance(c, Choice) and len(c.page) < (c.high - c.low) / c.step + 1]
    note = f"In Jupyter and Colab this explorer takes more values of: {', '.join(more)}." if more else ""
    return f"""
<figure class="nu-explorer" id="explorer-{explorer.name}" data-explorer="{explorer.name}">
<figcaption>{html.escape(explorer.title)}</figcaption>
<form class="nu-controls" hidden onsubmit="return false">
<div class="nu-presets" role="group" aria-label="Examples">{presets}<button type="button" data-reset>Reset</button></div>
<div class="nu-inputs">{controls}</div>
</form>
<svg class="nu-picture" viewBox="{view_box(explorer.size, explorer.part())}" role="img" aria-label="{html.escape(explorer.description)}">{groups}</svg>
<p class="nu-note">{html.escape(explorer.description)}</p>
<dl class="nu-readout" aria-live="polite">{readout}</dl>
<noscript><p class="nu-note">This is the default picture; the controls need JavaScript.</p></noscript>
<p class="nu-note" data-status>{html.escape(note)}</p>
<script type="application/json">{data}</script>
</figure>
"""


def _control(explorer, control):
    ident = f"explorer-{explorer.name}-{control.name}"
    label = f'<label for="{ident}">{html.escape(control.label)}</label>'
    if isinstance(control, Choice):
        options = "".join(
            f'<option value="{i}"{" selected" * (value == control.default)}>{html.escape(str(value))}</option>'
            for i, value in enumerate(control.page)
        )
        return f'<div class="nu-control">{label}<select id="{ident}" data-control="{control.name}">{options}</select></div>'
    if isinstance(control, Steps):
        last, start = explorer.step_count(explorer.values()) - 1, control.default
        buttons = '<button type="button" data-play aria-pressed="false">Play</button>'
    else:
        last, start, buttons = len(control.page) - 1, control.page.index(control.default), ""
    shown = f'<output for="{ident}"></output>'
    slider = (
        f'<input type="range" id="{ident}" data-control="{control.name}" min="0" max="{last}" step="1" value="{start}"'
        ' autocomplete="off">'
    )
    kind = "nu-control nu-steps" if buttons else "nu-control"
    return f'<div class="{kind}">{label}{shown}<div class="nu-track">{slider}{buttons}</div></div>'


def add_assets(app, pagename, templatename, context, doctree):
    """Load the script only where an explorer is."""
    if app.env.metadata.get(pagename, {}).get("explorers"):
        app.add_js_file("explorers.js", loading_method="defer")


def setup(app):
    app.add_node(
        ExplorerNode,
        html=(visit_explorer, None),
        latex=(visit_explorer_elsewhere, None),
        text=(visit_explorer_elsewhere, None),
    )
    app.add_transform(PlaceExplorers)
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(str(STATIC)))
    app.connect("html-page-context", add_assets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
