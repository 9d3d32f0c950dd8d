"""The errors that the runtime raises, and the words of its policies.

It decides what a caller can catch; who raises what, and when, is said where it happens.

::

    Exception
    ├── EndOfStream       there will never be another item
    ├── ChannelClosed     nobody can take the item any more
    ├── ChannelInUse      a second task uses an endpoint that has one owner
    ├── WouldBlock        a `*_nowait` operation cannot complete now
    ├── DaemonError       a daemon failed; the original is always `__cause__`
    ├── HeartbeatMissed   a daemon was silent for longer than it promised
    ├── StartTimeout      `on_start` took longer than it was given
    └── RuntimeError
        └── SupervisorStopped   a daemon was added to a supervisor that is going down

The first five have no common base but `Exception`, and no relation to the errors of the
same names in anyio: code written for one must not catch the other by accident.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ChannelClosed",
    "ChannelInUse",
    "DaemonError",
    "EndOfStream",
    "HeartbeatMissed",
    "OnError",
    "StartTimeout",
    "SupervisorStopped",
    "WouldBlock",
]

OnError = Literal["shutdown", "restart", "ignore"]
"""What a supervisor does with a failed daemon."""


class EndOfStream(Exception):
    """Raised on receiving when no item is left and none can ever come."""


class ChannelClosed(Exception):
    """Raised on sending when the item could never be received."""


class ChannelInUse(Exception):
    """Raised on a second blocking operation while one is in progress.

    An endpoint has one owner. The operation that is already parked is not disturbed.
    """


class WouldBlock(Exception):
    """Raised by `send_nowait` and `receive_nowait` when they would have to wait."""


class DaemonError(Exception):
    """Raised out of a supervisor when a daemon failed; see `__cause__` for why."""


class HeartbeatMissed(Exception):
    """Recorded as the failure of a daemon that let its heartbeat deadline pass."""


class StartTimeout(Exception):
    """Recorded as the failure of a daemon whose `on_start` took too long."""


class SupervisorStopped(RuntimeError):
    """Raised by `add` when the supervisor is being torn down by force."""
