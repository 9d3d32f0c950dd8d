"""SIGTERM and SIGINT ask the daemons to finish."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

import anyio

from chrono_daemon.context import unless_set

if TYPE_CHECKING:
    from chrono_daemon.context import Context

__all__ = ["stop_on_signals"]


async def stop_on_signals(ctx: Context, *signals: signal.Signals) -> None:
    """Signal the supervisor to stop when the process is told to; made to be spawned.

    ::

        supervisor.spawn(stop_on_signals)

    Ends then, or when the supervisor stops for any other reason; a second signal has
    its usual effect. Only in the main thread.

    Args:
        ctx: given by the supervisor.
        signals: SIGTERM and SIGINT by default.
    """
    watched = signals or (signal.SIGTERM, signal.SIGINT)
    with anyio.open_signal_receiver(*watched) as received:
        if await unless_set(ctx.stop_event, partial(anext, received)):
            ctx.supervisor.signal_stop()
