"""The daemon as a process: owns the segment, runs the pipeline, stops when told.

Decides what happens between the command line and the pipeline, and how it ends. The
stages themselves are in `chronotick.daemon.pipeline`.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import WallClock
from chronotick.core.errors import ConfigError, WriterError
from chronotick.core.report import REPORT_SUFFIX
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.covariates import Instruments
from chronotick.daemon.pipeline import Ports, build
from chronotick.daemon.status_file import StatusFile
from chronotick.daemon.udp import UdpTransport
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.core.ports import StatusSink
    from chronotick.core.records import DaemonReport, Frame
    from chronotick.daemon.config import Config

__all__ = ["run", "serve"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(
    config: Config,
    *,
    on_report: Callable[[DaemonReport], None] | None = None,
    logger: logging.Logger | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Args:
        config: What to do; see docs/reference/config.md.
        on_report: Called in the event loop with each new report, a few times a second
            at most. Must return at once.
        logger: Where key=value events go.

    Raises:
        ConfigError: the CPUs named don't exist here.
        SegmentLocked: another daemon owns the segment, or has taken it over since
            somebody removed it.
        SegmentUnwritable: the segment can't be written, or not be put back.
    """
    _pin(config.process.cpu_affinity)
    log = logger or logging.getLogger("chronotick")
    # Before the event loop: a refusal is one plain error, not a group.
    with SegmentWriter(config.publish.segment, repeats=True) as writer:
        log.info(
            "event=started pid=%d segment=%s heartbeats=%s",
            os.getpid(),
            writer.path,
            "thread" if writer.refresh_period_ns else "loop",
        )
        anyio.run(_until_signal, config, writer, on_report, log)
        log.info("event=stopped segment=%s", writer.path)


async def serve(
    config: Config,
    writer: SegmentWriter,
    *,
    on_report: Callable[[DaemonReport], None] | None = None,
    logger: logging.Logger | None = None,
) -> None:
    """Run the pipeline on this host's clocks and network until cancelled.

    For programs that have an event loop already; `run` is the daemon. Heartbeats cost
    less with a writer that was made with ``repeats=True``.

    Raises:
        WriterError: somebody removed the segment, and it cannot be put back.
    """
    log = logger or logging.getLogger("chronotick")
    measured = HostClock()
    status = StatusFile(
        writer.path + REPORT_SUFFIX,
        measured,
        start_id=f"{writer.start_id:016x}",
        heartbeat_hz=config.publish.frequency_hz,
        logger=log,
    )
    instruments = Instruments()
    ending = anyio.CancelScope()
    sink = _UntilLost(writer, ending.cancel, log)
    ports = Ports(
        schedule=WallClock(),
        measured=measured,
        transport=UdpTransport(measured),
        sink=sink,
        status=_Both(status, on_report) if on_report else status,
        entropy=os.urandom,
        instruments=instruments if instruments.shows_anything else None,
        inherited_until_raw_ns=writer.inherited_void_after_raw_ns,
    )
    with ending:
        async with build(config, ports, logger=log):
            pass
    if sink.lost is not None:
        raise sink.lost


class _UntilLost:
    """A frame sink that ends the daemon where its own place is lost, without a word.

    That is an operator's doing and no fault of a stage, which would be told with a
    traceback. So is what could be put back, which is told in a line.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        end: Callable[[], object],
        logger: logging.Logger,
    ) -> None:
        self._writer = writer
        self._end = end
        self._log = logger
        self.lost: WriterError | None = None

    @property
    def refresh_period_ns(self) -> int:
        return self._writer.refresh_period_ns

    def publish(self, frame: Frame) -> None:
        if self.lost is not None:
            return
        before = self._writer.put_back_count
        try:
            self._writer.publish(frame)
        except WriterError as error:
            self.lost = error
            self._end()
        if self._writer.put_back_count > before:
            self._log.warning(
                'event=segment_put_back segment=%s why="somebody removed it, or its lock"',
                self._writer.path,
            )


class _Both:
    """A status sink that also calls back."""

    def __init__(
        self, sink: StatusSink, on_report: Callable[[DaemonReport], None]
    ) -> None:
        self._sink = sink
        self._on_report = on_report

    def report(self, report: DaemonReport) -> None:
        self._sink.report(report)
        self._on_report(report)


async def _until_signal(
    config: Config,
    writer: SegmentWriter,
    on_report: Callable[[DaemonReport], None] | None,
    logger: logging.Logger,
) -> None:
    lost: WriterError | None = None
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(*_STOP_SIGNALS) as signals:

            async def stop_on_signal() -> None:
                async for _ in signals:
                    group.cancel_scope.cancel()
                    return

            group.start_soon(stop_on_signal)
            try:
                await serve(config, writer, on_report=on_report, logger=logger)
            except WriterError as error:
                lost = error
            group.cancel_scope.cancel()
    if lost is not None:
        raise lost


def _pin(cpus: tuple[int, ...] | None) -> None:
    if cpus is None:
        return
    try:
        os.sched_setaffinity(0, cpus)
    except (OSError, ValueError) as error:
        there = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise ConfigError(
            f"process.cpu_affinity: cannot run on {', '.join(map(str, cpus))}: "
            f"this process may use {there}"
        ) from error
