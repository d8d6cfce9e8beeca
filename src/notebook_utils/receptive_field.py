"""What an output of a stack of layers sees of the input: reach, step, place, and gaps.

Everything goes along one axis; rows and columns follow the same rule. Positions are in
input cells, and the centre of the first input cell is 0.
"""

import numbers
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from notebook_utils._windows import effective_kernel, input_positions, output_size
from notebook_utils.arrays import as_floats, whole

__all__ = [
    "Layer",
    "ReceptiveField",
    "effective_receptive_field",
    "receptive_field",
    "receptive_fields",
    "touched_inputs",
]

SMALLEST = {"kernel": 1, "stride": 1, "padding": 0, "dilation": 1}


@dataclass(frozen=True)
class Layer:
    """One convolution or pool of a stack, the same along rows and columns.

    Parameters
    ----------
    kernel : int
        Taps along one axis.
    stride, dilation : int
        Steps between windows and between taps, in cells of the layer's own input.
    padding : int
        Cells added on each side.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self):
        for field in fields(self):
            value = whole(getattr(self, field.name), field.name, SMALLEST[field.name])
            object.__setattr__(self, field.name, value)


class ReceptiveField(NamedTuple):
    """What the outputs of a stack see of its input, along one axis.

    Output o sees no cell outside the `size` cells centred on `start` + o `jump`.

    Parameters
    ----------
    size : int
        Cells from the first to the last that an output may depend on.
    jump : int
        Cells between the fields of neighbouring outputs.
    start : float
        Centre of the first output's field; a multiple of 1/2, and negative where
        padding outweighs the kernels.
    """

    size: int
    jump: int
    start: float


def receptive_fields(layers):
    r"""Work out the receptive field after each layer of a stack.

    .. math:: r_l = r_{l-1} + (k'_l - 1)\, j_{l-1}, \quad
              j_l = s_l\, j_{l-1}, \quad
              c_l = c_{l-1} + \left(\frac{k'_l - 1}{2} - p_l\right) j_{l-1}

    from r = j = 1, c = 0, where k' = d (k - 1) + 1 is the effective kernel.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output.

    Returns
    -------
    fields : list of ReceptiveField
        One for each layer: (r, j, c) of its outputs.

    Raises
    ------
    ValueError
        If `layers` is no sequence of layers.

    References
    ----------
    A. Araujo, W. Norris and J. Sim, "Computing receptive fields of convolutional neural
    networks", Distill, 2019, doi:10.23915/distill.00021.
    """
    answer, field = [], ReceptiveField(1, 1, 0.0)
    for layer in _checked(layers):
        reach = effective_kernel(layer.kernel, dilation=layer.dilation) - 1
        field = ReceptiveField(
            size=field.size + reach * field.jump,
            jump=field.jump * layer.stride,
            start=field.start + (reach / 2 - layer.padding) * field.jump,
        )
        answer.append(field)
    return answer


def receptive_field(layers):
    """Work out the receptive field of a whole stack.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output. A stack of no layers is the input itself.

    Returns
    -------
    field : ReceptiveField
        The last of `receptive_fields`.

    Raises
    ------
    ValueError
        As `receptive_fields`.
    """
    return [ReceptiveField(1, 1, 0.0), *receptive_fields(layers)][-1]


def touched_inputs(layers, size):
    """Find the inputs that the middle output of a stack really sees, along one axis.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output.
    size : int
        Cells of the input.

    Returns
    -------
    touched : (size,) NumPy array of bool
        Whether output (out - 1) // 2 depends on the cell. Cells of its receptive field
        that no tap lands on, or that are reached through padding alone, are False.

    Raises
    ------
    ValueError
        If `layers` is no sequence of layers, if `size` is out of range, or if a layer
        does not fit what the layers before it leave over.
    """
    layers = _checked(layers)
    sizes = [whole(size, "size", minimum=1)]
    for i, layer in enumerate(layers):
        try:
            sizes.append(output_size(sizes[-1], **vars(layer)))
        except ValueError as error:
            raise ValueError(f"layers[{i}]: {error}") from None

    seen = np.arange(sizes[-1]) == (sizes[-1] - 1) // 2
    # back through the layers: what the cells seen so far read
    for layer, below in zip(reversed(layers), reversed(sizes[:-1]), strict=True):
        positions = input_positions(below, **vars(layer))[seen]
        seen = np.isin(np.arange(below), positions)
    return seen


def effective_receptive_field(gradient, *, threshold=0.05):
    """Measure the part of a receptive field that carries weight.

    Parameters
    ----------
    gradient : (h, w) or (n,) array
        Of one output with respect to its input; where there are channels or examples,
        of their mean magnitude, say.
    threshold : float
        A cell counts if its gradient's magnitude is at least this share of the largest
        one, and is not 0. At threshold 0 all cells count that the output depends on.

    Returns
    -------
    side : float
        How many cells count along an axis: their number or, in two dimensions, its
        square root; 0 if the gradient is 0 everywhere.

    Raises
    ------
    ValueError
        If `gradient` has no cells, more than two axes or entries that are not finite,
        or if `threshold` is not within [0, 1].

    Notes
    -----
    The paper counts what exceeds 1 - 95.45 % of the value at the centre, which is the
    largest in its Gaussian fields.

    References
    ----------
    W. Luo, Y. Li, R. Urtasun and R. Zemel, "Understanding the effective receptive field
    in deep convolutional neural networks", NeurIPS 2016, arXiv:1701.04128.
    """
    xp, (gradient,) = as_floats(gradient=gradient)
    shape = tuple(np.shape(gradient))
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(
            f"gradient of shape {shape} does not fit (h, w) or (n,) with cells in it"
        )
    if not xp.all(xp.isfinite(gradient)):
        raise ValueError("gradient holds NaN or infinity, but must be finite")
    if not isinstance(threshold, numbers.Real) or not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold!r}, but must lie in [0, 1]")
    magnitude = xp.abs(gradient)
    counts = (magnitude >= float(threshold) * xp.max(magnitude)) & (magnitude > 0)
    return float(xp.sum(xp.astype(counts, xp.int64))) ** (1 / len(shape))


def _checked(layers):
    """Read a stack as a list of layers."""
    try:
        found = list(layers)
    except TypeError:
        raise ValueError(
            f"layers is {layers!r}, but must be a sequence of Layer"
        ) from None
    for i, layer in enumerate(found):
        if not isinstance(layer, Layer):
            raise ValueError(f"layers[{i}] is {layer!r}, but must be a Layer")
    return found
