"""Real forecasting libraries, in environments of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BACKENDS_VARIABLE = "CHRONOTICK_BACKENDS"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs torch, unless it is said to be installed.

    With the variable set nothing here is skipped: what is missing then fails.
    """
    if BACKENDS_VARIABLE in os.environ:
        return
    skip = pytest.mark.skip(reason="needs forecasting libraries: make test-backends")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def backends() -> Path:
    """The folder into which `make test-backends` has installed the libraries."""
    # Not resolved further: a virtual environment's python is a link.
    return Path(os.environ[BACKENDS_VARIABLE]).absolute()
