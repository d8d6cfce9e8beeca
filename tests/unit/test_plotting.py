"""Pictures: colours by name in SVG, what is displayed, and cells on a grid."""

import ast
import functools
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import pyplot, rc_context, rcdefaults
from matplotlib.figure import Figure

from notebook_utils import _svg, plotting
from notebook_utils._patches import gather
from notebook_utils.convolution import conv2d, output_size
from notebook_utils.plotting import (
    PALETTE,
    Board,
    draw_cells,
    draw_crosses,
    draw_line,
    grid_axes,
    show,
    show_source,
    show_table,
    subplots,
    to_svg,
)

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
NUMBER = r"-?\d+(?:\.\d+)?"
FOREIGN = "#123456"


@pytest.fixture(autouse=True)
def matplotlibs_own_settings():
    """Begin each test with matplotlib's settings: `subplots` changes them for good."""
    with rc_context():
        rcdefaults()
        yield


def busy_figure():
    """Draw with all that makes matplotlib write ids, references and style."""
    with rc_context(plotting.STYLE):
        figure = Figure(figsize=(5, 4))
        lines, points, bars, image = figure.subplots(2, 2).ravel()
        xs = np.linspace(0, 1, 7)
        lines.plot(xs, xs**2 / 3, marker="o", linewidth=1.2345, label="cubes")
        lines.fill_between(xs, xs / 7, color=FOREIGN, alpha=0.12345)
        lines.set(title="Title", xlabel="$x^2$", ylabel="up")
        lines.legend()
        points.scatter(xs, xs / 3, s=20 + 30 * xs, c=xs, cmap=plotting.DIVERGING)
        bars.bar(xs, xs, width=0.1, hatch="//", facecolor=plotting.SKY, alpha=0.6789)
        image.imshow(np.arange(6).reshape(2, 3), cmap="viridis")
        for row, colour in enumerate(PALETTE.values()):
            draw_cells(points, [(row, 0)], face=colour.light, edge=colour.light)
    return figure


def blank(width=3, height=2):
    """Make a figure without a background: all that its SVG holds is drawn on it."""
    figure = Figure(figsize=(width, height))
    figure.patch.set_visible(False)
    return figure


def parse(svg):
    return ElementTree.fromstring(svg)


def paths(figure):
    return [path.get("d").strip() for path in parse(to_svg(figure)).iter(SVG + "path")]


# the palette


def theme(css, selector):
    rule = re.search(re.escape(selector) + r"\{([^}]*)\}", css).group(1)
    return dict(pair.split(":") for pair in rule.strip(";").split(";"))


def contrast(one, other):
    """Compute the contrast ratio of two colours as WCAG 2 defines it."""

    def luminance(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_known_colours():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(
    ("selector", "side"), [(":root", "light"), ("html[data-theme=dark]", "dark")]
)
def test_the_theme_sets_every_colour(selector, side):
    expected = {f"--nu-{name}": getattr(PALETTE[name], side) for name in PALETTE}
    assert theme(_svg.theme_css(), selector) == expected


def test_every_colour_has_its_constant_and_its_own_value():
    for name, colour in PALETTE.items():
        assert getattr(plotting, name.upper()) == colour.light
        assert re.fullmatch("#[0-9a-f]{6}", colour.light)
        assert re.fullmatch("#[0-9a-f]{6}", colour.dark)
    assert len({colour.light for colour in PALETTE.values()}) == len(PALETTE)


@pytest.mark.parametrize("side", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "muted"])
def test_text_is_legible(name, side):
    text, paper = (getattr(PALETTE[colour], side) for colour in (name, "paper"))
    assert contrast(text, paper) >= 4.5


# the SVG


def test_palette_colours_are_variables_with_their_fallback():
    svg = to_svg(busy_figure())
    written = set(re.findall(r"var\(--nu-(\w+), (#\w+)\)", svg))
    assert written == {(name, colour.light) for name, colour in PALETTE.items()}
    outside = re.sub(r"var\(--nu-\w+, #\w+\)", "", svg)
    assert not [c for c in PALETTE.values() if c.light in outside]


def test_other_colours_stay_as_they_are():
    assert f"fill: {FOREIGN}" in to_svg(busy_figure())
    figure = blank()
    draw_cells(Board(figure, 3, 2), [(0, 0)], face="#2468a9", edge="#1E2530")
    assert "fill: #2468a9" in to_svg(figure)
    assert "stroke: var(--nu-ink, #1e2530)" in to_svg(figure)


