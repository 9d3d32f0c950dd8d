"""One writer; files used as they are or replaced whole; nothing planted is followed."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.core.errors import SegmentCorrupt, SegmentLocked, SegmentUnwritable
from chronotick.shm.layout import HEADER_AT, SEGMENT_SIZE, State
from chronotick.shm.ownership import acquire
from chronotick.shm.segment import attach
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import make_frame

if TYPE_CHECKING:
    from collections.abc import Callable

_STATE_AT = HEADER_AT + 44


def test_a_second_writer_is_refused_and_told_the_first_ones_pid(
    writer: SegmentWriter,
) -> None:
    """The message says who publishes and what to do."""
    with pytest.raises(SegmentLocked, match=f"process {os.getpid()} is already") as got:
        SegmentWriter(writer.path)

    assert got.value.pid == os.getpid()


def test_an_owner_that_has_not_written_its_pid_is_another_process(
    writer: SegmentWriter,
) -> None:
    """Between its lock and its segment there is a moment without a name."""
    Path(writer.path + ".lock").write_bytes(b"")
    Path(writer.path).unlink()

    with pytest.raises(SegmentLocked, match="another process is already") as got:
        SegmentWriter(writer.path)

    assert got.value.pid is None


def test_a_closed_writer_lets_the_next_one_in(path: str) -> None:
    """Closing twice is as good as once; the file stays."""
    first = SegmentWriter(path)
    first.close()
    first.close()

    with SegmentWriter(path) as second:
        assert second.start_id != first.start_id
    assert Path(path).stat().st_size == SEGMENT_SIZE


def test_a_lock_whose_file_was_removed_is_taken_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a name that is gone protects nothing, so it is not believed."""
    flock, calls = fcntl.flock, []

    def remove_first(fd: int, operation: int) -> None:
        flock(fd, operation)
        calls.append(fd)
        if len(calls) == 1:
            os.unlink(path + ".lock")

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with SegmentWriter(path):
        monkeypatch.undo()
        assert len(calls) == 2
        with pytest.raises(SegmentLocked):
            SegmentWriter(path)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_everybody_may_read_and_only_the_owner_write(path: str, umask: int) -> None:
    """The umask neither shuts readers out nor lets writers in."""
    before = os.umask(umask)
    try:
        with SegmentWriter(path):
            pass
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert stat.S_IMODE(os.stat(path + ".lock").st_mode) & 0o077 == 0


def test_the_mode_of_a_file_that_is_used_again_is_mended(path: str) -> None:
    """Also where somebody changed it in between."""
    SegmentWriter(path).close()
    os.chmod(path, 0o666)  # noqa: S103 - that is the situation
    SegmentWriter(path).close()

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_a_segment_of_this_layout_is_used_as_it_is(path: str) -> None:
    """Same inode, never truncated: mapped readers go on."""
    SegmentWriter(path).close()
    inode = os.stat(path).st_ino
    SegmentWriter(path).close()

    assert os.stat(path).st_ino == inode


@pytest.mark.parametrize("at", [8, 12], ids=["version", "size"])
def test_a_segment_of_another_layout_is_retired_and_replaced(
    path: str, at: int
) -> None:
    """Its readers see the word and open the path again; nobody sees half a file."""
    SegmentWriter(path).close()
    old = attach(path)
    with open(path, "r+b") as file:
        file.seek(HEADER_AT + at)
        file.write(b"\x07")
    SegmentWriter(path).close()

    assert not old.is_current()
    assert old.data[_STATE_AT] == State.RETIRED
    assert attach(path).data[_STATE_AT] == State.LIVE


@pytest.mark.parametrize("size", [0, 1, SEGMENT_SIZE])
def test_a_segment_that_was_never_written_is_replaced(path: str, size: int) -> None:
    """A daemon mends what it finds in its own place."""
    content = bytes(size)
    Path(path).write_bytes(content)

    with SegmentWriter(path) as writer:
        writer.publish(make_frame())
    assert attach(path).is_current()


def test_a_truncated_segment_is_replaced(path: str) -> None:
    """It has our magic, so it was ours."""
    SegmentWriter(path).close()
    os.truncate(path, 1000)
    SegmentWriter(path).close()

    assert os.stat(path).st_size == SEGMENT_SIZE


@pytest.mark.parametrize(
    "content",
    [b"precious", b"\xa5" * SEGMENT_SIZE, bytes(SEGMENT_SIZE + 1)],
    ids=["short", "as large as ours", "zeros"],
)
def test_a_file_that_is_no_segment_is_not_destroyed(path: str, content: bytes) -> None:
    """A slip in --segment must not cost somebody's data, whatever its size."""
    Path(path).write_bytes(content)

    with pytest.raises(SegmentUnwritable, match=f"other file of {len(content)} bytes"):
        SegmentWriter(path)
    assert Path(path).read_bytes() == content
    assert not Path(path + ".lock").exists()


def _spoil(path: str, at: int, data: bytes) -> None:
    """Overwrite part of a segment that has said something."""
    with SegmentWriter(path) as writer:
        writer.publish(make_frame())
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def _shorten(path: str, size: int) -> None:
    _spoil(path, 0, b"")
    os.truncate(path, size)


