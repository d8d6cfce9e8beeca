"""From words to training examples: subsampled, and with their windows."""

import numbers
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from notebook_utils.arrays import as_floats, bind_shapes, is_sequence, is_torch, whole
from notebook_utils.device import to_device, to_numpy


def read_ids(ids, name, size=None, *, lowest=0):
    """Read integers from `lowest` to `size` - 1, arrays and tensors alike, as int64.

    Raises
    ------
    ValueError
        Naming the argument, what was found and what would fit.
    """
    array = _read_array(ids, name)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} holds {array.dtype}, but must hold integers")
    low, high = array.min(initial=lowest), array.max(initial=lowest)
    if low < lowest or (size is not None and high >= size):
        limit = "up" if size is None else f"to {size - 1}"
        found = low if low < lowest else high
        raise ValueError(f"{name} holds {found}, but must lie from {lowest} {limit}")
    return array.astype(np.int64)


def read_id(word, name, size):
    """Read the number of one word."""
    bind_shapes(**{name: ("", word)})
    return int(read_ids(word, name, size))


def _read_array(x, name):
    try:
        return to_numpy(x) if is_torch(x) else np.asarray(x)
    except ValueError as error:
        message = f"{name} cannot be read as an array of integers: {error}"
        raise ValueError(message) from error


def read_counts(counts):
    """Read how often each word occurs, (v,), as an array of NumPy's."""
    _, (counts,) = as_floats(counts=counts)
    counts = to_numpy(counts)
    if not bind_shapes(counts=("v", counts))["v"]:
        raise ValueError("counts is empty, but at least one word is needed")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.any()):
        raise ValueError(
            "counts must be finite, none of them negative, and not all of them 0"
        )
    return counts


def read_number(value, name, fits, wanted):
    """Read a real number for which `fits` holds; `wanted` says which those are."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not fits(value):
        raise ValueError(f"{name} is {value!r}, but must be {wanted}")
    return float(value)


def read_rng(rng):
    """Insist on a generator of random numbers."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng is {rng!r}, but must be a numpy.random.Generator, such as "
            "numpy.random.default_rng(0)"
        )
    return rng


def like(ids, array):
    """Bring an array of NumPy's to the kind and the device of `ids`.

    Words are numbered and drawn on the host, whatever computes with the vectors.
    """
    if not is_torch(ids) and is_sequence(ids):
        ids = next((each for each in ids if is_torch(each)), None)
    return to_device(array, ids.device) if is_torch(ids) else array


class Text(NamedTuple):
    """Sentences laid end to end."""

    ids: np.ndarray  # (n,) the words
    sentence: np.ndarray  # (n,) the number of each word's sentence
    count: int | None  # of sentences; None if there is one, not in a list

    def take(self, kept):
        """Return the text of the words for which the mask `kept` holds."""
        return self._replace(ids=self.ids[kept], sentence=self.sentence[kept])

    def split(self):
        """Return the ids as they came: one array, or a list of one per sentence."""
        if self.count is None:
            return self.ids
        ends = np.searchsorted(self.sentence, np.arange(self.count + 1))
        return [self.ids[start:end] for start, end in pairwise(ends)]


def read_text(ids, size=None):
    """Read the ids of one sentence, (n,), or of a sequence of sentences."""
    nested = is_sequence(ids) and any(
        is_sequence(each) or getattr(each, "ndim", 0) > 0 for each in ids
    )
    if not nested and getattr(ids, "ndim", 1) != 2:
        flat = read_ids(ids, "ids", size)
        bind_shapes(ids=("n", flat))
        return Text(flat, np.zeros(len(flat), np.int64), None)
    if len({is_torch(sentence) for sentence in ids}) > 1:
        raise ValueError("ids mixes torch tensors with others, but must be of one kind")
    sentences = [_read_array(each, "ids") for each in ids]
    for sentence in sentences:
        bind_shapes(ids=("n", sentence))
    # an empty list would count as one of floats
    filled = [sentence for sentence in sentences if sentence.size]
    flat = read_ids(np.concatenate(filled) if filled else [], "ids", size)
    numbers = np.repeat(np.arange(len(sentences)), [len(each) for each in sentences])
    return Text(flat, numbers, len(sentences))


