"""`eval.streaming.launchers`: a file of a node comes whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chronotick.eval.streaming.launchers import LaunchFailed, LocalLauncher, SshLauncher

HALF = b"event_id,node_id\n1,a\n2,"


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Put an ssh first in PATH that sends half a recording, then does `end`."""
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\nprintf '{HALF.decode()}'\necho gone >&2\n{end}\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("end", "why"), [("exec sleep 60", "timed out"), ("exit 255", "gone")]
)
def test_half_a_file_over_ssh_is_none(
    end: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is too slow or broke: what came of the file would be judged."""
    fake_ssh(tmp_path, monkeypatch, end)
    target = tmp_path / "run" / "worker_a.csv"
    target.parent.mkdir()
    with pytest.raises(LaunchFailed, match=f"a: cannot fetch /there: .*{why}"):
        SshLauncher(tmp_path).fetch("a", "/there", target, 0.5)

    assert list(target.parent.iterdir()) == []


def test_a_whole_file_over_ssh_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else."""
    fake_ssh(tmp_path, monkeypatch, "exit 0")
    target = tmp_path / "run" / "worker_a.csv"
    target.parent.mkdir()
    SshLauncher(tmp_path).fetch("a", "/there", target, 30.0)

    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == HALF


def test_half_a_file_of_this_machine_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of it."""

    def fill_up(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:-1])
        raise OSError(errno.ENOSPC, "No space left on device")

    source, target = tmp_path / "there.csv", tmp_path / "run" / "worker_a.csv"
    source.write_bytes(HALF)
    target.parent.mkdir()
    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(LaunchFailed, match=r"a: cannot fetch .*No space left"):
        LocalLauncher(tmp_path).fetch("a", str(source), target, 30.0)

    assert list(target.parent.iterdir()) == []
