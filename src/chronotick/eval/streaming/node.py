"""What coordinator and workers have in common: three clocks, read for one instant.

Decides when a node's clocks are ready. Plain NTP is the product's own client, polling
beside the daemon; ChronoTick is read as any program on the host reads it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chrono_daemon import open_channel
from chronotick.core.errors import ChronotickError, ClockError, SegmentError
from chronotick.daemon.source import Shared, SourceSettings, poll_server
from chronotick.eval.streaming.http_clock import HttpClock
from chronotick.eval.streaming.stamping import Bracketed, NtpReading, Stamps, stamps
from chronotick.ntp import ExchangeLimits, PollPolicy, is_public, parse_server

if TYPE_CHECKING:
    from chrono_daemon import Channel, Context, ReceiveStream, Supervisor
    from chronotick.core.reading import Interval
    from chronotick.core.records import Endpoint, Exchange
    from chronotick.eval.streaming.hosts import NodeHost, Port

__all__ = ["LEVEL", "CannotListen", "Node", "NodeSettings", "listen"]

LEVEL = 0.99
"""Stated coverage of the calibrated interval that is recorded."""


class CannotListen(ChronotickError):
    """The port is taken, or the address is none of this host's; names it."""


def listen(host: NodeHost, endpoint: Endpoint) -> Port:
    """Bind a port of `host`.

    Raises:
        CannotListen: the operating system refuses.
    """
    try:
        return host.listen(endpoint)
    except OSError as error:
        where = f"{endpoint.address} port {endpoint.port}"
        raise CannotListen(f"cannot listen on {where}: {error.strerror}") from error


class _BoundedClock(Protocol):
    """What gives ChronoTick's intervals: a segment's `Clock`, or one over HTTP."""

    def interval(self, coverage: float | None = None) -> Interval: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Which clocks a node reads."""

    segment: str | None = None
    """The daemon's; None: the default one."""
    server_url: str | None = None
    """Read ChronoTick over HTTP there; None: from the segment."""
    server_token: str | None = None
    """That server's bearer token."""
    ntp_servers: tuple[str, ...] = ()
    """``HOST[:PORT]`` of the servers for plain NTP; none: that clock is null."""
    min_warmup_s: float = 0.0
    """The node is not ready before this, even if its clocks are."""
    policy: PollPolicy = PollPolicy()  # noqa: RUF009 - frozen


class Node:
    """The clocks of one node.

    Args:
        settings: Which.
        host: What the node runs on.
    """

    def __init__(self, settings: NodeSettings, host: NodeHost) -> None:
        self.host = host
        self._over_http = (
            None
            if settings.server_url is None
            else HttpClock(settings.server_url, host.measured, settings.server_token)
        )
        self.clock: _BoundedClock = self._over_http or host.corrected(settings.segment)
        self._settings = settings
        self._ntp: NtpReading | str = (
            "no exchange yet" if settings.ntp_servers else "no server to ask"
        )

    def start(self, supervisor: Supervisor) -> None:
        """Begin to poll the servers for plain NTP, and the HTTP server if there is one."""
        if self._over_http is not None:
            supervisor.spawn(self._over_http.follow, name="ChronoTick over HTTP")
        shared = Shared()
        for server in self._settings.ntp_servers:
            name = parse_server(server)
            channel: Channel[Exchange] = open_channel(8)
            source = SourceSettings(
                name=server,
                host=name.host,
                port=name.port,
                is_public=_is_public(name.host),
                policy=self._settings.policy,
                limits=ExchangeLimits(),
            )
            supervisor.spawn(
                poll_server, source, self.host.transport, os.urandom, channel.send,
                shared, name=f"ntp {server}",
            )  # fmt: skip
            supervisor.spawn(self._follow, channel.recv, name=f"newest of {server}")

    async def _follow(self, _ctx: Context, exchanges: ReceiveStream[Exchange]) -> None:
        async for exchange in exchanges:
            if exchange.sample is not None:
                clocks = self.host.measured.pair()
                self._ntp = NtpReading.of(exchange.sample, clocks)

    def why_not_ready(self) -> str:
        """Return what is missing before events can be stamped; empty: nothing."""
        if self._settings.ntp_servers and isinstance(self._ntp, str):
            return "plain NTP: no server has answered yet"
        try:
            self.clock.interval()
        except (ClockError, SegmentError) as error:
            return f"ChronoTick: {error}"
        return ""

    def stamps(self, raw_ns: int, error_ns: int = 0) -> Stamps:
        """Return all clocks at `raw_ns`, a moment ago on the host's RAW."""
        hard = self._read(None)
        calibrated = self._read(LEVEL) if isinstance(hard, Bracketed) else None
        return stamps(
            raw_ns=raw_ns,
            error_ns=error_ns,
            clocks=self.host.measured.pair(),
            ntp=self._ntp,
            hard=hard,
            calibrated=calibrated if isinstance(calibrated, Bracketed) else None,
            true_ns=self.host.true_ns(raw_ns),
        )

    def sigma_ms(self) -> float | None:
        """Return the standard deviation that the model claims now; None: no time."""
        reading = self._read(None)
        if isinstance(reading, str) or math.isnan(reading.interval.sigma_ns):
            return None
        return reading.interval.sigma_ns / 1e6

    def _read(self, coverage: float | None) -> Bracketed | str:
        measured = self.host.measured
        before_ns = measured.raw_ns()
        try:
            interval = self.clock.interval(coverage)
        except (ClockError, SegmentError) as error:
            return type(error).__name__
        return Bracketed(interval, before_ns, measured.raw_ns())


def _is_public(host: str) -> bool:
    """Say whether other people's servers' floors apply; a name may be anybody's."""
    if host.removesuffix(".") == "localhost":
        return False
    try:
        return is_public(host)
    except ValueError:
        return True
