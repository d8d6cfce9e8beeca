"""Explorers: the machinery on made-up ones, then every explorer of the book."""

import gzip
import html
import inspect
import json
import random
import re
import sys
from collections import Counter
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from explorers import load_frames
from torch.nn import functional

from notebook_utils import explorers, plotting
from notebook_utils._svg import view_box
from notebook_utils.convolution import output_size
from notebook_utils.explorers import convolution_arithmetic as arithmetic
from notebook_utils.explorers import frames
from notebook_utils.explorers.controls import Choice, Slider, Steps
from notebook_utils.explorers.core import Explorer, Layer, all_explorers
from notebook_utils.explorers.widget import build_widget
from notebook_utils.plotting import Board, draw_cells, draw_line, to_svg

REAL = all_explorers()


def board(figure):
    return Board(figure, 8, 4)


# made-up explorers


def draw_squares(ax, size):
    draw_cells(ax, [(0, c) for c in range(size)], gid=lambda i: f"set:step={i}")


def spot_key(size, step):
    # sizes 1 and 2 share their spots: the row is the parity of the step
    return {"row": 1 + step % 2, "column": step, "wide": size > 2}


def draw_spot(ax, row, column, wide):
    draw_cells(ax, [(row, column)], face=plotting.ORANGE, size=0.9 if wide else 0.5)


def draw_share(ax, share, side):
    if side != "neither":
        xs = [0, 8 * share] if side == "left" else [8, 8 - 8 * share]
        draw_line(ax, xs, [3.5, 3.5], color=plotting.BLUE)


def draw_ground(ax):
    draw_line(ax, [0, 8], [4, 4], color=plotting.INK)


def count_steps(size, side):
    return {"left": size, "right": 1, "neither": 0}[side]


def show_part(size, step):
    return (0, 0, max(size, step + 1) / 8, 1)


def read_share(share, side):
    return f"{share:.0%} <{side}> & more · ½"


def read_all(size, share, side, step):
    return f"{size} {share} {side} {step}"


full = Explorer(
    name="full",
    module=__name__,
    title="Is a < b & c?",
    description='Squares "a" & <b>',
    controls=(
        Slider("size", "Size", 1, 6, 3, page=(1, 2, 3, 5)),
        Slider("share", "Share", 0.0, 1.0, 0.5, step=0.25),
        Choice("side", "Side", ("left", "right", "neither"), "left"),
        Steps("step", "Step", count_steps),
    ),
    canvas=board,
    layers=(
        Layer(draw_squares),
        Layer(draw_spot, spot_key),
        Layer(draw_share),
        Layer(draw_ground),
    ),
    readout=(
        ("Share & <side>", Layer(read_share)),
        ("Row", Layer(lambda row, **_: f"{row}", spot_key)),
        ("All", Layer(read_all)),
        ("Always", Layer(lambda: "the same")),
    ),
    presets=(
        ("Last of five", {"size": 5, "step": 4}),
        ("One, right", {"size": 1, "share": 0.25, "side": "right"}),
        ("Default", {}),
    ),
    size=(4, 2),
    view=Layer(show_part),
)
without_steps = replace(
    full,
    name="without-steps",
    controls=full.controls[:3],
    layers=(Layer(draw_squares), Layer(draw_share)),
    readout=(*full.readout[:1], ("Size", Layer(lambda size: f"{size} squares"))),
    presets=(("Five", {"size": 5, "side": "right"}), ("None", {"share": 0.0})),
    view=None,
)
only_steps = replace(
    full,
    name="only-steps",
    controls=(Steps("step", "Step", lambda: 4, default=2),),
    layers=(Layer(lambda ax, step: draw_cells(ax, [(step, 0)])),),
    readout=(("Step", Layer(lambda step: str(step))),),
    presets=(("Last", {"step": 3}),),
    view=None,
)
MADE_UP = [full, without_steps, only_steps]
EACH = [*MADE_UP, *REAL.values()]


def name_of(value):
    return getattr(value, "name", None)


for_made_up = pytest.mark.parametrize("explorer", MADE_UP, ids=name_of)
for_real = pytest.mark.parametrize("explorer", REAL.values(), ids=name_of)
for_each = pytest.mark.parametrize("explorer", EACH, ids=name_of)


# controls


def test_a_slider_offers_every_position_by_default():
    slider = Slider("a", "A", -1, 3, 1)
    assert slider.page == slider.positions == (-1, 0, 1, 2, 3)
    assert slider.is_complete
    quarters = Slider("a", "A", 0, 1, 0.5, step=0.25)
    assert quarters.page == (0, 0.25, 0.5, 0.75, 1)


