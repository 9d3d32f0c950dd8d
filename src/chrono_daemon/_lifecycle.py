"""One daemon's life: attempt after attempt, as its policy says.

It decides what follows from the end of an attempt, and which state that is; the hooks
of one are run in `_attempt`. Starting, stopping and reporting on a set of daemons is the
supervisor's business.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from chrono_daemon._attempt import Attempt
from chrono_daemon._restarts import Retries
from chrono_daemon._types import DaemonError
from chrono_daemon.context import unless_set

if TYPE_CHECKING:
    from chrono_daemon._attempt import Home
    from chrono_daemon._health import Entry

__all__ = ["live"]


async def live(entry: Entry, home: Home) -> None:
    """Run `entry` until it has finished for good.

    Raises:
        DaemonError: its policy says that the supervisor goes down with it.
    """
    try:
        await _live(entry, home)
    except BaseException:
        if entry.state in {"starting", "running", "restarting"}:
            home.enter(entry, "stopped")
        raise
    finally:
        if entry.settled is not None:
            entry.settled.set()


async def _live(entry: Entry, home: Home) -> None:
    retries = Retries(entry.restart)
    while True:
        # A wish may have come when there was nothing to cancel: before the first step,
        # or as a delay ended. A restart is what happens next; a removal is obeyed here.
        if entry.wish == "remove":
            home.enter(entry, "stopped")
            return
        entry.wish = None
        attempt = Attempt(entry, home)
        failure = await attempt.run()
        if failure is not None:
            attempt.logger.error("daemon raised", exc_info=failure)
        again = (
            failure is not None
            and not _is_restart_wished(entry)
            and await _try_again(attempt, failure, retries)
        )
        # Looked at again: a listener may have asked for it when it heard of the end.
        if not again and not _is_restart_wished(entry):
            return


def _is_restart_wished(entry: Entry) -> bool:
    return entry.wish == "restart"


async def _try_again(attempt: Attempt, failure: Exception, retries: Retries) -> bool:
    """Do as the policy says after a failure; False when the daemon ends here.

    Raises:
        DaemonError: the supervisor goes down with it.
    """
    entry, home = attempt.entry, attempt.home
    if entry.on_error == "ignore" or entry.wish == "remove":
        home.enter(entry, "stopped")
        return False
    if entry.on_error == "shutdown" or entry.last_error_phase == "on_stop":
        home.enter(entry, "failed")
        raise DaemonError(f"daemon {entry.name!r} failed: {failure}") from failure
    if home.stop_event.is_set():
        home.enter(entry, "stopped")
        return False
    entry.restart_count += 1
    refusal = retries.count(healthy=attempt.was_healthy())
    if refusal is None and not home.may_restart():
        refusal = "max_restarts of the supervisor exceeded"
    if refusal is not None:
        home.enter(entry, "failed")
        attempt.logger.error("giving up: %s", refusal)
        raise DaemonError(
            f"daemon {entry.name!r} failed, {refusal}: {failure}"
        ) from failure
    home.enter(entry, "restarting")
    if not await _back_off(entry, home, retries.next_delay()):
        home.enter(entry, "stopped")
        return False
    return True


async def _back_off(entry: Entry, home: Home, delay: float) -> bool:
    """Wait before the next attempt; False when there shall be none."""
    with anyio.CancelScope() as scope:
        entry.scope = scope
        return await unless_set(home.stop_event, partial(home.clock.sleep, delay))
    # Cancelled alone, by a wish of the supervisor's user.
    wish, entry.wish = entry.wish, None if entry.wish == "restart" else entry.wish
    return wish == "restart"
