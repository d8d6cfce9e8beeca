"""What the explorer of word2vec's pairs shows and says, against the definitions."""

import itertools
import math
import re

import numpy as np
import pytest
from word2vec_oracles import naive_windows

from notebook_utils.explorers import word2vec
from notebook_utils.explorers.word2vec import (
    COUNTS,
    DRAWN,
    FIXED,
    KNOWN,
    OFF,
    SIDE,
    TOTAL,
    WORDS,
    explorer,
    kept_places,
    pair_places,
)
from notebook_utils.word2vec import subsample

THRESHOLDS = ("0.01", "0.001", "0.0001", "0.00001")
SETTINGS = list(explorer.settings())


def test_the_counts_are_those_of_a_text():
    assert set(COUNTS) == set(WORDS)
    assert sum(COUNTS.values()) < TOTAL


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_words_kept_are_what_subsample_keeps(threshold):
    ids = [KNOWN.index(word) for word in WORDS]
    counts = [*COUNTS.values(), TOTAL - sum(COUNTS.values())]
    for draw in range(1, 6):
        rng = np.random.default_rng(draw)
        kept = subsample(ids, counts, threshold=float(threshold), rng=rng)
        places = kept_places(threshold, draw)
        assert [ids[place] for place in places] == kept.tolist()
    assert kept_places(OFF, 1) == tuple(range(SIDE))


def test_the_pairs_are_a_loops():
    for threshold, window, draw in itertools.product(
        (OFF, *THRESHOLDS), range(1, 6), range(1, 6)
    ):
        kept = list(kept_places(threshold, draw))
        radii = np.random.default_rng([draw, 1]).integers(1, window + 1, len(kept))
        for size, each in ((FIXED, [window] * len(kept)), (DRAWN, radii.tolist())):
            loop = naive_windows(kept, each)
            pairs = [(c, o) for c, before, after in loop for o in before + after]
            assert list(pair_places(threshold, window, size, draw)) == pairs


def test_the_readout():
    for values in SETTINGS[::7]:
        said = explorer.read(**values)
        kept = kept_places(values["threshold"], values["draw"])
        names = ("threshold", "window", "size", "draw")
        pairs = pair_places(*(values[name] for name in names))
        assert said["Words kept"] == f"{len(kept)} of {SIDE}"
        assert said["Pairs in all"] == str(len(pairs))
        centre = kept[values["step"]]
        own = [o for c, o in pairs if c == centre]
        listed = said["Pairs of this centre word"]
        if own:
            assert listed.count("(") == len(own)
            assert re.findall(r", (\w+)\)", listed) == [WORDS[o] for o in own]
            assert set(re.findall(r"\((\w+)", listed)) == {WORDS[centre]}
        else:
            assert listed == f"none: {WORDS[centre]} has no neighbour"
        keep = said["Probability of keeping this word"]
        share = COUNTS[WORDS[centre]] / TOTAL
        if values["threshold"] != OFF:
            written = re.search(r"(?:f =|/) (0\.\d+)", keep)[1]
            assert float(written) == share
            assert not written.endswith("0")
        if values["threshold"] == OFF:
            assert keep.startswith("1 for ")
        elif share <= float(values["threshold"]):
            assert keep.endswith("is at most t")
        else:
            number = float(re.search(r"= ([\d.]+) for", keep)[1])
            wanted = math.sqrt(float(values["threshold"]) / share)
            assert abs(number - wanted) < 6e-4


def test_every_word_dropped(monkeypatch):
    monkeypatch.setattr(word2vec, "kept_places", lambda threshold, draw: ())
    monkeypatch.setattr(word2vec, "pair_places", lambda *_: ())
    assert explorer.read()["Pairs of this centre word"] == "—"
    assert explorer.read()["Probability of keeping this word"] == "—"
    assert explorer.read()["Words kept"] == f"0 of {SIDE}"
    assert explorer.figure()


def test_a_click_on_a_row_chooses_its_centre():
    for draw in range(1, 6):
        kept = kept_places("0.001", draw)
        figure = explorer.figure(draw=draw)
        found = {}
        for artist in figure.artists + figure.patches:
            gid = artist.get_gid() or ""
            if gid.startswith("set:step="):
                row = artist.get_path().vertices[:, 1].min() - word2vec.TOP
                found.setdefault(int(gid[9:]), set()).add(math.floor(row))
        assert found == {step: {place} for step, place in enumerate(kept)}
