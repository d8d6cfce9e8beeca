"""The explorers of momentum and of training recipes: what they draw and say is so."""

import math
import re
from itertools import product

import numpy as np
import pytest
from scipy.linalg import hadamard

from notebook_utils._svg import view_box
from notebook_utils.explorers import _momentum as pair
from notebook_utils.explorers import training_recipes as recipes
from notebook_utils.optimizers import SGD, minimize
from notebook_utils.plotting import to_svg

PAIRS = [
    {"step": step, "momentum": momentum, "method": method}
    for step, momentum, method in product(
        (0.01, 0.1, 0.5, 1, 1.5, 2.4, 3.7, 4), (0, 0.25, 0.9, 0.99), pair.METHODS
    )
]
RECIPES = [
    {"schedule": schedule, "rate": rate, "condition": condition, "batch": batch}
    for schedule, rate, condition, batch in product(
        recipes.SCHEDULES, (0.03, 1, 2), (1, 100), (1, 256)
    )
]


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+\.\d+|-?\d+", text.replace("−", "-"))]


def polynomial(step, momentum, method):
    if method == "Nesterov":
        return [1, -(1 + momentum) * (1 - step), momentum * (1 - step)]
    return [1, -(1 + momentum - step), momentum]


def test_the_roots_are_the_polynomials():
    for setting in PAIRS:
        found = np.roots(polynomial(**setting))
        text = pair.momentum_explorer.read(**setting)["Roots"]
        values = numbers(text.replace("i", ""))
        if "±" in text:
            told = np.array([complex(*values), complex(values[0], -values[1])])
        else:
            told = np.array(values, complex)
        error = min(np.abs(told - found).max(), np.abs(told - found[::-1]).max())
        assert error < 2e-3


def test_the_words_are_the_runs():
    seen = set()
    for setting in PAIRS:
        texts = pair.momentum_explorer.read(**setting)
        word = re.split(r"[:,]", texts["The run"])[0]
        seen.add(word)
        errors = pair.run(**setting)
        factor = np.abs(np.roots(polynomial(**setting))).max()
        if word == "diverges":
            assert factor > 1
            assert (errors[1:] * errors[:-1] < 0).all()
            assert abs(errors[-1]) > abs(errors[-3]) > 1
        elif word == "at the limit":
            assert math.isclose(factor, 1, abs_tol=1e-8)
        elif word == "arrives at once":
            assert np.abs(errors[2:]).max() < 1e-12
        elif word == "creeps":
            assert (errors > 0).all()
        elif word == "changes its sign at every step":
            late = errors[5:][np.abs(errors[5:]) > 1e-30]
            assert (late[1:] * late[:-1] < 0).all()
        else:
            assert word == "swings"
            assert np.iscomplex(np.roots(polynomial(**setting))).all()
        shown = numbers(texts["Factor per step"])[0]
        assert abs(shown - factor) < 6e-4
        assert ("does not converge" in texts["Factor per step"]) == (factor > 1 - 1e-8)
    assert len(seen) >= 5


def test_arrival_and_limit_are_told():
    read = pair.momentum_explorer.read
    setting = {"method": "Nesterov", "step": 1, "momentum": 0.5}
    assert read(**setting)["The run"].startswith("arrives at once")
    assert read(**setting)["Factor per step"].startswith("0: one or two")
    limit = read(step=3, momentum=0.5)
    assert limit["The run"].startswith("at the limit")
    assert limit["Factor per step"] == "1.000: it does not converge"


def test_the_range_is_where_roots_are_complex():
    for momentum, method in product((0, 0.25, 0.9), pair.METHODS):
        setting = {"momentum": momentum, "method": method}
        text = pair.momentum_explorer.read(**setting)["Roots for other ηλ"]
        *edges, limit = numbers(text)
        for step in np.linspace(0.005, 3.995, 134):
            found = np.roots(polynomial(step=step, **setting))
            assert (np.abs(found).max() < 1) == (step < limit)
            inside = bool(edges) and edges[0] < step < edges[1]
            near = any(abs(step - edge) < 2e-3 for edge in edges)
            assert near or np.iscomplex(found).any() == inside


def test_bounds_hold_the_run():
    for setting in PAIRS:
        t, heights = pair.bounds_of(**setting)
        errors = np.abs(pair.run(**setting))
        if len(t):
            assert (heights >= np.minimum(errors, 99) - 1e-5).all()


# recipes


