"""chronyd's ``measurements.log`` (chrony.conf: ``log measurements``).

One line a packet, with banner lines now and then: date, time, address, leap status,
stratum, three groups of test results, local and remote poll, score, offset, peer delay,
peer dispersion, root delay, root dispersion, and what newer versions add. chronyd's
sign is ours: a positive offset means that the local clock is slow.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from chronotick.core.units import NS_PER_S
from chronotick.eval.accuracy.traces import (
    Measurement,
    Skip,
    Steering,
    duration_ns,
    seconds_ns,
    whole,
)

__all__ = ["ChronyFormat"]

_FIELDS: Final = 16
_EXPECTED = (
    "expected a line of chronyd's measurements.log: date, time, address, leap, stratum, "
    "tests (3 groups), polls (2), score, offset, peer delay, peer dispersion, root "
    "delay, root dispersion"
)
_MAX_STRATUM = 255
# chronyd writes none; these begin one in its configuration.
_COMMENT = "#!"


class ChronyFormat:
    """Reads one ``measurements.log``."""

    name = "chrony"
    steering = Steering.STEERED
    resolution_ns = NS_PER_S

    @staticmethod
    def matches(line: str) -> bool:
        """Say whether `line` could be this program's."""
        return _is_banner(line) or (
            line[4:5] == line[7:8] == "-" and line[:4].isdecimal()
        )

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line."""
        if not line.strip() or line[0] in _COMMENT or _is_banner(line):
            return None
        fields = line.split()
        if len(fields) < _FIELDS:
            raise ValueError(f"{_EXPECTED}; found {len(fields)} fields")
        date, time, source, leap, stratum = fields[:5]
        tests = fields[5:8]
        if leap not in {"N", "+", "-", "?"}:
            raise ValueError(f"expected a leap status N, +, - or ?, found {leap!r}")
        if not all(set(group) <= {"0", "1"} for group in tests):
            raise ValueError(f"expected test results of 0 and 1, found {tests!r}")
        measured = Measurement(
            line=number,
            local_ns=_instant_ns(date, time),
            source=source,
            offset_ns=seconds_ns(fields[11], "offset"),
            delay_ns=seconds_ns(fields[12], "peer delay"),
            dispersion_ns=duration_ns(fields[13], "peer dispersion"),
            root_delay_ns=duration_ns(fields[14], "root delay"),
            root_dispersion_ns=duration_ns(fields[15], "root dispersion"),
            stratum=whole(stratum, "stratum", _MAX_STRATUM),
        )
        return _unusable(measured, leap, tests) or measured

    def notes(self) -> tuple[str, ...]:
        """Say what the format leaves out."""
        why = (
            "instants are whole seconds: a clock that is off by 20 ppm moves 20 µs in "
            "one, and that much of the error is the log's"
        )
        return (why,)


def _is_banner(line: str) -> bool:
    return line.startswith("===") or line.lstrip().startswith("Date (UTC)")


def _instant_ns(date: str, time: str) -> int:
    try:
        when = datetime.strptime(f"{date} {time}", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        raise ValueError(
            f"expected a date and time such as 2026-01-31 23:59:59, "
            f"found {f'{date} {time}'[:40]!r}"
        ) from None
    return int(when.replace(tzinfo=UTC).timestamp()) * NS_PER_S


def _unusable(measured: Measurement, leap: str, tests: list[str]) -> Skip | None:
    """Say why no program would use this; what only chronyd's filters refuse is kept."""
    if "0" in tests[0] or "0" in tests[1]:
        return Skip("failed chronyd's packet tests")
    if leap == "?":
        return Skip("server not synchronized")
    if measured.delay_ns is not None and measured.delay_ns < 0:
        return Skip("negative delay")
    return None
