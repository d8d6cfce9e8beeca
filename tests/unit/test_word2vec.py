"""word2vec against its definitions in loops, torch's autograd, and gensim."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gensim.models import KeyedVectors, Word2Vec
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_spread, in_kind, leaf, numerical_gradient, relative_error
from scipy import stats
from word2vec_oracles import (
    LOSSES,
    dtypes,
    huffman_cost,
    ids_in_kind,
    is_nested,
    kinds,
    naive_decisions,
    naive_windows,
    seeds,
    some_counts,
    some_ids,
    torch_loss,
    walk,
    word_count,
)

from notebook_utils import word2vec
from notebook_utils.word2vec import (
    CBOW,
    HuffmanTree,
    NegativeSampler,
    SkipGram,
    Vocabulary,
    analogy,
    context_pairs,
    context_windows,
    decision_loss,
    decision_loss_backward,
    keep_probability,
    most_similar,
    softmax_loss,
    softmax_loss_backward,
    subsample,
)

SEEN = Counter()
MODELS = (SkipGram, CBOW)
WORDS = st.text(alphabet="abcd", min_size=1, max_size=2)


def rng(seed=0):
    return np.random.default_rng(seed)


def note(function, **options):
    """Count an example, and which options it has."""
    SEEN[function, "examples"] += 1
    SEEN.update((function, name) for name, holds in options.items() if holds)


def close(answer, oracle, kind, dtype="float64"):
    """Compare an answer with an oracle: its kind, type, shape and values."""
    assert isinstance(answer, torch.Tensor if kind == "torch" else np.ndarray)
    answer = answer.numpy() if kind == "torch" else answer
    oracle = oracle.detach().numpy() if isinstance(oracle, torch.Tensor) else oracle
    assert str(answer.dtype) == dtype
    assert answer.shape == np.shape(oracle)
    tolerance = {"float32": 2e-5, "float64": 1e-10}.get(dtype, 0)
    np.testing.assert_allclose(answer, oracle, rtol=tolerance, atol=tolerance)


# words and their numbers


def test_a_vocabulary_counts():
    @given(
        st.one_of(st.lists(WORDS, max_size=30), st.lists(st.lists(WORDS), max_size=5)),
        st.integers(1, 3),
    )
    def run(tokens, least):
        sentences = tokens and isinstance(tokens[0], list)
        flat = [word for words in tokens for word in words] if sentences else tokens
        expected = {w: flat.count(w) for w in set(flat) if flat.count(w) >= least}
        note("Vocabulary", sentences=sentences, min_count=least > 1, none=not expected)
        if not expected:
            with pytest.raises(ValueError, match="none of which occurs"):
                Vocabulary(tokens, min_count=least)
            return
        vocabulary = Vocabulary(iter(tokens), min_count=least)
        assert len(vocabulary) == len(expected)
        assert dict(zip(vocabulary.words, vocabulary.counts, strict=True)) == expected
        assert vocabulary.counts.dtype == np.int64
        ranks = [(-expected[word], word) for word in vocabulary.words]
        assert ranks == sorted(ranks)
        assert [vocabulary.id(word) for word in vocabulary.words] == list(
            range(len(expected))
        )
        known = [word for word in flat if word in vocabulary]
        assert known == [word for word in flat if word in expected]
        encoded = vocabulary.encode(iter(tokens))
        if sentences:
            assert len(encoded) == len(tokens)
            encoded = np.concatenate(encoded)
        assert encoded.dtype == np.int64
        assert vocabulary.decode(encoded) == known

    run()
    assert_spread(SEEN, "Vocabulary", ("sentences", "min_count", "none"))


def test_a_vocabulary_is_gensims():
    words = rng().choice(
        ["a", "b", "c", "d", "e", "f"], 300, p=[0.4, 0.3, 0.2, 0.05, 0.04, 0.01]
    )
    sentences = [row.tolist() for row in words.reshape(30, 10)]
    ours = Vocabulary(sentences, min_count=10)
    theirs = Word2Vec(min_count=10)
    theirs.build_vocab(sentences)
    counts = {w: theirs.wv.get_vecattr(w, "count") for w in theirs.wv.index_to_key}
    assert dict(zip(ours.words, ours.counts.tolist(), strict=True)) == counts


def test_words_that_are_not_known():
    vocabulary = Vocabulary(["b", "a", "b"])
    assert "b" in vocabulary
    assert "c" not in vocabulary
    assert vocabulary.encode([]).tolist() == []
    assert [each.tolist() for each in vocabulary.encode([["c"], [], ["a"]])] == [
        [],
        [],
        [1],
    ]
    assert vocabulary.decode(torch.tensor([1, 0])) == ["a", "b"]
    assert vocabulary.decode([]) == []


# subsampling


def test_keep_probability_is_the_papers():
    @given(some_counts(), st.floats(1e-6, 1), kinds, dtypes)
    def run(counts, threshold, kind, dtype):
        note(
            "keep", torch=kind == "torch", float32=dtype == "float32", rare=0 in counts
        )
        array = in_kind(np.array(counts, dtype), kind)
        answer = keep_probability(array, threshold=threshold)
        total = sum(counts)
        dropped = [
            max(0.0, 1 - np.sqrt(threshold / (count / total))) if count else 0.0
            for count in counts
        ]
        close(answer, 1 - np.array(dropped), kind, dtype)

    run()
    assert_spread(SEEN, "keep", ("torch", "float32", "rare"))


@pytest.mark.parametrize("threshold", [1e-1, 1e-2, 1e-3])
def test_keep_probability_and_gensims(threshold):
    counts = np.array([700, 200, 60, 30, 9, 1])
    theirs = Word2Vec(min_count=1, sample=threshold)
    theirs.build_vocab_from_freq({f"w{i}": int(c) for i, c in enumerate(counts)})
    wanted = np.array(
        [theirs.wv.get_vecattr(f"w{i}", "sample_int") for i in range(6)]
    ) / (2**32 - 1)
    ours = keep_probability(counts, threshold=threshold)
    # gensim, like the paper's program, keeps t / f more, which is cut off at 1
    more = np.minimum(1, ours + threshold / (counts / counts.sum()))
    assert (ours < 1).any()
    np.testing.assert_allclose(wanted, more, atol=1e-8)


def test_subsample_is_a_loop():
    @given(st.data(), some_counts(low=1), st.floats(1e-3, 1), kinds, seeds)
    def run(data, counts, threshold, kind, seed):
        ids = data.draw(some_ids(len(counts)))
        note(
            "subsample",
            torch=kind == "torch",
            sentences=is_nested(ids),
            empty=not word_count(ids),
        )
        given_ids = ids_in_kind(ids, kind)
        kept = subsample(given_ids, counts, threshold=threshold, rng=rng(seed))
        keep = keep_probability(counts, threshold=threshold)
        drawn = iter(rng(seed).random(1000))

        def loop(sentence):
            return [word for word in sentence if next(drawn) < keep[word]]

        assert isinstance(kept, list) == is_nested(ids)
        pairs = zip(kept, ids, strict=True) if is_nested(ids) else [(kept, ids)]
        for answer, sentence in pairs:
            assert isinstance(answer, torch.Tensor if kind == "torch" else np.ndarray)
            assert answer.tolist() == loop(sentence)
            assert str(answer.dtype).endswith("int64")

    run()
    assert_spread(SEEN, "subsample", ("torch", "sentences", "empty"))


def test_subsample_drops_as_often_as_it_says():
    counts = np.array([600, 300, 99, 1])
    ids = np.repeat(np.arange(4), 20_000)
    kept = np.bincount(subsample(ids, counts, threshold=0.05, rng=rng(1)), minlength=4)
    keep = keep_probability(counts, threshold=0.05)
    assert kept[3] == 20_000
    for observed, share in zip(kept[:3], keep[:3], strict=True):
        assert stats.binomtest(int(observed), 20_000, share).pvalue > 0.01
    # counts and ids need not be of one kind
    mixed = subsample(torch.tensor([0, 3]), counts, threshold=1, rng=rng())
    assert mixed.tolist() == [0, 3]
    assert subsample([0, 3], torch.tensor(counts), threshold=1, rng=rng()).tolist() == [
        0,
        3,
    ]


# windows and pairs


def test_windows_and_pairs_are_loops():
    @given(some_ids(9), st.integers(1, 4), kinds, st.one_of(st.none(), seeds))
    def run(ids, window, kind, seed):
        note(
            "windows",
            torch=kind == "torch",
            sentences=is_nested(ids),
            drawn=seed is not None,
            wide=window > 1,
            empty=not word_count(ids),
        )
        total = word_count(ids)
        radii = [window] * total
        if seed is not None:
            radii = rng(seed).integers(1, window + 1, total).tolist()
        loop = naive_windows(ids, radii)

        def options():
            return {"window": window, "rng": None if seed is None else rng(seed)}

        centres, contexts = context_windows(ids_in_kind(ids, kind), **options())
        rows = [
            [-1] * (window - len(before))
            + before
            + after
            + [-1] * (window - len(after))
            for _, before, after in loop
        ]
        wanted = np.array([centre for centre, _, _ in loop], np.int64)
        close(centres, wanted, kind, "int64")
        close(contexts, np.array(rows, np.int64).reshape(-1, 2 * window), kind, "int64")
        pairs = context_pairs(ids_in_kind(ids, kind), **options())
        flat = [(c, o) for c, before, after in loop for o in before + after]
        close(pairs, np.array(flat, np.int64).reshape(-1, 2), kind, "int64")

    run()
    assert_spread(SEEN, "windows", ("torch", "sentences", "drawn", "wide", "empty"))


def test_windows_are_drawn_uniformly():
    _, contexts = context_windows(np.zeros(30_001, int), window=4, rng=rng(2))
    sizes = (contexts[4:-4] >= 0).sum(axis=1) // 2
    assert stats.chisquare(np.bincount(sizes, minlength=5)[1:]).pvalue > 0.01
    # so a word at distance d is within reach with probability (w - d + 1) / w
    share = (contexts[4:-4, 4:] >= 0).mean(axis=0)
    np.testing.assert_allclose(share, [1, 0.75, 0.5, 0.25], atol=0.02)


def test_sentences_in_other_shapes():
    rows = np.array([[0, 1], [2, 3]])
    wanted = [[0, 1], [1, 0], [2, 3], [3, 2]]
    for ids in (rows, torch.tensor(rows), rows.astype(np.uint8), ((0, 1), (2, 3))):
        assert context_pairs(ids, window=3).tolist() == wanted
    assert context_pairs([[], []], window=1).shape == (0, 2)
    mixed = [np.array([0, 1]), [], (2, 3)]
    assert context_pairs(mixed, window=1).tolist() == wanted


# noise


def test_noise_is_counts_to_a_power():
    @given(some_counts(), st.sampled_from((0, 0.5, 0.75, 1, 2.5)), kinds)
    def run(counts, power, kind):
        note("noise", torch=kind == "torch", power=power != 0.75, rare=0 in counts)
        array = in_kind(np.array(counts), kind)
        answer = NegativeSampler(array, power=power).probabilities
        weights = np.array([count**power if count else 0 for count in counts])
        close(answer, weights / weights.sum(), "numpy")

    run()
    assert_spread(SEEN, "noise", ("torch", "power", "rare"))
    huge = NegativeSampler([1e300, 1e300], power=10).probabilities
    assert huge.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("power", [0.5, 0.75, 1.0])
def test_noise_is_gensims(power):
    counts = np.array([700, 200, 60, 30, 9, 1])
    theirs = Word2Vec(min_count=1, ns_exponent=power, negative=5)
    theirs.build_vocab_from_freq({f"w{i}": int(c) for i, c in enumerate(counts)})
    table = theirs.cum_table / theirs.cum_table[-1]
    ours = np.cumsum(NegativeSampler(counts, power=power).probabilities)
    np.testing.assert_allclose(ours, table, atol=1e-8)


def test_noise_comes_up_as_often_as_it_should():
    counts = [40, 0, 25, 10, 4, 0]
    sampler = NegativeSampler(counts)
    drawn = np.bincount(sampler.sample((200, 100), rng=rng(3)).ravel(), minlength=6)
    possible = sampler.probabilities > 0
    assert drawn[~possible].tolist() == [0, 0]
    expected = 20_000 * sampler.probabilities[possible]
    assert stats.chisquare(drawn[possible], expected).pvalue > 0.01
    # without a word, the others keep their proportions
    exclude = np.full(200, 2)
    drawn = sampler.sample((200, 100), rng=rng(4), exclude=exclude)
    others = np.array([True, False, False, True, True, False])
    observed = np.bincount(drawn.ravel(), minlength=6)
    assert observed[~others].tolist() == [0, 0, 0]
    share = sampler.probabilities[others] / sampler.probabilities[others].sum()
    assert stats.chisquare(observed[others], 20_000 * share).pvalue > 0.01


def test_noise_avoids_each_rows_own_word():
    @given(some_counts(2, 8, low=1), seeds, st.integers(0, 5), st.data())
    def run(counts, seed, n, data):
        exclude = data.draw(
            st.lists(st.integers(0, len(counts) - 1), min_size=n, max_size=n)
        )
        shape = data.draw(st.sampled_from(((n,), (n, 3), (n, 2, 2))))
        note("sample", empty=n == 0, deep=len(shape) == 3, flat=len(shape) == 1)
        sampler = NegativeSampler(counts)
        drawn = sampler.sample(shape, rng=rng(seed), exclude=exclude)
        assert drawn.shape == shape
        assert drawn.dtype == np.int64
        for row, word in zip(drawn, exclude, strict=True):
            assert word not in np.ravel(row)
        assert drawn.size == 0 or 0 <= drawn.min() <= drawn.max() < len(counts)

    run()
    assert_spread(SEEN, "sample", ("empty", "deep", "flat"))
    assert NegativeSampler([1, 2]).sample(3, rng=rng()).shape == (3,)
    alone = NegativeSampler([0, 2]).sample((0, 4), rng=rng(), exclude=[])
    assert alone.shape == (0, 4)
    # a word that never comes up may be excluded
    assert NegativeSampler([0, 2]).sample(1, rng=rng(), exclude=[0]).tolist() == [1]


# the tree


def test_a_tree_is_huffmans():
    @given(some_counts(), kinds)
    def run(counts, kind):
        note(
            "tree",
            torch=kind == "torch",
            ties=len(set(counts)) < len(counts),
            one=len(counts) == 1,
        )
        tree = HuffmanTree(in_kind(np.array(counts), kind))
        v = len(counts)
        assert tree.children.shape == (v - 1, 2)
        # each node but the root is somebody's child, and only once
        assert sorted(tree.children.ravel().tolist()) == list(range(2 * v - 2))
        for word in range(v):
            end, inner = walk(tree, word)
            assert end == word
            assert inner == [node for node in tree.nodes[word] if node >= 0]
            assert len(inner) == tree.lengths[word] == len(tree.code(word))
            assert ((tree.nodes[word] < 0) == (tree.signs[word] == 0)).all()
        # no tree is better, and that of a prefix code fills the unit interval
        assert int(np.dot(tree.lengths, counts)) == huffman_cost(counts)
        assert sum(2.0**-tree.lengths) == 1
        # rarer words are not nearer to the root
        for one in range(v):
            for other in range(v):
                if counts[one] > counts[other]:
                    assert tree.lengths[one] <= tree.lengths[other]

    run()
    assert_spread(SEEN, "tree", ("torch", "ties"))
    assert SEEN["tree", "one"] > 0


def test_a_tree_is_gensims():
    @settings(max_examples=60)
    @given(seeds, st.integers(2, 40))
    def run(seed, size):
        # no ties: where there are some, other lengths are as good
        counts = rng(seed).choice(10**6, size, replace=False) + 1
        theirs = Word2Vec(min_count=1, hs=1, negative=0)
        theirs.build_vocab_from_freq({f"w{i}": int(c) for i, c in enumerate(counts)})
        tree = HuffmanTree(counts)
        for word in range(size):
            name = f"w{word}"
            points = theirs.wv.get_vecattr(name, "point")
            code = theirs.wv.get_vecattr(name, "code")
            assert tree.lengths[word] == len(code)
            assert tree.code(word) == "".join(map(str, code))
            assert tree.nodes[word, : len(code)].tolist() == points.tolist()

    run()


def test_a_tree_by_hand():
    tree = HuffmanTree([5, 2, 1, 1])
    # the last two are joined first, then their tree and word 1, as 2 + 2 < 5
    assert tree.children.tolist() == [[2, 3], [1, 4], [5, 0]]
    assert [tree.code(word) for word in range(4)] == ["1", "00", "010", "011"]
    assert tree.lengths.tolist() == [1, 2, 3, 3]
    assert tree.nodes.tolist() == [[2, -1, -1], [2, 1, -1], [2, 1, 0], [2, 1, 0]]
    assert tree.signs.tolist() == [[-1, 0, 0], [1, 1, 0], [1, -1, 1], [1, -1, -1]]
    alone = HuffmanTree([3])
    assert alone.nodes.shape == alone.signs.shape == (1, 0)
    assert alone.code(0) == ""


# the losses


@st.composite
def tables(draw, decisions=False):
    """Draw h, u and what is compared: targets, or nodes and signs."""
    n, d = draw(st.sampled_from((0, 1, 2, 3))), draw(st.integers(1, 4))
    v, seed = draw(st.integers(1, 5)), draw(seeds)
    kind, dtype = draw(kinds), draw(dtypes)
    random = rng(seed)
    h, u = (random.standard_normal(shape).astype(dtype) for shape in ((n, d), (v, d)))
    if not decisions:
        return kind, dtype, h, u, random.integers(0, v, n)
    m = draw(st.integers(0, 4))
    signs = random.integers(-1, 2, (n, m)).astype(dtype)
    nodes = np.where(signs == 0, -1, random.integers(0, v, (n, m)))
    return kind, dtype, h, u, nodes, signs


def test_softmax_loss_is_cross_entropy():
    @given(tables())
    def run(case):
        kind, dtype, h, u, targets = case
        note(
            "softmax",
            torch=kind == "torch",
            float32=dtype == "float32",
            empty=len(h) == 0,
        )
        arrays = in_kind(h, kind), in_kind(u, kind), in_kind(targets, kind)
        leaves = leaf(h), leaf(u)
        oracle = F.cross_entropy(
            leaves[0] @ leaves[1].T, torch.tensor(targets), reduction="none"
        )
        close(softmax_loss(*arrays), oracle, kind, dtype)
        grads = torch.autograd.grad(oracle.sum(), leaves)
        for answer, wanted in zip(softmax_loss_backward(*arrays), grads, strict=True):
            close(answer, wanted, kind, dtype)

    run()
    assert_spread(SEEN, "softmax", ("torch", "float32", "empty"))


def test_decision_loss_is_a_sum_of_logarithms():
    @given(tables(decisions=True))
    def run(case):
        kind, dtype, h, u, nodes, signs = case
        note(
            "decisions",
            torch=kind == "torch",
            float32=dtype == "float32",
            empty=len(h) == 0,
            none=nodes.shape[1] == 0,
            undecided=(signs == 0).any(),
        )
        arrays = [in_kind(each, kind) for each in (h, u, nodes, signs)]
        naive = naive_decisions(h.astype(float), u.astype(float), nodes, signs)
        close(decision_loss(*arrays), naive, kind, dtype)
        leaves = leaf(h), leaf(u)
        scores = torch.einsum("nmd,nd->nm", leaves[1][nodes], leaves[0])
        terms = -F.logsigmoid(torch.tensor(signs) * scores)
        oracle = torch.where(torch.tensor(signs) == 0, 0.0, terms).sum()
        grads = torch.autograd.grad(oracle, leaves)
        answers = decision_loss_backward(*arrays)
        for answer, wanted in zip(answers, grads, strict=True):
            close(answer, wanted, kind, dtype)

    run()
    options = ("torch", "float32", "empty", "none", "undecided")
    assert_spread(SEEN, "decisions", options)


def test_backwards_are_the_slopes():
    @settings(max_examples=60)
    @given(tables(), tables(decisions=True))
    def run(softmax, decisions):
        for case, loss, backward in (
            (softmax, softmax_loss, softmax_loss_backward),
            (decisions, decision_loss, decision_loss_backward),
        ):
            check_slopes(loss, backward, *case[2:])

    run()


def check_slopes(loss, backward, h, u, *rest):
    """Compare the gradients of a loss with centred differences."""
    h, u, ones = h.astype(float), u.astype(float), np.ones(len(h))
    slopes = (
        numerical_gradient(lambda h: loss(h, u, *rest), h, ones),
        numerical_gradient(lambda u: loss(h, u, *rest), u, ones),
    )
    for grad, slope in zip(backward(h, u, *rest), slopes, strict=True):
        assert relative_error(grad, slope) < 1e-5


def test_large_scores_do_not_overflow():
    h, u = [[1000.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert softmax_loss(h, u, [1]).tolist() == [2000]
        grad_h, _ = softmax_loss_backward(h, u, [0])
        assert grad_h.tolist() == [[0, 0]]
        losses = decision_loss(h, u, [[0, 1]], [[1, 1]])
        assert losses.tolist() == [1000]
        grad_h, grad_u = decision_loss_backward(h, u, [[0, 1]], [[1, 1]])
    assert grad_h.tolist() == [[1, 0]]
    assert grad_u.tolist() == [[0, 0], [-1000, 0]]


# the models


@st.composite
def models(draw):
    """Draw a model with random tables, and a batch of examples."""
    model, loss = draw(st.sampled_from(MODELS)), draw(st.sampled_from(LOSSES))
    kind, dtype = draw(kinds), draw(dtypes)
    counts = draw(some_counts(2, 7, low=1))
    v, d, n = len(counts), draw(st.integers(1, 4)), draw(st.sampled_from((0, 1, 2, 5)))
    random = rng(draw(seeds))
    ours = model(
        v,
        d,
        loss=loss,
        counts=counts,
        dtype=dtype,
        device="cpu" if kind == "torch" else None,
    )
    for name in ("vectors", "output_vectors"):
        values = random.standard_normal(getattr(ours, name).shape).astype(dtype)
        setattr(ours, name, torch.from_numpy(values) if kind == "torch" else values)
    inputs = random.integers(0, v, n)
    contexts = inputs[:, None]
    if model is CBOW:
        inputs = random.integers(-1, v, (n, 4))
        inputs[:, 2] = random.integers(0, v, n)
        contexts = inputs
    noise = random.integers(0, v, (n, 3)) if loss == "negative_sampling" else None
    return ours, kind, dtype, inputs, contexts, random.integers(0, v, n), noise


def test_losses_and_gradients_are_autograds():
    @settings(max_examples=700)
    @given(models())
    def run(case):
        model, kind, dtype, inputs, contexts, targets, noise = case
        name = f"{type(model).__name__} {model.loss}"
        note(
            "models",
            **{name: True},
            torch=kind == "torch",
            float32=dtype == "float32",
            empty=len(targets) == 0,
        )
        v, u = leaf(model.vectors), leaf(model.output_vectors)
        oracle = torch_loss(
            model.loss, v, u, contexts, targets.tolist(), noise, model.tree
        )
        given_noise = {} if noise is None else {"noise": in_kind(noise, kind)}
        arrays = in_kind(inputs, kind), in_kind(targets, kind)
        close(model.losses(*arrays, **given_noise), oracle, kind, dtype)
        answers = model.gradients(*arrays, **given_noise)
        if len(targets):
            grads = torch.autograd.grad(
                oracle.sum(), (v, u), allow_unused=True, materialize_grads=True
            )
        else:
            grads = torch.zeros_like(v), torch.zeros_like(u)
        for answer, wanted in zip(answers, grads, strict=True):
            close(answer, wanted, kind, dtype)

    run()
    each = tuple(f"{model.__name__} {loss}" for model in MODELS for loss in LOSSES)
    assert_spread(SEEN, "models", (*each, "torch", "float32", "empty"))


def test_probabilities_are_those_of_the_losses():
    @given(models())
    def run(case):
        model, kind, dtype, inputs, _, _, _ = case
        if model.loss == "negative_sampling":
            with pytest.raises(ValueError, match="has no probabilities of words"):
                model.probabilities(inputs)
            return
        note("probabilities", torch=kind == "torch", tree=model.tree is not None)
        answer = model.probabilities(inputs)
        n, v = len(inputs), len(model.vectors)
        losses = [model.losses(inputs, np.full(n, word)) for word in range(v)]
        wanted = np.exp(-np.stack([np.asarray(each) for each in losses], axis=1))
        close(answer, wanted, kind, dtype)
        # with any vectors at all, the tree's probabilities add up to 1
        np.testing.assert_allclose(np.asarray(answer).sum(axis=1), 1, atol=1e-5)

    run()
    assert SEEN["probabilities", "examples"] >= 300
    assert min(SEEN["probabilities", name] for name in ("torch", "tree")) >= 50


def test_a_step_goes_against_the_gradient():
    @settings(max_examples=200)
    @given(models(), seeds)
    def run(case, seed):
        model, kind, dtype, _, contexts, targets, _ = case
        note("step", **{model.loss: True})
        tables = model.vectors, model.output_vectors
        before = [np.asarray(each).copy() for each in tables]
        noise = {}
        if model.sampler:
            shape = len(targets), model.negatives
            drawn = model.sampler.sample(shape, rng=rng(seed), exclude=targets)
            noise = {"noise": drawn}
        inputs = contexts if isinstance(model, CBOW) else contexts[:, 0]
        losses = np.asarray(model.losses(inputs, targets, **noise))
        grads = model.gradients(inputs, targets, **noise)
        total = model._step(contexts, targets, 0.1, rng(seed))
        np.testing.assert_allclose(total, losses.sum(), rtol=1e-5)
        after = model.vectors, model.output_vectors
        for old, new, grad in zip(before, after, grads, strict=True):
            close(new, old - 0.1 * np.asarray(grad), kind, dtype)

    run()
    assert min(SEEN["step", loss] for loss in LOSSES) >= 40


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
def test_training_is_its_definition(model, loss):
    """Two epochs in a loop: subsample, draw windows, shuffle, step, lower the rate."""
    sentences = [[0, 1, 2, 0, 3, 4, 0, 1], [5, 0, 2, 2, 1, 0], [3], []]
    counts = np.bincount(np.concatenate(sentences).astype(int))
    make = {"loss": loss, "counts": counts, "dtype": "float64", "seed": 3}
    ours, twin = model(6, 4, **make), model(6, 4, **make)
    settings = {"window": 3, "epochs": 2, "learning_rate": 0.3, "batch_size": 4}
    losses = ours.train(sentences, threshold=0.2, seed=5, progress=False, **settings)
    random, history = rng(5), []
    for epoch in range(2):
        kept = subsample(sentences, counts, threshold=0.2, rng=random)
        if model is SkipGram:
            pairs = context_pairs(kept, window=3, rng=random)
            inputs, targets = pairs[:, 0], pairs[:, 1]
        else:
            targets, inputs = context_windows(kept, window=3, rng=random)
            some = (inputs >= 0).any(axis=1)
            targets, inputs = targets[some], inputs[some]
        n, order, total = len(targets), random.permutation(len(targets)), 0
        for start in range(0, n, 4):
            batch = order[start : start + 4]
            noise = {}
            if loss == "negative_sampling":
                noise["noise"] = NegativeSampler(counts).sample(
                    (len(batch), 5), rng=random, exclude=targets[batch]
                )
            total += twin.losses(inputs[batch], targets[batch], **noise).sum()
            grads = twin.gradients(inputs[batch], targets[batch], **noise)
            rate = 0.3 * (1 - (epoch + start / n) / 2)
            twin.vectors = twin.vectors - rate * grads[0]
            twin.output_vectors = twin.output_vectors - rate * grads[1]
        history.append(total / n)
    np.testing.assert_allclose(losses, history, rtol=1e-10)
    np.testing.assert_allclose(ours.vectors, twin.vectors, rtol=1e-10)
    np.testing.assert_allclose(ours.output_vectors, twin.output_vectors, rtol=1e-10)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
def test_training_finds_words_used_alike(model, loss):
    # words 0 and 1 have the same neighbours, 2 and 3 have others
    random, sentences = rng(0), []
    for _ in range(400):
        pair = random.integers(2)
        about = random.choice([4, 5, 6] if pair == 0 else [7, 8, 9], 2)
        sentences.append([about[0], 2 * pair + random.integers(2), about[1]])
    counts = np.bincount(np.concatenate(sentences))
    ours = model(10, 8, loss=loss, counts=counts)
    options = {"window": 2, "epochs": 30, "learning_rate": 0.05, "batch_size": 16}
    losses = ours.train(sentences, progress=False, **options)
    assert losses[-1] < 0.9 * losses[0]
    for word, fellow in ((0, 1), (1, 0), (2, 3), (3, 2)):
        rest = [each for each in range(4) if each not in (word, fellow)]
        cosine = F.cosine_similarity(
            torch.from_numpy(ours.vectors)[None],
            torch.from_numpy(ours.vectors)[:, None],
            dim=2,
        )[word]
        assert cosine[fellow] > max(cosine[each] for each in rest) + 0.2


def test_training_is_the_same_with_torch_and_again():
    ids = rng(0).integers(0, 12, 200)
    counts = np.bincount(ids)
    for model in MODELS:
        for loss in LOSSES:
            answers = []
            for device in (None, None, "cpu"):
                ours = model(
                    12, 5, loss=loss, counts=counts, device=device, dtype="float64"
                )
                ours.train(ids, epochs=2, batch_size=32, threshold=0.1, progress=False)
                answers.append(np.asarray(ours.vectors))
            np.testing.assert_array_equal(answers[0], answers[1])
            np.testing.assert_allclose(answers[0], answers[2], rtol=1e-9)


def test_the_full_softmax_needs_no_counts():
    ids = [0, 1, 0, 2, 0, 3]
    alone, told = (
        SkipGram(4, 2, loss="full"),
        SkipGram(4, 2, loss="full", counts=[3, 1, 1, 1]),
    )
    options = {"threshold": 0.3, "epochs": 2, "progress": False}
    np.testing.assert_array_equal(
        alone.train(ids, **options), told.train(ids, **options)
    )
    assert alone.vectors.dtype == np.float32
    assert np.abs(alone.vectors).max() < 0.5
    start = SkipGram(200, 5, loss="full", seed=1)
    assert np.abs(start.vectors).max() <= 0.1
    assert (
        stats.kstest(start.vectors.ravel(), stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01
    )
    assert not start.output_vectors.any()


def test_a_vocabulary_of_one_word():
    for model in MODELS:
        for loss in ("full", "hierarchical_softmax"):
            ours = model(1, 2, loss=loss, counts=[4])
            assert ours.train([0, 0, 0], progress=False).tolist() == [0]
            inputs = [0] if model is SkipGram else [[0]]
            assert ours.probabilities(inputs).tolist() == [[1]]


def test_the_progress_bar(capsys):
    model = SkipGram(3, 2, loss="full")
    model.train([0, 1, 2, 1], epochs=2, batch_size=2)
    shown = capsys.readouterr().err
    assert "epoch 1/2" in shown
    assert re.search(r"epoch 2/2: 100%.*/\d+ .*steps", shown)
    model.train([0, 1, 2, 1], progress=False)
    assert capsys.readouterr() == ("", "")


def test_ids_and_counts_are_left_alone():
    ids, counts = rng(0).integers(0, 5, 30), np.array([9, 5, 3, 2, 1])
    copies = ids.copy(), counts.copy()
    for loss in LOSSES:
        for model in MODELS:
            model(5, 2, loss=loss, counts=counts).train(
                ids, threshold=0.1, progress=False
            )
    vectors = rng(0).standard_normal((5, 2))
    most_similar(vectors, 1, k=2)
    analogy(vectors, 0, 1, 2, k=1)
    np.testing.assert_array_equal(vectors, rng(0).standard_normal((5, 2)))
    np.testing.assert_array_equal(ids, copies[0])
    np.testing.assert_array_equal(counts, copies[1])


# what to ask of vectors


def keyed(vectors):
    words = KeyedVectors(vectors.shape[1])
    words.add_vectors([str(i) for i in range(len(vectors))], vectors)
    return words


@st.composite
def vector_tables(draw):
    kind, dtype = draw(kinds), draw(dtypes)
    size, d = draw(st.integers(4, 9)), draw(st.integers(1, 5))
    vectors = rng(draw(seeds)).standard_normal((size, d)).astype(dtype)
    return kind, dtype, vectors


def ranks_alike(answer, theirs, all_cosines, kind, dtype):
    """Compare with gensim's list, where near ties may come in another order."""
    ids, cosines = answer
    assert ids.tolist() == list(dict.fromkeys(ids.tolist()))
    wanted = np.array([score for _, score in theirs], dtype)
    assert str(ids.dtype).endswith("int64")
    assert isinstance(cosines, torch.Tensor if kind == "torch" else np.ndarray)
    assert str(np.asarray(cosines).dtype) == dtype
    np.testing.assert_allclose(np.asarray(cosines), wanted, atol=1e-5)
    np.testing.assert_allclose(all_cosines[np.asarray(ids)], wanted, atol=1e-5)


