"""Information against SciPy, against scikit-learn, and against loops."""

import itertools
import math
from collections import Counter

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_matches, assert_spread, in_kind
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from sklearn.metrics import mutual_info_score

from notebook_utils.explorers import information_theory as page
from notebook_utils.information import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_entropy,
    joint_from_samples,
    js_divergence,
    kl_divergence,
    mutual_information,
    pointwise_mutual_information,
    self_information,
)

SEEN = Counter()
BASES = (2, math.e, 10, 0.5, 3)
OF_JOINT = (
    joint_entropy,
    conditional_entropy,
    mutual_information,
    pointwise_mutual_information,
)
OF_TWO = (cross_entropy, kl_divergence, js_divergence)
FACTS = ("numpy", "torch", "float32", "float64", "base", "batch", "zeros", "one value")


class Case:
    """Random distributions; `shape` is that of the batch, `sizes` that of one."""

    def __init__(self, data, axes):
        draw = data.draw
        self.kind = draw(st.sampled_from(("numpy", "torch")))
        self.dtype = draw(st.sampled_from(("float32", "float64")))
        self.base = draw(st.sampled_from(BASES))
        self.shape = draw(st.sampled_from(((), (), (1,), (3,), (2, 3), (0,))))
        self.sizes = tuple(draw(st.integers(1, 5)) for _ in range(axes))
        self.sparse = draw(st.booleans())
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def distribution(self):
        """Draw weights, many of them 0 where the case is sparse, and normalise them."""
        weights = self.rng.gamma(0.7, size=self.shape + self.sizes) + 1e-6
        if self.sparse:
            keep = self.rng.random(weights.shape) < 0.6
            # one value of each distribution stays: the first
            keep[(..., *(0 for _ in self.sizes))] = True
            weights = weights * keep
        axes = tuple(range(-len(self.sizes), 0))
        return (weights / weights.sum(axis=axes, keepdims=True)).astype(self.dtype)

    def note(self, function, p):
        facts = {
            "examples": True,
            self.kind: True,
            self.dtype: True,
            "base": self.base != 2,
            "batch": self.shape != (),
            "empty batch": 0 in self.shape,
            "zeros": p.size > 0 and not p.all(),
            "one value": 1 in self.sizes,
        }
        name = function.__name__
        SEEN.update((name, fact) for fact, holds in facts.items() if holds)
        hypothesis.note(f"{name} {self.kind} {self.dtype} {self.base} {p}")

    def compare(self, function, oracles, *arrays):
        """Compare a function with oracles of single float64 distributions."""
        self.note(function, arrays[0])
        keywords = {} if self.base == 2 else {"base": self.base}
        inputs = [in_kind(each, self.kind) for each in arrays]
        answer = function(*inputs, **keywords)
        exact = [each.astype(np.float64) for each in arrays]
        inner = self.sizes if function is pointwise_mutual_information else ()
        if self.kind == "numpy":
            answer = np.asarray(answer)
        for oracle in oracles:
            parts = [np.asarray(oracle(*each)) for each in self.each(exact)]
            expected = np.array(parts, np.float64).reshape(self.shape + inner)
            assert_matches(answer, expected / math.log(self.base), self)

    def each(self, arrays):
        """Iterate over the distributions of a batch."""
        for index in np.ndindex(self.shape):
            yield [array[index] for array in arrays]


# the definitions, in nats, one cell at a time


def loop_entropy(p):
    return -sum(each * math.log(each) for each in np.ravel(p) if each)


def loop_conditional(joint):
    answer = 0.0
    for row in joint:
        for cell in row:
            if cell:
                answer -= cell * math.log(cell / sum(row))
    return answer


def loop_pmi(joint):
    answer = np.full(joint.shape, -math.inf)
    for i, j in np.ndindex(joint.shape):
        if joint[i, j]:
            product = sum(joint[i]) * sum(joint[:, j])
            answer[i, j] = math.log(joint[i, j] / product)
    return answer


