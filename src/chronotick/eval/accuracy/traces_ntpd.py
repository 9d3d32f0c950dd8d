"""ntpd's and NTPsec's ``rawstats``, ``peerstats`` and ``loopstats``.

Each line begins with the modified Julian day and the second of that day (UTC).
`rawstats` has the four timestamps of every exchange and is the best of the three;
`peerstats` has what ntpd's clock filter made of them; `loopstats` only what its own
loop believed, without server or delay. Offsets have our sign: server − local.
"""

from __future__ import annotations

import re
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

__all__ = ["LoopstatsFormat", "PeerstatsFormat", "RawstatsFormat"]

_UNIX_EPOCH_MJD: Final = 40_587
_DAY_S: Final = 86_400
_ERA_NS: Final = 2**32 * NS_PER_S
_NTP_TO_UNIX_NS: Final = 2_208_988_800 * NS_PER_S
_MAX_MJD: Final = 999_999
_MAX_STRATUM: Final = 255
_UNSYNCHRONIZED: Final = 3
_STAMP = re.compile(r"\d{1,10}\.\d{1,12}")
_MS = 1_000_000
_RAW_FIELDS: Final = 8
_PEER_FIELDS: Final = (7, 8)  # before ntpd 4.1 there was no jitter
_LOOP_FIELDS: Final = 7
_ROOT_FIELDS: Final = 8


class RawstatsFormat:
    """Day, second, source, destination, T1 T2 T3 T4, then what newer versions add."""

    name = "rawstats"
    steering = Steering.STEERED
    resolution_ns = 1

    @staticmethod
    def matches(line: str) -> bool:
        """Say whether `line` could be this file's."""
        fields = line.split()
        # The destination's address stands where peerstats has a hexadecimal word.
        return (
            len(fields) >= _RAW_FIELDS
            and re.search(r"[.:]", fields[3]) is not None
            and all(_STAMP.fullmatch(text) for text in fields[4:_RAW_FIELDS])
        )

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line."""
        fields = line.split()
        if not fields or line.startswith("#"):
            return None
        if len(fields) < _RAW_FIELDS:
            raise ValueError(
                "expected a line of rawstats: day, second, source, destination and four "
                f"timestamps; found {len(fields)} fields"
            )
        logged_ns = _instant_ns(fields[0], fields[1])
        stamps = [duration_ns(text, "an NTP timestamp") for text in fields[4:8]]
        if 0 in stamps:
            return Skip("incomplete exchange")
        # T1 is ours, T2 and T3 are the server's, T4 is ours (RFC 5905 §8). Differences
        # are taken modulo the era, so that 2036-02-07 changes nothing (§6).
        away, back = _apart(stamps[1], stamps[0]), _apart(stamps[2], stamps[3])
        there_ns, here_ns = _apart(stamps[2], stamps[1]), _apart(stamps[3], stamps[0])
        delay_ns = here_ns - there_ns
        if delay_ns < 0 or there_ns < 0:
            return Skip("negative delay")
        return _quality(fields[8:]) or Measurement(
            line=number,
            local_ns=_unfold(stamps[0], logged_ns) + here_ns // 2,
            source=fields[2],
            offset_ns=(away + back) // 2,
            delay_ns=delay_ns,
            **_root(fields[8:]),
        )

    def notes(self) -> tuple[str, ...]:
        """Nothing is missing from this one."""
        return ()


class PeerstatsFormat:
    """Day, second, source, status, offset, delay, dispersion, jitter."""

    name = "peerstats"
    steering = Steering.STEERED
    resolution_ns = _MS

    @staticmethod
    def matches(line: str) -> bool:
        """Say whether `line` could be this file's."""
        fields = line.split()
        if len(fields) != _PEER_FIELDS[-1]:
            return False
        return re.fullmatch(r"[0-9a-fA-F]{1,4}", fields[3]) is not None

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line."""
        fields = line.split()
        if not fields or line.startswith("#"):
            return None
        if len(fields) not in _PEER_FIELDS:
            raise ValueError(
                "expected a line of peerstats: day, second, source, status, offset, "
                f"delay, dispersion, jitter; found {len(fields)} fields"
            )
        delay_ns = seconds_ns(fields[5], "delay")
        if delay_ns < 0:
            return Skip("negative delay")
        return Measurement(
            line=number,
            local_ns=_instant_ns(fields[0], fields[1]),
            source=fields[2],
            offset_ns=seconds_ns(fields[4], "offset"),
            delay_ns=delay_ns,
            dispersion_ns=duration_ns(fields[6], "dispersion"),
        )

    def notes(self) -> tuple[str, ...]:
        """Say what the format leaves out."""
        why = (
            "these are what ntpd's clock filter let through, not all exchanges, and the "
            "servers' own distance from UTC is not recorded; rawstats has both"
        )
        return (why,)


class LoopstatsFormat:
    """Day, second, offset, frequency, jitter, wander, time constant."""

    name = "loopstats"
    steering = Steering.STEERED
    resolution_ns = _MS

    @staticmethod
    def matches(line: str) -> bool:
        """Say whether `line` could be this file's."""
        fields = line.split()
        return len(fields) == _LOOP_FIELDS and fields[0].isdecimal()

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line."""
        fields = line.split()
        if not fields or line.startswith("#"):
            return None
        if len(fields) != _LOOP_FIELDS:
            raise ValueError(
                "expected a line of loopstats: day, second, offset, frequency, jitter, "
                f"wander, time constant; found {len(fields)} fields"
            )
        return Measurement(
            line=number,
            local_ns=_instant_ns(fields[0], fields[1]),
            source=self.name,
            offset_ns=seconds_ns(fields[2], "offset"),
        )

    def notes(self) -> tuple[str, ...]:
        """Say what the format is not."""
        return ("offsets are what ntpd's loop believed, not what was measured",)


def _instant_ns(day: str, second: str) -> int:
    mjd = whole(day, "a modified Julian day", _MAX_MJD)
    second_ns = duration_ns(second, "a second of the day")
    # The last second of a day with a leap second is its 86401st.
    if second_ns > (_DAY_S + 1) * NS_PER_S:
        raise ValueError(f"expected a second of the day, found {second[:40]!r}")
    return (mjd - _UNIX_EPOCH_MJD) * _DAY_S * NS_PER_S + second_ns


def _apart(later_ns: int, earlier_ns: int) -> int:
    """Return the signed difference of two instants that are within half an era."""
    half = _ERA_NS // 2
    return (later_ns - earlier_ns + half) % _ERA_NS - half


def _unfold(stamp_ns: int, near_ns: int) -> int:
    """Return an NTP timestamp as Unix time, in the era that is nearest to `near_ns`."""
    return near_ns + _apart(stamp_ns, near_ns + _NTP_TO_UNIX_NS)


def _root(rest: list[str]) -> dict[str, int]:
    """Return what newer versions say of the server: leap … rootdelay rootdisp refid."""
    if len(rest) < _ROOT_FIELDS:
        return {}
    return {
        "stratum": whole(rest[3], "stratum", _MAX_STRATUM),
        "root_delay_ns": duration_ns(rest[6], "root delay"),
        "root_dispersion_ns": duration_ns(rest[7], "root dispersion"),
    }


def _quality(rest: list[str]) -> Skip | None:
    leap = whole(rest[0], "leap indicator", _UNSYNCHRONIZED) if rest else 0
    return Skip("server not synchronized") if leap == _UNSYNCHRONIZED else None
