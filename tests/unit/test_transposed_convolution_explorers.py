"""The explorers of upsampling: what they draw and say is what the functions do."""

import re
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from notebook_utils.explorers import _upsampling as up
from notebook_utils.explorers import transposed_convolution as three
from notebook_utils.explorers.frames import render_layer


def settings_that_fit():
    return [
        (k, s, p, e)
        for k in range(1, 6)
        for s in range(1, 6)
        for p in range(5)
        for e in range(s)
        if 2 * s + k - 2 * p + e > 0
    ]


def test_the_three_views_are_torchs_transposed_convolution():
    x = torch.tensor(three.INPUTS)[None, None].double()
    for k, s, p, e in settings_that_fit():
        w = torch.tensor(three.TAPS[:k])[None, None].double()
        y = F.conv_transpose1d(x, w, None, s, p, e)[0, 0].tolist()
        assert list(three.values_key(k, s, p, e)["values"]) == y
        # the third view: the turned kernel lies on k cells that end at the output
        row = three.spread_key(k, s, p, e)
        cells = dict.fromkeys(range(row["start"], row["stop"]), 0)
        for i, value in enumerate(three.INPUTS):
            if row["first"] + row["stride"] * i in cells:
                cells[row["first"] + row["stride"] * i] = value
        turned = three.TAPS[:k][::-1]
        slid = [
            sum(w * cells[j - k + 1 + b] for b, w in enumerate(turned))
            for j in range(row["stop"])
        ]
        assert slid == y
        # the first two: what is marked is what reaches the output
        for j, total in enumerate(y):
            parts = three.contributions(k, s, p, j)
            assert sum(value * tap for value, tap, *_ in parts) == total
            mark = three.mark_key(k, s, p, e, j)
            for row_number in mark["rows"]:
                stamp = three.stamp_key(row_number, k, s, p, e)
                assert 0 <= j - stamp["first"] < k


def test_what_the_readout_says_of_the_three_views():
    for k, s, p, e in settings_that_fit():
        setting = {"kernel": k, "stride": s, "padding": p, "extra": e}
        said = three.explorer.read(**setting, step=0)
        m = three.outputs(k, s, p, e)
        names = ("size", "zeros", "output", "back")
        labels = dict(zip(names, said.values(), strict=True))
        assert labels["size"].endswith(f"= {m}")
        # spread and padded as it says, the inputs make the outputs
        between, ends = labels["zeros"].split(" between, ")
        row = np.zeros((len(three.INPUTS) - 1) * (int(between) + 1) + 1)
        row[:: int(between) + 1] = three.INPUTS
        ends = re.findall(r"(\d+)( cells cut off)?", ends)
        before, after = (-int(n) if cut else int(n) for n, cut in (ends * 2)[:2])
        row = np.pad(row, (max(before, 0), max(after, 0)))
        row = row[max(-before, 0) : len(row) - max(-after, 0)]
        y = np.correlate(row, three.TAPS[:k][::-1], "valid")
        assert tuple(y) == three.values_key(k, s, p, e)["values"]
        y0 = three.values_key(k, s, p, e)["values"][0]
        *_, total = labels["output"].removesuffix(": no stamp reaches it").split(" = ")
        factors = [int(n) for n in total.split(" · ")]
        assert np.prod(factors) == y0
        back = F.conv1d(torch.zeros(1, 1, m + 2 * p), torch.zeros(1, 1, k), stride=s)
        assert labels["back"].startswith(f"{m} cells to {back.shape[-1]}")
    for setting in ({"extra": 2}, {"padding": 4, "stride": 1}):
        said = three.explorer.read(**setting)
        assert list(said.values())[1:] == ["—"] * 3
    assert three.read_size(3, 2, 0, 2) == "e = 2 does not fit s = 2: it must be less"


