"""Recorded events as columns in memory: read from CSV or Parquet, nulls kept apart.

Decides what a run must have to be judged and what its absence means. A column that is
missing is a column of nulls, so the original framework's files can be judged as far as
they go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from chronotick.eval.streaming.columns import (
    ACKNOWLEDGED_AFTER,
    COORDINATOR_COLUMNS,
    WORKER_COLUMNS,
)
from chronotick.eval.streaming.recorded import (
    UnusableRecording,
    read_all,
    to_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from chronotick.eval.streaming.columns import Column
    from chronotick.eval.streaming.recorded import Recorded

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
# Times further from 1970 than this (146 years) would overflow where they are subtracted.
_FURTHEST_NS = 2**62
# What is added to a time, with room left.
_LONGEST_NS = 2**60
_ENDS = (
    ("ct_hard_lower_ns", "ct_hard_upper_ns"),
    ("ct_lower_bound_ns", "ct_upper_bound_ns"),
)


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
        # One that is never there is the reason; else it is that they never meet.
        never = [name for name in names if self._is_never_known(name)]
        return f"no row has {' and '.join(never or names)}"

    def _is_never_known(self, name: str) -> bool:
        if name in self.ints:
            return bool((self.ints[name] == NULL).all())
        return name in self.floats and bool(np.isnan(self.floats[name]).all())


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
    damaged: int = 0
    """Lines left out because they have too few or too many cells, or were never ended;
    files without a whole line."""
    repeated: int = 0
    """Rows left out because their node has recorded the same event already."""
    acknowledged_after_ns: Mapping[str, Ints] = field(default_factory=dict)
    """By the workers' names, beside `sends`; of none where nobody wrote it down."""


def read_run(
    folder: Path,
    nodes: Sequence[str] | None = None,
    only: Collection[str] | None = None,
) -> Run:
    """Read all workers' files and the coordinator's from `folder`.

    Args:
        folder: With ``worker*.csv`` and ``coordinator*.csv``; of two files that differ
            in nothing but their ending, the Parquet file is read.
        nodes: Judge these only; None: all that are there.
        only: Read no other columns than these, to save memory; None: all.

    Raises:
        UnusableRecording: there is no worker's file, or one without `event_id`, or the
            files are of several runs.
    """
    workers = read_all(folder, "worker", _chosen(WORKER_COLUMNS, only))
    if workers.table.num_rows == 0:
        raise UnusableRecording(
            f"{folder} holds no events: expected worker*.csv (or .parquet) with the "
            "columns of `chronotick eval worker`"
        )
    if nodes is not None:
        names = workers.table["node_id"].cast(pa.string())
        keep = pc.is_in(names, pa.array(list(nodes)))
        chosen = workers.table.filter(keep)
        # A dictionary keeps the names that no row has any more.
        names = names.filter(keep).dictionary_encode()
        at = chosen.column_names.index("node_id")
        workers = workers._replace(table=chosen.set_column(at, "node_id", names))
    sends = read_all(folder, "coordinator", _chosen(COORDINATOR_COLUMNS, only))
    run = _run(workers, sends, folder)
    # The columns are copied in order; what they were copied from goes back at once, or
    # it would be half as much again beside whatever judging takes.
    del workers, sends
    pa.default_memory_pool().release_unused()
    return run


def _chosen(columns: Sequence[Column], only: Collection[str] | None) -> list[Column]:
    if only is None:
        return list(columns)
    names = {"event_id", "node_id", *only}
    return [column for column in columns if column.name in names]


def _run(workers: Recorded, sends: Recorded, folder: Path) -> Run:
    names = workers.table["node_id"].combine_chunks()
    if names.null_count:
        raise UnusableRecording("a worker's file has rows without node_id")
    nodes = [str(name) for name in names.dictionary.to_pylist()]
    order = sorted(range(len(nodes)), key=nodes.__getitem__)
    rank = np.empty(len(nodes), dtype=np.int32)
    rank[order] = np.arange(len(nodes), dtype=np.int32)
    node = rank[names.indices.to_numpy(zero_copy_only=False)]
    run_ids = _counts(workers.table, "run_id")
    run_ids = dict.fromkeys(sorted({*run_ids, *_counts(sends.table, "run_id")}), 0)
    if len(run_ids) > 1:
        # Their events have the same numbers: compared, they would mean nothing.
        raise UnusableRecording(
            f"{folder} holds {len(run_ids)} runs ({', '.join(run_ids)}): give each a "
            "folder of its own"
        )
    by_event, repeated = _order(workers.table["event_id"].to_numpy(), node)
    by_send = np.argsort(sends.table["event_id"].to_numpy(), kind="stable")
    table = _table(workers, WORKER_COLUMNS, by_event)
    sent = _table(sends, COORDINATOR_COLUMNS, by_send)
    _check(table, folder)
    _check(sent, folder)
    after_ns = _acknowledged_after_ns(sends, by_send)
    for values in after_ns.values():
        if ((values < 0) & (values != NULL)).any() or (values > _LONGEST_NS).any():
            raise UnusableRecording(f"{folder}: an acknowledgement at no time")
    return Run(
        workers=table,
        node=node[by_event],
        nodes=tuple(nodes[i] for i in order),
        sends=sent,
        run_ids=tuple(run_ids),
        statuses=_counts(workers.table, "ct_status"),
        damaged=workers.damaged + sends.damaged,
        repeated=repeated,
        acknowledged_after_ns=after_ns,
    )


