"""What an explorer is: controls, layers of a picture, and lines of a read-out.

The picture is a stack of *layers*. Each layer is a function that draws on the axes from
a few arguments; which controls it depends on is read off its signature. That is what
lets the rendered page answer for every setting of five sliders at once: only the
different drawings of each layer are rendered and sent, never the product of all
controls.
"""

import html
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

from matplotlib.figure import Figure

from notebook_utils.explorers.controls import Slider, Steps
from notebook_utils.plotting import book_style


@cache
def _names(function):
    """The names of a function's parameters; a page asks for them at every setting."""
    return tuple(inspect.signature(function).parameters)


@dataclass(frozen=True)
class Layer:
    """One layer of the picture, or one line of the read-out.

    Parameters
    ----------
    make : callable
        For the picture ``make(ax, **arguments)`` draws; for the read-out
        ``make(**arguments)`` returns a string.
    key : callable, optional
        Takes controls by name and returns the arguments of `make` as a dict of hashable
        values. Settings with equal arguments share one drawing. By default `make` takes
        controls itself.
    """

    make: Callable
    key: Callable | None = None

    @property
    def names(self):
        """The controls that this layer depends on."""
        return tuple(name for name in _names(self.key or self.make) if name != "ax")

    def arguments(self, values):
        """Return the arguments of `make` at these values of the controls."""
        own = {name: values[name] for name in self.names}
        return self.key(**own) if self.key else own


