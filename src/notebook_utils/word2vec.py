"""Words as vectors: skip-gram and CBOW with three losses, and what to ask of vectors.

Words are integers, numbered by a `Vocabulary`. The centre word is the one in the middle
of a window, the context words are those around it.
"""

import numpy as np

from notebook_utils._noise import HuffmanTree, NegativeSampler
from notebook_utils._vocabulary import Vocabulary
from notebook_utils._word_losses import (
    decision_loss,
    decision_loss_backward,
    softmax_loss,
    softmax_loss_backward,
)
from notebook_utils._word_models import LOSSES, Word2Vec
from notebook_utils._words import (
    context_pairs,
    context_windows,
    keep_probability,
    like,
    pair_up,
    read_id,
    read_ids,
    subsample,
)
from notebook_utils.arrays import as_floats, bind_shapes, whole
from notebook_utils.device import to_numpy

__all__ = [
    "CBOW",
    "LOSSES",
    "HuffmanTree",
    "NegativeSampler",
    "SkipGram",
    "Vocabulary",
    "analogy",
    "context_pairs",
    "context_windows",
    "decision_loss",
    "decision_loss_backward",
    "keep_probability",
    "most_similar",
    "softmax_loss",
    "softmax_loss_backward",
    "subsample",
]


class SkipGram(Word2Vec):
    r"""Predict the words around a word from that word.

    The model has two tables of vectors, v for words that are given and u for words that
    are predicted. With the full softmax,

    .. math:: P(o \mid c) = \frac{\exp(u_o^T v_c)}{\sum_i \exp(u_i^T v_c)}

    for a context word o and its centre word c; the other losses replace this formula by
    ones that take fewer products.

    Parameters
    ----------
    vocabulary_size, dimension : int
        How many words, and how many numbers in each one's vector.
    loss : {"full", "negative_sampling", "hierarchical_softmax"}
    counts : (vocabulary_size,) array, optional
        How often each word occurs: from it come the noise and the tree, so that only
        the full softmax can do without.
    negatives : int
        Noise words for each word predicted.
    power : float
        See `NegativeSampler`.
    seed : int
        Seeds the vectors.
    dtype : {"float32", "float64"}
    device : torch.device or str, optional
        Where torch is to compute; without it, NumPy does.

    Attributes
    ----------
    vectors : (vocabulary_size, dimension) array
        The table v, which is the result: at first uniform in ±1/2 / dimension.
    output_vectors : (vocabulary_size, dimension) array
        The table u, zeros at first. With the hierarchical softmax it has a row for each
        inner node of the tree: one less than there are words.
    sampler : NegativeSampler or None
    tree : HuffmanTree or None

    Raises
    ------
    ValueError
        If an argument is out of range or `counts` are missing.

    References
    ----------
    T. Mikolov, K. Chen, G. Corrado and J. Dean, "Efficient Estimation of Word
    Representations in Vector Space", arXiv:1301.3781. T. Mikolov, I. Sutskever, K.
    Chen, G. Corrado and J. Dean, "Distributed Representations of Words and Phrases and
    their Compositionality", arXiv:1310.4546.
    """

    def _read_inputs(self, inputs):
        inputs = read_ids(inputs, "inputs", len(self.vectors))
        bind_shapes(inputs=("n", inputs))
        return inputs[:, None]

    def _examples(self, centres, contexts):
        pairs = pair_up(centres, contexts)
        return pairs[:, :1], pairs[:, 1]


class CBOW(Word2Vec):
    r"""Predict a word from the words around it: a continuous bag of words.

    As in `SkipGram`, with the mean of the context's vectors in place of the centre's:

    .. math:: P(c \mid o_1, \dots, o_m) =
              \frac{\exp(u_c^T h)}{\sum_i \exp(u_i^T h)}, \quad
              h = \frac{1}{m} \sum_{j=1}^m v_{o_j}

    Parameters
    ----------
    vocabulary_size, dimension, loss, counts, negatives, power, seed, dtype, device
        As in `SkipGram`, and so are the attributes and the errors.

    References
    ----------
    T. Mikolov, K. Chen, G. Corrado and J. Dean, "Efficient Estimation of Word
    Representations in Vector Space", arXiv:1301.3781, section 3.1.
    """

    def _read_inputs(self, inputs):
        inputs = read_ids(inputs, "inputs", len(self.vectors), lowest=-1)
        bind_shapes(inputs=("n m", inputs))
        lonely = np.flatnonzero((inputs < 0).all(axis=1))
        if lonely.size:
            raise ValueError(f"inputs has no context word in row {lonely[0]}")
        return inputs

    def _examples(self, centres, contexts):
        some = (contexts >= 0).any(axis=1)
        return contexts[some], centres[some]


