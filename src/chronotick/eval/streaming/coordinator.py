"""The coordinator: asks whether all are ready, sends events, counts answers, records.

Drives `CoordinatorState` with a real port and a real schedule. Every step has a
deadline; a worker that falls silent ends as a named failure and the others go on.
"""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.lowlevel

from chrono_daemon import Supervisor
from chronotick.core.errors import ChronotickError
from chronotick.core.units import NS_PER_S
from chronotick.eval.streaming.blame import one_cause
from chronotick.eval.streaming.columns import (
    ACKNOWLEDGED_AFTER,
    check_node_name,
    coordinator_columns,
)
from chronotick.eval.streaming.coordinator_state import CoordinatorState, gaps_s
from chronotick.eval.streaming.node import Node, listen
from chronotick.eval.streaming.recorder import Recorder
from chronotick.eval.streaming.wire import Kind, Message, encode

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chrono_daemon import Clock
    from chronotick.core.records import ClockPair, Endpoint
    from chronotick.eval.streaming.hosts import NodeHost, Port
    from chronotick.eval.streaming.node import NodeSettings

__all__ = ["CoordinatorSettings", "Outcome", "PreflightFailed", "run_coordinator"]

_ASK_AGAIN_S = 0.25
_PROGRESS_S = 5.0
# Nobody acknowledges that a run was given up, and a datagram may be lost.
_GIVEN_UP_TIMES = 3