def test_ids_are_unique_and_all_targets_exist():
    svg = to_svg(busy_figure())
    ids = [element.get("id") for element in parse(svg).iter() if element.get("id")]
    targets = set(re.findall(r"url\(#([^)]+)\)", svg)) | {
        element.get(HREF)[1:]
        for element in parse(svg).iter()
        if (element.get(HREF) or "").startswith("#")
    }
    assert len(ids) == len(set(ids))
    assert set(ids) == targets
    assert len(targets) >= 4  # clip paths, markers, a hatch


def drawn(root):
    """List the elements that matplotlib draws: no metadata, style or empty defs."""
    for metadata in root.findall(SVG + "metadata"):
        root.remove(metadata)
    return [
        element
        for element in list(root.iter())[1:]
        if element.tag != SVG + "style"
        and not (
            element.tag == SVG + "defs"
            and all(child.tag == SVG + "style" for child in element)
        )
    ]


def without_variables(text):
    text = re.sub(r"var\(--nu-font, ('DejaVu Sans'), sans-serif\)", r"\1", text)
    return re.sub(r"var\(--nu-\w+, (#\w+)\)", r"\1", text)


def test_the_picture_is_matplotlibs():
    figure = busy_figure()
    with rc_context(plotting.STYLE), io.StringIO() as stream:
        figure.savefig(stream, format="svg")
        raw = drawn(parse(stream.getvalue()))
    ours = drawn(parse(to_svg(figure)))
    coordinates = 0
    for theirs, element in zip(raw, ours, strict=True):
        assert element.tag == theirs.tag
        assert (element.text or "").strip() == (theirs.text or "").strip()
        expected = dict(theirs.attrib)
        if element.get("id") is None:
            expected.pop("id", None)
        assert set(element.keys()) == set(expected)
        for key, value in expected.items():
            if key not in ("d", "x", "y"):
                # opacity, widths, transforms and clip paths: to the last digit
                assert without_variables(element.get(key)).split() == value.split()
                continue
            here, there = (
                [float(number) for number in re.findall(NUMBER, text)]
                for text in (element.get(key), value)
            )
            np.testing.assert_allclose(here, there, rtol=0, atol=0.05 + 1e-9)
            shape = [re.sub(NUMBER, "", t).split() for t in (element.get(key), value)]
            assert shape[0] == shape[1]
            coordinates += len(here)
    assert coordinates > 500


def test_coordinates_have_at_most_one_decimal():
    for element in parse(to_svg(busy_figure())).iter():
        for key in ("d", "x", "y"):
            text = element.get(key, "")
            assert not re.search(r"\.\d{2}|\.0(?!\d)", text)


def test_opacities_and_line_widths_are_exact():
    svg = to_svg(busy_figure())
    for text in ("stroke-width: 1.2345", "fill-opacity: 0.12345", "opacity: 0.6789"):
        assert text in svg


def test_round_joins_stay_round():
    # SVG's own default is a mitre; matplotlib writes only what differs from round
    figure = blank()
    draw_line(
        Board(figure, 3, 2), [0, 1, 2], [2, 0, 2], solid_joinstyle="round", linewidth=9
    )
    root = parse(to_svg(figure))
    parents = {child: parent for parent in root.iter() for child in parent}
    element, join = next(root.iter(SVG + "path")), None
    while element is not None and join is None:
        style = (
            f"{element.get('style')}; stroke-linejoin:{element.get('stroke-linejoin')}"
        )
        join = re.search(r"stroke-linejoin:\s*(miter|round|bevel)", style)
        element = parents.get(element)
    assert join
    assert join.group(1) == "round"


@pytest.mark.parametrize(
    "text",
    [
        "a < b & c > d",
        "quoted \"so\" and 'so'",
        "#2468a8",
        'd="0.123456"',
        "<!-- no comment -->",
        "the font 'DejaVu Sans'",
        'the attribute id="a"',
    ],
)
def test_text_in_a_picture_is_left_alone(text):
    figure = blank()
    figure.text(0.5, 0.5, text)
    assert [t.text for t in parse(to_svg(figure)).iter(SVG + "text")] == [text]


def test_equal_pictures_are_equal_files():
    figure = busy_figure()
    assert to_svg(figure) == to_svg(figure) == to_svg(busy_figure())


def test_the_callers_settings_do_not_matter():
    svg = to_svg(busy_figure())
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "x"}):
        assert to_svg(busy_figure()) == svg


def test_nothing_superfluous_is_written():
    svg = to_svg(busy_figure())
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert not re.search(r"metadata|<!--|<\?xml|DOCTYPE|<style|\n|>\s+<", svg)


