"""Fixtures for segments that nothing else uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


@pytest.fixture
def writer(path: str) -> Iterator[SegmentWriter]:
    """Return a writer that has published nothing yet."""
    with SegmentWriter(path) as writer:
        yield writer
