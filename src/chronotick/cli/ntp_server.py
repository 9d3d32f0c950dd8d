"""`chronotick ntp-server`: serve this host's corrected time to nodes without servers.

Decides where the served time comes from: the segment of this host's daemon, and its
report for the stratum. What is claimed is `chronotick.daemon.ntp_server`'s.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import anyio
import click

from chronotick.cli import listening
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.options import Real, segment_option
from chronotick.client.clock import Clock
from chronotick.client.status import read_status
from chronotick.core.errors import AddressError, ClockError, SegmentError
from chronotick.core.records import Endpoint
from chronotick.core.report import REPORT_STALE_NS
from chronotick.core.status import Leap, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.ntp_server import (
    NtpServer,
    RateLimit,
    Reading,
    Upstream,
    until_stopped,
)
from chronotick.ntp import parse_server, reference_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.client.status import StatusReport
    from chronotick.core.records import SourceReport

__all__ = ["ServedClock", "command", "parse_listen"]

# The report is written about once a second.
_LOOK_AGAIN_NS = NS_PER_S
_UNKNOWN_AGE_NS = 0


@click.command("ntp-server", cls=Verb)
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    default="0.0.0.0:123",
    show_default=True,
    help="Numeric address and port. Ports below 1024 need a privilege.",
)
@click.option(
    "--rate",
    "per_s",
    type=Real(0.001, 1e6),
    default=1.0,
    show_default=True,
    help="Replies a second that one client address gets, after a burst of 16.",
)
@segment_option
def command(listen: str, per_s: float, segment: str | None) -> int:
    """Serve this host's corrected time by NTP.

    The stratum is one more than that of the best server in use, and root delay and
    dispersion say our hard bound. While there is no trustworthy time, or no daemon that
    says which servers it uses, replies say so (leap 3, stratum 16). Runs until it is stopped.
    """
    measured = HostClock()
    port = listening.listen(parse_listen(listen), measured, "--listen")
    with Clock(segment) as clock:
        served = ServedClock(clock, measured)
        server = NtpServer(port, measured, served.read, RateLimit(per_s=per_s))
        click.echo(f"serving the time of {clock.path} on {port.endpoint}")
        anyio.run(until_stopped, [server])
    return ExitCode.OK


class ServedClock:
    """Our own time with what it stands on, as long as both are known."""

    def __init__(self, clock: Clock, measured: HostClock) -> None:
        self._clock = clock
        self._measured = measured
        self._report: StatusReport | None = None
        self._looked_raw_ns: int | None = None

    def read(self) -> Reading | None:
        """Return our time now; None while it is not trustworthy or its stratum unknown."""
        try:
            publication = self._clock.publication()
            before_ns = self._measured.raw_ns()
            interval = self._clock.interval()
            after_ns = self._measured.raw_ns()
        except (ClockError, SegmentError):
            return None
        used = self._sources(before_ns, publication.header.start_id)
        best = min(used, key=lambda row: row.stratum or 0, default=None)
        if best is None or best.stratum is None or interval.status is Status.UNKNOWN:
            return None
        published = publication.snapshot
        synced_ns = published.last_sync_raw_ns
        age_ns = _UNKNOWN_AGE_NS if synced_ns is None else max(before_ns - synced_ns, 0)
        upstream = Upstream(
            stratum=best.stratum,
            reference_id=(
                reference_id(parse_server(best.endpoint).host) if best.endpoint else 0
            ),
            delay_ns=published.delay_ns,
            leap=_passed_on(published.leap, used),
            last_sync_age_ns=age_ns,
        )
        return Reading(interval, upstream, before_ns, after_ns)

    def _sources(self, now_ns: int, start_id: int) -> Sequence[SourceReport]:
        """Return the servers that the daemon `start_id` uses now, as far as is known.

        The interval holds without a report, for hours; but the stratum of servers that
        were in use when somebody could still say so is not ours to pass on.
        """
        report = self._report_at(now_ns)
        if report is None or report.start_id != start_id:
            return ()
        if report.age_ns(now_ns) > REPORT_STALE_NS:
            return ()
        return [
            row
            for row in report.sources
            if row.verdict == "selected" and row.stratum is not None
        ]

    def _report_at(self, now_ns: int) -> StatusReport | None:
        """Return the daemon's report, looked up about once a second."""
        looked_ns = self._looked_raw_ns
        if looked_ns is None or now_ns - looked_ns > _LOOK_AGAIN_NS:
            self._looked_raw_ns = now_ns
            self._report = read_status(self._clock.path)
        return self._report


def _passed_on(published: Leap, used: Sequence[SourceReport]) -> Leap:
    """Return what clients are told of a leap second.

    The daemon heeds what a single server announces, and has no time for a minute. A
    client that has only us would put the second into its own clock: that takes half of
    the servers.
    """
    believing = sum(row.leap is published for row in used)
    return published if 2 * believing >= len(used) else Leap.NONE


def parse_listen(text: str) -> Endpoint:
    """Return where to listen.

    Raises:
        AddressError: it is no numeric address with a port.
    """
    try:
        server = parse_server(text)
        ipaddress.ip_address(server.host.partition("%")[0])
    except (AddressError, ValueError):
        raise AddressError(
            f"{text!r}: a numeric address to listen on is needed, such as 0.0.0.0:123"
        ) from None
    return Endpoint(server.host, server.port)
