"""Say what a backtest found: tables, caveats, a Markdown page, files.

Decides words and digits only. Every number comes from the document of
`chronotick.eval.accuracy.judge`, so the same recordings and seed give the same bytes.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from chronotick.documents.quantities import format_duration
from chronotick.eval.accuracy.names import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from chronotick.eval.accuracy.judge import Document

__all__ = [
    "CAPTIONS",
    "Table",
    "bounds_table",
    "caveats",
    "doubts",
    "errors_table",
    "markdown",
    "share_text",
    "size_text",
    "warm_up_table",
    "write_backtest",
]

CAPTIONS = {
    "errors": "Errors over time at the shortest horizon",
    "horizons": "How errors grow with the horizon",
    "stability": "Stability of what is left: Allan deviation and MTIE",
    "coverage": "How much of each bound is needed",
}
"""Figures by name, in the order of the report."""
_BOUNDS = {
    "hard": "hard",
    "calibrated_99": "99 %",
    "calibrated_999": "99.9 %",
    "sigma_99": "2.58 σ",
    "sigma_999": "3.29 σ",
}
_BOUNDS_TITLE = "Bounds"
# Widths that agree so well read as the same.
_ALIKE = 0.005
_LEVELS = (
    ("hard",),
    ("calibrated_99", "sigma_99"),
    ("calibrated_999", "sigma_999"),
)
_LONGEST_POLL_S = float(1 << 17)  # MAXPOLL, RFC 5905 figure 6
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


class Table(NamedTuple):
    """A table of texts; the first columns name the row, the others are numbers."""

    title: str
    head: list[str]
    rows: list[list[str]]
    names: int


def errors_table(document: Document, *, brief: bool = False) -> Table:
    """Return errors and coverage, a row for each trace, model and horizon.

    `brief` leaves out what a narrow terminal has no room for.
    """
    head = ["model", "horizon", "answers", "RMSE", "95 %", "MAE", "p99", "max"]
    head += ["hard", "99 %", "99.9 %"]
    rows = []
    for result in document["results"]:
        horizon = format_duration(result["horizon_s"])
        name = [*_trace_name(document, result), result["model"], horizon]
        rows.append([*name, *_errors(result)])
    whole = [[*_trace_head(document), *head], *rows]
    if brief:
        kept = [k for k, name in enumerate(whole[0]) if name not in {"answers", "95 %"}]
        whole = [[row[k] for k in kept] for row in whole]
    title = "Errors, and how often each bound holds"
    return Table(title, whole[0], whole[1:], _names(document) + 2)


def _errors(result: Document) -> list[str]:
    if result["error"] is None:
        return ["0", *["–"] * 8]
    error, intervals, bounds = result["error"], result["intervals"], result["bounds"]
    answers = f"{error['count']:,}"
    if result["unanswered"]:
        answers += f" of {result['asked']:,}"
    return [
        answers,
        size_text(error["rmse_ns"]),
        _interval(intervals["rmse_ns"]),
        *(size_text(error[key]) for key in ("mae_ns", "p99_ns", "max_ns")),
        *(_coverage(bounds, *keys) for keys in _LEVELS),
    ]


def _coverage(bounds: Document, claimed: str, normal: str = "") -> str:
    """Return the coverage that was claimed, or what sigma would give, marked."""
    if claimed in bounds:
        return share_text(bounds[claimed]["coverage"])
    if normal in bounds:
        return f"~{share_text(bounds[normal]['coverage'])}"
    return "–"


def bounds_table(document: Document) -> Table:
    """Return coverage and width of each bound."""
    head = ["model", "horizon", "bound", "holds", "95 %", "missed", "half width"]
    rows = [
        [
            *_trace_name(document, result),
            result["model"],
            format_duration(result["horizon_s"]),
            label,
            share_text(bound["coverage"]),
            _share_interval(bound["interval"]),
            f"{bound['missed']:,} of {bound['count']:,}",
            size_text(bound["median_width_ns"]),
        ]
        for result in document["results"]
        for key, label in _BOUNDS.items()
        if (bound := result["bounds"].get(key))
    ]
    return Table(
        _BOUNDS_TITLE, [*_trace_head(document), *head], rows, _names(document) + 3
    )


def warm_up_table(document: Document) -> Table:
    """Return how long each model took."""
    head = ["model", "first answer", "settled after", "within"]
    rows = [
        [
            *_trace_name(document, each),
            each["model"],
            _seconds(each["first_answer_s"]),
            _seconds(each.get("settled_s")),
            "–" if each["limit_ns"] is None else f"± {size_text(each['limit_ns'])}",
        ]
        for each in document["warm_up"]
    ]
    return Table("Warm-up", [*_trace_head(document), *head], rows, _names(document) + 1)


def doubts(document: Document) -> list[str]:
    """Return what no right recording shows, in sentences; most often there is none."""
    said: dict[str, list[str]] = {}
    names = _recording_names(document)
    for trace in document["traces"]:
        steps = trace["steps"]
        if 2 * steps["impossible"] > steps["count"]:
            text = (
                f"{steps['impossible']:,} of {steps['count']:,} steps from one "
                "measurement to the next are larger than delays and 500 ppm of drift "
                "explain: offsets or instants may be in another unit than seconds"
            )
            said.setdefault(text, []).append(names[trace["path"]])
        if (steps["median_s"] or 0.0) > _LONGEST_POLL_S:
            text = (
                f"measurements are {format_duration(steps['median_s'])} apart, more "
                "than any program waits (36 h): instants may be in another unit than "
                "seconds"
            )
            said.setdefault(text, []).append(names[trace["path"]])
    for (path, model), results in _single(document).items():
        for text in _model_doubts(model, results):
            said.setdefault(text, []).append(names[path])
    return _with_names(said, document)


def _model_doubts(model: str, results: Sequence[Document]) -> Iterable[str]:
    hard = [r["bounds"]["hard"] for r in results if "hard" in r["bounds"]]
    if missed := sum(each["missed"] for each in hard):
        yield (
            f"the hard bound of {model} was missed {missed:,} of "
            f"{sum(each['count'] for each in hard):,} times: offsets of the wrong sign "
            "or unit, a clock that was set, a false server, or a truth that is none"
        )
    asked = sum(each["asked"] for each in results)
    unanswered = sum(each["unanswered"] for each in results)
    if 2 * unanswered > asked:
        yield (
            f"{model} did not answer {unanswered:,} of {asked:,} questions: its "
            "servers contradict each other or themselves, or were heard too seldom"
        )


def caveats(document: Document) -> list[str]:
    """Return what must be known to read the numbers, in sentences."""
    said: dict[str, list[str]] = {}
    names = _recording_names(document)
    for trace in document["traces"]:
        for text in _caveats(trace):
            said.setdefault(text, []).append(names[trace["path"]])
    for result in document["results"]:
        if result["error"] is None:
            text = f"{format_duration(result['horizon_s'])} ahead: {result['why_null']}"
            those = said.setdefault(text, [])
            those += [n for n in _trace_name(document, result) if n not in those]
    found = _with_names(said, document)
    if any(_is_uncalibrated(result["bounds"]) for result in document["results"]):
        found.append(
            "coverage marked ~ is of 2.58 and 3.29 σ: no calibrated bound was claimed "
            "there"
        )
    assumed_s = document["about"].get("assume_delay_s")
    if assumed_s is not None:
        found.append(
            f"where no delay was recorded, {format_duration(assumed_s)} was assumed: "
            "bounds hold only if no round trip took longer"
        )
    return found


def _single(document: Document) -> dict[tuple[str, str], list[Document]]:
    """Return the results of single recordings, by recording and model."""
    paths = {trace["path"] for trace in document["traces"]}
    found: dict[tuple[str, str], list[Document]] = {}
    for result in document["results"]:
        if result["trace"] in paths:
            found.setdefault((result["trace"], result["model"]), []).append(result)
    return found


def _with_names(said: Mapping[str, list[str]], document: Document) -> list[str]:
    # What is true of all recordings needs no names.
    every = len(document["traces"])
    return [
        text if len(those) in {0, every} else f"{', '.join(those)}: {text}"
        for text, those in said.items()
    ]


def _is_uncalibrated(bounds: Document) -> bool:
    return "sigma_99" in bounds and "calibrated_99" not in bounds


def _caveats(trace: Document) -> Iterable[str]:
    if trace["steering"] == "steered":
        yield (
            "the clock was steered while it was measured: beyond minutes, what is "
            "extrapolated is the servo and not the oscillator"
        )
    elif trace["steering"] == "unknown":
        yield (
            "not known whether the clock was steered; if it was, long horizons tell of "
            "the servo and not of the oscillator (say --steered or --free-running)"
        )
    if trace["yardstick"] == "measurements":
        yield (
            "no truth: errors are against later measurements, the half with the "
            "shorter delays, and include their noise; a bound counts as missed only "
            "where it contradicts one"
        )
    for reason, count in trace["skipped"].items():
        yield f"{count:,} × left out: {reason}"
    if trace["without_delay"]:
        yield f"{trace['without_delay']:,} × left out: no delay recorded"
    if trace["targets"] < trace["candidates"]:
        yield (
            f"asked for {trace['targets']:,} of {trace['candidates']:,} instants: MTIE "
            "and warm-up see nothing of what is in between (more: --targets)"
        )
    yield from trace["notes"]


# ── Files ────────────────────────────────────────────────────────────────────


def write_backtest(
    folder: Path, document: Document, figures: Mapping[str, bytes]
) -> Path:
    """Write ``backtest.json``, ``report.md`` and the figures; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "backtest.json").write_text(text + "\n", encoding="utf-8")
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    page = folder / "report.md"
    page.write_text(markdown(document, tuple(figures)), encoding="utf-8")
    return page


