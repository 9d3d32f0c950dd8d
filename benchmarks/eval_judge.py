"""Judge ten million events: how long it takes, and in how much memory.

Budget: under 60 s and 4 GB on two cores, files included. Imagines ten nodes with clocks
of their own, writes Parquet files as a long run does, then reads and judges them in a
process of its own, so that the peak is the judge's.

    python benchmarks/eval_judge.py [EVENTS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

NODES = 10
MS = 1_000_000
GAP_NS = 10 * MS
EPOCH_NS = 1_700_000_000_000_000_000


def stamps(
    dice: np.random.Generator, truth: np.ndarray, system_ms: float
) -> dict[str, object]:
    """Return the clocks' columns at `truth`."""
    middle = truth + dice.normal(0, MS / 5, len(truth)).astype(np.int64)
    drift = np.sin((truth - EPOCH_NS) / 1e12 + system_ms) * MS
    return {
        "ntp_timestamp_ns": middle + dice.normal(0, MS, len(truth)).astype(np.int64),
        "ct_timestamp_ns": middle,
        "ct_lower_bound_ns": middle - MS // 2,
        "ct_upper_bound_ns": middle + MS // 2,
        "ct_hard_lower_ns": middle - 3 * MS // 2,
        "ct_hard_upper_ns": middle + 3 * MS // 2,
        "system": truth + round(system_ms * MS) + drift.astype(np.int64),
        "true_time_ns": truth,
    }


def record(folder: Path, rows: int) -> None:
    """Write what ten nodes would have recorded."""
    dice = np.random.default_rng(1)
    event = np.arange(rows // NODES, dtype=np.int64)
    sent = EPOCH_NS + event * GAP_NS
    send = stamps(dice, sent, 0.0)
    send |= {"event_id": event, "send_time_ns": send.pop("system")}
    pq.write_table(pa.table(send), folder / "coordinator.parquet")
    for node in range(NODES):
        truth = sent + dice.exponential(2 * MS, len(sent)).astype(np.int64)
        row = stamps(dice, truth, float(dice.normal(0, 20)))
        row |= {
            "event_id": event,
            "node_id": pa.array([f"n{node}"] * len(event)).dictionary_encode(),
            "receive_time_ns": row.pop("system"),
            "coordinator_send_time_ns": send["send_time_ns"],
            "commit_wait_ns": dice.integers(3 * MS, 4 * MS, len(event)),
            "ct_uncertainty_ms": np.full(len(event), 0.2),
        }
        pq.write_table(pa.table(row), folder / f"worker_n{node}.parquet")


def measure(folder: Path) -> None:
    """Read, judge, and print the cost."""
    from chronotick.eval.streaming.judge import judge  # noqa: PLC0415 - in the measured process
    from chronotick.eval.streaming.tables import read_run  # noqa: PLC0415

    begin = time.perf_counter()
    run = read_run(folder)
    read_s = time.perf_counter() - begin
    statistics = judge(run)
    total_s = time.perf_counter() - begin
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{statistics['run']['rows']:,} events: {total_s:.1f} s "
        f"(reading {read_s:.1f} s), peak {peak_gb:.2f} GB, {statistics['verdict']}"
    )


def main() -> None:
    """Record, then measure in a fresh process."""
    if len(sys.argv) == 3:
        measure(Path(sys.argv[2]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), rows)
        subprocess.run([sys.executable, __file__, "measure", folder], check=True)


if __name__ == "__main__":
    main()
