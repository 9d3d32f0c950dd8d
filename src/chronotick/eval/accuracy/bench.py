"""The bench: scenarios × seeds × estimators, spread over processes or a cluster.

Decides which cells there are and who computes them. A cell is
`chronotick.eval.accuracy.bench_cells`', its numbers are pooled by `chronotick.eval.accuracy.bench_scores`,
the pages written by `chronotick.eval.accuracy.bench_report`. The numbers depend on the cells
alone, not on who computed them, nor in which order.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Protocol

from chronotick.eval.accuracy.bench_cells import Cell, Outcome, compute, is_possible
from chronotick.eval.accuracy.bench_scores import judge
from chronotick.eval.children import end_with_us, starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chronotick.eval.accuracy.bench_scores import BenchSettings, Document

__all__ = ["Mapper", "cells", "locally", "on_cluster", "perform"]

CLUSTER_LIMIT_S = 7 * 86_400.0
"""A bench that takes a cluster longer than a week has hung."""


class Mapper(Protocol):
    """Whoever computes cells: `locally`, or a cluster."""

    def __call__(
        self, function: Callable[[Cell], Outcome], cells: Sequence[Cell], /
    ) -> Iterator[Outcome]:
        """Yield what `function` makes of each cell, in their order."""
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


def locally(jobs: int, together: int = 1) -> Mapper:
    """Return a mapper over processes of this machine.

    Args:
        jobs: How many processes; 1: none but this one.
        together: How many cells in a row a process takes at once: those of one world
            share what is measured in it.
    """

    def here(
        function: Callable[[Cell], Outcome], cells: Sequence[Cell], /
    ) -> Iterator[Outcome]:
        if jobs == 1:
            yield from map(function, cells)
            return
        # A fork would copy whatever threads this process has; the cells need nothing.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, context, end_with_us)
        try:
            with starting():
                parts = [
                    pool.submit(_all_of, function, cells[begin : begin + together])
                    for begin in range(0, len(cells), together)
                ]
            for part in parts:
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
        function: Callable[[Cell], Outcome], cells: Sequence[Cell], /
    ) -> Iterator[Outcome]:
        with Cluster(scheduler) as cluster:
            cluster.get_ready()
            named = {cell.name: (cell,) for cell in cells}
            for _, outcome in cluster.map(function, named, limit_s=limit_s):
                yield outcome

    return there


def perform(
    settings: BenchSettings,
    mapper: Mapper,
    tell: Callable[[float, float], object] = lambda _done, _all: None,
) -> Document:
    """Compute all cells and return their scores.

    Args:
        settings: What is asked.
        mapper: Who computes.
        tell: Called with the number of cells that are done, and of all.
    """
    wanted = cells(settings)
    outcomes: list[Outcome] = []
    for outcome in mapper(compute, wanted):
        outcomes.append(outcome)
        tell(float(len(outcomes)), float(len(wanted)))
    return judge(outcomes, settings)
