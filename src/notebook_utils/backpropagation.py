"""The gradient of a whole network: each layer's backward, from the loss to the input.

A layer is a forward and its backward. The backward takes the gradient of the loss with
respect to the layer's output, and the layer's input, and answers with the gradients
with respect to that input and to the layer's parameters.
"""

import math
import numbers

import array_api_compat

from notebook_utils._activations import (
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from notebook_utils._dense import (
    flatten,
    flatten_backward,
    linear,
    linear_backward,
    squared_error,
    squared_error_backward,
)
from notebook_utils.arrays import as_floats

__all__ = [
    "Layer",
    "Network",
    "flatten",
    "flatten_backward",
    "linear",
    "linear_backward",
    "numerical_gradient",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "squared_error",
    "squared_error_backward",
    "tanh",
    "tanh_backward",
]


class Layer:
    """One step of a network: a forward, its backward, and what they need.

    Parameters
    ----------
    forward : callable
        ``forward(x, *params, **options)`` returns the output.
    backward : callable
        ``backward(grad_output, x, **options)`` returns the gradient with respect to x;
        with parameters, ``backward(grad_output, x, weight, **options)`` returns those
        with respect to x, weight and bias. No gradient depends on the bias.
    *params : arrays
        Nothing, or weight and bias: what is learned.
    **options
        What stays as it is, such as a stride.

    Raises
    ------
    ValueError
        If `forward` or `backward` is no function, if one parameter is given, or more
        than two.
    """

    def __init__(self, forward, backward, *params, **options):
        for name, function in (("forward", forward), ("backward", backward)):
            if not callable(function):
                raise ValueError(f"{name} is {function!r}, but must be a function")
        if len(params) not in (0, 2):
            raise ValueError(
                f"{len(params)} parameters were given, but a layer has none, "
                "or a weight and a bias"
            )
        self.forward, self.backward = forward, backward
        self.params, self.options = params, options


class Network:
    """Layers in a row.

    Parameters
    ----------
    *layers : Layer
        From the input on.

    Raises
    ------
    ValueError
        For what is no `Layer`.
    """

    def __init__(self, *layers):
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise ValueError(f"layers[{i}] is {layer!r}, but must be a Layer")
        self.layers = layers

    @property
    def params(self):
        """The parameters of all layers, from the input on, in one list."""
        return [p for layer in self.layers for p in layer.params]

    @params.setter
    def params(self, new):
        old = self.params
        if len(new) != len(old):
            raise ValueError(
                f"{len(new)} parameters were given, but the network has {len(old)}"
            )
        new = iter(new)
        for layer in self.layers:
            layer.params = tuple(next(new) for _ in layer.params)

    def forward(self, x):
        """Compute the output, and keep what is computed on the way.

        Parameters
        ----------
        x : array
            What the first layer takes.

        Returns
        -------
        values : list of arrays
            The input of each layer, then the output of the last.
        """
        values = [x]
        for layer in self.layers:
            values.append(layer.forward(values[-1], *layer.params, **layer.options))
        return values

    def backward(self, values, grad_output):
        """Carry a gradient from the output back to the input.

        Parameters
        ----------
        values : list of arrays
            As `forward` returns them.
        grad_output : array
            Gradient of the loss with respect to the last of them.

        Returns
        -------
        deltas : list of arrays
            Gradient with respect to each of the values.
        grads : list of arrays
            Gradient with respect to each of `params`.

        Raises
        ------
        ValueError
            If there are not as many values as `forward` returns.
        """
        if len(values) != len(self.layers) + 1:
            raise ValueError(
                f"values holds {len(values)} arrays, but must hold "
                f"{len(self.layers) + 1}: the input of each layer, and the output"
            )
        deltas, grads = [grad_output], []
        for layer, x in zip(reversed(self.layers), values[-2::-1], strict=True):
            answer = layer.backward(deltas[0], x, *layer.params[:1], **layer.options)
            delta, *own = answer if layer.params else [answer]
            deltas, grads = [delta, *deltas], [*own, *grads]
        return deltas, grads

    def loss_and_gradients(self, x, target, loss, loss_backward):
        """Compute a loss and its gradient with respect to each parameter.

        Parameters
        ----------
        x : array
            What the first layer takes.
        target : array
            What the loss compares the output with.
        loss, loss_backward : callable
            ``loss(output, target)`` is a number, ``loss_backward(output, target)`` its
            gradient with respect to the output; such as `squared_error`.

        Returns
        -------
        loss : scalar
        grads : list of arrays
            In the order of `params`.
        """
        values = self.forward(x)
        _, grads = self.backward(values, loss_backward(values[-1], target))
        return loss(values[-1], target), grads


def numerical_gradient(function, x, *, step=1e-5):
    r"""Estimate a gradient by moving one number at a time.

    .. math:: \frac{\partial f}{\partial x_i} \approx
              \frac{f(x + h e_i) - f(x - h e_i)}{2 h}

    Two calls for each number: a check of a derivation, not a way to train.

    Parameters
    ----------
    function : callable
        Takes an array of the shape of `x` and returns a number.
    x : array
        Of any shape; double precision, for the differences are small.
    step : float
        How far to move, h.

    Returns
    -------
    gradient : array
        Of the shape of `x`. Its error is of the order of h² where `function` is
        smooth; across a corner it means nothing.

    Raises
    ------
    ValueError
        If the step is not positive, or `function` returns no number.
    """
    _check_step(step)
    xp, (x,) = as_floats(x=x)
    flat, device = xp.reshape(x, (-1,)), array_api_compat.device(x)
    places = xp.arange(flat.shape[0], device=device)

    def value(i, move):
        moved = xp.where(places == i, flat + move, flat)
        return _number(function(xp.reshape(moved, x.shape)))

    slopes = [
        (value(i, step) - value(i, -step)) / (2 * step) for i in range(flat.shape[0])
    ]
    return xp.reshape(xp.asarray(slopes, dtype=x.dtype, device=device), x.shape)


def _check_step(step):
    """Insist on a length to move by."""
    real = isinstance(step, numbers.Real) and not isinstance(step, bool)
    if not real or not 0 < step < math.inf:
        raise ValueError(f"step is {step!r}, but must be a positive number")


def _number(answer):
    """Read what a loss has returned as a float."""
    if getattr(answer, "ndim", 0):
        raise ValueError(
            f"function returns an array of shape {tuple(answer.shape)}, but must "
            "return a number"
        )
    return float(answer)
