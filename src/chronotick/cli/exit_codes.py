"""What the process's exit status says: one table, from which the reference is written.

Decides which error means which code. Scripts depend on the numbers: never renumber.
"""

from __future__ import annotations

import enum

from chronotick.core import errors

__all__ = ["MEANINGS", "ExitCode", "exit_code_for"]


class ExitCode(enum.IntEnum):
    """The exit status of every `chronotick` command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NO_DAEMON = 3
    TIMEOUT = 4
    NO_TIME = 5
    BROKEN_BOUND = 6
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "It did what was asked.",
    ExitCode.FAILURE: "It failed: the one line on standard error says why. `doctor`: "
    "a check failed. `demo`: a reading did not contain the truth, or there was none.",
    ExitCode.USAGE: "Wrong usage, or a wrong configuration; nothing was started.",
    ExitCode.NO_DAEMON: "No daemon publishes at the segment.",
    ExitCode.TIMEOUT: "`wait`: the time-out passed before the time was good enough.",
    ExitCode.NO_TIME: "A segment is there, but it holds no trustworthy time now: not "
    "synchronized yet, expired, or the host slept.",
    ExitCode.BROKEN_BOUND: "`simulate`, `bench`: a hard bound did not contain the truth, "
    "which the simulation knows.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C (128 + SIGINT).",
    ExitCode.BROKEN_PIPE: "Whoever read the output went away (128 + SIGPIPE).",
}

_USAGE = (errors.ConfigError, errors.AddressError)


def exit_code_for(error: errors.ChronotickError) -> ExitCode:
    """Return the code that tells `error` to a script."""
    if isinstance(error, _USAGE):
        return ExitCode.USAGE
    if isinstance(error, errors.NoDaemon):
        return ExitCode.NO_DAEMON
    if isinstance(error, errors.ClockError):
        return ExitCode.NO_TIME
    return ExitCode.FAILURE