@pytest.mark.parametrize(
    ("damage", "is_in_the_way"),
    [
        (lambda path: _spoil(path, HEADER_AT, b"\xa5" * 8), True),
        (lambda path: _spoil(path, 0, os.urandom(SEGMENT_SIZE)), True),
        (lambda path: _shorten(path, HEADER_AT + 7), True),
        (lambda path: Path(path).write_bytes(b"data"), True),
        (lambda path: Path(path).write_bytes(b"data" * 2000), True),
        (lambda path: Path(path).write_bytes(bytes(SEGMENT_SIZE + 1)), True),
        (os.mkdir, True),
        (lambda path: Path(path).write_bytes(b""), False),
        (lambda path: Path(path).write_bytes(bytes(SEGMENT_SIZE)), False),
        (lambda path: _shorten(path, HEADER_AT + 8), False),
        (lambda path: _spoil(path, HEADER_AT + 12, b"\x00\x20"), False),
    ],
    ids=[
        "magic", "random", "head", "short", "long", "large", "directory",
        "empty", "zero", "truncated", "size",
    ],
)  # fmt: skip
def test_what_readers_tell_to_do_about_a_file_is_what_helps(
    path: str, damage: Callable[[str], None], is_in_the_way: bool
) -> None:
    """A daemon mends it, or refuses it for as long as it lies there, and says so."""
    damage(path)
    with pytest.raises(SegmentCorrupt) as told:
        attach(path)
    assert ("move it away" in str(told.value)) == is_in_the_way
    if is_in_the_way:
        with pytest.raises(SegmentUnwritable) as refused:
            SegmentWriter(path)
        if not os.path.isdir(path):
            assert "move it away, or choose another path" in str(refused.value)
        os.rename(path, path + ".aside")
    with SegmentWriter(path) as writer:
        writer.publish(make_frame())
        attach(path)


def test_what_cannot_be_a_segment_gets_no_lock(path: str) -> None:
    """A slip in --segment must not litter, least of all beside /dev/null."""
    Path(path).mkdir()

    with pytest.raises(SegmentUnwritable):
        SegmentWriter(path)
    assert not Path(path + ".lock").exists()


@pytest.mark.parametrize("name", ["", ".lock"])
def test_a_symbolic_link_is_refused(path: str, name: str) -> None:
    """In a world-writable directory a link may have been put there by anybody."""
    target = Path(path + ".target")
    target.write_text("precious")
    Path(path + name).symlink_to(target)

    with pytest.raises(SegmentUnwritable, match="symbolic link"):
        SegmentWriter(path)
    assert target.read_text() == "precious"


def test_a_file_with_a_second_name_is_refused(path: str) -> None:
    """Writing to it would write to the other name, too."""
    SegmentWriter(path).close()
    os.link(path, path + ".other")

    with pytest.raises(SegmentUnwritable, match="another name too"):
        SegmentWriter(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["", ".lock"])
def test_a_file_of_another_user_is_refused(path: str, name: str) -> None:
    """Its owner could write to it, or hold its lock, at any time."""
    SegmentWriter(path).close()
    os.chown(path + name, 65534, 65534)

    with pytest.raises(SegmentUnwritable, match="belongs to uid 65534"):
        SegmentWriter(path)


@pytest.mark.parametrize("name", ["", ".lock"])
def test_a_directory_at_the_name_is_refused(path: str, name: str) -> None:
    """With the system's reason."""
    os.mkdir(path + name)

    with pytest.raises(SegmentUnwritable, match="directory"):
        SegmentWriter(path)


def test_a_directory_that_does_not_exist_is_unwritable(tmp_path: Path) -> None:
    """The message says what to name instead."""
    with pytest.raises(SegmentUnwritable, match=r"No such file.*CHRONOTICK_SEGMENT"):
        SegmentWriter(tmp_path / "missing" / "segment")


def test_a_full_disk_is_unwritable_and_leaves_nothing_behind(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found while making the file, not by SIGBUS while publishing."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SegmentUnwritable, match="No space left"):
        SegmentWriter(path)
    monkeypatch.undo()

    assert [p.name for p in Path(path).parent.iterdir()] == ["segment.lock"]
    SegmentWriter(path).close()


def test_a_file_system_that_cannot_reserve_is_written_in_full(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every file system has fallocate; the image is written anyway."""

    def unsupported(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    SegmentWriter(path).close()

    assert os.stat(path).st_blocks * 512 >= SEGMENT_SIZE


def test_a_leftover_of_a_killed_process_with_our_pid_is_no_obstacle(path: str) -> None:
    """Pids come round again."""
    Path(f"{path}.{os.getpid()}").write_bytes(b"half")
    SegmentWriter(path).close()

    assert sorted(p.name for p in Path(path).parent.iterdir()) == [
        "segment",
        "segment.lock",
    ]


def test_an_error_while_mapping_frees_the_lock(path: str) -> None:
    """A refused writer leaves nothing locked."""
    Path(path).write_text("precious")
    with pytest.raises(SegmentUnwritable):
        acquire(path, bytes(SEGMENT_SIZE))
    os.unlink(path)

    SegmentWriter(path).close()
