"""The explorer of optimizers: what it draws and says is what the optimizers do."""

import re
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notebook_utils._svg import view_box
from notebook_utils.explorers import optimizers as race
from notebook_utils.explorers.optimizers import momentum_explorer
from notebook_utils.explorers.panels import Panel, apart, thin
from notebook_utils.plotting import to_svg

PANEL = Panel(1, 2, 4, 3, (0, 10), (-1, 1))
points = st.lists(
    st.tuples(st.integers(-20, 30), st.integers(-4, 4)), min_size=2, max_size=8
)


def distance(place, line):
    """Return how far a place is from a line, stretch by stretch."""
    best = np.inf
    for a, b in pairwise(line):
        length = (b - a) @ (b - a)
        share = np.clip((place - a) @ (b - a) / length, 0, 1) if length else 0
        best = min(best, np.hypot(*(place - a - share * (b - a))))
    return best


@settings(max_examples=200)
@given(points)
def test_a_line_is_cut_to_the_panel(some):
    line = np.array(some, float)
    pieces = PANEL.cut(line)
    for piece in pieces:
        assert (piece >= [1 - 1e-9, 2 - 1e-9]).all()
        assert (piece <= [5 + 1e-9, 5 + 1e-9]).all()
        assert max(distance(place, PANEL.place(line)) for place in piece) < 1e-9
    # and what is in the panel is on a piece
    for a, b in pairwise(line):
        for share in np.linspace(0.01, 0.99, 8):
            point = a + share * (b - a)
            if PANEL.holds(point[None])[0] and (a != b).any():
                place = PANEL.place(point[None])[0]
                assert min(distance(place, piece) for piece in pieces) < 1e-9


@settings(max_examples=200)
@given(points, st.sampled_from((0.1, 1.0, 5.0)))
def test_a_thinned_line_is_where_it_was(some, tolerance):
    line = np.array(some, float)
    thinned = thin(line, tolerance)
    assert thinned[0].tolist() == line[0].tolist()
    assert thinned[-1].tolist() == line[-1].tolist()
    assert max(distance(place, thinned) for place in line) <= tolerance + 1e-9
    assert len(apart(line, tolerance)) <= len(line)


SETTINGS = [
    {"surface": surface, "condition": condition, "optimizer": optimizer, "rate": rate}
    | {"momentum": momentum}
    for surface, condition, optimizer, rate, momentum in product(
        race.SURFACES, (1, 30), race.RULES, (0.003, 0.03, 0.2, 1), (0, 0.9)
    )
]


@pytest.mark.parametrize("surface", race.SURFACES)
def test_the_gradients_are_the_losses_slopes(surface):
    place = race.surface_of(surface, 7)
    for x, y in product((-2.0, 0.3, 1.5), repeat=2):
        p, moves = np.array([x, y]), 1e-5 * np.eye(2)
        slope = [(place.loss(p + h) - place.loss(p - h)) / 2e-5 for h in moves]
        np.testing.assert_allclose(place.gradient(p), slope, atol=1e-6)
    for point in place.lowest:
        assert place.loss(np.array(point)) == 0
        assert not np.any(place.gradient(np.array(point)))


def test_the_words_are_the_runs():
    seen = set()
    for setting in SETTINGS:
        _, losses = race.run(**race.run_key(**setting))
        text = race.explorer.read(**setting)["The chosen optimizer"]
        seen.add(re.split(":| of | the loss is", text)[0])
        steps = [int(n) for n in re.findall(r"by step (\d+)", text)]
        if not losses[-1] <= 1000 * losses[0]:
            assert text.startswith("diverges")
            assert losses[steps[0] - 1] <= 1000 * losses[0]
            assert not (losses[steps[0] :] <= 1000 * losses[0]).any()
        elif losses[-1] >= losses[0]:
            assert text.startswith("gets nowhere")
        elif losses[-1] > losses[0] / 1000:
            assert text.startswith("after 100 steps")
        else:
            assert (losses[steps[0] :] <= losses[0] / 1000).all()
            assert losses[steps[0] - 1] > losses[0] / 1000
        peak = losses.max()
        came_back = losses[-1] <= 1000 * losses[0] < peak
        assert ("at worst" in text) == came_back
        assert not came_back or text.endswith(f"it was {race.figures(peak)}")
    assert seen == {"diverges", "gets nowhere", "after 100 steps", "a thousandth"}