def test_a_slider_with_chosen_page_positions():
    slider = Slider("a", "A", 0, 6, 2, page=(0, 2, 6))
    assert slider.page == (0, 2, 6)
    assert slider.positions == (0, 1, 2, 3, 4, 5, 6)
    assert not slider.is_complete
    assert [slider.allows(value) for value in (-1, 0, 3, 6, 6.1)] == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("low", "high", "step", "positions"),
    [
        (0.0, 1.0, 0.1, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        (0.1, 0.7, 0.1, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        (0.05, 0.2, 0.05, (0.05, 0.1, 0.15, 0.2)),
    ],
)
def test_decimal_positions_are_decimal(low, high, step, positions):
    # the page writes them beside the slider; a default or a preset names them
    for default in positions:
        assert Slider("a", "A", low, high, default, step=step).page == positions


@pytest.mark.parametrize(
    ("default", "page"), [(3, (0, 2)), (0, (0, 5)), (0, (-1, 0)), (9, ()), (0.5, ())]
)
def test_a_slider_refuses_positions_that_do_not_fit(default, page):
    message = r"control a: page positions .* must lie in \[0, 4\] and hold the default"
    with pytest.raises(ValueError, match=message):
        Slider("a", "A", 0, 4, default, page=page)


def test_a_choice():
    choice = Choice("a", "A", ("x", "y"), "y")
    assert [choice.allows(value) for value in ("x", "y", "z")] == [True, True, False]
    with pytest.raises(ValueError, match=r"control a: 'z' is not among \('x', 'y'\)"):
        Choice("a", "A", ("x", "y"), "z")


# the definition of an explorer


STEPS = Steps("step", "Step", lambda: 3)


@pytest.mark.parametrize(
    "controls", [(STEPS, Slider("a", "A", 0, 1, 0)), (STEPS, STEPS)]
)
def test_steps_come_last(controls):
    with pytest.raises(ValueError, match="explorer x: the Steps control must be the"):
        replace(
            full,
            name="x",
            controls=controls,
            layers=(),
            readout=(),
            presets=(),
            view=None,
        )


UNKNOWN = Layer(lambda sise: None)
UNKNOWN_KEY = Layer(lambda ax, n: None, lambda size, sise: {"n": size})


@pytest.mark.parametrize(
    "part",
    [
        {"layers": (UNKNOWN,)},
        {"layers": (*full.layers, UNKNOWN_KEY)},
        {"readout": (("Line", UNKNOWN),)},
        {"view": UNKNOWN},
    ],
    ids=["layer", "key", "readout", "view"],
)
def test_a_layer_of_an_unknown_control(part):
    message = (
        r"explorer full: no control is called \['sise'\];"
        r" there are \['share', 'side', 'size', 'step'\]"
    )
    with pytest.raises(ValueError, match=message):
        replace(full, **part)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ({"size": 4}, "explorer full: preset 'P' sets size to 4, which the page does"),
        ({"share": 0.3}, "preset 'P' sets share to 0.3, which the page does not offer"),
        ({"sise": 4}, r"explorer full: no control is called \['sise'\]; there are"),
        ({"size": 7}, "control size: 7 is out of range"),
        ({"side": "top"}, "control side: 'top' is out of range"),
        (
            {"size": 2, "step": 2},
            "control step: 2 is out of range, the last position is 1",
        ),
    ],
)
def test_a_preset_that_the_page_cannot_show(preset, message):
    with pytest.raises(ValueError, match=message):
        replace(full, presets=(("P", preset),))


@pytest.mark.parametrize("method", ["values", "figure", "read", "part"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": 1, "a": 2}, r"explorer full: no control is called \['a', 'x'\]; there"),
        ({"size": 0}, "control size: 0 is out of range"),
        ({"share": 1.01}, "control share: 1.01 is out of range"),
        ({"share": float("nan")}, "control share: nan is out of range"),
        ({"side": "Left"}, "control side: 'Left' is out of range"),
        ({"step": -1}, "control step: -1 is out of range, the last position is 2"),
        ({"step": 3}, "control step: 3 is out of range, the last position is 2"),
        ({"side": "right", "step": 1}, "control step: 1 is out of range, the last"),
    ],
)
def test_a_setting_out_of_range(method, values, message):
    with pytest.raises(ValueError, match=message):
        getattr(full, method)(**values)


def test_a_setting_is_completed():
    assert full.values() == {"size": 3, "share": 0.5, "side": "left", "step": 0}
    # any value between the ends, not only the page's
    expected = {"size": 6, "share": 0.5, "side": "left", "step": 5}
    assert full.values(size=6, step=5) == expected
    assert only_steps.values() == {"step": 2}


def test_controls_with_and_without_steps():
    assert full.fixed == full.controls[:3]
    assert full.steps is full.controls[3]
    assert without_steps.fixed == without_steps.controls
    assert without_steps.steps is None
    assert only_steps.fixed == ()
    assert full.step_count(full.values(size=5, step=4)) == 5
    assert full.step_count(full.values(side="right")) == 1
    assert full.step_count(full.values(side="neither")) == 0
    assert without_steps.step_count(without_steps.values()) == 1
    assert full.last_step(full.values(size=5, step=4)) == 4
    assert full.last_step(full.values(side="right")) == 0
    assert full.last_step(full.values(side="neither")) == 0
    assert without_steps.last_step(without_steps.values()) == 0


def test_the_arguments_of_a_layer():
    values = full.values(size=2, step=1)
    squares, spot, share, ground = full.layers
    assert squares.names == ("size",)
    assert squares.arguments(values) == {"size": 2}
    assert spot.names == ("size", "step")
    assert spot.arguments(values) == {"row": 2, "column": 1, "wide": False}
    assert share.arguments(values) == {"share": 0.5, "side": "left"}
    assert ground.arguments(values) == {}


