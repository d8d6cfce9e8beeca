"""What all optimizers share: checked settings, a state for each array, the step."""

import math
import numbers

import array_api_compat
import numpy as np

from notebook_utils.arrays import as_floats, bind_shapes, is_sequence, is_torch


class Optimizer:
    """A rule that turns parameters and gradients into new parameters.

    A rule is a method ``_update(x, g, state)``: it takes one array, its gradient and
    the state kept for it (a dict, empty at the first step), writes the new state, and
    returns the new array. ``self.steps`` is the number of the step, from 1.

    Parameters
    ----------
    lr : float
        Learning rate. As an attribute it may be set between steps.
    weight_decay : float
        0 leaves it out.
    maximize : bool
        Climb instead of descending.
    """

    def __init__(self, *, lr, weight_decay, maximize):
        self.lr = lr
        self.weight_decay = number(weight_decay, "weight_decay")
        self.maximize = bool(maximize)
        self.steps = 0
        self._layout = self._states = None

    @property
    def lr(self):
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value):
        self._lr = number(value, "lr")

    def step(self, params, grads):
        """Take one step.

        Parameters
        ----------
        params : array, or list or tuple of arrays
            NumPy arrays or torch tensors of any shape. A list that holds no arrays,
            such as ``[1, 2]``, is read as one array.
        grads : the same
            The gradient of each array, in the same structure and of the same shape.

        Returns
        -------
        params : array, or list or tuple of arrays
            New ones in the same structure. As in torch, no gradient flows through a
            step. A NaN among the gradients gives a NaN among the parameters.

        Raises
        ------
        ValueError
            If the gradients do not fit the parameters, if there are none, or if number,
            shapes, types or devices are not those of the first step, whose state this
            optimizer keeps.
        """
        pairs = pair_up(params, grads)
        self._remember(type(params) if is_several(params) else None, pairs)
        self.steps += 1
        new = [
            self._advance(x, g, state)
            for (x, g), state in zip(pairs.values(), self._states, strict=True)
        ]
        if not is_several(params):
            return new[0]
        return tuple(new) if isinstance(params, tuple) else new

    def _advance(self, x, g, state):
        if self.maximize:
            g = -g
        if self.weight_decay:
            x, g = self._decay(x, g)
        xp = array_api_compat.array_namespace(x)
        return xp.asarray(self._update(x, g, state))  # NumPy makes numbers of 0-d

    def _decay(self, x, g):
        """Add the gradient of weight_decay/2 · |x|² to that of the loss."""
        return x, g + self.weight_decay * x

    def _update(self, x, g, state):
        raise NotImplementedError

    def _remember(self, structure, pairs):
        """Insist that what is stepped is what was stepped first."""
        layout = {name: describe(x) for name, (x, _) in pairs.items()}
        if self._layout is None:
            self._layout = structure, layout
            self._states = [{} for _ in pairs]
        first_structure, first = self._layout
        if (structure is None) != (first_structure is None) or len(layout) != len(
            first
        ):
            raise ValueError(
                f"params is {_count(structure, layout)}, but was "
                f"{_count(first_structure, first)} at the first step, and the state is "
                "kept for these: take a new optimizer"
            )
        for name, found in layout.items():
            if found != first[name]:
                raise ValueError(
                    f"{name} is {found}, but was {first[name]} at the first step, and "
                    "the state is kept for that: take a new optimizer"
                )


def pair_up(params, grads):
    """Read parameters and gradients as floats: a dict of name to (array, gradient)."""
    several = is_several(params)
    if several != (is_sequence(grads) if several else is_several(grads)):
        one, many = "one array", "a list of arrays"
        found = (many, one) if several else (one, many)
        raise ValueError(
            f"params is {found[0]}, but grads is {found[1]}: they must have the same "
            "structure"
        )
    if not several:
        if is_sequence(params) and not params:
            raise ValueError("params is empty, but must hold at least one array")
        return {"params": _read("params", params, "grads", grads)}
    if len(params) != len(grads):
        raise ValueError(
            f"grads holds {len(grads)} arrays, but must hold {len(params)}, "
            "one for each array of params"
        )
    return {
        f"params[{i}]": _read(f"params[{i}]", x, f"grads[{i}]", g)
        for i, (x, g) in enumerate(zip(params, grads, strict=True))
    }


def is_several(value):
    """Whether `value` is a list of arrays, and not one array written as a list."""
    return is_sequence(value) and any(
        is_torch(each) or isinstance(each, np.ndarray) for each in value
    )


def _read(name, x, grad_name, g):
    for each, value in ((name, x), (grad_name, g)):
        if value is None:
            raise ValueError(f"{each} is None, but must be an array")
    _, arrays = as_floats(**{name: x, grad_name: g})
    bind_shapes(**{name: ("...", arrays[0]), grad_name: ("...", arrays[1])})
    return tuple(each.detach() if is_torch(each) else each for each in arrays)


def describe(x):
    """Say what a state is kept for: kind, type, device and shape of an array."""
    kind = f"tensor on {x.device}" if is_torch(x) else "NumPy array"
    dtype = str(x.dtype).removeprefix("torch.")
    return f"a {dtype} {kind} of shape {tuple(x.shape)}"


def _count(structure, layout):
    return "one array" if structure is None else f"a list of {len(layout)} arrays"


def number(value, name, *, below=math.inf, zero=True):
    """Read a setting: a finite number of at least 0 (or above it), less than `below`.

    Raises
    ------
    ValueError
        Naming the setting, the value found and the values that fit.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0 <= value < below or (value == 0 and not zero):
        limit = "" if below == math.inf else f" and less than {below:g}"
        least = "of at least" if zero else "greater than"
        raise ValueError(f"{name} is {value!r}, but must be a number {least} 0{limit}")
    return float(value)
