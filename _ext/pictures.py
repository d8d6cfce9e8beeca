"""Sphinx extension: a notebook's picture becomes a numbered figure of the page.

`notebook_utils.plotting.show` leaves two outputs, an SVG and a caption. Here they
become one figure node that can be referenced by its name, and in HTML the SVG goes into
the page itself, where its colours follow light and dark.
"""

import re
from pathlib import Path

from docutils import nodes
from explorers import STATIC, is_bundle
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from notebook_utils._svg import theme_css

logger = logging.getLogger(__name__)


class PlacePictures(SphinxTransform):
    """Join the SVG and the caption of `show` in one figure of the page itself."""

    default_priority = 840  # before Sphinx collects the labels of the document

    def apply(self):
        """Look at every output that holds an SVG of ours."""
        for bundle in list(self.document.findall(is_bundle)):
            image = next(
                (i for i in bundle.findall(nodes.image) if i["uri"].endswith(".svg")),
                None,
            )
            # the notebook's reader has written the SVG to a file, relative to the
            # source folder
            file = image and Path(self.env.srcdir, image["uri"].lstrip("/"))
            if not file or not file.exists():
                continue
            svg = file.read_text(encoding="utf-8")
            head = svg[: svg.index(">")]
            if 'class="nu-picture"' not in head:
                continue
            after = bundle.next_node(siblings=True, descend=False)
            captions = (
                [
                    part
                    for part in after.children
                    if part["mime_type"] == "text/markdown"
                ]
                if is_bundle(after)
                else []
            )
            if not captions:
                logger.warning(
                    "a picture has no caption: use notebook_utils.plotting.show",
                    location=bundle,
                )
                continue
            caption = nodes.caption("", "", *captions[0].children[0].children)
            figure = nodes.figure(
                "",
                nodes.raw("", f'<div class="nu-scroll">{svg}</div>', format="html"),
                caption,
                classes=["nu-figure"],
            )
            name = re.search(r'data-name="([^"]*)"', head)
            if name:
                figure["names"].append(nodes.fully_normalize_name(name.group(1)))
                self.document.note_explicit_target(figure, figure)
            else:
                self.document.set_id(figure)
            after.parent.remove(after)
            bundle.replace_self(figure)


INDEX = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={page}">
<link rel="icon" href="_static/favicon.svg">
</head>
<body><a href="{page}">{title}</a></body>
</html>
"""


def write_rest(app, error):
    """Write the palette's style sheet, and the page at the site's root.

    Jupyter Book's own page there names no icon, so browsers ask the host's root for
    one, where nothing of the book is.
    """
    if error is None and app.builder.format == "html":
        output, config = Path(app.outdir), app.config
        (output / "_static").mkdir(exist_ok=True)
        (output / "_static" / "palette.css").write_text(theme_css(), encoding="utf-8")
        index = INDEX.format(title=config.html_title, page=f"{config.root_doc}.html")
        (output / "index.html").write_text(index, encoding="utf-8")


def add_look(app, config):
    """Add the book's own style and icon to the theme's."""
    config.html_static_path.append(str(STATIC))
    config.html_favicon = str(STATIC / "favicon.svg")


def setup(app):
    app.connect("config-inited", add_look)
    app.add_transform(PlacePictures)
    app.connect("build-finished", write_rest, priority=400)  # before Jupyter Book's
    app.add_css_file("palette.css")
    app.add_css_file("book.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