def cosines_with(vectors, query):
    vectors, query = vectors.astype(float), query.astype(float)
    return vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)


def test_most_similar_is_gensims():
    @given(vector_tables(), st.data())
    def run(case, data):
        kind, dtype, vectors = case
        word = data.draw(st.integers(0, len(vectors) - 1))
        whole = data.draw(st.booleans())
        k = data.draw(st.integers(1, len(vectors) - 1))
        note("similar", torch=kind == "torch", float32=dtype == "float32", vector=whole)
        query = in_kind(vectors[word] * 3, kind) if whole else word
        answer = most_similar(in_kind(vectors, kind), query, k=k)
        words = keyed(vectors)
        if whole:
            theirs = words.similar_by_vector(vectors[word] * 3, topn=k)
        else:
            theirs = words.most_similar(str(word), topn=k)
            assert word not in answer[0].tolist()
        ranks_alike(answer, theirs, cosines_with(vectors, vectors[word]), kind, dtype)

    run()
    assert_spread(SEEN, "similar", ("torch", "float32", "vector"))


def test_analogy_is_gensims():
    @given(vector_tables(), st.data())
    def run(case, data):
        kind, dtype, vectors = case
        ids = st.integers(0, len(vectors) - 1)
        a, b, c = data.draw(st.lists(ids, min_size=3, max_size=3, unique=True))
        k = data.draw(st.integers(1, len(vectors) - 3))
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        target = units[b] - units[a] + units[c]
        if np.linalg.norm(target) < 1e-3:
            return
        note("analogy", torch=kind == "torch", float32=dtype == "float32")
        answer = analogy(in_kind(vectors, kind), a, b, c, k=k)
        theirs = keyed(vectors).most_similar([str(b), str(c)], [str(a)], topn=k)
        assert not {a, b, c} & set(answer[0].tolist())
        ranks_alike(answer, theirs, cosines_with(vectors, target), kind, dtype)

    run()
    assert_spread(SEEN, "analogy", ("torch", "float32"), examples=450)


