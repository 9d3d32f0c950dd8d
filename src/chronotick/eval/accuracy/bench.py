"""The bench: scenarios × seeds × estimators, spread over processes or a cluster.

Decides which cells there are and who computes them. A cell is
`chronotick.eval.accuracy.bench_cells`', its numbers are pooled by `chronotick.eval.accuracy.bench_scores`,
the pages written by `chronotick.eval.accuracy.bench_report`. The numbers depend on the cells
alone, not on who computed them, nor in which order, nor on which were done before
(`chronotick.eval.accuracy.bench_kept`).
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from chronotick.core.errors import ChronotickError
from chronotick.eval.accuracy.bench_cells import Cell, Outcome, compute, is_possible
from chronotick.eval.accuracy.bench_scores import judge
from chronotick.eval.accuracy.made_with import made_with
from chronotick.eval.children import end_with_us, starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chronotick.eval.accuracy.bench_kept import KeptCells
    from chronotick.eval.accuracy.bench_scores import BenchSettings, Document

__all__ = ["MadeElsewhere", "Mapper", "cells", "locally", "on_cluster", "perform"]

CLUSTER_LIMIT_S = 7 * 86_400.0
"""A bench that takes a cluster longer than a week has hung."""


class MadeElsewhere(ChronotickError):
    """A cell was computed with other code or versions than are here."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(
            f"{outcome.scenario}, seed {outcome.seed}, {outcome.subject} was computed "
            f"with {outcome.made_with}, and here is {made_with()}: install the same "
            "on all hosts"
        )


class Mapper(Protocol):
    """Whoever computes cells: `locally`, or a cluster."""

    def __call__(
        self, function: Callable[[Cell], Outcome], worlds: Sequence[Sequence[Cell]], /
    ) -> Iterator[Outcome]:
        """Yield what `function` makes of each cell as it is done, in any order.

        Cells of one world share what is measured in it.
        """
        ...


def cells(settings: BenchSettings) -> list[Cell]:
    """Return all cells; those of one world stand together.

    Left out is what is not possible: see `is_possible`.
    """
    return [
        Cell(
            scenario=scenario,
            seed=seed,
            subject=subject,
            length_s=settings.length_s(scenario),
            horizons_s=settings.horizons_s,
            targets=settings.targets,
        )
        for scenario in settings.scenarios
        for seed in settings.seeds
        for subject in settings.subjects
        if is_possible(scenario, subject)
    ]


def locally(jobs: int) -> Mapper:
    """Return a mapper over processes of this machine, a world at a time.

    Args:
        jobs: How many processes; 1: none but this one.
    """

    def here(
        function: Callable[[Cell], Outcome], worlds: Sequence[Sequence[Cell]], /
    ) -> Iterator[Outcome]:
        if jobs == 1:
            for world in worlds:
                yield from map(function, world)
            return
        # A fork would copy whatever threads this process has; the cells need nothing.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, context, end_with_us)
        try:
            with starting():
                parts = [pool.submit(_all_of, function, world) for world in worlds]
            for part in as_completed(parts):
                yield from part.result()
        finally:
            # `pool.map` gives up what is left by itself, and while the processes end,
            # the pool's thread is still at it: an error of its own (Python 3.11).
            pool.shutdown(cancel_futures=True)

    return here


def _all_of(
    function: Callable[[Cell], Outcome], cells: Sequence[Cell]
) -> list[Outcome]:
    return [function(cell) for cell in cells]


def on_cluster(scheduler: str, limit_s: float = CLUSTER_LIMIT_S) -> Mapper:
    """Return a mapper over the workers of a Dask cluster that runs already.

    Raises:
        ModuleNotFoundError: the extra `dask` is not installed.
    """
    from chronotick.eval.cluster import Cluster  # noqa: PLC0415 - an extra

    def there(
        function: Callable[[Cell], Outcome], worlds: Sequence[Sequence[Cell]], /
    ) -> Iterator[Outcome]:
        with Cluster(scheduler) as cluster:
            cluster.get_ready()
            named = {cell.name: (cell,) for world in worlds for cell in world}
            for _, outcome in cluster.map(function, named, limit_s=limit_s):
                yield outcome

    return there


def perform(
    settings: BenchSettings,
    mapper: Mapper,
    tell: Callable[[float, float], object] = lambda _done, _all: None,
    kept: KeptCells | None = None,
) -> Document:
    """Compute all cells and return their scores.

    Args:
        settings: What is asked.
        mapper: Who computes.
        tell: Called with the number of cells that are done, and of all.
        kept: What was done before is taken from there, and each cell that is done is
            kept there at once.

    Raises:
        MadeElsewhere: whoever computed a cell has other code or versions.
    """
    wanted = {
        (cell.scenario.name, cell.seed, cell.subject): cell for cell in cells(settings)
    }
    done = dict(kept.found) if kept is not None else {}
    if done:
        tell(float(len(done)), float(len(wanted)))
    missing = [cell for cell in wanted.values() if cell not in done]
    worlds = [
        list(world)
        for _, world in groupby(missing, lambda cell: (cell.scenario.name, cell.seed))
    ]
    # A mapper would start processes, or call a cluster, for nothing.
    for outcome in mapper(compute, worlds) if worlds else ():
        if outcome.made_with != made_with():
            raise MadeElsewhere(outcome)
        cell = wanted[outcome.scenario, outcome.seed, outcome.subject]
        done[cell] = outcome
        if kept is not None:
            kept.keep(cell, outcome)
        tell(float(len(done)), float(len(wanted)))
    return judge([done[cell] for cell in wanted.values()], settings)
