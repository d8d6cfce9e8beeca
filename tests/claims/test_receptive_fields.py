"""What an output of a stack sees: reach, gaps, and what it costs."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from measured import cells_read, numbers, products

from notebook_utils.receptive_field import (
    Layer,
    gap_free,
    receptive_field,
    receptive_fields,
    touched_inputs,
)

TRIPLES = list(itertools.product(range(1, 7), repeat=3))
DILATED = [(1,), (4,), (1, 2), (2, 1), (1, 2, 4), (1, 2, 3), (1, 2, 5), (1, 2, 4, 8)]
STACKS = [  # (kernel, stride) of each layer
    [(3, 1), (2, 2), (3, 3), (3, 2)],
    [(3, 2), (3, 1)],
    [(2, 2), (2, 2), (2, 2)],
    [(5, 1), (1, 1), (4, 3), (2, 1)],
    [(1, 2), (3, 1)],
    [(3, 3), (4, 4)],
]


def layers_of(rates):
    return [Layer(3, dilation=d) for d in rates]


def seen(layers):
    """List the cells that torch's first output depends on, without padding."""
    y = torch.eye(receptive_field(layers).size + 7)[:, None]  # one cell at a time
    for layer in layers:
        weight = torch.ones(1, 1, layer.kernel)
        y = F.conv1d(y, weight, None, layer.stride, 0, layer.dilation)
    return y[:, 0, 0].nonzero().flatten().tolist()


def solid(rates):
    """Add up one tap of each 3 × 3 layer, in every way, and look for gaps."""
    sums = {0}
    for d in rates:
        sums = {a + d * tap for a in sums for tap in range(3)}
    return sums == set(range(max(sums) + 1))


def test_the_recursion_of_the_size():
    def noted(previous, k, strides):
        return previous + (k - 1) * math.prod(strides)

    chain = []
    for stack in STACKS:
        size, layers = 1, []
        for k, s in stack:
            strides = [layer.stride for layer in layers]
            layers.append(Layer(k, s))
            size = noted(size, k, strides)
            cells = seen(layers)
            assert size == cells[-1] - cells[0] + 1 == receptive_field(layers).size
            chain.append(size)
    assert chain[:4] == [3, 4, 8, 20]


def test_the_sizes_of_dilated_stacks():
    def noted(previous, k, rate):
        return previous + (rate * (k - 1) + 1) - 1

    assert [noted(1, 3, 1), noted(3, 3, 2), noted(7, 3, 4)] == [3, 7, 15]
    for rates in [*DILATED, (2, 2, 2), (1, 2, 9)]:
        size = 1
        for d in rates:
            size = noted(size, 3, d)
        cells = seen(layers_of(rates))
        assert size == cells[-1] + 1 == receptive_field(layers_of(rates)).size
    five = Layer(5, dilation=2)
    assert noted(noted(1, 5, 2), 5, 2) == seen([five, five])[-1] + 1


def test_the_size_from_the_last_rate():
    def noted(rates):
        return 2 ** (math.log2(rates[-1]) + 2) - 1

    def corrected(rates):
        return 1 + sum(2 * d for d in rates)

    fits = []
    for rates in [*DILATED, (3, 4), (2, 2), (3,), (1, 1, 3)]:
        cells = seen(layers_of(rates))
        truth = cells[-1] + 1
        assert corrected(rates) == truth == receptive_field(layers_of(rates)).size
        holds = noted(rates) == pytest.approx(truth)
        assert holds == (sum(rates) == 2 * rates[-1] - 1)
        fits += [rates] if holds else []
    assert fits == [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 8), (3, 4), (1, 1, 3)]


def test_dilated_stacks_have_gaps_where_a_rate_is_too_large():
    def noted(rates):
        return max(rates) > 1

    def corrected(rates):
        reach = 1
        for d in sorted(rates):
            if d > reach:
                return True
            reach += 2 * d
        return False

    for rates in TRIPLES:
        assert (
            corrected(rates) == (not solid(rates)) == (not gap_free(layers_of(rates)))
        )
        if corrected(rates):
            assert noted(rates)
    for rates in [(1, 2, 5), (1, 1, 1), (2, 2, 2), (3, 1, 1)]:
        layers = layers_of(rates)
        cells = seen(layers)
        gaps = sorted(set(range(cells[-1])) - set(cells))
        assert corrected(rates) == bool(gaps)
        assert noted(rates) == (bool(gaps) or rates in [(1, 2, 5), (3, 1, 1)])


