"""Cells that are done, kept in a folder: a bench goes on where another one ended.

Decides what a cell on disk is called and when it is believed: only what the same code
and versions made of the same description. What else lies there is counted and left
alone, for it may be hours of somebody's work.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.errors import ChronotickError
from chronotick.eval.accuracy.backtest import BOUNDS, Foretold
from chronotick.eval.accuracy.bench_cells import Outcome
from chronotick.eval.accuracy.made_with import made_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chronotick.eval.accuracy.bench_cells import Cell

    _Arrays = dict[str, NDArray[np.generic]]

__all__ = ["CellNotKept", "KeptCells"]

_ENDING = ".cell"
_DIGEST_OCTETS = 32
_LONGEST_NAME = 60
# What numpy makes of octets that we did not write, though their digest is right.
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class CellNotKept(ChronotickError):
    """A cell that is done could not be written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        why = error.strerror or error
        super().__init__(
            f"cannot write to {folder}: {why}; choose another folder with --out"
        )


class KeptCells:
    """The cells of one bench in a folder, a file each.

    Args:
        folder: Where; it is made when the first cell is kept.
        wanted: The cells of the bench.
    """

    def __init__(self, folder: Path, wanted: Sequence[Cell]) -> None:
        self.folder = folder
        self.wanted = len(wanted)
        """How many cells the bench has."""
        self.found: dict[Cell, Outcome] = {}
        """Those that were done before."""
        self.other = 0
        """How many more lie there with other parameters, or made with something else."""
        self.damaged = 0
        """How many are there and cannot be read."""
        self.kept = 0
        """How many are in the folder by now."""
        names = {path.name for path in folder.glob(f"*{_ENDING}")}
        slots = {name.rpartition("-")[0] for name in names}
        for cell in wanted:
            if _name(cell) in names:
                self._read(cell)
            elif _slot(cell) in slots:
                self.other += 1

    def keep(self, cell: Cell, outcome: Outcome) -> None:
        """Write what came of `cell`: whole, or not at all.

        Raises:
            CellNotKept: it cannot be written.
        """
        path = self.folder / _name(cell)
        # Two benches may be at the same cell; each has its own until it is done.
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(exist_ok=True)
            unfinished.write_bytes(_packed(_arrays(cell, outcome)))
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise CellNotKept(self.folder, error) from error
        self.kept += 1

    def _read(self, cell: Cell) -> None:
        try:
            arrays = _unpacked((self.folder / _name(cell)).read_bytes())
            is_ours = str(arrays["identity"]) == _identity(cell)
            found = _outcome(cell, arrays) if is_ours else None
        except _UNREADABLE:
            found = None
        if found is None:
            self.damaged += 1
            return
        self.found[cell] = found
        self.kept += 1


def _identity(cell: Cell) -> str:
    return f"{cell!r} made with {made_with()}"


def _slot(cell: Cell) -> str:
    """Name a cell for people, whatever its parameters."""
    name = f"{cell.scenario.name[:_LONGEST_NAME]}.{cell.seed}.{cell.subject}"
    return re.sub(r"[^\w.]", "_", name, flags=re.ASCII)


def _name(cell: Cell) -> str:
    digest = hashlib.sha256(_identity(cell).encode()).hexdigest()
    return f"{_slot(cell)}-{digest[:20]}{_ENDING}"


def _packed(arrays: _Arrays) -> bytes:
    """Return a digest and what it is of: where an octet changed, all is doubtful."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def _unpacked(octets: bytes) -> _Arrays:
    digest, packed = octets[:_DIGEST_OCTETS], octets[_DIGEST_OCTETS:]
    if hashlib.sha256(packed).digest() != digest:
        raise ValueError("cut off, or an octet changed")
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _arrays(cell: Cell, outcome: Outcome) -> _Arrays:
    counts = [outcome.hard_violations, outcome.hard_checked]
    return {
        "identity": np.array(_identity(cell)),
        "hard": np.array(counts, np.int64),
        "horizons_s": np.array([each.horizon_s for each in outcome.foretold]),
        **{f"rows{k}": _rows(each) for k, each in enumerate(outcome.foretold)},
    }


def _rows(each: Foretold) -> NDArray[np.float64]:
    widths = [each.half_width_ns[name] for name in BOUNDS]
    slacks = [each.slack_ns, each.hard_slack_ns]
    return np.array([each.t_s, each.error_ns, *slacks, *widths], np.float64)


def _outcome(cell: Cell, arrays: _Arrays) -> Outcome:
    violations, checked = arrays["hard"].tolist()
    return Outcome(
        scenario=cell.scenario.name,
        seed=cell.seed,
        subject=cell.subject,
        made_with=made_with(),
        foretold=tuple(
            _foretold(float(horizon_s), arrays[f"rows{k}"])
            for k, horizon_s in enumerate(arrays["horizons_s"].tolist())
        ),
        hard_violations=violations,
        hard_checked=checked,
    )


def _foretold(horizon_s: float, rows: NDArray[np.generic]) -> Foretold:
    t_s, error_ns, slack_ns, hard_slack_ns, *widths = rows.astype(np.float64)
    return Foretold(
        horizon_s=horizon_s,
        t_s=t_s,
        error_ns=error_ns,
        half_width_ns=dict(zip(BOUNDS, widths, strict=True)),
        slack_ns=slack_ns,
        hard_slack_ns=hard_slack_ns,
    )