def _acknowledged_after_ns(
    sends: Recorded, order: npt.NDArray[np.intp]
) -> dict[str, Ints]:
    names = [n for n in sends.table.column_names if n.startswith(ACKNOWLEDGED_AFTER)]
    return {
        name.removeprefix(ACKNOWLEDGED_AFTER): sends.table[name]
        .fill_null(NULL)
        .to_numpy()[order]
        for name in names
        if name != ACKNOWLEDGED_AFTER
    }


def _order(
    events: Ints, node: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.intp], int]:
    """Return rows by event and node, and how many were repeats, which are left out."""
    order = np.lexsort((node, events))
    by_node = node[order]
    is_repeat = by_node[1:] == by_node[:-1]
    del by_node
    by_event = events[order]
    is_repeat &= by_event[1:] == by_event[:-1]
    repeated = int(np.count_nonzero(is_repeat))
    if repeated:
        # The first line counts, as the first datagram does.
        order = np.concatenate((order[:1], order[1:][~is_repeat]))
    return order, repeated


def _check(table: Table, folder: Path) -> None:
    """Refuse numbers that no clock can have shown: what follows would be nonsense."""
    for name, values in table.ints.items():
        if not len(values):
            continue
        most = int(values.max())
        # Null itself is the one number below all others.
        least = int(values.min(initial=0, where=values != NULL))
        if not -_FURTHEST_NS <= least <= most <= _FURTHEST_NS and most != NULL:
            far = most if most > _FURTHEST_NS else least
            raise UnusableRecording(f"{folder}: {name} is {far} in a row: no time")
    waits = table.ints.get("commit_wait_ns")
    if waits is not None and (is_negative := (waits < 0) & (waits != NULL)).any():
        # A wait that ended before it began would prove any order wrong.
        rows = int(np.count_nonzero(is_negative))
        raise UnusableRecording(f"{folder}: commit_wait_ns is below 0 in {rows} rows")
    for lower, upper in _ENDS:
        if lower not in table.ints or upper not in table.ints:
            continue
        is_void = table.known(lower, upper) & (table.ints[lower] > table.ints[upper])
        if is_void.any():
            rows = int(np.count_nonzero(is_void))
            raise UnusableRecording(
                f"{folder}: {upper} is below {lower} in {rows} rows"
            )


def _table(
    recorded: Recorded, columns: Sequence[Column], order: npt.NDArray[np.intp]
) -> Table:
    ints: dict[str, Ints] = {}
    floats: dict[str, Floats] = {}
    table, read = recorded.table, set(recorded.table.column_names)
    for column in columns:
        is_left_out = column.name in recorded.columns - read
        if column.name not in _JUDGED or is_left_out:
            continue
        null = NULL if column.kind == "int" else np.nan
        if column.name in read:
            values = table[column.name].fill_null(null).to_numpy()[order]
        else:
            # No memory for what is not there: one number, seen n times.
            values = np.broadcast_to(np.asarray(null, _DTYPES[column.kind]), len(order))
        if column.kind == "int":
            ints[column.name] = values
        else:
            # Infinite is no measurement either.
            is_finite = np.isfinite(values)
            values = values if is_finite.all() else np.where(is_finite, values, np.nan)
            floats[column.name] = values
    absent = {column.name for column in columns} - recorded.columns
    return Table(ints=ints, floats=floats, absent=frozenset(absent))


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    """Return how often each text of a column occurs; of none if it is not there."""
    if name not in table.column_names:
        return {}
    found = pc.value_counts(table[name].combine_chunks()).to_pylist()
    counts = {e["values"]: int(e["counts"]) for e in found if e["values"] is not None}
    return dict(sorted(counts.items()))
