"""A recording is readable at every moment, and never invents a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.eval.streaming.columns import WORKER_COLUMNS
from chronotick.eval.streaming.recorder import Recorder, UnwritableRecording
from chronotick.eval.streaming.tables import NULL, read_run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_row_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """A node that is killed loses only what was still open."""
    with Recorder(tmp_path / "new" / "worker_a.csv", WORKER_COLUMNS) as recorder:
        recorder.write({"event_id": 3, "node_id": "a", "receive_time_ns": None})
        run = read_run(tmp_path / "new")

        assert list(run.workers.ints["event_id"]) == [3]
        assert list(run.workers.ints["receive_time_ns"]) == [NULL]
        assert recorder.rows == 1


def test_an_unknown_column_is_a_bug(tmp_path: Path) -> None:
    """It would be lost silently otherwise."""
    with (
        Recorder(tmp_path / "worker_a.csv", WORKER_COLUMNS) as recorder,
        pytest.raises(ValueError, match="ct_ofset_ms"),
    ):
        recorder.write({"event_id": 3, "ct_ofset_ms": 1.0})


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    """Before any event is sent."""
    (tmp_path / "file").write_text("")

    with pytest.raises(UnwritableRecording, match=r"cannot write .*file/worker.csv"):
        Recorder(tmp_path / "file" / "worker.csv", WORKER_COLUMNS)