def test_label_and_name_are_escaped():
    alt, name = 'Cells "a" & <b>\'s', 'fig-"<&>'
    root = parse(to_svg(blank(), alt=alt, name=name))
    assert root.get("role") == "img"
    assert root.get("aria-label") == alt
    assert root.get("data-name") == name


def test_without_label_and_name():
    root = parse(to_svg(blank()))
    assert root.tag == SVG + "svg"
    assert root.get("class") == "nu-picture"
    assert not {"role", "aria-label", "data-name"} & set(root.keys())


@pytest.mark.parametrize(
    ("view", "box"),
    [
        (None, "0.0 0.0 216.0 144.0"),
        ((0, 0, 1, 1), "0.0 0.0 216.0 144.0"),
        ((0.25, 0.5, 0.5, 0.25), "54.0 72.0 108.0 36.0"),
        ((1 / 7, 0, 1 / 3, 1), "30.9 0.0 72.0 144.0"),
    ],
)
def test_the_view(view, box):
    root = parse(to_svg(blank(3, 2), view=view))
    assert root.get("viewBox") == box
    assert _svg.view_box((3, 2), view) == box
    # of the size in which that part of the figure is drawn: a pixel is 3/4 of a point
    across, down = (float(number) * 4 / 3 for number in box.split()[2:])
    assert (root.get("width"), root.get("height")) == (f"{across:.0f}", f"{down:.0f}")


def test_a_gid_that_sets_a_control_becomes_data():
    figure = blank()
    board = Board(figure, 3, 2)
    cells = [(0, 0), (0, 1), (1, 2)]
    draw_cells(board, cells, gid=lambda i: f"set:step={i}")
    draw_line(board, [0, 1], [0, 1], gid="set:share=0.125")
    draw_line(board, [0, 1], [0, 1], gid="something-else")
    root = parse(to_svg(figure))
    marked = {e.get("data-set"): e for e in root.iter() if e.get("data-set")}
    assert list(marked) == ["step=0", "step=1", "step=2", "share=0.125"]
    assert marked["step=2"].find(SVG + "path").get("d").startswith("M 144 72 L 216 72")
    assert not [element for element in root.iter() if element.get("id")]


# what is displayed


def test_show_displays_the_picture_then_its_caption(displayed):
    figure = busy_figure()
    show(figure, caption="Cells of *x*.", alt="A grid & more", name="fig-grid")
    picture, caption = displayed
    assert picture == {
        "image/svg+xml": to_svg(figure, alt="A grid & more", name="fig-grid"),
        "text/plain": "Picture: A grid & more",
    }
    assert caption == {"text/markdown": "Cells of *x*.", "text/plain": "Cells of *x*."}


def test_show_without_a_name(displayed):
    show(blank(), caption="Caption", alt="Label")
    assert "data-name" not in displayed[0]["image/svg+xml"]


@pytest.mark.parametrize(
    ("caption", "alt"), [("", "Label"), ("Caption", ""), (" \n", "Label"), ("C", " ")]
)
def test_show_needs_caption_and_label(displayed, caption, alt):
    with pytest.raises(ValueError, match="needs a caption and an alternative text"):
        show(blank(), caption=caption, alt=alt)
    assert displayed == []


def test_a_figure_is_freed():
    before = pyplot.get_fignums()
    figure, axes = subplots(2, 3, width=5, height=4, sharex=True)
    assert pyplot.get_fignums() == before
    assert tuple(figure.get_size_inches()) == (5, 4)
    assert axes.shape == (2, 3)
    assert axes[0, 0].get_shared_x_axes().joined(axes[0, 0], axes[1, 2])
    assert not axes[0, 0].spines["top"].get_visible()


def test_one_plot_is_one_axes():
    figure, ax = subplots()
    assert figure.axes == [ax]
    assert tuple(figure.get_size_inches()) == (7.2, 3.0)


def test_text_that_is_added_later_is_in_ink():
    # ink is a variable of the theme; text without a colour is black on a dark page
    figure, ax = subplots()
    ax.text(0.5, 0.5, "in the middle")
    ax.annotate("with an arrow", (0, 0))
    ax.plot([0, 1], label="in the legend")
    ax.legend()
    ax.set(title="title", xlabel="x", ylabel="y")
    texts = {
        text.text: text.get("style")
        for text in parse(to_svg(figure)).iter(SVG + "text")
    }
    assert [t for t, style in texts.items() if "fill: var(--nu-ink" not in style] == []


