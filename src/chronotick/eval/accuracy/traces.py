"""What a recording of a clock is, whichever program wrote it.

One record a measurement. Decides units, order and what makes a line unusable; the
formats are `traces_csv`, `traces_chrony` and `traces_ntpd`, reading a file is
`traces_read`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LineFormat",
    "MalformedTrace",
    "Measurement",
    "Skip",
    "Steering",
    "Trace",
    "TraceError",
    "UnusableTrace",
    "duration_ns",
    "seconds_ns",
    "whole",
]

# Beyond this a number of seconds is no instant of any calendar, and no offset either.
_MOST_S = Decimal(10) ** 11


class TraceError(ChronotickError):
    """A recording cannot be judged."""


class MalformedTrace(TraceError):
    """A line is not what its format says."""

    def __init__(self, path: str, line: int, wrong: str) -> None:
        # Its own arguments, so that a process that computes can send it to another.
        super().__init__(path, line, wrong)
        self.path = path
        self.line = line
        self._wrong = wrong

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self._wrong}"


class UnusableTrace(TraceError):
    """The file cannot be read, or nothing in it can be used."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self._why = why

    def __str__(self) -> str:
        return f"{self.path}: {self._why}"


class Steering(enum.StrEnum):
    """Whether something corrected the clock while it was being measured.

    On a steered clock the oscillator's own drift is hidden behind the corrections, and
    what a model extrapolates is the servo's next move: long horizons say little.
    """

    STEERED = "steered"
    FREE = "free-running"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One line of a recording: a measured offset, a known one, or both.

    Signs as everywhere (`chronotick.core.units`): offsets are server or UTC − local.
    """

    line: int
    """Where it stands in the file, from 1."""
    local_ns: int
    """Middle of the exchange on the local clock; any epoch."""
    source: str
    offset_ns: int | None
    """Measured; None where the line only says what the truth is."""
    delay_ns: int | None = None
    """Round trip; None where it was not recorded."""
    dispersion_ns: int = 0
    root_delay_ns: int = 0
    root_dispersion_ns: int = 0
    stratum: int = 0
    """0 where it was not recorded."""
    truth_ns: int | None = None
    """True offset, where the recording knows it."""


class Skip(NamedTuple):
    """A well-formed line that holds no usable measurement, and why."""

    reason: str


class LineFormat(Protocol):
    """How one program writes measurements; an instance reads one file."""

    name: str
    steering: Steering
    """What is true of the clock unless somebody says otherwise."""
    resolution_ns: int
    """Smallest step of `local_ns` in this format."""

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line; None for one that is no data (a header, a comment).

        Raises:
            ValueError: the line is malformed; the message says what was expected.
        """
        ...

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the results must know, after the last line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A recording, ready to be replayed."""

    path: str
    format: str
    sha256: str
    """Of the file as it was read, uncompressed."""
    steering: Steering
    resolution_ns: int
    measurements: tuple[Measurement, ...]
    """In the order of `local_ns`."""
    skipped: Mapping[str, int]
    """How many lines were left out, by reason."""
    notes: tuple[str, ...] = ()

    @property
    def has_truth(self) -> bool:
        """Whether the true offset is known anywhere."""
        return any(m.truth_ns is not None for m in self.measurements)

    @property
    def sources(self) -> tuple[str, ...]:
        """The servers, in the order of their first measurement."""
        return tuple(
            dict.fromkeys(
                m.source for m in self.measurements if m.offset_ns is not None
            )
        )

    @property
    def span_s(self) -> float:
        """Seconds from the first measurement to the last."""
        first, last = self.measurements[0], self.measurements[-1]
        return (last.local_ns - first.local_ns) / 1e9


def seconds_ns(text: str, what: str) -> int:
    """Return a decimal number of seconds as whole nanoseconds, rounded exactly.

    By way of `Decimal`: a float of a Unix time resolves 240 ns.

    Raises:
        ValueError: it is not a finite number of a plausible size.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    # Compared, not computed with: arithmetic on 1e99999999 overflows.
    if not value.is_finite():
        raise ValueError(f"expected {what} in seconds, found {_shown(text)}")
    if not -_MOST_S <= value <= _MOST_S:
        raise ValueError(
            f"expected {what} in seconds, {_MOST_S:.0e} at most, found {_shown(text)}: "
            "it may be in another unit"
        )
    return int(value.scaleb(9).to_integral_value())


def duration_ns(text: str, what: str) -> int:
    """Return a number of seconds that cannot be negative, in whole nanoseconds.

    Raises:
        ValueError: it is not a finite number, or it is negative.
    """
    value_ns = seconds_ns(text, what)
    if value_ns < 0:
        raise ValueError(f"expected {what} of 0 s or more, found {_shown(text)}")
    return value_ns


def whole(text: str, what: str, most: int) -> int:
    """Return a whole number from 0 to `most`.

    Raises:
        ValueError: it is none.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or int(text) > most:
        raise ValueError(f"expected {what} from 0 to {most}, found {_shown(text)}")
    return int(text)


def _shown(text: str) -> str:
    """Return `text` quoted, short enough for an error of one line."""
    most = 40
    return repr(text if len(text) <= most else f"{text[:most]}…")
