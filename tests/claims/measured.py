"""What torch does, as the claims' tests measure it."""

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode


def outputs(n, k, *, stride=1, padding=0, dilation=1):
    """Count the outputs of torch's convolution along one axis; padding per side."""
    sides = padding if isinstance(padding, tuple) else (padding, padding)
    row, kernel = torch.zeros(1, 1, n), torch.zeros(1, 1, k)
    return F.conv1d(F.pad(row, sides), kernel, stride=stride, dilation=dilation).shape[
        -1
    ]


def cells_read(n, k, *, stride=1, padding=0, dilation=1):
    """List the cells that each output of torch's convolution reads."""

    def layer(row):
        kernel = torch.ones(1, 1, k)
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        return F.conv1d(row[None, None], kernel, **options)[0, 0]

    jacobian = torch.autograd.functional.jacobian(layer, torch.zeros(n))
    return [row.nonzero().flatten().tolist() for row in jacobian]


def layers():
    """List layers along one axis: size, kernel, padding per side, stride."""
    return [
        (n, k, p, s)
        for n in (5, 7, 8, 12)
        for k in (1, 2, 3, 5)
        for p in (0, 1, 2)
        for s in (1, 2, 3)
    ]


def numbers(*modules):
    """Count the parameters of torch's modules."""
    return sum(p.numel() for module in modules for p in module.parameters())


def products(function):
    """Count the multiplications that torch's convolutions and products make."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() // 2  # it counts the addition, too
