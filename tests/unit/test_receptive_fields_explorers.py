"""The explorers of receptive fields against torch's gradients."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from notebook_utils.explorers import _effective_fields as effective
from notebook_utils.explorers import receptive_fields as page
from notebook_utils.receptive_field import Layer, path_counts, receptive_field


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch compute in one thread: for so small inputs it is far quicker."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# the stack builder


def torch_gradient(layers):
    """Return how strongly the first output of torch's stack depends on each input."""
    size = receptive_field(layers).size
    x = torch.zeros(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = x
    for layer in layers:
        weight = torch.ones(1, 1, layer.kernel, dtype=torch.float64)
        y = F.conv1d(y, weight, None, layer.stride, 0, layer.dilation)
    y[0, 0, 0].backward()
    return x.grad[0, 0].numpy()


SETTINGS = random.Random(3).sample(list(page.explorer.settings()), 150)


def test_the_explorer_counts_what_torchs_gradient_says():
    gaps = 0
    for setting in SETTINGS:
        layers = page.stack(**setting)
        size = receptive_field(layers).size
        gradient = torch_gradient(layers)
        np.testing.assert_allclose(path_counts(layers), gradient)
        touched = int((gradient != 0).sum())
        heavy = int((gradient >= 0.05 * gradient.max()).sum())
        sizes, _, seen, carried = page.explorer.read(**setting).values()
        assert sizes.endswith(f" → {size}")
        assert seen == f"{touched} of {size} cells"
        assert carried == f"{heavy} cells"
        gaps += touched < size
        levels = page.seen_cells(layers)
        assert [len(levels), *levels[-1][1]] == [len(layers) + 1, True]
        assert levels[0][1].tolist() == (gradient != 0).tolist()
        # cells are where torch's first output sees them: the middle one is over all
        for above, (centres, marks, _) in zip(range(len(levels)), levels, strict=True):
            assert len(centres) == len(marks)
            assert (centres[0] + centres[-1]) / 2 == (size - 1) / 2
            assert marks.tolist() == (torch_gradient(layers[above:]) != 0).tolist()
    assert 0 < gaps < len(SETTINGS)


def test_the_stride_of_the_last_layer_moves_no_cell():
    setting = {"network": page.RATES, "chosen": 3, "kernel": 3, "dilation": 2}
    keys = [page.picture_key(**setting, stride=s) for s in (1, 2, 3)]
    assert keys[0] == keys[1] == keys[2]
    layers = [page.stack(**setting, stride=s) for s in (1, 3)]
    for first, second in zip(*map(page.seen_cells, layers), strict=True):
        assert first[1].tolist() == second[1].tolist()


def test_the_explorer_sets_one_layer_or_adds_one():
    setting = {"kernel": 5, "stride": 2, "dilation": 3}
    own = tuple(page.networks()[page.RATES])
    new = Layer(5, 2, dilation=3)
    assert page.stack(page.RATES, 0, **setting) == own
    assert page.stack(page.RATES, 2, **setting) == (own[0], new, own[2])
    for beyond in (4, 5):
        assert page.stack(page.RATES, beyond, **setting) == (*own, new)
    assert page.stack(page.RATES, 1, 1, 1, 9)[0] == Layer(1)


def test_the_networks_of_the_explorer():
    networks = page.networks()
    assert all(0 < len(each) <= page.MOST for each in networks.values())
    sizes = {name: receptive_field(each).size for name, each in networks.items()}
    assert sizes == {
        "rates 1, 2, 4": 15,
        "LeNet-5": 16,
        "AlexNet, start": 99,
        "VGG-16, start": 14,
        "GoogLeNet, start": 27,
        "ResNet-50, start": 19,
    }


def test_rows_of_the_explorer_hold_each_seen_cell_once():
    for indices in ([3], [0, 2, 4], [0, 1, 2, 6, 7, 8], [0, 1, 5, 7]):
        runs = page._runs(np.array(indices))
        assert np.concatenate(runs).tolist() == indices
        assert all(len(set(np.diff(run))) <= 1 for run in runs)


# the effective field

MODES = {"zeros": "constant", "mirror": "reflect", "wrap": "circular"}
SLOPES = {
    effective.LINEAR: lambda z: z,
    effective.RELU: torch.relu,
    effective.TANH: torch.tanh,
}


def torch_pad(x, kernel, padding):
    return F.pad(x, ((kernel - 1) // 2,) * 4, mode=MODES[padding])


@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_equal_weights_are_torchs_gradient(kernel, padding):
    for depth in (1, 3, 6):
        side = effective.SIDE
        x = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
        y, ones = x, torch.ones(1, 1, kernel, kernel, dtype=torch.float64)
        for _ in range(depth):
            y = F.conv2d(torch_pad(y, kernel, padding), ones)
        y[0, 0, effective.PLACE, effective.PLACE].backward()
        ours = effective.weigh_cells(depth, kernel, effective.EQUAL, padding)
        theirs = (x.grad / x.grad.max())[0, 0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


class Draws:
    """Noise in the order in which it is drawn, and what it was asked for."""

    def __init__(self, seed):
        self.rng, self.drawn = np.random.default_rng(seed), []

    def standard_normal(self, shape, dtype):
        self.drawn.append(self.rng.standard_normal(shape, dtype=dtype))
        return self.drawn[-1]


@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("network", SLOPES)
def test_random_gradients_are_torchs(network, padding, monkeypatch):
    depth, kernel = 3, 5
    draws = Draws(7)
    monkeypatch.setattr(effective.np.random, "default_rng", lambda seed: draws)
    ours = effective.random_gradient(depth, kernel, network, padding, seed=0)
    x, *weights, top = (torch.tensor(each, dtype=torch.float64) for each in draws.drawn)
    assert len(weights) == depth
    y = x.requires_grad_()
    for weight in weights:
        fan_in = weight[0].numel()
        gain = 2 if network == effective.RELU else 1
        y = F.conv2d(torch_pad(y, kernel, padding), weight * (gain / fan_in) ** 0.5)
        y = SLOPES[network](y)
    (y[:, :, effective.PLACE, effective.PLACE] * top).sum().backward()
    np.testing.assert_allclose(ours, x.grad, rtol=2e-3, atol=1e-5)


def test_the_effective_explorer_reads_what_it_draws():
    for setting in random.Random(1).sample(
        list(effective.effective_explorer.settings()), 9
    ):
        shares = effective.weigh_cells(**setting)
        assert shares.max() == 1
        side = (shares >= 0.05).sum() ** 0.5
        _, inside, measured, _ = effective.effective_explorer.read(**setting).values()
        assert measured.startswith(f"{side:.1f} × {side:.1f}, ")
        reach = setting["depth"] * (setting["kernel"] - 1) // 2
        cells = [abs(i - effective.PLACE) <= reach for i in range(effective.SIDE)]
        assert inside == f"{sum(cells)} × {sum(cells)} cells"
        if setting["padding"] == "zeros":
            assert not shares[~np.outer(cells, cells)].any()


@pytest.mark.parametrize("network", SLOPES)
def test_random_networks_show_the_root_of_the_paths(network):
    for depth, kernel in ((4, 3), (6, 3), (3, 5)):  # as far as no border is met
        counts = path_counts([Layer(kernel)] * depth)
        roots = np.sqrt(np.outer(counts, counts) / counts.max() ** 2)
        side = (roots >= 0.05).sum() ** 0.5
        shares = effective.weigh_cells(depth, kernel, network, "zeros")
        assert abs((shares >= 0.05).sum() ** 0.5 - side) < 0.35
        # no single network makes the largest cell, with which others are compared
        assert 0.7 < (shares >= 0.5).sum() / (roots >= 0.5).sum() < 1.4


def test_the_prediction_is_close_where_no_border_is_met():
    # one layer less deep than the border is far
    shares = effective.weigh_cells(6, 3, effective.EQUAL, "zeros")
    side = (shares >= 0.05).sum() ** 0.5
    text = effective.read_predicted(6, 3, effective.EQUAL)
    assert text.startswith("σ = 2.00, ")
    assert abs(float(text.rpartition(" ")[2]) - side) < 0.5