def test_who_comes_back_has_not_diverged():
    """RMSProp's first step is ten times its learning rate; then it turns round."""
    setting = {"surface": "Rosenbrock", "optimizer": "RMSProp", "rate": 1}
    texts = race.explorer.read(**setting)
    text = texts["The chosen optimizer"]
    assert text == "gets nowhere: the loss was 6.8 and is 18; at worst it was 4.4·10⁴"
    assert "RMSProp" not in texts["Last losses, best first"].split("diverged")[1]
    assert "RMSProp diverges" not in to_svg(race.explorer.figure(**setting))


def test_shares_are_written_without_powers():
    for setting in SETTINGS[::7]:
        text = race.explorer.read(**setting)["The chosen optimizer"]
        share = re.search(r"([^ ]+)\N{NO-BREAK SPACE}%", text)
        if share:
            _, losses = race.run(**race.run_key(**setting))
            exact = 100 * losses[-1] / losses[0]
            assert float(share[1]) == pytest.approx(exact, rel=0.06)
            assert "e" not in share[1]
    slow = {"surface": "bowl", "optimizer": "AdaDelta", "rate": 0.003}
    text = race.explorer.read(**slow)["The chosen optimizer"]
    assert re.search(r" 99\.\d\N{NO-BREAK SPACE}%", text)


@pytest.mark.parametrize("method", ["momentum", "Nesterov"])
def test_the_least_complex_step_is_no_zero(method):
    texts = momentum_explorer.read(method=method, momentum=0.99)
    assert texts["Roots for other ηλ"].startswith("complex from 0.000025 to ")


def test_the_order_is_by_the_last_losses():
    for setting in SETTINGS[::5]:
        text = race.explorer.read(**setting)["Last losses, best first"]
        order = re.findall("|".join(race.RULES), text)
        assert sorted(order) == sorted(race.RULES)
        ends = []
        for name in order:
            _, losses = race.run(**race.run_key(**(setting | {"optimizer": name})))
            lost = not losses[-1] <= 1000 * losses[0]
            ends.append(np.inf if lost else losses[-1])
        assert ends == sorted(ends)
        assert ("diverged" in text) == (max(ends) == np.inf)


@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Nesterov"])
@pytest.mark.parametrize("momentum", [0, 0.5, 0.9])
@pytest.mark.parametrize("condition", [3, 30])
def test_the_theory_is_what_happens(optimizer, momentum, condition):
    used = momentum if optimizer != "SGD" else 0
    text = race.explorer.read(
        condition=condition, optimizer=optimizer, momentum=momentum, rate=0.03
    )["Theory, on the bowl"]
    factor, limit = (float(number) for number in re.findall(r"\d\.\d+", text))
    curvatures = np.array([race.STEEPEST / condition, race.STEEPEST])

    def far(rate, steps):
        rule = race.RULES[optimizer](rate, used)
        with np.errstate(over="ignore", invalid="ignore"):
            path = race.minimize(
                rule, lambda p: curvatures * p, [1.0, 1.0], steps=steps
            )
            return np.linalg.norm(path, axis=1)

    errors = far(0.03, 600)
    last = np.flatnonzero(errors > 1e-250)[-1]
    start = last // 3
    measured = (errors[start:last].max() / errors[last // 2 : last].max()) ** (
        1 / (last // 2 - start)
    )
    assert abs(1 / measured - factor) < 0.01
    assert far(0.97 * limit, 3000)[-1] < 1e-3
    assert not far(1.03 * limit, 3000)[-1] < 1e3


def test_all_that_is_drawn_is_in_the_picture():
    left, top, width, height = map(float, view_box(race.explorer.size).split())
    for setting in SETTINGS[::9]:
        svg = to_svg(race.explorer.figure(**setting))
        data = " ".join(re.findall(r' d="([^"]*)"', svg)[1:])
        places = np.array(re.findall(r"-?[\d.]+", data), float).reshape(-1, 2)
        assert (places >= [left, top]).all()
        assert (places <= [left + width, top + height]).all()


def test_numbers_in_words():
    assert [race.figures(v) for v in (0, 2e-13, 5.46e-5, 0.01234, 1.25, 57.3, 999)] == [
        *["below 10⁻¹²", "below 10⁻¹²", "5.5·10⁻⁵", "0.012", "1.2", "57", "1.0·10³"]
    ]
    assert [race.power_of_ten(p) for p in (-12, 0, 3)] == ["10⁻¹²", "1", "10³"]
