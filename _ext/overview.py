"""Sphinx extension: what the first page says of the book, computed by the build.

``{chapter-map}`` draws which chapter helps with which, from lines such as
``softmax-and-cross-entropy -> word2vec``; every chapter of the table of contents is on
it. ``{numbers}`` counts what the book holds.
"""

import ast
import math
import textwrap
from pathlib import Path
from statistics import fmean

import nbformat
import notebooks
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import ledger
from notebook_utils.explorers.core import all_explorers

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "notebook_utils"
WIDTH, HEIGHT, GAP, RISE, EDGE = 132, 46, 14, 54, 6  # of a box, and around it
COLUMNS = 5
logger = logging.getLogger(__name__)


class MapNode(nodes.General, nodes.Element):
    """The map of chapters, to be drawn once all titles are known."""


class ChapterMap(SphinxDirective):
    """Lines ``earlier -> later``, each a help for the reader of the later chapter."""

    has_content = True

    def run(self):
        """Check the lines against the chapters; leave the drawing to the end."""
        chapters = {path.stem: path for path in notebooks.all_notebooks()}
        arrows = []
        for line in self.content:
            names = tuple(part.strip() for part in line.split("->"))
            unknown = [name for name in names if name not in chapters]
            if unknown or len(names) != 2:
                logger.warning(
                    "chapter map: %s is no chapter", unknown or line,
                    location=self.get_location(),
                )  # fmt: skip
                return []
            arrows.append(names)
        documents = {
            name: path.relative_to(ROOT).with_suffix("").as_posix()
            for name, path in chapters.items()
        }
        try:
            rows = arrange(list(chapters), arrows)
        except ValueError as error:
            logger.warning("chapter map: %s", error, location=self.get_location())
            return []
        figure = nodes.figure("", classes=["nu-figure"])
        figure += MapNode(arrows=arrows, rows=rows, documents=documents)
        text = (
            "An arrow leads from a chapter to one that is easier after it; a chapter"
            " without arrows stands alone. Each box is a link."
        )
        figure += nodes.caption("", text)
        figure["names"].append("fig-chapter-map")
        self.state.document.note_explicit_target(figure, figure)
        return [figure]


def arrange(names, arrows):
    """Put chapters into rows, at most five abreast, each below all that help with it.

    Raises
    ------
    ValueError
        If chapters help with each other in a circle.
    """
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for earlier, later in arrows:
            depth[later] = max(depth[later], depth[earlier] + 1)
    if any(depth[later] <= depth[earlier] for earlier, later in arrows):
        raise ValueError("its arrows run in a circle")
    rows, seen = [], {}
    for level in range(max(depth.values()) + 1):
        row = [name for name in names if depth[name] == level]
        # under what helps with it, so that few arrows cross
        helpers = {name: [a for a, later in arrows if later == name] for name in row}
        if level:
            row.sort(key=lambda name: fmean(seen[a] for a in helpers[name]))
        seen |= {name: (i + 0.5) / len(row) for i, name in enumerate(row)}
        rows += [row[i : i + COLUMNS] for i in range(0, len(row), COLUMNS)]
    return rows