def loop_mutual(joint):
    pmi = loop_pmi(joint)
    return sum(joint[at] * pmi[at] for at in np.ndindex(joint.shape) if joint[at])


def loop_cross(p, q):
    answer = 0.0
    for a, b in zip(p, q, strict=True):
        if a:
            answer += -a * math.log(b) if b else math.inf
    return answer


def loop_divergence(p, q):
    answer = 0.0
    for a, b in zip(p, q, strict=True):
        if a:
            answer += a * math.log(a / b) if b else math.inf
    return answer


def loop_js(p, q):
    mean = (p + q) / 2
    return (loop_divergence(p, mean) + loop_divergence(q, mean)) / 2


# libraries, in nats


def scipy_mutual(joint):
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return np.sum(rel_entr(joint, product))


def scipy_cross(p, q):
    return stats.entropy(p) + np.sum(rel_entr(p, q))


def scipy_js(p, q):
    # it divides by the sums, and rounding under its root may leave NaN
    return np.nan_to_num(jensenshannon(p, q)) ** 2


def test_entropy():
    @given(st.data())
    def run(data):
        case = Case(data, axes=1)
        case.compare(entropy, (loop_entropy, stats.entropy), case.distribution())

    run()
    assert_spread(SEEN, "entropy", (*FACTS, "empty batch"))


@pytest.mark.parametrize(
    ("function", "oracles"),
    [
        (joint_entropy, (loop_entropy, lambda joint: stats.entropy(joint.ravel()))),
        (
            conditional_entropy,
            (
                loop_conditional,
                lambda joint: (
                    stats.entropy(joint.ravel()) - stats.entropy(joint.sum(1))
                ),
            ),
        ),
        (mutual_information, (loop_mutual, scipy_mutual)),
        (pointwise_mutual_information, (loop_pmi,)),
    ],
)
def test_functions_of_a_joint(function, oracles):
    @given(st.data())
    def run(data):
        case = Case(data, axes=2)
        case.compare(function, oracles, case.distribution())

    run()
    assert_spread(SEEN, function.__name__, (*FACTS, "empty batch"))


@pytest.mark.parametrize(
    ("function", "oracles"),
    [
        (cross_entropy, (loop_cross, scipy_cross)),
        (kl_divergence, (loop_divergence, lambda p, q: np.sum(rel_entr(p, q)))),
        (js_divergence, (loop_js, scipy_js)),
    ],
)
def test_functions_of_two_distributions(function, oracles):
    infinite = Counter()

    @given(st.data())
    def run(data):
        case = Case(data, axes=1)
        p, q = case.distribution(), case.distribution()
        infinite["found"] += bool(np.any((p > 0) & (q == 0)))
        case.compare(function, oracles, p, q)

    run()
    assert_spread(SEEN, function.__name__, (*FACTS, "empty batch"))
    assert infinite["found"] >= 50


def test_self_information():
    @given(st.data())
    def run(data):
        case = Case(data, axes=2)
        p = case.rng.random(case.shape + case.sizes).astype(case.dtype)
        if case.sparse:
            p = np.round(p, 1)  # with zeros and ones
        case.note(self_information, p)
        SEEN["self_information", "ones"] += bool((p == 1).any())
        keywords = {} if case.base == 2 else {"base": case.base}
        answer = self_information(in_kind(p, case.kind), **keywords)
        with np.errstate(divide="ignore"):
            expected = -np.log(p.astype(float)) / math.log(case.base)
        assert_matches(answer, expected, case)

    run()
    assert_spread(SEEN, "self_information", (*FACTS, "empty batch", "ones"))


