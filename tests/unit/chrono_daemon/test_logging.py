"""Records carry the time of the clock that the daemon lives by."""

from __future__ import annotations

import logging

import pytest

from chrono_daemon import Context, SimClock, Supervisor, WallClock, daemon
from chrono_daemon._logging import ClockAwareLoggerAdapter

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("clock", [SimClock(7), WallClock()])
def test_sim_time_is_added(clock: SimClock | WallClock) -> None:
    """With any clock; other keys are kept; the caller's own sim_time wins."""
    adapter = ClockAwareLoggerAdapter(logging.getLogger("x"), clock)
    assert isinstance(adapter, logging.LoggerAdapter)
    msg, kwargs = adapter.process("m", {})
    extra = kwargs["extra"]
    assert msg == "m"
    assert isinstance(extra, dict)
    assert extra["sim_time"] == pytest.approx(clock.now(), abs=5)
    given = {"sim_time": 1.5, "other": 2}
    assert adapter.process("m", {"extra": given})[1]["extra"] == given


def test_the_callers_extra_is_left_alone() -> None:
    """A dict shared between calls doesn't freeze the time of the first."""
    clock = SimClock()
    adapter = ClockAwareLoggerAdapter(logging.getLogger("x"), clock)
    shared: dict[str, object] = {"other": 2}
    assert adapter.process("m", {"extra": shared})[1]["extra"] == {
        "other": 2,
        "sim_time": 0.0,
    }
    assert shared == {"other": 2}


async def test_a_daemon_logs_under_its_own_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A child of the supervisor's logger, stamped with virtual time."""

    @daemon
    async def talker(ctx: Context) -> None:
        await ctx.clock.sleep(2)
        ctx.logger.info("hello %s", "there", extra={"k": 1})

    clock = SimClock()
    base = logging.getLogger("my.base")
    with caplog.at_level(logging.INFO):
        async with Supervisor(clock=clock, logger=base) as sup:
            assert sup.logger is base
            sup.add(talker())
            await clock.advance(2)
    (record,) = caplog.records
    assert (record.name, record.getMessage()) == ("my.base.talker", "hello there")
    assert vars(record)["sim_time"] == 2.0
    assert vars(record)["k"] == 1
