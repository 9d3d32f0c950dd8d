"""Read a recording: find out who wrote it, take in every line or say why not.

Decides the order of measurements and what is left out; all of that is counted. A
malformed line ends the reading with its number, for a recording that is understood in
part proves nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from chronotick.core.units import NS_PER_S
from chronotick.eval.accuracy.traces import (
    MalformedTrace,
    Measurement,
    Skip,
    Trace,
    UnusableTrace,
)
from chronotick.eval.accuracy.traces_chrony import ChronyFormat
from chronotick.eval.accuracy.traces_csv import CsvFormat
from chronotick.eval.accuracy.traces_ntpd import (
    LoopstatsFormat,
    PeerstatsFormat,
    RawstatsFormat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from chronotick.eval.accuracy.traces import LineFormat, Steering

__all__ = ["AUTO", "FORMATS", "read_trace"]

AUTO = "auto"
"""The format that is found out by looking."""
FORMATS = {
    each.name: each
    for each in (
        CsvFormat,
        ChronyFormat,
        RawstatsFormat,
        PeerstatsFormat,
        LoopstatsFormat,
    )
}
"""All formats by name, in the order in which a file is tried."""

# Answers of several servers are logged as they come in, so their instants may be a
# little out of order. More than this is a clock that was set back.
_DISORDER_NS = 16 * NS_PER_S
_BACKWARDS = "time went backwards"
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_TELL_EVERY = 10_000


def read_trace(
    path: Path,
    format_name: str = AUTO,
    steering: Steering | None = None,
    tell: Callable[[int, int], object] = lambda _done, _all: None,
) -> Trace:
    """Read a recording; what gzip packed is unpacked.

    Args:
        path: The file.
        format_name: One of `FORMATS`, or `AUTO`.
        steering: Whether the clock was steered, where the reader knows better than the
            format does.
        tell: Called now and then with the number of lines read and of all.

    Raises:
        MalformedTrace: a line is not what the format says.
        UnusableTrace: the file cannot be read, nobody's format fits, no line of it
            holds a measurement, or most of them would be left out for their order.
    """
    text, digest = _text(path)
    lines = text.split("\n")
    found = _detect(path, lines) if format_name == AUTO else FORMATS[format_name]()
    skipped: Counter[str] = Counter()
    parsed = _parsed(path, lines, found, skipped, tell)
    measurements = _ordered(parsed, skipped)
    if not any(m.offset_ns is not None for m in measurements):
        left_out = "".join(f"; {count} × {why}" for why, count in skipped.items())
        raise UnusableTrace(str(path), f"holds no measurement ({found.name}){left_out}")
    if skipped[_BACKWARDS] > len(measurements):
        raise UnusableTrace(
            str(path),
            f"{skipped[_BACKWARDS]} of its measurements lie before one above them, and "
            f"{len(measurements)} do not: sort its lines by time, or take out one that "
            "is far ahead; where the clock was set back, cut it there",
        )
    return Trace(
        # A name of bytes that are no UTF-8 can be neither printed nor written as it is.
        path=os.fsencode(path).decode(errors="backslashreplace"),
        format=found.name,
        sha256=digest,
        steering=steering or found.steering,
        resolution_ns=found.resolution_ns,
        measurements=tuple(measurements),
        skipped=dict(sorted(skipped.items())),
        notes=found.notes(),
    )


def _text(path: Path) -> tuple[str, str]:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz" or data.startswith(_GZIP):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnusableTrace(str(path), f"cannot be unpacked: {error}") from error
    except OSError as error:
        raise UnusableTrace(str(path), error.strerror or str(error)) from error
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise MalformedTrace(str(path), line, "expected UTF-8 text") from error
    return _with_newlines(text), hashlib.sha256(data).hexdigest()


def _with_newlines(text: str) -> str:
    """End lines as we do: spreadsheets may do so with CR LF, or with CR alone."""
    return text.replace("\r\n" if "\n" in text else "\r", "\n")


def _detect(path: Path, lines: Iterable[str]) -> LineFormat:
    first = next((x for x in lines if x.strip() and x[0] not in "#!"), "")
    if not first:
        raise UnusableTrace(str(path), "holds no line but blank ones and comments")
    for each in FORMATS.values():
        if each.matches(first):
            return each()
    raise UnusableTrace(
        str(path),
        f"is in none of the formats {', '.join(FORMATS)}, by its first line; "
        "name one with --format for a better message",
    )


def _parsed(
    path: Path,
    lines: list[str],
    found: LineFormat,
    skipped: Counter[str],
    tell: Callable[[int, int], object],
) -> Iterable[Measurement]:
    for number, line in enumerate(lines, start=1):
        if number % _TELL_EVERY == 0:
            tell(number, len(lines))
        # Only the last line can lack its end: the program was still writing it, and no
        # number in it is known to be whole.
        if number == len(lines) > 1 and line:
            skipped["last line cut off"] += 1
            continue
        try:
            result = found.parse(number, line)
        except ValueError as error:
            raise MalformedTrace(str(path), number, str(error)) from None
        if isinstance(result, Skip):
            skipped[result.reason] += 1
        elif result is not None:
            yield result


def _ordered(
    measurements: Iterable[Measurement], skipped: Counter[str]
) -> list[Measurement]:
    kept: list[Measurement] = []
    newest_ns: int | None = None
    for each in measurements:
        if newest_ns is not None and each.local_ns < newest_ns - _DISORDER_NS:
            skipped[_BACKWARDS] += 1
            continue
        newest_ns = max(each.local_ns, newest_ns or each.local_ns)
        kept.append(each)
    kept.sort(key=lambda each: each.local_ns)
    unique: list[Measurement] = []
    seen: dict[str, int] = {}
    for each in kept:
        if each.offset_ns is not None:
            if seen.get(each.source) == each.local_ns:
                skipped["same server, same instant"] += 1
                continue
            seen[each.source] = each.local_ns
        unique.append(each)
    return unique
