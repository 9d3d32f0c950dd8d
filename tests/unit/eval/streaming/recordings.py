"""Recorded runs for tests: written down row by row, or imagined from a seed."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from chronotick.eval.streaming.columns import (
    ACKNOWLEDGED_AFTER,
    COORDINATOR_COLUMNS,
    WORKER_COLUMNS,
)
from chronotick.eval.streaming.tables import NULL, Run, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chronotick.eval.streaming.columns import Column

MS = 1_000_000
EPOCH_NS = 1_700_000_000_000_000_000


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> Table:
    """Lay `rows` out as columns; what a row does not say is null."""
    ints = {
        c.name: np.array([row.get(c.name, NULL) for row in rows], dtype=np.int64)
        for c in columns
        if c.kind == "int"
    }
    floats = {
        c.name: np.array([row.get(c.name, np.nan) for row in rows], dtype=np.float64)
        for c in columns
        if c.kind == "float"
    }
    return Table(ints=ints, floats=floats, absent=frozenset())


def run_of(
    rows: Sequence[Mapping[str, Any]],
    sends: Sequence[Mapping[str, Any]] = (),
    acknowledged: Sequence[str] = (),
) -> Run:
    """Return the run that recorded `rows` (which name their ``node_id``).

    Of the workers that are `acknowledged`, the sends tell in the columns of that name.
    """
    rows = sorted(rows, key=lambda row: (row["event_id"], row["node_id"]))
    nodes = sorted({row["node_id"] for row in rows})
    sends = sorted(sends, key=lambda send: send["event_id"])
    return Run(
        workers=table(rows, WORKER_COLUMNS),
        node=np.array([nodes.index(row["node_id"]) for row in rows], dtype=np.int32),
        nodes=tuple(nodes),
        sends=table(sends, COORDINATOR_COLUMNS),
        run_ids=("0" * 32,),
        statuses={},
        acknowledged_after_ns={
            name: np.array(
                [send.get(ACKNOWLEDGED_AFTER + name, NULL) for send in sends],
                dtype=np.int64,
            )
            for name in acknowledged
        },
    )


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> None:
    """Write `rows` as they would be recorded, nulls empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, columns, restval="", extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


def imagine(
    *,
    seed: int = 1,
    events: int = 200,
    nodes: int = 3,
    gap_ns: int = 10 * MS,
    squeeze: float = 1.0,
    hard: bool = True,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Imagine a run whose clocks are known: rows of the workers and of the coordinator.

    The true error of the corrected clock is normal with 1 ms; the hard bound is 6 of
    those and the calibrated one 2.6, so 1 % of the truth lies outside. `squeeze` < 1
    makes the calibrated bound a lie; without `hard` it is passed off as the hard one.
    """
    dice = np.random.default_rng(seed)
    system = dice.normal(0, 30, nodes + 1)
    rows, sends = [], []
    for event in range(events):
        sent = EPOCH_NS + event * gap_ns
        send = _stamps(dice, sent, system[-1], squeeze, hard=hard)
        sends.append(
            send
            | {
                "event_id": event,
                "send_time_ns": send.pop("system"),
                "true_time_ns": sent,
            }
        )
        for node in range(nodes):
            truth = sent + int(dice.exponential(2 * MS)) + MS // 10
            stamps = _stamps(dice, truth, system[node], squeeze, hard=hard)
            rows.append(
                stamps
                | {
                    "event_id": event,
                    "node_id": f"n{node}",
                    "receive_time_ns": stamps.pop("system"),
                    "coordinator_send_time_ns": sends[-1]["send_time_ns"],
                    "commit_wait_ns": stamps["ct_hard_upper_ns"] - truth + 6 * MS,
                    "ct_uncertainty_ms": squeeze,
                    "true_time_ns": truth,
                }
            )
    return rows, sends


def _stamps(
    dice: np.random.Generator,
    truth: int,
    system_ms: float,
    squeeze: float,
    *,
    hard: bool,
) -> dict[str, int]:
    error = int(np.clip(dice.normal(0, MS), -5 * MS, 5 * MS))
    middle, calibrated = truth + error, round(2.6 * MS * squeeze)
    bound = 6 * MS if hard else calibrated
    return {
        "system": truth + round(system_ms * MS),
        "ntp_timestamp_ns": truth + int(dice.normal(0, 4 * MS)),
        "ct_timestamp_ns": middle,
        "ct_lower_bound_ns": middle - calibrated,
        "ct_upper_bound_ns": middle + calibrated,
        "ct_hard_lower_ns": middle - bound,
        "ct_hard_upper_ns": middle + bound,
    }
