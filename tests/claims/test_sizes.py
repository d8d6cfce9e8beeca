"""Sizes, strides and paddings: what the notes say, and what torch does."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from measured import cells_read, layers, outputs

from notebook_utils.convolution import output_size, same_padding


def test_the_size_is_floored():
    def noted(n, k, p, s):
        return (n - k + 2 * p) / s + 1

    def corrected(n, k, p, s):
        return (n - k + 2 * p) // s + 1

    for n, k, p, s in layers():
        truth = outputs(n, k, padding=p, stride=s)
        assert corrected(n, k, p, s) == truth
        assert output_size(n, k, padding=p, stride=s) == truth
        assert (noted(n, k, p, s) == truth) == ((n - k + 2 * p) % s == 0)


def test_the_stride_does_not_multiply_the_padding():
    def noted(n, k, p, s):
        return (n - k + 2 * p * s) / s + 1

    def corrected(n, k, p, s):
        return (n - k + 2 * p) // s + 1

    assert noted(224, 3, 1, 2) == 113.5
    assert corrected(224, 3, 1, 2) == 112 == outputs(224, 3, padding=1, stride=2)
    for n, k, p, s in layers():
        truth = outputs(n, k, padding=p, stride=s)
        assert corrected(n, k, p, s) == truth
        # each zero counts s times, so that the size is too large by 2p(s - 1)/s
        too_large = (n - k + 2 * p) / s + 1 + 2 * p * (s - 1) / s
        assert np.isclose(noted(n, k, p, s), too_large)


def test_seven_cells_by_three():
    def noted(s):
        return (7 - 3) / s + 1

    def corrected(s):
        return (7 - 3) // s + 1

    assert [f"{noted(s):.4g}" for s in (1, 2, 3)] == ["5", "3", "2.333"]
    for s in (1, 2, 3, 4):
        truth = outputs(7, 3, stride=s)
        assert corrected(s) == output_size(7, 3, stride=s) == truth
        assert (noted(s) == truth) == (s != 3)
    # what does not fit is left out: at stride 3 nothing reads the last cell
    assert not any(6 in cells for cells in cells_read(7, 3, stride=3))


def test_a_remainder_forbids_nothing():
    def noted(n, k, s):
        return (n - k) % s == 0

    def corrected(n, k, s):
        return n - k >= 0

    assert outputs(7, 3, stride=3) == 2
    for n in range(1, 9):
        for k in range(1, 9):
            for s in (1, 2, 3):
                try:
                    possible = outputs(n, k, stride=s) > 0
                except RuntimeError:
                    possible = False
                assert corrected(n, k, s) == possible
                # what is noted asks for more: that the last window ends at the edge
                ends = possible and cells_read(n, k, stride=s)[-1][-1] == n - 1
                assert (possible and noted(n, k, s)) == ends


def test_both_axes_shrink_by_the_kernel():
    def noted(n_h, n_w, k_h, k_w):
        return n_h - k_h + 1, n_w - k_w + 1

    for n_h, n_w, k_h, k_w in [(7, 9, 3, 2), (5, 5, 5, 1), (32, 30, 5, 7)]:
        y = F.conv2d(torch.zeros(1, 1, n_h, n_w), torch.zeros(1, 1, k_h, k_w))
        assert noted(n_h, n_w, k_h, k_w) == tuple(y.shape[2:])
        assert noted(n_h, n_w, k_h, k_w) == output_size((n_h, n_w), (k_h, k_w))


def test_full_same_and_valid():
    def corrected(n, k):
        return {"full": n + k - 1, "same": n, "valid": n - k + 1}

    assert list(corrected(7, 3)) == ["full", "same", "valid"]
    for n, k in [(7, 3), (7, 4), (5, 1), (6, 6)]:
        row, kernel = np.ones(n), np.ones(k)
        for mode, size in corrected(n, k).items():
            assert size == len(np.convolve(row, kernel, mode))
            assert size == output_size(n, k, padding=mode)


def test_valid_as_a_ceiling():
    def noted(w, f, s):
        return math.ceil((w - f + 1) / s)

    for w in range(1, 16):
        for f in range(1, min(w, 5) + 1):
            for s in (1, 2, 3):
                assert noted(w, f, s) == outputs(w, f, stride=s)
                assert noted(w, f, s) == output_size(w, f, stride=s, padding="valid")


def test_valid_never_pads():
    def noted(w, f, s):
        return math.ceil((w - f) / s) + 1

    def corrected(w, f, s):
        return (w - f) // s + 1

    assert (noted(8, 3, 3), corrected(8, 3, 3)) == (3, 2)
    for w, f, s in [(8, 3, 3), (7, 3, 2), (10, 4, 5), (9, 2, 4)]:
        filled = (0, -(w - f) % s)  # zeros for one more window, if cells are left
        assert noted(w, f, s) == outputs(w, f, stride=s, padding=filled)
        assert corrected(w, f, s) == outputs(w, f, stride=s)
        assert corrected(w, f, s) == output_size(w, f, stride=s, padding="valid")
    # the cells after the last whole window are dropped, none is added
    assert max(cells_read(8, 3, stride=3)[-1]) == 5


def every_other(n, s):
    """Count the outputs that remain if torch's "same" keeps one of s."""
    row, kernel = torch.zeros(1, 1, n), torch.zeros(1, 1, 3)
    return F.conv1d(row, kernel, padding="same")[..., ::s].shape[-1]


