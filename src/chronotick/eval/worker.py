"""A worker: stamps what arrives, waits as commit-wait asks, and records.

Drives `WorkerState` with a real port and a real schedule. The receive time is the
kernel's; stamping comes before answering, waiting after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import Supervisor
from chronotick.client.aio import wait_until_after
from chronotick.core.errors import ChronotickError, ClockError, SegmentError
from chronotick.eval.columns import WORKER_COLUMNS
from chronotick.eval.node import Node
from chronotick.eval.recorder import Recorder
from chronotick.eval.worker_state import WorkerState

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from chrono_daemon import Clock
    from chronotick.core.records import Datagram, Endpoint
    from chronotick.eval.hosts import NodeHost, Port
    from chronotick.eval.node import NodeSettings
    from chronotick.eval.wire import Message

__all__ = ["NeverEnded", "WorkerSettings", "run_worker"]

_REREADS = ((30.0, "ct_uncertainty_30s_ms"), (60.0, "ct_uncertainty_60s_ms"))
_PROGRESS_S = 10.0
_LOOK_S = 0.2
# More than a commit-wait can take while the clock is good for anything.
_LONGEST_WAIT_S = 10.0
# So long the last events' commit-waits get after the end.
_GRACE_S = 0.5


class NeverEnded(ChronotickError):
    """The coordinator disappeared; what was recorded is kept."""


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


async def run_worker(
    settings: WorkerSettings, host: NodeHost, say: Callable[[str], None]
) -> Counter[str]:
    """Serve one run; return the datagrams by what became of them.

    Args:
        settings: What to do.
        host: What it runs on.
        say: Takes a line of progress.

    Raises:
        UnwritableRecording: the output cannot be written.
        OSError: the port cannot be bound.
        NeverEnded: the deadline passed.
    """
    with Recorder(settings.output, WORKER_COLUMNS) as recorder:
        port = host.listen(settings.listen)
        try:
            worker = _Worker(settings, Node(settings.node, host), port, recorder, say)
            return await worker.run()
        finally:
            port.close()


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
        ended = False
        async with Supervisor() as supervisor:
            self._node.start(supervisor)
            with anyio.move_on_after(self._settings.deadline_s):
                async with anyio.create_task_group() as group:
                    group.start_soon(self._warm_up, supervisor.clock)
                    await self._receive(group, supervisor.clock)
                    await supervisor.clock.sleep(_GRACE_S)
                    group.cancel_scope.cancel()
                ended = True
            await supervisor.stop(grace=0)
        if not ended:
            raise NeverEnded(
                f"worker {self._settings.node_id}: the run was not over after "
                f"{self._settings.deadline_s:g} s: has the coordinator gone?"
            )
        return self._state.counts

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
                await wait_until_after(stamp, clock=self._node.clock, sleep=clock.sleep)
        except (ClockError, SegmentError, TimeoutError):
            return None
        return self._node.host.measured.raw_ns() - raw_ns
