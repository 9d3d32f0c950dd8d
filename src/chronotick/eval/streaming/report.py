"""The report: statistics as JSON, a Markdown summary, figures, one HTML page.

Decides how results are said, not what they are. All files are a function of statistics
and `about` alone: the same recordings give the same bytes.
"""

from __future__ import annotations

import base64
import html
import json
import math
from typing import TYPE_CHECKING

from chronotick.eval.streaming.judge import GROUPS
from chronotick.eval.streaming.judge_claims import remark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chronotick.eval.streaming.judged import Group

__all__ = ["markdown", "page", "write_report"]

_CAPTIONS = {
    "dashboard": "Everything at a glance",
    "causality": "Events that seem to be received before they were sent",
    "ordering": "Pairs of events whose order is decided, left open, or decided wrongly",
    "windows": "Agreement on windows, and what the intervals leave undecided",
    "coverage_width": "How much of the interval is needed to contain the truth",
    "offsets": "The clocks of each node during the run",
}
_MOST_STATUSES = 8
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#1b1b1b;background:#fff}table{border-collapse:collapse;margin:1rem 0}
td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:#f3f3f3}img{max-width:100%;height:auto}figure{margin:2rem 0}
figcaption{color:#555}.holds{color:#00694b}.broken{color:#b33c00;font-weight:bold}
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}
th{background:#2a2a2a}td,th{border-color:#555}img{background:#fff}
figcaption{color:#aaa}.holds{color:#4fc79d}.broken{color:#ff9a5c}}
"""


def write_report(
    folder: Path,
    statistics: Group,
    figures: Mapping[str, bytes],
    about: Mapping[str, str],
) -> Path:
    """Write the whole report into `folder`; return the page's path.

    Args:
        folder: Made if it is not there.
        statistics: What the judge found.
        figures: PNG bytes by name.
        about: What is known of the run besides: seed, versions, hosts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "statistics.json", statistics | {"about": dict(about)})
    for group in GROUPS:
        _write_json(folder / f"{group}.json", statistics[group])
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    text = markdown(statistics, about)
    pictures = "".join(f"\n![{_CAPTIONS[name]}]({name}.png)\n" for name in figures)
    (folder / "summary.md").write_text(text + pictures, encoding="utf-8")
    target = folder / "report.html"
    target.write_text(page(statistics, figures, about), encoding="utf-8")
    return target


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


# ── What is said ─────────────────────────────────────────────────────────────

_Table = tuple[str, list[str], list[list[str]]]


def _tables(statistics: Group, about: Mapping[str, str]) -> list[_Table]:
    run = statistics["run"]
    facts = {
        "run id": ", ".join(run["run_ids"]) or "not recorded",
        "nodes": ", ".join(run["nodes"]),
        "arrivals": f"{run['rows']:,}",
        "compared with all clocks": f"{run['rows_compared']:,}",
        "ChronoTick's status": _statuses(run["statuses"]),
        **_left_out(run),
        **about,
    }
    return [
        ("Run", ["", ""], [[key, value] for key, value in facts.items()]),
        ("Claims", ["Claim", "Measured", "Verdict"], _claims(statistics)),
        (
            "Clocks, on the same events",
            [
                "Clock",
                "Received before sent",
                "Order decided",
                "Order wrong",
                "Same event: decided",
                "Same event: wrong",
                "Error, median",
                "Error, worst",
            ],
            [_clock(statistics, name) for name in _clocks(statistics)],
        ),
        (
            "Intervals",
            ["Interval", "Contains the truth", "Width, median", "Width, worst"],
            [
                _interval(name, group)
                for name, group in statistics["accuracy"]["intervals"].items()
            ],
        ),
        ("Windows", _WINDOW_HEAD, _windows(statistics)),
        ("Commit-wait", ["", ""], _commit(statistics)),
        ("Coordination", _COST_HEAD, _cost(statistics)),
    ]


def _statuses(statuses: Mapping[str, int]) -> str:
    """Return how many arrivals had which status, the most frequent first."""
    often = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{status} {count:,}" for status, count in often[:_MOST_STATUSES]]
    if rest := sum(count for _, count in often[_MOST_STATUSES:]):
        told.append(f"others {rest:,}")
    return ", ".join(told) or "not recorded"


def _left_out(run: Group) -> dict[str, str]:
    """Return what was not judged, if anything: nobody is to miss it."""
    counts = {
        "damaged lines left out": run["damaged_lines"],
        "repeated rows left out": run["repeated_rows"],
    }
    return {what: f"{count:,}" for what, count in counts.items() if count}


def _claims(statistics: Group) -> list[list[str]]:
    verdicts = {True: "holds", False: "BROKEN", None: "not judged"}
    return [
        [
            claim["claim"],
            _share(claim["measured"])
            if "coverage" in claim["id"]
            else _count(claim["measured"]),
            ": ".join(filter(None, [verdicts[claim["holds"]], remark(claim)])),
        ]
        for claim in statistics["claims"]
    ]


def _clocks(statistics: Group) -> list[str]:
    return list(statistics["ordering"]["clocks"])


def _clock(statistics: Group, name: str) -> list[str]:
    causality = statistics["causality"]["clocks"][name]
    ordering = statistics["ordering"]["clocks"][name]
    every, same = ordering.get("all_pairs", {}), ordering.get("same_event", {})
    errors = statistics["accuracy"]["clocks"].get(name, {}).get("error_ns")
    worst = errors["absolute"] if errors else {}
    before = causality.get("violation_share", causality.get("contradiction_share"))
    judged, compared = ordering["judged"], statistics["run"]["rows_compared"]
    # What one clock alone lacks is not like for like; it must not look so.
    fewer = f" ({judged:,} arrivals only)" if 0 < judged < compared else ""
    return [
        name + fewer,
        _share(before),
        _share(every.get("decided_share")),
        _share(every.get("wrong_share")),
        _share(same.get("decided_share")),
        _share(same.get("wrong_share")),
        _duration(worst.get("p50")),
        _duration(worst.get("max")),
    ]


def _interval(name: str, group: Group) -> list[str]:
    width = group.get("width_ns", {})
    return [
        name,
        _share(group.get("coverage")),
        _duration(width.get("p50")),
        _duration(width.get("max")),
    ]


_WINDOW_HEAD = ["Window", "Clock", "Agree among decided", "Undecided", "Wrong arrivals"]


def _windows(statistics: Group) -> list[list[str]]:
    return [
        [
            f"{window['window_ms']:g} ms",
            "perfect clocks" if name == "truth" else name,
            _share(group.get("agreement_share")),
            _share(group.get("undecided_share")),
            _count(group.get("rows_wrong")),
        ]
        for window in statistics["windows"]["windows"]
        for name, group in window["clocks"].items()
        if group["judged"]
    ]


def _commit(statistics: Group) -> list[list[str]]:
    groups = statistics["commit_wait"]
    wait, order = groups["wait"].get("wait_ns", {}), groups["external_consistency"]
    rows = [
        ["wait, median", _duration(wait.get("p50"))],
        ["wait, 99 %", _duration(wait.get("p99"))],
        ["wait, longest", _duration(wait.get("max"))],
        ["pairs A before B", _count(order.get("pairs"))],
        ["stamps out of order after the wait", _count(order.get("breaks"))],
        ["the same without waiting", _count(order.get("breaks_without_wait"))],
    ]
    for after, group in groups["reread"].items():
        if group["judged"]:
            now, then = group["at_event_ms"]["p50"], group["then_ms"]["p50"]
            what = f"uncertainty re-read {after.replace('_', ' ')}, median"
            rows.append([what, f"{now:.4g} ms → {then:.4g} ms"])
    return rows


_COST_HEAD = ["Interval", "To decide", "Events that need a round trip", "Baseline"]


def _cost(statistics: Group) -> list[list[str]]:
    rows = []
    for name, group in statistics["coordination"]["clocks"].items():
        if not group["judged"]:
            continue
        parts = [("order", group["order"])]
        parts += [(f"window {w['window_ms']:g} ms", w) for w in group["windows"]]
        rows += [
            [name, what, _share(part["round_trip_share"]), "100 %"]
            for what, part in parts
        ]
    return rows


def _share(value: float | None) -> str:
    if value is None:
        return "–"
    percent = 100.0 * value
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    # 99.9996 % must not read as 100 %.
    digits = max(2, 1 - math.floor(math.log10(min(percent, abs(100.0 - percent)))))
    return f"{percent:.{digits}f} %"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _duration(value_ns: float | None) -> str:
    if value_ns is None:
        return "–"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(value_ns) >= size:
            return f"{value_ns / size:.4g} {unit}"
    return f"{value_ns:.4g} ns"


# ── How it is said ───────────────────────────────────────────────────────────


def _headline(statistics: Group) -> str:
    broken = [c["claim"] for c in statistics["claims"] if c["holds"] is False]
    if broken:
        return f"BROKEN: {len(broken)} of {len(statistics['claims'])} claims"
    judged = sum(c["holds"] is not None for c in statistics["claims"])
    if not judged:
        return "Nothing could be judged: see the reasons"
    return f"All {judged} claims that could be judged hold"


def markdown(statistics: Group, about: Mapping[str, str]) -> str:
    """Return the summary, without figures."""
    parts = ["# Streaming evaluation", "", f"**{_headline(statistics)}.**"]
    for title, head, rows in _tables(statistics, about):
        parts += ["", f"## {title}", "", _row(head), _row(["---"] * len(head))]
        parts += [_row(row) for row in rows]
    return "\n".join(parts) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(cell: str) -> str:
    """Return `cell` as Markdown that means its characters: names come from anywhere."""
    shown = "".join(c if c.isprintable() else " " for c in cell)
    return shown.replace("|", "\\|").replace("<", "&lt;")


def page(
    statistics: Group, figures: Mapping[str, bytes], about: Mapping[str, str]
) -> str:
    """Return the report as one HTML page that needs nothing else."""
    kind = "broken" if statistics["verdict"] == "broken" else "holds"
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Streaming evaluation</title><style>{_STYLE}</style></head><body>",
        "<h1>Streaming evaluation</h1>",
        f'<p class="{kind}">{html.escape(_headline(statistics))}.</p>',
    ]
    tables = _tables(statistics, about)
    parts += [_html_table(*table) for table in tables[:2]]
    for name, png in figures.items():
        data = base64.b64encode(png).decode()
        caption = html.escape(_CAPTIONS[name])
        parts.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    parts += [_html_table(*table) for table in tables[2:]]
    numbers = json.dumps(statistics, indent=1, ensure_ascii=False, allow_nan=False)
    parts.append(
        "<details><summary>All numbers (JSON)</summary>"
        f"<pre>{html.escape(numbers)}</pre></details></body></html>\n"
    )
    return "\n".join(parts)


def _html_table(title: str, head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = "\n".join(
        "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows
    )
    heading = f"<tr>{cells}</tr>" if any(head) else ""
    return f"<h2>{html.escape(title)}</h2><table>{heading}{lines}</table>"


def _cell(cell: str) -> str:
    kind = ' class="broken"' if cell.startswith("BROKEN") else ""
    return f"<td{kind}>{html.escape(cell)}</td>"
