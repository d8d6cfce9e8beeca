"""The explorers on the built pages show what the package computes."""

import re

import pytest
from places import HTML

from notebook_utils.explorers.controls import Choice, Steps
from notebook_utils.explorers.core import all_explorers
from notebook_utils.explorers.frames import BUDGET, render_layer

EXPLORERS = all_explorers()
WHERE = {
    name: path.relative_to(HTML).as_posix()
    for path in sorted(HTML.rglob("*.html"))
    for name in re.findall(r'id="explorer-([\w-]+)"', path.read_text("utf-8"))
    if name in EXPLORERS
}

# compares a layer on the page with the SVG that the package draws, as trees
SAME_LAYERS = """([figure, layers]) => {
  const shown = [...document.querySelector(figure + " svg.nu-picture").children];
  return layers.map((svg, i) => {
    const expected = document.createElementNS("http://www.w3.org/2000/svg", "g");
    expected.innerHTML = svg;
    return shown[i].isEqualNode(expected);
  });
}"""


# finds where a click reaches an element, which may consist of several cells
POINT = """(target) => {
  target.scrollIntoView({block: "center"});
  const {left, top, width, height} = target.getBoundingClientRect();
  for (let i = 0.5; i < 30; i++)
    for (let j = 0.5; j < 30; j++) {
      const point = [left + width * i / 30, top + height * j / 30];
      if (target.contains(document.elementFromPoint(...point))) return point;
    }
}"""


class OnPage:
    """An explorer on a page, driven as a reader drives it."""

    def __init__(self, explorer, seen):
        self.explorer, self.seen, self.page = explorer, seen, seen.page
        self.selector = f"#explorer-{explorer.name}"
        self.figure = self.page.locator(self.selector)

    def ready(self):
        """Note what was asked so far, scroll to the explorer, wait for its frames."""
        self.early = list(self.seen.requests)
        self.figure.scroll_into_view_if_needed()
        self.page.wait_for_selector(f"{self.selector}[data-ready]")
        self.settle()
        return self

    def input(self, name):
        """Return an input by its visible label."""
        control = next(c for c in self.explorer.controls if c.name == name)
        return self.figure.get_by_label(control.label, exact=True)

    def go_to_end(self, control, last):
        """Move an input to its first or its last position, by keyboard for sliders."""
        box = self.input(control.name)
        if isinstance(control, Choice):
            box.select_option(str(len(control.page) - 1 if last else 0))
        else:
            box.press("End" if last else "Home")
        self.settle()

    def reset(self):
        """Go back to the default."""
        self.figure.get_by_role("button", name="Reset", exact=True).click()
        self.settle()

    def settle(self):
        """Let one animation frame pass: by then the picture must have changed."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")

    def values(self):
        """Return what the inputs stand at."""
        values = {}
        for control in self.explorer.controls:
            position = int(self.input(control.name).input_value())
            is_step = isinstance(control, Steps)
            values[control.name] = position if is_step else control.page[position]
        return values

    def check(self):
        """Compare picture, part shown, labels and read-out with the package's."""
        values = self.values()
        layers = [
            render_layer(self.explorer, layer, layer.arguments(values))
            for layer in self.explorer.layers
        ]
        same = self.page.evaluate(SAME_LAYERS, [self.selector, layers])
        assert same == [True] * len(layers), f"layers differ at {values}: {same}"
        labels = self.figure.locator(".nu-readout dt").all_text_contents()
        texts = self.figure.locator(".nu-readout dd").all_text_contents()
        read = self.explorer.read(**values)
        assert dict(zip(labels, texts, strict=True)) == read, values
        return self.picture(), texts

    def picture(self):
        """Return the picture's source."""
        return self.figure.locator("svg.nu-picture").inner_html()


@pytest.fixture(scope="module", params=sorted(WHERE))
def loaded(request, watch, site):
    """Each explorer of the book in turn, on a page that tests share in their order."""
    explorer = EXPLORERS[request.param]
    with watch() as visit:
        yield OnPage(explorer, visit(f"{site}/{WHERE[request.param]}")).ready()


@pytest.fixture
def on_page(loaded):
    """Each explorer of the book in turn, at its default."""
    loaded.reset()
    return loaded


def test_every_explorer_is_on_a_page():
    """No explorer is defined and forgotten."""
    assert sorted(WHERE) == sorted(EXPLORERS)


def test_default_is_what_the_package_draws(loaded):
    """Before anything is touched, picture and read-out are the default's."""
    before = loaded.check()
    assert loaded.values() == loaded.explorer.values()
    loaded.reset()
    assert loaded.check() == before


def test_the_page_below_does_not_jump(loaded):
    """The read-out keeps its greatest height, and begins with no more than it needs."""
    height = "dl => dl.offsetHeight"
    needs = "dl => [...dl.children].at(-1).getBoundingClientRect().bottom"
    needs += " - dl.getBoundingClientRect().top"
    readout = loaded.figure.locator(".nu-readout")
    heights = [readout.evaluate(height)]
    assert heights[0] == pytest.approx(readout.evaluate(needs), abs=1)
    for control in loaded.explorer.fixed:
        loaded.go_to_end(control, True)
        heights.append(readout.evaluate(height))
        assert heights[-1] >= readout.evaluate(needs) - 1
    assert heights == sorted(heights)


