"""Optimizers against torch.optim, against sums written out, and against themselves."""

import inspect
import itertools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import KINDS, assert_matches, assert_spread, in_kind

from notebook_utils.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
    minimize,
)

SEEN = Counter()


def momentum(params, lr=1e-3, momentum=0.9, **options):
    return torch.optim.SGD(params, lr=lr, momentum=momentum, **options)


def nesterov(params, lr=1e-3, momentum=0.9, **options):
    return torch.optim.SGD(params, lr=lr, momentum=momentum, nesterov=True, **options)


# ours, torch's, and the values that each option is tried at
RATE = {"lr": (0.1, 1.0, 0.003)}
SHARED = {"weight_decay": (0.1, 0.5), "maximize": (True,)}
SMALL = {"eps": (1e-6, 1e-3, 0.1)}
MU = {"momentum": (0.5, 0.9, 0.99)}
TAU = {"dampening": (0.3, 1)}
BETAS = {"betas": ((0.5, 0.9), (0.0, 0.99), (0.9, 0.0)), "amsgrad": (True,)}
OPTIMIZERS = {
    "SGD": (SGD, torch.optim.SGD, {**RATE, **SHARED, **MU, **TAU, "nesterov": (True,)}),
    "Momentum": (Momentum, momentum, {**RATE, **SHARED, **MU, **TAU}),
    "Nesterov": (Nesterov, nesterov, {**RATE, **SHARED, **MU}),
    "AdaGrad": (
        AdaGrad,
        torch.optim.Adagrad,
        {
            **RATE,
            **SHARED,
            **SMALL,
            "lr_decay": (0.1, 1.0),
            "initial_accumulator_value": (0.1, 2.0),
        },
    ),
    "RMSProp": (
        RMSProp,
        torch.optim.RMSprop,
        {**RATE, **SHARED, **SMALL, **MU, "alpha": (0.5, 0.9), "centered": (True,)},
    ),
    "AdaDelta": (
        AdaDelta,
        torch.optim.Adadelta,
        {**RATE, **SHARED, **SMALL, "rho": (0.0, 0.5, 0.99)},
    ),
    "Adam": (Adam, torch.optim.Adam, {**RATE, **SHARED, **SMALL, **BETAS}),
    "AdamW": (AdamW, torch.optim.AdamW, {**RATE, **SHARED, **SMALL, **BETAS}),
}
for_each = pytest.mark.parametrize("name", OPTIMIZERS)
SHAPES = ((), (1,), (3,), (2, 3), (0,), (2, 1, 2))
WHERE = ("torch", "numpy", "float32", "float64", "list", "0-d", "empty", "zeros")


def fits(options):
    """Tell whether torch takes these options together."""
    if not options.get("nesterov"):
        return True
    return options.get("momentum", 0) > 0 and not options.get("dampening")


class Case(NamedTuple):
    """A run: options, shapes of the arrays (one that stands alone, or a list)."""

    options: dict
    kind: str
    dtype: str
    seed: int
    shapes: tuple
    several: bool
    steps: int
    zeros: bool

    def arrays(self):
        """Draw the parameters, and for each step the gradients."""
        rng = np.random.default_rng(self.seed)
        params = [rng.standard_normal(shape) for shape in self.shapes]
        grads = [[rng.standard_normal(s) for s in self.shapes]]
        grads += [[rng.standard_normal(s) for s in self.shapes] for _ in range(5)]
        if self.zeros:  # gradients that are 0, from the first step on
            grads = [[g * (rng.random(g.shape) < 0.5) for g in each] for each in grads]
        cast = [[np.asarray(a, self.dtype) for a in each] for each in (params, *grads)]
        return cast[0], cast[1 : 1 + self.steps]

    def changed(self):
        facts = {
            "examples": True,
            **dict.fromkeys(self.options, True),
            self.kind: True,
            self.dtype: True,
            "list": self.several,
            "0-d": () in self.shapes,
            "empty": (0,) in self.shapes,
            "zeros": self.zeros,
        }
        return [name for name, holds in facts.items() if holds]