def markdown(document: Document, figures: Sequence[str] = ()) -> str:
    """Return the report as Markdown; figures are named, not drawn."""
    about = document["about"]
    parts = ["# Backtest", ""]
    parts += [f"- **{text}**" for text in doubts(document)]
    parts += [f"- {text}" for text in caveats(document)]
    tables = [
        _recordings(document),
        errors_table(document),
        bounds_table(document),
        warm_up_table(document),
        Table("Made with", ["", ""], [[k, _plain(v)] for k, v in about.items()], 2),
    ]
    for title, head, rows, names in tables:
        rule = ["---"] * names + ["---:"] * (len(head) - names)
        parts += ["", f"## {title}", "", _row(head), _row(rule)]
        parts += [_row(row) for row in rows]
        if title == _BOUNDS_TITLE:
            parts += _footnotes(document)
    for name in figures:
        parts += ["", f"## {CAPTIONS[name]}", "", f"![{CAPTIONS[name]}]({name}.png)"]
    return "\n".join(parts) + "\n"


def _footnotes(document: Document) -> list[str]:
    """Say why two kinds of bounds are the same width, where they are."""
    if not any(_is_alike(result["bounds"]) for result in document["results"]):
        return []
    text = (
        "Where 99 % is as wide as 2.58 σ, measurements have not shown that sigma is too "
        "small, and a calibrated bound is never narrower: most of that sigma allows for "
        "an asymmetry of the path, which no measurement shows."
    )
    return ["", text]