class DrawMap(SphinxPostTransform):
    """Draw the map where every chapter's title is known."""

    default_priority = 50

    def run(self, **options):
        """Replace each map node by its SVG."""
        for node in list(self.document.findall(MapNode)):
            node.replace_self(nodes.raw("", self.draw(node), format="html"))

    def draw(self, node):
        """Return the drawing: boxes that are links, and arrows between them."""
        documents, rows = node["documents"], node["rows"]
        titles = {
            name: self.env.titles[document].astext()
            for name, document in documents.items()
        }
        broad = max(len(row) for row in rows)
        width = broad * (WIDTH + GAP) - GAP + 2 * EDGE
        height = len(rows) * (HEIGHT + RISE) - RISE + 2 * EDGE
        places = {}
        for i, row in enumerate(rows):
            left = (width - len(row) * (WIDTH + GAP) + GAP) / 2
            for j, name in enumerate(row):
                places[name] = left + j * (WIDTH + GAP), EDGE + i * (HEIGHT + RISE)
        parts = [
            *(self.arrow(places[a], places[b]) for a, b in node["arrows"]),
            *(self.box(places[name], titles[name], documents[name]) for name in places),
        ]
        said = "; ".join(f"{titles[a]} before {titles[b]}" for a, b in node["arrows"])
        return (
            f'<div class="nu-scroll"><svg class="nu-picture nu-map" role="group"'
            f' aria-label="Map of the chapters: {said}."'
            f' viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg></div>'
        )

    def box(self, place, title, document):
        """Draw a chapter as a box that leads to it."""
        builder, page = self.env.app.builder, self.env.docname
        lines = textwrap.wrap(title, 18)
        x, y = place
        middle = y + HEIGHT / 2 - 7.5 * (len(lines) - 1) + 4
        text = "".join(
            f'<tspan x="{x + WIDTH / 2:g}" y="{middle + 15 * i:g}">{line}</tspan>'
            for i, line in enumerate(lines)
        )
        return (
            f'<a href="{builder.get_relative_uri(page, document)}">'
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
            f"<text>{text}</text></a>"
        )

    def arrow(self, start, end):
        """Draw an arrow from under one box to above another."""
        x1, y1 = start[0] + WIDTH / 2, start[1] + HEIGHT
        x2, y2 = end[0] + WIDTH / 2, end[1] - 7
        turn = (y1 + y2) / 2
        head = f"M{x2 - 4:g} {y2:g}h8l-4 7z"
        curve = f"M{x1:g} {y1:g}C{x1:g} {turn:g} {x2:g} {turn:g} {x2:g} {y2:g}"
        return f'<path class="nu-arrow" d="{curve}"/><path class="nu-head" d="{head}"/>'


class Numbers(SphinxDirective):
    """A sentence of counts."""

    def run(self):
        """Write the sentence from what is there."""
        text = (
            "At this build the book has {chapters} chapters with {figures} figures and"
            " {explorers} explorers, which offer {settings} settings on the page. To"
            " run all chapters takes {seconds} of CPU. Under them lie {functions}"
            " public functions and classes in {modules} modules. Of the notes' claims"
            " [{verdicts} have a verdict](/{page}.md): {holds} hold, {conditions} hold"
            " under a condition, {fails} fail, and {lost} can no longer be read."
        ).format(**count(), page=ledger.PAGE)
        return self.parse_text_to_nodes(text)


def count():
    """Count what the book holds."""
    paths = notebooks.all_notebooks()
    executed = [notebooks.executed(path) for path in paths]
    outputs = [
        output
        for file, _, _ in executed
        for cell in nbformat.read(file, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    figures = sum("image/svg+xml" in output.get("data", {}) for output in outputs)
    explorers = all_explorers().values()
    verdicts = [claim.verdict for claim in ledger.judged(ledger.load()[1])]
    public = [names for file in PACKAGE.glob("[!_]*.py") if (names := exported(file))]
    return {
        "chapters": len(paths),
        "figures": figures,
        "explorers": len(explorers),
        "settings": f"{sum(settings(explorer) for explorer in explorers):,}",
        "seconds": f"{sum(usage.cpu for _, usage, _ in executed):.0f} seconds",
        "functions": sum(map(len, public)),
        "modules": len(public),
        "verdicts": len(verdicts),
        "holds": verdicts.count("holds"),
        "conditions": verdicts.count("holds-if"),
        "fails": verdicts.count("fails"),
        "lost": verdicts.count("unreadable"),
    }


def settings(explorer):
    """Count the settings of an explorer's form, without its steps."""
    return math.prod(len(control.page) for control in explorer.fixed)


def exported(file):
    """Return the public names of a module."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def setup(app):
    app.add_node(MapNode)
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("numbers", Numbers)
    app.add_post_transform(DrawMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
