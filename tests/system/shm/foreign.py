"""Take a segment over and publish until stdin ends: for a process with other clocks.

    foreign.py SEGMENT

Prints a line once the first frame is out. The frames tell the truth, by CLOCK_REALTIME,
on the clocks of the time namespace that the process is in.
"""

from __future__ import annotations

import sys

from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now


def main() -> None:
    """Publish at once, then once for each line of stdin."""
    with SegmentWriter(sys.argv[1]) as writer:
        writer.publish(frame_now(bound_ns=1_000_000, frame={"heartbeat_ns": 10**9}))
        _say_published()
        for _ in sys.stdin:
            writer.publish(frame_now(bound_ns=1_000_000))
            _say_published()


def _say_published() -> None:
    sys.stdout.write("published\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
