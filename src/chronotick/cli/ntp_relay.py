"""`chronotick ntp-relay`: let nodes without internet ask the original servers.

Decides how a relay is asked for; which reply reaches whom is
`chronotick.daemon.ntp_relay`'s.
"""

from __future__ import annotations

from functools import partial

import anyio
import click

from chronotick.cli import listening
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.ntp_server import parse_listen
from chronotick.cli.options import Real
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.ntp_relay import NtpRelay
from chronotick.daemon.ntp_server import RateLimit, until_stopped
from chronotick.daemon.udp import UdpTransport
from chronotick.ntp import parse_server

__all__ = ["command"]


@click.command("ntp-relay", cls=Verb)
@click.option(
    "--map",
    "maps",
    metavar="LISTEN=SERVER[:PORT]",
    required=True,
    multiple=True,
    help="Numeric address and port to listen on, and the server that it leads to. "
    "May be repeated.",
)
@click.option(
    "--rate",
    "per_s",
    type=Real(0.001, 1e6),
    default=1.0,
    show_default=True,
    help="Requests a second that one client address may send, after a burst of 16.",
)
def command(maps: tuple[str, ...], per_s: float) -> int:
    """Forward NTP packets to servers that the nodes cannot reach.

    A reply goes to the client whose request it answers, once. The relay's delay is part
    of the round trip that the client measures. Runs until it is stopped.
    """
    measured = HostClock()
    relays = []
    for text in maps:
        listen, mark, server = text.partition("=")
        if not mark:
            raise click.UsageError(f"--map {text!r}: expected LISTEN=SERVER[:PORT]")
        name = parse_server(server)
        port = listening.listen(parse_listen(listen), measured, "--map")
        relays.append(
            NtpRelay(
                port,
                UdpTransport(measured),
                measured,
                name.host,
                name.port,
                RateLimit(per_s=per_s),
            )
        )
        click.echo(f"relaying {port.endpoint} to {name.host}:{name.port}")
    anyio.run(partial(until_stopped, relays))
    return ExitCode.OK
