"""Schedules against torch's schedulers, and clipping against torch's."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import KINDS, assert_spread, in_kind
from torch.optim import lr_scheduler as theirs

from notebook_utils.optimizers import SGD, Adam, minimize
from notebook_utils.schedules import (
    clip_by_norm,
    clip_by_value,
    constant,
    cosine,
    exponential,
    global_norm,
    inverse_time,
    step,
    warm_up,
)

SEEN = Counter()


def torch_rates(make, lr, steps):
    """List the learning rates of a scheduler of torch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def schedules(lr, period, gamma, end):
    """Name ours, torch's, and how ours is called."""
    return {
        "constant": (
            lambda o: theirs.LambdaLR(o, lambda t: 1),
            lambda t: constant(t, lr=lr),
        ),
        "step": (
            lambda o: theirs.StepLR(o, step_size=period, gamma=gamma),
            lambda t: step(t, lr=lr, step_size=period, gamma=gamma),
        ),
        "exponential": (
            lambda o: theirs.ExponentialLR(o, gamma=gamma),
            lambda t: exponential(t, lr=lr, gamma=gamma),
        ),
        "inverse_time": (
            lambda o: theirs.LambdaLR(o, lambda t: 1 / (1 + gamma * t)),
            lambda t: inverse_time(t, lr=lr, decay=gamma),
        ),
        "cosine": (
            lambda o: theirs.CosineAnnealingLR(o, T_max=period, eta_min=end),
            lambda t: cosine(t, lr=lr, t_max=period, eta_min=end),
        ),
        "warm_up": (
            lambda o: theirs.LinearLR(o, start_factor=gamma, total_iters=period),
            lambda t: lr * warm_up(t, total_iters=period, start_factor=gamma),
        ),
    }


@pytest.mark.parametrize("name", schedules(1, 1, 1, 0))
def test_schedules_are_torchs(name):
    @given(
        st.sampled_from((0.1, 1.0, 3e-4)),
        st.integers(1, 12),
        st.floats(0.05, 1),
        st.sampled_from((0.0, 1e-3)),
        st.sampled_from(KINDS),
        st.sampled_from(("float32", "float64", "int64")),
    )
    def run(lr, period, gamma, end, kind, dtype):
        SEEN.update((name, each) for each in ("examples", kind, dtype))
        SEEN[name, "options"] += period > 1 and gamma < 1
        # torch's cosine climbs again after its period, ours stays
        steps = min(13, period + 1) if name == "cosine" else 13
        oracle, ours = schedules(lr, period, gamma, end)[name]
        t = np.arange(steps, dtype=dtype)
        answer = ours(in_kind(t, kind))
        assert isinstance(answer, torch.Tensor) == (kind == "torch")
        wide = "float32" if dtype == "float32" else "float64"
        assert str(answer.dtype).endswith(wide)
        exact = 1e-4 if dtype == "float32" else 1e-9
        expected = torch_rates(oracle, lr, steps)
        np.testing.assert_allclose(np.asarray(answer), expected, rtol=exact, atol=1e-9)
        assert float(ours(steps - 1)) == pytest.approx(expected[-1])

    run()
    assert_spread(SEEN, name, (*KINDS, "float32", "float64", "int64", "options"))


def test_warm_up_and_cosine_together():
    t = np.arange(40)
    ours = warm_up(t, total_iters=8, start_factor=0.1) * cosine(
        np.maximum(t - 8, 0), lr=0.5, t_max=32
    )

    def both(optimizer):
        first = theirs.LinearLR(optimizer, start_factor=0.1, total_iters=8)
        second = theirs.CosineAnnealingLR(optimizer, T_max=32)
        return theirs.SequentialLR(optimizer, [first, second], milestones=[8])

    np.testing.assert_allclose(ours, torch_rates(both, 0.5, 40), rtol=1e-9)


def test_schedules_at_their_ends():
    assert cosine([0, 5, 10, 99], lr=2, t_max=10, eta_min=1).tolist() == [2, 1.5, 1, 1]
    assert warm_up([0, 2, 4, 9], total_iters=4, start_factor=0).tolist() == [
        0,
        0.5,
        1,
        1,
    ]
    assert step([0, 1, 2, 3, 4], lr=8, step_size=2, gamma=0.5).tolist() == [
        8,
        8,
        4,
        4,
        2,
    ]
    assert inverse_time([0, 1, 3], lr=6, decay=1).tolist() == [6, 3, 1.5]
    assert constant([[0, 1]], lr=3).tolist() == [[3, 3]]
    assert exponential(np.zeros(0), lr=1, gamma=0.5).shape == (0,)
    assert step(0.75, lr=1, step_size=1) == 1  # t may be an epoch that is under way


