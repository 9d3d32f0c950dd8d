"""Frames on the real host's clocks, whose truth is this machine's CLOCK_REALTIME."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronotick.daemon.clocks import HostClock
from unit.shm.frames import make_frame

if TYPE_CHECKING:
    from chronotick.core.records import ClockPair, Frame

_HOST = HostClock()


def pair_now() -> ClockPair:
    """Return the host's clocks now."""
    return _HOST.pair()


def frame_now(
    *, age_ns: int = 0, clocks: dict[str, Any] | None = None, **changes: Any
) -> Frame:
    """Return a frame that says that UTC is CLOCK_REALTIME, made `age_ns` ago.

    Args:
        age_ns: How long ago it was made and published.
        clocks: Changes to the pair of clock reads in it.
        changes: Changes to the correction; ``frame`` for changes to the frame.
    """
    pair = pair_now()
    then = pair._replace(
        raw_ns=pair.raw_ns - age_ns, realtime_ns=pair.realtime_ns - age_ns
    )
    frame = {
        "clocks": then._replace(**(clocks or {})),
        "disruption_marker": then.disruption_marker,
        **changes.pop("frame", {}),
    }
    changes.setdefault("raw_ns", then.raw_ns)
    changes.setdefault("utc_ns", then.realtime_ns)
    return make_frame(frame=frame, **changes)