def test_ties_and_zeros():
    vectors = [[1, 0], [0, 3], [2, 0], [0, 0], [0, 5], [1, 0]]
    for kind in ("numpy", "torch"):
        table = in_kind(np.array(vectors, float), kind)
        ids, cosines = most_similar(table, 0, k=5)
        assert ids.tolist() == [2, 5, 1, 3, 4]
        assert cosines.tolist() == [1, 1, 0, 0, 0]
        ids, _ = most_similar(table, [0.0, -1.0], k=6)
        assert ids.tolist() == [0, 2, 3, 5, 1, 4]
    # 1 is to 4 as 0 is to whatever is like it; a word may be asked for twice
    assert analogy(vectors, 1, 4, 0, k=2)[0].tolist() == [2, 5]
    assert analogy(vectors, 0, 0, 1, k=1)[0].tolist() == [4]
    assert most_similar(vectors, np.int64(2), k=1)[0].tolist() == [0]
    assert most_similar(vectors, torch.tensor(2), k=1)[0].tolist() == [0]


def test_every_public_name_is_there():
    assert {name for name in word2vec.__all__ if not hasattr(word2vec, name)} == set()


def small(model=SkipGram, loss="negative_sampling", **options):
    return model(3, 2, loss=loss, **{"counts": [1, 2, 3], **options})