def slope(x):
    return x + x**3


def test_minimize_follows_rates():
    rates = cosine(np.arange(30), lr=0.2, t_max=30)
    optimizer, x = Adam(), np.array([1.0, -2.0])
    path = minimize(optimizer, slope, x, steps=30, rates=rates)
    assert optimizer.lr == rates[-1]
    leaf = torch.tensor(x, requires_grad=True)
    oracle = torch.optim.Adam([leaf], lr=0.2)
    scheduler = theirs.CosineAnnealingLR(oracle, T_max=30)
    for t in range(30):
        np.testing.assert_allclose(path[t], leaf.detach().numpy(), rtol=1e-9)
        leaf.grad = slope(leaf.detach())
        oracle.step()
        scheduler.step()
    again = minimize(
        Adam(), slope, torch.tensor(x), steps=30, rates=torch.tensor(rates)
    )
    np.testing.assert_allclose(again.numpy(), path, rtol=1e-12)
    assert minimize(SGD(), slope, x, steps=0, rates=[]).shape == (1, 2)
    listed = minimize(SGD(), slope, x, steps=2, rates=[0, 1])
    np.testing.assert_array_equal(listed[1], x)
    with pytest.raises(ValueError, match=r"rates of shape \(2,\) .* must be 3"):
        minimize(SGD(), slope, x, steps=3, rates=[0.1, 0.1])
    with pytest.raises(
        ValueError, match=r"lr is -1\.0, but must be a number of at least"
    ):
        minimize(SGD(), slope, x, steps=1, rates=[-1])


# whole runs, beside torch's optimizers, schedulers and clipping

STEPS, RATE = 200, 0.05
RULES = {"SGD": (SGD, torch.optim.SGD), "Adam": (Adam, torch.optim.Adam)}
CLIPS = {  # ours, and torch's in place; with limits that cut often, at first, and never
    "no": (lambda grads: grads, lambda leaves: None),
    **{
        f"norm {limit:g}": (
            lambda grads, c=limit: clip_by_norm(grads, max_norm=c),
            lambda leaves, c=limit: torch.nn.utils.clip_grad_norm_(leaves, c),
        )
        for limit in (2.0, 20.0, 1e3)
    },
    **{
        f"value {limit:g}": (
            lambda grads, c=limit: clip_by_value(grads, clip_value=c),
            lambda leaves, c=limit: torch.nn.utils.clip_grad_value_(leaves, c),
        )
        for limit in (0.2, 2.0, 1e3)
    },
}


def scheduled():
    """Each schedule with each option at two values, and warm-up before a cosine."""
    for name in schedules(1, 1, 1, 0):
        for period, gamma, end in ((200, 0.9, 0.0), (230, 0.5, 0.01), (30, 0.99, 0.02)):
            if name != "cosine" or period >= STEPS:  # torch's climbs again
                theirs_, ours = schedules(RATE, period, gamma, end)[name]
                yield pytest.param(theirs_, ours, id=f"{name} {period} {gamma}")

    def both(optimizer):
        first = theirs.LinearLR(optimizer, start_factor=0.1, total_iters=20)
        second = theirs.CosineAnnealingLR(optimizer, T_max=180)
        return theirs.SequentialLR(optimizer, [first, second], milestones=[20])

    def joined(t):
        rest = cosine(np.maximum(t - 20, 0), lr=RATE, t_max=180)
        return warm_up(t, total_iters=20, start_factor=0.1) * rest

    yield pytest.param(both, joined, id="both")


