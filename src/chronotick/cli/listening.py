"""Ports that people ask for by an option: bound, or refused in a line that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chronotick.daemon.udp import UdpListener

if TYPE_CHECKING:
    from chronotick.core.ports import MeasuredClock
    from chronotick.core.records import Endpoint

__all__ = ["listen"]


def listen(endpoint: Endpoint, measured: MeasuredClock, flag: str) -> UdpListener:
    """Bind the UDP port that the option `flag` asks for.

    Raises:
        ClickException: the operating system refuses.
    """
    try:
        return UdpListener(endpoint, measured)
    except OSError as error:
        where = f"{endpoint.address} port {endpoint.port}"
        why = error.strerror or error
        # Nothing but a low port is refused for want of a privilege.
        is_low = isinstance(error, PermissionError)
        mend = "choose a port above 1023" if is_low else "choose another"
        raise click.ClickException(
            f"cannot listen on {where}: {why}; {mend} with {flag}"
        ) from error
