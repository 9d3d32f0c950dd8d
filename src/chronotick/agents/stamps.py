"""Hybrid logical clock stamps with bounds: cause before effect, whatever clocks say.

Decides the order of stamps and which foreign stamp is believed. After Kulkarni et al.,
"Logical Physical Clocks" (2014), algorithm 1: the pair (physical, counter) never runs
backwards, and a stamp that was made after seeing another is greater than it. The
physical part is the latest that the time can be, as in Corbett et al., "Spanner" (2012),
§4.1.2: it is no less than the truth, so a stamp made once the truth is past another's
`hlc` (commit-wait) is greater than that, however wrong its clock is within its bound.

A stamp's `hlc` is ``PHYSICAL.COUNTER@NODE`` with leading zeros, so that comparing the
texts compares the stamps.
"""

from __future__ import annotations

import math
import os
import re
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from chronotick.agents.requests import Stamp
from chronotick.agents.wording import LATEST_NS, RequestError, duration
from chronotick.core.units import NS_PER_S
from chronotick.shm.host import boot_id

if TYPE_CHECKING:
    from chronotick.core.reading import Interval

__all__ = [
    "MOST_LEAD_NS",
    "Hlc",
    "Stamper",
    "believed_hlc",
    "half_width_ns",
    "parse_hlc",
    "span_ns",
]

MOST_LEAD_NS = 10 * NS_PER_S
"""How far an `hlc` may run ahead of the latest that the time can be. The physical part is
the end of some node's interval, so it leads by no more than twice the widest bound among
the nodes; what leads further comes from a broken clock, and merging it would pull every
later stamp along."""

_HLC = re.compile(r"(\d{20})\.(\d{6})@(.{1,64})", re.ASCII)
_COUNTER_LIMIT = 1_000_000


class Hlc(NamedTuple):
    """What is compared."""

    physical_ns: int
    counter: int
    node: str

    def __str__(self) -> str:
        """Return the sortable text."""
        return f"{self.physical_ns:020d}.{self.counter:06d}@{self.node}"


def parse_hlc(text: str) -> Hlc:
    """Read the `hlc` of a stamp.

    Raises:
        RequestError: it is none.
    """
    match = _HLC.fullmatch(text)
    if match is None:
        raise RequestError(
            f"{text[:80]!r} is no hlc of a stamp: pass the stamp on as stamp_event "
            "returned it"
        )
    return Hlc(int(match[1]), int(match[2]), match[3])


def half_width_ns(uncertainty_s: float) -> int:
    """Return a half width in nanoseconds, rounded up: a bound never narrows."""
    return math.ceil(uncertainty_s * NS_PER_S)


def span_ns(stamp: Stamp) -> tuple[int, int]:
    """Return the earliest and latest Unix nanosecond of a stamp.

    Raises:
        RequestError: it lies after the year 9999.
    """
    middle_ns, half_ns = int(stamp.unix_ns), half_width_ns(stamp.uncertainty_s)
    if middle_ns > LATEST_NS:
        raise RequestError(f"the stamp's {stamp.unix_ns} ns lies after the year 9999")
    return middle_ns - half_ns, middle_ns + half_ns


def believed_hlc(stamp: Stamp, now: Interval, *, otherwise: str) -> Hlc:
    """Return the `hlc` of a stamp that can be true.

    Args:
        stamp: Of any node.
        now: The time here.
        otherwise: What to do without the stamp.

    Raises:
        RequestError: it is no stamp, or lies in the future for certain.
    """
    hlc = parse_hlc(stamp.hlc)
    earliest_ns, _ = span_ns(stamp)
    lead_ns = max(earliest_ns, hlc.physical_ns - MOST_LEAD_NS) - now.latest_ns
    if lead_ns > 0:
        raise RequestError(
            f"the stamp of {stamp.node} lies {duration(lead_ns)} or more in the future "
            "here: one of the two clocks is wrong, run get_daemon_status on both "
            f"hosts; {otherwise}"
        )
    return hlc


class Stamper:
    """Makes the stamps of one process. Thread-safe.

    Keeps the last stamp in memory only: after a restart order with the stamps before is
    certain where their bounds do not overlap, or where `previous` is merged.

    Args:
        node: Name of this node in stamps; default the host's name.
    """

    def __init__(self, node: str | None = None) -> None:
        self.node = (node or os.uname().nodename or "localhost")[:64]
        self.boot_id = boot_id().hex()
        self._lock = Lock()
        self._physical_ns = 0
        self._counter = 0
        self._seq = 0

    def stamp(
        self, now: Interval, *, label: str | None = None, previous: Stamp | None = None
    ) -> Stamp:
        """Return the next stamp, greater than all before and than `previous`.

        Raises:
            RequestError: `previous` is no stamp, or lies in the future for certain.
        """
        seen = None
        if previous is not None:
            otherwise = "without previous you get a stamp that claims no order with it"
            seen = believed_hlc(previous, now, otherwise=otherwise)
        with self._lock:
            physical_ns = max(
                self._physical_ns, now.latest_ns, seen.physical_ns if seen else 0
            )
            counters = [-1]
            if physical_ns == self._physical_ns:
                counters.append(self._counter)
            if seen is not None and physical_ns == seen.physical_ns:
                counters.append(seen.counter)
            counter = max(counters) + 1
            if counter >= _COUNTER_LIMIT:
                # The text has six digits: the next nanosecond keeps the order.
                physical_ns, counter = physical_ns + 1, 0
            self._physical_ns, self._counter = physical_ns, counter
            self._seq += 1
            seq = self._seq
        return Stamp(
            hlc=str(Hlc(physical_ns, counter, self.node)),
            unix_ns=str(now.midpoint_ns),
            uncertainty_s=(now.width_ns + 1) // 2 / NS_PER_S,
            node=self.node,
            boot_id=self.boot_id,
            seq=seq,
            label=label,
        )