def test_each_slider_at_both_ends(on_page):
    """Home and End move a slider; picture and read-out change to the package's."""
    for control in on_page.explorer.controls:
        before = on_page.check()
        seen = set()
        start = on_page.input(control.name).input_value()
        for last in (False, True):
            on_page.go_to_end(control, last)
            picture, texts = on_page.check()
            seen.add((picture, tuple(texts)))
            if on_page.input(control.name).input_value() != start:
                assert picture != before[0], f"the picture ignores {control.name}"
                assert texts != before[1], f"the read-out ignores {control.name}"
        assert len(seen) == 2, f"{control.name}: both ends look the same"
        on_page.reset()
        assert on_page.check() == before


def test_arrow_keys_and_labels(on_page):
    """An arrow key moves by one position, and the value is announced."""
    control = on_page.explorer.fixed[0]
    box = on_page.input(control.name)
    box.focus()
    start = int(box.input_value())
    box.press("ArrowLeft" if start else "ArrowRight")
    on_page.settle()
    on_page.check()
    value = on_page.values()[control.name]
    assert abs(int(box.input_value()) - start) == 1
    if not isinstance(control, Choice):
        said = re.sub("^-", "\N{MINUS SIGN}", str(value))
        assert box.get_attribute("aria-valuetext") == said
        assert on_page.figure.locator("output").first.text_content() == said


def test_presets(on_page):
    """Each example button sets what it says."""
    for label, setting in on_page.explorer.presets:
        on_page.figure.get_by_role("button", name=label, exact=True).click()
        on_page.settle()
        on_page.check()
        assert on_page.values() == on_page.explorer.values(**setting)


def test_steps_play_pause_and_click(on_page):
    """Play walks through the positions; a click on a cell goes to its position."""
    steps = on_page.explorer.steps
    if steps is None:
        assert on_page.figure.get_by_role("button", name="Play").count() == 0
        return
    button = on_page.figure.locator("[data-play]")
    button.click()
    assert button.text_content() == "Pause"
    # it may have two positions only, and be back at the first a moment later
    on_page.page.wait_for_function(
        "([id, value]) => document.getElementById(id).value !== value",
        arg=[on_page.input(steps.name).get_attribute("id"), str(steps.default)],
    )
    button.click()
    on_page.settle()
    reached = on_page.values()[steps.name]
    on_page.check()
    on_page.page.wait_for_timeout(700)
    assert on_page.values()[steps.name] == reached
    targets = on_page.figure.locator("[data-set]")
    if targets.count():
        # what is drawn later may lie over a target; some must be in reach
        reached = ((target, target.evaluate(POINT)) for target in targets.all()[::-1])
        target, point = next(pair for pair in reached if pair[1])
        name, value = target.get_attribute("data-set").split("=")
        on_page.page.mouse.click(*point)
        on_page.settle()
        on_page.check()
        assert on_page.values()[name] == int(value)


def test_works_with_the_network_off(on_page):
    """Once loaded, an explorer needs nothing from anywhere."""
    control = on_page.explorer.fixed[-1]
    before = on_page.picture()
    on_page.page.context.set_offline(True)
    try:
        on_page.go_to_end(control, last=True)
        on_page.check()
        assert on_page.picture() != before
    finally:
        on_page.page.context.set_offline(False)


def test_transfer_is_small_and_late(loaded):
    """Frames come when the explorer is near, and stay within the budget."""
    assert [url for url in loaded.early if "/_explorers/" in url] == []
    frames = f"/_explorers/{loaded.explorer.name}-"
    near = [url for url in loaded.seen.requests if frames in url]
    assert len(near) == 1
    response = loaded.page.request.get(near[0])
    assert 0 < len(response.body()) <= BUDGET


@pytest.mark.parametrize("name", sorted(WHERE))
def test_default_stands_without_javascript(visit, site, name):
    """Without JavaScript there is the default picture and no dead slider."""
    seen = visit(f"{site}/{WHERE[name]}", java_script_enabled=False)
    figure = seen.page.locator(f"#explorer-{name}")
    assert figure.locator("svg.nu-picture path").count() > 0
    assert figure.locator("form").is_hidden()
    assert figure.get_by_text("the controls need JavaScript").is_visible()
    texts = figure.locator(".nu-readout dd").all_text_contents()
    assert texts == list(EXPLORERS[name].read().values())


@pytest.mark.parametrize("name", sorted(WHERE))
def test_missing_frames_are_said(visit, site, name):
    """If the frames cannot be loaded, the page says so and keeps the default."""
    seen = visit("about:blank", quiet=False)
    seen.page.route("**/_explorers/**", lambda route: route.fulfill(status=404))
    seen.page.goto(f"{site}/{WHERE[name]}")
    figure = seen.page.locator(f"#explorer-{name}")
    figure.scroll_into_view_if_needed()
    figure.get_by_text("could not be loaded").wait_for()
    texts = figure.locator(".nu-readout dd").all_text_contents()
    assert texts == list(EXPLORERS[name].read().values())
