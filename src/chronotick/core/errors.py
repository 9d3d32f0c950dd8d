"""Every error that ChronoTick raises on purpose, in one tree.

::

    ChronotickError
    ├── ClockError                  no trustworthy time can be given
    │   ├── NoDaemon                nothing is publishing at the path
    │   ├── NotSynchronized         a daemon runs but has no trustworthy time yet
    │   ├── StaleCorrection         the last correction has expired
    │   ├── ClockDisrupted          the host slept, rebooted or was migrated
    │   └── TornRead                the segment never held still (retry limit)
    ├── SegmentError                the file is not one that can be used
    │   ├── SegmentUnreadable       the operating system refuses access
    │   ├── SegmentCorrupt          not a segment, truncated, or impossible values
    │   ├── SegmentVersionMismatch  a layout that this code does not speak
    │   └── UnsupportedPlatform     this machine needs the C module for it
    ├── WriterError                 a daemon cannot publish
    │   ├── SegmentLocked           another daemon owns the segment
    │   └── SegmentUnwritable       the directory or file refuses writing
    ├── ConfigError                 the configuration is wrong; says where and the mend
    ├── AddressError                a server was written in a way that names no server
    ├── NotInstalled                this runs from a source tree without a version
    └── ProtocolError
        ├── LocalProtocolError      we asked nonsense: our bug
        └── RemoteProtocolError     the packet is wrong: weather, counted and dropped

Messages are built here, so that every place raises the same sentence, and each says
what to do next.
"""

from __future__ import annotations

from typing import Any

from chronotick.core.commands import at_segment

__all__ = [
    "AddressError",
    "ChronotickError",
    "ClockDisrupted",
    "ClockError",
    "ConfigError",
    "LocalProtocolError",
    "NoDaemon",
    "NotInstalled",
    "NotSynchronized",
    "ProtocolError",
    "RemoteProtocolError",
    "SegmentCorrupt",
    "SegmentError",
    "SegmentLocked",
    "SegmentUnreadable",
    "SegmentUnwritable",
    "SegmentVersionMismatch",
    "StaleCorrection",
    "TornRead",
    "UnsupportedPlatform",
    "WriterError",
]


class ChronotickError(Exception):
    """Base of all errors raised on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as it is, for other processes: it is not made anew.

        By default an exception is, from its message alone; what fails then fails in the
        process that waits, and leaves a pool broken.
        """
        return type(self).__new__, (type(self), *self.args), self.__dict__.copy()


class ClockError(ChronotickError):
    """No trustworthy time can be given now; the message says why."""


class NoDaemon(ClockError):
    """Nothing is publishing at the path."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"no daemon is publishing at {path}: start one with "
            f"`{at_segment('chronotick daemon', path)}`"
        )
        self.path = path


class NotSynchronized(ClockError):
    """A daemon runs, but has no trustworthy time yet; or it never had one, and is gone.

    Args:
        path: The segment's.
        why: One clause.
        is_silent: Whether the daemon has missed its heartbeat, too.
    """

    def __init__(self, path: str, why: str, *, is_silent: bool = False) -> None:
        mend = (
            f"it is gone or stuck: start one with "
            f"`{at_segment('chronotick daemon', path)}`"
            if is_silent
            else f"see `{at_segment('chronotick status', path)}`, or wait with "
            f"`{at_segment('chronotick wait', path)}`"
        )
        super().__init__(
            f"the daemon at {path} has no trustworthy time ({why}): {mend}"
        )
        self.path = path
        self.is_silent = is_silent


class StaleCorrection(ClockError):
    """The last correction has expired: its bound has passed the configured limit."""

    def __init__(self, path: str, expired_s: float) -> None:
        super().__init__(
            f"the correction at {path} expired {expired_s:.3g} s ago: "
            f"is the daemon running? see `{at_segment('chronotick status', path)}`"
        )
        self.path = path


class ClockDisrupted(ClockError):
    """The host slept, rebooted or was moved since the correction was made.

    Args:
        path: The segment's.
        what: One clause.
        mend: What to do where no measurement of the daemon mends it.
    """

    def __init__(self, path: str, what: str, mend: str | None = None) -> None:
        if mend is None:
            mend = (
                "a running daemon mends it with its next measurement; "
                f"otherwise start one with `{at_segment('chronotick daemon', path)}`"
            )
        super().__init__(f"the correction at {path} does not apply ({what}): {mend}")
        self.path = path


class TornRead(ClockError):
    """The segment changed during every attempt to read it."""

    def __init__(self, path: str, attempts: int) -> None:
        super().__init__(
            f"the segment at {path} changed during {attempts} reads in a row: "
            f"more than one writer? check with `{at_segment('chronotick doctor', path)}`"
        )
        self.path = path


class SegmentError(ChronotickError):
    """The segment file is not one that can be used."""


class SegmentUnreadable(SegmentError):
    """The operating system refuses access to the segment."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(
            f"cannot read the segment at {path} ({cause}): name the daemon's path with "
            "--segment or CHRONOTICK_SEGMENT; if this is it, let this user into its "
            "directory"
        )
        self.path = path


