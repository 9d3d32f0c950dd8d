"""The demo's arithmetic: nothing is counted that did not happen."""

from __future__ import annotations

from chronotick.cli.sighting import Sighting
from chronotick.cli.tally import Tally
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status


def seen(middle_ns: int, half_ns: int = 100, truth_ns: int = 1_000) -> Sighting:
    """Return a reading around `middle_ns` while the truth was `truth_ns`."""
    now = Interval(
        middle_ns - half_ns,
        middle_ns + half_ns,
        Status.WARMUP,
        Source.NTP,
        Reason.NONE,
        0.0,
    )
    return Sighting(now, truth_ns, truth_ns)


def test_readings_that_miss_the_truth_are_counted() -> None:
    """One miss in four, and the demo has failed."""
    tally = Tally()
    for at_s, middle_ns in enumerate((1_000, 1_050, 900, 1_101)):
        tally.add(at_s, seen(middle_ns))

    assert (tally.readings, tally.held) == (4, 3)
    assert tally.share_held == 0.75
    assert not tally.all_held
    assert tally.median_error_ns == 75
    assert tally.largest_error_ns == 101
    assert tally.first is not None
    assert tally.first[0] == 0.0
    assert tally.last is not None
    assert tally.last.now.midpoint_ns == 1_101


def test_no_reading_is_no_success() -> None:
    """A demo that never had a time must not end as if all were well."""
    tally = Tally()
    tally.refuse()

    assert not tally.all_held
    assert tally.share_held == 0.0
    assert tally.refused == 0
    assert (tally.median_error_ns, tally.largest_error_ns) == (0.0, 0)


def test_refusals_count_from_the_first_reading_on() -> None:
    """Waiting for the start is not a refusal; losing the time is."""
    tally = Tally()
    tally.refuse()
    tally.add(1.0, seen(1_000))
    tally.refuse()

    assert tally.refused == 1
    assert tally.all_held


def test_the_liar_is_named_once() -> None:
    """The first time counts."""
    tally = Tally()
    tally.name_liar(1.5)
    tally.name_liar(9.0)

    assert tally.liar_found_s == 1.5