def follow(rule, scheduler, schedule, clip):
    """Take 200 steps beside torch; return at how many gradients were cut."""
    ours, oracle = RULES[rule]
    cut, cut_theirs = CLIPS[clip]
    rates = schedule(np.arange(STEPS))
    rng = np.random.default_rng(0)
    start = [3 * rng.standard_normal(shape) for shape in ((4,), (2, 3))]
    leaves = [torch.tensor(x, requires_grad=True) for x in start]
    optimizer, arrays, torchs = ours(), start, oracle(leaves, lr=RATE)
    following, clipped = scheduler(torchs), 0
    for t in range(STEPS):
        optimizer.lr = rates[t]
        grads = [slope(x) for x in arrays]
        kept = cut(grads)
        clipped += any(map(np.any, map(np.not_equal, kept, grads)))
        arrays = optimizer.step(arrays, kept)
        for leaf in leaves:
            leaf.grad = slope(leaf.detach())
        cut_theirs(leaves)
        torchs.step()
        following.step()
        for x, leaf in zip(arrays, leaves, strict=True):
            wanted = leaf.detach().numpy()
            np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-6)
    assert not np.allclose(arrays[0], start[0])
    return clipped


@pytest.mark.parametrize(("scheduler", "schedule"), list(scheduled()))
@pytest.mark.parametrize("rule", RULES)
def test_200_scheduled_steps_are_torchs(rule, scheduler, schedule):
    assert follow(rule, scheduler, schedule, "no") == 0


@pytest.mark.parametrize("clip", list(CLIPS)[1:])
@pytest.mark.parametrize("rule", RULES)
def test_200_clipped_steps_are_torchs(rule, clip):
    for case in list(scheduled())[:1] + list(scheduled())[-1:]:
        clipped = follow(rule, *case.values, clip)
        assert (clipped > 0) == ("1000" not in clip)


# clipping


@st.composite
def gradients(draw):
    shapes = st.lists(
        st.sampled_from(((), (1,), (3,), (2, 3), (0,))), min_size=1, max_size=3
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(("float32", "float64")))
    scale = draw(st.sampled_from((0.01, 1.0, 100.0)))
    arrays = [np.asarray(scale * rng.standard_normal(s), dtype) for s in draw(shapes)]
    return (
        arrays,
        draw(st.sampled_from(KINDS)),
        draw(st.sampled_from(("one", "list", "tuple"))),
        draw(st.sampled_from((0.0, 0.05, 1.0, 30.0))),
    )


@given(gradients())
def test_clipping_is_torchs(case):
    arrays, kind, structure, limit = case
    if structure == "one":
        arrays = arrays[:1]
    given_ = [in_kind(each, kind) for each in arrays]
    several = {"one": given_[0], "list": given_, "tuple": tuple(given_)}[structure]
    facts = ("examples", kind, str(arrays[0].dtype), structure)
    leaves = [torch.zeros(each.shape, dtype=torch.float64) for each in arrays]
    grads = [torch.tensor(np.asarray(each, float)) for each in arrays]
    for leaf, g in zip(leaves, grads, strict=True):
        leaf.requires_grad_()
        leaf.grad = g.clone()
    total = float(torch.nn.utils.clip_grad_norm_(leaves, limit))
    assert global_norm(several) == pytest.approx(total, rel=1e-5, abs=1e-12)
    # torch divides by the norm plus 1e-6; take that out
    undo = (total + 1e-6) / total if total > limit else 1
    by_norm = [leaf.grad * undo for leaf in leaves]
    for leaf, g in zip(leaves, grads, strict=True):
        leaf.grad = g.clone()
    torch.nn.utils.clip_grad_value_(leaves, limit)
    by_value = [leaf.grad for leaf in leaves]
    for name, answer, expected in (
        ("clip_by_norm", clip_by_norm(several, max_norm=limit), by_norm),
        ("clip_by_value", clip_by_value(several, clip_value=limit), by_value),
    ):
        SEEN.update((name, fact) for fact in facts)
        cut = any(
            not np.allclose(e.numpy(), a) for e, a in zip(expected, arrays, strict=True)
        )
        SEEN[name, "cut"] += cut
        SEEN[name, "left"] += not cut
        if structure == "one":
            answer = [answer]
        else:
            assert type(answer) is type(several)
        for ours, oracle, source in zip(answer, expected, given_, strict=True):
            assert type(ours) is type(source) or source.shape == ()
            assert ours.dtype == source.dtype
            np.testing.assert_allclose(
                np.asarray(ours), oracle.numpy(), rtol=1e-4, atol=1e-6
            )
            assert ours is not source


def test_clipping_covers_every_option():
    facts = (*KINDS, "float32", "float64", "one", "list", "tuple", "cut", "left")
    assert_spread(SEEN, "clip_by_norm", facts)
    assert_spread(SEEN, "clip_by_value", facts)


