"""A small actor runtime whose time is pluggable.

Daemons run under a `Supervisor`, talk through channels, and sleep on a clock. Give
them a `WallClock` and they serve; give them a `SimClock` and an hour of behavior is
tested in a millisecond, with the same outcome each time. Runs on asyncio and trio.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from chrono_daemon._types import (
    ChannelClosed,
    ChannelInUse,
    DaemonError,
    EndOfStream,
    OnError,
    WouldBlock,
)
from chrono_daemon.channel import (
    Channel,
    ChannelStats,
    ReceiveStream,
    SendStream,
    open_channel,
)
from chrono_daemon.clock import Clock, SimClock, WallClock
from chrono_daemon.context import Context
from chrono_daemon.supervisor import (
    DaemonFailurePhase,
    DaemonHealth,
    DaemonState,
    RestartPolicy,
    Supervisor,
)

# Last: importing the submodule `daemon` sets an attribute of that name, and the
# function must win.
from chrono_daemon.daemon import Daemon, daemon  # isort: skip

__all__ = [
    "Channel",
    "ChannelClosed",
    "ChannelInUse",
    "ChannelStats",
    "Clock",
    "Context",
    "Daemon",
    "DaemonError",
    "DaemonFailurePhase",
    "DaemonHealth",
    "DaemonState",
    "EndOfStream",
    "OnError",
    "ReceiveStream",
    "RestartPolicy",
    "SendStream",
    "SimClock",
    "Supervisor",
    "WallClock",
    "WouldBlock",
    "__version__",
    "daemon",
    "open_channel",
]

try:
    __version__: str = version("chronotick")
except PackageNotFoundError:
    __version__ = "0.0.0"