def path_data(svg):
    return re.findall(r' d="([^"]*)"', svg)


def test_layers_are_drawn_in_order():
    values = full.values(size=2, step=1)
    figure = full.figure(size=2, step=1)
    assert tuple(figure.get_size_inches()) == (4, 2)
    apart = [
        frames.render_layer(full, layer, layer.arguments(values))
        for layer in full.layers
    ]
    together = path_data(to_svg(figure))[1:]  # without the background
    assert together == [data for svg in apart for data in path_data(svg)]
    assert len(together) == 5


def test_the_readout_and_the_view():
    assert full.read(size=2, step=1, share=0.25) == {
        "Share & <side>": "25% <left> & more · ½",
        "Row": "2",
        "All": "2 0.25 left 1",
        "Always": "the same",
    }
    assert full.part(size=2, step=1) == (0, 0, 0.25, 1)
    assert without_steps.part() is None
    assert replace(full, readout=()).read() == {}


def test_the_settings_of_the_page():
    settings = list(full.settings())
    assert len(settings) == 5 * (1 + 2 + 3 + 5) + 2 * 5 * 4
    assert settings[0] == {"size": 1, "share": 0.0, "side": "left", "step": 0}
    assert settings[-1] == {"size": 5, "share": 1.0, "side": "neither", "step": 0}
    assert len({tuple(setting.values()) for setting in settings}) == len(settings)
    assert all(full.values(**setting) == setting for setting in settings)
    assert len(list(without_steps.settings())) == 4 * 5 * 3
    assert list(only_steps.settings()) == [{"step": step} for step in range(4)]


def test_the_ends():
    assert [tuple(setting.values()) for setting in full.ends()] == [
        (3, 0.5, "left", 0),
        *[(1, 0.5, "left", 0), (1, 0.5, "left", 0)],
        *[(6, 0.5, "left", 0), (6, 0.5, "left", 5)],
        *[(3, 0.0, "left", 0), (3, 0.0, "left", 2)],
        *[(3, 1.0, "left", 0), (3, 1.0, "left", 2)],
        *[(3, 0.5, "left", 0), (3, 0.5, "left", 2)],
        *[(3, 0.5, "right", 0), (3, 0.5, "right", 0)],
        *[(3, 0.5, "neither", 0), (3, 0.5, "neither", 0)],
        (5, 0.5, "left", 4),
        (1, 0.25, "right", 0),
        (3, 0.5, "left", 0),
    ]
    assert len(list(without_steps.ends())) == 1 + 2 + 2 + 3 + 2
    assert list(only_steps.ends()) == [{"step": 2}, {"step": 3}]


MODULE = """
from notebook_utils.explorers.controls import Slider
from notebook_utils.explorers.core import Explorer
explorer = Explorer(
    name={name!r}, module=__name__, title="", description="",
    controls=(Slider("a", "A", 0, 1, 0),), canvas=None, layers=(),
)
"""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Write chapters' modules into the package, for one test."""
    monkeypatch.setattr(explorers, "__path__", [*explorers.__path__, str(tmp_path)])
    written = []

    def write(module, source):
        (tmp_path / f"{module}.py").write_text(source)
        written.append(module)

    yield write
    for module in written:
        sys.modules.pop(f"{explorers.__name__}.{module}", None)
        vars(explorers).pop(module, None)


def test_explorers_are_found(chapter):
    chapter("made_up_one", MODULE.format(name="one"))
    # the same explorer under two names is one explorer
    chapter("made_up_two", "from .made_up_one import explorer\nagain = explorer")
    found = all_explorers()
    assert set(found) == {*REAL, "one"}
    assert found["one"].module == "notebook_utils.explorers.made_up_one"


def test_two_explorers_of_one_name(chapter):
    chapter("made_up_one", MODULE.format(name="one"))
    chapter("made_up_two", MODULE.format(name="one"))
    with pytest.raises(ValueError, match="two explorers are called one"):
        all_explorers()


# frames


class Page:
    """What the page's script shows at a setting, from the packed file alone."""

    def __init__(self, explorer, data):
        assert data[:2] == b"\x1f\x8b"  # by which the script knows gzip
        self.frames = json.loads(gzip.decompress(data))
        self.sizes = [len(control.page) for control in explorer.fixed]
        self.fixed = range(len(self.sizes))

    def place(self, explorer, setting):
        """Return where the inputs stand at a setting, and the step."""
        places = [c.page.index(setting[c.name]) for c in explorer.fixed]
        return places, setting[explorer.steps.name] if explorer.steps else 0

    def index(self, places, controls):
        at = 0
        for i in controls:
            at = at * self.sizes[i] + places[i]
        return at

    def drawing(self, table, places, step):
        run = table["runs"][table["pointer"][self.index(places, table["controls"])]]
        return table["drawings"][run[0] if len(run) == 1 else run[step]]

    def show(self, places, step):
        layers = [
            "".join(
                self.frames["lines"][line] for line in self.drawing(table, places, step)
            )
            for table in self.frames["layers"]
        ]
        readout = [
            self.drawing(table, places, step) for table in self.frames["readout"]
        ]
        view = self.frames["view"] and self.drawing(self.frames["view"], places, step)
        count = self.frames["counts"][self.index(places, self.fixed)]
        return layers, readout, view, count


