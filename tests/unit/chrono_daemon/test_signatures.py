"""What callers pass, by name and by place, and what records hold: as it was promised."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import subprocess
import sys
import time
from typing import Any

import pytest

import chrono_daemon
import system_stack_mock
from chrono_daemon import Context, DaemonHealth, WallClock, open_channel

pytestmark = pytest.mark.anyio

# What was promised. More may be accepted, but nothing more may be asked for.
PROMISED = """
channel.open_channel(maxsize=0)
channel.Channel(send, recv)
channel.ChannelStats(current_buffer_used, max_buffer_size, open_send_streams, \
open_receive_streams, waiters_send, waiters_receive)
clock.WallClock()
clock.WallClock.sleep(self, seconds)
clock.WallClock.wait_until(self, deadline)
clock.WallClock.every(self, period, *, first="after")
clock.SimClock(t0=0.0, *, settle_rounds=8)
clock.SimClock.sleep(self, seconds)
clock.SimClock.wait_until(self, deadline)
clock.SimClock.every(self, period, *, first="after")
clock.SimClock.advance(self, dt)
clock.SimClock.advance_to(self, t)
daemon.daemon(fn=None, /, *, name=None)
context.Context(clock, cancel_scope, logger, name, supervisor, stop_event)
_logging.ClockAwareLoggerAdapter(logger, clock)
supervisor.RestartPolicy(base=0.1, factor=2.0, cap=5.0, max_retries=None)
supervisor.DaemonHealth(name, state, restart_count, last_error, last_error_phase, \
started_at, uptime)
supervisor.Supervisor(*, clock=None, on_error="shutdown", restart=None, logger=None)
supervisor.Supervisor.add(self, daemon, *, name=None)
supervisor.Supervisor.spawn(self, fn, *args, name=None, **kwargs)
supervisor.Supervisor.signal_stop(self)
supervisor.Supervisor.stop(self, grace=5.0, finalize_timeout=2.0)
supervisor.Supervisor.wait_all_started(self)
supervisor.Supervisor.snapshot(self)
recipes.routing.fanout.tee(src, *dests)
recipes.routing.merge.merge(sources, dest, *, close_dest=True)
recipes.routing.load_balance.load_balance(source, dests, *, close_dests=True)
recipes.routing.worker_pool.worker_pool(incoming, results, handle, *, workers=1, \
worker_buffer=0, close_results=True)
recipes.coordination.select.select(*receivers)
recipes.coordination.batcher.Pending(req, reply)
recipes.coordination.batcher.batcher_loop(incoming, forward, *, max_batch=32, \
max_queue_delay=0.0, clock=None)
recipes.coordination.batcher.submit(out, req)
recipes.coordination.cooperative_every.cooperative_every(ctx, period)
recipes.state.latest.Latest()
recipes.state.lossy.DropNewestSend(inner)
recipes.state.lossy.DropOldestSend(send, recv)
recipes.state.lossy.CoalesceSend(send, recv)
recipes.hosting.supervisor_host.SupervisorHost(supervisor, on_stopping=None, \
default_grace=0.0, default_finalize_timeout=2.0)
recipes.hosting.supervisor_host.SupervisorHost.start(self, task_group)
recipes.hosting.supervisor_host.SupervisorHost.stop(self, *, grace=None, \
finalize_timeout=None)
recipes.hosting.sync_bridge.host_async_dispatcher(setup, *, clock=None, \
backend="asyncio", ready_timeout=10.0)
transports.zmq.MsgpackSerde(message_type=Any)
transports.zmq.ZmqConfig(maxsize=0, linger_ms=1000)
transports.zmq.open_zmq_send(address, *, bind=False, maxsize=0, serde=None, \
context=None, linger_ms=1000)
transports.zmq.open_zmq_receive(address, *, bind=True, maxsize=0, serde=None, \
context=None, linger_ms=1000)
transports.zmq.open_zmq_channel(address, *, bind_receive=True, maxsize=0, serde=None, \
context=None, linger_ms=1000)
""".strip().splitlines()

EXAMPLE_RECORDS = {
    "Obs": ["t", "seq"],
    "Subgoal": ["target", "cog", "t_planned"],
    "Chunk": ["actions", "cog", "t_emitted"],
    "Action": ["cmd", "cog", "t_dispensed"],
}


def _find(path: str) -> Any:
    """Return what a dotted path under `chrono_daemon` names."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(f"chrono_daemon.{'.'.join(parts[:cut])}")
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise LookupError(path)