class PreflightFailed(ChronotickError):
    """Not all were ready in time; no event was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorSettings:
    """One run."""

    workers: Mapping[str, Endpoint]
    node: NodeSettings
    output: Path
    listen: Endpoint
    pattern: str = "mixed"
    num_events: int | None = None
    """So many events; None: as `target_duration_s` says."""
    target_duration_s: float | None = None
    """Send for so long; None: as `num_events` says."""
    key: bytes | None = None
    preflight_s: float = 120.0
    """How long all may take to be ready."""
    seed: int = 1
    """Draws the order in which each event is sent to the workers: always the same one
    would be the first otherwise, and seem to be nearer."""
    ack_s: float = 1.0
    """An acknowledgement later than this counts as lost."""
    is_replacing: bool = False
    """An older recording at `output` may go, once all are ready. False: it is refused."""


class Outcome(NamedTuple):
    """How the run went."""

    run_id: str
    events: int
    failures: tuple[str, ...]
    """One line for each worker that fell silent."""
    counts: Counter[str]


async def run_coordinator(
    settings: CoordinatorSettings, host: NodeHost, say: Callable[[str], None]
) -> Outcome:
    """Send one run's events and record them.

    Args:
        settings: What to do.
        host: What it runs on.
        say: Takes a line of progress.

    Raises:
        ConfigError: the pattern or the server's URL is none, or a name cannot be shown.
        CannotListen: the port cannot be bound.
        UnwritableRecording: the output cannot be written, or not any more; or it is, or
            was, another run's.
        PreflightFailed: not all were ready; names who and why.
    """
    gaps_s(settings.pattern)
    for name in settings.workers:
        check_node_name(name)
    node = Node(settings.node, host)
    output, is_replacing = settings.output, settings.is_replacing
    columns = coordinator_columns(settings.workers)
    with (
        one_cause(),
        closing(listen(host, settings.listen)) as port,
        Recorder(output, columns, is_replacing=is_replacing) as recorder,
    ):
        return await _Coordinator(settings, node, port, recorder, say).run()


class _Coordinator:
    def __init__(
        self,
        settings: CoordinatorSettings,
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
        self._run = os.urandom(16)
        self._dice = random.Random(settings.seed)  # noqa: S311 - no secret
        self._state = CoordinatorState(
            run=self._run, workers=tuple(settings.workers), key=settings.key
        )

    async def run(self) -> Outcome:
        """Play the run; whatever ends it early, the workers are told."""
        try:
            return await self._play()
        except BaseException:
            for name in self._settings.workers:
                for _ in range(_GIVEN_UP_TIMES):
                    self._tell(name, self._message(Kind.GIVEN_UP))
            raise

    async def _play(self) -> Outcome:
        problem = ""
        events = 0
        async with Supervisor() as supervisor:
            self._node.start(supervisor)
            async with anyio.create_task_group() as group:
                group.start_soon(self._receive)
                problem = await self._preflight(supervisor.clock)
                if not problem:
                    # Not before: a run that never begins costs no older one.
                    self._recorder.replace_old()
                    events = await self._send_all(supervisor.clock)
                    await supervisor.clock.sleep(self._settings.ack_s)
                    await self._stop(supervisor.clock)
                group.cancel_scope.cancel()
            await supervisor.stop(grace=0)
        if problem:
            raise PreflightFailed(problem)
        failures = tuple(
            f"{name} at {self._settings.workers[name]}: did not acknowledge the end"
            for name in sorted(self._state.not_stopped)
        )
        return Outcome(self._run.hex(), events, failures, self._state.counts)

    async def _receive(self) -> None:
        while True:
            datagram = await self._port.receive()
            latest_ns = datagram.raw_ns + datagram.stamp_error_ns
            self._state.received(datagram.payload, latest_ns)
            # A flood must not keep all else from its turn.
            await anyio.lowlevel.checkpoint()

    async def _preflight(self, clock: Clock) -> str:
        """Ask until all are ready; return what is wrong at the deadline."""
        begin = clock.now()
        told = begin
        while True:
            own = self._node.why_not_ready()
            if not own and not self._state.not_ready:
                self._say("all workers are ready")
                return ""
            waiting = dict(self._state.not_ready)
            lines = [
                f"{name} at {self._settings.workers[name]}: {why}"
                for name, why in sorted(waiting.items())
            ]
            if own:
                lines.append(f"coordinator: {own}")
            if clock.now() - begin >= self._settings.preflight_s:
                limit = f"{self._settings.preflight_s:g} s"
                return f"not ready within {limit}: {'; '.join(lines)}"
            if clock.now() - told >= _PROGRESS_S:
                told = clock.now()
                self._say(f"waiting for {len(lines)}: {lines[0]}")
            for name in waiting:
                self._tell(name, self._message(Kind.PING))
            await clock.sleep(_ASK_AGAIN_S)

    async def _send_all(self, clock: Clock) -> int:
        begin = clock.now()
        due, told, event = begin, begin, 0
        async with anyio.create_task_group() as group:
            for gap_s in gaps_s(self._settings.pattern):
                if self._is_over(event, due - begin):
                    break
                await clock.wait_until(due)
                sent = self._node.host.measured.pair()
                row = self._send(event, gap_s, sent.raw_ns)
                group.start_soon(self._conclude, row, event, sent, clock)
                event, due = event + 1, due + gap_s
                if clock.now() - told >= _PROGRESS_S:
                    told = clock.now()
                    self._say(f"{event} events sent")
        self._say(f"{event} events sent")
        return event

    def _is_over(self, events: int, passed_s: float) -> bool:
        settings = self._settings
        if settings.num_events is not None and events >= settings.num_events:
            return True
        limit_s = settings.target_duration_s
        return limit_s is not None and passed_s >= limit_s

    def _send(self, event: int, gap_s: float, raw_ns: int) -> dict[str, object]:
        """Stamp, then send to all: so the stamp is never after the send."""
        stamps = self._node.stamps(raw_ns)
        lower, upper = stamps.hard or (None, None)
        message = self._message(
            Kind.EVENT, event, event + 1, stamps.system_ns, lower, upper
        )
        names = list(self._settings.workers)
        self._dice.shuffle(names)
        for name in names:
            self._tell(name, replace(message, nonce=os.urandom(8)))
        seconds, ns = divmod(stamps.system_ns, NS_PER_S)
        at = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        columns = stamps.columns()
        del columns["ntp_status"]
        shared = {"ntp_uncertainty_ms", "ct_uncertainty_ms"}
        return {
            "event_id": event,
            "sequence_number": event + 1,
            "send_time_ns": stamps.system_ns,
            "send_time_iso": f"{at}.{ns:09d}Z",
            "pattern_delay_ms": gap_s * 1e3,
            "run_id": self._run.hex(),
            "ntp_status": stamps.columns()["ntp_status"],
            **{k: v for k, v in columns.items() if k not in shared},
        }

    async def _conclude(
        self, row: dict[str, object], event: int, sent: ClockPair, clock: Clock
    ) -> None:
        await clock.sleep(self._settings.ack_s)
        acknowledged = self._state.acknowledged(event)
        row["workers_sent"] = len(acknowledged)
        row["workers_failed"] = len(self._settings.workers) - len(acknowledged)
        # Where RAW did not run through, a difference of it is no duration.
        if self._node.host.measured.pair().is_continuous_with(sent):
            for name, raw_ns in acknowledged.items():
                row[ACKNOWLEDGED_AFTER + name] = max(raw_ns - sent.raw_ns, 0)
        self._recorder.write(row)

    async def _stop(self, clock: Clock) -> None:
        """Tell all that the run is over, until all have said that they know."""
        until = clock.now() + max(5.0 * self._settings.ack_s, 2.0)
        while self._state.not_stopped and clock.now() < until:
            for name in sorted(self._state.not_stopped):
                self._tell(name, self._message(Kind.STOP))
            await clock.sleep(_ASK_AGAIN_S)

    def _tell(self, worker: str, message: Message) -> None:
        self._state.asks(worker, message)
        datagram = encode(message, self._settings.key)
        self._port.send(datagram, self._settings.workers[worker])

    def _message(
        self,
        kind: Kind,
        event: int = 0,
        sequence: int = 0,
        send_ns: int = 0,
        lower_ns: int | None = None,
        upper_ns: int | None = None,
    ) -> Message:
        return Message(
            kind=kind,
            run=self._run,
            nonce=os.urandom(8),
            event_id=event,
            sequence=sequence,
            send_ns=send_ns,
            lower_ns=lower_ns,
            upper_ns=upper_ns,
        )
