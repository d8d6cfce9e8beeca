"""Layers, their gradients and whole networks, against torch and centred differences."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from oracles import KINDS, assert_matches, assert_spread, in_kind, leaf, relative_error
from oracles import numerical_gradient as slope_of

from notebook_utils.backpropagation import (
    Layer,
    Network,
    flatten,
    flatten_backward,
    linear,
    linear_backward,
    numerical_gradient,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    squared_error,
    squared_error_backward,
    tanh,
    tanh_backward,
)
from notebook_utils.convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    conv2d,
    conv2d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    parameter_count,
)
from notebook_utils.optimizers import SGD
from notebook_utils.softmax import cross_entropy, cross_entropy_backward

SEEN = Counter()
BASICS = ("torch", "numpy", "float32", "float64")
REDUCTIONS = ("mean", "sum", "none")
ELEMENTWISE = {
    "sigmoid": (sigmoid, sigmoid_backward, torch.sigmoid),
    "tanh": (tanh, tanh_backward, torch.tanh),
    "relu": (relu, relu_backward, torch.relu),
}


class Case(NamedTuple):
    """How arrays are drawn: kind, type, seed, shape, and how large the numbers are."""

    kind: str
    dtype: str
    seed: int
    shape: tuple
    scale: float
    integers: bool

    def note(self, function, **facts):
        """Count the case, and what is not as usual about it."""
        facts |= {
            "examples": True,
            self.kind: True,
            self.dtype: True,
            "empty": 0 in self.shape,
            "large": self.scale > 100,
            "integers": self.integers,
        }
        SEEN.update((function, fact) for fact, holds in facts.items() if holds)

    def draw(self, *shapes):
        """Draw arrays of the case's type, as NumPy."""
        rng = np.random.default_rng(self.seed)
        values = [
            rng.integers(-2, 3, shape)
            if self.integers
            else self.scale * rng.standard_normal(shape)
            for shape in shapes
        ]
        return [np.asarray(value).astype(self.dtype) for value in values]

    def given(self, *arrays):
        """Hand arrays over in the case's kind."""
        return [in_kind(array, self.kind) for array in arrays]


@st.composite
def cases(draw, least=0, most=3):
    return Case(
        kind=draw(st.sampled_from(KINDS)),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shape=tuple(draw(st.lists(st.integers(0, 4), min_size=least, max_size=most))),
        scale=draw(st.sampled_from((1.0, 10.0, 1000.0))),
        integers=draw(st.booleans()),
    )


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activation_is_torchs(name):
    forward, backward, oracle = ELEMENTWISE[name]

    @given(cases())
    def run(case):
        case.note(name)
        x, grad_output = case.draw(case.shape, case.shape)
        at = leaf(x)
        y = oracle(at)
        (slope,) = torch.autograd.grad(y, at, leaf(grad_output))
        grad_output, x = case.given(grad_output, x)
        assert_matches(in_shape(forward(x), case), y, case)
        assert_matches(in_shape(backward(grad_output, x), case), slope, case)

    run()
    assert_spread(SEEN, name, (*BASICS, "empty", "large", "integers"))


def in_shape(answer, case):
    """Let NumPy's numbers pass for arrays without axes."""
    return np.asarray(answer) if case.kind == "numpy" else answer


def naive_sigmoid(x):
    return [1 / (1 + math.exp(-each)) for each in x]


