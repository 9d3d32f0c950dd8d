"""Ticks: in phase, none made up for, and an end."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from chronotick.cli import pacing

if TYPE_CHECKING:
    from collections.abc import Callable


class Host:
    """A clock that moves only when something waits."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000

    def raw_ns(self) -> int:
        """Return the imagined instant."""
        return self.ns

    def wait(self, seconds: float) -> None:
        """Let the time pass, and a little more, as real waits do."""
        self.ns += round(seconds * 1e9) + 1_000


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Replace clock and sleep."""
    host = Host()
    replacement: Callable[[], Host] = lambda: host  # noqa: E731
    monkeypatch.setattr(pacing, "HostClock", replacement)
    monkeypatch.setattr(pacing, "Event", replacement)
    return host


@pytest.mark.usefixtures("host")
def test_the_phase_is_kept() -> None:
    """Late wake-ups do not add up."""
    times = list(islice(pacing.ticks(0.5), 100))

    assert times == pytest.approx([n * 0.5 for n in range(100)], abs=1e-5)


def test_missed_ticks_are_dropped(host: Host) -> None:
    """Whoever is slow gets the next one in phase, not a burst."""
    times = []
    for elapsed_s in islice(pacing.ticks(1.0), 4):
        times.append(elapsed_s)
        if len(times) == 2:
            host.wait(2.5)

    assert times == pytest.approx([0.0, 1.0, 4.0, 5.0], abs=1e-5)


@pytest.mark.usefixtures("host")
def test_it_ends_with_a_last_tick() -> None:
    """The end is shown although it is not in phase."""
    assert list(pacing.ticks(1.0, 2.5)) == pytest.approx([0.0, 1.0, 2.0, 2.5], abs=1e-5)
    assert list(pacing.ticks(1.0, 0.0)) == [0.0]