@pytest.mark.parametrize("schedule", recipes.SCHEDULES)
@pytest.mark.parametrize(
    ("rate", "condition", "batch"), [(0.5, 10, 4), (1.8, 100, 64), (2, 1, 1)]
)
def test_the_expected_loss_is_what_many_runs_have(schedule, rate, condition, batch):
    # 256 runs. Rows of a Hadamard matrix are noise of ±1 whose mean is 0 at each step
    # and which is uncorrelated between steps, exactly; so are the means over the runs.
    curvatures = np.array([1 / condition, 1])
    noise = iter(hadamard(256)[1:, :, None] * [3, -3] / math.sqrt(batch))
    path = minimize(
        SGD(),
        lambda x: curvatures * x + next(noise),
        np.full((256, 2), 10.0),
        steps=recipes.STEPS,
        rates=recipes.rates_of(schedule, rate),
    )
    losses = path**2 @ curvatures / 2
    expected = recipes.losses_of(schedule, rate, condition, batch)
    np.testing.assert_allclose(losses.mean(axis=1), expected.sum(axis=1), rtol=1e-9)
    # without noise, the distance
    distance = path.mean(axis=1) ** 2 @ curvatures / 2
    np.testing.assert_allclose(distance, expected[:, 0], rtol=1e-9, atol=1e-12)


def test_the_floor_is_where_a_constant_rate_ends():
    for rate, condition, batch in product((0.3, 1, 1.8), (1, 3), (1, 64)):
        setting = {"rate": rate, "condition": condition, "batch": batch}
        texts = recipes.explorer.read(schedule="constant", **setting)
        floor = numbers(texts["Floor, if η stayed"])[0]
        noise = recipes.losses_of("constant", rate, condition, batch)[-1, 1]
        assert abs(floor - noise) < 0.06 * noise
    assert recipes.explorer.read(rate=2)["Floor, if η stayed"].startswith("none")


@pytest.mark.parametrize(
    ("part", "schedule", "rate", "condition", "batch", "told"),
    [
        (1, "constant", 1, 10, 4, 1.7),
        (1, "constant", 1, 100, 4, 1.68),
        (1, "constant", 1, 10, 64, 0.11),
        (1, "constant", 0.3, 10, 4, 0.37),
        (1, "constant", 0.25, 10, 16, 0.08),
        (2, "cosine", 1, 10, 4, 0.14),
        (2, "1/t", 1, 10, 4, 0.09),
        (2, "step", 1, 10, 4, 0.10),
        (2, "warm-up, cosine", 1, 10, 4, 0.15),
        (0, "1/t", 1, 100, 4, 0.27),
        (0, "cosine", 1, 100, 4, 0.07),
        (1, "step", 1, 100, 4, 0.30),
        (1, "cosine", 1, 100, 4, 0.33),
        (1, "warm-up, cosine", 1, 100, 4, 0.34),
        (2, "1/t", 1, 100, 4, 0.37),
        (2, "1/t", 0.3, 100, 4, 0.43),
        (2, "cosine", 0.3, 100, 4, 0.35),
    ],
)
def test_what_the_folded_answers_say(part, schedule, rate, condition, batch, told):
    # the distance, the noise, both
    distance, noise = recipes.losses_of(schedule, rate, condition, batch)[-1]
    found = (distance, noise, distance + noise)[part]
    assert abs(found - told) <= (0.05 if told == 1.7 else 0.0051)


def test_the_words_add_up():
    for setting in RECIPES:
        texts = recipes.explorer.read(**setting)
        distance, noise = recipes.losses_of(**setting)[-1]
        total = texts["Expected loss at the end"].split(" (")[0]
        if "less" not in total:
            both = float(total.replace(",", ""))
            assert abs(both - distance - noise) <= 0.051 * (distance + noise)
        assert f"{200 * setting['batch']:,} examples" in texts["Work"]
    assert [recipes.figures(v) for v in (0, 0.00012, 0.054, 1.26, 34.5, 5000)] == [
        *["less than 0.0001", "0.00012", "0.054", "1.3", "34", "5,000"]
    ]


@pytest.mark.parametrize(
    ("explorer", "settings"),
    [(pair.momentum_explorer, PAIRS), (recipes.explorer, RECIPES)],
    ids=["momentum", "recipes"],
)
def test_all_that_is_drawn_is_in_the_picture(explorer, settings):
    left, top, width, height = map(float, view_box(explorer.size).split())
    for setting in settings[::5]:
        svg = to_svg(explorer.figure(**setting))
        data = " ".join(re.findall(r' d="([^"]*)"', svg)[1:])
        places = np.array(re.findall(r"-?[\d.]+", data), float).reshape(-1, 2)
        assert (places >= [left, top]).all()
        assert (places <= [left + width, top + height]).all()