def test_activations_by_hand():
    x = [-2.0, 0.0, 0.5, 3.0]
    np.testing.assert_allclose(sigmoid(x), naive_sigmoid(x))
    np.testing.assert_allclose(tanh(x), [math.tanh(each) for each in x])
    assert relu(x).tolist() == [0, 0, 0.5, 3]
    assert relu_backward([1.0, 2, 3, 4], x).tolist() == [0, 0, 3, 4]
    np.testing.assert_allclose(2 * sigmoid(2 * np.array(x)) - 1, tanh(x))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_slopes_of_activations(name):
    forward, backward, _ = ELEMENTWISE[name]
    rng = np.random.default_rng(0)
    x, grad_output = rng.standard_normal((2, 4, 5))
    x += np.sign(x) * 0.1  # away from the corner
    slope = slope_of(forward, x, grad_output)
    assert relative_error(backward(grad_output, x), slope) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_sigmoid_far_out(kind):
    x = in_kind(np.array([-1e4, -700.0, -40, 40, 700, 1e4]), kind)
    one = in_kind(np.ones(6), kind)
    with np.errstate(all="raise", under="ignore"):
        y, slope = sigmoid(x), sigmoid_backward(one, x)
    tail = math.exp(-40)
    expected = [0, math.exp(-700), tail / (1 + tail), 1 / (1 + tail), 1, 1]
    np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-13)
    # on both sides, where 1 − σ would be rounded to 0 on the right
    expected = [0, math.exp(-700), tail, tail, math.exp(-700), 0]
    np.testing.assert_allclose(np.asarray(slope), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays(name, kind):
    forward, _, oracle = ELEMENTWISE[name]
    values = np.array([np.nan, -np.inf, np.inf, 0.0])
    theirs = oracle(torch.from_numpy(values)).numpy()
    np.testing.assert_array_equal(np.asarray(forward(in_kind(values, kind))), theirs)


def test_linear_is_torchs():
    @given(cases(3, 3), st.booleans())
    def run(case, biased):
        n, d, o = case.shape
        case.note("linear", biased=biased)
        case = case._replace(scale=min(case.scale, 10))
        arrays = case.draw((n, d), (o, d), (o,), (n, o))
        *at, grad_output = (leaf(array) for array in arrays)
        y = F.linear(*at) if biased else F.linear(*at[:2])
        slopes = torch.autograd.grad(y, at, grad_output, allow_unused=True)
        x, weight, bias, grad_output = case.given(*arrays)
        assert_matches(linear(x, weight, bias if biased else None), y, case)
        ours = linear_backward(grad_output, x, weight)
        assert len(ours) == 3
        for answer, slope in zip(ours, slopes, strict=True):
            if slope is None:  # no bias was added
                slope = leaf(arrays[3]).sum(0)
            assert_matches(answer, slope, case)

    run()
    assert_spread(SEEN, "linear", (*BASICS, "empty", "integers", "biased"))


def test_linear_by_hand():
    x, weight, bias = [[1, 2, 3], [0, 1, 0]], [[1, 0, -1], [2, 1, 0]], [10, 20]
    assert linear(x, weight).tolist() == [[-2, 4], [0, 1]]
    assert linear(x, weight, bias).tolist() == [[8, 24], [10, 21]]
    ours = linear_backward([[1, 0], [2, 3]], x, weight)
    naive = ([[1, 0, -1], [8, 3, -2]], [[1, 4, 3], [0, 3, 0]], [3, 3])
    for answer, expected in zip(ours, naive, strict=True):
        assert answer.tolist() == expected


def test_the_slopes_of_a_dense_layer():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((3, 4)), rng.standard_normal((2, 4))
    bias, grad_output = rng.standard_normal(2), rng.standard_normal((3, 2))
    slopes = (
        slope_of(lambda x: linear(x, weight, bias), x, grad_output),
        slope_of(lambda weight: linear(x, weight, bias), weight, grad_output),
        slope_of(lambda bias: linear(x, weight, bias), bias, grad_output),
    )
    ours = linear_backward(grad_output, x, weight)
    for answer, slope in zip(ours, slopes, strict=True):
        assert relative_error(answer, slope) < 1e-6


def test_flatten_is_torchs():
    @given(cases(1, 4))
    def run(case):
        case.note("flatten")
        (x,) = case.draw(case.shape)
        row = x.reshape(len(x), math.prod(x.shape[1:]))
        (given_x,) = case.given(x)
        assert_matches(flatten(given_x), row, case)
        if x.ndim > 1 and x.size:
            assert torch.equal(torch.flatten(torch.from_numpy(x), 1), torch.tensor(row))
        grad_output = in_kind(row, case.kind)
        assert_matches(flatten_backward(grad_output, given_x), x, case)

    run()
    assert_spread(SEEN, "flatten", (*BASICS, "empty", "integers"))


def test_squared_error_is_torchs():
    @given(cases(2, 2), st.sampled_from(REDUCTIONS))
    def run(case, reduction):
        if reduction == "mean" and not case.shape[0]:
            reduction = "sum"
        case = case._replace(scale=min(case.scale, 10))
        case.note("squared_error", **{reduction: True})
        h, y = case.draw(case.shape, case.shape)
        at = leaf(h)
        losses = F.mse_loss(at, leaf(y), reduction="none").sum(1) / 2
        loss = getattr(losses, reduction)() if reduction != "none" else losses
        (slope,) = torch.autograd.grad(loss.sum(), at)
        h, y = case.given(h, y)
        answer = squared_error(h, y, reduction=reduction)
        assert_matches(in_shape(answer, case), loss, case)
        answer = squared_error_backward(h, y, reduction=reduction)
        assert_matches(answer, slope, case)

    run()
    assert_spread(SEEN, "squared_error", (*BASICS, *REDUCTIONS, "empty", "integers"))


def test_squared_error_by_hand():
    h, y = [[1, 2], [3, 4]], [[1, 0], [0, 4]]
    assert squared_error(h, y, reduction="none").tolist() == [2, 4.5]
    assert squared_error(h, y) == 3.25
    assert squared_error_backward(h, y).tolist() == [[0, 1], [1.5, 0]]


POOLS = {
    "max": (max_pool2d, max_pool2d_backward, {}),
    "mean": (avg_pool2d, avg_pool2d_backward, {}),
    "lp": (lp_pool2d, lp_pool2d_backward, {"p": 3}),
}


class Plan(NamedTuple):
    """A small network: what is in it, and how its numbers are drawn."""

    case: Case
    n: int
    c: int
    size: tuple
    kernels: tuple
    channels: tuple
    activation: str
    pool: str
    window: int
    stride: int
    loss: str


@st.composite
def plans(draw):
    window = draw(st.integers(1, 3))
    kernels = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    need = sum(k - 1 for k in kernels) + window
    return Plan(
        case=draw(cases(0, 0)),
        n=draw(st.integers(1, 3)),
        c=draw(st.integers(1, 3)),
        size=tuple(draw(st.integers(need, need + 2)) for _ in range(2)),
        kernels=kernels,
        channels=tuple(draw(st.integers(1, 3)) for _ in kernels),
        activation=draw(st.sampled_from(sorted(ELEMENTWISE))),
        pool=draw(st.sampled_from(sorted(POOLS))),
        window=window,
        stride=draw(st.integers(1, 3)),
        loss=draw(st.sampled_from(("squared", "softmax"))),
    )


def shapes_of(plan):
    """Shapes of the parameters, layer by layer."""
    channels = (plan.c, *plan.channels)
    for c, o, k in zip(channels[:-1], channels[1:], plan.kernels, strict=True):
        yield from ((o, c, k, k), (o,))
    shrink = sum(k - 1 for k in plan.kernels)
    cells = [(s - shrink - plan.window) // plan.stride + 1 for s in plan.size]
    yield from ((4, math.prod(cells) * channels[-1]), (4,))


def ours(plan, params):
    """Build the network of a plan: convolutions, one pool, a dense layer."""
    params = iter(params)
    forward, backward, _ = ELEMENTWISE[plan.activation]
    layers = []
    for _ in plan.kernels:
        layers.append(Layer(conv2d, conv2d_backward, next(params), next(params)))
        layers.append(Layer(forward, backward))
    pool, pool_backward, options = POOLS[plan.pool]
    window = {"kernel": plan.window, "stride": plan.stride}
    return Network(
        *layers,
        Layer(pool, pool_backward, **options, **window),
        Layer(flatten, flatten_backward),
        Layer(linear, linear_backward, next(params), next(params)),
    )


def theirs(plan, x, params):
    """Compute the output of the same network by torch."""
    *convolutional, weight, bias = params
    for w, b in zip(convolutional[::2], convolutional[1::2], strict=True):
        x = ELEMENTWISE[plan.activation][2](F.conv2d(x, w, b))
    window = plan.window, plan.stride
    if plan.pool == "lp":
        # torch does not take magnitudes; at 0 its slope is NaN, ours 0
        x = (F.avg_pool2d(x.abs() ** 3, *window) * plan.window**2 + 1e-60) ** (1 / 3)
    else:
        x = (F.max_pool2d if plan.pool == "max" else F.avg_pool2d)(x, *window)
    return F.linear(x.flatten(1), weight, bias)


LOSSES = {
    "squared": (
        squared_error,
        squared_error_backward,
        lambda h, y: F.mse_loss(h, y, reduction="sum") / 2 / len(h),
    ),
    "softmax": (cross_entropy, cross_entropy_backward, F.cross_entropy),
}


def test_a_network_has_autograds_gradients():
    @given(plans())
    def run(plan):
        case = plan.case._replace(integers=False, scale=1.0)
        shapes = [(plan.n, plan.c, *plan.size), *shapes_of(plan), (plan.n, 4)]
        x, *params, target = case.draw(*shapes)
        options = {plan.activation: True, plan.pool: True, plan.loss: True}
        options |= {"overlap": plan.stride < plan.window}
        case.note("network", two=len(plan.kernels) == 2, **options)
        if plan.loss == "softmax":
            target = np.argmax(target, axis=1)
        at = [leaf(array) for array in (x, *params)]
        y = theirs(plan, at[0], at[1:])
        loss, loss_backward, oracle = LOSSES[plan.loss]
        t = torch.tensor(target) if plan.loss == "softmax" else leaf(target)
        value = oracle(y, t)
        slopes = torch.autograd.grad(value, at)

        x, target, *params = case.given(x, target, *params)
        network = ours(plan, params)
        values = network.forward(x)
        assert len(values) == len(network.layers) + 1
        assert_matches(values[-1], y, case)
        found, grads = network.loss_and_gradients(x, target, loss, loss_backward)
        assert_matches(in_shape(found, case), value, case)
        for answer, slope in zip(grads, slopes[1:], strict=True):
            assert_matches(answer, slope, case)
        deltas, _ = network.backward(values, loss_backward(values[-1], target))
        assert [d.shape for d in deltas] == [v.shape for v in values]
        assert_matches(deltas[0], slopes[0], case)

    run()
    options = (*ELEMENTWISE, *POOLS, *LOSSES, "two", "overlap")
    assert_spread(SEEN, "network", (*BASICS, *options))


def notes_shapes():
    """Shapes of the parameters of the network of notes 004."""
    return [(6, 3, 5, 5), (6,), (12, 6, 5, 5), (12,), (10, 192), (10,)]


def notes_network(params):
    """Build it: 28 × 28 × 3, 24, 12, 8, 4, 192, 10."""
    layers = []
    for weight, bias in (params[:2], params[2:4]):
        layers += [
            Layer(conv2d, conv2d_backward, weight, bias),
            Layer(sigmoid, sigmoid_backward),
            Layer(avg_pool2d, avg_pool2d_backward, kernel=2),
        ]
    return Network(
        *layers,
        Layer(flatten, flatten_backward),
        Layer(linear, linear_backward, *params[4:]),
        Layer(sigmoid, sigmoid_backward),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_of_the_notes(kind):
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(shape) * 0.3 for shape in notes_shapes()]
    x, y = rng.random((2, 3, 28, 28)), np.eye(10)[[3, 8]]
    network = notes_network([in_kind(p, kind) for p in params])
    x_in, y_in = in_kind(x, kind), in_kind(y, kind)
    values = network.forward(x_in)
    cells = [value.shape[1:] for value in values]
    assert cells == [
        (3, 28, 28), (6, 24, 24), (6, 24, 24), (6, 12, 12), (12, 8, 8), (12, 8, 8),
        (12, 4, 4), (192,), (10,), (10,),
    ]  # fmt: skip
    counts = [
        sum(p.size for p in pair)
        for pair in zip(params[::2], params[1::2], strict=True)
    ]
    assert counts == [parameter_count(3, 6, 5), parameter_count(6, 12, 5), 1930]
    assert sum(counts) == 4198

    at = [leaf(array) for array in (x, *params)]
    t = at[0]
    for w, b in (at[1:3], at[3:5]):
        t = F.avg_pool2d(torch.sigmoid(F.conv2d(t, w, b)), 2)
    t = torch.sigmoid(F.linear(t.flatten(1), *at[5:]))
    loss = F.mse_loss(t, torch.tensor(y), reduction="sum") / 4
    slopes = torch.autograd.grad(loss, at)
    found, grads = network.loss_and_gradients(
        x_in, y_in, squared_error, squared_error_backward
    )
    assert float(found) == pytest.approx(loss.item(), rel=1e-12)
    for answer, slope in zip(grads, slopes[1:], strict=True):
        np.testing.assert_allclose(np.asarray(answer), slope, rtol=1e-9, atol=1e-15)


def test_the_network_of_the_notes_by_differences():
    rng = np.random.default_rng(1)
    params = [rng.standard_normal(shape) * 0.3 for shape in notes_shapes()]
    x, y = rng.random((1, 3, 28, 28)), np.eye(10)[[7]]
    network = notes_network(params)
    errors = squared_error, squared_error_backward
    _, grads = network.loss_and_gradients(x, y, *errors)
    for which in (1, 3, 5):  # the biases: few, and through every layer

        def loss(p, which=which):
            moved = [*params[:which], p, *params[which + 1 :]]
            return squared_error(notes_network(moved).forward(x)[-1], y)

        slope = numerical_gradient(loss, params[which])
        assert relative_error(np.asarray(grads[which]), slope) < 1e-5


def test_parameters_come_and_go_in_one_list():
    w, b = np.ones((2, 3)), np.zeros(2)
    network = Network(
        Layer(linear, linear_backward, w, b),
        Layer(tanh, tanh_backward),
        Layer(linear, linear_backward, w[:, :2], b),
    )
    assert [p.shape for p in network.params] == [(2, 3), (2,), (2, 2), (2,)]
    x, y = np.ones((1, 3)), np.zeros((1, 2))
    before, grads = network.loss_and_gradients(
        x, y, squared_error, squared_error_backward
    )
    network.params = SGD(lr=0.1).step(network.params, grads)
    assert squared_error(network.forward(x)[-1], y) < before
    assert w.tolist() == np.ones((2, 3)).tolist()
    with pytest.raises(ValueError, match="3 parameters were given, but the network ha"):
        network.params = network.params[:3]


def test_a_network_without_layers_passes_on():
    x = np.arange(3.0)
    network = Network()
    assert network.forward(x) == [x]
    assert network.backward([x], x) == ([x], [])


def test_numerical_gradient_is_autograds():
    @given(cases())
    def run(case):
        case = case._replace(dtype="float64", scale=1.0)
        case.note("numerical_gradient")
        x, weight = case.draw(case.shape, case.shape)
        at = leaf(x)
        (slope,) = torch.autograd.grad((at.sin() * leaf(weight)).sum(), at)
        x, weight = case.given(x, weight)
        sine = np.sin if case.kind == "numpy" else torch.sin
        answer = numerical_gradient(lambda x: (sine(x) * weight).sum(), x)
        assert answer.shape == x.shape
        assert isinstance(answer, np.ndarray if case.kind == "numpy" else torch.Tensor)
        np.testing.assert_allclose(np.asarray(answer), slope, atol=1e-8)

    run()
    assert_spread(SEEN, "numerical_gradient", ("torch", "numpy", "empty", "integers"))


def test_the_error_of_a_difference_falls_with_the_square_of_the_step():
    x = np.array([0.3, 1.1])
    errors = [
        np.abs(numerical_gradient(lambda x: np.exp(x).sum(), x, step=h) - np.exp(x))
        for h in (0.1, 0.01)
    ]
    np.testing.assert_allclose(errors[0] / errors[1], 100, rtol=0.01)


def test_inputs_are_left_alone():
    rng = np.random.default_rng(0)
    x, grad = rng.standard_normal((2, 3, 4))
    weight = rng.standard_normal((4, 4))
    arrays = [x, grad, weight]
    for kind in KINDS:
        x, grad, weight = inputs = [in_kind(each, kind) for each in arrays]
        for forward, backward, _ in ELEMENTWISE.values():
            forward(x)
            backward(grad, x)
        linear(x, weight)
        linear_backward(grad, x, weight)
        squared_error(x, grad)
        squared_error_backward(x, grad)
        numerical_gradient(lambda x: x.sum(), x)
        for given_array, original in zip(inputs, arrays, strict=True):
            np.testing.assert_array_equal(np.asarray(given_array), original)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sigmoid_backward(np.ones(3), np.ones(2)),
            r"grad_output of shape \(3,\) .*: \.\.\. is \(3,\), but must be \(2,\)",
        ),
        (lambda: tanh_backward(np.ones(3), np.ones((3, 1))), "grad_output of shape"),
        (lambda: relu_backward(np.ones(()), np.ones(1)), "grad_output of shape"),
        (lambda: sigmoid(["a"]), "x holds"),
        (
            lambda: linear(np.ones((2, 3)), np.ones((4, 2))),
            r"weight of shape \(4, 2\) .*: d is 2, but must be 3",
        ),
        (
            lambda: linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(3)),
            r"bias of shape \(3,\) .*: o is 3, but must be 4",
        ),
        (lambda: linear(np.ones(3), np.ones((4, 3))), "x of shape .* it has 1 axes"),
        (
            lambda: linear_backward(np.ones((2, 5)), np.ones((2, 3)), np.ones((4, 3))),
            "grad_output of shape .*: o is 5, but must be 4",
        ),
        (lambda: flatten(1.0), "x is a single number, but must have an axis"),
        (
            lambda: flatten_backward(np.ones((2, 5)), np.ones((2, 3, 2))),
            "grad_output of shape .*: d is 5, but must be 6",
        ),
        (
            lambda: squared_error(np.ones((2, 3)), np.ones((2, 2))),
            "targets of shape .*: k is 2, but must be 3",
        ),
        (
            lambda: squared_error_backward(np.ones((2, 3)), np.ones(2)),
            "targets of shape .* it has 1 axes, but needs 2",
        ),
        (
            lambda: squared_error(np.ones((2, 3)), np.ones((2, 3)), reduction="max"),
            "reduction is 'max', but must be one of",
        ),
        (
            lambda: squared_error(np.ones((0, 3)), np.ones((0, 3))),
            "outputs and targets are empty: no losses have no mean",
        ),
        (
            lambda: Layer(linear, linear_backward, np.ones((2, 2))),
            "1 parameters were given, but a layer has none, or a weight and a bias",
        ),
        (lambda: Layer(sigmoid, None), "backward is None, but must be a function"),
        (lambda: Layer("relu", relu_backward), "forward is 'relu', but must be a"),
        (lambda: Network(sigmoid), r"layers\[0\] is <function .*, but must be a Layer"),
        (
            lambda: Network(Layer(tanh, tanh_backward)).backward([1.0], 1.0),
            "values holds 1 arrays, but must hold 2",
        ),
        (
            lambda: numerical_gradient(sum, [1.0], step=0),
            "step is 0, but must be a positive number",
        ),
        (lambda: numerical_gradient(sum, [1.0], step=True), "step is True"),
        (lambda: numerical_gradient(sum, [1.0], step=math.nan), "step is nan"),
        (
            lambda: numerical_gradient(lambda x: x, [1.0, 2.0]),
            r"function returns an array of shape \(2,\), but must return a number",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(shape) * 0.3 for shape in notes_shapes()]
    x, y = rng.random((2, 3, 28, 28)), np.eye(10)[[3, 8]]
    answers = []
    for kind in ("numpy", "cuda"):
        network = notes_network([in_kind(p, kind) for p in params])
        there = in_kind(x, kind), in_kind(y, kind)
        _, grads = network.loss_and_gradients(
            *there, squared_error, squared_error_backward
        )
        answers.append([np.asarray(g) if kind == "numpy" else g.cpu() for g in grads])
    for here, there in zip(*answers, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-12)
