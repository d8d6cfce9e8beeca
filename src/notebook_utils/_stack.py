"""A layer of a stack, as far as its receptive field goes."""

from dataclasses import dataclass, fields

from notebook_utils.arrays import whole

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


def read_stack(layers):
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
