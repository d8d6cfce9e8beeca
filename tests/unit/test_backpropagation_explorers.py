"""What the explorers of backpropagation show, computed independently."""

import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.text import Text

from notebook_utils.explorers import _convolution_backwards as kernels
from notebook_utils.explorers import backpropagation as pools

POOLING, CONVOLUTION = pools.pooling_explorer, pools.convolution_explorer


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


def sample(explorer, count):
    settings = list(explorer.settings())
    return [*random.Random(0).sample(settings, count), *explorer.ends()]


def torch_pool(x, kind, p, kernel, stride):
    if kind == pools.MAX:
        return F.max_pool2d(x, kernel, stride)
    if kind == pools.MEAN:
        return F.avg_pool2d(x, kernel, stride)
    sums = F.avg_pool2d(x.abs() ** p, kernel, stride) * kernel**2
    return (sums + 1e-300) ** (1 / p)


def test_the_gradient_at_the_input_is_autograds():
    for setting in sample(POOLING, 300):
        x = torch.tensor(pools.PICTURES[setting["picture"]], dtype=torch.float64)
        x.requires_grad_()
        options = {k: setting[k] for k in ("kind", "p", "kernel", "stride")}
        y = torch_pool(x[None, None], **options)[0, 0]
        assert y.numel() == POOLING.step_count(setting)
        every = setting["which"] == pools.ALL
        loss = y.sum() if every else y.flatten()[setting["step"]]
        (slope,) = torch.autograd.grad(loss, x)
        back = pools.back_key(**{k: setting[k] for k in POOLING.layers[4].names})
        np.testing.assert_allclose(back["values"], slope, atol=1e-6)

        read = list(POOLING.read(**setting).values())
        assert numbers(read[0])[-2:] == [
            setting["kernel"] ** 2,
            pytest.approx(y.flatten()[setting["step"]].item(), abs=0.051),
        ]
        total, none, cells = numbers(read[2])
        assert total == pytest.approx(slope.sum().item(), abs=0.051)
        assert none == (slope == 0).sum()
        assert cells == 36
        mean, power, largest, p = numbers(read[3])
        assert mean <= power <= largest
        assert p == setting["p"]


def test_what_the_framed_output_sends():
    for setting in sample(POOLING, 150):
        own = POOLING.values(**{**setting, "which": pools.ONE})
        back = pools.back_key(**{k: own[k] for k in POOLING.layers[4].names})["values"]
        shares = [v for row in back for v in row if v]
        text = list(POOLING.read(**setting).values())[1]
        some, every, *amounts = numbers(text)
        assert (some, every) == (len(shares), setting["kernel"] ** 2)
        if shares:
            expected = [min(shares), max(shares)]
            assert amounts[0] == pytest.approx(expected[0], abs=0.0051)
            assert amounts[-1] == pytest.approx(expected[1], abs=0.0051)


def test_a_gradient_that_is_small_is_not_called_zero():
    setting = {"kind": pools.NORM, "p": 16, "picture": "ties", "kernel": 3, "stride": 3}
    values = POOLING.values(**setting)
    text = list(POOLING.read(**values).values())[1]
    assert text == "8 of 9 cells: ≈0 to 0.52"
    assert list(POOLING.read(kind=pools.MEAN).values())[1] == "4 of 4 cells: 0.25"
    written = [t.get_text() for t in POOLING.figure(**values).findobj(Text)]
    assert written.count("≈0") == 14
    assert written.count("0") == 4  # in the input, where x is 0


def test_the_frame_holds_the_outputs_that_read_the_cell():
    for setting in sample(CONVOLUTION, 200):
        size, kernel = setting["size"], setting["kernel"]
        side = kernels.outputs(size, kernel, setting["padding"])
        x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        forward = {"valid": 0, "same": (kernel - 1) // 2, "full": kernel - 1}
        before = forward[setting["padding"]]
        after = side + kernel - 1 - size - before
        padded = F.pad(x, (before, after, before, after))
        w = torch.arange(1.0, kernel**2 + 1, dtype=torch.float64)
        y = F.conv2d(padded, w.reshape(1, 1, kernel, kernel))[0, 0]
        assert y.shape == (side, side)
        (slope,) = torch.autograd.grad(y, x, torch.tensor(kernels.deltas(side)))
        slope = slope[0, 0]
        np.testing.assert_allclose(
            kernels.gradient(size, kernel, setting["padding"]), slope
        )
        cell = divmod(setting["step"], size)
        readers = [
            torch.autograd.grad(each, x, retain_graph=True)[0][0, 0][cell].item()
            for each in F.conv2d(
                F.pad(x, (before, after, before, after)),
                w.reshape(1, 1, kernel, kernel),
            ).flatten()
        ]
        weights = [weight for weight in readers if weight]
        pairs = kernels.terms(size, kernel, setting["padding"], setting["step"])
        assert [weight for _, weight in pairs] == weights
        # in the order of the outputs the weights run backwards: the kernel is turned
        assert weights == sorted(weights, reverse=True)
        assert sum(d * w for d, w in pairs) == pytest.approx(slope[cell].item())

        some, every, result = (
            *numbers(CONVOLUTION.read(**setting)["Outputs that read this cell"]),
            numbers(list(CONVOLUTION.read(**setting).values())[1])[-1],
        )
        assert (some, every) == (len(weights), side**2)
        assert result == pytest.approx(slope[cell].item())


def test_the_frame_of_zeros_makes_it_a_valid_correlation():
    for setting in sample(CONVOLUTION, 60):
        size, kernel, padding = (setting[k] for k in ("size", "kernel", "padding"))
        before, after = kernels.frame_of(size, kernel, padding)
        side = kernels.outputs(size, kernel, padding)
        framed = np.pad(kernels.deltas(side), ((before, after), (before, after)))
        turned = kernels.weights(kernel)[::-1, ::-1].copy()
        tensors = (torch.tensor(a)[None, None] for a in (framed, turned))
        back = F.conv2d(*tensors)[0, 0]
        np.testing.assert_allclose(back, kernels.gradient(size, kernel, padding))
        text = list(CONVOLUTION.read(**setting).values())[2]
        assert f"{size} → {side}" in text
        assert f"{side} → {size}" in text
        assert numbers(text)[-1] == after


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (1.0, "1"), (-0.5, "−0.5"), (0.001, "0"), (-0.001, "0"),
     (12.34, "12.3"), (-13.0, "−13")],
)  # fmt: skip
def test_numbers_in_cells_are_short(value, text):
    from notebook_utils.explorers._numbers import tell

    assert tell(value) == text
    assert len(text) <= 5