def test_different_rates_are_neither_enough_nor_needed():
    def noted(rates):
        return len(set(rates)) > 1

    def corrected(rates):
        return all(
            d <= 1 + 2 * sum(sorted(rates)[:i]) for i, d in enumerate(sorted(rates))
        )

    assert noted((1, 2, 9))
    assert not solid((1, 2, 9))
    assert noted((2, 4, 8))
    assert not solid((2, 4, 8))
    assert noted((2, 3))
    assert not solid((2, 3))
    assert not noted((1, 1))
    assert solid((1, 1))
    assert noted((1, 2, 5))
    assert solid((1, 2, 5))
    for d in range(2, 7):  # one rate above 1 in all layers
        for rates in ((d, d), (d, d, d)):
            assert not noted(rates)
            assert not solid(rates)
    for rates in [*TRIPLES, (1, 2, 9), (2, 4, 8)]:
        assert corrected(rates) == solid(rates)
    for rates in TRIPLES[::9]:
        cells = touched_inputs(layers_of(rates), 1 + 2 * sum(rates))
        assert corrected(rates) == cells.all()


def test_a_solid_start_and_pieces_that_join():
    def noted(rates):
        reach = 3
        for d in rates[1:]:
            if d > reach:
                return False
            reach += 2 * d
        return rates[0] == 1

    for rates in TRIPLES:
        if noted(rates):
            assert solid(rates)
        if list(rates) == sorted(rates):
            assert noted(rates) == solid(rates) == gap_free(layers_of(rates))
    assert noted((1, 2, 3))
    assert noted((1, 3, 9))
    assert not noted((1, 3, 10))


def test_rate_2_again_and_again():
    def corrected(layers):
        return 4 * layers + 1, 2 * layers + 1

    for count in (1, 2, 3, 4):
        cells = seen([Layer(3, dilation=2)] * count)
        assert corrected(count) == (cells[-1] + 1, len(cells))
        assert all(cell % 2 == 0 for cell in cells)


def test_two_layers_see_what_one_larger_kernel_sees():
    def noted(k, s):
        return 5

    def corrected(k, s):
        return k + 2 * s

    for s in (1, 2, 3):
        cells = seen([Layer(3, s), Layer(3)])
        assert corrected(3, s) == cells[-1] + 1
        assert (noted(3, s) == cells[-1] + 1) == (s == 1)
    assert corrected(7, 2) == seen([Layer(7, 2), Layer(3)])[-1] + 1
    assert seen([Layer(5)])[-1] + 1 == noted(3, 1)


def test_large_kernels_see_more_and_cost_more():
    def noted_size(k):
        return k

    def noted_cost(k, c):
        return k**2 * c**2

    for k, c in [(1, 2), (3, 2), (3, 3), (5, 1), (7, 2)]:
        layer = torch.nn.Conv2d(c, c, k, bias=False)
        assert noted_cost(k, c) == numbers(layer)
        assert noted_size(k) == len(seen([Layer(k)]))
    two_windows = torch.zeros(1, 2, 7, 8)  # of the last layer
    assert 2 * noted_cost(7, 2) == products(lambda: layer(two_windows))


def weights(*channels, kernels):
    """Count the weights of torch's layers from one number of channels to the next."""
    pairs = itertools.pairwise(channels)
    layers = [
        torch.nn.Conv2d(a, b, k, bias=False, device="meta")
        for (a, b), k in zip(pairs, kernels, strict=True)
    ]
    return numbers(*layers)


def test_two_small_kernels_cost_less_than_a_large_one():
    def noted():
        return 2 * 3**2, 5**2  # per pair of channels

    def corrected(c_in, between, c_out):
        return 9 * between * (c_in + c_out) < 25 * c_in * c_out

    small, large = noted()
    for c in (1, 4, 64):
        assert weights(c, c, c, kernels=(3, 3)) == small * c**2
        assert weights(c, c, kernels=(5,)) == large * c**2
    for widths in [(64, 64, 64), (3, 64, 64), (18, 25, 18), (36, 49, 36), (36, 51, 36)]:
        two = weights(*widths, kernels=(3, 3))
        fewer = two < weights(*widths[::2], kernels=(5,))
        assert corrected(*widths) == fewer
        assert fewer == (widths in [(64, 64, 64), (36, 49, 36)])
    assert small < large
    for wide in [(60, 83, 60), (60, 84, 60), (50, 80, 70), (50, 82, 70)]:
        two = weights(*wide, kernels=(3, 3))
        assert corrected(*wide) == (two < weights(wide[0], wide[2], kernels=(5,)))
    assert weights(3, 64, 64, kernels=(3, 3)) == 38_592
    assert weights(3, 64, kernels=(5,)) == 4_800