def test_joint_from_samples_counts():
    @given(st.data())
    def run(data):
        draw = data.draw
        n = draw(st.integers(1, 12))
        values = st.lists(st.integers(-2, 3), min_size=n, max_size=n)
        x, y = (np.array(draw(values)) for _ in range(2))
        kind = draw(st.sampled_from(("numpy", "torch")))
        dtype = draw(st.sampled_from(("int64", "float32", "float64", "list")))
        facts = ("examples", kind, dtype, *(("one sample",) if n == 1 else ()))
        SEEN.update(("joint_from_samples", fact) for fact in facts)
        if dtype == "list":
            # beside a tensor, a list becomes one
            inputs = [in_kind(x, kind), y.tolist()]
        else:
            inputs = [in_kind(each.astype(dtype), kind) for each in (x, y)]
        answer = joint_from_samples(*inputs)
        assert isinstance(answer, np.ndarray if kind == "numpy" else torch.Tensor)
        assert str(answer.dtype).endswith("float32" if dtype == "float32" else "64")
        pairs = list(zip(x, y, strict=True))
        expected = [
            [pairs.count((a, b)) / n for b in sorted({*y})] for a in sorted({*x})
        ]
        np.testing.assert_allclose(np.asarray(answer), expected, rtol=1e-6)
        exact = np.array(expected)
        shared = mutual_information(exact / exact.sum(), base=math.e)
        assert shared == pytest.approx(mutual_info_score(x, y), abs=1e-6)

    run()
    facts = ("numpy", "torch", "int64", "float32", "float64", "list")
    assert_spread(SEEN, "joint_from_samples", facts)
    assert SEEN["joint_from_samples", "one sample"]


def test_mutual_information_is_scikit_learns():
    counts = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))

    @given(counts)
    def run(case):
        rows, columns, seed = case
        table = np.random.default_rng(seed).integers(0, 4, (rows, columns))
        table[0, 0] += 1
        shared = mutual_information(table / table.sum(), base=math.e)
        theirs = mutual_info_score(None, None, contingency=table)
        assert shared == pytest.approx(theirs, abs=1e-12)

    run()


def test_samples_are_told_apart_as_they_are_given():
    large = [2**53, 2**53 + 1]  # one number, as floats
    for x in (large, np.array(large), torch.tensor(large)):
        assert joint_from_samples(x, x).tolist() == [[0.5, 0], [0, 0.5]]
    assert joint_from_samples([True, False], [1, 1]).tolist() == [[0.5], [0.5]]
    assert joint_from_samples([0.0, -0.0], [1, 1]).tolist() == [[1]]


# what theory says


def joints():
    return st.builds(
        lambda seed, sizes: (
            np.random.default_rng(seed)
            .dirichlet(np.full(sizes[0] * sizes[1], 0.5))
            .reshape(sizes)
        ),
        st.integers(0, 2**32 - 1),
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
    )


def test_the_identities():
    @given(joints())
    def run(joint):
        p_x, p_y = joint.sum(axis=1), joint.sum(axis=0)
        h_x, h_y, both = entropy(p_x), entropy(p_y), joint_entropy(joint)
        y_left, x_left = conditional_entropy(joint), conditional_entropy(joint.T)
        shared = mutual_information(joint)
        near = {"abs": 1e-12}
        assert y_left == pytest.approx(both - h_x, **near)
        assert shared == pytest.approx(h_x - x_left, **near)
        assert shared == pytest.approx(h_y - y_left, **near)
        assert shared == pytest.approx(h_x + h_y - both, **near)
        assert shared == pytest.approx(both - x_left - y_left, **near)
        assert shared == pytest.approx(mutual_information(joint.T), **near)
        product = np.outer(p_x, p_y)
        divergence = kl_divergence(joint.ravel(), product.ravel())
        assert shared == pytest.approx(divergence, **near)
        pmi = pointwise_mutual_information(joint)
        mean = np.sum(joint[joint > 0] * pmi[joint > 0])
        assert shared == pytest.approx(mean, **near)
        some = p_x > 0
        rows = joint[some] / p_x[some, None]
        each = kl_divergence(rows, np.broadcast_to(p_y, rows.shape))
        assert shared == pytest.approx(np.sum(p_x[some] * each), **near)
        slack = 1e-12
        assert max(h_x, h_y) - slack <= both <= h_x + h_y + slack
        assert h_x <= math.log2(len(p_x)) + slack
        assert min(shared, y_left, x_left) >= 0

    run()