def test_what_is_added_later_is_in_the_books_style():
    _, ax = subplots()
    (line,) = ax.plot([0, 1], label="line")
    assert line.get_color() == plotting.BLUE
    assert line.get_linewidth() == plotting.STYLE["lines.linewidth"]
    assert not ax.legend().get_frame_on()


def documented(x):
    """Add one.

    Over several lines.
    """
    # a comment stays
    return x + 1


def bare(x):
    text = """not a docstring"""
    return x, text


def keep_name(function):
    @functools.wraps(function)
    def run(x):
        return function(x)

    return run


@keep_name
@functools.lru_cache(maxsize=3)
def decorated(x):
    "Subtract one."
    return x - 1


class Holder:
    def method(self, x):
        """Return it."""
        if x:
            return x
        return None


# fmt: off
def unfinished(x):
    ...
# fmt: on


SOURCES = [
    (documented, "def documented(x):\n    # a comment stays\n    return x + 1"),
    (bare, 'def bare(x):\n    text = """not a docstring"""\n    return x, text'),
    (
        decorated,
        "@keep_name\n@functools.lru_cache(maxsize=3)\n"
        "def decorated(x):\n    return x - 1",
    ),
    (
        Holder.method,
        "def method(self, x):\n    if x:\n        return x\n    return None",
    ),
    (unfinished, "def unfinished(x):\n    ..."),
]


@pytest.mark.parametrize(
    ("function", "source"), SOURCES, ids=lambda value: getattr(value, "__name__", "")
)
def test_show_source(displayed, function, source):
    show_source(function)
    assert displayed == [
        {"text/markdown": f"```python\n{source}\n```", "text/plain": source}
    ]


@pytest.mark.parametrize("function", [output_size, conv2d, gather, draw_cells])
def test_show_source_of_the_package(displayed, function):
    show_source(function)
    (definition,) = ast.parse(displayed[0]["text/plain"]).body
    assert definition.name == function.__name__
    assert ast.get_docstring(definition) is None


def test_show_table(displayed):
    show_table(["n", "size"], [(1, 0.5), ("two", None)])
    assert displayed == [
        {
            "text/markdown": "| n | size |\n| --- | --- |\n| 1 | 0.5 |\n| two | None |",
            "text/plain": "n | size\n--- | ---\n1 | 0.5\ntwo | None",
        }
    ]


def test_show_table_without_rows(displayed):
    show_table(["n"], [])
    assert displayed[0]["text/markdown"] == "| n |\n| --- |"


def test_a_bar_within_an_entry_does_not_split_it(displayed):
    show_table(["largest |error|"], [["|a − b|"]])
    header, rule, row = displayed[0]["text/markdown"].splitlines()
    columns = [len(re.findall(r"(?<!\\)\|", line)) - 1 for line in (header, rule, row)]
    assert columns == [1, 1, 1]


@pytest.mark.parametrize("row", [(1,), (1, 2, 3), ()])
def test_show_table_refuses_a_ragged_row(displayed, row):
    message = f"row {row} has {len(row)} entries, the header has 2"
    with pytest.raises(ValueError, match=re.escape(message)):
        show_table(["a", "b"], [(1, 2), row])
    assert displayed == []


# cells on a grid


def board(figure, width, height):
    return Board(figure, width, height)


def axes(figure, width, height):
    ax = figure.add_axes((0, 0, 1, 1))
    grid_axes(ax, height, width, margin=0)
    return ax


def cells_of(ax):
    draw_cells(ax, [(0, 0), (0, 1), (2, 3)])
    draw_cells(ax, iter([(3.5, 4.25)]), size=0.9, face=plotting.SKY)
    draw_cells(ax, [(1, 1), (1, 2)], gid=lambda i: f"set:a={i}")


def crosses_of(ax):
    draw_crosses(ax, [(0, 0), (0, 5), (2, 3)])
    draw_crosses(ax, [(1.5, 1.5)], size=0.8, colour=plotting.RED, linewidth=2)


def lines_of(ax):
    draw_line(ax, [0, 3, 6], [4, 0.5, 4], color=plotting.INK, linewidth=1.5)


@pytest.mark.parametrize("draw", [cells_of, crosses_of, lines_of])
@pytest.mark.parametrize("size", [(6, 4), (3, 2), (1.7, 1.7 * 4 / 6)])
def test_axes_and_board_show_the_same(draw, size):
    pictures = []
    for canvas in (board, axes):
        figure = blank(*size)
        draw(canvas(figure, 6, 4))
        pictures.append(
            [
                (element.tag, element.attrib)
                for element in parse(to_svg(figure)).iter()
                if element.tag == SVG + "path" or element.get("data-set")
            ]
        )
    assert pictures[0] == pictures[1]
    assert pictures[0]


