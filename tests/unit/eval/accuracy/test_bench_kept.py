"""Cells that are kept: nothing is lost, nothing is mixed, nothing changes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

import chronotick
from chronotick.eval.accuracy import bench_cells, bench_kept, made_with
from chronotick.eval.accuracy.bench import MadeElsewhere, cells, locally, perform
from chronotick.eval.accuracy.bench_cells import compute
from chronotick.eval.accuracy.bench_kept import CellNotKept, KeptCells
from chronotick.eval.accuracy.bench_scores import BenchSettings
from chronotick.sim.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from chronotick.eval.accuracy.bench_cells import Cell, Outcome

SMALL = BenchSettings(
    scenarios=(load_scenario("lan"),),
    seeds=(1, 2),
    subjects=("hold", "daemon:hold"),
    baseline="hold",
    horizons_s=(60.0, 300.0),
    hours=0.5,
    targets=8,
)


class Interrupted:
    """A mapper that computes backwards, and is interrupted after some cells."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.computed: list[str] = []

    def __call__(
        self, function: Callable[[Cell], Outcome], worlds: Sequence[Sequence[Cell]]
    ) -> Iterator[Outcome]:
        """Yield what comes of each cell, last one first."""
        for cell in [cell for world in worlds for cell in world][::-1]:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.computed.append(cell.name)
            yield function(cell)


def bench(folder: Path, mapper: Interrupted, settings: BenchSettings = SMALL) -> str:
    """Run a bench on what is in `folder`; return its document as text."""
    kept = KeptCells(folder, cells(settings))
    return json.dumps(perform(settings, mapper, kept=kept))


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_bench_goes_on_to_the_same_numbers(
    after: int, tmp_path: Path
) -> None:
    """To the last digit, whatever was done before, and nothing is computed twice."""
    first, second, third = Interrupted(after), Interrupted(99), Interrupted(99)
    with pytest.raises(KeyboardInterrupt):
        bench(tmp_path / "cells", first)

    resumed = bench(tmp_path / "cells", second)

    assert resumed == json.dumps(perform(SMALL, locally(1)))
    assert len(first.computed) == after
    assert sorted(first.computed + second.computed) == sorted(
        cell.name for cell in cells(SMALL)
    )
    assert bench(tmp_path / "cells", third) == resumed
    assert third.computed == []


def test_processes_go_on_where_one_ended(tmp_path: Path) -> None:
    """Half a world is left of the first, and another one whole."""
    with pytest.raises(KeyboardInterrupt):
        bench(tmp_path / "cells", Interrupted(1))
    kept = KeptCells(tmp_path / "cells", cells(SMALL))

    resumed = perform(SMALL, locally(2), kept=kept)

    assert json.dumps(resumed) == json.dumps(perform(SMALL, locally(1)))
    assert (kept.kept, kept.wanted, len(kept.found)) == (4, 4, 1)


def test_more_seeds_need_only_those(tmp_path: Path) -> None:
    """A cell is the same cell in a larger bench."""
    bench(tmp_path / "cells", Interrupted(99), replace(SMALL, seeds=(1,)))

    second = Interrupted(99)
    bench(tmp_path / "cells", second)

    assert all("seed 2" in name for name in second.computed)
    assert len(second.computed) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"hours": 0.6},
        {"targets": 9},
        {"horizons_s": (60.0,)},
        {"scenarios": (load_scenario("internet"),)},
    ],
    ids=str,
)
def test_a_cell_of_other_parameters_is_not_used_and_not_lost(
    change: dict[str, object], tmp_path: Path
) -> None:
    """It is counted, if it has the same name; and it is still there for who asks."""
    bench(tmp_path / "cells", Interrupted(99))
    other = replace(SMALL, seeds=(1,), **change)  # type: ignore[arg-type]

    kept = KeptCells(tmp_path / "cells", cells(other))

    assert kept.found == {}
    assert kept.other == (0 if "scenarios" in change else 2)
    bench(tmp_path / "cells", Interrupted(99), other)
    assert len(KeptCells(tmp_path / "cells", cells(SMALL)).found) == 4


