"""What people are told to run, as they would type it."""

from __future__ import annotations

__all__ = ["at_segment"]

# The documented default: commands need not name it.
_DEFAULT_SEGMENT = "/dev/shm/chronotick_shm"  # noqa: S108


def at_segment(command: str, path: str) -> str:
    """Return `command` for the segment at `path`."""
    if path == _DEFAULT_SEGMENT:
        return command
    from shlex import quote  # noqa: PLC0415 - readers that meet no error need none

    return f"{command} --segment {quote(path)}"
