"""A clock on a segment of its own, on a host that tests control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.client.clock import Clock
from chronotick.shm.writer import SegmentWriter
from unit.client.virtual import VirtualHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


@pytest.fixture
def host() -> VirtualHost:
    """Return a host at the instant of `make_frame`."""
    return VirtualHost()


@pytest.fixture
def writer(path: str) -> Iterator[SegmentWriter]:
    """Return a writer that has published nothing yet."""
    with SegmentWriter(path) as writer:
        yield writer


@pytest.fixture
def clock(path: str, host: VirtualHost) -> Iterator[Clock]:
    """Return a clock that is not attached yet."""
    with Clock(path, clocks=host) as clock:
        yield clock
