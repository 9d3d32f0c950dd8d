"""The report: statistics as JSON, a Markdown summary, figures, one HTML page.

Decides which files there are and how they look; what they say is decided in
`report_tables`. All are a function of statistics and `about` alone: the same recordings
give the same bytes.
"""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING

from chronotick.eval.streaming.judge import GROUPS
from chronotick.eval.streaming.report_tables import headline, tables

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


def markdown(statistics: Group, about: Mapping[str, str]) -> str:
    """Return the summary, without figures."""
    parts = ["# Streaming evaluation", "", f"**{headline(statistics)}.**"]
    for title, head, rows in tables(statistics, about):
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
        f'<p class="{kind}">{html.escape(headline(statistics))}.</p>',
    ]
    said = tables(statistics, about)
    parts += [_html_table(*table) for table in said[:2]]
    for name, png in figures.items():
        data = base64.b64encode(png).decode()
        caption = html.escape(_CAPTIONS[name])
        parts.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    parts += [_html_table(*table) for table in said[2:]]
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
