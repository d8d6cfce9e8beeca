"""Slow or independent twins of notebook_utils.word2vec, and its inputs."""

import heapq
import math

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

LOSSES = ("full", "negative_sampling", "hierarchical_softmax")

seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(("numpy", "torch"))
dtypes = st.sampled_from(("float32", "float64"))


def some_counts(least=1, most=12, low=0):
    """Draw how often words occur, so many of them; at least one does."""
    drawn = st.lists(st.integers(low, 40), min_size=least, max_size=most)
    return drawn.map(lambda counts: counts if any(counts) else [1, *counts[1:]])


def some_ids(size, most=15):
    """Draw a sentence, or a list of sentences, of words below `size`."""
    sentence = st.lists(st.integers(0, size - 1), max_size=most)
    several = st.lists(sentence, min_size=1, max_size=4)
    return st.one_of(sentence, several, st.sampled_from(([], [[]])))


def word_count(ids):
    return sum(map(len, ids)) if is_nested(ids) else len(ids)


def is_nested(ids):
    return bool(ids) and isinstance(ids[0], list)


def ids_in_kind(ids, kind):
    if is_nested(ids):
        return [ids_in_kind(sentence, kind) for sentence in ids]
    array = np.array(ids, np.int64)
    array.flags.writeable = kind != "numpy"
    return torch.from_numpy(array) if kind == "torch" else array


def naive_windows(ids, radii):
    """Walk through each sentence; `radii` is each word's own window."""
    radii = iter(radii)
    answer = []
    for sentence in ids if is_nested(ids) else [ids]:
        for i, centre in enumerate(sentence):
            radius = next(radii)
            before = sentence[max(0, i - radius) : i]
            answer.append((centre, before, sentence[i + 1 : i + 1 + radius]))
    return answer


def huffman_cost(counts):
    """Total length of all codes: the sum of all joins."""
    heap, total = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        heapq.heappush(heap, joined)
        total += joined
    return total


def walk(tree, word):
    """Descend from the root by a word's signs; return the leaf, and the inner nodes."""
    v = len(tree.lengths)
    node, seen = 2 * v - 2, []
    for sign in tree.signs[word]:
        if sign:
            seen.append(node - v)
            node = tree.children[node - v, 0 if sign > 0 else 1]
    return node, seen


def torch_loss(name, v, u, contexts, targets, noise=None, tree=None):
    """Compute a model's losses from their definitions, one example after another."""
    losses = []
    for i, target in enumerate(targets):
        words = [word for word in contexts[i] if word >= 0]
        h = v[words].mean(dim=0)
        if name == "full":
            loss = F.cross_entropy((u @ h)[None], torch.tensor([target]))
        elif name == "negative_sampling":
            loss = -F.logsigmoid(u[target] @ h)
            for word in noise[i]:
                loss = loss - F.logsigmoid(-(u[word] @ h))
        else:
            loss = torch.zeros((), dtype=v.dtype) * h.sum()
            v_count, node = len(tree.lengths), 2 * len(tree.lengths) - 2
            for side in tree.code(target):
                sign = 1 if side == "0" else -1
                loss = loss - F.logsigmoid(sign * (u[node - v_count] @ h))
                node = tree.children[node - v_count, int(side)]
            assert node == target
        losses.append(loss)
    return torch.stack(losses) if losses else torch.zeros(0, dtype=v.dtype)


def naive_decisions(h, u, nodes, signs):
    """Add the logarithms up, one decision after another, in Python's own numbers."""
    losses = []
    for i in range(len(h)):
        total = 0.0
        for node, sign in zip(nodes[i], signs[i], strict=True):
            if sign:
                score = math.fsum(a * b for a, b in zip(u[node], h[i], strict=True))
                total -= math.log(1 / (1 + math.exp(-sign * score)))
        losses.append(total)
    return np.array(losses)
