"""Sphinx extension: the page form of an explorer.

`Explorer.show()` leaves ``<div data-explorer="name">`` in a notebook's output. Here
that becomes a figure with native inputs, the default picture, the read-out, and the
address of the frame file, which the build renders and caches.
"""

import re
from pathlib import Path

from cache import frames_file, keep
from docutils import nodes
from jinja2 import Environment, FileSystemLoader
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from notebook_utils._svg import view_box
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import all_explorers
from notebook_utils.explorers.frames import pack, render_layer

logger = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATE = TEMPLATES.get_template("explorer.html")
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
            match = re.search(
                r'<div data-explorer="([^"]+)">',
                "".join(raw.astext() for raw in bundle.findall(nodes.raw)),
            )
            if match is None:
                continue
            if match.group(1) not in known:
                logger.warning(
                    "no explorer is called %s", match.group(1), location=bundle
                )
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
    except Exception as error:  # a warning names the page, and fails the build
        logger.warning(
            "explorer %s: %s: %s",
            explorer.name,
            type(error).__name__,
            error,
            location=node,
        )
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
    """Write the description, outside HTML."""
    explorer = all_explorers()[node["name"]]
    self.body.append(f"{explorer.title}: {explorer.description}")
    raise nodes.SkipNode


def render_html(explorer, address):
    """Render an explorer at its default; the script takes over from there."""
    values = explorer.values()
    sliders = [control for control in explorer.fixed if isinstance(control, Slider)]
    return TEMPLATE.render(
        name=explorer.name,
        title=explorer.title,
        description=explorer.description,
        presets=[label for label, _ in explorer.presets],
        controls=[describe_control(explorer, control) for control in explorer.controls],
        view_box=view_box(explorer.size, explorer.part()),
        layers=[
            render_layer(explorer, layer, layer.arguments(values))
            for layer in explorer.layers
        ],
        readout=explorer.read(),
        more=[c.label.lower() for c in sliders if not c.is_complete],
        config={
            "frames": address,
            "names": [control.name for control in explorer.controls],
            "pages": [[str(value) for value in c.page] for c in explorer.fixed],
            "steps": explorer.steps is not None,
            "presets": [positions(explorer, preset) for _, preset in explorer.presets],
        },
    )


def describe_control(explorer, control):
    """Return what the template needs of a control."""
    described = {"name": control.name, "label": control.label}
    if isinstance(control, Steps):
        last = explorer.last_step(explorer.values())
        return described | {"kind": "steps", "last": last, "start": control.default}
    start = control.page.index(control.default)
    if isinstance(control, Choice):
        return described | {"kind": "choice", "options": control.page, "start": start}
    return described | {"kind": "slider", "last": len(control.page) - 1, "start": start}


def positions(explorer, preset):
    """Return where a preset puts each input of the page."""
    values = explorer.values(**preset)
    fixed = [control.page.index(values[control.name]) for control in explorer.fixed]
    return fixed + ([values[explorer.steps.name]] if explorer.steps else [])


def add_assets(app, pagename, templatename, context, doctree):
    """Load the explorers' script only where there is one."""
    if app.env.metadata.get(pagename, {}).get("explorers"):
        app.add_js_file("explorers.js", loading_method="defer")


def drop_thebe(app, pagename, templatename, context, doctree):
    """Take Thebe off the page: it is not used, and would load from another origin."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file for file in context[kind] if "thebe" not in _text(file).lower()
        ]


def _text(file):
    body = getattr(file, "attributes", {}).get("body", "")
    return f"{getattr(file, 'filename', file)} {body}"


def setup(app):
    app.add_node(
        ExplorerNode,
        html=(visit_explorer, None),
        latex=(visit_explorer_elsewhere, None),
        text=(visit_explorer_elsewhere, None),
    )
    app.add_transform(PlaceExplorers)
    app.connect("html-page-context", add_assets)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