@st.composite
def runs(draw, name):
    """Draw options, each left out half of the time, and what to run them on."""
    _, _, values = OPTIMIZERS[name]
    options = {
        option: draw(st.sampled_from(some))
        for option, some in values.items()
        if draw(st.booleans())
    }
    if not fits(options):
        options |= {"momentum": 0.8}
        options.pop("dampening", None)
    several = draw(st.booleans())
    return Case(
        options=options,
        kind=draw(st.sampled_from(KINDS)),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shapes=tuple(
            draw(
                st.lists(
                    st.sampled_from(SHAPES), min_size=1, max_size=3 if several else 1
                )
            )
        ),
        several=several,
        steps=draw(st.integers(1, 6)),
        zeros=draw(st.booleans()),
    )


def in_structure(case, arrays):
    arrays = [in_kind(np.asarray(each), case.kind) for each in arrays]
    return arrays if case.several else arrays[0]


@for_each
def test_steps_are_torchs(name):
    ours, theirs, values = OPTIMIZERS[name]

    @given(runs(name))
    def run(case):
        SEEN.update((name, option) for option in case.changed())
        start, grads = case.arrays()
        leaves = [torch.tensor(np.asarray(x, np.float64)) for x in start]
        optimizer, oracle = ours(**case.options), theirs(leaves, **case.options)
        params = in_structure(case, start)
        for each in grads:
            params = optimizer.step(params, in_structure(case, each))
            for leaf, g in zip(leaves, each, strict=True):
                leaf.grad = torch.tensor(np.asarray(g, np.float64))
            oracle.step()
            assert isinstance(params, list) == case.several
            answers = params if case.several else [params]
            for answer, leaf in zip(answers, leaves, strict=True):
                assert_matches(answer, leaf, case)

    run()
    assert_spread(SEEN, name, (*values, *WHERE))


def slope(x):
    """Differentiate a bowl, x² and √(1 + x²), of another steepness for each entry."""
    size = int(np.prod(x.shape))
    scale = 0.01 * 50 ** (np.arange(size).reshape(tuple(x.shape)) / max(size - 1, 1))
    scale = torch.from_numpy(scale) if isinstance(x, torch.Tensor) else scale
    return scale * (x + x / (1 + x * x) ** 0.5)


def one_by_one():
    """Each option alone at each of its values, then all of them together."""
    for name, (_, _, values) in OPTIMIZERS.items():
        yield name, {}
        for option, some in values.items():
            for value in some:
                options = {option: value}
                if not fits(options):
                    options["momentum"] = 0.8
                yield name, options
        # with the smallest steps: large ones may hop about chaotically, and then runs
        # from starts that differ in their last digit differ, too
        together = {option: some[-1] for option, some in values.items()}
        if not fits(together):
            del together["dampening"]
        yield name, together


