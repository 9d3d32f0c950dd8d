"""A worker: stamps what arrives, waits as commit-wait asks, and records.

Drives `WorkerState` with a real port and a real schedule. The receive time is the
kernel's; stamping comes before answering, waiting after it.
"""

from __future__ import annotations

import signal
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel

from chrono_daemon import Supervisor
from chronotick.client.aio import wait_until_after
from chronotick.core.errors import ChronotickError, ClockError, SegmentError
from chronotick.eval.streaming.blame import one_cause
from chronotick.eval.streaming.columns import WORKER_COLUMNS, check_node_name
from chronotick.eval.streaming.node import Node, listen
from chronotick.eval.streaming.recorder import Recorder
from chronotick.eval.streaming.worker_state import WorkerState

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from chrono_daemon import Clock
    from chronotick.client.clock import Clock as BoundedClock
    from chronotick.core.records import Datagram, Endpoint
    from chronotick.eval.streaming.hosts import NodeHost, Port
    from chronotick.eval.streaming.node import NodeSettings
    from chronotick.eval.streaming.wire import Message

__all__ = ["NeverEnded", "ToldToEnd", "WorkerSettings", "run_worker"]

_REREADS = ((30.0, "ct_uncertainty_30s_ms"), (60.0, "ct_uncertainty_60s_ms"))
_PROGRESS_S = 10.0
_LOOK_S = 0.2
# More than a commit-wait can take while the clock is good for anything.
_LONGEST_WAIT_S = 10.0
# So long after the end the last events' commit-waits get, and the coordinator to ask
# again (four times a second) whether it was heard.
_GRACE_S = 1.0


class NeverEnded(ChronotickError):
    """The coordinator disappeared; what was recorded is kept."""


class ToldToEnd(ChronotickError):
    """SIGTERM came before the end of the run; what was recorded is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """One worker."""

    node_id: str
    listen: Endpoint
    node: NodeSettings
    output: Path
    key: bytes | None = None
    accept_early: bool = False
    deadline_s: float = 3600.0
    """A worker that was never told that the run is over ends itself after this."""
    is_replacing: bool = False
    """An older recording at `output` may go. False: it is refused."""


async def run_worker(
    settings: WorkerSettings, host: NodeHost, say: Callable[[str], None]
) -> Counter[str]:
    """Serve one run; return the datagrams by what became of them.

    Args:
        settings: What to do.
        host: What it runs on.
        say: Takes a line of progress.

    Raises:
        ConfigError: the name cannot be shown, or the server's URL is none.
        CannotListen: the port cannot be bound.
        UnwritableRecording: the output cannot be written, or not any more; or it is, or
            was, another run's.
        NeverEnded: the deadline passed.
        ToldToEnd: SIGTERM.
    """
    check_node_name(settings.node_id)
    node = Node(settings.node, host)
    output, is_replacing = settings.output, settings.is_replacing
    # Bound first: a second worker on the same port must not touch the first one's file.
    with (
        one_cause(),
        closing(listen(host, settings.listen)) as port,
        Recorder(output, WORKER_COLUMNS, is_replacing=is_replacing) as recorder,
    ):
        recorder.replace_old()
        return await _Worker(settings, node, port, recorder, say).run()


class _Worker:
    def __init__(
        self,
        settings: WorkerSettings,
        node: Node,
        port: Port,
        recorder: Recorder,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._node = node
        self._port = port
        self._recorder = recorder
        self._say = say
        self._state = WorkerState(key=settings.key, accept_early=settings.accept_early)

    async def run(self) -> Counter[str]:
        why: ChronotickError | None = NeverEnded(
            f"worker {self._settings.node_id}: the run was not over after "
            f"{self._settings.deadline_s:g} s: has the coordinator gone?"
        )
        async with Supervisor() as supervisor:
            self._node.start(supervisor)
            with anyio.move_on_after(self._settings.deadline_s):
                why = await self._serve(supervisor.clock)
            await supervisor.stop(grace=0)
        if why is not None:
            raise why
        return self._state.counts

    async def _serve(self, clock: Clock) -> ChronotickError | None:
        """Serve until the run is over, or SIGTERM comes; return why it is not over."""
        told_to_end = False

        async def heed() -> None:
            nonlocal told_to_end
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    # Rows are open for a minute: ended by the signal, they would be lost.
                    told_to_end = True
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(heed)
            group.start_soon(self._warm_up, clock)
            await self._receive(group, clock)
            if not self._state.counts["stop"]:
                self._say("the coordinator has given the run up")
            with anyio.move_on_after(_GRACE_S):
                # Asked again, it answers again: what is lost may be the answer.
                while True:
                    await self._receive(group, clock)
            group.cancel_scope.cancel()
        if not told_to_end:
            return None
        name = self._settings.node_id
        return ToldToEnd(f"worker {name}: told to end before the run was over")

    async def _warm_up(self, clock: Clock) -> None:
        """Say how it goes, every 10 s, until the clocks are ready."""
        begin = clock.now()
        told = begin - _PROGRESS_S
        least_s = self._settings.node.min_warmup_s
        while True:
            why = self._node.why_not_ready()
            passed_s = clock.now() - begin
            if not why and passed_s < least_s:
                why = f"warming up for another {least_s - passed_s:.0f} s"
            self._state.not_ready = why
            if not why:
                break
            if clock.now() - told >= _PROGRESS_S:
                told = clock.now()
                self._say(f"not ready yet: {why}")
            await clock.sleep(_LOOK_S)
        self._say("WARMUP COMPLETE")

    async def _receive(self, group: anyio.abc.TaskGroup, clock: Clock) -> None:
        while True:
            datagram = await self._port.receive()
            # A port that is never empty never waits: without this, a flood would keep
            # all else from its turn, the deadline included.
            await anyio.lowlevel.checkpoint()
            reaction = self._state.received(datagram.payload)
            if reaction.event is not None:
                row = self._stamp(reaction.event, datagram)
                group.start_soon(self._finish, row, datagram.raw_ns, clock)
            if reaction.answer is not None:
                self._port.send(reaction.answer, datagram.origin)
            if reaction.is_last:
                return

    def _stamp(self, event: Message, datagram: Datagram) -> dict[str, object]:
        stamps = self._node.stamps(datagram.raw_ns, datagram.stamp_error_ns)
        return {
            "event_id": event.event_id,
            "node_id": self._settings.node_id,
            "sequence_number": event.sequence,
            "receive_time_ns": stamps.system_ns,
            "coordinator_send_time_ns": event.send_ns,
            "run_id": event.run.hex(),
            **stamps.columns(),
        }

    async def _finish(self, row: dict[str, object], raw_ns: int, clock: Clock) -> None:
        """Commit-wait, re-read the uncertainty, record; what the end cuts is null."""
        due = clock.now()
        try:
            row["commit_wait_ns"] = await self._commit(row, raw_ns, clock)
            for after_s, column in _REREADS:
                await clock.wait_until(due + after_s)
                row[column] = self._node.sigma_ms()
        finally:
            self._recorder.write(row)

    async def _commit(
        self, row: dict[str, object], raw_ns: int, clock: Clock
    ) -> int | None:
        stamp = row.get("ct_hard_upper_ns")
        if not isinstance(stamp, int):
            return None
        try:
            with anyio.fail_after(_LONGEST_WAIT_S):
                # Of a clock it needs the intervals only, wherever they come from.
                bounded = cast("BoundedClock", self._node.clock)
                await wait_until_after(stamp, clock=bounded, sleep=clock.sleep)
        except (ClockError, SegmentError, TimeoutError):
            return None
        return self._node.host.measured.raw_ns() - raw_ns
