"""What skip-gram and CBOW share: a mean of vectors predicts a word.

In skip-gram it is the mean of one vector, that of the centre word.
"""

from functools import partial

import array_api_compat
import numpy as np

from notebook_utils._noise import HuffmanTree, NegativeSampler
from notebook_utils._word_losses import (
    decide,
    log_sum_exp,
    softmax_loss,
    softmax_loss_backward,
    spread,
    sum_rows,
)
from notebook_utils._words import (
    keep_probability,
    like,
    read_counts,
    read_ids,
    read_number,
    read_text,
    windows,
)
from notebook_utils.arrays import bind_shapes, whole
from notebook_utils.device import to_device

LOSSES = ("full", "negative_sampling", "hierarchical_softmax")
LAST_RATE = 1e-4  # of the first learning rate: where word2vec stops lowering it


class Word2Vec:
    """Tables, losses and training of both models; see `SkipGram`."""

    def __init__(
        self,
        vocabulary_size,
        dimension,
        *,
        loss,
        counts=None,
        negatives=5,
        power=0.75,
        seed=0,
        dtype="float32",
        device=None,
    ):
        size = whole(vocabulary_size, "vocabulary_size", minimum=1)
        dimension = whole(dimension, "dimension", minimum=1)
        if loss not in LOSSES:
            raise ValueError(f"loss is {loss!r}, but must be one of {LOSSES}")
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype is {dtype!r}, but must be float32 or float64")
        if counts is None and loss != "full":
            raise ValueError(f"loss {loss!r} needs counts: how often each word occurs")
        if counts is not None:
            counts = read_counts(counts)
            bind_shapes({"vocabulary_size": size}, counts=("vocabulary_size", counts))
        self.loss, self.counts, self.sampler, self.tree = loss, counts, None, None
        self.negatives = whole(negatives, "negatives", minimum=1)
        rows = size
        if loss == "negative_sampling":
            self.sampler = NegativeSampler(counts, power=power)
        elif loss == "hierarchical_softmax":
            self.tree, rows = HuffmanTree(counts), size - 1
        rng = np.random.default_rng(whole(seed, "seed"))
        vectors = (rng.random((size, dimension)) - 0.5) / dimension
        self.vectors = vectors.astype(dtype)
        self.output_vectors = np.zeros((rows, dimension), dtype)
        if device is not None:
            self.vectors = to_device(self.vectors, device)
            self.output_vectors = to_device(self.output_vectors, device)
        self._xp = array_api_compat.array_namespace(self.vectors)

    def losses(self, inputs, targets, *, noise=None):
        """Compute the loss of each example.

        Parameters
        ----------
        inputs : (n,) array of int, for CBOW (n, m)
            The centre word; for CBOW the words of the context, -1 where there is none.
        targets : (n,) array of int
            The word to predict: one of the context, or for CBOW the centre.
        noise : (n, k) array of int
            The noise words of negative sampling; no other loss has any.

        Returns
        -------
        losses : (n,) array

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        losses, _, _ = self._compute(*self._read(inputs, targets, noise))
        return losses

    def gradients(self, inputs, targets, *, noise=None):
        """Differentiate the sum of `losses`.

        Parameters
        ----------
        inputs, targets, noise
            As in `losses`.

        Returns
        -------
        grad_vectors : (vocabulary_size, dimension) array
        grad_output_vectors : array
            Of the shape of `output_vectors`.

        Raises
        ------
        ValueError
            As `losses`.
        """
        _, into, out = self._compute(*self._read(inputs, targets, noise))
        return (
            spread(self._xp, self.vectors, *into),
            spread(self._xp, self.output_vectors, *out),
        )

    def probabilities(self, inputs):
        """Compute the probability of every word.

        Parameters
        ----------
        inputs : (n,) array of int, for CBOW (n, m)
            As in `losses`.

        Returns
        -------
        probabilities : (n, vocabulary_size) array

        Raises
        ------
        ValueError
            If `inputs` do not fit, or the loss is negative sampling, which has no
            distribution over words.
        """
        if self.loss == "negative_sampling":
            raise ValueError(
                "loss 'negative_sampling' tells words from noise, and has no "
                "probabilities of words; 'full' and 'hierarchical_softmax' have"
            )
        xp, tree = self._xp, self.tree
        h, _, _ = self._hidden(self._read_inputs(inputs))
        scores = h @ self.output_vectors.T
        if tree is None:
            return xp.exp(scores - log_sum_exp(xp, scores))
        signs = xp.astype(like(h, tree.signs), h.dtype)
        margins = signs * scores[:, like(h, np.where(tree.signs == 0, 0, tree.nodes))]
        zero = xp.zeros_like(margins)
        steps = xp.where(signs == 0, zero, -xp.logaddexp(zero, -margins))
        return xp.exp(xp.sum(steps, axis=2))

    def train(
        self,
        ids,
        *,
        window=5,
        epochs=1,
        learning_rate=0.025,
        batch_size=256,
        threshold=None,
        seed=0,
        progress=True,
    ):
        """Fit the vectors to a text by stochastic gradient descent.

        In each epoch the text is subsampled, each word draws its window, and the
        examples are shuffled. One step takes a batch of examples and goes against the
        sum of their gradients. The learning rate falls in proportion to what is left to
        do.

        Parameters
        ----------
        ids : (n,) array of int, or sequence of such arrays
            The words of a text, or of its sentences.
        window : int
            The largest window; see `context_windows`.
        epochs : int
            How often to go through the text.
        learning_rate : float
            At the start.
        batch_size : int
            Examples in a step.
        threshold : float, optional
            See `subsample`; without it, no word is dropped. Frequencies are those of
            the model's `counts`, or else of `ids`.
        seed : int
            Seeds subsampling, windows, order and noise.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        losses : (epochs,) array of float64
            The mean loss of an example in each epoch, computed before its step.

        Raises
        ------
        ValueError
            If an argument is out of range, no pair of words is left to learn from, or
            the steps are too large and the loss is not finite any more.
        """
        text = read_text(ids, len(self.vectors))
        epochs = whole(epochs, "epochs", minimum=1)
        batch_size = whole(batch_size, "batch_size", minimum=1)
        learning_rate = read_number(
            learning_rate, "learning_rate", lambda r: 0 < r < np.inf, "positive"
        )
        rng = np.random.default_rng(whole(seed, "seed"))
        keep = self._keep(text, threshold)
        history = []
        for epoch in range(epochs):
            loss = self._epoch(
                text,
                keep,
                rng,
                window=window,
                batch_size=batch_size,
                # the rate after a share of this epoch
                rate=lambda done, epoch=epoch: (
                    learning_rate * max(1 - (epoch + done) / epochs, LAST_RATE)
                ),
                watch=partial(_watch, f"epoch {epoch + 1}/{epochs}", progress),
            )
            if not np.isfinite(loss):
                raise ValueError(
                    f"the loss is not finite in epoch {epoch + 1}: learning_rate "
                    f"{learning_rate} or batch_size {batch_size} is too large"
                )
            history.append(loss)
        return np.array(history)

    def _epoch(self, text, keep, rng, *, window, batch_size, rate, watch):
        """Go through the text once; return the mean loss."""
        kept = text.take(rng.random(len(text.ids)) < keep[text.ids])
        contexts, targets = self._examples(*windows(kept, window, rng))
        n, total = len(targets), 0.0
        if not n:
            raise ValueError(
                f"ids, {len(kept.ids)} of {len(text.ids)} words after subsampling, "
                "have no two words in one window: nothing can be learnt"
            )
        order = rng.permutation(n)
        for start in watch(range(0, n, batch_size)):
            batch = order[start : start + batch_size]
            total += self._step(contexts[batch], targets[batch], rate(start / n), rng)
        return total / n

    def _keep(self, text, threshold):
        """How likely each word is to be kept."""
        if threshold is None:
            return np.ones(len(self.vectors))
        counts = self.counts
        if counts is None:
            counts = np.bincount(text.ids, minlength=len(self.vectors))
        return keep_probability(counts, threshold=threshold)

    def _step(self, contexts, targets, rate, rng):
        """Take one step; return the sum of the losses before it."""
        noise = None
        if self.sampler:
            shape = len(targets), self.negatives
            noise = self.sampler.sample(shape, rng=rng, exclude=targets)
        losses, into, out = self._compute(contexts, targets, noise)
        tables = (self.vectors, self.output_vectors)
        for table, (index, rows) in zip(tables, (into, out), strict=True):
            places, sums = sum_rows(self._xp, index, rows)
            table[places] -= rate * sums
        return float(self._xp.sum(losses))

    def _hidden(self, contexts):
        """Average the vectors of each context; return their places and shares, too."""
        xp, v = self._xp, self.vectors
        present = contexts >= 0
        shares = present / present.sum(axis=1, keepdims=True)
        shares = xp.astype(like(v, shares), v.dtype)
        contexts = like(v, np.where(present, contexts, 0))
        return (shares[:, None, :] @ v[contexts])[:, 0, :], contexts, shares

    def _compute(self, contexts, targets, noise):
        """Compute losses and gradients; of each table, which rows change and how."""
        xp = self._xp
        h, contexts, shares = self._hidden(contexts)
        if self.loss == "full":
            u = self.output_vectors
            losses = softmax_loss(h, u, targets)
            grad_h, grad_u = softmax_loss_backward(h, u, targets)
            out = like(u, np.arange(len(u))), grad_u
        else:
            nodes, signs = self._decisions(targets, noise)
            signs = xp.astype(like(h, signs), h.dtype)
            nodes = like(h, nodes)
            losses, grad_h, grad_rows = decide(xp, h, self.output_vectors[nodes], signs)
            out = nodes, grad_rows
        # each of m context vectors has a share of 1/m in h
        into = contexts, shares[:, :, None] * grad_h[:, None, :]
        return losses, into, out

    def _decisions(self, targets, noise):
        """List the rows of u that a target is compared with, and the signs."""
        if self.tree:
            nodes, signs = self.tree.nodes[targets], self.tree.signs[targets]
            return np.where(signs == 0, 0, nodes), signs
        nodes = np.concatenate([targets[:, None], noise], axis=1)
        signs = np.full(nodes.shape, -1)
        signs[:, 0] = 1
        return nodes, signs

    def _read(self, inputs, targets, noise):
        contexts = self._read_inputs(inputs)
        size = len(self.vectors)
        targets = read_ids(targets, "targets", size)
        if (noise is None) != (self.sampler is None):
            needs = "needs noise words" if self.sampler else "has no noise words"
            raise ValueError(f"loss {self.loss!r} {needs}: noise is {noise!r}")
        noise = None if noise is None else read_ids(noise, "noise", size)
        known = {"n": len(contexts)}
        bind_shapes(known, targets=("n", targets), noise=("n k", noise))
        return contexts, targets, noise


def _watch(name, progress, steps):
    """Show a progress bar over steps, if it is wanted."""
    if not progress:
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc=name, unit=" steps")