@pytest.mark.parametrize(("name", "options"), list(one_by_one()), ids=str)
def test_200_steps_are_torchs(name, options):
    ours, theirs, _ = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    start = [3 * rng.standard_normal(shape) for shape in ((5,), (2, 3))]
    leaves = [torch.tensor(x) for x in start]
    optimizer, oracle = ours(**options), theirs(leaves, **options)
    arrays, tensors = start, [torch.tensor(x) for x in start]
    alone, again = start[0], ours(**options)
    for _ in range(200):
        arrays = optimizer.step(arrays, [slope(x) for x in arrays])
        alone = again.step(alone, slope(alone))
        for leaf in leaves:
            leaf.grad = slope(leaf)
        oracle.step()
        for x, leaf in zip(arrays, leaves, strict=True):
            np.testing.assert_allclose(x, leaf.numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(alone, arrays[0])
    assert not np.allclose(start[0], alone)
    path = minimize(ours(**options), slope, tensors[0], steps=200)
    assert path.shape == (201, 5)
    np.testing.assert_allclose(path[-1].numpy(), leaves[0].numpy(), rtol=1e-6)


# the definitions, written as sums over all gradients so far


def mean_of(values, keep):
    """Weigh the newest by 1 - keep, the one before by keep times that, and so on."""
    newest_first = enumerate(reversed(values))
    return math.fsum((1 - keep) * keep**age * value for age, value in newest_first)


def by_definition(name, xs, gs, options):
    """Return where one number goes from its path `xs` by the gradients `gs` so far."""
    lr, t = options["lr"], len(gs)
    x, g = xs[-1], gs[-1]
    squares = [each**2 for each in gs]
    if name == "SGD":
        return x - lr * g
    if name in ("Momentum", "Nesterov"):
        v = math.fsum(0.9**age * each for age, each in enumerate(reversed(gs)))
        return x - lr * (v if name == "Momentum" else g + 0.9 * v)
    if name == "AdaGrad":
        return x - lr * g / (math.sqrt(math.fsum(squares)) + 1e-10)
    if name == "RMSProp":
        return x - lr * g / (math.sqrt(mean_of(squares, 0.99)) + 1e-8)
    if name == "AdaDelta":
        moves = [(b - a) / -lr for a, b in itertools.pairwise(xs)]
        size = mean_of([move**2 for move in moves], 0.9) + 1e-6
        return x - lr * g * math.sqrt(size / (mean_of(squares, 0.9) + 1e-6))
    weight = {k: 1 - k**t for k in (0.9, 0.999)}  # all weights so far
    step = mean_of(gs, 0.9) / weight[0.9]
    step /= math.sqrt(mean_of(squares, 0.999) / weight[0.999]) + 1e-8
    return x * (1 - lr * 0.01 * (name == "AdamW")) - lr * step


@for_each
def test_steps_are_the_definitions(name):
    ours = OPTIMIZERS[name][0]
    number = st.floats(-5, 5)

    @settings(max_examples=100)
    @given(st.sampled_from((1.0, 0.1)), number, st.lists(number, min_size=1))
    def run(lr, start, gs):
        optimizer, answer, xs = ours(lr=lr), start, [start]
        for t in range(1, len(gs) + 1):
            answer = optimizer.step(answer, gs[t - 1])
            xs.append(by_definition(name, xs, gs[:t], {"lr": lr}))
            assert optimizer.steps == t
        np.testing.assert_allclose(answer, xs[-1], rtol=1e-7, atol=1e-7)

    run()


def test_every_option_is_compared():
    for name, (ours, _, values) in OPTIMIZERS.items():
        assert set(inspect.signature(ours).parameters) == set(values), name


def test_defaults_are_torchs():
    for name, (ours, theirs, values) in OPTIMIZERS.items():
        defaults = theirs([torch.zeros(1)]).defaults
        for option in values:
            expected = defaults[option]
            if (name, option) == ("Nesterov", "nesterov"):
                expected = True
            assert getattr(ours(), option) == expected, (name, option)


@for_each
def test_the_learning_rate_may_change_between_steps(name):
    ours, theirs, _ = OPTIMIZERS[name]
    leaf = torch.tensor([1.0, -2.0], dtype=torch.float64)
    x, optimizer, oracle = leaf.numpy().copy(), ours(lr=0.1), theirs([leaf], lr=0.1)
    for t in range(20):
        # NumPy's own number, as a schedule may compute it
        optimizer.lr = oracle.param_groups[0]["lr"] = np.float64(0.1 / (1 + t))
        x = optimizer.step(x, slope(x))
        leaf.grad = slope(leaf)
        oracle.step()
    np.testing.assert_allclose(x, leaf.numpy(), rtol=1e-9)
    assert type(optimizer.lr) is float
    with pytest.raises(ValueError, match="lr is nan, but must be a number of at least"):
        optimizer.lr = math.nan


# what is kept, and what is left alone


@for_each
@pytest.mark.parametrize("kind", KINDS)
def test_each_optimizer_keeps_its_own_state(name, kind):
    ours = OPTIMIZERS[name][0]

    def run(optimizer, x, steps):
        for _ in range(steps):
            x = optimizer.step(x, slope(x))
        return x

    start, other = (in_kind(np.array(x), kind) for x in ([1.0, 2.0], [5.0, 0.5]))
    alone = run(ours(lr=0.1), start, 6)
    one, two, x, y = ours(lr=0.1), ours(lr=0.1), start, other
    for _ in range(6):
        x, y = run(one, x, 1), run(two, y, 1)
    assert x.tolist() == alone.tolist() != y.tolist()
    # and going on is not the same as starting anew, except without a state
    first, rest = ours(lr=0.1), run(ours(lr=0.1), run(ours(lr=0.1), start, 3), 3)
    assert run(first, run(first, start, 3), 3).tolist() == alone.tolist()
    assert (rest.tolist() == alone.tolist()) == (name == "SGD")


@for_each
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_left_alone_and_may_be_reused(name, kind):
    ours = OPTIMIZERS[name][0]
    options = {"weight_decay": 0.1, "maximize": True}
    x = in_kind(np.array([1.0, -2.0]), kind)
    grads = [np.array([3.0, 4.0]), np.array([0.0, -1.0]), np.array([2.0, 2.0])]
    expected, optimizer = x, ours(**options)
    for g in grads:
        expected = optimizer.step(expected, in_kind(g, kind))
    # one buffer for all gradients, as training loops have it
    buffer = grads[0].copy() if kind == "numpy" else torch.tensor(grads[0])
    answer, optimizer = x, ours(**options)
    for g in grads:
        buffer[:] = g if kind == "numpy" else torch.tensor(g)
        answer = optimizer.step(answer, buffer)
        assert buffer.tolist() == g.tolist()
    assert answer.tolist() == expected.tolist()
    assert x.tolist() == [1, -2]


def test_no_step_shares_memory():
    for name, (ours, _, _) in OPTIMIZERS.items():
        x, g = np.array([1.0, 2.0]), np.zeros(2)
        optimizer = ours(lr=0.0)
        answer = optimizer.step(x, g)
        answer[:] = 7
        assert x.tolist() == [1, 2], name
        assert optimizer.step(x, g).tolist() == [1, 2], name


@for_each
def test_no_gradient_flows_through_a_step(name):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = OPTIMIZERS[name][0]()
    for _ in range(2):
        new = optimizer.step(x, 3 * x)
        assert not new.requires_grad
    assert not minimize(OPTIMIZERS[name][0](), lambda x: x, x, steps=1).requires_grad


def test_structures():
    g = np.ones(2)
    assert SGD(lr=1).step([3, 4], [1, 1]).tolist() == [2, 3]
    assert SGD(lr=1).step([[3], [4]], [[1], [1]]).tolist() == [[2], [3]]
    assert SGD(lr=1).step(np.float32([3, 4]), np.float32([1, 1])).dtype == np.float32
    alone = SGD(lr=1).step(3, 1)
    assert isinstance(alone, np.ndarray)
    assert (alone.shape, alone.dtype, float(alone)) == ((), np.float64, 2)
    both = SGD(lr=1).step((np.array([3, 4]), np.float32(5)), (g, np.float32(1)))
    assert isinstance(both, tuple)
    assert [x.tolist() for x in both] == [[2, 3], 4]
    assert [str(x.dtype) for x in both] == ["float64", "float32"]
    many = SGD(lr=1).step([np.array(3), [4, 5]], [1, [1, 1]])
    assert [x.tolist() for x in many] == [2, [3, 4]]
    kinds = SGD(lr=1).step([torch.tensor([3.0]), g], [torch.tensor([1.0]), g])
    assert [type(x) for x in kinds] == [torch.Tensor, np.ndarray]


def test_nan_and_infinity_are_passed_on():
    x = np.array([1.0, 1.0, 1.0])
    answer = SGD(lr=1).step(x, [np.nan, np.inf, 0.5])
    np.testing.assert_array_equal(answer, [np.nan, -np.inf, 0.5])


def test_by_hand():
    hessian = np.diag([1.0, 9.0])

    def gradient(x):
        return hessian @ x

    path = minimize(Momentum(lr=0.25, momentum=0.25), gradient, [16, 16], steps=4)
    assert path.T.tolist() == [[16, 12, 8, 5, 3], [16, -20, 16, -11, 7]]
    adam = Adam(lr=1, betas=(0.5, 0.5))
    np.testing.assert_allclose(adam.step(0, 5), -1, rtol=1e-8)
    np.testing.assert_allclose(adam.step(-1, -1), -4 / 3, rtol=1e-8)


# minimize


@pytest.mark.parametrize("kind", KINDS)
def test_minimize(kind):
    start = in_kind(np.array([[8.0], [4.0]]), kind)
    path = minimize(SGD(lr=0.5), lambda x: x, start, steps=2)
    assert path.tolist() == [[[8], [4]], [[4], [2]], [[2], [1]]]
    assert type(path) is type(start)
    path = minimize(SGD(), lambda x: x, start, steps=np.int64(0))
    assert path.tolist() == [[[8], [4]]]
    assert path is not start
    single = in_kind(np.ones(2, np.float32), kind)
    assert str(minimize(SGD(), lambda x: x, single, steps=1).dtype)[-7:] == "float32"
    # a gradient of another type widens all rows
    wide = minimize(SGD(lr=1), lambda x: [1, 1], single, steps=1)
    assert (wide.tolist(), str(wide.dtype)[-7:]) == ([[1, 1], [0, 0]], "float64")
    assert minimize(SGD(), lambda x: x, in_kind(np.zeros(0), kind), steps=3).shape == (
        4,
        0,
    )


def test_minimize_goes_on_from_the_optimizers_state():
    def path(optimizer, start, steps):
        return minimize(optimizer, slope, start, steps=steps)

    optimizer = Adam(lr=0.1)
    first = path(optimizer, np.array([1.0, 2.0]), 5)
    second = path(optimizer, first[-1], 5)
    whole = path(Adam(lr=0.1), np.array([1.0, 2.0]), 10)
    np.testing.assert_array_equal(np.concatenate((first, second[1:])), whole)


def test_minimize_copies_the_start():
    start = np.array([1.0, 2.0])
    for steps in (0, 1):
        path = minimize(SGD(), lambda x: x, start, steps=steps)
        path[0] = 9
        assert start.tolist() == [1, 2]


# what is refused


SETTINGS = [
    (lambda: SGD(lr=-0.1), "lr is -0.1, but must be a number of at least 0"),
    (lambda: Adam(lr=math.inf), "lr is inf, but must be a number of at least 0"),
    (lambda: AdaGrad(lr="fast"), "lr is 'fast', but must be a number"),
    (lambda: SGD(lr=True), "lr is True, but must be a number"),
    (lambda: SGD(lr=None), "lr is None, but must be a number"),
    (lambda: SGD(lr=1j), "lr is 1j, but must be a number"),
    (
        lambda: SGD(momentum=1),
        "momentum is 1, but must be a number of at least 0 and less than 1",
    ),
    (lambda: Momentum(momentum=-0.5), "momentum is -0.5, but must be"),
    (lambda: SGD(dampening=-1), "dampening is -1, but must be a number of at least 0"),
    (lambda: Momentum(dampening=1.5), "dampening is 1.5, but must be at most 1"),
    (lambda: SGD(weight_decay=math.nan), "weight_decay is nan, but must be"),
    (
        lambda: SGD(nesterov=True),
        "nesterov needs a momentum above 0 and no dampening, but momentum is 0 and "
        "dampening is 0",
    ),
    (
        lambda: SGD(nesterov=True, momentum=0.9, dampening=0.5),
        "but momentum is 0.9 and dampening is 0.5",
    ),
    (lambda: Nesterov(momentum=0), "nesterov needs a momentum above 0"),
    (lambda: AdaGrad(eps=0), "eps is 0, but must be a number greater than 0"),
    (lambda: AdaGrad(lr_decay=-1), "lr_decay is -1, but must be"),
    (
        lambda: AdaGrad(initial_accumulator_value=-1),
        "initial_accumulator_value is -1, but must be",
    ),
    (lambda: RMSProp(alpha=1), "alpha is 1, but must be .* less than 1"),
    (lambda: RMSProp(eps=-1), "eps is -1, but must be a number greater than 0"),
    (lambda: RMSProp(momentum=2), "momentum is 2, but must be .* less than 1"),
    (lambda: AdaDelta(rho=1), "rho is 1, but must be .* less than 1"),
    (lambda: AdaDelta(eps=0), "eps is 0, but must be a number greater than 0"),
    (lambda: Adam(betas=(0.9, 1)), r"betas\[1\] is 1, but must be .* less than 1"),
    (lambda: AdamW(betas=(-1, 0.9)), r"betas\[0\] is -1, but must be"),
    (lambda: Adam(betas=0.9), "betas is 0.9, but must be a pair of numbers"),
    (lambda: Adam(betas=(0.9,)), r"betas is \(0.9,\), but must be a pair of numbers"),
    (lambda: AdamW(eps=0), "eps is 0, but must be a number greater than 0"),
]
X, G = np.ones(2), np.ones(2)
STEPS = [
    (X, None, "grads is None, but must be an array"),
    (None, G, "params is None, but must be an array"),
    (X, [G, G], "params is one array, but grads is a list of arrays: they must have"),
    ([X, X], G, "params is a list of arrays, but grads is one array: they must have"),
    ([X, X], 1, "params is a list of arrays, but grads is one array: they must have"),
    ([X, X], [G], "grads holds 1 arrays, but must hold 2, one for each array of"),
    ([X, X], [G, None], r"grads\[1\] is None, but must be an array"),
    ([], [], "params is empty, but must hold at least one array"),
    (
        X,
        np.ones(3),
        r"grads of shape \(3,\) .* \(3,\), but must be \(2,\) as in params",
    ),
    (X, 1.0, r"grads of shape \(\) .* \(\), but must be \(2,\) as in params"),
    (
        [X, X],
        [G, np.ones((2, 1))],
        r"grads\[1\] of shape \(2, 1\) .* must be \(2,\) as in params\[1\]",
    ),
    (X, torch.ones(2), r"NumPy arrays \(params\) are mixed with torch tensors \(grads"),
    (X * 1j, G, "params holds complex128, but must hold real numbers"),
    ({"w": X}, {"w": G}, "params holds object, but must hold real numbers"),
]
LATER = [
    (
        np.ones(3),
        "params is a float64 NumPy array of shape \\(3,\\), but was a float64",
    ),
    (np.ones((2, 1)), r"of shape \(2, 1\), but was .* of shape \(2,\) at the first"),
    (np.ones(2, np.float32), "params is a float32 NumPy array .* but was a float64"),
    (
        torch.ones(2).double(),
        "params is a float64 tensor on cpu .* was a float64 NumPy",
    ),
    ([X], "params is a list of 1 arrays, but was one array at the first step"),
]


@pytest.mark.parametrize(("make", "message"), SETTINGS)
def test_refuses_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("params", "grads", "message"), STEPS)
def test_refuses_arguments(params, grads, message):
    optimizer = Adam()
    with pytest.raises(ValueError, match=message):
        optimizer.step(params, grads)
    # nothing was remembered: the next step is the first
    assert optimizer.steps == 0
    optimizer.step([np.ones(5)], [np.ones(5)])


