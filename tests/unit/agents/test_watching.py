"""What counts as a change of the state, for those who subscribed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from chronotick.agents import watching
from chronotick.agents.watching import StatusWatch
from chronotick.core.status import Reason, Status
from chronotick.shm.writer import SegmentWriter
from unit.agents.lab import until
from unit.agents.test_health import GOOD, LIAR

if TYPE_CHECKING:
    from chronotick.agents.health import Look
    from unit.agents.lab import Lab

pytestmark = pytest.mark.anyio


def test_another_mend_is_a_change(lab: Lab) -> None:
    """Holdover as servers are lost is another trouble than a daemon that died."""
    watch = StatusWatch(lab.service)
    lab.publish(status=Status.HOLDOVER, reasons=Reason.SOURCES_LOST)
    lost = watch.digest()
    lab.be_gone_s(100)
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


async def test_a_look_that_fails_is_made_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server lives on, says so once, and tells the next change."""
    watch, told, looks = StatusWatch(lab.service), anyio.Event(), 0

    def fail(_: object) -> Look:
        nonlocal looks
        looks += 1
        raise ValueError("a report like no other")

    async def tell() -> None:
        told.set()

    lab.host.on_sleep = lab.publish
    with anyio.fail_after(10), watch.listening():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run, tell, lambda: False)
            await until(lambda: len(lab.host.slept) > 2)
            with monkeypatch.context() as broken:
                broken.setattr(watching, "look", fail)
                await until(lambda: looks > 3)
            before = len(lab.host.slept)
            await until(lambda: len(lab.host.slept) > before + 2)
            assert not told.is_set()
            lab.host.on_sleep = lambda: lab.publish(status=Status.HOLDOVER)
            await told.wait()
            tasks.cancel_scope.cancel()
    (record,) = caplog.records
    assert "cannot look at the state" in record.message
    assert record.exc_info is not None


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
