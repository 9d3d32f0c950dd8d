"""One cell of the bench: an estimator in an imagined world, and what it foretold.

Decides how a cell is computed from its own description alone, so that it gives the same
numbers in any process on any machine. Which cells there are, and what is made of them,
is `chronotick.eval.accuracy.bench`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.status import Status
from chronotick.eval.accuracy.backtest import BOUNDS, Foretold, replay
from chronotick.eval.accuracy.bench_exchanges import can_be_replayed, recorded
from chronotick.eval.accuracy.bench_simulation import is_unknowable
from chronotick.eval.accuracy.bench_world import DAEMONS, Plan, run
from chronotick.eval.accuracy.contenders import MODELS, contender
from chronotick.eval.accuracy.made_with import made_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.sim.recorder import Outlook, Publication
    from chronotick.sim.scenario import Scenario

    _Told = Outlook | Publication

__all__ = ["DAEMON", "SUBJECTS", "Cell", "Outcome", "compute", "is_possible"]

DAEMON = "daemon"
SUBJECTS = (*MODELS, DAEMON, *(f"{DAEMON}:{name}" for name in DAEMONS))
"""What can be judged: estimators on the exchanges of a world, or the whole daemon in it.

An estimator answers for an instant ahead by all that it knows; of the daemon, what a
reader would make of the frame that is published, a straight line. 0 s ahead, that is
the frame at the instant of its publication.
"""

_NORMAL_99, _NORMAL_999 = 2.5758293035489, 3.2905267314919
_OUTLOOK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is computed; plain values, so that it can be sent anywhere."""

    scenario: Scenario
    seed: int
    subject: str
    """One of `SUBJECTS`."""
    length_s: float
    horizons_s: tuple[float, ...]
    targets: int
    """Instants that are asked for at each horizon, at most."""

    @property
    def name(self) -> str:
        """Name it for people."""
        return f"{self.scenario.name}, seed {self.seed}, {self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a cell."""

    scenario: str
    seed: int
    subject: str
    made_with: str
    """From `chronotick.eval.accuracy.made_with`, of the process that computed it."""
    foretold: tuple[Foretold, ...]
    """Per horizon. Of the daemon: what it claimed and could know."""
    hard_violations: int = 0
    """Of the daemon's intervals, at any age and instant; see `summarize`."""
    hard_checked: int = 0


def is_possible(scenario: Scenario, subject: str) -> bool:
    """Say whether `subject` can be judged in `scenario`."""
    return subject.partition(":")[0] == DAEMON or can_be_replayed(scenario)


def compute(cell: Cell) -> Outcome:
    """Return what comes of `cell`.

    Raises:
        ChronotickError: the world cannot be built, or nothing was ever measured.
    """
    head, _, kind = cell.subject.partition(":")
    if head == DAEMON:
        return _daemon(cell, kind or "default")
    recording = recorded(cell.scenario, cell.seed, cell.length_s, cell.targets)
    servers = cell.scenario.server_names()
    subject = contender(cell.subject, servers, are_configured=True)
    return Outcome(
        scenario=cell.scenario.name,
        seed=cell.seed,
        subject=cell.subject,
        made_with=made_with(),
        foretold=replay(recording, subject, cell.horizons_s),
    )


def _daemon(cell: Cell, kind: str) -> Outcome:
    every_s = max(_OUTLOOK_EVERY_S, cell.length_s / cell.targets)
    plan = Plan(
        seed=cell.seed,
        daemon=kind,
        length_s=cell.length_s,
        # Now is not ahead: that is what is published, at the instant when it is.
        horizons_s=tuple(h for h in cell.horizons_s if h > 0.0),
        outlook_every_s=every_s,
        keep_every_s=every_s if 0.0 in cell.horizons_s else cell.length_s,
    )
    recorder = run(cell.scenario, plan).recorder
    told: dict[float, list[_Told]] = {h: [] for h in cell.horizons_s}
    if 0.0 in told:
        told[0.0] += recorder.publications
    for each in recorder.outlooks:
        told[each.horizon_s].append(each)
    return Outcome(
        scenario=cell.scenario.name,
        seed=cell.seed,
        subject=cell.subject,
        made_with=made_with(),
        foretold=tuple(_foretold(cell.scenario, h, rows) for h, rows in told.items()),
        hard_violations=sum(
            not is_unknowable(cell.scenario, v.true_s - v.age_s, v.true_s)
            for v in recorder.violations
        ),
        hard_checked=recorder.judgements,
    )


def _foretold(scenario: Scenario, horizon_s: float, told: Sequence[_Told]) -> Foretold:
    known = [
        each
        for each in told
        if each.status is not Status.UNKNOWN
        and not is_unknowable(scenario, each.true_s - horizon_s, each.true_s)
    ]
    half_widths = np.array(
        [
            (
                each.bound_ns,
                _or_nan(each.calibrated_99_ns),
                _or_nan(each.calibrated_999_ns),
                _NORMAL_99 * each.sigma_ns,
                _NORMAL_999 * each.sigma_ns,
            )
            for each in known
        ],
        np.float64,
    ).reshape(len(known), len(BOUNDS))
    return Foretold(
        horizon_s=horizon_s,
        t_s=np.array([each.true_s for each in known], np.float64),
        error_ns=np.array([each.error_ns for each in known], np.float64),
        half_width_ns={name: half_widths[:, k] for k, name in enumerate(BOUNDS)},
        slack_ns=np.zeros(len(known)),
        hard_slack_ns=np.zeros(len(known)),
    )


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
