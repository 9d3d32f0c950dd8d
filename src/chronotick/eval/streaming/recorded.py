"""The files of a run as Arrow tables: found, read, and their damage counted.

Decides which files are a run's, which lines of them are whole, and what is said of a file
that cannot be read. What the columns mean is decided in `tables`; nobody else imports
pyarrow.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from chronotick.core.errors import ChronotickError
from chronotick.eval.streaming.lines import end_of_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chronotick.eval.streaming.columns import Column

__all__ = ["Recorded", "UnusableRecording", "read_all", "to_parquet"]

_ARROW = {
    "int": pa.int64(),
    "float": pa.float64(),
    # Texts repeat: as a dictionary ten million of them are forty megabytes.
    "text": pa.dictionary(pa.int32(), pa.string()),
}
# A parser quotes the line that it cannot read, whatever its length.
_LONGEST_WHY = 200
_NULLS = ["", "null", "None", "nan", "NaN"]


class UnusableRecording(ChronotickError):
    """The folder holds no events that can be judged."""


class Recorded(NamedTuple):
    """One or several files."""

    table: pa.Table
    columns: frozenset[str]
    """What the files have, whether it was read or not."""
    damaged: int


def read_all(folder: Path, stem: str, columns: Sequence[Column]) -> Recorded:
    """Return what all files of `folder` with names that begin with `stem` have recorded.

    Args:
        folder: Where they are; of two files that differ in nothing but their ending, the
            Parquet file is read.
        stem: ``worker`` or ``coordinator``.
        columns: Read no others. A name that ends with a colon stands for all columns
            that begin with it.

    Raises:
        UnusableRecording: a file cannot be read, or has no `event_id`.
    """
    paths = _files(folder, stem)
    # A node that died before its first line has recorded nothing; the others have.
    files = [_read(path, columns) for path in paths if _has_lines(path)]
    empty = len(paths) - len(files)
    if not files:
        nothing = pa.table({"event_id": pa.array([], pa.int64())})
        return Recorded(nothing, frozenset(), empty)
    # Absent is what no file has: nodes may run different versions.
    return Recorded(
        pa.concat_tables([file.table for file in files], promote_options="default"),
        frozenset().union(*(file.columns for file in files)),
        sum(file.damaged for file in files) + empty,
    )


def to_parquet(source: Path, columns: Sequence[Column]) -> Path:
    """Write `source`, a CSV file, as Parquet beside it; return where.

    Raises:
        UnusableRecording: it cannot be read.
    """
    table = _read(source, columns).table
    target = source.with_suffix(".parquet")
    pa.parquet.write_table(table, target)
    return target


def _files(folder: Path, stem: str) -> list[Path]:
    """Return the files of that name; of two of one node, the Parquet file."""
    found = {path.stem: path for path in folder.glob(f"{stem}*.csv")}
    found |= {path.stem: path for path in folder.glob(f"{stem}*.parquet")}
    return [found[name] for name in sorted(found)]


def _has_lines(path: Path) -> bool:
    try:
        is_parquet = path.suffix == ".parquet"
        return bool(path.stat().st_size if is_parquet else end_of_lines(path))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UnusableRecording:
    why = " ".join(str(error).split())
    why = why if len(why) <= _LONGEST_WHY else f"{why[:_LONGEST_WHY]}…"
    return UnusableRecording(f"cannot read {path}: {why}")


def _read(path: Path, columns: Sequence[Column]) -> Recorded:
    """Return those of `columns` that `path` has; a worker's has always `node_id`."""
    try:
        is_parquet = path.suffix == ".parquet"
        names = pyarrow.parquet.read_schema(path).names if is_parquet else _header(path)
        columns = _expanded(columns, names)
        if is_parquet:
            wanted = [column.name for column in columns if column.name in names]
            table = pyarrow.parquet.read_table(path, columns=wanted, partitioning=None)
            damaged = 0
        else:
            table, damaged = _read_csv(path, names, columns)
        there = [c for c in columns if c.name in names]
        table = table.select([c.name for c in there]).cast(
            pa.schema([(c.name, _ARROW[c.kind]) for c in there])
        )
    except (pa.ArrowException, csv.Error, KeyError, OSError, UnicodeError) as error:
        raise _unreadable(path, error) from error
    if "event_id" not in names or table["event_id"].null_count:
        raise UnusableRecording(f"{path} has no column event_id, or gaps in it")
    if "node_id" in {column.name for column in columns} - set(names):
        # The original names a worker by its file alone.
        whose = pa.array([path.stem]).dictionary_encode()
        whose = whose.take(pa.array(np.zeros(table.num_rows, dtype=np.int32)))
        table = table.append_column("node_id", whose)
        names = [*names, "node_id"]
    return Recorded(table, frozenset(names), damaged)


def _expanded(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Return `columns`, with those of `names` in place of one that stands for many."""
    found: list[Column] = []
    for column in columns:
        if column.name.endswith(":"):
            theirs = [name for name in names if name.startswith(column.name)]
            found += [column._replace(name=name) for name in dict.fromkeys(theirs)]
        else:
            found.append(column)
    return found


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _read_csv(
    path: Path, names: Sequence[str], columns: Sequence[Column]
) -> tuple[pa.Table, int]:
    """Return the columns, and how many lines were left out.

    Those are not as long as the header, or the last one and were never ended.
    """
    wanted = {c.name: _ARROW[c.kind] for c in columns}
    end = end_of_lines(path)
    damaged = [0] if end < path.stat().st_size else []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        # A node that was cut off in the middle of a line: the lines before it count.
        damaged.append(row.actual_columns)
        return "skip"

    with pa.OSFile(str(path)) as file:
        table = pyarrow.csv.read_csv(
            file.get_stream(0, end),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=skip),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=[name for name in names if name in wanted],
                column_types=wanted,
                null_values=_NULLS,
                strings_can_be_null=True,
            ),
        )
    return table, len(damaged)