def directly(explorer, setting):
    """Render what `Page.show` should give."""
    layers = [
        frames.render_layer(explorer, layer, layer.arguments(setting))
        for layer in explorer.layers
    ]
    view = explorer.view and view_box(explorer.size, explorer.part(**setting))
    readout = list(explorer.read(**setting).values())
    return layers, readout, view, explorer.step_count(setting)


@pytest.fixture(scope="module", params=REAL.values(), ids=name_of)
def packed(request):
    return request.param, load_frames(request.param)  # the build's, if it has them


@for_made_up
def test_the_page_shows_every_setting_of_a_made_up_explorer(explorer):
    page = Page(explorer, frames.pack(explorer))
    for setting in explorer.settings():
        assert page.show(*page.place(explorer, setting)) == directly(explorer, setting)


def test_the_page_shows_what_the_explorer_draws(packed):
    explorer, data = packed
    page, rng = Page(explorer, data), random.Random(7)
    sample = [setting for setting in explorer.ends() if on_page(explorer, setting)]
    for _ in range(60):
        setting = {control.name: rng.choice(control.page) for control in explorer.fixed}
        if explorer.steps:
            setting[explorer.steps.name] = rng.randint(0, explorer.last_step(setting))
        sample.append(setting)
    for setting in sample:
        assert page.show(*page.place(explorer, setting)) == directly(explorer, setting)


def on_page(explorer, setting):
    return all(setting[control.name] in control.page for control in explorer.fixed)


def test_the_frames_are_complete_and_within_the_budget(packed):
    explorer, data = packed
    assert len(data) <= frames.BUDGET
    page = Page(explorer, data).frames
    settings = 1
    for control in explorer.fixed:
        settings *= len(control.page)
    assert len(page["counts"]) == settings
    assert len(page["layers"]) == len(explorer.layers)
    assert len(page["readout"]) == len(explorer.readout)
    assert len(set(page["lines"])) == len(page["lines"])


def test_too_large_frames_are_refused(monkeypatch):
    size = len(frames.pack(full))
    monkeypatch.setattr(frames, "BUDGET", size)
    assert len(frames.pack(full)) == size
    monkeypatch.setattr(frames, "BUDGET", size - 1)
    message = f"explorer full: its frames take {size:,} bytes, the page allows"
    with pytest.raises(ValueError, match=message):
        frames.pack(full)


def test_equal_explorers_are_equal_files():
    data = frames.pack(full)
    assert data == frames.pack(full)
    assert data[4:8] == bytes(4)  # no time of day in the header


def test_each_different_drawing_is_rendered_once():
    drawn = Counter()

    def counted(ax, **arguments):
        drawn[tuple(arguments.items())] += 1

    layers = (Layer(counted, spot_key),)
    table, *_ = frames.render_frames(replace(full, layers=layers))["layers"]
    different = {tuple(spot_key(s["size"], s["step"]).items()) for s in full.settings()}
    assert set(drawn) == different
    assert set(drawn.values()) == {1}
    assert len(table["drawings"]) == len(different)


def test_a_table_depends_only_on_the_controls_it_must():
    rendered = frames.render_frames(full)
    squares, spot, share, ground = rendered["layers"]
    assert squares["controls"] == [0]
    assert spot["controls"] == [0, 1, 2]  # the number of steps depends on them
    assert share["controls"] == [1, 2]
    assert ground["controls"] == []
    assert ground["pointer"] == [0]
    for table in (squares, share, ground):
        assert {len(run) for run in table["runs"]} == {1}
    assert {len(run) for run in spot["runs"]} == {1, 2, 3, 5}
    # settings that show the same drawings share one run, and share drawings
    assert len(share["drawings"]) == len(share["runs"]) == 5 * 3
    assert len(spot["runs"]) == 5
    assert len(rendered["lines"]) == len(set(rendered["lines"]))


def test_without_view_and_steps():
    rendered = frames.render_frames(without_steps)
    assert rendered["view"] is None
    assert set(rendered["counts"]) == {1}


def test_the_counts_of_steps():
    counts = iter(frames.render_frames(full)["counts"])
    for size, _, side in product(*(control.page for control in full.fixed)):
        assert next(counts) == count_steps(size, side)


def axes_with_frame(figure):
    ax = figure.add_subplot()
    ax.set(xlim=(0, 8), ylim=(0, 4))
    return ax


@pytest.mark.parametrize("canvas", [board, axes_with_frame])
def test_a_layer_has_no_background(canvas):
    # on the page the layers lie on one another: a background hides those below
    explorer = replace(full, canvas=canvas)
    for layer in explorer.layers:
        svg = frames.render_layer(explorer, layer, layer.arguments(full.values()))
        assert "fill: var(--nu-paper" not in svg


