"""Receptive fields against gradients of torch's own layers, and against brute force."""

import itertools
from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import assert_spread, in_kind

from notebook_utils.convolution import conv2d_backward, output_size
from notebook_utils.receptive_field import (
    Layer,
    ReceptiveField,
    effective_receptive_field,
    gap_free,
    known_networks,
    path_counts,
    path_spread,
    receptive_field,
    receptive_fields,
    touched_inputs,
)

SEEN = Counter()
OPTIONS = ("kernel", "stride", "padding", "dilation")


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch compute in one thread: for so small inputs it is far quicker."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def some_layers(padding=2, most=4):
    layer = st.builds(
        Layer,
        kernel=st.integers(1, 4),
        stride=st.integers(1, 3),
        padding=st.integers(0, padding),
        dilation=st.integers(1, 3),
    )
    return st.lists(layer, max_size=most)


def note(function, layers):
    SEEN[function, "examples"] += 1
    for option in OPTIONS:
        usual = getattr(Layer(1), option)
        SEEN[function, option] += any(getattr(x, option) != usual for x in layers)
    SEEN[function, "empty"] += not layers
    SEEN[function, "one layer"] += len(layers) == 1
    SEEN[function, "half a cell"] += any(x.kernel % 2 == 0 for x in layers)


FACTS = (*OPTIONS, "one layer", "half a cell")


def run_torch(layers, x):
    """Send a (length,) tensor through torch's layers, all weights 1."""
    x = x[None, None]
    for layer in layers:
        weight = torch.ones(1, 1, layer.kernel, dtype=x.dtype)
        window = (layer.stride, layer.padding, layer.dilation)
        x = F.conv1d(x, weight, None, *window)
    return x[0, 0]


def torch_gradient(layers, size, output):
    """Return how strongly an output of torch's stack depends on each input."""
    x = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    y = run_torch(layers, x)
    y[output(len(y))].backward()
    return x.grad.numpy()


def fits(layers, size):
    """Say whether torch can send so many cells through the layers."""
    try:
        run_torch(layers, torch.zeros(size))
    except RuntimeError:
        return False
    return True


def test_the_field_is_what_torchs_gradient_spans():
    @given(some_layers(padding=0), st.integers(0, 2))
    def run(layers, extra):
        note("receptive_field", layers)
        size, jump, start = receptive_field(layers)
        length = size + extra * jump  # 1 + extra outputs, to the last cell
        for output in range(extra + 1):
            gradient = torch_gradient(layers, length, lambda count, at=output: at)
            (seen,) = gradient.nonzero()
            assert seen[-1] - seen[0] + 1 == size
            assert (seen[0] + seen[-1]) / 2 == start + output * jump
        assert len(run_torch(layers, torch.zeros(length))) == extra + 1
        assert len(run_torch(layers, torch.zeros(length + jump - 1))) == extra + 1

    run()
    assert_spread(SEEN, "receptive_field", [x for x in FACTS if x != "padding"])


def test_padding_moves_the_field_and_nothing_else():
    @given(some_layers(), st.integers(0, 6))
    def run(layers, output):
        # a border wide enough that the output sees no padding: the same cells, shifted
        note("padding", layers)
        size, jump, start = receptive_field(layers)
        border = sum(x.padding for x in layers)
        far = border + 1  # in outputs: each lies at least a cell further in
        length = size + 2 * jump * (far + border + output + 1)
        gradient = torch_gradient(layers, length, lambda count: far + output)
        (seen,) = gradient.nonzero()
        assert (seen[0] + seen[-1]) / 2 == start + (far + output) * jump
        assert seen[-1] - seen[0] + 1 == size

    run()
    assert_spread(SEEN, "padding", FACTS)


def test_fields_layer_by_layer_are_those_of_the_stacks():
    @given(some_layers())
    def run(layers):
        fields = receptive_fields(iter(layers))
        assert len(fields) == len(layers)
        for i, field in enumerate(fields):
            assert field == receptive_field(layers[: i + 1])
            assert [type(each) for each in field] == [int, int, float]

    run()


def test_the_closed_form():
    @given(some_layers())
    def run(layers):
        # each layer reaches over its taps, in steps of all the strides before it
        jumps = [
            1,
            *itertools.accumulate((x.stride for x in layers), lambda a, b: a * b),
        ]
        spans = [x.dilation * (x.kernel - 1) for x in layers]
        field = receptive_field(layers)
        pairs = list(zip(spans, jumps, strict=False))
        assert field.size == 1 + sum(span * jump for span, jump in pairs)
        assert field.jump == jumps[-1]
        shift = sum(x.padding * j for x, j in zip(layers, jumps, strict=False))
        assert field.start == (field.size - 1) / 2 - shift

    run()


