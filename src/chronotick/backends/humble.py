"""A process that gives way: to the daemon's work, to memory, and to the daemon's end.

Decides how little a forecaster may disturb what it serves. Everything here is best
effort: a system that refuses is no reason not to forecast.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["claim_stdout", "give_way", "lines_until_end"]

# Far behind the daemon, yet not starved on a machine that is always busy.
_NICER = 10
_THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Whoever asked is gone: an answer that is under way may still end, a stuck one may not.
_LAST_ANSWER_S = 60.0


def give_way() -> None:
    """Stand back for CPU time, take one core at most; be the first to go without memory.

    Call before the heavy libraries are imported: they read their limits once.
    """
    for name in _THREAD_LIMITS:
        os.environ.setdefault(name, "1")
    with suppress(OSError):
        os.nice(_NICER)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def claim_stdout() -> TextIO:
    """Return what was standard output; libraries that print go to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def lines_until_end(stream: Iterable[str] | None) -> Iterator[str]:
    """Yield the lines of `stream`; end the process if it is stuck when they end.

    The stream is read by a thread: a model that never returns must not outlive the
    daemon. What cannot be read is at its end, too. (The kernel's parent-death signal is
    no help: it follows the thread that started the process, which need not be the
    daemon's last.)
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=_read, args=(stream, lines), daemon=True).start()
    while (line := lines.get()) is not None:
        yield line


def _read(stream: Iterable[str] | None, lines: SimpleQueue[str | None]) -> None:
    with suppress(OSError, ValueError):  # The latter also where it is no text.
        for line in stream or ():
            lines.put(line)
    lines.put(None)
    Event().wait(_LAST_ANSWER_S)
    os._exit(1)
