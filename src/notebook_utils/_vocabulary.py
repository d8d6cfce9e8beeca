"""Words as integers."""

from collections import Counter

import numpy as np

from notebook_utils._words import read_ids
from notebook_utils.arrays import bind_shapes, whole


class Vocabulary:
    """Number the different words of a text, the most frequent first.

    Parameters
    ----------
    tokens : iterable of str, or of iterables of str
        The words of a text, or its sentences.
    min_count : int
        Words that occur less often are left out.

    Attributes
    ----------
    words : tuple of str
        ``words[i]`` is word number i; equally frequent words are in the order of the
        alphabet.
    counts : (v,) array of int64
        How often each occurs.

    Raises
    ------
    ValueError
        If `tokens` is one string or holds anything but strings, or if no word is left.

    Examples
    --------
    >>> vocabulary = Vocabulary("the cat saw the dog".split())
    >>> vocabulary.words
    ('the', 'cat', 'dog', 'saw')
    >>> vocabulary.encode(["the", "dog", "slept"])
    array([0, 2])
    """

    def __init__(self, tokens, *, min_count=1):
        least = whole(min_count, "min_count", minimum=1)
        counter = Counter(word for words in _sentences(tokens) for word in words)
        kept = [word for word, count in counter.items() if count >= least]
        if not kept:
            raise ValueError(
                f"tokens has {len(counter)} different words, none of which occurs at "
                f"least {least} times (min_count)"
            )
        self.words = tuple(sorted(kept, key=lambda word: (-counter[word], word)))
        self.counts = np.array([counter[word] for word in self.words])
        self._ids = {word: number for number, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def id(self, word):
        """Return the number of a word.

        Raises
        ------
        ValueError
            If the vocabulary does not hold it.
        """
        if word not in self._ids:
            raise ValueError(f"word {word!r} is not among the {len(self)} words")
        return self._ids[word]

    def encode(self, tokens):
        """Turn words into numbers; words that are not in the vocabulary are left out.

        Parameters
        ----------
        tokens : iterable of str, or of iterables of str

        Returns
        -------
        ids : (n,) array of int64, or list of them
            One array for words, a list of arrays for sentences.

        Raises
        ------
        ValueError
            If `tokens` is one string or holds anything but strings.
        """
        tokens = tokens if isinstance(tokens, str) else list(tokens)
        sentences = [
            np.array([self._ids[word] for word in words if word in self], np.int64)
            for words in _sentences(tokens)
        ]
        one = not tokens or isinstance(tokens[0], str)
        return np.concatenate([np.empty(0, np.int64), *sentences]) if one else sentences

    def decode(self, ids):
        """Turn numbers, (n,), into a list of words.

        Raises
        ------
        ValueError
            If a number is none of the vocabulary's.
        """
        ids = read_ids(ids, "ids", len(self))
        bind_shapes(ids=("n", ids))
        return [self.words[number] for number in ids.tolist()]


def _sentences(tokens):
    """Read words, or sentences of words, as an iterator of sentences."""
    if isinstance(tokens, str):
        raise ValueError(
            "tokens is one string, but must be words or sentences of words: split it"
        )
    nested = None
    for entry in tokens:
        is_word = isinstance(entry, str)
        if nested is not None and nested is is_word:
            raise ValueError("tokens mixes words and sentences, but must hold one kind")
        nested = not is_word
        words = [entry] if is_word else list(entry)
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"tokens holds {word!r}, but must hold words (str)")
        yield words