def test_divergences_keep_their_bounds():
    @given(st.data())
    def run(data):
        case = Case(data, axes=1)
        case.dtype = "float64"
        p, q = case.distribution(), case.distribution()
        divergence, js = kl_divergence(p, q), js_divergence(p, q)
        assert np.all(divergence >= 0)
        assert np.all((js >= 0) & (js <= 1 + 1e-12))
        np.testing.assert_allclose(js, js_divergence(q, p), atol=1e-14)
        gap = np.asarray(cross_entropy(p, q) - entropy(p))
        np.testing.assert_allclose(gap, divergence, atol=1e-12)
        for each in (kl_divergence, js_divergence):
            assert np.all(each(p, p) == 0)

    run()


def test_rounding_makes_nothing_negative():
    rng = np.random.default_rng(0)
    for dtype, kind in itertools.product(("float32", "float64"), ("numpy", "torch")):
        p = rng.dirichlet(np.ones(4), 300)
        q = rng.dirichlet(np.ones(3), 300)
        product = in_kind((p[:, :, None] * q[:, None, :]).astype(dtype), kind)
        shared = np.asarray(mutual_information(product))
        assert shared.min() >= 0
        assert shared.max() <= 1e-6


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_ends(kind):
    one, half = in_kind(np.array([1.0]), kind), in_kind(np.array([0.5, 0.5]), kind)
    sure = in_kind(np.array([1.0, 0.0]), kind)
    other = in_kind(np.array([0.0, 1.0]), kind)
    assert float(entropy(one)) == float(entropy(sure)) == 0
    assert math.copysign(1, float(entropy(one))) == 1  # no minus zero
    assert math.copysign(1, float(self_information(1.0))) == 1
    assert float(entropy(half)) == 1
    assert float(kl_divergence(sure, half)) == float(cross_entropy(sure, half)) == 1
    assert (
        float(kl_divergence(half, sure)) == float(cross_entropy(half, sure)) == math.inf
    )
    assert float(js_divergence(sure, other)) == 1
    assert self_information(0.0) == math.inf
    assert self_information([0.5, 0.25, 1]).tolist() == [1, 2, 0]


def test_a_hand_made_joint():
    joint = [[1 / 2, 0], [1 / 4, 1 / 4]]
    assert joint_entropy(joint) == pytest.approx(1.5)
    assert conditional_entropy(joint) == pytest.approx(0.5)
    h_y = 2 - 0.75 * math.log2(3)
    assert mutual_information(joint) == pytest.approx(1 + h_y - 1.5)
    expected = [[math.log2(4 / 3), -math.inf], [math.log2(2 / 3), 1]]
    np.testing.assert_allclose(pointwise_mutual_information(joint), expected)


def test_values_that_never_occur_change_nothing():
    joint = np.array([[0.5, 0.25], [0.0, 0.25]])
    padded = np.pad(joint, ((0, 2), (1, 0)))
    for function in OF_JOINT[:3]:
        assert function(padded) == pytest.approx(function(joint), rel=1e-15)
    pmi = pointwise_mutual_information(padded)
    assert np.all(pmi[padded == 0] == -math.inf)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_smallest_probabilities(kind):
    for tiny in (1e-300, 5e-324):
        p = in_kind(np.array([tiny, 1.0]), kind)
        q = in_kind(np.array([0.0, 1.0]), kind)
        joint = in_kind(np.array([[tiny, 0.0], [0.0, 1.0]]), kind)
        assert float(entropy(p)) == pytest.approx(0, abs=1e-290)
        assert float(js_divergence(p, q)) == pytest.approx(0, abs=1e-290)
        assert float(kl_divergence(q, p)) == 0
        assert float(kl_divergence(p, q)) == math.inf
        assert float(mutual_information(joint)) == pytest.approx(0, abs=1e-290)
        pmi = pointwise_mutual_information(joint)
        assert float(pmi[0, 0]) == pytest.approx(-math.log2(tiny), rel=1e-12)