def test_same_rounds_up():
    def noted(w, s):
        return w / s

    def corrected(w, s):
        return math.ceil(w / s)

    for w in range(1, 20):
        for s in (1, 2, 3, 4):
            assert corrected(w, s) == every_other(w, s)
            assert corrected(w, s) == output_size(w, 3, stride=s, padding="same")
            assert np.isclose(noted(w, s) * s, w)
            assert (noted(w, s) == every_other(w, s)) == (w % s == 0)


def fewest_zeros(w, f, s):
    """Try how many zeros in all make torch give ceil(w / s) outputs."""
    sizes = (max(w + total - f, -s) // s + 1 for total in range(100))
    total = next(t for t, size in enumerate(sizes) if size == -(-w // s))
    before = total // 2
    assert outputs(w, f, stride=s, padding=(before, total - before)) == -(-w // s)
    return total


def test_the_zeros_of_same():
    def noted(w, f, s):
        return (w / s - 1) * s + f - w

    def corrected(w, f, s):
        return max((math.ceil(w / s) - 1) * s + f - w, 0)

    for w in range(1, 14):
        for f in (1, 2, 3, 5):
            for s in (1, 2, 3, 4):
                truth = fewest_zeros(w, f, s)
                assert corrected(w, f, s) == truth
                assert sum(same_padding(w, f, stride=s)) == truth
                assert np.isclose(noted(w, f, s), f - s)
                condition = w % s == 0 and f >= s
                assert np.isclose(noted(w, f, s), truth) == condition


def test_the_odd_zero_comes_after():
    def noted(total):
        return int(total) / 2

    def corrected(total):
        return total // 2

    assert noted(3) == noted(3.5) == 1.5
    row = torch.arange(1.0, 8.0).reshape(1, 1, 7)
    for total in range(6):
        assert (noted(total) == corrected(total)) == (total % 2 == 0)
        assert noted(total) * 2 == total
        before = corrected(total)
        assert (before, total - before) == same_padding(7, total + 1)
        kernel = torch.arange(1.0, total + 2).reshape(1, 1, -1)
        theirs = F.conv1d(row, kernel, padding="same")
        ours = F.conv1d(F.pad(row, (before, total - before)), kernel)
        assert torch.equal(theirs, ours)


def test_the_first_picture_of_padding():
    def noted(n):
        return n + 2

    assert noted(5) == 7  # as drawn
    for n in (3, 5, 8):
        ring = F.pad(torch.ones(1, 1, n, n), (1, 1, 1, 1))
        assert ring.shape[-1] == noted(n)
        assert F.conv2d(ring, torch.ones(1, 1, 3, 3)).shape[-1] == n
        assert same_padding(n, 3) == (1, 1)


def test_the_second_picture_of_padding():
    def noted(n):
        return n + 2 + 1  # two columns on one side, one on the other

    def corrected(n):
        return n + 2 + 2

    drawn = [0, 0, "s1", "s2", "s3", "s4", "s5", 0, 0]  # a row of the picture
    assert len(drawn) == corrected(5) != noted(5)
    # two and one are what a kernel of 4 needs, two and two what one of 5 needs
    for n in (5, 6, 9):
        assert outputs(n, 4, padding=(2, 1)) == outputs(noted(n), 4) == n
        assert outputs(n, 5, padding=(2, 2)) == outputs(corrected(n), 5) == n


def test_padding_in_total():
    def noted(n, k, p):
        return n - k + p + 1

    def corrected(n, k, p):
        return n - k + 2 * p + 1

    for n, k, p, _ in layers():
        in_total = outputs(n, k, padding=(p // 2, p - p // 2)) if n + p >= k else None
        assert in_total is None or noted(n, k, p) == in_total
        per_side = outputs(n, k, padding=p)
        assert corrected(n, k, p) == output_size(n, k, padding=p) == per_side
        assert (noted(n, k, p) == per_side) == (p == 0)
    assert all(noted(n, k, k - 1) == n for n, k, *_ in layers())


def test_the_side_of_the_odd_zero_is_a_choice():
    def noted(total):
        return total - total // 2, total // 2

    def corrected(total):
        return total // 2, total - total // 2

    row = torch.arange(1.0, 8.0).reshape(1, 1, 7)
    for total in range(1, 6):
        kernel = torch.arange(1.0, total + 2).reshape(1, 1, -1)
        theirs = F.conv1d(row, kernel, padding="same")
        ours = {
            form: F.conv1d(F.pad(row, form(total)), kernel)
            for form in (noted, corrected)
        }
        assert torch.equal(ours[corrected], theirs)
        assert ours[noted].shape == theirs.shape
        assert torch.equal(ours[noted], theirs) == (total % 2 == 0)


def test_strided_sizes_with_padding_in_total():
    def noted(n, k, p, s):
        return (n - k + p + s) // s

    def noted_keeping(n, s):
        return (n + s - 1) // s

    def noted_divided(n, s):
        return n / s

    def corrected(n, k, p, s):
        return (n - k + 2 * p + s) // s

    for n, k, p, s in layers():
        if n + p >= k:
            sides = p // 2, p - p // 2
            assert noted(n, k, p, s) == outputs(n, k, padding=sides, stride=s)
        per_side = outputs(n, k, padding=p, stride=s)
        assert corrected(n, k, p, s) == per_side
        assert p == 0 or noted(n, k, 2 * p, s) == per_side
        keeping = outputs(n, k, padding=((k - 1) // 2, k // 2), stride=s)
        assert noted_keeping(n, s) == keeping
        assert np.isclose(noted_divided(n, s) * s, n)
        assert (noted_divided(n, s) == keeping) == (n % s == 0)


def test_a_stride_for_each_axis():
    def noted(size, kernel, stride):
        return (
            (size[0] - kernel[0]) // stride[0] + 1,
            (size[1] - kernel[1]) // stride[1] + 1,
        )

    for size, kernel, stride in [((9, 8), (3, 3), (3, 2)), ((12, 7), (5, 2), (3, 2))]:
        y = F.conv2d(
            torch.zeros(1, 1, *size), torch.zeros(1, 1, *kernel), stride=stride
        )
        assert noted(size, kernel, stride) == tuple(y.shape[2:])
        assert noted(size, kernel, stride) == output_size(size, kernel, stride=stride)
    # a larger kernel leaves fewer cells
    sizes = [noted((12, 12), (k, k), (1, 1))[0] for k in range(1, 13)]
    assert sizes == [outputs(12, k) for k in range(1, 13)]
    assert sizes == sorted(set(sizes), reverse=True)


def chain(n, k, count, stride=1):
    """Apply a layer so many times; return the last size."""
    for _ in range(count):
        n = outputs(n, k, stride=stride)
    return n


def test_thirty_two_cells_by_five():
    def noted(layer):
        return 32 - 4 * layer

    assert (noted(1), noted(7)) == (28, 4)
    assert all(noted(layer) == chain(32, 5, layer) for layer in range(8))


def test_layers_from_224_to_4():
    def noted(n, k, end):
        return n // k  # as if each layer took the whole kernel away

    def corrected(n, k, end):
        return (n - end) // (k - 1)

    assert noted(224, 5, 4) == 44
    assert noted(32, 5, 4) == 6  # the notes say 7 there themselves
    assert chain(224, 5, 44) == 48
    assert corrected(224, 5, 4) == 55
    for n, k, end in [(224, 5, 4), (32, 5, 4), (30, 3, 2)]:
        assert chain(n, k, corrected(n, k, end)) == end


def test_kernels_subtract_and_strides_divide():
    def noted_kernel(n, k, count):
        return n - count * (k - 1)

    def noted_stride(n, s, count):
        return n // s**count

    for k in (2, 3, 5):
        assert noted_kernel(32, k, 4) == chain(32, k, 4)
    for s in (2, 3):
        assert noted_stride(162, s, 3) == chain(162, s, 3, stride=s)
    # so a larger kernel is faster down, and a stride faster still
    assert chain(32, 5, 4) < chain(32, 3, 4)
    assert chain(162, 3, 3, stride=3) < chain(162, 3, 3)


def test_half_the_kernel_keeps_the_size():
    def noted(k):
        return k // 2, k // 2

    def corrected(k, d):
        return d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2

    for n in (9, 12):
        for k in (1, 2, 3, 4, 5):
            for s in (1, 2):
                kept = outputs(n, k, padding=noted(k), stride=s) == n
                assert kept == (k % 2 == 1 and s == 1)
            for d in (1, 2, 3):
                sides = corrected(k, d)
                assert outputs(n, k, padding=sides, dilation=d) == n
                assert sides == same_padding(n, k, dilation=d)
        assert outputs(n, 3, padding=noted(3), dilation=2) == n - 2


def test_one_ring_of_zeros_around_seven():
    def noted(n, p, k):
        return n + 2 * p - k + 1

    assert noted(7, 1, 3) == 7
    assert all(
        noted(n, p, k) == outputs(n, k, padding=p) for n, k, p, s in layers() if s == 1
    )


def test_the_grid_with_its_ring():
    def corrected(n, p):
        return n + 2 * p

    for n, p in [(7, 1), (5, 2), (3, 3)]:
        assert F.pad(torch.zeros(n, n), (p,) * 4).shape == (corrected(n, p),) * 2
    assert corrected(7, 1) == 9


def test_common_settings_keep_the_size():
    def noted():
        return {3: 1, 5: 2, 1: 0}  # kernel: padding, at stride 1

    for kernel, padding in noted().items():
        assert all(outputs(n, kernel, padding=padding) == n for n in (5, 8, 32))
    assert sorted(noted()) == [1, 3, 5]


def test_whatever_fits_at_stride_two():
    def noted(n, p):
        return (n - 5 + 2 * p) / 2 + 1

    def corrected(n):
        return sum(same_padding(n, 5, stride=2))

    for n in range(5, 20):
        for p in (0, 1, 2):
            fits = noted(n, p) == outputs(n, 5, stride=2, padding=p)
            assert fits == (n % 2 == 1)
        total = corrected(n)
        sides = total // 2, total - total // 2
        assert outputs(n, 5, stride=2, padding=sides) == math.ceil(n / 2)
        assert (n + total - 5) % 2 == 0  # nothing is left over


def test_other_values_than_zero():
    def noted(row, p):
        return [*row[p:0:-1], *row, *row[-2 : -2 - p : -1]]

    row = [3.0, 1.0, 4.0, 1.5, 9.0]
    for p in (1, 2, 3):
        theirs = F.pad(torch.tensor([[row]]), (p, p), mode="reflect")
        assert noted(row, p) == theirs.flatten().tolist()
        assert noted(row, p) == np.pad(row, p, mode="reflect").tolist()


def test_padding_adds_windows_and_widens_none():
    def noted(k, p):
        return k + 2 * p

    def corrected(k, p):
        return k

    for k in (2, 3, 5):
        before = len(cells_read(12, k))
        for p in (1, 2):
            read = cells_read(12, k, padding=p)
            widest = max(len(cells) for cells in read)
            assert widest == corrected(k, p)
            assert noted(k, p) == widest + 2 * p  # a field that the padding widens
            assert len(read) == before + 2 * p


def test_windows_move_right_and_down():
    def noted(start, s):
        return start - s

    def corrected(start, s):
        return start + s

    for s in (1, 2, 3):
        starts = [cells[0] for cells in cells_read(12, 3, stride=s)]
        for start, following in itertools.pairwise(starts):
            assert following == corrected(start, s)
            assert noted(start, s) == 2 * start - following  # as far, the other way


def test_four_kinds_in_a_lost_picture():
    def corrected(n, k, s):
        return {
            ("valid", 1): n - k + 1,
            ("valid", s): (n - k) // s + 1,
            ("same", 1): n,
            ("same", s): -(-n // s),
        }

    for n, k, s in [(5, 3, 2), (9, 4, 3), (8, 3, 2)]:
        for (mode, stride), size in corrected(n, k, s).items():
            assert size == output_size(n, k, stride=stride, padding=mode)
            sides = (0, 0)
            if mode == "same":
                total = fewest_zeros(n, k, stride)
                sides = total // 2, total - total // 2
            assert size == outputs(n, k, stride=stride, padding=sides)


def test_what_shrinking_loses():
    def noted(n, s, c_out):
        return (n // s) ** 2  # the positions alone

    def corrected(n, s, c_out):
        return c_out * (n // s) ** 2

    for n, s, c_out in [
        (6, 2, 1),
        (7, 2, 1),
        (6, 2, 3),
        (6, 2, 4),
        (7, 2, 4),
        (7, 3, 9),
    ]:
        taps = torch.eye(s * s).reshape(-1, 1, s, s)[:c_out]  # each keeps one cell

        def layer(x, n=n, s=s, taps=taps):
            return F.conv2d(x.reshape(1, 1, n, n), taps, stride=s).flatten()

        matrix = torch.autograd.functional.jacobian(layer, torch.zeros(n * n))
        kept = int(torch.linalg.matrix_rank(matrix))
        assert corrected(n, s, c_out) == kept
        assert (noted(n, s, c_out) == kept) == (c_out == 1)
    assert corrected(6, 2, 4) == 6 * 6  # half the size, and nothing lost
