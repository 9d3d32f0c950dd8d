"""Recordings as CSV: ``t_s, offset_s, delay_s, disp_s, source[, truth_s]``.

The first line names the columns, in any order; `t_s` and one of `offset_s` and
`truth_s` are needed. An empty field was not recorded. ``t_s`` is the local clock at the
middle of the exchange, from any epoch; ``truth_s`` the true offset (UTC − local) then.
A line without an offset only tells the truth. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import csv

from chronotick.eval.accuracy.traces import (
    Measurement,
    Skip,
    Steering,
    duration_ns,
    seconds_ns,
)

__all__ = ["CSV_COLUMNS", "CsvFormat"]

CSV_COLUMNS = ("t_s", "offset_s", "delay_s", "disp_s", "source", "truth_s")
_UNNAMED = "server"
_NO_COMMAS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class CsvFormat:
    """Reads one CSV file."""

    name = "csv"
    steering = Steering.UNKNOWN
    resolution_ns = 1

    def __init__(self) -> None:
        self._columns: list[str] | None = None

    @staticmethod
    def matches(line: str) -> bool:
        """Say whether `line` could be the header."""
        try:
            return "t_s" in _fields(line) or bool(_mistake(line))
        except ValueError:
            return False

    def parse(self, number: int, line: str) -> Measurement | Skip | None:
        """Read one line; the first one that is no comment names the columns."""
        if not line.strip() or line.startswith("#"):
            return None
        fields = _fields(line)
        if self._columns is None:
            if mistake := _mistake(line):
                raise ValueError(mistake)
            self._columns = _header(fields)
            return None
        if len(fields) != len(self._columns):
            raise ValueError(
                f"expected {len(self._columns)} fields as in the header, "
                f"found {len(fields)}"
            )
        return _measurement(number, dict(zip(self._columns, fields, strict=True)))

    def notes(self) -> tuple[str, ...]:
        """Name the columns that were not looked at."""
        unknown = [name for name in self._columns or () if name not in CSV_COLUMNS]
        return (f"columns not used: {', '.join(unknown)}",) if unknown else ()


def _fields(line: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line]))]
    except csv.Error as error:
        raise ValueError(f"expected comma-separated fields: {error}") from None


def _mistake(line: str) -> str:
    """Say what was expected of a header that names its columns, but not as it should."""
    names = _fields(line)
    if "t_s" in names:
        return ""
    if "t_s" in map(str.lower, names):
        return f"expected names in small letters ({', '.join(CSV_COLUMNS)})"
    for separator, what in _NO_COMMAS.items():
        if "t_s" in (name.strip(' "').lower() for name in line.split(separator)):
            return f"expected commas between the fields, found {what}: save with commas"
    return ""


def _header(names: list[str]) -> list[str]:
    if "t_s" not in names or not {"offset_s", "truth_s"} & set(names):
        raise ValueError(
            f"expected a header with t_s and offset_s (of {', '.join(CSV_COLUMNS)}), "
            f"found {', '.join(names)[:80]!r}"
        )
    twice = {name for name in names if names.count(name) > 1} & set(CSV_COLUMNS)
    if twice:
        raise ValueError(f"expected each column once, found {min(twice)} twice")
    return names


def _measurement(number: int, row: dict[str, str]) -> Measurement | Skip:
    local_ns = seconds_ns(row["t_s"], "t_s")
    offset, truth = row.get("offset_s", ""), row.get("truth_s", "")
    delay, dispersion = row.get("delay_s", ""), row.get("disp_s", "")
    delay_ns = seconds_ns(delay, "delay_s") if delay else None
    measured = Measurement(
        line=number,
        local_ns=local_ns,
        source=row.get("source", "") or _UNNAMED,
        offset_ns=seconds_ns(offset, "offset_s") if offset else None,
        delay_ns=delay_ns,
        dispersion_ns=duration_ns(dispersion, "disp_s") if dispersion else 0,
        truth_ns=seconds_ns(truth, "truth_s") if truth else None,
    )
    if measured.offset_ns is None and measured.truth_ns is None:
        return Skip("no offset recorded")
    if delay_ns is not None and delay_ns < 0:
        return Skip("negative delay")
    return measured
