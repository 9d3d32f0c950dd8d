"""A reading between two system clock reads: the tightest of a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.cli.sighting import Sighting, sight
from chronotick.client.clock import Clock
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from unit.cli.conftest import Publication


def seen(earliest_ns: int, latest_ns: int, before_ns: int, after_ns: int) -> Sighting:
    """Return a sighting with these four instants."""
    now = Interval(
        earliest_ns, latest_ns, Status.SYNCHRONIZED, Source.NTP, Reason.NONE, 0.0
    )
    return Sighting(now, before_ns, after_ns)


def test_it_holds_the_system_time_if_any_instant_of_the_bracket_does() -> None:
    """Somewhere between the two reads the interval was made."""
    assert seen(100, 200, 150, 160).holds_system_time
    assert seen(100, 200, 90, 100).holds_system_time
    assert seen(100, 200, 200, 210).holds_system_time
    assert not seen(100, 200, 90, 99).holds_system_time
    assert not seen(100, 200, 201, 210).holds_system_time


def test_the_offset_is_true_minus_local() -> None:
    """Positive: the system clock is behind."""
    assert seen(1000, 2000, 1300, 1500).system_offset_ns == 100


def test_a_real_reading_finds_the_published_offset(publication: Publication) -> None:
    """Published 5 ms ahead of the system clock, it is seen 5 ms ahead."""
    publication.publish(ahead_ns=5_000_000)

    with Clock(publication.path) as clock:
        found = sight(clock, HostClock())

    error_ns = abs(found.system_offset_ns - 5_000_000)
    assert error_ns <= found.bracket_ns + found.now.width_ns
    assert not found.holds_system_time
