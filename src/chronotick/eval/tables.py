"""Recorded events as columns in memory: read from CSV or Parquet, nulls kept apart.

Decides what a file must have to be judged and what its absence means. A column that is
missing is a column of nulls, so the original framework's files can be judged as far as
they go. The only module that imports pyarrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from chronotick.core.errors import ChronotickError
from chronotick.eval.columns import COORDINATOR_COLUMNS, WORKER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from chronotick.eval.columns import Column

__all__ = [
    "NULL",
    "Floats",
    "Ints",
    "Masks",
    "Run",
    "Table",
    "UnusableRecording",
    "read_run",
    "to_parquet",
]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Masks: TypeAlias = npt.NDArray[np.bool_]

NULL = np.iinfo(np.int64).min
"""Stands for null in a column of integers; NaN does in one of floats."""

_ARROW = {
    "int": pa.int64(),
    "float": pa.float64(),
    # Texts repeat: as a dictionary ten million of them are forty megabytes.
    "text": pa.dictionary(pa.int32(), pa.string()),
}
_DTYPES = {"int": np.int64, "float": np.float64}
# What no judge looks at stays in the files.
_JUDGED = frozenset(
    {
        "event_id",
        "receive_time_ns",
        "coordinator_send_time_ns",
        "send_time_ns",
        "ntp_timestamp_ns",
        "ct_timestamp_ns",
        "ct_lower_bound_ns",
        "ct_upper_bound_ns",
        "ct_hard_lower_ns",
        "ct_hard_upper_ns",
        "ct_uncertainty_ms",
        "ct_uncertainty_30s_ms",
        "ct_uncertainty_60s_ms",
        "commit_wait_ns",
        "true_time_ns",
    }
)
_NULLS = ["", "null", "None", "nan", "NaN"]


class UnusableRecording(ChronotickError):
    """The folder holds no events that can be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns of equal length, ordered by event."""

    ints: dict[str, Ints]
    floats: dict[str, Floats]
    absent: frozenset[str]
    """Columns that the file does not have; all their values are null."""

    def __len__(self) -> int:
        return len(self.ints["event_id"])

    def known(self, *names: str) -> Masks:
        """Return in which rows all of `names` (integers) are known."""
        mask = np.ones(len(self), dtype=np.bool_)
        for name in names:
            mask &= self.ints[name] != NULL
        return mask

    def why_null(self, *names: str) -> str:
        """Return why `names` are null, for a report."""
        gone = [name for name in names if name in self.absent]
        if gone:
            return f"the files have no column {', '.join(gone)}"
        return f"no row has {' and '.join(names)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that was recorded of one run."""

    workers: Table
    node: npt.NDArray[np.int32]
    """Of each worker row, its index in `nodes`."""
    nodes: tuple[str, ...]
    sends: Table
    run_ids: tuple[str, ...]
    statuses: dict[str, int]
    """How often each `ct_status` occurs among the workers' rows."""


def read_run(folder: Path, nodes: Sequence[str] | None = None) -> Run:
    """Read all workers' files and the coordinator's from `folder`.

    Args:
        folder: With ``worker*.csv`` and ``coordinator*.csv``; Parquet files of the
            same names are preferred.
        nodes: Judge these only; None: all that are there.

    Raises:
        UnusableRecording: there is no worker's file, or one without `event_id`.
    """
    workers = _read_all(_files(folder, "worker"), WORKER_COLUMNS)
    if workers is None or workers.num_rows == 0:
        raise UnusableRecording(
            f"{folder} holds no events: expected worker*.csv (or .parquet) with the "
            "columns of `chronotick eval worker`"
        )
    if nodes is not None:
        names = workers["node_id"].cast(pa.string())
        keep = pc.is_in(names, pa.array(list(nodes)))
        workers = workers.filter(keep)
    sends = _read_all(_files(folder, "coordinator"), COORDINATOR_COLUMNS)
    if sends is None:
        sends = pa.table({"event_id": pa.array([], pa.int64())})
    return _run(workers, sends)


def to_parquet(source: Path, columns: Sequence[Column]) -> Path:
    """Write `source`, a CSV file, as Parquet beside it; return where."""
    table = _read(source, columns)
    target = source.with_suffix(".parquet")
    pa.parquet.write_table(table, target)
    return target