@for_each
def test_a_layer_is_well_formed(explorer):
    for layer in explorer.layers:
        arguments = layer.arguments(explorer.values())
        svg = frames.render_layer(explorer, layer, arguments)
        xmlns = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
        assert len(ElementTree.fromstring(f"<svg {xmlns}>{svg}</svg>")) > 0


# widgets


def drawn(explorer, values):
    """Return what the widget's picture and read-out hold at a setting."""
    svg = to_svg(
        explorer.figure(**values),
        alt=explorer.description,
        view=explorer.part(**values),
    )
    lines = "".join(
        f"<div><b>{html.escape(label)}:</b> {html.escape(text)}</div>"
        for label, text in explorer.read(**values).items()
    )
    return svg.encode(), lines


def state(box):
    return {name: control.value for name, control in box.controls.items()}


def shown(box):
    return box.picture.value, box.readout.value


def assert_in_step(explorer, box):
    """Check that the widget shows its setting, and that the steps' end is right."""
    assert shown(box) == drawn(explorer, state(box))
    if explorer.steps:
        last = explorer.last_step(state(box))
        assert box.controls[explorer.steps.name].max == last


def positions_to_try(control):
    """List a control's ends, or its options, so that each step is a change."""
    if isinstance(control, widgets.Dropdown):
        options = list(control.options)
    else:
        options = [control.max, control.min]
    return [option for option in options if option != control.value][:1] + options


@for_each
def test_the_widget_at_its_default(explorer):
    box = build_widget(explorer)
    assert state(box) == explorer.values()
    assert list(box.controls) == [control.name for control in explorer.controls]
    assert box.picture.format == "svg+xml"
    assert_in_step(explorer, box)


@for_each
def test_every_control_moves_picture_and_readout(explorer):
    for name in explorer.values():
        box = build_widget(explorer)
        pictures, texts = {box.picture.value}, {box.readout.value}
        for position in positions_to_try(box.controls[name]):
            before = box.picture.value
            changes = box.controls[name].value != position
            box.controls[name].value = position
            assert box.controls[name].value == position
            assert (box.picture.value != before) == changes
            assert_in_step(explorer, box)
            pictures.add(box.picture.value)
            texts.add(box.readout.value)
        assert len(pictures) > 1
        assert len(texts) > 1


@for_each
def test_every_preset_button(explorer):
    box = build_widget(explorer)
    assert [b.description for b in box.presets] == [p[0] for p in explorer.presets]
    pairs = zip(box.presets, explorer.presets, strict=True)
    # from the default, from each other preset in turn, and back
    for button, (_, setting) in [*pairs, *reversed(list(pairs))]:
        button.click()
        assert state(box) == explorer.values(**setting)
        assert_in_step(explorer, box)


def test_presets_from_any_other():
    for first, second in product(range(3), repeat=2):
        box = build_widget(full)
        box.presets[first].click()
        box.presets[second].click()
        assert state(box) == full.values(**full.presets[second][1])
        assert_in_step(full, box)


def test_the_steps_follow_the_other_controls():
    box = build_widget(full)
    step = box.controls["step"]
    assert (step.min, step.max, step.value) == (0, 2, 0)
    box.controls["size"].value = 6
    assert step.max == 5
    step.value = 5
    box.controls["size"].value = 4
    assert (step.max, step.value) == (3, 3)
    assert_in_step(full, box)
    box.controls["side"].value = "right"
    assert (step.max, step.value) == (0, 0)
    assert_in_step(full, box)
    box.controls["side"].value = "neither"
    assert (step.max, step.value) == (0, 0)
    assert_in_step(full, box)
    box.controls["side"].value = "left"
    assert (step.max, step.value) == (3, 0)


def test_any_value_between_the_ends():
    box = build_widget(full)
    box.controls["size"].value = 4  # not among the page's
    box.controls["share"].value = 0.375
    assert state(box) == {"size": 4, "share": 0.375, "side": "left", "step": 0}
    assert_in_step(full, box)


def test_the_kinds_of_inputs():
    inputs = build_widget(full).controls
    kinds = [type(control) for control in inputs.values()]
    assert kinds == [
        widgets.IntSlider,
        widgets.FloatSlider,
        widgets.Dropdown,
        widgets.IntSlider,
    ]
    size, share, side, step = inputs.values()
    assert (size.min, size.max, size.step, size.description) == (1, 6, 1, "Size")
    assert (share.min, share.max, share.step) == (0, 1, 0.25)
    assert side.options == ("left", "right", "neither")
    assert step.description == "Step"