H, U = np.ones((2, 3)), np.ones((4, 3))
VECTORS = np.eye(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # words
        (lambda: Vocabulary("a text"), "tokens is one string, but must be words or"),
        (lambda: Vocabulary([["a"], "b"]), "tokens mixes words and sentences"),
        (lambda: Vocabulary(["a", ["b"]]), "tokens mixes words and sentences"),
        (lambda: Vocabulary([["a", 3]]), r"tokens holds 3, but must hold words \(str"),
        (lambda: Vocabulary([]), "tokens has 0 different words, none of which"),
        (lambda: Vocabulary(["a"], min_count=0), "min_count is 0, but must be an int"),
        (lambda: Vocabulary(["a"]).id("b"), "word 'b' is not among the 1 words"),
        (lambda: Vocabulary(["a"]).encode("a"), "tokens is one string"),
        (
            lambda: Vocabulary(["a"]).decode([1]),
            "ids holds 1, but must lie from 0 to 0",
        ),
        (
            lambda: Vocabulary(["a"]).decode([[0]]),
            r"ids of shape \(1, 1\) does not fit",
        ),
        # counts
        (lambda: NegativeSampler([]), "counts is empty, but at least one word"),
        (
            lambda: NegativeSampler([0, 0]),
            "counts must be finite, .* not all of them 0",
        ),
        (lambda: HuffmanTree([1, -1]), "counts must be finite, none of them negative"),
        (lambda: HuffmanTree([1, np.nan]), "counts must be finite"),
        (lambda: HuffmanTree([[1]]), r"counts of shape \(1, 1\) does not fit \(v\)"),
        (lambda: HuffmanTree(["a"]), "counts holds .*, but must hold real numbers"),
        (lambda: keep_probability([np.inf], threshold=1), "counts must be finite"),
        # subsampling
        (
            lambda: keep_probability([1], threshold=0),
            "threshold is 0, but must be above",
        ),
        (
            lambda: keep_probability([1], threshold=2),
            "threshold is 2, but must be above",
        ),
        (lambda: keep_probability([1], threshold=np.nan), "threshold is nan, but must"),
        (lambda: keep_probability([1], threshold="1"), "threshold is '1', but must be"),
        (lambda: keep_probability([1], threshold=True), "threshold is True, but must"),
        (
            lambda: subsample([1], [1], threshold=1, rng=rng()),
            "ids holds 1, but must lie from 0 to 0",
        ),
        (
            lambda: subsample([0], [1], threshold=1, rng=0),
            "rng is 0, but must be a numpy.random.Generator",
        ),
        # windows
        (
            lambda: context_pairs([0.5], window=1),
            "ids holds float64, but must hold int",
        ),
        (lambda: context_pairs([True], window=1), "ids holds bool, but must hold int"),
        (lambda: context_pairs([-1], window=1), "ids holds -1, but must lie from 0 up"),
        (lambda: context_pairs([0], window=0), "window is 0, but must be an integer"),
        (lambda: context_pairs([0], window=1, rng=3), "rng is 3, but must be a numpy"),
        (lambda: context_pairs(3, window=1), r"ids of shape \(\) does not fit \(n\)"),
        (lambda: context_pairs([[0], 1], window=1), r"ids of shape \(\) does not fit"),
        (lambda: context_pairs([[[0]]], window=1), r"ids of shape \(1, 1\) does not"),
        (lambda: context_pairs([[0, [1]]], window=1), "ids cannot be read as an array"),
        (lambda: context_pairs(np.ones((1, 1, 1), int), window=1), "ids of shape"),
        (
            lambda: context_pairs(["a"], window=1),
            "ids holds <U1, but must hold integers",
        ),
        (
            lambda: context_windows([torch.tensor([0]), np.array([1])], window=1),
            "ids mixes torch tensors with others",
        ),
        (lambda: context_pairs(torch.tensor([0.5]), window=1), "ids holds float32"),
        # noise
        (lambda: NegativeSampler([1], power=-1), "power is -1, but must be finite and"),
        (
            lambda: NegativeSampler([1], power=np.inf),
            "power is inf, but must be finite",
        ),
        (
            lambda: NegativeSampler([1]).sample(3, rng=1),
            "rng is 1, but must be a numpy",
        ),
        (
            lambda: NegativeSampler([1]).sample(-3, rng=rng()),
            "shape is -3, but must be",
        ),
        (
            lambda: NegativeSampler([1]).sample((2, 0.5), rng=rng()),
            "shape is 0.5, but must be an integer",
        ),
        (
            lambda: NegativeSampler([1, 1]).sample(2, rng=rng(), exclude=[2, 0]),
            "exclude holds 2, but must lie from 0 to 1",
        ),
        (
            lambda: NegativeSampler([1, 1]).sample(2, rng=rng(), exclude=[0]),
            r"exclude of shape \(1,\) does not fit \(n\): n is 1, but must be 2",
        ),
        (
            lambda: NegativeSampler([1, 1]).sample((), rng=rng(), exclude=[0]),
            r"shape is \(\), but needs an axis for the rows of exclude",
        ),
        (
            lambda: NegativeSampler([0, 1]).sample(2, rng=rng(), exclude=[0, 1]),
            "exclude holds 1, the only word that could be drawn",
        ),
        (lambda: HuffmanTree([1, 2]).code(2), "word holds 2, but must lie from 0 to 1"),
        (lambda: HuffmanTree([1, 2]).code([0]), r"word of shape \(1,\) does not fit"),
        # losses
        (lambda: softmax_loss(H[0], U, [0, 0]), r"h of shape \(3,\) does not fit"),
        (lambda: softmax_loss(H, U[:, :2], [0, 0]), "d is 2, but must be 3 as in h of"),
        (lambda: softmax_loss(H, U, [0]), "targets .*: n is 1, but must be 2"),
        (
            lambda: softmax_loss(H, U, [0, 4]),
            "targets holds 4, but must lie from 0 to 3",
        ),
        (lambda: softmax_loss(H, U[:0], [0, 0]), "u is empty, but a softmax needs"),
        (lambda: softmax_loss_backward(H, U, [0.0, 1]), "targets holds float64, but"),
        (lambda: decision_loss(H, U, [[0]], [[1]]), "nodes .*: n is 1, but must be 2"),
        (
            lambda: decision_loss(H, U, [[0], [1]], [[1, 1], [1, 1]]),
            "signs .*: m is 2, but must be 1 as in nodes",
        ),
        (
            lambda: decision_loss(H, U, [[0], [4]], [[1], [0]]),
            "nodes holds 4, but must lie from -1 to 3",
        ),
        (
            lambda: decision_loss(H, U, [[0], [-1]], [[1], [1]]),
            "nodes holds -1, but must lie from 0 to 3",
        ),
        (
            lambda: decision_loss_backward(H, U, [[0], [1]], [[1], [0.5]]),
            "signs must be 1, -1 or 0",
        ),
        (
            lambda: decision_loss(H, U[:0], [[-1], [-1]], [[0], [0]]),
            "u is empty, but there are nodes",
        ),
        # models
        (lambda: small(loss="softmax"), "loss is 'softmax', but must be one of"),
        (lambda: small(counts=None), "loss 'negative_sampling' needs counts"),
        (lambda: small(loss="hierarchical_softmax", counts=None), "needs counts"),
        (lambda: small(counts=[1, 2]), "vocabulary_size is 2, but must be 3"),
        (lambda: small(loss="full", counts=[-1, 2, 3]), "counts must be finite"),
        (lambda: small(negatives=0), "negatives is 0, but must be an integer of"),
        (lambda: small(power=-1), "power is -1, but must be finite and at least 0"),
        (lambda: small(seed=-1), "seed is -1, but must be an integer of at least 0"),
        (lambda: small(dtype="float16"), "dtype is 'float16', but must be float32 or"),
        (lambda: SkipGram(0, 2, loss="full"), "vocabulary_size is 0, but must be an"),
        (lambda: CBOW(2, 0, loss="full"), "dimension is 0, but must be an integer"),
        (lambda: small().losses([0], [1]), "'negative_sampling' needs noise words"),
        (
            lambda: small(loss="full").losses([0], [1], noise=[[2]]),
            "'full' has no noise words",
        ),
        (lambda: small().losses([0], [1], noise=[[3]]), "noise holds 3, but must lie"),
        (
            lambda: small().losses([0], [1], noise=[1]),
            r"noise of shape \(1,\) does not",
        ),
        (
            lambda: small().losses([0], [1, 1], noise=[[1]]),
            "targets .*: n is 2, but must",
        ),
        (
            lambda: small().gradients([3], [1], noise=[[1]]),
            "inputs holds 3, but must lie",
        ),
        (lambda: small().gradients([[0]], [1], noise=[[1]]), "inputs of shape"),
        (
            lambda: small().gradients([-1], [1], noise=[[1]]),
            "inputs holds -1, but must",
        ),
        (lambda: small(CBOW, "full").losses([0], [1]), r"inputs of shape \(1,\) does"),
        (
            lambda: small(CBOW, "full").losses([[1, -1], [-1, -1]], [1, 1]),
            "inputs has no context word in row 1",
        ),
        (lambda: small().probabilities([0]), "has no probabilities of words"),
        (lambda: small().train([3]), "ids holds 3, but must lie from 0 to 2"),
        (
            lambda: small().train([0, 1], epochs=0),
            "epochs is 0, but must be an integer",
        ),
        (lambda: small().train([0, 1], batch_size=0), "batch_size is 0, but must be"),
        (
            lambda: small().train([0, 1], window=0),
            "window is 0, but must be an integer",
        ),
        (
            lambda: small().train([0, 1], learning_rate=0),
            "learning_rate is 0, but must",
        ),
        (
            lambda: small().train([0, 1], threshold=7),
            "threshold is 7, but must be above",
        ),
        (
            lambda: small().train([0, 1], seed=1.5),
            "seed is 1.5, but must be an integer",
        ),
        (lambda: small().train([0]), "ids, 1 of 1 words .* nothing can be learnt"),
        (lambda: small(CBOW).train([[0], [1]]), "ids, 2 of 2 words after subsampling"),
        # what to ask of vectors
        (lambda: most_similar(VECTORS[0], 0, k=1), r"vectors of shape \(4,\) does not"),
        (
            lambda: most_similar(VECTORS, 4, k=1),
            "query holds 4, but must lie from 0 to",
        ),
        (lambda: most_similar(VECTORS, -1, k=1), "query holds -1, but must lie from 0"),
        (lambda: most_similar(VECTORS, True, k=1), "query holds bool, but must hold"),
        (lambda: most_similar(VECTORS, 1.0, k=1), "query holds float64, but must hold"),
        (lambda: most_similar(VECTORS, [1, 0], k=1), "query .*: d is 2, but must be 4"),
        (lambda: most_similar(VECTORS, [0] * 4, k=1), "query has length 0, and so no"),
        (lambda: most_similar(VECTORS, [np.nan] * 4, k=1), "query has length nan, and"),
        (lambda: most_similar(VECTORS, 0, k=4), "k is 4, but there are only 3 other"),
        (lambda: most_similar(VECTORS, 0, k=0), "k is 0, but must be an integer of at"),
        (lambda: most_similar([[1, 0], [np.nan, 0]], 0, k=1), "vectors must be finite"),
        (lambda: analogy(VECTORS, 0, 1, 4, k=1), "c holds 4, but must lie from 0 to 3"),
        (lambda: analogy(VECTORS, [0], 1, 2, k=1), r"a of shape \(1,\) does not fit"),
        (lambda: analogy(VECTORS, 0, 1, 2, k=2), "k is 2, but there are only 1 other"),
        (
            lambda: analogy(VECTORS * 0, 0, 1, 2, k=1),
            "the vector of word 0 has length 0",
        ),
        (
            lambda: analogy([[1, 0], [0, 1], [1, 0], [0, -1]], 0, 2, 1, k=4),
            "k is 4, but there are only 1 other words",
        ),
        (
            lambda: analogy([[2.0], [1.0], [3.0], [0.5]], 0, 1, 2, k=2),
            "k is 2, but there are only 1 other words",
        ),
    ],
)
def test_refuses(call, message):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_that_cancel_out(kind, dtype):
    # at 60°, 0° and 120° the first is the sum of the others, but for rounding
    angles = np.radians([60, 0, 120, 45])
    vectors = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    table = in_kind(vectors.astype(dtype), kind)
    with pytest.raises(ValueError, match=r"b - a \+ c has length .*no direction"):
        analogy(table, 0, 1, 2, k=1)
    assert analogy(table, 1, 0, 2, k=1)[0].tolist() == [3]


def test_steps_that_are_too_large():
    model = small(loss="full")
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match=r"the loss is not finite in epoch .*too large"),
    ):
        model.train([0, 1, 2] * 9, learning_rate=1e30, epochs=20, progress=False)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    ids = rng(0).integers(0, 12, 300)
    counts = np.bincount(ids)
    on_gpu = torch.tensor(ids, device="cuda")
    for answer in (
        context_pairs(on_gpu, window=2),
        subsample(on_gpu, counts, threshold=0.1, rng=rng()),
    ):
        assert answer.device.type == "cuda"
    for model in MODELS:
        for loss in LOSSES:
            tables = []
            for device in (None, "cuda"):
                ours = model(
                    12, 5, loss=loss, counts=counts, device=device, dtype="float64"
                )
                ours.train(ids, epochs=2, batch_size=32, threshold=0.1, progress=False)
                tables.append(ours.vectors)
            assert tables[1].device.type == "cuda"
            np.testing.assert_allclose(tables[0], tables[1].cpu(), rtol=1e-8)
            answers = [most_similar(table, 3, k=5) for table in tables]
            assert answers[0][0].tolist() == answers[1][0].tolist()
