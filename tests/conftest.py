"""Fixtures that every kind of test shares."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A loaded machine is no failure: tests assert no wall-clock limit.
settings.register_profile("chronotick", deadline=None)
settings.load_profile("chronotick")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every async test on both backends."""
    return str(request.param)
