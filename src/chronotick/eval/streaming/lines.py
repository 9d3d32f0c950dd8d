"""Where the whole lines of a text file end; nothing of the file is parsed here.

Decides that a line counts once it was ended. What a node was writing when it was cut off
may look whole: a time that lost its last digits is still a number.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["end_of_lines"]

_STEP_OCTETS = 64 * 1024


def end_of_lines(path: Path) -> int:
    """Return how many octets of a file are whole lines, by LF, CRLF or CR; 0: none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        begin = os.fstat(file.fileno()).st_size
        while begin:
            end, begin = begin, max(begin - _STEP_OCTETS, 0)
            file.seek(begin)
            part = file.read(end - begin)
            last = max(part.rfind(b"\n"), part.rfind(b"\r"))
            if last >= 0:
                return begin + last + 1
    return 0
