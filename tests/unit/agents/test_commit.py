"""Commit-wait among several nodes: what is stamped after it sorts after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chronotick.agents.stamps import MOST_LEAD_NS
from chronotick.core.status import Status
from chronotick.shm.writer import SegmentWriter
from unit.agents.lab import Lab, LabHost
from unit.agents.test_telling import ask, fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

MS = 1_000_000


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Lab]]:
    """Three nodes of one world: the same truth, each with a clock of its own."""
    host = LabHost()
    writers = [SegmentWriter(tmp_path / name) for name in "abc"]
    yield [
        Lab(writer, host=host, node=name)
        for writer, name in zip(writers, "abc", strict=True)
    ]
    for writer in writers:
        writer.close()


async def stamped(node: Lab, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a stamp of now."""
    told = await ask(node, "stamp_event", previous=previous)
    stamp: dict[str, Any] = told["stamp"]
    return stamp


async def test_a_commit_outwaits_the_stamp_that_was_merged(nodes: list[Lab]) -> None:
    """A's midpoint is 40 ms ahead: B, narrow, must not publish after its own 2 ms."""
    a, b, c = nodes
    a.publish(off_ns=40 * MS, bound_ns=50 * MS)
    b.publish()
    c.publish()
    merged = await stamped(b, previous=await stamped(a))
    told = await ask(b, "commit_wait", stamp=merged)
    assert told["committed"]
    assert (await stamped(c))["hlc"] > merged["hlc"]


async def test_a_commit_holds_for_clocks_that_are_behind(nodes: list[Lab]) -> None:
    """C's midpoint is 40 ms behind, within its bound: its stamps are later all the same."""
    a, _, c = nodes
    a.publish()
    c.publish(off_ns=-40 * MS, bound_ns=50 * MS)
    stamp = await stamped(a)
    assert (await ask(a, "commit_wait", stamp=stamp))["committed"]
    assert (await stamped(c))["hlc"] > stamp["hlc"]


CLOCK = st.tuples(st.integers(1, 200 * MS), st.floats(-1, 1))
"""Bound in ns, and the error of the midpoint as a share of it."""


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(clocks=st.lists(CLOCK, min_size=3, max_size=3), is_merged=st.booleans())
@example(clocks=[(50 * MS, 0.8), (MS, 0.0), (MS, 0.0)], is_merged=True)
async def test_whatever_is_stamped_after_a_commit_sorts_after_it(
    nodes: list[Lab], clocks: list[tuple[int, float]], is_merged: bool
) -> None:
    """Of any node, as long as its interval contains the truth."""
    for node, (bound_ns, share) in zip(nodes, clocks, strict=True):
        node.publish(off_ns=int(share * bound_ns), bound_ns=bound_ns)
    a, b, c = nodes
    cause = await stamped(a)
    stamp = await stamped(b, previous=cause if is_merged else None)
    assert (await ask(b, "commit_wait", stamp=stamp))["committed"]
    later = await stamped(c)
    assert later["hlc"] > stamp["hlc"]


async def test_a_stamp_from_the_certain_future_is_not_waited_for(lab: Lab) -> None:
    """As stamp_event refuses to merge it: one of the two clocks is wrong."""
    stamp = await stamped(lab)
    ahead_ns = int(stamp["unix_ns"]) + MOST_LEAD_NS + 10 * MS
    forged = stamp | {"hlc": f"{ahead_ns:020d}.000000@b"}
    outcome = await fail(lab, "commit_wait", stamp=forged)
    assert "get_daemon_status on both hosts" in outcome.text
    assert "don't publish" in outcome.text
    assert lab.host.slept == []


async def test_the_commit_time_is_that_of_the_reading_that_ended_the_wait(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wider time that is published just then cannot take the commit back."""
    stamp = await stamped(lab)
    end_ns = int(stamp["unix_ns"]) + round(stamp["uncertainty_s"] * 1e9)
    lab.pass_s(0.01)
    timepiece = lab.service.timepiece
    interval = timepiece.interval

    def read_then_widen() -> Any:
        now = interval()
        lab.publish(bound_ns=30 * MS, status=Status.WARMUP)
        return now

    monkeypatch.setattr(timepiece, "interval", read_then_widen)
    told = await ask(lab, "commit_wait", stamp=stamp)
    assert told["committed"]
    assert int(told["commit_unix_ns"]) > end_ns
