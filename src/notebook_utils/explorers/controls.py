"""The controls of an explorer."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Slider:
    """A number between two ends.

    Parameters
    ----------
    name, label : str
        The keyword of the drawing functions; what the reader sees.
    low, high, default : int or float
    step : int or float
        Distance of neighbouring positions in Jupyter.
    page : tuple, optional
        The positions on the rendered page, in order; all of them by default.
    """

    name: str
    label: str
    low: float
    high: float
    default: float
    step: float = 1
    page: tuple = ()

    def __post_init__(self):
        if not self.page:
            object.__setattr__(self, "page", self.positions)
        outside = [value for value in self.page if not self.allows(value)]
        if outside or self.default not in self.page:
            raise ValueError(
                f"control {self.name}: page positions {self.page} must lie in"
                f" [{self.low}, {self.high}] and hold the default {self.default}"
            )

    @property
    def positions(self):
        """Every position of the slider in Jupyter."""
        count = round((self.high - self.low) / self.step) + 1
        # rounded: 0.1 + 2 · 0.1 is 0.30000000000000004, and a page would show it
        return tuple(round(self.low + i * self.step, 12) for i in range(count))

    @property
    def is_complete(self):
        """Tell whether the page offers every position."""
        return set(self.positions) <= set(self.page)

    def allows(self, value):
        """Tell whether a value lies between the ends."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of a few named options; parameters as for `Slider`."""

    name: str
    label: str
    page: tuple
    default: object

    def __post_init__(self):
        if self.default not in self.page:
            raise ValueError(
                f"control {self.name}: {self.default!r} is not among {self.page}"
            )

    def allows(self, value):
        """Tell whether a value is one of the options."""
        return value in self.page


@dataclass(frozen=True)
class Steps:
    """A position 0, 1, … that can be played.

    Parameters
    ----------
    name, label : str
    count : callable
        Takes other controls by name and returns how many positions there are; 0 where
        there is nothing to choose, and the picture is drawn at position 0.
    default : int
    """

    name: str
    label: str
    count: Callable
    default: int = 0
