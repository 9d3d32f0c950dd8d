"""A recording is readable at every moment, and never invents a value."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from chronotick.eval.streaming.columns import WORKER_COLUMNS
from chronotick.eval.streaming.recorder import Recorder, UnwritableRecording
from chronotick.eval.streaming.tables import NULL, read_run, to_parquet

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


@pytest.mark.parametrize("is_replacing", [False, True])
def test_only_one_process_records_to_a_file(tmp_path: Path, is_replacing: bool) -> None:
    """Another one is refused even before the first event, and costs none."""
    path = tmp_path / "worker_a.csv"
    with Recorder(path, WORKER_COLUMNS) as recorder:
        with pytest.raises(
            UnwritableRecording, match="another process is recording to"
        ):
            Recorder(path, WORKER_COLUMNS, is_replacing=is_replacing)
        recorder.write({"event_id": 3, "node_id": "a"})

    assert list(read_run(tmp_path).workers.ints["event_id"]) == [3]


@pytest.mark.parametrize("text", ["event_id\n1\n", "Dear diary,", "\n"])
def test_what_is_in_a_file_is_not_written_over(tmp_path: Path, text: str) -> None:
    """Whatever it is; the line names the file and the way out."""
    path = tmp_path / "worker_a.csv"
    path.write_text(text)
    with pytest.raises(
        UnwritableRecording, match=r"worker_a.csv holds a recording .*: move it away"
    ):
        Recorder(path, WORKER_COLUMNS)

    assert path.read_text() == text


def test_a_recording_that_was_converted_is_not_removed(tmp_path: Path) -> None:
    """Only the Parquet file is left of it, which would be read in place of ours."""
    path = tmp_path / "worker_a.csv"
    with Recorder(path, WORKER_COLUMNS) as recorder:
        recorder.write({"event_id": 3, "node_id": "a"})
    to_parquet(path, WORKER_COLUMNS)
    path.unlink()

    with pytest.raises(
        UnwritableRecording, match=r"worker_a.parquet holds a recording"
    ):
        Recorder(path, WORKER_COLUMNS)
    assert list(read_run(tmp_path).workers.ints["event_id"]) == [3]


def test_a_file_without_events_is_used_again(tmp_path: Path) -> None:
    """That of a worker whose coordinator never came, or that was cut off at once."""
    path = tmp_path / "worker_a.csv"
    for text in (None, "", "event_id,no"):
        if text is not None:
            path.write_text(text)
        with Recorder(path, WORKER_COLUMNS):
            pass
        assert path.read_text().startswith("event_id,node_id,")
        assert path.read_text().count("\n") == 1


def test_a_file_system_without_locks_is_recorded_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's may have none; any other refusal is named."""
    path = tmp_path / "worker_a.csv"

    def refuse(number: int) -> None:
        def flock(descriptor: int, operation: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("chronotick.eval.streaming.recorder.fcntl.flock", flock)

    refuse(errno.ENOLCK)
    with Recorder(path, WORKER_COLUMNS) as recorder:
        recorder.write({"event_id": 3, "node_id": "a"})
    refuse(errno.EIO)
    with pytest.raises(UnwritableRecording, match="Input/output error"):
        Recorder(path, WORKER_COLUMNS)


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    """Before any event is sent."""
    (tmp_path / "file").write_text("")

    with pytest.raises(UnwritableRecording, match=r"cannot write .*file/worker.csv"):
        Recorder(tmp_path / "file" / "worker.csv", WORKER_COLUMNS)
