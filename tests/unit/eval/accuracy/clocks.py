"""Recordings of imagined clocks, with known truth or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.accuracy.traces import Measurement, Steering, Trace

if TYPE_CHECKING:
    from pathlib import Path

S = 10**9
RATE_PPB = 20_000.0
DELAY_NS = 2_000_000


def recorded(
    *,
    hours: float = 3.0,
    poll_s: int = 64,
    seed: int = 1,
    truth: bool = True,
    delays: bool = True,
    jitter_ns: float = 50_000.0,
) -> Trace:
    """Return a clock that is 20 ppm slow, asked over a path with queues on both ways.

    Its true offset at ``t`` is 1 s + 20 ppm · t; the truth is known at each poll's
    middle plus a quarter of the interval.
    """
    rng = np.random.default_rng(seed)
    rows: list[Measurement] = []
    for k in range(int(hours * 3600 / poll_s)):
        local_ns = 1_700_000_000 * S + k * poll_s * S
        away_ns, back_ns = rng.exponential(jitter_ns, 2)
        rows.append(
            Measurement(
                line=2 * k + 1,
                local_ns=local_ns,
                source="server",
                offset_ns=true_offset_ns(local_ns) + round((away_ns - back_ns) / 2.0),
                delay_ns=DELAY_NS + round(away_ns + back_ns) if delays else None,
            )
        )
        if truth:
            then_ns = local_ns + poll_s * S // 4
            rows.append(
                Measurement(
                    line=2 * k + 2,
                    local_ns=then_ns,
                    source="server",
                    offset_ns=None,
                    truth_ns=true_offset_ns(then_ns),
                )
            )
    return trace_of(rows, path=f"clock{seed}.csv")


def true_offset_ns(local_ns: int) -> int:
    """Return UTC − local of the imagined clock."""
    return S + round((local_ns - 1_700_000_000 * S) * RATE_PPB * 1e-9)


def trace_of(rows: list[Measurement], path: str = "clock.csv") -> Trace:
    """Return the trace of `rows`."""
    return Trace(
        path=path,
        format="csv",
        sha256="0" * 64,
        steering=Steering.FREE,
        resolution_ns=1,
        measurements=tuple(rows),
        skipped={},
    )


def write_csv(path: Path, trace: Trace) -> None:
    """Write `trace` as a CSV file."""
    lines = ["t_s,offset_s,delay_s,disp_s,source,truth_s"]
    for m in trace.measurements:
        fields = [
            _text(value)
            for value in (m.local_ns, m.offset_ns, m.delay_ns, m.dispersion_ns)
        ]
        lines.append(",".join([*fields, m.source, _text(m.truth_ns)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(value_ns: int | None) -> str:
    if value_ns is None:
        return ""
    sign = "-" if value_ns < 0 else ""
    return f"{sign}{abs(value_ns) // S}.{abs(value_ns) % S:09d}"
