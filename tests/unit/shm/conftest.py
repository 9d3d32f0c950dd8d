"""Fixtures for segments that nothing else uses, for both implementations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.shm import writer as writer_module
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(autouse=True)
def _order_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python write on any CPU: a thread sees its own stores in order."""
    monkeypatch.setattr(writer_module, "has_strong_ordering", lambda: True)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


@pytest.fixture(scope="session", params=["python", "c"])
def hot(request: pytest.FixtureRequest) -> ModuleType | None:
    """Run the test with stores and copies in Python, then with those in C."""
    if request.param == "python":
        return None
    if HOT is None:
        pytest.skip(WHY)
    return HOT


@pytest.fixture
def writer(path: str, hot: ModuleType | None) -> Iterator[SegmentWriter]:
    """Return a writer that has published nothing yet."""
    with SegmentWriter(path, hot=hot) as writer:
        yield writer


@pytest.fixture
def attach(hot: ModuleType | None) -> Callable[[str], SegmentReader]:
    """Return how to attach a reader of the implementation under test."""
    return lambda path: SegmentReader(path, hot=hot)
