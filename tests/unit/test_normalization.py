"""Normalisation against torch, loops over every value, and centred differences."""

import math
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import (
    assert_matches,
    assert_spread,
    in_kind,
    leaf,
    numerical_gradient,
    relative_error,
)

from notebook_utils.normalization import (
    BatchNorm,
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    switchable_norm,
    switchable_norm_backward,
)

SEEN = Counter()
COMMON = ("torch", "numpy", "float32", "float64", "eps", "one example", "non-square")
NORMS = {
    "batch": (batch_norm, batch_norm_backward),
    "layer": (layer_norm, layer_norm_backward),
    "instance": (instance_norm, instance_norm_backward),
    "group": (group_norm, group_norm_backward),
    "switchable": (switchable_norm, switchable_norm_backward),
}
for_each_norm = pytest.mark.parametrize("norm", NORMS)
for_each_kind = pytest.mark.parametrize("kind", ["numpy", "torch"])


class Case(NamedTuple):
    norm: str
    kind: str
    dtype: str
    seed: int
    shape: tuple
    eps: float
    groups: int
    constant: bool  # the values of a channel, and of an example
    offset: float

    def changed(self):
        facts = {
            "examples": True,
            "torch": self.kind == "torch",
            "numpy": self.kind == "numpy",
            "float32": self.dtype == "float32",
            "float64": self.dtype == "float64",
            "eps": self.eps != 1e-5,
            "one example": self.shape[0] == 1,
            "empty batch": self.shape[0] == 0,
            "rows": len(self.shape) == 2,
            "other axes": len(self.shape) not in (2, 4),
            "images": len(self.shape) == 4,
            "non-square": len(self.shape) == 4 and self.shape[2] != self.shape[3],
            "constant": self.constant,
            "offset": self.offset != 0,
            "groups": self.groups > 1,
        }
        return [name for name, holds in facts.items() if holds]

    def parameter_shapes(self):
        per_value = self.norm == "layer"
        each = self.shape[1:] if per_value else self.shape[1:2]
        logits = [(3,), (3,)] if self.norm == "switchable" else []
        return [each, each, *logits]

    def arrays(self):
        """Draw x, the gradient of y, and the parameters, as NumPy."""
        rng = np.random.default_rng(self.seed)
        x = rng.standard_normal(self.shape) + self.offset
        if self.constant:
            x[:, :1] = x[:1] = 0.1
        shapes = (self.shape, *self.parameter_shapes())
        rest = [rng.standard_normal(shape) for shape in shapes]
        return [each.astype(self.dtype) for each in (x, *rest)]

    def options(self):
        groups = {"groups": self.groups} if self.norm == "group" else {}
        return {"eps": self.eps, **groups}

    def forward(self, x, *parameters):
        return NORMS[self.norm][0](x, *parameters, **self.options())

    def backward(self, grad_y, cache):
        return NORMS[self.norm][1](grad_y, cache)

    def torch(self, x, gamma, beta, *logits):
        """Normalise with torch's own function where it has one."""
        if self.shape[0] == 0:  # nothing to do, but F.instance_norm stumbles
            return x * 1
        if self.norm == "batch":
            return F.batch_norm(x, None, None, gamma, beta, True, eps=self.eps)
        if self.norm == "layer":
            return F.layer_norm(x, self.shape[1:], gamma, beta, self.eps)
        if self.norm == "instance":
            return F.instance_norm(x, weight=gamma, bias=beta, eps=self.eps)
        if self.norm == "group":
            return F.group_norm(x, self.groups, gamma, beta, self.eps)
        return torch_switchable(x, gamma, beta, *logits, eps=self.eps)


def torch_switchable(x, gamma, beta, mean_logits, var_logits, *, eps):
    """Follow the definition word by word; autograd does the rest."""
    sets = ((2, 3), (1, 2, 3), (0, 2, 3))
    mean = variance = 0
    for k, axes in enumerate(sets):
        mean = mean + mean_logits.softmax(0)[k] * x.mean(axes, keepdim=True)
        spread = x.var(axes, correction=0, keepdim=True)
        variance = variance + var_logits.softmax(0)[k] * spread
    channels = (1, -1, 1, 1)
    normalized = (x - mean) / torch.sqrt(variance + eps)
    return gamma.reshape(channels) * normalized + beta.reshape(channels)