@pytest.mark.parametrize("factor", range(1, 7))
@pytest.mark.parametrize("name", up.PATCHES)
def test_the_patch_is_torchs(name, factor):
    x = torch.tensor(up.PATCHES[name], dtype=torch.float64)[None, None]
    for kind, corners in (
        (up.NEAREST, up.EDGES),
        (up.BILINEAR, up.EDGES),
        (up.BILINEAR, up.CORNERS),
    ):
        options = {}
        if kind == up.BILINEAR:
            options["align_corners"] = corners == up.CORNERS
        theirs = F.interpolate(x, scale_factor=factor, mode=kind, **options)[0, 0]
        ours = up.enlarge(up.PATCHES[name], factor, kind, corners)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_the_shares_make_the_rows_outputs():
    for factor in range(1, 7):
        for kind, corners in (
            (up.NEAREST, up.EDGES),
            (up.BILINEAR, up.EDGES),
            (up.BILINEAR, up.CORNERS),
        ):
            weights = up.shares(factor, kind, corners)
            row = np.array(up.PATCHES["top row"][0])
            top = up.enlarge(up.PATCHES["top row"], factor, kind, corners)[0]
            np.testing.assert_allclose(weights @ row, top, atol=1e-12)
            for step in (0, factor * up.SIDE - 1):
                said = up.read_share(factor, kind, corners, step)
                shares = re.findall(r"([\d/]+|all) of input (\d)", said)
                shares = [(share.replace("all", "1"), i) for share, i in shares]
                total = sum(Fraction(share) * int(row[int(i)]) for share, i in shares)
                assert np.isclose(float(total), top[step])
        # in the row below the border a transposed convolution mixes rows, too
        weights = up.shares(factor, up.STAMPS, up.EDGES)
        down = weights[0].sum()
        top = up.enlarge(up.PATCHES["flat"], factor, up.STAMPS, up.EDGES)[0]
        np.testing.assert_allclose(3 * down * weights.sum(axis=1), top)


def test_the_graph_is_named_once():
    svgs = [
        render_layer(up.patch, layer, layer.arguments(up.patch.values()))
        for layer in up.patch.layers
    ]
    assert "".join(svgs).count("along the top row") == 1


def test_what_the_readout_says_of_the_places():
    assert up.read_distance(1, up.BILINEAR, up.EDGES) == "1 output"
    assert up.read_distance(2, up.BILINEAR, up.CORNERS) == "7/3 outputs"
    for kind in (up.NEAREST, up.STAMPS):  # edges, whatever is chosen
        assert up.read_first(3, kind, up.EDGES) == "output 1"
        said = up.read_first(3, kind, up.CORNERS)
        assert said == "output 1: this way aligns edges"
    assert up.read_first(3, up.BILINEAR, up.CORNERS) == "output 0"


def test_inputs_lie_where_they_come_back():
    ramp = np.tile(np.arange(4.0), (4, 1))
    for factor in (2, 3, 5):
        for corners in (up.EDGES, up.CORNERS):
            y = up.enlarge(ramp, factor, up.BILINEAR, corners)[0]
            m = len(y)
            places = up.where_inputs_lie(factor, up.BILINEAR, corners) * m - 0.5
            found = np.interp(places, np.arange(m), y)
            # an edge bends the ramp: between outputs its inputs are not to be read off
            inner = slice(1, 3) if corners == up.EDGES else slice(None)
            np.testing.assert_allclose(found[inner], np.arange(4.0)[inner], atol=1e-12)


def test_the_photograph_comes_back_as_torch_says():
    x = torch.tensor(up.photograph_crop())[None, None]
    assert x.shape[2:] == (up.CROP, up.CROP)
    for factor in (2, 4, 8):
        small = F.avg_pool2d(x, factor)
        for way, (kind, corners) in up.WAYS.items():
            if kind not in (up.NEAREST, up.BILINEAR):
                continue
            options = {}
            if kind == up.BILINEAR:
                options["align_corners"] = corners == up.CORNERS
            big = F.interpolate(small, scale_factor=factor, mode=kind, **options)
            error = float((big - x).abs().mean())
            assert up.read_error(factor, way) == f"{100 * error:.2f} % of white"
    assert up.read_flat(4, up.UNEVEN) == "32 % to 128 %"  # of 4 · 4 overlaps, 1 to 4
    assert [up.read_flat(4, way) for way in up.WAYS if way != up.UNEVEN] == ["50 %"] * 4