def _run(workers: pa.Table, sends: pa.Table) -> Run:
    names = workers["node_id"].combine_chunks()
    if names.null_count:
        raise UnusableRecording("a worker's file has rows without node_id")
    nodes = [str(name) for name in names.dictionary.to_pylist()]
    order = sorted(range(len(nodes)), key=nodes.__getitem__)
    rank = np.empty(len(nodes), dtype=np.int32)
    rank[order] = np.arange(len(nodes), dtype=np.int32)
    node = rank[names.indices.to_numpy(zero_copy_only=False)]
    run_ids, statuses = _counts(workers, "run_id"), _counts(workers, "ct_status")
    by_event = np.lexsort((node, workers["event_id"].to_numpy()))
    by_send = np.argsort(sends["event_id"].to_numpy(), kind="stable")
    return Run(
        workers=_table(workers, WORKER_COLUMNS, by_event),
        node=node[by_event],
        nodes=tuple(nodes[i] for i in order),
        sends=_table(sends, COORDINATOR_COLUMNS, by_send),
        run_ids=tuple(run_ids),
        statuses=statuses,
    )


def _table(
    table: pa.Table, columns: Sequence[Column], order: npt.NDArray[np.intp]
) -> Table:
    ints: dict[str, Ints] = {}
    floats: dict[str, Floats] = {}
    there = set(table.column_names)
    for column in columns:
        if column.name not in _JUDGED:
            continue
        null = NULL if column.kind == "int" else np.nan
        if column.name in there:
            values = table[column.name].fill_null(null).to_numpy()[order]
        else:
            # No memory for what is not there: one number, seen n times.
            values = np.broadcast_to(np.asarray(null, _DTYPES[column.kind]), len(order))
        if column.kind == "int":
            ints[column.name] = values
        else:
            floats[column.name] = values
    absent = {column.name for column in columns} - there
    return Table(ints=ints, floats=floats, absent=frozenset(absent))


def _files(folder: Path, stem: str) -> list[Path]:
    """Return the Parquet files of that name, or the CSV files where there are none."""
    for ending in ("parquet", "csv"):
        found = sorted(folder.glob(f"{stem}*.{ending}"))
        if found:
            return found
    return []


def _read_all(paths: Iterable[Path], columns: Sequence[Column]) -> pa.Table | None:
    tables = [_read(path, columns) for path in paths]
    # Absent is what no file has: nodes may run different versions.
    return pa.concat_tables(tables, promote_options="default") if tables else None


def _read(path: Path, columns: Sequence[Column]) -> pa.Table:
    """Return those of `columns` that `path` has; `node_id` is always there."""
    try:
        if path.suffix == ".parquet":
            names = set(pyarrow.parquet.read_schema(path).names)
            wanted = [column.name for column in columns if column.name in names]
            found = pyarrow.parquet.read_table(path, columns=wanted, partitioning=None)
        else:
            found = _read_csv(path, columns)
        there = [c for c in columns if c.name in found.column_names]
        found = found.select([c.name for c in there]).cast(
            pa.schema([(c.name, _ARROW[c.kind]) for c in there])
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise UnusableRecording(f"cannot read {path}: {error}") from error
    if "event_id" not in found.column_names or found["event_id"].null_count:
        raise UnusableRecording(f"{path} has no column event_id, or gaps in it")
    if columns is WORKER_COLUMNS and "node_id" not in found.column_names:
        # The original names a worker by its file alone.
        whose = pa.array([path.stem]).dictionary_encode()
        whose = whose.take(pa.array(np.zeros(found.num_rows, dtype=np.int32)))
        found = found.append_column("node_id", whose)
    return found


def _read_csv(path: Path, columns: Sequence[Column]) -> pa.Table:
    with path.open("rb") as file:
        header = file.readline().decode().strip().split(",")
    wanted = {c.name: _ARROW[c.kind] for c in columns}
    return pyarrow.csv.read_csv(
        path,
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=[name for name in header if name in wanted],
            column_types=wanted,
            null_values=_NULLS,
            strings_can_be_null=True,
        ),
    )


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    """Return how often each text of a column occurs; of none if it is not there."""
    if name not in table.column_names:
        return {}
    found = pc.value_counts(table[name].combine_chunks()).to_pylist()
    counts = {e["values"]: int(e["counts"]) for e in found if e["values"] is not None}
    return dict(sorted(counts.items()))
