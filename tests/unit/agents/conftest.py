"""Fixtures of the agents' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.shm.writer import SegmentWriter
from unit.agents.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def empty_lab(tmp_path: Path) -> Iterator[Lab]:
    """A segment to which nothing has been published."""
    with SegmentWriter(tmp_path / "segment") as writer:
        yield Lab(writer)


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    """A segment with a good time in it."""
    empty_lab.publish()
    return empty_lab