def descendants(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from descendants(child)


@for_each
def test_everything_is_in_the_box(explorer):
    box = build_widget(explorer)
    parts = set(descendants(box))
    assert {box.picture, box.readout, *box.controls.values(), *box.presets} <= parts
    plays = [part for part in parts if isinstance(part, widgets.Play)]
    assert len(plays) == (explorer.steps is not None)
    if plays:
        step = box.controls[explorer.steps.name]
        assert (plays[0].min, plays[0].max) == (step.min, step.max)
        assert plays[0].value == step.value
    titles = [part.value for part in parts if isinstance(part, widgets.HTML)]
    assert f"<b>{html.escape(explorer.title)}</b>" in titles


def test_a_preset_is_drawn_once():
    drawings = []
    layers = (Layer(lambda ax, size, share, side, step: drawings.append(size)),)
    box = build_widget(replace(full, layers=layers))
    drawings.clear()
    box.presets[0].click()
    assert drawings == [5]


def fail_at(bad):
    def make(*ax, size):
        if size == bad:
            raise RuntimeError(f"no <size> {size}")
        return f"{size}"

    make.__signature__ = inspect.signature(lambda ax, size: None)
    return make


def count_to(bad):
    def count(size):
        if size == bad:
            raise RuntimeError(f"no <size> {size}")
        return size

    return count


def failing(where, bad):
    """Make an explorer that raises at one size: while it draws, reads or counts."""
    part = {
        "layers": {"layers": (*full.layers, Layer(fail_at(bad)))},
        "readout": {"readout": (("Line", Layer(fail_at(bad))),)},
        "view": {"view": Layer(fail_at(bad))},
        "steps": {"controls": (*full.controls[:3], Steps("step", "", count_to(bad)))},
    }[where]
    if where == "view":
        part["view"] = Layer(
            lambda size: (0, 0, 1, 1) if fail_at(bad)(size=size) else None
        )
    return replace(full, presets=(), **part)


WHERE = ["layers", "readout", "view", "steps"]
SHOWN = "<pre>RuntimeError: no &lt;size&gt; {}</pre>"


@pytest.mark.parametrize("where", WHERE)
def test_an_error_is_shown_and_raised(where):
    explorer = failing(where, 2)
    box = build_widget(explorer)
    with pytest.raises(RuntimeError, match="no <size> 2"):
        box.controls["size"].value = 2
    assert box.readout.value == SHOWN.format(2)
    box.controls["size"].value = 1
    assert_in_step(explorer, box)


@pytest.mark.parametrize("where", WHERE)
def test_an_error_at_the_default_is_raised_at_once(where):
    with pytest.raises(RuntimeError, match="no <size> 3"):
        build_widget(failing(where, 3))


@pytest.mark.parametrize("where", ["layers", "readout", "view"])
def test_an_error_at_a_preset_is_shown(where):
    # ipywidgets itself catches and reports what a button's callback raises
    presets = (("Bad", {"size": 5}), ("Good", {"size": 2, "step": 1}))
    explorer = replace(failing(where, 5), presets=presets)
    box = build_widget(explorer)
    bad, good = box.presets
    bad.click()
    assert box.readout.value == SHOWN.format(5)
    good.click()
    assert state(box) == explorer.values(size=2, step=1)
    assert_in_step(explorer, box)


@pytest.mark.parametrize("where", WHERE)
def test_the_sweep_finds_an_error_at_an_end(where):
    with pytest.raises(RuntimeError):
        sweep(failing(where, 6))


# what a notebook receives


VIEW = "application/vnd.jupyter.widget-view+json"


@for_each
def test_show_displays_one_bundle(explorer, displayed, monkeypatch):
    boxes = []

    def build(explorer):
        boxes.append(build_widget(explorer))
        return boxes[-1]

    monkeypatch.setattr("notebook_utils.explorers.widget.build_widget", build)
    explorer.show()
    (bundle,), (box,) = displayed, boxes
    assert set(bundle) == {VIEW, "text/html", "text/plain"}
    assert bundle[VIEW]["model_id"] == box.model_id
    placeholder = f'<div data-explorer="{explorer.name}">'
    assert bundle["text/html"].startswith(placeholder)
    lines = [f"{label}: {text}" for label, text in explorer.read().items()]
    assert bundle["text/plain"].splitlines() == [f"Explorer: {explorer.title}", *lines]


def test_the_title_in_the_placeholder_is_escaped(displayed):
    full.show()
    assert displayed[0]["text/html"].endswith(">Is a &lt; b &amp; c?</div>")


# every explorer of the book


def sweep(explorer):
    """Draw and read an explorer at the ends of its controls; return at how many."""
    settings = list(explorer.ends())
    for setting in settings:
        explorer.figure(**setting)
        explorer.read(**setting)
        explorer.part(**setting)
    return len(settings)


@for_each
def test_the_ends_of_every_control(explorer):
    assert sweep(explorer) > len(explorer.fixed)


@for_real
def test_an_explorer_is_in_order(explorer):
    assert REAL[explorer.name] is explorer
    assert explorer in vars(sys.modules[explorer.module]).values()
    assert re.fullmatch(r"[a-z0-9-]+", explorer.name)
    assert explorer.title
    assert explorer.description
    assert explorer.readout
    for control in explorer.fixed:
        assert re.fullmatch(r"[a-z_]+", control.name)
        if isinstance(control, Slider):
            assert len(control.page) >= 5 or control.is_complete
            assert list(control.page) == sorted(set(control.page))


@for_real
def test_what_is_clicked_is_a_setting(explorer):
    svg = to_svg(explorer.figure())
    for target in re.findall(r'data-set="([^"]*)"', svg):
        name, value = target.split("=")
        assert name in explorer.values()
        if explorer.steps and name == explorer.steps.name:
            explorer.values(**{name: int(value)})


# convolution arithmetic


CONVOLUTION = REAL["convolution-arithmetic"]
SETTINGS = [
    dict(zip((c.name for c in CONVOLUTION.fixed), page, strict=True))
    for page in product(*(control.page for control in CONVOLUTION.fixed))
]
LABELS = [label for label, _ in CONVOLUTION.readout]


def torch_side(size, kernel, stride, padding, dilation):
    """Return the side of torch's output, or None where torch refuses."""
    x = torch.ones(1, 1, size, size, dtype=torch.float64)
    weight = torch.ones(1, 1, kernel, kernel, dtype=torch.float64)
    try:
        y = functional.conv2d(
            x, weight, stride=stride, padding=padding, dilation=dilation
        )
    except RuntimeError:
        return None
    assert y.shape[2] == y.shape[3]
    return y.shape[3]


def torch_reads(size, kernel, stride, padding, dilation, output=None):
    """Return which padded cells an output (all of them by default) reads: autograd."""
    side = size + 2 * padding
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 1, kernel, kernel, dtype=torch.float64)
    y = functional.conv2d(x, weight, stride=stride, dilation=dilation)
    (y if output is None else y[0, 0, output[0], output[1]]).sum().backward()
    return x.grad[0, 0] != 0