def naive(case, x, gamma, beta, *logits):
    """Normalise value by value, from lists of the values that share statistics."""
    sharing = {
        "batch": lambda n, c, *place: c,
        "layer": lambda n, *place: n,
        "instance": lambda n, c, *place: (n, c),
        "group": lambda n, c, *place: (n, c * case.groups // x.shape[1]),
    }
    mixed = ("instance", "layer", "batch")
    parts = mixed if case.norm == "switchable" else (case.norm,)
    means, variances = [], []
    for part in parts:
        sets = defaultdict(list)
        for index in np.ndindex(x.shape):
            sets[sharing[part](*index)].append(float(x[index]))
        mean = {key: math.fsum(each) / len(each) for key, each in sets.items()}
        variance = {
            key: math.fsum((value - mean[key]) ** 2 for value in each) / len(each)
            for key, each in sets.items()
        }
        means.append(lambda index, m=mean, s=sharing[part]: m[s(*index)])
        variances.append(lambda index, v=variance, s=sharing[part]: v[s(*index)])
    weights = [[math.exp(value) for value in each] for each in logits] or [[1], [1]]
    w, v = ([value / math.fsum(each) for value in each] for each in weights)
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        mean = math.fsum(a * b(index) for a, b in zip(w, means, strict=True))
        variance = math.fsum(a * b(index) for a, b in zip(v, variances, strict=True))
        own = index[1:] if case.norm == "layer" else index[1]
        scale = gamma[own] / math.sqrt(variance + case.eps)
        y[index] = scale * (x[index] - mean) + beta[own]
    return y


@st.composite
def cases(draw, norm, kinds=("numpy", "torch"), tame=False):
    """Draw arguments that a norm accepts; tame ones can be differentiated by steps."""
    if norm == "layer":
        inner = draw(
            st.one_of(
                st.tuples(st.integers(2, 6)),
                st.tuples(st.integers(1, 4), st.integers(2, 3)),
                st.tuples(st.integers(1, 3), st.integers(2, 3), st.integers(1, 3)),
            )
        )
        shape = (draw(st.sampled_from((1, 2, 3, 0))), *inner)
        groups = 1
    else:
        groups = draw(st.sampled_from((1, 2, 3))) if norm == "group" else 1
        c = groups * draw(st.integers(1, 3))
        image = norm in ("instance", "switchable") or draw(st.booleans())
        space = (draw(st.integers(1, 4)), draw(st.integers(1, 4))) if image else ()
        n = draw(st.sampled_from((1, 2, 3, 4)))
        if norm in ("instance", "group") and draw(st.integers(0, 5)) == 0:
            n = 0
        count = math.prod(space)  # as many values share statistics
        count *= {"batch": n, "group": c // groups}.get(norm, 1)
        if count < 2 and image:
            space = (2, 3)
        elif count < 2 and norm == "batch":
            n = 3
        elif count < 2:
            c = 2 * groups
        shape = (n, c, *space)
    wild = not tame and shape[0] > 0
    constant = wild and draw(st.integers(0, 3)) == 0
    offset = draw(st.sampled_from((0, 0, 100.0))) if wild and not constant else 0
    return Case(
        norm=norm,
        kind=draw(st.sampled_from(kinds)),
        dtype="float64" if tame else draw(st.sampled_from(("float32", "float64"))),
        seed=draw(st.integers(0, 2**32 - 1)),
        shape=shape,
        # where a variance may be 0, 1e-5 would multiply rounding by 300
        eps=draw(st.sampled_from((0.1, 1.0) if constant else (1e-5, 1e-3, 1.0))),
        groups=groups,
        constant=constant,
        offset=offset,
    )


def spread(case_norm):
    more = {
        "batch": ("rows", "images", "constant", "offset"),
        "layer": ("rows", "other axes", "images", "constant", "offset", "empty batch"),
        "instance": ("images", "constant", "offset", "empty batch"),
        "group": ("rows", "images", "constant", "offset", "empty batch", "groups"),
        "switchable": ("images", "constant", "offset"),
    }
    return (*COMMON, *more[case_norm])


def conditioned(case, arrays):
    """Tell whether float32 carries enough digits through the smallest deviation."""
    if case.dtype == "float64" or case.shape[0] == 0:
        return True
    cache = case.forward(arrays[0].astype(np.float64), *arrays[2:])[1]
    return float(cache.deviation.min()) > 0.05


@for_each_norm
def test_values_and_gradients_are_torchs(norm):
    name = f"{norm}_norm"

    @given(cases(norm))
    def run(case):
        arrays = case.arrays()
        assume(conditioned(case, arrays))
        SEEN.update((name, option) for option in case.changed())
        x, grad_y, *parameters = (in_kind(each, case.kind) for each in arrays)
        y, cache = case.forward(x, *parameters)
        grads = case.backward(grad_y, cache)

        x, grad_y, *parameters = (leaf(each) for each in arrays)
        oracle = case.torch(x, *parameters)
        loose = case.dtype == "float32" and case.offset
        near = assert_near if loose else assert_matches
        near(y, oracle, case)
        leaves = [x, *parameters]
        if case.shape[0] == 0:
            oracles = [torch.zeros(each.shape) for each in leaves]
        else:
            oracles = torch.autograd.grad(oracle, leaves, grad_y)
        for grad, expected in zip(grads, oracles, strict=True):
            near(grad, expected, case)

    run()
    assert_spread(SEEN, name, spread(norm))


def assert_near(answer, oracle, case):
    """Compare float32 with the oracle where the input itself has fewer digits."""
    answer = np.asarray(answer)
    assert str(answer.dtype) == case.dtype
    scale = max(1.0, float(oracle.detach().abs().max()))
    np.testing.assert_allclose(answer, oracle.detach(), rtol=0, atol=1e-3 * scale)


@for_each_norm
def test_values_are_those_of_loops(norm):
    @settings(max_examples=100)
    @given(cases(norm, kinds=("numpy",)))
    def run(case):
        case = case._replace(dtype="float64")
        x, _, *parameters = case.arrays()
        y, _ = case.forward(x, *parameters)
        assert_matches(y, naive(case, x, *parameters), case)

    run()


@for_each_norm
def test_gradients_are_the_slopes(norm):
    @settings(max_examples=25)
    @given(cases(norm, kinds=("numpy",), tame=True))
    def run(case):
        case = case._replace(eps=1.0)
        x, grad_y, *parameters = case.arrays()
        grads = case.backward(grad_y, case.forward(x, *parameters)[1])
        inputs = [x, *parameters]
        for place, grad in enumerate(grads):

            def function(value, place=place):
                changed = [*inputs[:place], value, *inputs[place + 1 :]]
                return case.forward(*changed)[0]

            slope = numerical_gradient(function, inputs[place], grad_y)
            assert relative_error(grad, slope) < 1e-5

    run()


# batch_norm


def test_by_hand():
    # the deviations of 0, 6, 9 from their mean are −5, 1, 4, and their variance 14
    root = math.sqrt(14)
    y, cache = batch_norm([[0], [6], [9]], [root], [5], eps=0)
    np.testing.assert_allclose(y, [[0], [6], [9]], atol=1e-14)
    np.testing.assert_allclose(cache.normalized * root, [[-5], [1], [4]], atol=1e-14)
    assert (cache.mean.item(), cache.variance.item()) == (5, 14)
    grads = batch_norm_backward([[-5], [5], [3]], cache)
    np.testing.assert_allclose(grads[0], [[-1], [3], [-2]], atol=1e-14)
    np.testing.assert_allclose(grads[1], [3 * root])
    np.testing.assert_allclose(grads[2], [3])


@for_each_kind
def test_two_examples_are_plus_and_minus_one_and_get_no_gradient(kind):
    x = in_kind(np.array([[3.0, -1e6], [3.5, 7.0]]), kind)
    ones, zeros = in_kind(np.ones(2), kind), in_kind(np.zeros(2), kind)
    y, cache = batch_norm(x, ones, zeros, eps=0)
    assert y.tolist() == [[-1, -1], [1, 1]]
    grad_y = in_kind(np.array([[0.3, 2.0], [-1.0, 5.0]]), kind)
    grad_x, _, _ = batch_norm_backward(grad_y, cache)
    np.testing.assert_allclose(grad_x, np.zeros((2, 2)), atol=1e-15)


@for_each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_channels_give_beta(kind, dtype):
    x = in_kind(np.full((7, 2, 3, 3), 0.1, dtype), kind)
    gamma, beta = (in_kind(np.array(v, dtype), kind) for v in ([2, 3], [0.25, -1]))
    y, cache = batch_norm(x, gamma, beta)
    assert (y == beta[:, None, None]).all()
    grad_y = in_kind(np.random.default_rng(0).standard_normal(x.shape), kind)
    grad_x, grad_gamma, _ = batch_norm_backward(grad_y, cache)
    assert grad_gamma.tolist() == [0, 0]
    scale = np.array([2, 3])[:, None, None] / math.sqrt(1e-5)
    mean = np.asarray(grad_y).mean((0, 2, 3), keepdims=True)
    expected = scale * (np.asarray(grad_y) - mean)
    np.testing.assert_allclose(grad_x, expected, rtol=1e-6, atol=1e-4)


@for_each_norm
@for_each_kind
@pytest.mark.parametrize("offset", [1e3, 1e5, 1e6])
def test_float32_keeps_its_digits_beside_a_large_mean(norm, kind, offset):
    case = Case(norm, kind, "float32", 0, (64, 4, 8, 8), 1e-5, 2, False, offset)
    arrays = case.arrays()  # rounded to what float32 holds of them
    x, grad_y, *parameters = (in_kind(each, kind) for each in arrays)
    y, cache = case.forward(x, *parameters)
    grads = case.backward(grad_y, cache)
    exact = [each.astype(np.float64) for each in arrays]
    y_exact, cache_exact = case.forward(exact[0], *exact[2:])
    np.testing.assert_allclose(y, y_exact, atol=2e-5)
    for grad, wanted in zip(grads, case.backward(exact[1], cache_exact), strict=True):
        np.testing.assert_allclose(grad, wanted, rtol=2e-4, atol=2e-4)


def test_the_variance_of_a_difference_of_squares_would_not_do():
    # what a shortcut makes of the same values: the test above can fail
    x = (np.random.default_rng(0).standard_normal(64) + 1e5).astype(np.float32)
    shortcut = np.mean(x**2) - np.mean(x) ** 2
    assert abs(shortcut - np.var(x.astype(np.float64))) > 1


def test_a_channel_is_a_column():
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.standard_normal((3, 2, 4, 5)), [1.5, -2], [0.5, 3]
    rows = x.transpose(0, 2, 3, 1).reshape(-1, 2)
    y, _ = batch_norm(x, gamma, beta)
    flat, _ = batch_norm(rows, gamma, beta)
    np.testing.assert_allclose(y.transpose(0, 2, 3, 1).reshape(-1, 2), flat, atol=1e-14)


def test_groups_between_layer_and_instance():
    rng = np.random.default_rng(0)
    x, ones, zeros = rng.standard_normal((2, 6, 3, 3)), np.ones(6), np.zeros(6)
    one, _ = group_norm(x, ones, zeros, groups=1)
    layer, _ = layer_norm(x, np.ones((6, 3, 3)), np.zeros((6, 3, 3)))
    np.testing.assert_allclose(one, layer, atol=1e-14)
    each, _ = group_norm(x, ones, zeros, groups=6)
    np.testing.assert_allclose(each, instance_norm(x, ones, zeros)[0], atol=1e-14)


@pytest.mark.parametrize("part", range(3))
def test_switchable_at_its_ends(part):
    rng = np.random.default_rng(0)
    x, ones, zeros = rng.standard_normal((2, 3, 3, 4)), np.ones(3), np.zeros(3)
    logits = np.where(np.arange(3) == part, 0, -math.inf)
    y, cache = switchable_norm(x, ones, zeros, logits, logits)
    ends = (
        instance_norm(x, ones, zeros),
        group_norm(x, ones, zeros, groups=1),
        batch_norm(x, ones, zeros),
    )
    backwards = (instance_norm_backward, group_norm_backward, batch_norm_backward)
    np.testing.assert_allclose(y, ends[part][0], atol=1e-14)
    grad_y = rng.standard_normal(x.shape)
    ours = switchable_norm_backward(grad_y, cache)
    theirs = backwards[part](grad_y, ends[part][1])
    for one, other in zip(ours[:3], theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)
    assert ours[3].tolist() == ours[4].tolist() == [0, 0, 0]


def test_autograd_flows_through_the_forwards():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        options = {"generator": generator, "dtype": torch.float64}
        return torch.randn(shape, **options, requires_grad=True)

    x, gamma, beta = draw(2, 4, 2, 3), draw(4), draw(4)
    per_value, logits = (draw(4, 2, 3), draw(4, 2, 3)), (draw(3), draw(3))
    for function, inputs in (
        (batch_norm, (x, gamma, beta)),
        (instance_norm, (x, gamma, beta)),
        (layer_norm, (x, *per_value)),
        (lambda *a: group_norm(*a, groups=2), (x, gamma, beta)),
        (switchable_norm, (x, gamma, beta, *logits)),
    ):
        torch.autograd.gradcheck(lambda *a, f=function: f(*a)[0], inputs)


@for_each_norm
@for_each_kind
def test_inputs_are_left_alone_and_nan_stays_where_it_is(norm, kind):
    case = Case(norm, kind, "float64", 0, (3, 4, 2, 2), 1e-5, 2, False, 0)
    arrays = [in_kind(each, kind) for each in case.arrays()]
    x, grad_y, *parameters = arrays
    _, cache = case.forward(x, *parameters)
    kept = [np.asarray(each).copy() for each in cache if hasattr(each, "shape")]
    case.backward(grad_y, cache)
    for array, original in zip(arrays, case.arrays(), strict=True):
        np.testing.assert_array_equal(array, original)
    for array, original in zip(
        [each for each in cache if hasattr(each, "shape")], kept, strict=True
    ):
        np.testing.assert_array_equal(array, original)
    if norm != "switchable":
        holed = np.asarray(x).copy()
        holed[1, 3, 0, 0] = math.nan
        y, _ = case.forward(in_kind(holed, kind), *parameters)
        lost = np.isnan(np.asarray(y))
        alone = {
            "batch": np.s_[:, 3],
            "layer": np.s_[1],
            "instance": np.s_[1, 3],
            "group": np.s_[1, 2:],
        }
        assert lost[alone[norm]].all()
        assert lost.sum() == lost[alone[norm]].size


def test_lists_and_integers_become_doubles_and_eps_changes_no_type():
    y, cache = batch_norm([[1, 2], [3, 5], [4, 4]], [1, 1], [0, 0])
    assert y.dtype == cache.normalized.dtype == np.float64
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    ones = np.ones(2, np.float32)
    y, cache = batch_norm(x, ones, ones, eps=np.float64(1e-3))
    assert y.dtype == np.float32
    assert batch_norm_backward(y, cache)[0].dtype == np.float32


# BatchNorm


@for_each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("space", [(), (3, 2)])
def test_batchnorm_follows_torchs_for_100_steps(kind, dtype, space):
    rng = np.random.default_rng(0)
    options = {"momentum": 0.3, "eps": 1e-3}
    twin = (torch.nn.BatchNorm2d if space else torch.nn.BatchNorm1d)(3, **options)
    twin = twin.double()
    ours = BatchNorm(3, **options)
    gamma, beta = rng.standard_normal(3), rng.standard_normal(3)
    ours.gamma, ours.beta = gamma.copy(), beta.copy()
    with torch.no_grad():
        twin.weight.copy_(torch.from_numpy(gamma))
        twin.bias.copy_(torch.from_numpy(beta))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-10}
    for step in range(100):
        scale, shift = rng.uniform(0.5, 2, 2)
        x = shift + scale * rng.standard_normal((5, 3, *space))
        grad_y = rng.standard_normal(x.shape)
        x, grad_y = x.astype(dtype), grad_y.astype(dtype)
        for mode in ("train", "eval") if step % 10 == 0 else ("train",):
            assert getattr(ours, mode)() is ours
            getattr(twin, mode)()
            twin.zero_grad()
            at = leaf(x)
            oracle = twin(at)
            oracle.backward(leaf(grad_y).detach())
            y, cache = ours(in_kind(x, kind))
            grads = ours.backward(in_kind(grad_y, kind), cache)
            oracles = (oracle, at.grad, twin.weight.grad, twin.bias.grad)
            for answer, theirs in zip((y, *grads), oracles, strict=True):
                assert (type(answer) is np.ndarray) == (kind == "numpy")
                assert str(answer.dtype).removeprefix("torch.") == dtype
                np.testing.assert_allclose(answer, theirs.detach(), **tolerance)
        np.testing.assert_allclose(ours.running_mean, twin.running_mean, **tolerance)
        np.testing.assert_allclose(ours.running_var, twin.running_var, **tolerance)
    assert not np.allclose(ours.running_mean, 0)


def test_batchnorm_begins_as_torchs():
    ours, twin = BatchNorm(4), torch.nn.BatchNorm2d(4)
    assert (ours.momentum, ours.eps, ours.training) == (twin.momentum, twin.eps, True)
    for name, theirs in (
        ("gamma", twin.weight),
        ("beta", twin.bias),
        ("running_mean", twin.running_mean),
        ("running_var", twin.running_var),
    ):
        value = getattr(ours, name)
        assert value.dtype == np.float64
        assert value.tolist() == theirs.tolist()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_an_update_in_place_changes_no_other_array(kind):
    norm, x = BatchNorm(2).eval(), np.array([[1.0, 2.0]])
    if kind == "torch":
        x = torch.tensor(x)
    norm(x)
    norm.gamma *= 3
    norm.beta += 5
    assert norm.running_var.tolist() == [1, 1]
    assert norm.running_mean.tolist() == [0, 0]
    y, _ = norm(x)
    wanted = [[v / (1 + 1e-5) ** 0.5 * 3 + 5 for v in (1, 2)]]
    np.testing.assert_allclose(y, wanted)


def test_momentum_is_the_weight_of_the_new_batch():
    x = np.array([[1.0], [3.0], [5.0]])  # mean 3, unbiased variance 4, biased 8/3
    for momentum, mean, variance in ((0, 0, 1), (0.1, 0.3, 1.3), (1, 3, 4)):
        norm = BatchNorm(1, momentum=momentum)
        norm(x)
        np.testing.assert_allclose(norm.running_mean, [mean], atol=1e-15)
        np.testing.assert_allclose(norm.running_var, [variance])


def test_inference_leaves_the_running_statistics_alone_and_takes_single_examples():
    norm = BatchNorm(2)
    norm(np.random.default_rng(0).standard_normal((8, 2)))
    mean, variance = norm.running_mean, norm.running_var
    alone, _ = norm.eval()(np.array([[1.0, 2.0]]))
    together, _ = norm(np.array([[1.0, 2.0], [50.0, -7.0]]))
    np.testing.assert_array_equal(alone[0], together[0])
    assert norm(np.zeros((0, 2)))[0].shape == (0, 2)
    assert norm.running_mean is mean
    assert norm.running_var is variance
    with pytest.raises(ValueError, match="1 value per channel"):
        norm.train()(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(norm.running_mean, mean)


def test_batchnorm_keeps_no_graph_and_changes_kinds():
    norm = BatchNorm(2)
    x = torch.randn(5, 2, requires_grad=True)
    y, _ = norm(x)
    assert y.requires_grad
    assert not norm.running_mean.requires_grad
    assert norm.running_mean.dtype == torch.float32
    gamma = torch.ones(2, requires_grad=True)
    norm.gamma = gamma
    norm(x)[0].sum().backward()
    assert gamma.grad is not None
    y, _ = norm(np.ones((3, 2)))
    assert y.dtype == norm.running_mean.dtype == np.float64
    assert isinstance(norm.running_mean, np.ndarray)
    norm.gamma = [2, 3]
    assert norm(torch.ones(3, 2))[0].dtype == torch.float32


@st.composite
def foldings(draw):
    """Draw a dense layer or a convolution, with or without bias, and its input."""
    dense, biased = draw(st.booleans()), draw(st.booleans())
    c, i = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    kernel = () if dense else (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return {
        "kind": draw(st.sampled_from(("numpy", "torch"))),
        "dtype": draw(st.sampled_from(("float32", "float64"))),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "weight": (c, i, *kernel),
        "biased": biased,
        "eps": draw(st.sampled_from((1e-5, 0.1))),
    }


def test_fold_is_torchs_layer_and_batchnorm_in_one():
    @given(foldings())
    def run(case):
        rng = np.random.default_rng(case["seed"])
        c, i, *kernel = case["weight"]
        facts = {
            "examples": True,
            "torch": case["kind"] == "torch",
            "numpy": case["kind"] == "numpy",
            "float32": case["dtype"] == "float32",
            "float64": case["dtype"] == "float64",
            "dense": not kernel,
            "convolution": bool(kernel),
            "bias": case["biased"],
            "no bias": not case["biased"],
            "eps": case["eps"] != 1e-5,
        }
        SEEN.update(("fold", name) for name, holds in facts.items() if holds)
        weight = rng.standard_normal(case["weight"]).astype(case["dtype"])
        bias = rng.standard_normal(c).astype(case["dtype"])
        x = torch.from_numpy(rng.standard_normal((2, i, 4, 5) if kernel else (2, i)))
        norm = BatchNorm(c, eps=case["eps"])
        twin = (torch.nn.BatchNorm2d if kernel else torch.nn.BatchNorm1d)(
            c, eps=case["eps"], dtype=torch.float64
        ).eval()
        with torch.no_grad():
            for name, theirs in (
                ("gamma", twin.weight),
                ("beta", twin.bias),
                ("running_mean", twin.running_mean),
                ("running_var", twin.running_var),
            ):
                values = rng.standard_normal(c)
                values = values**2 + 0.1 if name == "running_var" else values
                setattr(norm, name, values)
                theirs.copy_(torch.from_numpy(values))
        given_bias = in_kind(bias, case["kind"]) if case["biased"] else None
        folded = norm.fold(in_kind(weight, case["kind"]), given_bias)
        for each in folded:
            assert (type(each) is np.ndarray) == (case["kind"] == "numpy")
            assert str(each.dtype).removeprefix("torch.") == case["dtype"]
        layer = F.conv2d if kernel else F.linear
        before = (leaf(weight), leaf(bias) if case["biased"] else None)
        wanted = twin(layer(x, *before)).detach()
        found = layer(x, *(leaf(each) for each in folded)).detach()
        tolerance = 1e-4 if case["dtype"] == "float32" else 1e-10
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)

    run()
    options = ("torch", "numpy", "float32", "float64", "dense", "convolution")
    assert_spread(SEEN, "fold", (*options, "bias", "no bias", "eps"))


def test_folding_changes_nothing_but_the_kind_and_ignores_the_mode():
    norm = BatchNorm(2)
    norm(np.random.default_rng(0).standard_normal((8, 2)) + 3)
    weight = in_kind(np.eye(2), "numpy")
    state = [norm.gamma, norm.beta, norm.running_mean, norm.running_var]
    folded, shift = norm.fold(weight)
    again, _ = norm.eval().fold(weight.tolist(), [0, 0])
    np.testing.assert_array_equal(folded, again)
    after = [norm.gamma, norm.beta, norm.running_mean, norm.running_var]
    assert all(a is b for a, b in zip(state, after, strict=True))
    x = np.array([[1.0, -2.0]])
    np.testing.assert_allclose(x @ folded.T + shift, norm(x)[0], atol=1e-14)


# what is refused


X, ONES, ZEROS = np.ones((2, 4, 3, 3)), np.ones(4), np.zeros(4)
VARIED = np.random.default_rng(0).standard_normal(X.shape)
CACHE = batch_norm(X, ONES, ZEROS)[1]
LOGITS = np.zeros(3)


def mixed(x=VARIED, mean_logits=LOGITS, var_logits=LOGITS, **options):
    return switchable_norm(x, ONES, ZEROS, mean_logits, var_logits, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: batch_norm(X[0], ONES, ZEROS),
            r"x of shape \(4, 3, 3\) does not fit \(n, c\) or \(n, c, h, w\): "
            "it has 3 axes",
        ),
        (
            lambda: instance_norm(X[0], ONES, ZEROS),
            r"does not fit \(n, c, h, w\): it has 3 axes",
        ),
        (
            lambda: batch_norm(X, ONES[:3], ZEROS),
            r"gamma of shape \(3,\) .*: c is 3, but must be 4 as in x of shape",
        ),
        (
            lambda: batch_norm(X, ONES, X),
            r"beta of shape .* it has 4 axes, but needs 1",
        ),
        (
            lambda: batch_norm(X[:1, :, :1, :1], ONES, ZEROS),
            r"x of shape \(1, 4, 1, 1\) has 1 value per channel, but needs at least 2",
        ),
        (
            lambda: batch_norm(X[:0], ONES, ZEROS),
            r"x of shape \(0, 4, 3, 3\) has 0 values per channel",
        ),
        (lambda: batch_norm(X[0, :1, 0], ONES[:3], ZEROS[:3]), "1 value per channel"),
        (
            lambda: instance_norm(X[..., :1, :1], ONES, ZEROS),
            "has 1 value per channel of an image",
        ),
        (
            lambda: layer_norm(X[:, :1, 0, 0], [1], [0]),
            r"x of shape \(2, 1\) has 1 value per example",
        ),
        (
            lambda: group_norm(X[..., 0, 0], ONES, ZEROS, groups=4),
            "has 1 value per group of channels",
        ),
        (
            lambda: group_norm(X, ONES, ZEROS, groups=3),
            "groups 3 must divide the 4 channels: 1, 2, 4 would",
        ),
        (
            lambda: group_norm(X[:, :0], [], [], groups=1),
            "groups 1 must divide the 0 channels: none would",
        ),
        (lambda: group_norm(X, ONES, ZEROS, groups=0), "groups is 0, but must be"),
        (lambda: group_norm(X, ONES, ZEROS, groups=2.0), "groups is 2.0, but must be"),
        (
            lambda: layer_norm(ONES, 1, 0),
            r"x of shape \(4,\) does not fit \(n, ...\): it has 1 axes, but needs at",
        ),
        (
            lambda: layer_norm(X, ONES, ZEROS),
            r"gamma of shape \(4,\) does not fit x of shape \(2, 4, 3, 3\): it must be "
            r"\(4, 3, 3\)",
        ),
        (lambda: layer_norm(X, X[0], X), "beta of shape .* does not fit x of shape"),
        (lambda: batch_norm(X, ONES, ZEROS, eps=-1e-5), "eps is -1e-05, but must be"),
        (lambda: layer_norm(X, X[0], X[0], eps=math.nan), "eps is nan, but must be"),
        (lambda: instance_norm(X, ONES, ZEROS, eps=math.inf), "eps is inf, but"),
        (lambda: batch_norm(X, ONES, ZEROS, eps="1"), "eps is '1', but must be"),
        (lambda: mixed(eps=True), "eps is True, but must be a finite number"),
        (
            lambda: batch_norm(X, ONES, ZEROS, eps=0),
            "eps is 0, but must be positive: all values of some channel of x are the",
        ),
        (
            lambda: group_norm(X, ONES, ZEROS, groups=2, eps=0),
            "all values of some group of channels of x are the same",
        ),
        (
            lambda: batch_norm(X, torch.ones(4), ZEROS),
            "NumPy arrays .* are mixed with torch tensors",
        ),
        (lambda: batch_norm(X * 1j, ONES, ZEROS), "x holds complex128"),
        (
            lambda: batch_norm_backward(X[:1], CACHE),
            r"grad_y of shape \(1, 4, 3, 3\) does not fit y of shape \(2, 4, 3, 3\)",
        ),
        (
            lambda: layer_norm_backward(X, CACHE),
            "cache comes from batch_norm, but must be what layer_norm returned",
        ),
        (
            lambda: instance_norm_backward(X, mixed()[1]),
            "cache comes from SwitchableCache, but must be what instance_norm returned",
        ),
        (
            lambda: switchable_norm_backward(X, CACHE),
            "cache comes from Cache, but must be what switchable_norm returned",
        ),
        (
            lambda: group_norm_backward(X, None),
            "cache comes from NoneType, but must be what group_norm returned",
        ),
        (
            lambda: batch_norm_backward(torch.ones(2, 4, 3, 3), CACHE),
            r"NumPy arrays \(cache\) are mixed with torch tensors \(grad_y\)",
        ),
        (
            lambda: mixed(mean_logits=[0, 1]),
            r"mean_logits of shape \(2,\) does not fit \(3\): an axis is 2, but must",
        ),
        (lambda: mixed(var_logits=0), "var_logits of shape .*: it has 0 axes"),
        (
            lambda: mixed(mean_logits=[0, 1, math.nan]),
            r"mean_logits is \[0.0, 1.0, nan\], but must hold numbers",
        ),
        (lambda: mixed(var_logits=[0, math.inf, 0]), "var_logits is .*inf"),
        (lambda: mixed(var_logits=[-math.inf] * 3), "var_logits is .*inf"),
        (lambda: mixed(VARIED[..., :1, :1]), "1 value per channel of an image"),
        (lambda: mixed(VARIED[:0]), "0 values per channel"),
        (lambda: mixed(VARIED[0]), r"does not fit \(n, c, h, w\)"),
        (lambda: mixed(X, eps=0), "all values of some channel of an image of x"),
        (lambda: BatchNorm(0), "channels is 0, but must be an integer of at least 1"),
        (lambda: BatchNorm(2, momentum=1.1), r"momentum is 1.1, but must lie in \[0,"),
        (lambda: BatchNorm(2, momentum=None), "momentum is None, but must lie in"),
        (lambda: BatchNorm(2, momentum=True), "momentum is True, but must lie in"),
        (lambda: BatchNorm(2, eps=-1), "eps is -1, but must be"),
        (lambda: BatchNorm(3)(X), r"gamma of shape \(3,\) .*: c is 3, but must be 4"),
        (lambda: BatchNorm(3).eval()(X), r"gamma of shape \(3,\) .*: c is 3, but must"),
        (lambda: BatchNorm(4)(X[0]), r"does not fit \(n, c\) or \(n, c, h, w\)"),
        (lambda: BatchNorm(4).backward(X, None), "cache comes from NoneType"),
        (
            lambda: BatchNorm(3).fold(X[:, :, 0, 0]),
            r"weight of shape \(2, 4\) .*: c is 2, but must be 3 as in gamma of shape",
        ),
        (
            lambda: BatchNorm(4).fold(X[0]),
            r"weight of shape \(4, 3, 3\) does not fit \(c, i, kh, kw\): it has 3",
        ),
        (
            lambda: BatchNorm(2).fold(X, ONES),
            r"bias of shape \(4,\) .*: c is 4, but must be 2",
        ),
        (
            lambda: BatchNorm(4).backward(X[0], BatchNorm(4).eval()(X)[1]),
            "grad_y of shape",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_torch_refuses_is_refused():
    one = torch.ones(1, 2, 1, 1)
    for theirs, ours in ((F.batch_norm, batch_norm), (F.instance_norm, instance_norm)):
        arguments = (None, None, None, None, True) if theirs is F.batch_norm else ()
        with pytest.raises(ValueError, match="Expected more than 1"):
            theirs(one, *arguments)
        with pytest.raises(ValueError, match="has 1 value per channel"):
            ours(one, torch.ones(2), torch.zeros(2))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@for_each_norm
def test_on_cuda(norm):
    @settings(max_examples=50)
    @given(cases(norm, kinds=("cuda",)))
    def run(case):
        # NumPy is the oracle here, on doubles: float32 on a GPU may round more coarsely
        case = case._replace(dtype="float64")
        arrays = case.arrays()
        y, cache = case.forward(arrays[0], *arrays[2:])
        expected = (y, *case.backward(arrays[1], cache))
        x, grad_y, *parameters = (in_kind(each, "cuda") for each in arrays)
        y, cache = case.forward(x, *parameters)
        for answer, oracle in zip(
            (y, *case.backward(grad_y, cache)), expected, strict=True
        ):
            assert_matches(answer, oracle, case)

    run()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batchnorm_on_cuda():
    x = np.random.default_rng(0).standard_normal((5, 3, 2, 2))
    ours, theirs = BatchNorm(3), BatchNorm(3)
    for mode in ("train", "eval"):
        y, _ = getattr(ours, mode)()(x)
        on_device, _ = getattr(theirs, mode)()(in_kind(x, "cuda"))
        assert on_device.device.type == theirs.running_var.device.type == "cuda"
        np.testing.assert_allclose(on_device.cpu(), y, atol=1e-12)
    np.testing.assert_allclose(theirs.running_var.cpu(), ours.running_var, atol=1e-12)