def test_a_bottleneck_saves_if_it_is_narrow():
    def noted(c, few):
        return few < c

    def corrected(c, few):
        return 9 * c**2 - 2 * c * few - 9 * few**2

    for c, few in [(256, 64), (100, 89), (100, 90), (100, 95), (64, 64), (64, 65)]:
        plain = weights(c, c, kernels=(3,))
        saved = plain - weights(c, few, few, c, kernels=(1, 3, 1))
        assert corrected(c, few) == saved
        assert (noted(c, few) == (saved > 0)) == (few not in (90, 95))
    assert corrected(256, 64) == 589_824 - 69_632


def test_factorised_kernels_run_one_after_the_other():
    def noted(x, row, column):
        across = F.conv2d(x, row, padding=(0, 1))
        return torch.cat([across, F.conv2d(x, column, padding=(1, 0))], dim=1)

    def corrected(x, row, column):
        return F.conv2d(F.conv2d(x, row, padding=(0, 1)), column, padding=(1, 0))

    torch.manual_seed(0)
    row, column = torch.rand(1, 1, 1, 3) + 1, torch.rand(1, 1, 3, 1) + 1
    x = torch.rand(1, 1, 5, 5, requires_grad=True)
    product = column * row
    torch.testing.assert_close(
        corrected(x, row, column), F.conv2d(x, product, padding=1)
    )
    both = noted(x, row, column)
    assert both.shape == (1, 2, 5, 5)
    cross = torch.zeros(2, 1, 3, 3)
    cross[0, 0, 1], cross[1, 0, :, 1] = row[0, 0, 0], column[0, 0, :, 0]
    torch.testing.assert_close(both, F.conv2d(x, cross, padding=1))
    for form, count in ((noted, 5), (corrected, 9)):
        (grad,) = torch.autograd.grad(form(x, row, column)[..., 2, 2].sum(), x)
        assert grad.count_nonzero() == count
    assert weights(8, 8, kernels=(3,)) == 3 * numbers(torch.nn.Linear(64, 3, False))


def test_a_field_is_all_that_can_matter_and_may_leave_the_picture():
    def noted(network, x, changed, output):
        return network(changed)[output] != network(x)[output]

    def noted_ends(k, d, s, p, output):
        return s * output - p, s * output - p + d * (k - 1)

    beyond = 0
    for k, d, s, p in [(3, 2, 1, 2), (2, 1, 2, 0), (3, 1, 3, 1)]:

        def network(x, k=k, d=d, s=s, p=p):
            return F.conv1d(x[None], torch.ones(1, 1, k), None, s, p, d)[0]

        cells = cells_read(7, k, stride=s, padding=p, dilation=d)
        x = torch.arange(7.0) + 1
        for output, read in enumerate(cells):
            for i in {0, 1, output, 6}:
                poked = x + torch.eye(7)[i]
                assert noted(network, x, poked, output) == (i in read)
            first, last = noted_ends(k, d, s, p, output)
            inside = [i for i in range(first, last + 1, d) if 0 <= i < 7]
            assert inside == read
            beyond += first < 0 or last > 6
    assert beyond > 0
    assert noted_ends(3, 1, 1, 1, 0) == (-1, 1)
    assert noted_ends(3, 1, 1, 1, 6) == (5, 7)


def test_a_cell_of_a_map_sees_more_than_its_share_of_the_picture():
    def noted(stack):
        return math.prod(s for _, s in stack)

    def corrected(stack):
        return 1 + sum(
            (k - 1) * math.prod(s for _, s in stack[:i])
            for i, (k, _) in enumerate(stack)
        )

    tiles = []
    for stack in STACKS:
        layers = [Layer(k, s) for k, s in stack]
        *_, (size, jump, _) = receptive_fields(layers)
        assert corrected(stack) == seen(layers)[-1] + 1 == size
        assert noted(stack) == jump
        tiles += [stack] if noted(stack) == size else []
    assert tiles == [[(2, 2), (2, 2), (2, 2)], [(3, 3), (4, 4)]]
    start = (
        [(3, 1), (3, 1), (2, 2)] * 2 + [(3, 1), (3, 1), (3, 1), (2, 2)] + [(3, 1)] * 3
    )
    assert (noted(start), corrected(start)) == (8, 92)  # VGG-16's conv4_3, SSD's first
