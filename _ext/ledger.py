"""The verdicts on the notes: read from ledger/*.yml, checked, and shown as pages.

A claim of the notes has an identifier, its lines, what it says in our words, a verdict,
and a test. `load` refuses what does not fit. The directives write the page of all
verdicts (``ledger``), the tests behind them (``ledger-tests``) and a chapter's own list
(``claims``).
"""

import ast
import functools
import html
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import jsonschema
import yaml
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "ledger"
SCHEMA = Path(__file__).with_name("ledger.schema.yml")
PAGE, TESTS = "ledger/the-notes-checked", "ledger/tests"
VERDICTS = {
    "holds": "holds",
    "holds-if": "holds if",
    "fails": "fails",
    "unreadable": "unreadable",
}
NOTES = ("000", "001", "002", "003", "004")
logger = logging.getLogger(__name__)


class LedgerError(ValueError):
    """Something in ledger/ does not fit; the message names the file and the claim."""


class Topic(NamedTuple):
    """What claims are about; once a chapter treats it, its claims are judged."""

    name: str
    title: str
    part: str
    chapter: str | None


class Claim(NamedTuple):
    """A claim of the notes. One that nobody has judged has a place and no more."""

    id: str
    topic: Topic
    note: str
    lines: str
    heading: str = ""
    claim: str = ""
    verdict: str = "unjudged"
    condition: str = ""
    correction: str = ""
    section: str = ""
    test: str = ""

    @property
    def place(self):
        """Sort by note and line."""
        return self.note, int(re.match(r"\d+", self.lines).group()), self.id