def test_a_cell_of_another_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of the same version and other code."""
    bench(tmp_path / "cells", Interrupted(99))

    monkeypatch.setattr(bench_kept, "made_with", lambda: "chronotick 0.0.9")
    kept = KeptCells(tmp_path / "cells", cells(SMALL))

    assert (kept.found, kept.other) == ({}, 4)


def test_another_cell_s_file_under_its_name_is_not_believed(tmp_path: Path) -> None:
    """What a file is of stands in it."""
    bench(tmp_path / "cells", Interrupted(99))
    first, *others = sorted((tmp_path / "cells").iterdir())
    for other in others:
        other.write_bytes(first.read_bytes())

    kept = KeptCells(tmp_path / "cells", cells(SMALL))

    assert (len(kept.found), kept.damaged) == (1, 3)


def test_a_damaged_cell_is_computed_anew(tmp_path: Path) -> None:
    """Cut off anywhere, or with any octet changed: never another number."""
    small = replace(SMALL, seeds=(1,), subjects=("hold",))
    whole = bench(tmp_path / "cells", Interrupted(99), small)
    (file,) = (tmp_path / "cells").iterdir()
    good, dice = file.read_bytes(), random.Random(1)
    for _ in range(200):
        bad = bytearray(good)
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        for octets in (bad, good[: dice.randrange(len(good))]):
            file.write_bytes(octets)
            kept = KeptCells(tmp_path / "cells", cells(small))
            assert (kept.found, kept.damaged) == ({}, 1)

    again = Interrupted(99)
    assert bench(tmp_path / "cells", again, small) == whole
    assert len(again.computed) == 1


class Planted:
    """Would make a folder if it were unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return what unpickling calls."""
        return os.mkdir, (str(self.trap),)


@pytest.mark.parametrize("kind", ["pickle", "object", "array", "empty", "lean"])
def test_a_planted_cell_runs_nothing_and_is_computed_anew(
    kind: str, tmp_path: Path
) -> None:
    """Its digest may be right: anyone can compute one."""
    small = replace(SMALL, seeds=(1,), subjects=("hold",))
    whole = bench(tmp_path / "cells", Interrupted(99), small)
    (file,) = (tmp_path / "cells").iterdir()
    with np.load(io.BytesIO(file.read_bytes()[32:])) as arrays:
        identity = arrays["identity"]
    trap, planted = tmp_path / "trap", io.BytesIO()
    match kind:
        case "pickle":
            pickle.dump(Planted(trap), planted)
        case "object":
            evil = np.array([Planted(trap)], object)
            np.savez(planted, allow_pickle=True, identity=identity, rows0=evil)
        case "array":
            np.save(planted, identity)
        case "empty":
            np.savez(planted)
        case _:
            np.savez(planted, identity=identity, hard=np.zeros(2), horizons_s=[60.0])
    octets = planted.getvalue()
    file.write_bytes(hashlib.sha256(octets).digest() + octets)

    kept = KeptCells(tmp_path / "cells", cells(small))

    assert (kept.found, kept.damaged) == ({}, 1)
    assert not trap.exists()
    assert bench(tmp_path / "cells", Interrupted(99), small) == whole


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    """With the folder's name, and what to do."""
    (tmp_path / "cells").write_text("a file")
    (cell, *_) = cells(SMALL)

    with pytest.raises(CellNotKept, match=r"cells: .*; choose another folder with"):
        KeptCells(tmp_path / "cells", [cell]).keep(cell, compute(cell))


def test_what_other_code_computed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker elsewhere may have another numpy; its numbers are not mixed in."""
    monkeypatch.setattr(
        bench_cells, "made_with", lambda: "chronotick 0.1.0, numpy 1.26"
    )

    with pytest.raises(
        MadeElsewhere, match=r"^lan, seed 2, daemon:hold was computed with .*1\.26, and"
    ):
        bench(tmp_path / "cells", Interrupted(99))
    assert not (tmp_path / "cells").exists()


def test_the_code_is_part_of_what_numbers_are_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text and its names; a checkout's version stays the same for months."""
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    said = []
    for change in (
        partial((package / "room" / "a.py").write_text, "x = 1"),
        partial((package / "room" / "a.py").write_text, "x = 2"),
        partial((package / "room" / "a.py").rename, package / "b.py"),
        partial((package / "weights.npz").write_bytes, b"1"),
        partial((package / "notes.txt").write_text, "not code"),
    ):
        change()
        with monkeypatch.context() as patched:
            patched.setattr(chronotick, "__path__", [str(package)])
            made_with.made_with.cache_clear()
            said.append(made_with.made_with())
    made_with.made_with.cache_clear()

    assert len(set(said)) == 4
    assert said[-1] == said[-2]