def test_a_sum_may_be_off_by_rounding():
    off = 0.9e-6
    for p in ([0.5, 0.5 + off], [0.5, 0.5 - off]):
        assert entropy(p) == pytest.approx(1, abs=1e-5)
    assert self_information(1 + off) == 0
    large = np.full((1000, 50), 1 / 50_000, np.float32)
    assert joint_entropy(large) == pytest.approx(math.log2(50_000), rel=1e-5)


def test_autograd_flows_through_also_at_zero():
    p = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.25, 0.75, 0.0], dtype=torch.float64, requires_grad=True)
    joint = torch.diag(q.detach()).requires_grad_()
    for function in (entropy, cross_entropy, kl_divergence, js_divergence):
        function(*([p] if function is entropy else [p, q])).backward()
    for function in OF_JOINT[:3]:
        function(joint).backward()
    for each in (p, q, joint):
        assert torch.all(torch.isfinite(each.grad))


def test_lists_integers_and_float32():
    assert entropy([1, 0]).dtype == np.float64
    assert entropy(np.array([0, 1])).dtype == np.float64
    assert entropy(np.float32([0.5, 0.5])).dtype == np.float32
    mixed = kl_divergence(torch.tensor([0.5, 0.5]), [0.25, 0.75])
    assert isinstance(mixed, torch.Tensor)
    assert self_information(np.float32(0.5)).dtype == np.float32


def test_inputs_are_left_alone():
    joint = np.array([[0.5, 0.25], [0.0, 0.25]])
    for x in (joint.copy(), torch.from_numpy(joint.copy())):
        for function in OF_JOINT:
            function(x)
        for function in OF_TWO:
            function(x[:, 1] * 2, x[0] / x[0].sum())
        entropy(x[:, 1] * 2)
        self_information(x)[...] = 3  # an answer is not a view of its input
        pointwise_mutual_information(x)[...] = 3
        joint_from_samples(x[0], x[1])[...] = 3
        np.testing.assert_array_equal(np.asarray(x), joint)


# the explorer


def numbers(text):
    text = text.replace("−", "-").replace("∞", "inf").replace(" and ", " ")
    return [float(each) for each in text.replace("=", "").split() if each not in "+-"]


def test_the_explorer_reads_what_scipy_says():
    for setting in page.explorer.settings():
        p, zero, one = setting.values()
        rows = np.array([[1 - zero, zero], [1 - one, one]])
        joint = np.array([[1 - p], [p]]) * rows
        h_x, h_y, both = (
            stats.entropy(each, base=2)
            for each in (joint.sum(axis=1), joint.sum(axis=0), joint.ravel())
        )
        lines = [numbers(text) for text in page.explorer.read(**setting).values()]
        expected = [
            [h_x, both - h_x, both],
            [h_y, both - h_x, h_x + h_y - both],
            [stats.entropy(*rows, base=2), stats.entropy(*rows[::-1], base=2)],
            [scipy_js(*rows) / math.log(2)],
        ]
        for line, values in zip(lines, expected, strict=True):
            np.testing.assert_allclose(line, values, atol=0.0006)


def test_the_explorer_draws_probabilities_as_areas():
    for setting in page.explorer.settings():
        joint = page.joint_of(**setting)
        areas = [w * h for (_, _, w, h), _, _ in page.cells(**setting)]
        np.testing.assert_allclose(areas, page.SIDE**2 * joint.ravel(), atol=1e-12)
        (only_x, shared, only_y) = page.parts_key(**setting)["parts"]
        assert only_x + shared + only_y == pytest.approx(joint_entropy(joint), abs=2e-3)


def test_the_explorer_writes_no_minus_zero():
    assert page.in_digits(-1e-9) == "0.000"
    assert page.in_digits(-0.5, 2) == "−0.50"
    assert page.in_digits(-math.inf) == "−∞"
    assert page.in_digits(math.inf) == "∞"