class SegmentCorrupt(SegmentError):
    """The file is not a segment, is truncated, or holds impossible values.

    The message never says to remove it: it may be somebody's data. A segment that is
    damaged needs no removing either, because a daemon that starts there mends it; but
    what it cannot know for one it refuses, for as long as it lies there.

    Args:
        path: The segment's.
        what: One clause.
        is_foreign: Whether a daemon would refuse it; see
            `chronotick.shm.segment.is_foreign`.
    """

    def __init__(self, path: str, what: str, *, is_foreign: bool = False) -> None:
        mend = (
            "move it away and restart the daemon"
            if is_foreign
            else "restart the daemon"
        )
        super().__init__(
            f"{path} is not a usable segment ({what}): name the daemon's path with "
            f"--segment or CHRONOTICK_SEGMENT; if this is it, {mend}"
        )
        self.path = path


class SegmentVersionMismatch(SegmentError):
    """The segment has a layout that this code does not speak."""

    def __init__(self, path: str, found: int, supported: int) -> None:
        super().__init__(
            f"the segment at {path} has layout version {found}, this reader speaks "
            f"{supported}: install the same chronotick version on both sides"
        )
        self.path = path


class UnsupportedPlatform(SegmentError):
    """This machine's memory ordering or byte order needs the C module."""


class WriterError(ChronotickError):
    """A daemon cannot publish."""


class SegmentLocked(WriterError):
    """Another daemon owns the segment."""

    def __init__(self, path: str, pid: int | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{owner} is already publishing at {path}: stop it first, or choose "
            "another path with --segment"
        )
        self.path = path
        self.pid = pid


class SegmentUnwritable(WriterError):
    """The directory or file refuses writing.

    Args:
        path: The segment's.
        cause: One clause.
        mend: What to do, but for how a path is chosen.
    """

    def __init__(
        self, path: str, cause: str, mend: str = "choose a writable path"
    ) -> None:
        super().__init__(
            f"cannot write the segment at {path}: {cause}; {mend} with --segment or "
            "CHRONOTICK_SEGMENT"
        )
        self.path = path


class ConfigError(ChronotickError):
    """The configuration is wrong; the message says where and how to mend it."""


class AddressError(ChronotickError, ValueError):
    """A server was written in a way that names no server."""


class NotInstalled(ChronotickError):
    """This runs from a source tree, which has no version of its own."""

    def __init__(self) -> None:
        super().__init__(
            "chronotick is not installed: `pip install -e .` in its folder"
        )


class ProtocolError(ChronotickError):
    """A time protocol was not followed."""


class LocalProtocolError(ProtocolError):
    """We asked or sent nonsense: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The packet is wrong: weather, to be counted and dropped."""
