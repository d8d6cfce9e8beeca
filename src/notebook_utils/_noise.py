"""What spares a model the sum over all words: noise, or a tree to descend."""

import heapq

import numpy as np

from notebook_utils._words import read_counts, read_id, read_ids, read_number, read_rng
from notebook_utils.arrays import bind_shapes, is_sequence, whole


class NegativeSampler:
    r"""Draw noise words for negative sampling.

    .. math:: P(w) = \text{count}_w^{\,p} / \sum_i \text{count}_i^{\,p}

    Parameters
    ----------
    counts : (v,) array
        How often each word occurs.
    power : float
        The exponent p, at least 0: 1 draws words as often as they occur, 0 all of those
        that occur alike. The paper found 3/4 to work best.

    Attributes
    ----------
    probabilities : (v,) array
        P; 0 for a word that does not occur, whatever the power.

    Raises
    ------
    ValueError
        If `counts` are negative, not finite or all zero, or `power` is negative or not
        finite.

    References
    ----------
    T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed
    Representations of Words and Phrases and their Compositionality", arXiv:1310.4546,
    section 2.2.
    """

    def __init__(self, counts, *, power=0.75):
        counts = read_counts(counts).astype(np.float64)
        power = read_number(
            power, "power", lambda p: 0 <= p < np.inf, "finite and at least 0"
        )
        # shares of the largest: a large power of a large count would overflow
        weights = np.where(counts > 0, (counts / counts.max()) ** power, 0.0)
        self.probabilities = weights / weights.sum()
        cumulative = np.cumsum(self.probabilities)
        self._cumulative = cumulative / cumulative[-1]

    def sample(self, shape, *, rng, exclude=None):
        """Draw words.

        Parameters
        ----------
        shape : int or tuple of int
        rng : numpy.random.Generator
        exclude : (n,) array of int, optional
            With a shape (n, ...): a word for each row that is drawn again wherever it
            comes up in that row. So the other words keep the proportions that they
            have.

        Returns
        -------
        ids : array of int64 of this shape

        Raises
        ------
        ValueError
            If an argument does not fit, or only the excluded word could be drawn.
        """
        sizes = tuple(shape) if is_sequence(shape) else (shape,)
        sizes = tuple(whole(size, "shape") for size in sizes)
        ids = self._draw(sizes, read_rng(rng))
        if exclude is None:
            return ids
        exclude = read_ids(exclude, "exclude", len(self.probabilities))
        if not sizes:
            raise ValueError("shape is (), but needs an axis for the rows of exclude")
        bind_shapes({"n": sizes[0]}, exclude=("n", exclude))
        certain = exclude[self.probabilities[exclude] == 1]
        if ids.size and certain.size:
            raise ValueError(
                f"exclude holds {certain[0]}, the only word that could be drawn"
            )
        barred = exclude.reshape(-1, *[1] * (len(sizes) - 1))
        while (again := ids == barred).any():
            ids[again] = self._draw(int(again.sum()), rng)
        return ids

    def _draw(self, size, rng):
        # the first word whose cumulative probability exceeds a number from [0, 1)
        return np.searchsorted(self._cumulative, rng.random(size), side="right")


class HuffmanTree:
    r"""Put words at the leaves of a binary tree, frequent ones near its root.

    Again and again the two rarest of what there is, words or subtrees, are joined. No
    other tree has shorter paths on average, :math:`\sum_w \text{count}_w L_w`, where
    :math:`L_w` counts the steps from the root to w.

    Parameters
    ----------
    counts : (v,) array
        How often each word occurs. Of equally frequent words and subtrees, words come
        first, by their number, and then subtrees in the order in which they were made.

    Attributes
    ----------
    children : (v - 1, 2) array of int64
        The left and the right child of each inner node: below v it is a word, and v + i
        is inner node i. The rarer child is the left one. The root is the last node.
    lengths : (v,) array of int64
        L: the steps down to each word.
    nodes : (v, max L) array of int64
        The inner nodes on the way down to each word, the root first, and -1 after the
        last.
    signs : (v, max L) array of int64
        Where that way leads on from each: 1 to the left, -1 to the right, and 0 after
        the last.

    Raises
    ------
    ValueError
        If `counts` is empty, or are negative, not finite or all zero.

    References
    ----------
    D. A. Huffman, "A Method for the Construction of Minimum-Redundancy Codes",
    Proceedings of the IRE 40(9), 1952, doi:10.1109/JRPROC.1952.273898.
    """

    def __init__(self, counts):
        counts = read_counts(counts)
        v = len(counts)
        self.children = _join_rarest(counts.tolist())
        ways = [[] for _ in range(2 * v - 1)]  # of each node: (inner node, sign)
        for node in reversed(range(v - 1)):  # parents come before children
            for child, sign in zip(self.children[node], (1, -1), strict=True):
                ways[child] = [*ways[v + node], (node, sign)]
        self.lengths = np.array([len(way) for way in ways[:v]])
        shape = v, int(self.lengths.max())
        self.nodes = np.full(shape, -1)
        self.signs = np.zeros(shape, np.int64)
        for word, way in enumerate(ways[:v]):
            if way:
                self.nodes[word, : len(way)], self.signs[word, : len(way)] = zip(
                    *way, strict=True
                )

    def code(self, word):
        """Write the way down to a word: 0 for each step to the left, 1 to the right.

        Raises
        ------
        ValueError
            If `word` is no word's number.
        """
        word = read_id(word, "word", len(self.lengths))
        return "".join("0" if sign > 0 else "1" for sign in self.signs[word] if sign)


def _join_rarest(counts):
    """Join the two rarest until one is left; return the pairs joined, (v - 1, 2)."""
    v = len(counts)
    heap = [(count, number) for number, count in enumerate(counts)]
    heapq.heapify(heap)
    children = np.empty((v - 1, 2), np.int64)
    for node in range(v - 1):
        rarest, left = heapq.heappop(heap)
        second, right = heapq.heappop(heap)
        children[node] = left, right
        heapq.heappush(heap, (rarest + second, v + node))
    return children