def test_norms_do_not_overflow():
    large = np.float32([3e30, 4e30])
    assert global_norm(large) == pytest.approx(5e30)
    np.testing.assert_allclose(clip_by_norm(large, max_norm=1), [0.6, 0.8], rtol=1e-6)
    assert global_norm([np.zeros(3), np.zeros(0)]) == 0
    assert clip_by_norm(np.zeros(2), max_norm=1).tolist() == [0, 0]
    small = np.float32([3e-30, 4e-30])
    assert global_norm(small) == pytest.approx(5e-30)


def test_what_is_not_finite_is_seen():
    for kind in KINDS:
        bad = in_kind(np.array([math.nan, 1.0]), kind)
        good = in_kind(np.ones(2), kind)
        assert math.isnan(global_norm([good, bad]))
        assert all(
            np.isnan(np.asarray(x)).all() for x in clip_by_norm([good, bad], max_norm=1)
        )
        infinite = in_kind(np.array([-math.inf, 1.0]), kind)
        assert global_norm([infinite, good]) == math.inf
        with np.errstate(invalid="ignore"):
            cut = clip_by_norm([infinite, good], max_norm=1)
        np.testing.assert_array_equal(np.asarray(cut[0]), [math.nan, 0])
        assert np.asarray(cut[1]).tolist() == [0, 0]
        assert np.asarray(clip_by_value(infinite, clip_value=2)).tolist() == [-2, 1]
        assert math.isnan(global_norm([infinite, bad]))


def test_no_gradient_flows_through_clipping():
    x = torch.ones(3, requires_grad=True)
    assert not clip_by_norm(2 * x, max_norm=1).requires_grad
    assert not clip_by_value(2 * x, clip_value=1).requires_grad


def test_clipping_reads_lists():
    assert clip_by_norm([3, 4], max_norm=1).tolist() == pytest.approx([0.6, 0.8])
    mixed = clip_by_norm([np.array([3]), torch.tensor([4.0])], max_norm=1)
    assert [type(each) for each in mixed] == [np.ndarray, torch.Tensor]
    assert clip_by_value(-3, clip_value=1) == -1


T = [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constant([0, -1], lr=1), "t is -1, but must be at least 0"),
        (lambda: cosine(math.nan, lr=1, t_max=1), "t is nan, but must be at least 0"),
        (lambda: constant("a", lr=1), "t holds <U1, but must hold real numbers"),
        (lambda: constant(T, lr=-1), "lr is -1, but must be a number of at least 0"),
        (lambda: step(T, lr=1, step_size=0), "step_size is 0, but must be an integer"),
        (lambda: step(T, lr=1, step_size=1, gamma=-1), "gamma is -1, but must be"),
        (lambda: exponential(T, lr=1, gamma="x"), "gamma is 'x', but must be"),
        (lambda: inverse_time(T, lr=1, decay=-1), "decay is -1, but must be"),
        (lambda: cosine(T, lr=1, t_max=0), "t_max is 0, but must be an integer"),
        (lambda: cosine(T, lr=1, t_max=1, eta_min=-1), "eta_min is -1, but must be"),
        (lambda: warm_up(T, total_iters=0), "total_iters is 0, but must be"),
        (lambda: warm_up(T, start_factor=-1), "start_factor is -1, but must be"),
        (lambda: clip_by_norm([1.0], max_norm=-1), "max_norm is -1, but must be"),
        (lambda: clip_by_value([1.0], clip_value=None), "clip_value is None, but must"),
        (lambda: clip_by_norm(None, max_norm=1), "grads is None, but must be an array"),
        (
            lambda: clip_by_value([np.ones(2), None], clip_value=1),
            r"grads\[1\] is None, but must be an array",
        ),
        (lambda: global_norm([np.ones(2), 1j]), r"grads\[1\] holds complex128, but"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    t = torch.arange(5, device="cuda")
    for schedule in (cosine(t, lr=1, t_max=4), warm_up(t), step(t, lr=1, step_size=2)):
        assert schedule.device.type == "cuda"
    np.testing.assert_allclose(warm_up(t).cpu(), warm_up(np.arange(5)))
    g = torch.tensor([3.0, -4.0], device="cuda")
    assert clip_by_norm([g], max_norm=1)[0].cpu().tolist() == pytest.approx([0.6, -0.8])
    assert clip_by_value(g, clip_value=1).cpu().tolist() == [1, -1]
