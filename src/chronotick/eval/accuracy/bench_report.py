"""The bench as tables, Markdown and JSON; nothing is computed here."""

from __future__ import annotations

import json
from math import exp, log
from typing import TYPE_CHECKING

from chronotick.documents.quantities import format_duration
from chronotick.eval.accuracy.report import Table, share_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from chronotick.eval.accuracy.bench_scores import Document

__all__ = ["bounds_table", "errors_table", "markdown", "ratios_table", "write_bench"]

_NAMES = {
    "hard": "hard",
    "calibrated_99": "calibrated 99 %",
    "calibrated_999": "calibrated 99.9 %",
    "sigma_99": "2.58 σ",
    "sigma_999": "3.29 σ",
}


def errors_table(document: Document) -> Table:
    """Return errors by scenario, estimator and horizon, pooled over seeds."""
    rows = [
        [
            *_head(result),
            size_text(result["rmse_ns"]),
            _sizes(result["rmse_interval_ns"]),
            size_text(result["mae_ns"]),
            size_text(result["p99_ns"]),
            size_text(result["max_ns"]),
            _ratio(result["ratio"]),
        ]
        for result in document["results"]
    ]
    baseline = document["about"]["baseline"]
    head = ["scenario", "estimator", "ahead", "RMSE", "95 % of it", "MAE", "99 %"]
    return Table("Errors", [*head, "worst", f"RMSE / {baseline}"], rows, 3)


def bounds_table(document: Document) -> Table:
    """Return how often each bound held, and how wide it was."""
    rows = [
        [
            *_head(result),
            _NAMES[name],
            share_text(found["coverage"]),
            _shares(found["interval"]),
            f"{found['missed']} of {found['claimed']}",
            size_text(found["median_half_width_ns"]),
            _of_oracle(found),
        ]
        for result in document["results"]
        for name, found in result["bounds"].items()
        if found is not None and _is_claimed(name, result)
    ]
    calibrated = {
        each["subject"]
        for each in document["pooled"]
        if each["bound"] == "calibrated_99"
    }
    rows += [
        ["all", each["subject"], "all", _NAMES[each["bound"]],
         share_text(each["coverage"]), "–", f"{each['missed']} of {each['claimed']}",
         "–", "–"]
        for each in document["pooled"]
        if not each["bound"].startswith("sigma") or each["subject"] not in calibrated
    ]  # fmt: skip
    head = ["scenario", "estimator", "ahead", "bound", "held", "95 % of it", "missed"]
    return Table("Bounds", [*head, "median width", "width / oracle"], rows, 4)


def ratios_table(document: Document) -> Table:
    """Return each estimator's error over the baseline's: mean and worst cell."""
    found: dict[tuple[str, float], list[tuple[float, str]]] = {}
    for result in document["results"]:
        if result["ratio"] is not None:
            key = (result["subject"], result["horizon_s"])
            cell = (result["ratio"]["value"], result["scenario"])
            found.setdefault(key, []).append(cell)
    rows = [
        [
            subject,
            _ahead(horizon_s),
            f"{_geometric_mean([value for value, _ in values]):.3f}",
            f"{max(values)[0]:.3f}",
            max(values)[1],
        ]
        for (subject, horizon_s), values in found.items()
    ]
    baseline = document["about"]["baseline"]
    head = ["estimator", "ahead", "geometric mean", "worst", "there"]
    return Table(f"RMSE over that of {baseline}", head, rows, 2)


def notes(document: Document) -> list[str]:
    """Return what a reader of the numbers must know."""
    about = document["about"]
    seeds = ", ".join(map(str, about["seeds"]))
    made_with = f"numpy {about['numpy']}, Python {about['python']}"
    spans = ", ".join(f"{name} {hours:g} h" for name, hours in about["hours"].items())
    at_most = "instants at most of each world, horizon and estimator"
    blocks = f"blocks of {format_duration(about['block_s'])} or of the horizon"
    none = "none of fewer than six blocks, nor where nothing was missed"
    lines = [
        f"Made by chronotick {about['chronotick']} ({made_with}), seeds {seeds}.",
        f"Simulated: {spans}; asked for {about['targets']:,} {at_most}.",
        "Errors are against the imagined worlds' truth, pooled over seeds.",
        f"Intervals are 95 %, by bootstrap over {blocks}; {none}.",
        "Not scored at the start: "
        + ", ".join(
            f"{name} {format_duration(skip_s)}"
            for name, skip_s in about["not_scored_s"].items()
        )
        + ".",
    ]
    if document["left_out"]:
        pairs = ", ".join(f"{what} in {where}" for where, what in document["left_out"])
        lines.append(
            f"Left out, because the host's clock does not run through: {pairs}."
        )
    hard = document["hard"]
    if hard["checked"]:
        lines.append(
            f"Hard intervals of the daemon at any age: {hard['violations']} of "
            f"{hard['checked']} did not contain the truth."
        )
    return lines


def markdown(document: Document) -> str:
    """Return the report as Markdown."""
    parts = ["# Bench", "", *(f"- {line}" for line in notes(document))]
    tables = [ratios_table(document), errors_table(document), bounds_table(document)]
    for title, head, rows, names in tables:
        if not rows:
            continue
        rule = ["---"] * names + ["---:"] * (len(head) - names)
        parts += ["", f"## {title}", "", _row(head), _row(rule), *map(_row, rows)]
    return "\n".join(parts) + "\n"


def write_bench(folder: Path, document: Document) -> Path:
    """Write ``bench.json`` and ``report.md``; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "bench.json").write_text(text + "\n", encoding="utf-8")
    page = folder / "report.md"
    page.write_text(markdown(document), encoding="utf-8")
    return page


def _head(result: Document) -> list[str]:
    return [result["scenario"], result["subject"], _ahead(result["horizon_s"])]


def _ahead(horizon_s: float) -> str:
    return format_duration(horizon_s) if horizon_s else "now"


def _is_claimed(name: str, result: Document) -> bool:
    """Leave sigmas out where there is a calibrated bound: they promise nothing."""
    return not name.startswith("sigma") or result["bounds"]["calibrated_99"] is None


def _ratio(ratio: Document | None) -> str:
    if ratio is None:
        return "–"
    if ratio["interval"] is None:
        return f"{ratio['value']:.3f}"
    low, high = ratio["interval"]
    return f"{ratio['value']:.3f} [{low:.2f}, {high:.2f}]"


def _sizes(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "–"
    return " … ".join(size_text(value) for value in interval)


def _shares(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "–"
    return " … ".join(share_text(value) for value in interval)


def _of_oracle(found: Document) -> str:
    oracle_ns = found["oracle_half_width_ns"]
    if not oracle_ns:
        return "–"
    return f"{found['median_half_width_ns'] / oracle_ns:.3g}"


def _geometric_mean(values: Sequence[float]) -> float:
    return exp(sum(log(value) for value in values) / len(values))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