def _is_alike(bounds: Document) -> bool:
    if not {"calibrated_99", "sigma_99"} <= bounds.keys():
        return False
    claimed_ns, normal_ns = (
        bounds[name]["median_width_ns"] for name in ("calibrated_99", "sigma_99")
    )
    return bool(abs(claimed_ns - normal_ns) <= _ALIKE * normal_ns)


def _recordings(document: Document) -> Table:
    head = ["file", "format", "clock", "held against", "SHA-256", "length", "used"]
    names = _recording_names(document)
    rows = [
        [
            names[trace["path"]],
            trace["format"],
            trace["steering"],
            trace["yardstick"],
            trace["sha256"][:12],
            f"{trace['span_s'] / 3600:.1f} h",
            f"{trace['measurements']:,} from {_servers(len(trace['sources']))}",
        ]
        for trace in document["traces"]
    ]
    return Table("Recordings", head, rows, 5)


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# ── Texts ────────────────────────────────────────────────────────────────────


def size_text(value_ns: float) -> str:
    """Return a length of time with its unit, three digits."""
    for scale, unit in _UNITS:
        if abs(value_ns) >= scale * 0.9995 or unit == "ns":
            value = value_ns / scale
            digits = max(2 - math.floor(math.log10(abs(value))), 0) if value else 0
            return f"{value:.{min(digits, 2)}f} {unit}"
    raise AssertionError("the last unit takes everything")


def share_text(share: float) -> str:
    """Return a share in percent; only all reads as 100 %, and only none as 0 %."""
    percent = 100.0 * share
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    nearest = min(percent, 100.0 - percent)
    digits = max(2, 1 - math.floor(math.log10(nearest)))
    return f"{percent:.{digits}f} %"


def _interval(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "–"
    low, high = interval
    return f"{size_text(low)} … {size_text(high)}"


def _share_interval(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "–"
    low, high = interval
    return f"{share_text(low)} … {share_text(high)}"


def _seconds(value_s: float | None) -> str:
    return "–" if value_s is None else f"{value_s:,.0f} s"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(document: Document) -> int:
    return len(_trace_head(document))


def _trace_head(document: Document) -> list[str]:
    return ["recording"] if len(document["traces"]) > 1 else []


def _trace_name(document: Document, part: Document) -> list[str]:
    if len(document["traces"]) == 1:
        return []
    path: str = part["trace"]
    # What is pooled has no path: it is called what it is.
    return [_recording_names(document).get(path, path)]


def _recording_names(document: Document) -> dict[str, str]:
    return names_of(trace["path"] for trace in document["traces"])
