"""What an output of a stack of layers sees of the input: reach, step, place, and gaps.

Everything goes along one axis; rows and columns follow the same rule. Positions are in
input cells, and the centre of the first input cell is 0.
"""

from typing import NamedTuple

import numpy as np

from notebook_utils._known_networks import known_networks
from notebook_utils._paths import (
    effective_receptive_field,
    path_counts,
    path_spread,
    tap_steps,
)
from notebook_utils._stack import Layer, read_stack
from notebook_utils._windows import effective_kernel, input_positions, output_size
from notebook_utils.arrays import whole

__all__ = [
    "Layer",
    "ReceptiveField",
    "effective_receptive_field",
    "gap_free",
    "known_networks",
    "path_counts",
    "path_spread",
    "receptive_field",
    "receptive_fields",
    "touched_inputs",
]


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
    for layer in read_stack(layers):
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
    layers = read_stack(layers)
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


def gap_free(layers):
    r"""Tell whether an output sees every cell of its receptive field.

    Neighbouring taps of layer l lie a = d j input cells apart, where j is the jump of
    the level below. Sort the layers with more than one tap by a; the field has no gap
    exactly if

    .. math:: a_l \le 1 + \sum_{i < l} (k_i - 1)\, a_i

    for each of them: no tap lies further from the next than the layers with shorter
    steps reach together.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the output.

    Returns
    -------
    solid : bool
        For an output whose field meets no padding.

    Raises
    ------
    ValueError
        As `receptive_fields`.
    """
    layers = read_stack(layers)
    combs = [
        (step, layer.kernel - 1)
        for step, layer in zip(tap_steps(layers), layers, strict=True)
        if layer.kernel > 1
    ]
    reach = 1
    for step, count in sorted(combs):
        if step > reach:
            return False
        reach += step * count
    return True
