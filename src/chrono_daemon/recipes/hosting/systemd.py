"""Tells systemd that the service is ready, alive, and stopping.

The protocol is one datagram a message (sd_notify(3)); no library is needed for it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyio.abc import ConnectedUNIXDatagramSocket

    from chrono_daemon.context import Context
    from chrono_daemon.supervisor import DaemonHealth

__all__ = ["is_healthy", "notify_systemd"]

_STOPPING = b"STOPPING=1"


def is_healthy(health: Mapping[str, DaemonHealth]) -> bool:
    """Say whether no daemon has failed for good."""
    return all(daemon.state != "failed" for daemon in health.values())


async def notify_systemd(
    ctx: Context,
    *,
    healthy: Callable[[Mapping[str, DaemonHealth]], bool] = is_healthy,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Keep systemd informed about the supervisor; made to be spawned, last.

    ::

        supervisor.spawn(notify_systemd)

    Sends `READY=1` when all daemons registered by then have started, `WATCHDOG=1` twice
    in each period that the unit's `WatchdogSec=` gives, for as long as `healthy` says
    so, and `STOPPING=1` when the supervisor stops. A watchdog that isn't fed makes
    systemd restart the service: so does an event loop that is blocked. Without
    `NOTIFY_SOCKET` in the environment it does nothing.

    Args:
        ctx: given by the supervisor; the rhythm is kept on its clock.
        healthy: looks at `Supervisor.snapshot()`.
        environ: `os.environ` by default.

    Raises:
        OSError: the socket doesn't take the messages.
    """
    environ = os.environ if environ is None else environ
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    async with await anyio.create_connected_unix_datagram_socket(path) as socket:
        try:
            await _until_stop(ctx, socket, healthy, _watchdog_period_s(environ))
            await _send(socket, _STOPPING)
        except anyio.get_cancelled_exc_class():
            # Stopped without grace: it may not wait, not even where the socket is full.
            raw = socket.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
            with suppress(OSError):
                raw.send(_STOPPING)
            raise


async def _until_stop(
    ctx: Context,
    socket: ConnectedUNIXDatagramSocket,
    healthy: Callable[[Mapping[str, DaemonHealth]], bool],
    period_s: float | None,
) -> None:
    await ctx.supervisor.wait_all_started()
    await _send(socket, b"READY=1")
    if period_s is None:
        await ctx.stop_event.wait()
        return
    while True:
        if healthy(ctx.supervisor.snapshot()):
            await _send(socket, b"WATCHDOG=1")
        if not await ctx.sleep(period_s / 2):
            return


async def _send(socket: ConnectedUNIXDatagramSocket, message: bytes) -> None:
    try:
        await socket.send(message)
    except anyio.BrokenResourceError as error:
        # What anyio raises for it says nothing; the system's own error does.
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise


def _watchdog_period_s(environ: Mapping[str, str]) -> float | None:
    """Return the unit's WatchdogSec in seconds, if it is meant for this process."""
    period_us = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID", "")
    if not period_us.isdecimal() or int(period_us) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None
    return int(period_us) / 1e6
