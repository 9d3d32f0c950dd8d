"""`fusion.monitor`: spikes pass, a lost clock shows, and so does a found one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.fusion.monitor import InnovationMonitor
from chronotick.fusion.quiet import Check

FAR_NS = 1_790_000_000_000_000_000
CLAIM = Estimate(
    raw_ns=0,
    offset_ns=FAR_NS,
    rate_ppb=0.0,
    variance=Variance(100.0**2),
    source=Source.CPU_MODEL,
)


def judged(errors_ns: list[int], monitor: InnovationMonitor | None = None) -> bool:
    """Return whether the monitor has tripped after these errors."""
    monitor = monitor or InnovationMonitor()
    for error_ns in errors_ns:
        monitor.judge(Check(0, FAR_NS + error_ns, 0.0), CLAIM, 4.0)
    return monitor.tripped


@given(st.lists(st.integers(-400, 400)))
def test_what_was_claimed_never_trips(errors_ns: list[int]) -> None:
    """Errors within four sigmas, in any order."""
    assert not judged(errors_ns)


@given(st.lists(st.sampled_from([0, 0, 630_000_000]), max_size=2))
def test_spikes_do_not_trip(errors_ns: list[int]) -> None:
    """Two of any size are weather."""
    assert not judged(errors_ns)


def test_three_in_a_row_trip_and_three_release() -> None:
    """Lost, and found again; a single good one in between is luck."""
    monitor = InnovationMonitor()
    assert judged([500, -500, 500], monitor)
    assert judged([0, 0, 900, 0, 0], monitor)
    assert not judged([0], monitor)