def keep_probability(counts, *, threshold):
    r"""Compute how likely subsampling is to keep each word.

    .. math:: P(\text{keep } w) = \min(1, \sqrt{t / f_w}), \quad
              f_w = \text{count}_w / \sum_i \text{count}_i

    Parameters
    ----------
    counts : (v,) array
        How often each word occurs.
    threshold : float
        The frequency t, above 0 and at most 1, up to which words are always kept.

    Returns
    -------
    probability : (v,) array

    Raises
    ------
    ValueError
        If `counts` are negative, not finite or all zero, or `threshold` is out of
        range.

    Notes
    -----
    The paper's own program keeps a little more: :math:`\sqrt{t / f_w} + t / f_w`.

    References
    ----------
    T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed
    Representations of Words and Phrases and their Compositionality", arXiv:1310.4546,
    section 2.3.
    """
    _, (given,) = as_floats(counts=counts)
    counts = read_counts(given)
    threshold = read_number(
        threshold, "threshold", lambda t: 0 < t <= 1, "above 0 and at most 1"
    )
    frequency = counts / counts.sum()
    # up to the threshold it is 1, and nothing is divided by 0
    return like(given, np.sqrt(threshold / np.maximum(frequency, threshold)))


def subsample(ids, counts, *, threshold, rng):
    """Drop frequent words at random: each with probability 1 - sqrt(t / f), if f > t.

    Parameters
    ----------
    ids : (n,) array of int, or sequence of such arrays
        The words of a text, or of its sentences.
    counts : (v,) array
        How often each word occurs; f is its share of all.
    threshold : float
        t; see `keep_probability`.
    rng : numpy.random.Generator

    Returns
    -------
    kept : (m,) array of int64, or list of such arrays
        What is left, in order.

    Raises
    ------
    ValueError
        If an id is no word's, or as `keep_probability`.

    References
    ----------
    As for `keep_probability`.
    """
    keep = to_numpy(keep_probability(counts, threshold=threshold))
    text = read_text(ids, len(keep))
    drawn = read_rng(rng).random(len(text.ids))
    kept = text.take(drawn < keep[text.ids]).split()
    return like(ids, kept)


def context_windows(ids, *, window, rng=None):
    """List the words around each word: what CBOW predicts it from.

    Parameters
    ----------
    ids : (n,) array of int, or sequence of such arrays
        The words of a text, or of its sentences. No window reaches beyond its sentence.
    window : int
        How many words on each side belong to the context, at most.
    rng : numpy.random.Generator, optional
        If it is given, each word draws its own window, each size from 1 to `window`
        equally likely; without it, all have `window`.

    Returns
    -------
    centres : (n,) array of int64
        The words, sentence after sentence.
    contexts : (n, 2 window) array of int64
        The words at the distances -window, ..., -1, 1, ..., window from each, and -1
        where there is none or the window does not reach.

    Raises
    ------
    ValueError
        If `ids` holds anything but integers of at least 0, or `window` is no integer of
        at least 1.
    """
    text = read_text(ids)
    centres, contexts = windows(text, window, rng)
    return like(ids, centres), like(ids, contexts)


def windows(text, window, rng):
    """Compute `context_windows` of a text that is read already."""
    reach = whole(window, "window", minimum=1)
    n = len(text.ids)
    steps = np.delete(np.arange(-reach, reach + 1), reach)
    places = np.arange(n)[:, None] + steps
    near = places.clip(0, max(n - 1, 0))
    inside = (places == near) & (text.sentence[near] == text.sentence[:, None])
    if rng is not None:
        radius = read_rng(rng).integers(1, reach + 1, n)
        inside &= np.abs(steps) <= radius[:, None]
    return text.ids, np.where(inside, text.ids[near], -1)


def context_pairs(ids, *, window, rng=None):
    """List the pairs of a word and a word near it: what skip-gram learns from.

    Parameters
    ----------
    ids, window, rng
        As in `context_windows`.

    Returns
    -------
    pairs : (m, 2) array of int64
        Centre word and context word, in the order of the centres, and for each from
        left to right.

    Raises
    ------
    ValueError
        As `context_windows`.

    Notes
    -----
    A window drawn from 1 to w has a word at distance d within its reach with
    probability (w - d + 1) / w: near words weigh more.

    References
    ----------
    T. Mikolov, K. Chen, G. Corrado and J. Dean, "Efficient Estimation of Word
    Representations in Vector Space", arXiv:1301.3781, section 3.2.
    """
    centres, contexts = windows(read_text(ids), window, rng)
    return like(ids, pair_up(centres, contexts))


def pair_up(centres, contexts):
    """Turn windows into pairs, one for each word in a window."""
    rows, columns = np.nonzero(contexts >= 0)
    return np.stack([centres[rows], contexts[rows, columns]], axis=1)
