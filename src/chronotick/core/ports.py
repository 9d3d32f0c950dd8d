"""The outside powers that the pipeline is given: a measured clock, a network, a sink.

`chronotick.daemon` fills them with the host's clocks, UDP sockets and the segment;
`chronotick.sim` with imagined ones. The pipeline cannot tell which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from chronotick.core.records import (
        ClockPair,
        DaemonReport,
        Datagram,
        Endpoint,
        Frame,
    )

__all__ = ["FrameSink", "Link", "MeasuredClock", "StatusSink", "Transport"]


class MeasuredClock(Protocol):
    """The oscillator that is corrected. Never used to decide when to act."""

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW now."""
        ...

    def pair(self) -> ClockPair:
        """Return the host's clocks read together, as tightly as they can be."""
        ...


class Link(Protocol):
    """One ephemeral UDP port talking to one server, open for one exchange."""

    async def send(self, payload: bytes) -> int:
        """Send `payload`; return the RAW instant just before it left.

        Raises:
            OSError: the kernel refused it (no route, port unreachable, …).
        """
        ...

    async def receive(self) -> Datagram:
        """Wait for the next datagram, from whomever it comes.

        Raises:
            OSError: the kernel reported an error (port unreachable, …), or RAW did not
                run through since the send (`ClockPair.is_continuous_with`).
        """
        ...


class Transport(Protocol):
    """The network as an NTP client sees it."""

    async def resolve(self, host: str, port: int) -> Sequence[Endpoint]:
        """Return the addresses of `host`, in the resolver's order, never empty.

        Raises:
            OSError: the name cannot be resolved.
        """
        ...

    def open(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Link]:
        """Open a fresh ephemeral port towards `endpoint` (RFC 9109)."""
        ...


class FrameSink(Protocol):
    """Where frames are published: the shared-memory writer, or a recorder."""

    @property
    def refresh_period_ns(self) -> int:
        """How often a frame that stays the same needs to be published again.

        In between the sink makes the heartbeats, one every `Frame.heartbeat_ns` with the
        host's clocks read again, and ends them soon if no frame comes. 0: it makes none,
        and every heartbeat is to be published. Asked again at each turn: a sink may lose
        what makes them.
        """
        ...

    def publish(self, frame: Frame) -> None:
        """Make `frame` what readers see from now on. Never blocks."""
        ...


class StatusSink(Protocol):
    """Where the daemon's report for people and tools goes."""

    def report(self, report: DaemonReport) -> None:
        """Replace the report. Losing one must not cost a publication."""
        ...
