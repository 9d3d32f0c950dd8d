"""ntpstats as an independent referee: our estimator in its bench, its check of our bounds.

``python benchmarks/accuracy_ntpstats.py [PRESET ...] [--seeds 1-5] [--json FILE]``

Its presets, its noise, its scores, its rivals. ``chronotick`` is the daemon's estimator
on all servers of a preset, ``chronotick-1`` on the first alone, which is all that the
rivals without an asterisk are given. RMS is pooled over seeds, as the bench scores it:
at the instants at which an estimator answers. ``mindelay`` answers only at the exchanges
that it picks; so the last column compares at the rival's own instants. ``rts-dw`` is a
smoother and knows the future. Ratios have 95 % intervals, by bootstrap over two-hour
blocks.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ntpstats import bounds as their_bounds
from ntpstats import estimators
from ntpstats.series import TimeSeries
from ntpstats.simulate import PRESETS, simulate_multi

from chronotick.eval.accuracy.bench_referee import BOUNDS, Referee
from chronotick.eval.accuracy.bootstrap import tails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

NAMES = ("lan", "internet", "congested", "route-change", "falseticker")
OURS, OURS_ALONE = "chronotick", "chronotick-1"
OFFLINE = ("rts-dw",)
WARM_UP_S = 1800.0
BLOCK_S = 7200.0
DRAWS = 1000
WANTED_RATIO = 1.10
WANTED = {"hard": 1.0, "calibrated_99": 0.99, "calibrated_999": 0.999}


class Errors(NamedTuple):
    """One estimator in one run: instants since its start and errors in µs."""

    seed: int
    t_s: Vector
    error_us: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One estimator in one preset, pooled over seeds."""

    preset: str
    estimator: str
    sees_all: bool
    rms_us: float
    by_seed: list[float]
    share: float
    """Of our instants at which it answers."""
    ratio: float
    """Our RMS over its; ours on all servers for those that see all, else on the first."""
    interval: tuple[float, float]
    ratio_there: float
    """The same at its own instants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRow:
    """What ntpstats' `bounds` says of one of our intervals in one preset."""

    preset: str
    bound: str
    compared: int
    missed: int
    worst_excess_us: float
    median_us: float

    @property
    def coverage(self) -> float | None:
        """Share that held; None where nothing was claimed."""
        return 1.0 - self.missed / self.compared if self.compared else None


def judge(preset: str, seeds: Sequence[int]) -> tuple[list[Row], list[BoundRow]]:
    """Run a preset for every seed and every estimator."""
    found: dict[str, list[Errors]] = {}
    checks: dict[str, list[Mapping[str, Any]]] = {bound: [] for bound in BOUNDS}
    plugins = {
        **estimators.available(),
        OURS: Referee(),
        OURS_ALONE: Referee(all_servers=False),
    }
    for seed in seeds:
        scenario = replace(PRESETS[preset], seed=seed, name=preset)
        measured, truth = simulate_multi(scenario, name=preset)
        for name, plugin in plugins.items():
            answer = estimators.run(plugin, measured)
            found.setdefault(name, []).append(errors(seed, answer, truth))
            if name == OURS:
                for bound in BOUNDS:
                    checks[bound] += check(answer, bound, truth)
    rows = [row(preset, name, found, plugins[name].multi) for name in found]
    rows.sort(key=lambda each: each.rms_us)
    return rows, [bound_row(preset, bound, each) for bound, each in checks.items()]


def errors(seed: int, answer: TimeSeries, truth: TimeSeries) -> Errors:
    """Return the errors that the bench scores: after the warm-up, where it answered."""
    scored = (
        (answer.t >= truth.t[0] + WARM_UP_S)
        & (answer.t <= truth.t[-1])
        & np.isfinite(answer.offset)
    )
    t = answer.t[scored]
    error_s = answer.offset[scored] - np.interp(t, truth.t, truth.offset)
    return Errors(seed, t - truth.t[0], 1e6 * error_s)


def row(preset: str, name: str, found: dict[str, list[Errors]], sees_all: bool) -> Row:
    """Return the pooled scores of one estimator beside ours."""
    ours = found[OURS if sees_all else OURS_ALONE]
    its = found[name]
    pairs = [common(a, b) for a, b in zip(ours, its, strict=True)]
    low, high = ratio_interval(ours, its)
    return Row(
        preset=preset,
        estimator=name,
        sees_all=sees_all,
        rms_us=pooled(its),
        by_seed=[rms(each.error_us) for each in its],
        share=sum(each.t_s.size for each in its) / sum(each.t_s.size for each in ours),
        ratio=pooled(ours) / pooled(its),
        interval=(low, high),
        ratio_there=pooled([a for a, _ in pairs]) / pooled([b for _, b in pairs]),
    )


def common(ours: Errors, its: Errors) -> tuple[Errors, Errors]:
    """Return both at the instants that they share."""
    _, a, b = np.intersect1d(
        np.round(ours.t_s, 3), np.round(its.t_s, 3), return_indices=True
    )
    return (
        Errors(ours.seed, ours.t_s[a], ours.error_us[a]),
        Errors(its.seed, its.t_s[b], its.error_us[b]),
    )


def rms(values: Vector) -> float:
    """Return the root mean square; NaN of nothing."""
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")


def pooled(runs: Sequence[Errors]) -> float:
    """Return the RMS over all runs, as the mean over seeds of mean squares."""
    squares = [rms(each.error_us) ** 2 for each in runs if each.error_us.size]
    return float(np.sqrt(np.mean(squares))) if squares else float("nan")


