"""Stamps: cause before effect, whatever the clocks say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.agents.stamps import (
    MOST_LEAD_NS,
    Stamper,
    half_width_ns,
    parse_hlc,
    span_ns,
)
from chronotick.agents.wording import RequestError
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status

if TYPE_CHECKING:
    from chronotick.agents.requests import Stamp

NOW_NS = 1_795_269_600 * 10**9


def at(middle_ns: int, half_ns: int = 1_000_000) -> Interval:
    """An interval around an instant."""
    return Interval(
        middle_ns - half_ns,
        middle_ns + half_ns,
        Status.SYNCHRONIZED,
        Source.NTP,
        Reason.NONE,
        0.0,
    )


@given(offsets=st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=30))
def test_stamps_of_one_node_never_run_backwards(offsets: list[int]) -> None:
    """However its clock is corrected, each stamp's text sorts after the one before."""
    stamper = Stamper("a")
    texts = [stamper.stamp(at(NOW_NS + offset)).hlc for offset in offsets]
    assert texts == sorted(set(texts))


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(-(10**9), 10**9)), max_size=30)
)
def test_an_effect_is_later_than_its_cause(steps: list[tuple[bool, int]]) -> None:
    """Passed to and fro between two nodes, a chain of stamps only grows."""
    nodes = {False: Stamper("a"), True: Stamper("b")}
    chain: list[Stamp] = []
    for is_b, offset in steps:
        now = at(NOW_NS + offset, half_ns=2 * 10**9)
        chain.append(nodes[is_b].stamp(now, previous=chain[-1] if chain else None))
    keys = [parse_hlc(stamp.hlc) for stamp in chain]
    assert keys == sorted(set(keys))


def test_a_stamp_from_the_certain_future_is_refused() -> None:
    """Both bounds cannot hold, so following it would spread the fault."""
    previous = Stamper("b").stamp(at(NOW_NS + 10**9))
    stamper = Stamper("a")
    with pytest.raises(RequestError, match="get_daemon_status on both hosts"):
        stamper.stamp(at(NOW_NS), previous=previous)
    assert parse_hlc(stamper.stamp(at(NOW_NS)).hlc).physical_ns == at(NOW_NS).latest_ns


def test_a_logical_part_that_has_run_away_is_refused() -> None:
    """A plausible time with an `hlc` from next week would pull all stamps along."""
    honest = Stamper("b").stamp(at(NOW_NS))
    forged = msgspec.structs.replace(
        honest, hlc=f"{NOW_NS + MOST_LEAD_NS + 2_000_000:020d}.000000@b"
    )
    with pytest.raises(RequestError, match="in the future here"):
        Stamper("a").stamp(at(NOW_NS), previous=forged)


def test_a_full_counter_moves_on_to_the_next_nanosecond() -> None:
    """The text keeps its width, and so its order."""
    latest_ns = at(NOW_NS).latest_ns
    full = msgspec.structs.replace(
        Stamper("b").stamp(at(NOW_NS)), hlc=f"{latest_ns:020d}.999999@b"
    )
    after = parse_hlc(Stamper("a").stamp(at(NOW_NS), previous=full).hlc)
    assert (after.physical_ns, after.counter) == (latest_ns + 1, 0)


@pytest.mark.parametrize("text", ["", "1.2@a", "9" * 21 + ".000000@a", "x" * 40])
def test_a_text_that_is_no_hlc_is_refused(text: str) -> None:
    """Only what `stamp_event` returned is merged."""
    with pytest.raises(RequestError, match="as stamp_event returned it"):
        parse_hlc(text)


def test_a_bound_is_never_narrowed_by_its_unit() -> None:
    """Seconds to nanoseconds rounds up."""
    assert half_width_ns(0.0010000004) == 1_000_001
    stamp = Stamper("a").stamp(at(NOW_NS, half_ns=1_234_567))
    earliest_ns, latest_ns = span_ns(stamp)
    assert earliest_ns <= NOW_NS - 1_234_567
    assert latest_ns >= NOW_NS + 1_234_567


def test_a_stamp_after_the_calendar_is_refused() -> None:
    """It could not be told as a date."""
    stamp = msgspec.structs.replace(Stamper("a").stamp(at(NOW_NS)), unix_ns="9" * 24)
    with pytest.raises(RequestError, match="year 9999"):
        span_ns(stamp)


def test_threads_never_get_the_same_stamp() -> None:
    """All agents of a process share one order."""
    stamper = Stamper("a")
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda _: stamper.stamp(at(NOW_NS)), range(400)))
    assert len({stamp.hlc for stamp in stamps}) == 400
    assert {stamp.seq for stamp in stamps} == set(range(1, 401))