@functools.cache
def load(folder=FOLDER):
    """Read every file of the ledger; return its topics and claims in order."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    topics, claims = {}, []
    for path in sorted(folder.glob("*.yml")):
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise LedgerError(f"{path.name}: {error}") from None
        for error in validator.iter_errors(data):
            raise LedgerError(f"{path.name}, {_name(data, error)}: {error.message}")
        for name, fields in data["topics"].items():
            topic = Topic(name, fields["title"], data["part"], fields.get("chapter"))
            _refuse(name in topics, path, name, "is a topic already")
            topics[name] = topic
        for entry in data.get("claims", []):
            _refuse(entry["topic"] not in topics, path, entry["id"], "has no topic")
            claims.append(Claim(**entry | {"topic": topics[entry["topic"]]}))
        for name, notes in data.get("unjudged", {}).items():
            _refuse(name not in topics, path, name, "is not a topic of this file")
            claims += [
                Claim(id, topics[name], note, lines)
                for note, ids in notes.items()
                for id, lines in ids.items()
            ]
    for id, count in Counter(claim.id for claim in claims).items():
        if count > 1:
            raise LedgerError(f"{id} is there {count} times")
    for claim in claims:
        check(claim)
    return topics, sorted(claims, key=lambda claim: claim.place)


def check(claim):
    """Refuse a claim whose lines, chapter or test are not there."""
    numbers = [int(number) for number in re.findall(r"\d+", claim.lines)]
    if numbers != sorted(numbers):
        raise LedgerError(f"{claim.id}: lines {claim.lines} are out of order")
    if claim.verdict == "unjudged":
        return
    chapter = claim.topic.chapter
    if chapter is None or not (ROOT / f"{chapter}.ipynb").exists():
        raise LedgerError(f"{claim.id}: topic {claim.topic.name} has no chapter yet")
    if claim.test not in tests():
        raise LedgerError(f"{claim.id}: there is no test {claim.test}")


def _name(data, error):
    """Name the entry in which the schema found a fault."""
    path = list(error.absolute_path)
    if path[:1] == ["claims"] and len(path) > 1:
        return data["claims"][path[1]].get("id", f"claim number {path[1] + 1}")
    return "/".join(map(str, path)) or "top"


def _refuse(bad, path, name, why):
    if bad:
        raise LedgerError(f"{path.name}: {name} {why}")


@functools.cache
def tests():
    """Map each claim's test, "file::name", to its source, in the order of the files."""
    found = {}
    for path in sorted((ROOT / "tests" / "claims").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                key = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                found[key] = ast.get_source_segment(text, node)
    return found


def judged(claims):
    """Keep the claims that have a verdict."""
    return [claim for claim in claims if claim.verdict != "unjudged"]


class Directive(SphinxDirective):
    """What the directives share: the ledger, and nodes from MyST text."""

    def run(self):
        """Write the nodes, or a warning that fails the build."""
        for path in (*FOLDER.glob("*.yml"), *(ROOT / "tests/claims").glob("*.py")):
            self.env.note_dependency(str(path))
        try:
            topics, claims = load()
        except LedgerError as error:
            logger.warning("ledger: %s", error, location=self.get_location())
            return []
        return list(self.write(topics, claims))

    def words(self, text):
        """Parse inline MyST."""
        parsed = self.parse_text_to_nodes(text)
        return parsed[0].children if len(parsed) == 1 else parsed

    def paragraph(self, text, **attributes):
        """Parse a paragraph of MyST."""
        return nodes.paragraph("", "", *self.words(text), **attributes)

    def link(self, text, page, anchor):
        """Link to a place on another page of the book."""
        uri = self.env.app.builder.get_relative_uri(self.env.docname, page)
        return nodes.reference(text, text, refuri=f"{uri}#{anchor}", internal=True)

    def table(self, heads, rows, widths, **attributes):
        """Build a table of nodes; a row is (attributes, cells)."""
        group = nodes.tgroup(cols=len(heads))
        group += [nodes.colspec(colwidth=width) for width in widths]
        heading = [({}, [[nodes.paragraph(head, head)] for head in heads])]
        for kind, content in ((nodes.thead, heading), (nodes.tbody, rows)):
            group += kind(
                "",
                *(
                    nodes.row("", *(nodes.entry("", *c) for c in cells), **extra)
                    for extra, cells in content
                ),
            )
        return nodes.table("", group, **attributes)

    def where(self, claim):
        """Name a claim's place in the notes, for readers and for the search."""
        place = (
            f'<span class="nu-place" data-note="{claim.note}"'
            f' data-lines="{claim.lines}">{claim.note}, {_lines(claim.lines)}</span>'
        )
        heading = nodes.inline("", claim.heading, classes=["nu-heading"])
        return nodes.paragraph("", "", nodes.raw("", place, format="html"), heading)

    def verdict(self, claim):
        """Say a claim's verdict, and under which condition."""
        words, classes = VERDICTS[claim.verdict], ["nu-verdict", f"nu-{claim.verdict}"]
        cell = [nodes.paragraph("", words, classes=classes)]
        return cell + ([self.paragraph(claim.condition)] if claim.condition else [])

    def corrected(self, claim):
        """Say what holds."""
        if not claim.correction:
            return nodes.paragraph("", "–", classes=["nu-none"])
        return self.paragraph(claim.correction)


def _lines(lines):
    """Write lines for people: with a dash, not a hyphen."""
    word = "lines" if re.search(r"\D", lines) else "line"
    return f"{word} {lines.replace('-', '–')}"


class Ledger(Directive):
    """The page of all verdicts: how many, which, and what is not judged yet."""

    def write(self, topics, claims):
        """Yield the counts, the search, the table and the rest."""
        yield from self.counts(topics, claims)
        yield nodes.raw("", SEARCH.format(**self.choices(topics)), format="html")
        rows = [
            (
                {
                    "ids": [f"claim-{claim.id}"],
                    "classes": ["nu-claim", f"nu-topic-{claim.topic.name}"],
                },
                [
                    [self.where(claim)],
                    [self.paragraph(claim.claim)],
                    self.verdict(claim),
                    [self.corrected(claim)],
                    [self.sources(claim)],
                ],
            )
            for claim in judged(claims)
        ]
        heads = ("notes", "they say", "verdict", "what holds", "treated and tested")
        yield self.table(heads, rows, (12, 30, 14, 30, 14), classes=["nu-claims"])
        yield from self.rest(topics, claims)

    def counts(self, topics, claims):
        """Count verdicts by note and by topic."""
        kinds = (*VERDICTS, "unjudged")
        heads = (*VERDICTS.values(), "not judged yet", "all")

        def line(name, members):
            found = Counter(claim.verdict for claim in members)
            numbers = [*(found[kind] for kind in kinds), len(members)]
            cells = [nodes.paragraph(str(n), str(n) if n else "–") for n in numbers]
            return {}, [[name], *([cell] for cell in cells)]

        notes = [
            line(nodes.paragraph(note, note), [c for c in claims if c.note == note])
            for note in NOTES
        ]
        notes.append(line(nodes.paragraph("", "all"), claims))
        widths = (20, *[10] * len(heads))
        yield self.table(("notes", *heads), notes, widths, classes=["nu-counts"])
        by_topic = []
        for topic in topics.values():
            members = [claim for claim in claims if claim.topic == topic]
            name = nodes.paragraph(topic.title, topic.title)
            if topic.chapter:
                name = self.paragraph(f"[{topic.title}](/{topic.chapter}.ipynb)")
            by_topic.append(line(name, members))
        yield nodes.raw("", "<details><summary>By topic</summary>", format="html")
        yield self.table(("topic", *heads), by_topic, widths, classes=["nu-counts"])
        yield nodes.raw("", "</details>", format="html")

    def choices(self, topics):
        """Fill the lists of the search form."""

        def options(pairs):
            return "".join(
                f'<option value="{value}">{html.escape(text)}</option>'
                for value, text in pairs
            )

        return {
            "notes": options((note, note) for note in NOTES),
            "verdicts": options(VERDICTS.items()),
            "topics": options((topic.name, topic.title) for topic in topics.values()),
        }

    def sources(self, claim):
        """Link to the chapter's section and to the test."""
        chapter = f"/{claim.topic.chapter}.ipynb#{claim.section}"
        test = claim.test.rpartition("::")[2]
        return nodes.paragraph(
            "", "", *self.words(f"[]({chapter})"), nodes.Text(", "),
            self.link("test", TESTS, test),
        )  # fmt: skip

    def rest(self, topics, claims):
        """List what is not judged, by topic."""
        waiting = [claim for claim in claims if claim.verdict == "unjudged"]
        are = "claim is" if len(waiting) == 1 else "claims are"
        summary = f"{len(waiting)} {are} not judged yet"
        yield nodes.raw("", f"<details><summary>{summary}</summary>", format="html")
        for topic in topics.values():
            places = {}  # several claims of one place are written once
            for claim in waiting:
                if claim.topic == topic:
                    places.setdefault((claim.note, claim.lines), []).append(claim.id)
            if places:
                text = "; ".join(_waiting(topic, *place) for place in places.items())
                text = f"<b>{topic.title}</b> {text}."
                yield nodes.raw("", f"<p>{text}</p>", format="html")
        yield nodes.raw("", "</details>", format="html")
        self.env.metadata[self.env.docname]["ledger"] = True


def _waiting(topic, place, ids):
    """Write a place of the notes whose claims are not judged."""
    note, lines = place
    text = f"{note}, {_lines(lines)}" + (f" ({len(ids)} claims)" if ids[1:] else "")
    for id in ids:
        text = f'<span id="claim-{id}">{text}</span>'
    return (
        f'<span class="nu-place" data-note="{note}" data-lines="{lines}"'
        f' data-topic="{topic.name}" data-claims="{len(ids)}">{text}</span>'
    )


SEARCH = """\
<form class="nu-search" role="search" hidden>
<label>Words <input type="search" name="words"></label>
<label>Notes <select name="note"><option value="">all</option>{notes}</select></label>
<label>Line <input type="number" name="line" min="1"></label>
<label>Verdict
<select name="verdict"><option value="">all</option>{verdicts}</select></label>
<label>Topic <select name="topic"><option value="">all</option>{topics}</select></label>
<button type="reset">Show all</button>
<output aria-live="polite"></output>
</form>
"""


class Claims(Directive):
    """A chapter's own list: what does not simply hold, and how much does."""

    def write(self, topics, claims):
        """Yield a sentence and a table for each verdict."""
        mine = [
            claim for claim in judged(claims) if claim.topic.chapter == self.env.docname
        ]
        if not mine:
            logger.warning(
                "ledger: no claim belongs to this chapter", location=self.get_location()
            )
            return
        found = Counter(claim.verdict for claim in mine)
        uri = self.env.app.builder.get_relative_uri(self.env.docname, PAGE)
        yield self.paragraph(
            f"On this chapter's subject the notes make {len(mine)} claims."
            f" {found['holds']} hold as they stand, {found['holds-if']} hold under a"
            f" condition, {found['fails']} fail, and {found['unreadable']} can no"
            " longer be read. Those that do not simply hold are listed here; the number"
            " of a line leads to its row among all verdicts."
        )
        titles = {
            "fails": "What fails",
            "holds-if": "What holds under a condition",
            "unreadable": "What the scan has lost",
        }
        for verdict, title in titles.items():
            members = [claim for claim in mine if claim.verdict == verdict]
            if not members:
                continue
            is_open = " open" if verdict == "fails" else ""
            opening = f"<details{is_open}><summary>{title}: {len(members)}</summary>"
            yield nodes.raw("", opening, format="html")
            yield self.list_of(members, uri)
            yield nodes.raw("", "</details>", format="html")

    def list_of(self, members, uri):
        """Build one verdict's table."""
        rows = []
        for claim in members:
            text = f"{claim.note}, {_lines(claim.lines)}"
            anchor = f"{uri}#claim-{claim.id}"
            link = nodes.reference("", text, refuri=anchor, internal=True)
            says = [self.paragraph(claim.claim)]
            if claim.condition:
                says.append(self.paragraph(f"*Holds if* {claim.condition}."))
            rows.append(
                (
                    {"classes": ["nu-claim"]},
                    [[nodes.paragraph("", "", link)], says, [self.corrected(claim)]],
                )
            )
        heads = ("notes", "they say", "what holds")
        return self.table(heads, rows, (16, 42, 42), classes=["nu-claims"])


NAMES = {"rgb": "RGB", "alexnet": "AlexNet", "prewitt": "Prewitt", "sobel": "Sobel"}


def _title(name):
    """Turn a test's name into a heading."""
    words = name.removeprefix("test_").split("_")
    words[0] = words[0].capitalize()
    return " ".join(NAMES.get(word.lower(), word) for word in words)


class LedgerTests(Directive):
    """The source of every claim's test, with the claims that it proves."""

    def write(self, topics, claims):
        """Yield a section for each file: what its tests share, and its tests."""
        proved, sections = {}, {}
        for claim in judged(claims):
            proved.setdefault(claim.test, []).append(claim)
        for key, source in tests().items():
            if key in proved:
                path, _, name = key.partition("::")
                if path not in sections:
                    sections[path] = self.section(path)
                sections[path] += self.block(name, source, proved[key])
        measured = "tests/claims/measured.py"
        if (ROOT / measured).exists():
            sections[measured] = self.section(measured)
        yield from sections.values()

    def section(self, path):
        """Begin a file: its description, and what is neither test nor description."""
        text = (ROOT / path).read_text(encoding="utf-8")
        body = ast.parse(text).body
        title, shared = ast.get_docstring(ast.parse(text)), []
        for node in body[1:]:
            if not getattr(node, "name", "").startswith("test_"):
                shared.append(ast.get_source_segment(text, node))
        section = nodes.section(ids=[Path(path).stem.replace("_", "-")])
        section += nodes.title("", title.rstrip("."))
        section += nodes.paragraph("", "", nodes.literal(path, path))
        source = "\n".join(shared)
        section += nodes.raw(
            "", "<details><summary>What they import and share</summary>", format="html"
        )
        section += nodes.literal_block(source, source, language="python")
        section += nodes.raw("", "</details>", format="html")
        return section

    def block(self, name, source, members):
        """Show one test."""
        block = nodes.container(ids=[name], classes=["nu-test"])
        block += nodes.rubric("", _title(name))
        line = nodes.paragraph("", "On ")
        for i, claim in enumerate(members):
            line += nodes.Text("; " if i else "")
            text = f"{claim.note}, {_lines(claim.lines)}"
            line += self.link(text, PAGE, f"claim-{claim.id}")
        block += line
        block += nodes.literal_block(source, source, language="python")
        return block


def add_script(app, pagename, templatename, context, doctree):
    """Load the search's script only where the ledger is."""
    if app.env.metadata.get(pagename, {}).get("ledger"):
        app.add_js_file("ledger.js", loading_method="defer")


def setup(app):
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-tests", LedgerTests)
    app.add_directive("claims", Claims)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
