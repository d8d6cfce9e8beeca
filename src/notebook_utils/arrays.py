"""One way in for every array: kinds, types, shapes and whole numbers, checked.

The lowest layer of the package. Nothing here imports torch: a tensor is recognised only
where the reader's own code has imported torch already.
"""

import numbers
from collections.abc import Sequence

import array_api_compat
import array_api_compat.numpy
import numpy as np


def is_torch(x):
    """Whether `x` is a torch tensor, without importing torch."""
    return array_api_compat.is_torch_array(x)


def as_floats(**arrays):
    """Read arguments as floating-point arrays of one kind, one device and one type.

    Lists, scalars and arrays of integers or booleans become float64; floating types
    stay, and where they differ the wider one is taken for all. Where any argument is a
    torch tensor, lists and scalars become tensors on its device; otherwise everything
    is NumPy. (Apple's MPS has no float64: there it is float32.)

    Parameters
    ----------
    **arrays : array-like or None
        The arguments under their own names, which the errors repeat. None stays None.

    Returns
    -------
    xp : module
        The array namespace (array API standard) of the answers.
    floats : tuple
        The arrays in the order given. They may share memory with the arguments: never
        write to them.

    Raises
    ------
    ValueError
        For complex numbers, strings and objects; for NumPy arrays mixed with tensors;
        for two devices.

    Examples
    --------
    >>> xp, (x, bias) = as_floats(x=[[1, 2], [3, 4]], bias=None)
    >>> x.dtype, bias
    (dtype('float64'), None)
    """
    given = {name: x for name, x in arrays.items() if x is not None}
    tensors = {name: x for name, x in given.items() if is_torch(x)}
    if not tensors:
        xp = array_api_compat.numpy
        floats = {name: _numpy_floats(x, name) for name, x in given.items()}
    else:
        xp = array_api_compat.array_namespace(*tensors.values())
        device = _common_device(given, tensors)
        floats = {name: _torch_floats(xp, x, name, device) for name, x in given.items()}
    if floats:
        widest = xp.result_type(*(x.dtype for x in floats.values()))
        floats = {name: xp.astype(x, widest, copy=False) for name, x in floats.items()}
    return xp, tuple(floats.get(name) for name in arrays)


def _numpy_floats(x, name):
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"{name} cannot be read as an array of numbers: {error}"
        raise ValueError(message) from error
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} holds {array.dtype}, but must hold real numbers")
    return array


def _torch_floats(xp, x, name, device):
    mps = device.type == "mps"  # it has no doubles
    if not is_torch(x):
        array = _numpy_floats(x, name)
        # a copy, for NumPy may hand out memory that is not to be written to
        x = xp.asarray(np.array(array, np.float32 if mps else None), device=device)
    if xp.isdtype(x.dtype, ("bool", "integral")):
        return xp.astype(x, xp.float32 if mps else xp.float64)
    if not xp.isdtype(x.dtype, "real floating"):
        raise ValueError(f"{name} holds {x.dtype}, but must hold real numbers")
    return x


def _common_device(arrays, tensors):
    from_numpy = [name for name, x in arrays.items() if isinstance(x, np.ndarray)]
    if from_numpy:
        raise ValueError(
            f"NumPy arrays ({', '.join(from_numpy)}) are mixed with torch tensors "
            f"({', '.join(tensors)}): pass one kind; to_numpy and to_device of "
            "notebook_utils.device convert"
        )
    devices = {name: x.device for name, x in tensors.items()}
    if len(set(devices.values())) > 1:
        found = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(
            f"the tensors lie on different devices ({found}): move them to one"
        )
    return next(iter(devices.values()))


def bind_shapes(known=None, /, **arrays):
    """Bind names of axes to sizes, and insist that each name has one size everywhere.

    Parameters
    ----------
    known : dict of str to int, optional
        Sizes fixed beforehand.
    **arrays : (str, array) pairs
        For each argument, under its name, the names of its axes separated by spaces,
        and the array. A number among the names is a size that the axis must have; a
        leading ``...`` takes any number of axes, and is bound to the tuple of their
        sizes. An array of None (an optional argument left out) is passed over.

    Returns
    -------
    sizes : dict
        The size of every name, `known` included.

    Raises
    ------
    ValueError
        Naming the argument, its shape, what it should look like, and the sizes that
        disagree.

    Examples
    --------
    >>> bind_shapes(x=("n c", np.ones((2, 3))), gamma=("c", np.ones(3)))
    {'n': 2, 'c': 3}
    """
    sizes = dict(known or {})
    origins = {}
    for argument, (spec, array) in arrays.items():
        if array is None:
            continue
        shape = tuple(int(size) for size in np.shape(array))
        misfit = f"{argument} of shape {shape} does not fit ({spec.replace(' ', ', ')})"
        for name, size in _pair_up(spec.split(), shape, misfit):
            needed = int(name) if name.isdecimal() else sizes.setdefault(name, size)
            if size != needed:
                axis = "an axis" if name.isdecimal() else name
                origin = f" as in {origins[name]}" if name in origins else ""
                raise ValueError(
                    f"{misfit}: {axis} is {size}, but must be {needed}{origin}"
                )
            if name not in (known or {}):
                origins.setdefault(name, f"{argument} of shape {shape}")
    return sizes


def _pair_up(names, shape, misfit):
    """Names with sizes; a leading ``...`` with the tuple of sizes left over for it."""
    has = f"{misfit}: it has {len(shape)} axes"
    if names and names[0] == "...":
        leading = len(shape) - (len(names) - 1)
        if leading < 0:
            raise ValueError(f"{has}, but needs at least {len(names) - 1}")
        return [("...", shape[:leading]), *zip(names[1:], shape[leading:], strict=True)]
    if len(names) != len(shape):
        raise ValueError(f"{has}, but needs {len(names)}")
    return zip(names, shape, strict=True)


def whole(value, name, minimum=0):
    """Read an integer of at least `minimum`, NumPy's included; no booleans, no floats.

    Raises
    ------
    ValueError
        Naming the argument, the value found and the values that fit.
    """
    if not _is_whole(value, minimum):
        raise ValueError(
            f"{name} is {value!r}, but must be an integer of at least {minimum}"
        )
    return int(value)


def pair(value, name, minimum=0):
    """Read an integer or a pair (h, w) of them, each at least `minimum`, as a pair.

    Raises
    ------
    ValueError
        Naming the argument, the value found and the values that fit.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    values = tuple(value) if is_sequence(value) else (value, value)
    if len(values) != 2 or not all(_is_whole(each, minimum) for each in values):
        raise ValueError(
            f"{name} is {value!r}, but must be an integer of at least {minimum} "
            "or a pair (h, w) of them"
        )
    return int(values[0]), int(values[1])


def is_sequence(value):
    """Whether `value` is a list, a tuple or the like; a string is not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_whole(value, minimum):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return False
    return value >= minimum
