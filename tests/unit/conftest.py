"""One profile for all property-based tests: the same examples in every run."""

from hypothesis import settings

settings.register_profile(
    "unit", derandomize=True, deadline=None, database=None, max_examples=500
)
settings.load_profile("unit")