def ratio_interval(ours: list[Errors], its: list[Errors]) -> tuple[float, float]:
    """Return a 95 % interval of the ratio, by bootstrap over blocks of both."""
    blocks: list[tuple[float, float]] = []
    for a, b in zip(ours, its, strict=True):
        of_a, of_b = (each.t_s // BLOCK_S for each in (a, b))
        blocks += [
            (
                float(np.mean(a.error_us[of_a == k] ** 2)),
                float(np.mean(b.error_us[of_b == k] ** 2)),
            )
            for k in np.intersect1d(of_a, of_b)
        ]
    squares = np.array(blocks)
    drawn = np.random.default_rng(0).integers(0, len(blocks), (DRAWS, len(blocks)))
    above, below = squares[drawn].sum(axis=1).T
    low, high = np.quantile(np.sqrt(above / below), tails(len(blocks)))
    return float(low), float(high)


def check(answer: TimeSeries, bound: str, truth: TimeSeries) -> list[Mapping[str, Any]]:
    """Return what ntpstats finds of the intervals, from the first answer on."""
    width = answer.extra[bound]
    claimed = np.isfinite(answer.offset) & np.isfinite(width)
    if not claimed.any():
        return []
    windows = TimeSeries(
        answer.t[claimed], answer.offset[claimed], extra={"bound": width[claimed]}
    )
    return [their_bounds.validate(windows, truth, reference_uncertainty=0.0)]


def bound_row(preset: str, bound: str, checks: Sequence[Mapping[str, Any]]) -> BoundRow:
    """Return the verdicts of all seeds together."""
    medians = [each["median_bound"] for each in checks]
    return BoundRow(
        preset=preset,
        bound=bound,
        compared=sum(each["compared"] for each in checks),
        missed=sum(each["violations"] for each in checks),
        worst_excess_us=1e6
        * max((each["worst_excess"] for each in checks), default=np.nan),
        median_us=1e6 * float(np.median(medians)) if medians else float("nan"),
    )


def best_rival(rows: Sequence[Row], *, sees_all: bool) -> Row | None:
    """Return the best of the rivals that know no future and see as much as we do."""
    return next(
        (
            each
            for each in rows
            if each.estimator not in (OURS, OURS_ALONE, *OFFLINE)
            and each.sees_all == sees_all
        ),
        None,
    )


def show(rows: Sequence[Row], bounds: Sequence[BoundRow]) -> str:
    """Return a preset as Markdown."""
    lines = [
        f"\n### {rows[0].preset}\n",
        "| estimator | RMS µs | by seed | answers | ours / its, 95 % | at its instants |",
        "|---|---|---|---|---|---|",
    ]
    for each in rows:
        star = " *" if each.sees_all else ""
        note = " (knows the future)" if each.estimator in OFFLINE else ""
        low, high = each.interval
        seeds = ", ".join(f"{value:.3g}" for value in each.by_seed)
        lines.append(
            f"| {each.estimator}{star}{note} | {each.rms_us:.3g} | {seeds} "
            f"| {100 * each.share:.0f} % | {each.ratio:.2f} [{low:.2f}, {high:.2f}] "
            f"| {each.ratio_there:.2f} |"
        )
    lines += ["", "| bound | held | of | worst beyond | median width |", "|---|---|---|---|---|"]  # fmt: skip
    for one in bounds:
        if one.coverage is None:
            lines.append(f"| {one.bound} | nothing claimed | | | |")
            continue
        lines.append(
            f"| {one.bound} | {100 * one.coverage:.3f} % | {one.compared} "
            f"| {max(one.worst_excess_us, 0.0):.3g} µs | {one.median_us:.3g} µs |"
        )
    return "\n".join(lines)


def verdicts(rows: Sequence[Row], bounds: Sequence[BoundRow]) -> list[str]:
    """Return the lines of the summary: is ours first or within 10 %, do bounds hold."""
    lines = []
    for sees_all, ours in ((False, OURS_ALONE), (True, OURS)):
        rival = best_rival(rows, sees_all=sees_all)
        if rival is None:
            continue
        mine = next(each for each in rows if each.estimator == ours)
        word = "yes" if rival.ratio <= WANTED_RATIO else "NO"
        low, high = rival.interval
        lines.append(
            f"| {mine.preset} | {ours} {mine.rms_us:.3g} µs | {rival.estimator} "
            f"{rival.rms_us:.3g} µs | {rival.ratio:.2f} [{low:.2f}, {high:.2f}] "
            f"| {rival.ratio_there:.2f} | {word} |"
        )
    for one in bounds:
        if one.coverage is None:
            lines.append(f"| {one.preset} | {one.bound} | nothing claimed | | | NO |")
            continue
        word = "yes" if one.coverage >= WANTED[one.bound] else "NO"
        lines.append(
            f"| {one.preset} | {one.bound} | {one.missed} of {one.compared} missed "
            f"| {100 * one.coverage:.3f} % | | {word} |"
        )
    return lines


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that ``1-5`` or ``1,4,7`` mean."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def main() -> None:
    """Judge what was asked for and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=NAMES, metavar="PRESET")
    parser.add_argument("--seeds", type=parse_seeds, default=parse_seeds("1-5"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(
        f"ntpstats {version('ntpstats')}, seeds {options.seeds}, "
        f"first {WARM_UP_S:.0f} s not scored; * sees all servers"
    )
    summary, kept = [], []
    for preset in options.presets:
        rows, bounds = judge(preset, options.seeds)
        print(show(rows, bounds), flush=True)
        summary += verdicts(rows, bounds)
        kept += [asdict(row) for row in rows] + [asdict(bound) for bound in bounds]
    print("\n| preset | ours | best rival | ratio, 95 % | at its instants | first or within 10 %, or held |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    print("\n".join(summary))
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
