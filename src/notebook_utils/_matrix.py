"""A convolution written out as one sparse matrix."""

import numpy as np
from scipy import sparse

from notebook_utils._windows import input_positions
from notebook_utils.arrays import as_floats, bind_shapes, whole
from notebook_utils.device import to_numpy


def convolution_matrix(weight, input_shape, *, stride=1, padding=0):
    """Write a convolution as one sparse matrix C, so that vec(Y) = C vec(X).

    Parameters
    ----------
    weight : (kh, kw) or (o, c, kh, kw) array
    input_shape : (h, w) for one kernel, (c, h, w) for a bank of them
    stride, padding
        As in `conv2d`.

    Returns
    -------
    C : (o oh ow, c h w) scipy.sparse.csr_array
        vec is row-major, channels first. Each tap that reads the image is stored, zeros
        among the weights included; the padding is not. Half precision becomes float32.

    Raises
    ------
    ValueError
        If a shape or a size does not fit.
    """
    _, (weight,) = as_floats(weight=to_numpy(weight))
    # SciPy's matrices have no half precision
    weight = weight.astype(np.result_type(weight, np.float32), copy=False)
    c, h, w = _matrix_input(weight, input_shape)
    bank = weight if weight.ndim == 4 else weight[None, None]
    bind_shapes({"c": c}, weight=("o c kh kw", bank))

    ys, xs = input_positions((h, w), bank.shape[2:], stride=stride, padding=padding)
    oh, ow = len(ys), len(xs)
    # all these broadcast over six axes: o, i, j (the output cell), c, a, b (the tap)
    axes = (len(bank), oh, ow, *bank.shape[1:])
    o, i, j, channel, a, b = np.ogrid[tuple(slice(n) for n in axes)]
    y, x = ys[i, a], xs[j, b]
    row = (o * oh + i) * ow + j
    column = (channel * h + y) * w + x
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)

    value = bank[:, None, None]
    value, row, column, inside = np.broadcast_arrays(value, row, column, inside)
    entries = (value[inside], (row[inside], column[inside]))
    return sparse.coo_array(entries, shape=(len(bank) * oh * ow, c * h * w)).tocsr()


def _matrix_input(weight, input_shape):
    """Read `input_shape` as (c, h, w)."""
    axes = {2: "(h, w)", 4: "(c, h, w)"}.get(weight.ndim)
    if axes is None:
        raise ValueError(
            f"weight has shape {weight.shape}, but must be (kh, kw) or (o, c, kh, kw)"
        )
    found = tuple(input_shape) if np.ndim(input_shape) == 1 else ()
    if len(found) != axes.count(",") + 1:
        raise ValueError(
            f"input_shape is {input_shape!r}, but a weight of shape {weight.shape} "
            f"needs {axes}"
        )
    sizes = tuple(whole(size, "input_shape") for size in found)
    return sizes if len(sizes) == 3 else (1, *sizes)
