"""Print how many times as long as torch's and SciPy's our convolutions take.

Run it as ``python benchmarks/convolution.py``. Each time is the best of several in this
one run, on the same arrays, so that a ratio means the same on any machine.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

from notebook_utils.convolution import conv2d, conv2d_backward
from notebook_utils.device import describe, timed

SHAPES = [  # n, c, size, o, kernel
    (1, 1, 256, 1, 3),
    (8, 3, 64, 16, 3),
    (8, 32, 32, 32, 3),
    (4, 16, 32, 16, 7),
]
COMPARED = ("NumPy : torch", "tensors : torch", "NumPy : scipy", "backward : torch")
HEADING = ("x", "weight", *COMPARED)


def scipy_conv2d(x, weight):
    """Sum correlate2d over input channels, image by image."""

    def plane(image, kernels):
        pairs = zip(image, kernels, strict=True)
        return sum(signal.correlate2d(cells, w, "valid") for cells, w in pairs)

    return np.stack([np.stack([plane(image, w) for w in weight]) for image in x])


def torch_backward(grad_output, x, weight):
    """Compute the gradients of x, weight and bias by torch's backward alone."""
    window = [1, 1], [0, 0], [1, 1]  # stride, padding, dilation
    transposed, output_padding, groups, wanted = False, [0, 0], 1, [True] * 3
    options = *window, transposed, output_padding, groups, wanted
    return torch.ops.aten.convolution_backward(
        grad_output, x, weight, [len(weight)], *options
    )


def measure(n, c, size, o, kernel, repeat):
    """Return the four ratios of one shape, after checking that all answers agree."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, c, size, size), dtype=np.float32)
    weight = rng.standard_normal((o, c, kernel, kernel), dtype=np.float32)
    tx, tw = torch.from_numpy(x), torch.from_numpy(weight)
    ours = timed(conv2d, x, weight, repeat=repeat)
    ours_torch = timed(conv2d, tx, tw, repeat=repeat)
    theirs = timed(F.conv2d, tx, tw, repeat=repeat)
    scipys = timed(scipy_conv2d, x, weight, repeat=2)
    grad = np.ones_like(ours.result)
    back = timed(conv2d_backward, grad, x, weight, repeat=repeat)
    torch_back = timed(torch_backward, torch.from_numpy(grad), tx, tw, repeat=repeat)

    scale = float(np.abs(ours.result).max())
    for answer in (ours_torch.result.numpy(), theirs.result.numpy(), scipys.result):
        np.testing.assert_allclose(answer, ours.result, atol=1e-5 * scale)
    for answer, oracle in zip(back.result, torch_back.result, strict=True):
        scale = float(oracle.abs().max())
        np.testing.assert_allclose(answer, oracle.numpy(), atol=1e-5 * scale)
    return (
        ours.seconds / theirs.seconds,
        ours_torch.seconds / theirs.seconds,
        ours.seconds / scipys.seconds,
        back.seconds / torch_back.seconds,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    help_ = "calls of which the fastest counts"
    parser.add_argument("--repeat", type=int, default=20, help=help_)
    repeat = parser.parse_args().repeat
    print(describe())
    print("float32, stride 1, no padding; our time divided by the other's:")
    print("smaller is better")
    print("{:>16} {:>16} {:>14} {:>16} {:>14} {:>17}".format(*HEADING))
    for n, c, size, o, kernel in SHAPES:
        ratios = measure(n, c, size, o, kernel, repeat)
        shapes = f"{n}x{c}x{size}x{size}", f"{o}x{c}x{kernel}x{kernel}"
        row = "{:>16} {:>16} {:>14.2f} {:>16.2f} {:>14.3f} {:>17.2f}"
        print(row.format(*shapes, *ratios))


if __name__ == "__main__":
    main()
