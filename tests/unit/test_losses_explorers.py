"""The explorers of losses: what they draw and say is what torch computes."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.lines import Line2D

from notebook_utils.explorers import losses as shapes
from notebook_utils.explorers._bars import CLASSES
from notebook_utils.explorers._margins import GROUPS, svm_against_softmax
from notebook_utils.plotting import RED, to_svg

tenths = st.integers(-40, 60).map(lambda value: value / 10)


def numbers(text):
    return [float(each) for each in re.findall(r"-?\d+\.?\d*", text.replace("−", "-"))]


@settings(max_examples=60)
@given(
    tenths, tenths, tenths, st.sampled_from((0, 0.5, 1, 3)), st.sampled_from(CLASSES)
)
def test_the_svm_reads_as_torch(cat, car, frog, margin, truth):
    setting = {"cat": cat, "car": car, "frog": frog, "margin": margin, "truth": truth}
    read = svm_against_softmax.read(**setting)
    scores = torch.tensor([[cat, car, frog]], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([CLASSES.index(truth)])
    for line, p in (("Hinge loss", 1), ("Squared hinge loss", 2)):
        loss = 3 * F.multi_margin_loss(scores, label, p=p, margin=float(margin))
        assert numbers(read[line])[-1] == pytest.approx(loss.item(), abs=0.0051)
    loss = F.cross_entropy(scores, label)
    (slopes,) = torch.autograd.grad(loss, scores)
    assert numbers(read["Softmax's loss"])[0] == pytest.approx(loss.item(), abs=1e-4)
    found = numbers(read["Slopes of softmax's loss, p − y"])
    np.testing.assert_allclose(found, slopes[0], atol=6e-4)


@pytest.mark.parametrize(
    ("setting", "marked"),
    [
        ({}, 1),  # the car leads the cat
        ({"cat": 2.2, "car": 2.5, "frog": -3.1, "truth": "frog"}, 2),
        ({"cat": 1.3, "car": 4.9, "frog": 2, "truth": "car"}, 0),
        ({"cat": 4.5, "car": 3.9, "frog": 0}, 1),  # ahead, but by less than 1
        ({"cat": 4.5, "car": 3.9, "frog": 0, "margin": 0.5}, 0),
    ],
)
def test_red_edges_mark_who_comes_too_near(setting, marked):
    figure = svm_against_softmax.figure(**setting)
    edges = [
        patch for patch in figure.findobj()
        if hasattr(patch, "get_facecolor") and hasattr(patch, "get_path")
        and tuple(np.round(patch.get_edgecolor()[:3], 3)) == RED_RGB
    ]  # fmt: skip
    # in the scores, and among the slopes
    assert len(edges) == 2 * marked


RED_RGB = tuple(round(int(RED[i : i + 2], 16) / 255, 3) for i in (1, 3, 5))


@pytest.mark.parametrize(
    ("setting", "level"),
    [
        ({}, 2.2),
        ({"cat": -3, "margin": 1}, -4),
        ({"cat": -4, "margin": 3}, None),  # −7 would lie among the names
    ],
)
def test_the_dashed_line_lies_at_the_level_or_is_left_out(setting, level):
    figure = svm_against_softmax.figure(**setting)
    dashed = [
        line.get_ydata()
        for line in figure.findobj(Line2D)
        if line.get_linestyle() == "--"
    ]
    row = GROUPS["scores"].row
    assert [list(ys) for ys in dashed] == (
        [] if level is None else [pytest.approx([row(level)] * 2)]
    )


quarters = st.integers(-16, 16).map(lambda value: value / 4)


@settings(max_examples=60)
@given(quarters, st.sampled_from((0.25, 1.0, 4.0)), st.sampled_from((0.0, 0.5, 4.0)))
def test_residuals_read_as_torch(r, delta, beta):
    read = shapes.regression_losses.read(r=r, delta=delta, beta=beta)
    for line, function, options in (
        ("Square r²", F.mse_loss, {}),
        ("Absolute value |r|", F.l1_loss, {}),
        ("Huber's loss", F.huber_loss, {"delta": delta}),
        ("Smooth L1", F.smooth_l1_loss, {"beta": beta}),
    ):
        at = torch.tensor(r, dtype=torch.float64, requires_grad=True)
        loss = function(at, torch.zeros_like(at), **options)
        (slope,) = torch.autograd.grad(loss, at)
        expected = [loss.item(), slope.item()]
        np.testing.assert_allclose(numbers(read[line])[-2:], expected, atol=6e-4)


@settings(max_examples=60)
@given(quarters, st.sampled_from((0, 1, 3)), st.sampled_from((0, 0.5, 5)))
def test_scores_read_as_torch(x, margin, gamma):
    read = shapes.binary_losses.read(x=x, margin=margin, gamma=gamma)
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    hinge = torch.relu(margin - at)
    for line, loss in (
        ("Hinge", hinge),
        ("Squared hinge", hinge**2),
        ("Cross-entropy", F.softplus(-at)),
        ("Focal loss, without α", torch.sigmoid(-at) ** gamma * F.softplus(-at)),
    ):
        (slope,) = torch.autograd.grad(loss, at, retain_graph=True)
        expected = [loss.item(), slope.item()]
        np.testing.assert_allclose(numbers(read[line]), expected, atol=6e-4)


def test_dots_beyond_the_panel_are_left_out():
    def dots(r):
        svg = to_svg(shapes.regression_losses.figure(r=r), alt="dots")
        return len(re.findall(r"stroke-width: 9\.36", svg))

    assert dots(1) == 8  # four losses and four slopes
    assert dots(4) == 6  # without the square and its slope