def test_where_cells_lie():
    figure = blank(3, 2)  # 72 points a cell
    draw_cells(Board(figure, 3, 2), [(1, 2)])
    draw_cells(Board(figure, 3, 2), [(0, 1)], size=0.5)
    assert paths(figure) == [
        "M 144 72 L 216 72 L 216 144 L 144 144 L 144 72 z",
        "M 90 18 L 126 18 L 126 54 L 90 54 L 90 18 z",
    ]


def test_where_crosses_lie():
    figure = blank(3, 2)
    draw_crosses(Board(figure, 3, 2), [(1, 2)], size=0.5)
    assert paths(figure) == ["M 162 90 L 198 126 M 162 126 L 198 90"]


def test_where_lines_lie():
    figure = blank(3, 2)
    draw_line(Board(figure, 3, 2), [0, 1, 3], [0, 0.5, 2])
    assert paths(figure) == ["M 0 0 L 72 36 L 216 144"]


def test_a_row_of_cells_is_one_element():
    figure = blank(3, 2)
    cells = [(0, 0), (1, 0), (0, 1), (1, 2), (0, 2)]
    draw_cells(Board(figure, 3, 2), cells)
    assert [path.count("M") for path in paths(figure)] == [3, 2]
    draw_crosses(Board(figure, 3, 2), cells)
    assert [path.count("M") for path in paths(figure)[2:]] == [6, 4]


def test_no_cells():
    figure = blank()
    draw_cells(Board(figure, 3, 2), [])
    draw_cells(Board(figure, 3, 2), [], gid=str)
    draw_crosses(Board(figure, 3, 2), [])
    assert paths(figure) == []


def test_the_look_of_cells():
    figure = blank()
    draw_cells(Board(figure, 3, 2), [(0, 0)])
    draw_cells(
        Board(figure, 3, 2),
        [(0, 0)],
        face=plotting.SKY,
        edge=plotting.BLUE,
        linewidth=2,
    )
    draw_crosses(Board(figure, 3, 2), [(0, 0)])
    styles = [
        dict(part.split(": ") for part in without_variables(e.get("style")).split("; "))
        for e in parse(to_svg(figure)).iter(SVG + "path")
    ]
    look = [tuple(map(s.get, ("fill", "stroke", "stroke-width"))) for s in styles]
    assert look == [
        ("none", plotting.LINE, "0.8"),
        (plotting.SKY, plotting.BLUE, "2"),
        ("none", plotting.MUTED, "0.9"),
    ]


@pytest.mark.parametrize("size", [(6, 4), (6, 6), (3, 8), (7.2, 1)])
@pytest.mark.parametrize("cells", [(6, 4), (1, 1), (34.5, 17)])
def test_a_board_keeps_proportions(size, cells):
    figure, (width, height) = blank(*size), cells
    corners = [(0, 0), (1, 0), (0, 1), (width, height)]
    origin, right, below, far = (
        Board(figure, width, height).transform.transform(corners) / figure.dpi
    )
    assert origin == pytest.approx([0, size[1]])  # the top left corner
    side = right[0] - origin[0]
    assert right == pytest.approx(np.add(origin, [side, 0]))
    assert below == pytest.approx(np.subtract(origin, [0, side]))
    assert side == pytest.approx(min(size[0] / width, size[1] / height))
    assert far[0] <= size[0] + 1e-9
    assert far[1] >= -1e-9


def test_the_margin_of_a_board():
    figure = blank(3, 2)  # 72 points a cell
    draw_cells(Board(figure, 3, 2, margin=0.5), [(0, 0), (-0.5, 1.5)])
    assert paths(figure) == [
        "M 36 36 L 108 36 L 108 108 L 36 108 L 36 36 z",
        "M 144 0 L 216 0 L 216 72 L 144 72 L 144 0 z",
    ]


def test_grid_axes_have_square_cells_and_no_frame():
    figure = blank(5, 2)
    ax = figure.add_subplot()
    grid_axes(ax, 3, 4)
    assert ax.get_xlim() == (-0.1, 4.1)
    assert ax.get_ylim() == (3.1, -0.1)
    draw_cells(ax, [(0, 0)])
    (path,) = paths(figure)  # no spines, no ticks
    corners = np.array(re.findall(NUMBER, path), dtype=float).reshape(-1, 2)
    width, height = np.ptp(corners, axis=0)
    assert width == pytest.approx(height, abs=0.11)
    assert width > 20