HALF = np.array([0.5, 0.5])
JOINT = np.full((2, 2), 0.25)
REFUSED = [
    (lambda: self_information(1.1), r"p holds 1.1, but probabilities lie in \[0, 1\]"),
    (lambda: self_information([0.5, -0.1]), r"p holds -0.1, but probabilities lie in"),
    (lambda: self_information(np.nan), "p holds nan, but probabilities lie in"),
    (lambda: self_information(torch.tensor([2.0])), "p holds 2, but probabilities lie"),
    (
        lambda: entropy([0.5, 0.6]),
        "p sums to 1.1, but probabilities must sum to 1 with",
    ),
    (lambda: entropy([0.5, 0.500002]), "p sums to 1.000002, but"),
    (lambda: entropy([[0.5, 0.5], [0.5, 0.4]]), "p sums to 0.9, but"),
    (lambda: entropy([-0.5, 1.5]), "p holds -0.5, but probabilities are at least 0"),
    (lambda: entropy([np.nan, 1]), "p holds nan, but probabilities are at least 0"),
    (lambda: entropy([np.inf, 0]), "p sums to inf, but"),
    (lambda: entropy([]), "p sums to 0, but"),
    (lambda: entropy(1.0), r"p of shape \(\) does not fit \(..., k\)"),
    (lambda: entropy("a"), "p holds"),
    (lambda: entropy([1j, 1]), "p holds complex128, but must hold real numbers"),
    (lambda: cross_entropy(HALF, [0.5, 0.6]), "q sums to 1.1, but"),
    (
        lambda: kl_divergence(HALF, [1 / 3] * 3),
        r"q of shape \(3,\) does not fit \(..., k\): k is 3, but must be 2",
    ),
    (
        lambda: js_divergence(HALF, JOINT * 2),
        r"q of shape \(2, 2\) does not fit \(..., k\)",
    ),
    (lambda: js_divergence(HALF, torch.tensor(HALF)), "mixed with torch tensors"),
    (
        lambda: joint_from_samples([1, 2], [1, 2, 3]),
        r"y of shape \(3,\) does not fit \(n\): n is 3, but must be 2",
    ),
    (lambda: joint_from_samples([], []), "x and y have no samples, but need at least"),
    (lambda: joint_from_samples([[1]], [1]), r"x of shape \(1, 1\) does not fit \(n\)"),
    (
        lambda: joint_from_samples([1, 2], [1, np.nan]),
        "y holds NaN, which is not equal to itself",
    ),
    (
        lambda: joint_from_samples(["a"], ["b"]),
        "x holds .*, but must hold real numbers",
    ),
]
for function in OF_JOINT:
    REFUSED += [
        (lambda f=function: f(HALF), r"joint of shape \(2,\) does not fit \(..., m, n"),
        (lambda f=function: f(JOINT * 2), "joint sums to 2, but"),
        (lambda f=function: f(-JOINT), "joint holds -0.25, but probabilities are at"),
        (lambda f=function: f(np.zeros((0, 2))), "joint sums to 0, but"),
    ]
for base in (1, 0, -2, math.inf, math.nan, "2", True, None, 2j):
    message = rf"base is {base!r}, but must be positive, finite and not 1"
    REFUSED += [
        *[(lambda f=f, b=base: f(JOINT, base=b), message) for f in OF_JOINT],
        *[(lambda f=f, b=base: f(HALF, HALF, base=b), message) for f in OF_TWO],
        (lambda b=base: entropy(HALF, base=b), message),
        (lambda b=base: self_information(HALF, base=b), message),
    ]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    @settings(max_examples=50)
    @given(joints())
    def run(joint):
        there = torch.from_numpy(joint).cuda()
        for function in OF_JOINT:
            answer = function(there)
            assert answer.device.type == "cuda"
            np.testing.assert_allclose(answer.cpu(), function(joint), atol=1e-12)
        flat = there.reshape(-1)
        assert float(js_divergence(flat, flat.flip(0))) == pytest.approx(
            js_divergence(joint.ravel(), joint.ravel()[::-1])
        )

    run()
    samples = torch.tensor([1, 0, 1], device="cuda")
    assert joint_from_samples(samples, [0, 0, 5]).device.type == "cuda"