def brute_touched(layers, size):
    """Follow every path of taps down from the middle output, one cell at a time."""
    sizes = [size]
    for x in layers:
        sizes.append(output_size(sizes[-1], **vars(x)))

    def follow(level, cell):
        if not 0 <= cell < sizes[level]:
            return set()  # padding
        if level == 0:
            return {cell}
        x = layers[level - 1]
        first = cell * x.stride - x.padding
        taps = (first + tap * x.dilation for tap in range(x.kernel))
        return set().union(*(follow(level - 1, tap) for tap in taps))

    return follow(len(layers), (sizes[-1] - 1) // 2)


def test_touched_inputs_are_where_torchs_gradient_is_not_zero():
    @given(some_layers(), st.integers(1, 40))
    def run(layers, size):
        assume(fits(layers, size))
        note("touched_inputs", layers)
        touched = touched_inputs(layers, size)
        gradient = torch_gradient(layers, size, lambda count: (count - 1) // 2)
        assert touched.dtype == bool
        assert touched.tolist() == (gradient != 0).tolist()
        assert set(np.flatnonzero(touched)) == brute_touched(layers, size)
        SEEN["touched_inputs", "gaps"] += not np.all(
            np.diff(np.flatnonzero(touched)) == 1
        )
        SEEN["touched_inputs", "one cell"] += size == 1

    run()
    assert_spread(SEEN, "touched_inputs", (*FACTS, "gaps"))
    assert SEEN["touched_inputs", "empty"]
    assert SEEN["touched_inputs", "one cell"]


def test_touched_inputs_refuses_what_torch_refuses():
    refused = Counter()

    @given(some_layers(), st.integers(1, 12))
    def run(layers, size):
        if fits(layers, size):
            assert touched_inputs(layers, size).shape == (size,)
            return
        refused["examples"] += 1
        with pytest.raises(ValueError, match=r"layers\[\d\]: kernel .* does not fit"):
            touched_inputs(layers, size)

    run()
    assert refused["examples"] >= 50


def test_an_output_may_see_padding_alone():
    # its window lies before the first cell
    layers = [Layer(1, stride=3, padding=1)]
    assert len(run_torch(layers, torch.zeros(2))) == 2
    assert touched_inputs(layers, 2).tolist() == [False, False]
    # the zeros of a later layer lead nowhere, although they lie over inputs
    layers = [Layer(3), Layer(3, padding=1)]
    assert touched_inputs(layers, 3).tolist() == [True] * 3
    assert receptive_field(layers).size == 5


def test_the_chains_of_the_notes():
    chain = [Layer(3), Layer(2, stride=2), Layer(3, stride=3), Layer(3, stride=2)]
    assert [field.size for field in receptive_fields(chain)] == [3, 4, 8, 20]
    dilated = [Layer(3, dilation=d) for d in (1, 2, 4)]
    assert [field.size for field in receptive_fields(dilated)] == [3, 7, 15]


@pytest.mark.parametrize(
    ("rates", "size", "count"),
    [
        ((2, 2, 2), 13, 7),
        ((1, 2, 3), 13, 13),
        ((1, 2, 5), 17, 17),
        ((1, 2, 9), 25, 21),
        ((2, 4, 8), 29, 15),
    ],
)
def test_gridding(rates, size, count):
    layers = [Layer(3, dilation=d) for d in rates]
    assert receptive_field(layers).size == size
    assert touched_inputs(layers, size).sum() == count


def reached(layers):
    """List the sums of one tap of each layer: what one output sees of the input."""
    cells, jump = {0}, 1
    for layer in layers:
        taps = [jump * layer.dilation * tap for tap in range(layer.kernel)]
        cells = {cell + tap for cell in cells for tap in taps}
        jump *= layer.stride
    return cells


def test_gap_free_is_what_the_taps_reach():
    @given(some_layers(most=5))
    def run(layers):
        note("gap_free", layers)
        cells = reached(layers)
        solid = cells == set(range(max(cells) + 1))
        assert gap_free(layers) is solid
        bare = [Layer(x.kernel, x.stride, dilation=x.dilation) for x in layers]
        assert touched_inputs(bare, receptive_field(layers).size).all() == solid
        # the order of dilated layers makes no difference
        plain = [Layer(x.kernel, dilation=x.dilation) for x in layers]
        assert gap_free(plain) == gap_free(plain[::-1])
        SEEN["gap_free", "gaps"] += not solid
        SEEN["gap_free", "solid"] += solid

    run()
    assert_spread(SEEN, "gap_free", (*FACTS, "gaps", "solid"))
    assert SEEN["gap_free", "empty"]


def test_gap_free_for_all_triples_of_rates():
    solid = 0
    for rates in itertools.product(range(1, 7), repeat=3):
        layers = [Layer(3, dilation=d) for d in rates]
        gradient = torch_gradient(layers, receptive_field(layers).size, lambda n: 0)
        assert gap_free(layers) == gradient.all()
        solid += gap_free(layers)
    assert solid == 61


def test_path_counts_are_torchs_gradient():
    @given(some_layers())
    def run(layers):
        note("path_counts", layers)
        counts = path_counts(layers)
        bare = [Layer(x.kernel, x.stride, dilation=x.dilation) for x in layers]
        gradient = torch_gradient(bare, receptive_field(layers).size, lambda count: 0)
        assert counts.dtype == np.float64
        assert counts.tolist() == gradient.tolist()
        place = np.arange(len(counts))
        mean = (place * counts).sum() / counts.sum()
        variance = ((place - mean) ** 2 * counts).sum() / counts.sum()
        assert path_spread(layers) == pytest.approx(variance**0.5, rel=1e-9, abs=1e-9)
        assert mean == pytest.approx((len(counts) - 1) / 2)

    run()
    assert_spread(SEEN, "path_counts", FACTS)


# Known networks as they are wired, with one channel: a step is a layer, or a list of
# branches whose outputs are added up. A pool may round its number of outputs up.
CEIL_POOL = "pool 3, stride 2, rounded up"


def inception():
    few = Layer(1)
    branches = [
        [few],
        [few, Layer(3, padding=1)],
        [few, Layer(5, padding=2)],
        [Layer(3, padding=1), few],
    ]
    return [branches]


def bottlenecks(count, stride, version):
    steps = []
    for block in range(count):
        s = stride if block == 0 else 1
        first, second = (s, 1) if version == 1 else (1, s)
        residual = [Layer(1, first), Layer(3, second, padding=1), Layer(1)]
        steps.append([residual, [Layer(1, s)] if block == 0 else []])
    return steps


def resnet(version):
    stem = [Layer(7, 2, padding=3), Layer(3, 2, padding=1)]
    stages = [
        step
        for stage, count in enumerate((3, 4, 6, 3))
        for step in bottlenecks(count, 2 if stage else 1, version)
    ]
    return stem + stages


def vgg_block(count):
    return [Layer(3, padding=1)] * count + [Layer(2, 2)]


WIRED = {
    "LeNet-5": [Layer(5, padding=2), Layer(2, 2), Layer(5), Layer(2, 2)],
    "AlexNet": [
        Layer(11, 4, padding=2),
        Layer(3, 2),
        Layer(5, padding=2),
        Layer(3, 2),
        Layer(3, padding=1),
        Layer(3, padding=1),
        Layer(3, padding=1),
        Layer(3, 2),
    ],
    "VGG-16": [x for count in (2, 2, 3, 3, 3) for x in vgg_block(count)],
    "GoogLeNet": [
        Layer(7, 2, padding=3),
        CEIL_POOL,
        Layer(1),
        Layer(3, padding=1),
        CEIL_POOL,
        *inception() * 2,
        CEIL_POOL,
        *inception() * 5,
        CEIL_POOL,
        *inception() * 2,
    ],
    "ResNet-50, v1": resnet(version=1),
    "ResNet-50, v1.5": resnet(version=1.5),
}


def send(steps, x):
    """Send an (n, c, h, w) tensor through a network as it is wired."""
    for step in steps:
        if step == CEIL_POOL:
            x = F.avg_pool2d(x, 3, 2, ceil_mode=True)
        elif isinstance(step, Layer):
            weight = torch.full((1, 1, step.kernel, step.kernel), 1 / step.kernel**2)
            x = F.conv2d(x, weight.to(x), None, step.stride, step.padding)
        else:
            x = sum(send(branch, x) for branch in step)
    return x


@pytest.mark.parametrize("name", WIRED)
def test_fields_of_known_networks_are_those_of_torchs(name):
    layers = known_networks()[name]
    size, jump, start = receptive_field(layers)
    assert (
        size
        == {
            # as published, but for LeNet's and GoogLeNet's, which nobody lists
            "LeNet-5": 16,
            "AlexNet": 195,
            "VGG-16": 212,
            "GoogLeNet": 715,
            "ResNet-50, v1": 483,
            "ResNet-50, v1.5": 427,
        }[name]
    )
    length = size + 3 * jump
    x = torch.zeros(1, 1, length, length, requires_grad=True)
    y = send(WIRED[name], x)
    output = (y.shape[-1] - 1) // 2
    y[0, 0, output, output].backward()
    for axis in (0, 1):
        seen = np.flatnonzero(x.grad[0, 0].any(dim=axis))
        assert len(seen) == seen[-1] - seen[0] + 1 == size
        assert (seen[0] + seen[-1]) / 2 == start + output * jump
    assert gap_free(layers)
    small = {"LeNet-5": 28}.get(name, 224)
    outputs = send(WIRED[name], torch.zeros(1, 1, small, small)).shape[-1]
    assert outputs == {"LeNet-5": 5, "AlexNet": 6}.get(name, 7)


def test_a_stack_of_nothing_is_the_input():
    assert receptive_field([]) == ReceptiveField(1, 1, 0)
    assert receptive_fields(()) == []
    assert touched_inputs([], 4).tolist() == [False, True, False, False]
    assert gap_free([]) is True
    assert path_counts([]).tolist() == [1]
    assert path_spread([]) == 0


def test_a_layer():
    layer = Layer(np.int64(3), np.int32(2), padding=1)
    assert layer == Layer(kernel=3, stride=2, padding=1, dilation=1)
    assert [type(value) for value in vars(layer).values()] == [int] * 4
    with pytest.raises(FrozenInstanceError):
        layer.kernel = 5


# the effective field


def naive_side(gradient, threshold):
    largest = max(abs(value) for value in gradient.ravel().tolist())
    count = sum(
        abs(value) >= threshold * largest and value != 0
        for value in gradient.ravel().tolist()
    )
    return count ** (1 / gradient.ndim)


def test_the_effective_field_is_a_count():
    shapes = st.one_of(
        st.tuples(st.integers(1, 9)), st.tuples(st.integers(1, 6), st.integers(1, 6))
    )

    @given(
        shapes,
        st.sampled_from(("numpy", "torch")),
        st.sampled_from(("float32", "float64")),
        # none of them a share that eighths can have, but for the ends
        st.sampled_from((0, 0.03, 0.05, 0.3, 0.6, 1)),
        st.integers(0, 2**32 - 1),
    )
    def run(shape, kind, dtype, threshold, seed):
        facts = {
            "examples": True,
            kind: True,
            dtype: True,
            "one axis": len(shape) == 1,
            "two axes": len(shape) == 2,
            "one cell": shape in ((1,), (1, 1)),
            "ends": threshold in (0, 1),
        }
        gradient = np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype) / 8
        facts["zeros"] = not gradient.all()
        SEEN.update(("effective", name) for name, holds in facts.items() if holds)
        answer = effective_receptive_field(in_kind(gradient, kind), threshold=threshold)
        assert isinstance(answer, float)
        assert answer == pytest.approx(naive_side(gradient, threshold), rel=1e-12)
        if threshold == 0.05:
            assert effective_receptive_field(in_kind(gradient, kind)) == answer

    run()
    facts = ("numpy", "torch", "float32", "float64", "one axis", "two axes", "zeros")
    assert_spread(SEEN, "effective", (*facts, "ends", "one cell"))


def test_at_threshold_0_the_effective_field_counts_what_is_touched():
    @settings(max_examples=100)
    @given(some_layers(padding=0, most=3))
    def run(layers):
        size = receptive_field(layers).size
        gradient = torch_gradient(layers, size, lambda count: 0)
        touched = touched_inputs(layers, size)
        side = effective_receptive_field(gradient, threshold=0)
        assert side == touched.sum()
        square = np.outer(gradient, gradient)
        side = effective_receptive_field(square, threshold=0)
        assert side == pytest.approx(touched.sum())

    run()


def test_the_effective_field_of_a_gaussian():
    # exp(-t²/2σ²) is above 5 % up to t = σ √(2 ln 20)
    t = np.arange(-60, 61)
    for sigma in (1.5, 4, 10):
        gaussian = np.exp(-(t**2) / (2 * sigma**2))
        inside = 2 * int(sigma * np.sqrt(2 * np.log(20))) + 1
        assert effective_receptive_field(gaussian) == inside


def test_the_effective_field_of_our_own_backward_pass():
    weight = np.ones((1, 1, 3, 3))
    one = np.ones((1, 1, 1, 1))
    x = np.zeros((1, 1, 5, 5))
    inner, _, _ = conv2d_backward(one, np.zeros((1, 1, 3, 3)), weight)
    gradient, _, _ = conv2d_backward(inner, x, weight)
    # paths along an axis: 1 2 3 2 1; their products reach 5 % of 9 everywhere
    assert gradient[0, 0, 0].tolist() == [1, 2, 3, 2, 1]
    assert effective_receptive_field(gradient[0, 0]) == 5
    assert effective_receptive_field(gradient[0, 0], threshold=0.4) == 3


def test_lists_and_integers_are_read():
    assert effective_receptive_field([0, 1, 2, 40, 2, 1, 0]) == 3
    assert effective_receptive_field([[0, 0], [0, 0]]) == 0
    assert effective_receptive_field(np.zeros(3), threshold=0) == 0


def test_inputs_are_left_alone():
    gradient = np.array([[1.0, -2.0], [0.0, 3.0]])
    for x in (gradient.copy(), torch.from_numpy(gradient.copy())):
        effective_receptive_field(x)
        np.testing.assert_array_equal(np.asarray(x), gradient)
    layers = [Layer(3, dilation=2), Layer(2)]
    receptive_fields(layers)
    touched_inputs(layers, 9)
    assert layers == [Layer(3, dilation=2), Layer(2)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Layer(0), "kernel is 0, but must be an integer of at least 1"),
        (lambda: Layer(3.0), "kernel is 3.0, but must be an integer"),
        (lambda: Layer((3, 3)), r"kernel is \(3, 3\), but must be an integer"),
        (lambda: Layer(3, 0), "stride is 0, but must be an integer of at least 1"),
        (lambda: Layer(3, padding=-1), "padding is -1, but must be an integer of at"),
        (lambda: Layer(3, padding="same"), "padding is 'same', but must be an integer"),
        (lambda: Layer(3, dilation=0), "dilation is 0, but must be an integer of at"),
        (
            lambda: receptive_field(Layer(3)),
            "layers is Layer.*, but must be a sequence of Layer",
        ),
        (lambda: receptive_fields(3), "layers is 3, but must be a sequence of Layer"),
        (
            lambda: receptive_field([Layer(3), (3, 1)]),
            r"layers\[1\] is \(3, 1\), but must be a Layer",
        ),
        (lambda: gap_free(None), "layers is None, but must be a sequence of Layer"),
        (lambda: path_counts([3]), r"layers\[0\] is 3, but must be a Layer"),
        (lambda: path_spread(["3"]), r"layers\[0\] is '3', but must be a Layer"),
        (lambda: touched_inputs([3], 5), r"layers\[0\] is 3, but must be a Layer"),
        (
            lambda: touched_inputs([], 0),
            "size is 0, but must be an integer of at least 1",
        ),
        (lambda: touched_inputs([Layer(3)], 5.0), "size is 5.0, but must be an"),
        (
            lambda: touched_inputs([Layer(3), Layer(3, dilation=4)], 9),
            r"layers\[1\]: kernel 3 \(effective 9\) does not fit input 7",
        ),
        (
            lambda: effective_receptive_field(np.zeros((2, 0))),
            r"gradient of shape \(2, 0\) does not fit \(h, w\) or \(n,\)",
        ),
        (
            lambda: effective_receptive_field(torch.zeros(1, 2, 2)),
            r"gradient of shape \(1, 2, 2\) does not fit",
        ),
        (
            lambda: effective_receptive_field(None),
            r"gradient of shape \(\) does not fit",
        ),
        (lambda: effective_receptive_field("a"), "gradient holds"),
        (
            lambda: effective_receptive_field([1, np.nan]),
            "gradient holds NaN or infinity, but must be finite",
        ),
        (
            lambda: effective_receptive_field([1, np.inf]),
            "gradient holds NaN or infinity",
        ),
        (
            lambda: effective_receptive_field([1], threshold=1.5),
            r"threshold is 1.5, but must lie in \[0, 1\]",
        ),
        (
            lambda: effective_receptive_field([1], threshold=float("nan")),
            "threshold is nan, but must lie in",
        ),
        (
            lambda: effective_receptive_field([1], threshold="5 %"),
            "threshold is '5 %', but must lie in",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    gradient = torch.tensor([[0.0, 1.0], [0.01, 2.0]], device="cuda")
    assert effective_receptive_field(gradient) == pytest.approx(2**0.5)