@dataclass(frozen=True)
class Explorer:
    """A picture with controls.

    Parameters
    ----------
    name : str
        Unique in the book; names the page's frame file.
    module : str
        The module that defines it (``__name__``): frames are rendered again when it or
        what it imports changes.
    title : str
    description : str
        What the picture shows, for a reader who cannot see it.
    controls : tuple of Slider, Choice or Steps
        At most one `Steps`, and it comes last.
    canvas : callable
        ``canvas(figure)`` returns the axes (or whatever the layers draw on).
    layers : tuple of Layer
        Drawn in this order.
    readout : tuple of (str, Layer)
        Label and text of each line below the picture.
    presets : tuple of (str, dict)
        Named settings; a control that is left out takes its default.
    size : tuple of float
        Width and height of the figure in inches.
    view : Layer, optional
        Its `make` returns the part of the figure to show, as for
        `notebook_utils.plotting.to_svg`: left, top, width and height as shares of the
        figure. A picture whose content grows and shrinks then always fills its place.
    """

    name: str
    module: str
    title: str
    description: str
    controls: tuple
    canvas: Callable
    layers: tuple
    readout: tuple = ()
    presets: tuple = ()
    size: tuple = (7.2, 3.6)
    view: Layer | None = None

    def __post_init__(self):
        names = {control.name for control in self.controls}
        if any(isinstance(control, Steps) for control in self.controls[:-1]):
            raise ValueError(
                f"explorer {self.name}: the Steps control must be the last one"
            )
        if not self.controls or len(names) < len(self.controls):
            raise ValueError(
                f"explorer {self.name}: needs controls, each with a name of its own"
            )
        for layer in self.every_layer:
            unknown = set(layer.names) - names
            if unknown:
                raise ValueError(
                    f"explorer {self.name}: no control is called {sorted(unknown)};"
                    f" there are {sorted(names)}"
                )
        for label, setting in self.presets:
            values = self.values(**setting)
            for control in self.fixed:
                if values[control.name] not in control.page:
                    raise ValueError(
                        f"explorer {self.name}: preset {label!r} sets {control.name} to"
                        f" {values[control.name]}, which the page does not offer"
                    )

    @property
    def every_layer(self):
        """The layers of the picture, the lines of the read-out, and the view."""
        views = (self.view,) if self.view else ()
        return (*self.layers, *(layer for _, layer in self.readout), *views)

    @property
    def fixed(self):
        """The controls whose positions do not depend on others: all but `Steps`."""
        return tuple(
            control for control in self.controls if not isinstance(control, Steps)
        )

    @property
    def steps(self):
        """The `Steps` control, or None."""
        return self.controls[-1] if isinstance(self.controls[-1], Steps) else None

    def step_count(self, values):
        """Return how many positions the `Steps` control has here; 1 without one."""
        if self.steps is None:
            return 1
        names = _names(self.steps.count)
        return self.steps.count(**{name: values[name] for name in names})

    def last_step(self, values):
        """Return the last position: 0 also where there is none to choose."""
        return max(self.step_count(values), 1) - 1

    def values(self, **values):
        """Complete a setting with defaults and check it.

        Raises
        ------
        ValueError
            For a name that is no control, and for a value out of its control's range.
        """
        complete = {control.name: control.default for control in self.controls}
        unknown = set(values) - set(complete)
        if unknown:
            raise ValueError(
                f"explorer {self.name}: no control is called {sorted(unknown)};"
                f" there are {sorted(complete)}"
            )
        complete |= values
        for control in self.fixed:
            value = complete[control.name]
            if not control.allows(value):
                raise ValueError(f"control {control.name}: {value!r} is out of range")
        if self.steps is not None:
            last = self.last_step(complete)
            if self.steps.name not in values:
                complete[self.steps.name] = min(self.steps.default, last)
            step = complete[self.steps.name]
            if not 0 <= step <= last:
                raise ValueError(
                    f"control {self.steps.name}: {step!r} is out of range,"
                    f" the last position is {last}"
                )
        return complete

    def figure(self, **values):
        """Draw the picture at a setting; controls not given take their defaults.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return self.draw(
            [(layer, layer.arguments(self.values(**values))) for layer in self.layers]
        )

    def draw(self, drawings):
        """Draw pairs of layer and arguments, in order, on a new canvas."""
        with book_style():
            figure = Figure(figsize=self.size)
            ax = self.canvas(figure)
            for layer, arguments in drawings:
                layer.make(ax, **arguments)
        return figure

    def read(self, **values):
        """Return the read-out at a setting: a dict of label and text."""
        values = self.values(**values)
        return {
            label: layer.make(**layer.arguments(values))
            for label, layer in self.readout
        }

    def part(self, **values):
        """Return the part of the figure to show at a setting, or None for all of it."""
        return (
            self.view.make(**self.view.arguments(self.values(**values)))
            if self.view
            else None
        )

    def settings(self):
        """Iterate over every setting that the rendered page offers."""
        for combination in product(*(control.page for control in self.fixed)):
            values = dict(
                zip((control.name for control in self.fixed), combination, strict=True)
            )
            for step in range(self.last_step(values) + 1):
                yield values | ({self.steps.name: step} if self.steps else {})

    def ends(self):
        """Iterate over the default, each control at both ends, and every preset."""
        yield self.values()
        for control in self.fixed:
            ends = (
                (control.low, control.high)
                if isinstance(control, Slider)
                else control.page
            )
            for value in ends:
                setting = {control.name: value}
                yield self.values(**setting)
                if self.steps is not None:
                    last = self.last_step(self.values(**setting))
                    yield self.values(**setting, **{self.steps.name: last})
        for _, setting in self.presets:
            yield self.values(**setting)

    def show(self):
        """Display live widgets; the book's build puts the page form in their place."""
        from IPython.display import display

        from notebook_utils.explorers.widget import build_widget

        readout = "\n".join(f"{label}: {text}" for label, text in self.read().items())
        bundle = dict(build_widget(self)._repr_mimebundle_())
        bundle["text/plain"] = f"Explorer: {self.title}\n{readout}".strip()
        title = html.escape(self.title)
        bundle["text/html"] = f'<div data-explorer="{self.name}">{title}</div>'
        display(bundle, raw=True)


def all_explorers():
    """Import every chapter's module and return its explorers.

    Returns
    -------
    dict of str to Explorer

    Raises
    ------
    ValueError
        If two explorers have the same name.
    """
    found = {}
    package = importlib.import_module("notebook_utils.explorers")
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(info.name)).values():
            if (
                isinstance(value, Explorer)
                and found.setdefault(value.name, value) is not value
            ):
                raise ValueError(f"two explorers are called {value.name}")
    return found