@for_each
@pytest.mark.parametrize(("params", "message"), LATER)
def test_refuses_what_its_state_is_not_kept_for(name, params, message):
    optimizer = OPTIMIZERS[name][0]()
    x = optimizer.step(X, G)
    with pytest.raises(ValueError, match=f"{message}.*take a new optimizer"):
        optimizer.step(params, params)
    assert optimizer.steps == 1
    optimizer.step(x, G)  # the state is as it was


def test_refuses_another_number_of_arrays():
    optimizer = SGD()
    optimizer.step([X, X], [G, G])
    message = "params is a list of 3 arrays, but was a list of 2 arrays at the first"
    with pytest.raises(ValueError, match=message):
        optimizer.step([X, X, X], [G, G, G])
    message = "params is one array, but was a list of 2 arrays at the first step"
    with pytest.raises(ValueError, match=message):
        optimizer.step(X, G)
    message = r"params\[1\] is a float64 NumPy array of shape \(3,\), but was"
    with pytest.raises(ValueError, match=message):
        optimizer.step([X, np.ones(3)], [G, np.ones(3)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimize(SGD, slope, X, steps=1), "optimizer is <class .*SGD'>, but"),
        (lambda: minimize(None, slope, X, steps=1), "optimizer is None, but must be"),
        (
            lambda: minimize(SGD(), G, X, steps=1),
            "gradient is array.*must be a function",
        ),
        (lambda: minimize(SGD(), slope, [X, X], steps=1), "start must be one array"),
        (lambda: minimize(SGD(), slope, None, steps=1), "start must be one array"),
        (lambda: minimize(SGD(), slope, "here", steps=1), "start holds <U4, but must"),
        (lambda: minimize(SGD(), slope, X, steps=-1), "steps is -1, but must be an"),
        (lambda: minimize(SGD(), slope, X, steps=1.5), "steps is 1.5, but must be an"),
        (
            lambda: minimize(SGD(), lambda x: x[:1], X, steps=1),
            r"grads of shape \(1,\) does not fit",
        ),
        (lambda: minimize(SGD(), lambda x: None, X, steps=1), "grads is None, but"),
    ],
)
def test_minimize_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_rule_is_needed():
    from notebook_utils._optimizer import Optimizer

    optimizer = Optimizer(lr=1, weight_decay=0, maximize=False)
    with pytest.raises(NotImplementedError):
        optimizer.step(X, G)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@for_each
def test_on_cuda(name):
    ours, _, values = OPTIMIZERS[name]
    options = {option: some[0] for option, some in values.items()}
    if not fits(options):
        del options["dampening"]
    start = np.linspace(-2, 2, 6).reshape(2, 3)
    path = minimize(ours(**options), lambda x: x + x**3, start, steps=50)
    tensors = minimize(
        ours(**options), lambda x: x + x**3, in_kind(start, "cuda"), steps=50
    )
    assert tensors.device.type == "cuda"
    np.testing.assert_allclose(tensors.cpu().numpy(), path, rtol=1e-9)