@pytest.mark.parametrize("line", PROMISED, ids=lambda line: line.split("(")[0])
def test_callers_pass_what_was_promised(line: str) -> None:
    """Names, order, kinds and defaults; anything beyond that has a default."""
    path, parameters = line.split("(", 1)
    scope: dict[str, Any] = {"Any": Any}
    exec(f"def promised({parameters}: ...", scope)  # noqa: S102 - the table above
    promised = inspect.signature(scope["promised"]).parameters
    actual = dict(inspect.signature(_find(path)).parameters)

    for name, parameter in promised.items():
        found = actual.pop(name)
        assert (found.kind, found.default) == (parameter.kind, parameter.default), name
    places = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    by_place = [name for name, p in promised.items() if p.kind in places]
    listed = list(inspect.signature(_find(path)).parameters)
    assert listed[: len(by_place)] == by_place
    assert all(p.default is not inspect.Parameter.empty for p in actual.values())


def test_a_context_is_a_frozen_slotted_record() -> None:
    """So that no daemon can leave something on it for the next attempt."""
    assert dataclasses.is_dataclass(Context)
    fields = [field.name for field in dataclasses.fields(Context)]
    assert list(Context.__slots__) == fields
    with pytest.raises(dataclasses.FrozenInstanceError):
        Context(*([None] * len(fields))).name = "other"  # type: ignore[misc, arg-type]


def test_health_has_no_default_that_was_not_promised() -> None:
    """Whoever makes one says all seven."""
    asked = [
        field.name
        for field in dataclasses.fields(DaemonHealth)
        if field.default is dataclasses.MISSING
    ]
    assert len(asked) == 7


def test_a_channel_is_made_outside_any_event_loop() -> None:
    """Of any size, unbounded too; a rendezvous reports a size of 0."""
    for size in (0, 3, math.inf):
        stats = open_channel(size).recv.statistics()
        assert (stats.current_buffer_used, stats.max_buffer_size) == (0, size)


def test_the_wall_clock_is_the_monotonic_one() -> None:
    """And needs no event loop to be read."""
    before = time.monotonic()
    now = WallClock().now()
    assert before <= now <= time.monotonic()


def test_the_version_is_zero_where_nothing_is_installed() -> None:
    """A bare copy of the package imports, and says that it is nobody's version."""
    program = (
        "import importlib.metadata as m\n"
        "def version(name): raise m.PackageNotFoundError(name)\n"
        "m.version = version\n"
        "import chrono_daemon\n"
        "print(chrono_daemon.__version__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == "0.0.0"
    assert chrono_daemon.__version__ != "0.0.0"


@pytest.mark.parametrize("name", EXAMPLE_RECORDS)
def test_the_records_of_the_example_are_frozen(name: str) -> None:
    """Other examples build them by these names."""
    record = getattr(system_stack_mock, name)
    assert [field.name for field in dataclasses.fields(record)] == EXAMPLE_RECORDS[name]
    assert record.__dataclass_params__.frozen


def test_the_rates_of_the_example_are_as_its_page_says() -> None:
    """In Hz, values a chunk, and seconds of latency."""
    promised = {
        "OBS_RATE_HZ": 20.0,
        "S2_HZ": 1.0,
        "S1_HZ": 10.0,
        "S0_HZ": 20.0,
        "CHUNK_SIZE": 8,
        "S2_LATENCY": 0.05,
        "S1_LATENCY": 0.02,
    }
    assert {name: getattr(system_stack_mock, name) for name in promised} == promised