def test_output_sizes_are_torchs():
    fitting = 0
    for setting in SETTINGS:
        side = torch_side(**setting)
        text = CONVOLUTION.read(**setting)[LABELS[1]]
        steps = CONVOLUTION.step_count(CONVOLUTION.values(**setting))
        if side is None:
            size, window = setting["size"], setting.copy()
            del window["size"]
            with pytest.raises(ValueError, match="does not fit") as caught:
                output_size(size, **window)
            assert text == str(caught.value)
            assert steps == 0
        else:
            fitting += 1
            assert text.endswith(f" = {side}")
            assert steps == side**2
    assert 0 < fitting < len(SETTINGS)


def test_the_formulas_in_the_readout_are_right():
    for setting in SETTINGS:
        for line in list(CONVOLUTION.read(**setting).values())[:2]:
            if "=" not in line:
                continue
            formula, value = line.rsplit(" = ", 1)
            for mark, sign in {"·": "*", "−": "-", "⌊": "(", "⌋": ")"}.items():
                formula = formula.replace(mark, sign)
            assert eval(formula.replace(" / ", " // ")) == int(value)


FITTING = [s for s in SETTINGS if arithmetic.outputs(**s)]
SAMPLE = random.Random(11).sample(FITTING, 100)


for_sample = pytest.mark.parametrize(
    "setting", SAMPLE, ids=lambda setting: "-".join(map(str, setting.values()))
)


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def indices(mask):
    return {(int(row), int(column)) for row, column in mask.nonzero()}


def interior(reads, size, padding):
    return reads[padding : padding + size, padding : padding + size]


@pytest.fixture
def record(monkeypatch):
    """Collect the cells that a layer draws and crosses out, as the board's."""
    cells, crosses = [], []
    for name, found in (("draw_cells", cells), ("draw_crosses", crosses)):
        monkeypatch.setattr(
            arithmetic, name, lambda ax, some, *, _to=found, **_: _to.extend(some)
        )
    return cells, crosses


@for_sample
def test_what_is_read_is_what_autograd_says(setting):
    size, padding = setting["size"], setting["padding"]
    reads = torch_reads(**setting)
    key = arithmetic.input_key(**setting)
    assert (key["size"], key["padding"]) == (size, padding)
    axis = torch.tensor(key["read"])
    assert torch.equal(torch.outer(axis, axis), reads)
    inside = interior(reads, size, padding)
    lines = CONVOLUTION.read(**setting)
    assert numbers(lines[LABELS[3]]) == [int((~inside).sum()), size**2]
    # windows begin at the first cell: what the floor drops is unread at the far end
    dropped = len(axis) - 1 - int(axis.nonzero().max())
    assert numbers(lines[LABELS[2]]) == ([dropped, dropped] if dropped else [])


@for_sample
def test_what_is_crossed_out_is_what_autograd_says(setting, record):
    cells, crosses = record
    key = arithmetic.input_key(**setting)
    arithmetic.draw_input(None, **key)
    side = len(key["read"])
    top, left = min(cells)
    assert len(cells) == side**2
    assert {(r - top, c - left) for r, c in cells} == set(
        product(range(side), repeat=2)
    )
    never = {(r - top, c - left) for r, c in crosses}
    assert never == indices(~torch_reads(**setting))


