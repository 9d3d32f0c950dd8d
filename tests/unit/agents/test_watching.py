"""What counts as a change of the state, for those who subscribed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.agents.watching import StatusWatch
from chronotick.core.status import Reason, Status
from chronotick.shm.writer import SegmentWriter
from unit.agents.test_health import GOOD, LIAR

if TYPE_CHECKING:
    from unit.agents.lab import Lab


def test_another_mend_is_a_change(lab: Lab) -> None:
    """Holdover as servers are lost is another trouble than a daemon that died."""
    watch = StatusWatch(lab.service)
    lab.publish(status=Status.HOLDOVER, reasons=Reason.SOURCES_LOST)
    lost = watch.digest()
    lab.pass_s(100)
    dead = watch.digest()
    assert lost != dead
    assert lost[1] != dead[1]


def test_another_reason_is_a_change(lab: Lab) -> None:
    """No answer yet and no agreement are both unsynchronized, with one mend."""
    watch = StatusWatch(lab.service)
    lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_SAMPLES)
    silent = watch.digest()
    lab.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)
    assert watch.digest() != silent


def test_a_verdict_is_a_change(lab: Lab) -> None:
    """A server that lies is a problem although the time is good."""
    watch = StatusWatch(lab.service)
    lab.report(GOOD)
    good = watch.digest()
    lab.report(GOOD, LIAR)
    assert watch.digest() != good


def test_another_daemon_is_a_change(lab: Lab) -> None:
    """Its status is to be read again, even if it says the same."""
    watch = StatusWatch(lab.service)
    lab.publish()
    before = watch.digest()
    lab.writer.close()
    with SegmentWriter(lab.path) as successor:
        lab.writer = successor
        lab.publish()
        assert watch.digest() != before


def test_numbers_that_move_are_no_change(lab: Lab) -> None:
    """Neither of a good time, nor of one that gets older without its daemon."""
    watch = StatusWatch(lab.service)
    lab.report(GOOD)
    for wait_s in (100, 2_000):
        lab.publish()
        lab.pass_s(wait_s)
        before = watch.digest()
        lab.pass_s(10)
        assert watch.digest() == before
