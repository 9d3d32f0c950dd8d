"""Run NTP services inside an event loop that does something else too.

Decides nothing: it lends the services a supervisor on the host's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrono_daemon import Supervisor, WallClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.daemon.serve import NtpService

__all__ = ["serve_all"]


async def serve_all(services: Iterable[NtpService]) -> None:
    """Answer on every port until cancelled; the first one that fails ends all."""
    supervisor = Supervisor(clock=WallClock(), on_error="shutdown")
    for number, service in enumerate(services):
        supervisor.spawn(service.run, name=f"service {number}")
    async with supervisor:
        pass