@for_sample
def test_what_one_output_reads_is_what_autograd_says(setting, record):
    cells, _ = record
    arithmetic.draw_input(None, **arithmetic.input_key(**setting))
    top, left = min(cells)
    side = arithmetic.outputs(**setting)
    for step in {0, side**2 // 3, side**2 - 1}:
        output = divmod(step, side)
        reads = torch_reads(**setting, output=output)
        inside = int(interior(reads, setting["size"], setting["padding"]).sum())
        zeros = int(reads.sum()) - inside
        text = CONVOLUTION.read(**setting, step=step)[LABELS[4]]
        assert numbers(text) == [inside, zeros, *output]
        window = arithmetic.window_key(**setting, step=step)
        assert window["fits"]
        places = [i * window["dilation"] for i in range(window["kernel"])]
        assert indices(reads) == {
            (window["top"] - top + row, window["left"] - left + column)
            for row, column in product(places, repeat=2)
        }


@for_sample
def test_the_marked_output_is_the_one_that_is_clicked(setting):
    # a click on the output's cell i sets step = i: the mark must then lie on it
    last = CONVOLUTION.last_step(CONVOLUTION.values(**setting))
    _, _, output, mark = CONVOLUTION.layers
    for step in {0, last // 3, last}:
        values = CONVOLUTION.values(**setting, step=step)
        svg = frames.render_layer(CONVOLUTION, output, output.arguments(values))
        cell = re.search(f'data-set="step={step}"><path d="([^"]*)"', svg).group(1)
        svg = frames.render_layer(CONVOLUTION, mark, mark.arguments(values))
        places = [
            np.array(re.findall(r"-?[\d.]+", data), dtype=float).reshape(-1, 2)
            for data in (cell, *path_data(svg))
        ]
        centres = [(p.min(axis=0) + p.max(axis=0)) / 2 for p in places]
        assert len(centres) == 2
        np.testing.assert_allclose(*centres, atol=0.11)


def test_a_kernel_that_does_not_fit_reads_nothing():
    for setting in [s for s in SETTINGS if s not in FITTING][::10]:
        lines = list(CONVOLUTION.read(**setting).values())
        size = setting["size"]
        assert lines[2:] == ["—", f"{size**2} of {size**2}", "—"]
        assert not any(arithmetic.input_key(**setting)["read"])
        assert not arithmetic.window_key(**setting, step=0)["fits"]


def test_all_that_is_drawn_is_in_the_view():
    largest = [s for s in SETTINGS if s["kernel"] == s["stride"] == s["dilation"] == 1]
    settings = random.Random(13).sample(SETTINGS, 60)
    for setting in [*CONVOLUTION.ends(), *largest, *settings]:
        values = CONVOLUTION.values(**setting)
        left, top, width, height = map(
            float, view_box(CONVOLUTION.size, CONVOLUTION.part(**values)).split()
        )
        background, *data = path_data(to_svg(CONVOLUTION.figure(**values)))
        assert background
        points = np.array(re.findall(r"-?[\d.]+", " ".join(data)), dtype=float)
        (x0, y0), (x1, y1) = (
            end(points.reshape(-1, 2), axis=0) for end in (np.min, np.max)
        )
        assert left <= x0 <= x1 <= left + width
        assert top <= y0 <= y1 <= top + height


# what a reader would notice


@pytest.fixture
def count_from_two():
    """An explorer whose default step is more than a small setting offers."""
    return Explorer(
        name="late",
        module=__name__,
        title="late",
        description="late",
        controls=(
            Slider("size", "Size", 1, 4, 3),
            Steps("step", "Step", lambda size: size, default=2),
        ),
        canvas=lambda figure: figure.add_subplot(),
        layers=(Layer(lambda ax, size: ax.plot([0, size])),),
        readout=(("at", Layer(lambda step: f"step {step}")),),
    )


def test_a_default_step_gives_way_to_fewer_steps(count_from_two):
    assert count_from_two.values() == {"size": 3, "step": 2}
    assert count_from_two.values(size=1) == {"size": 1, "step": 0}
    assert {"size": 1, "step": 0} in list(count_from_two.ends())
    with pytest.raises(ValueError, match="control step: 2 is out of range"):
        count_from_two.values(size=1, step=2)


def test_fewer_steps_are_drawn_once(count_from_two, monkeypatch):
    box = build_widget(count_from_two)
    drawn = []
    figure = Explorer.figure
    monkeypatch.setattr(
        Explorer, "figure", lambda *a, **k: drawn.append(k) or figure(*a, **k)
    )
    box.controls["size"].value = 1
    assert drawn == [{"size": 1, "step": 0}]
    assert "step 0" in box.readout.value


@pytest.mark.parametrize(
    "controls", [(), (Slider("a", "A", 0, 4, 2), Slider("a", "A", 0, 9, 2))]
)
def test_controls_have_names_of_their_own(controls):
    with pytest.raises(ValueError, match="needs controls, each with a name of its own"):
        Explorer("x", __name__, "x", "x", controls, canvas=None, layers=())


def test_small_numbers_and_chosen_fractions_are_shown():
    controls = (
        Slider("rate", "Rate", 0.001, 0.1, 0.001, step=0.001, page=(0.001, 0.1)),
        Slider("share", "Share", 0, 4, 2, page=(0, 0.5, 2)),
    )
    box = build_widget(
        Explorer(
            "fine",
            __name__,
            "fine",
            "fine",
            controls,
            canvas=lambda figure: figure.add_subplot(),
            layers=(Layer(lambda ax, rate, share: ax.plot([rate, share])),),
            presets=(("half", {"share": 0.5}),),
        )
    )
    assert box.controls["rate"].readout_format == ".4g"
    box.presets[0].click()
    assert box.controls["share"].value == 0.5
