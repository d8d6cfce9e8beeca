"""What unit tests share: one profile for generated examples, and a notebook's ear."""

import IPython.display
import pytest
from hypothesis import settings

settings.register_profile(
    "unit", derandomize=True, deadline=None, database=None, max_examples=500
)
settings.load_profile("unit")


@pytest.fixture
def displayed(monkeypatch):
    """Collect the bundles that a notebook would receive."""
    bundles = []

    def display(bundle, *, raw):
        assert raw
        bundles.append(bundle)

    monkeypatch.setattr(IPython.display, "display", display)
    return bundles