def most_similar(vectors, query, *, k):
    r"""Find the words whose vectors point the same way as a word's, or as a vector.

    .. math:: \cos(a, b) = \frac{a^T b}{\lVert a \rVert \, \lVert b \rVert}

    Parameters
    ----------
    vectors : (v, d) array
        One vector for each word.
    query : int or (d,) array
        A word, which is left out of the answer, or any vector.
    k : int
        How many words to find.

    Returns
    -------
    ids : (k,) array of int64
        The words, the most similar first; of equally similar ones, the lower number.
    cosines : (k,) array
        The cosine of the angle of each with the query, 0 for a vector of zeros.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, the query is zero or no word,
        or there are fewer than `k` other words.
    """
    if getattr(query, "ndim", np.ndim(query)) == 0:
        xp, (vectors,) = as_floats(vectors=vectors)
        size = bind_shapes(vectors=("v d", vectors))["v"]
        word = read_id(query, "query", size)
        direction = _unit(xp, vectors[word, :], "query")
        return _nearest(xp, vectors, direction, [word], k)
    xp, (vectors, query) = as_floats(vectors=vectors, query=query)
    bind_shapes(vectors=("v d", vectors), query=("d", query))
    return _nearest(xp, vectors, _unit(xp, query, "query"), [], k)


def analogy(vectors, a, b, c, *, k):
    r"""Complete "a is to b as c is to ...".

    The answer is near

    .. math:: \frac{b}{\lVert b \rVert} - \frac{a}{\lVert a \rVert}
              + \frac{c}{\lVert c \rVert},

    by the cosine; a, b and c themselves are left out.

    Parameters
    ----------
    vectors : (v, d) array
        One vector for each word.
    a, b, c : int
        Words.
    k : int
        How many answers to give.

    Returns
    -------
    ids, cosines
        As from `most_similar`.

    Raises
    ------
    ValueError
        As `most_similar`; also if the three cancel out.

    References
    ----------
    T. Mikolov, W. Yih and G. Zweig, "Linguistic Regularities in Continuous Space Word
    Representations", Proceedings of NAACL-HLT, 2013, pages 746-751.
    """
    xp, (vectors,) = as_floats(vectors=vectors)
    size = bind_shapes(vectors=("v d", vectors))["v"]
    words = {"a": a, "b": b, "c": c}
    ids = [read_id(word, name, size) for name, word in words.items()]
    a, b, c = (
        _unit(xp, vectors[word, :], f"the vector of word {word}") for word in ids
    )
    rounding = 8 * float(xp.finfo(vectors.dtype).eps)
    direction = _unit(xp, b - a + c, "b - a + c", rounding)
    return _nearest(xp, vectors, direction, ids, k)


def _nearest(xp, vectors, direction, left_out, k):
    """Rank words by their cosine with a direction of length 1, some left out."""
    count = whole(k, "k", minimum=1)
    others = len(vectors) - len(set(left_out))
    if count > others:
        raise ValueError(f"k is {count}, but there are only {others} other words")
    if not bool(xp.all(xp.isfinite(vectors))):
        raise ValueError("vectors must be finite")
    lengths = xp.linalg.vector_norm(vectors, axis=1)
    scores = vectors @ direction
    cosines = scores / xp.where(lengths > 0, lengths, xp.ones_like(lengths))
    order = xp.argsort(-cosines, stable=True)
    kept = ~np.isin(to_numpy(order), left_out)
    best = order[like(order, np.flatnonzero(kept)[:count])]
    return best, cosines[best]


def _unit(xp, vector, name, least=0.0):
    """Divide by the length, which must be more than `least`."""
    length = float(xp.linalg.vector_norm(vector))
    if not least < length < np.inf:
        raise ValueError(f"{name} has length {length:g}, and so no direction")
    return vector / length
