"""Own a segment, with a child that has closed all but its standard streams.

    bereft.py SEGMENT

The child writes a byte when it is there, and ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys

from chronotick.shm.writer import SegmentWriter

if __name__ == "__main__":
    writer = SegmentWriter(sys.argv[1])
    if os.fork() == 0:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.write(1, b"x")
        os.read(0, 1)
        os._exit(0)
    signal.pause()
