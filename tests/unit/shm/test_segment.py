"""Finding, mapping and checking the file: one named error for each situation."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from chronotick.core.errors import (
    NoDaemon,
    SegmentCorrupt,
    SegmentUnreadable,
    SegmentVersionMismatch,
)
from chronotick.shm.layout import HEADER_AT, SEGMENT_SIZE, State
from chronotick.shm.segment import (
    attach,
    map_device,
    scratch_directory,
    segment_path,
)
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import make_frame


@pytest.fixture
def image(path: str) -> bytearray:
    """Return the bytes of a good segment; nothing lies at `path` yet."""
    other = path + ".good"
    with SegmentWriter(other) as writer:
        writer.publish(make_frame())
    return bytearray(Path(other).read_bytes())


def test_a_given_path_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument comes before the environment."""
    monkeypatch.setenv("CHRONOTICK_SEGMENT", "/b")

    assert segment_path(Path("/a")) == "/a"


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """$CHRONOTICK_SEGMENT is used where no path is given."""
    monkeypatch.setenv("CHRONOTICK_SEGMENT", "/b")

    assert segment_path() == "/b"


@pytest.mark.parametrize(
    ("there", "expected"),
    [(True, "/dev/shm/chronotick_shm"), (False, "/tmp/chronotick_shm")],  # noqa: S108
)
def test_the_default_lies_in_dev_shm_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    """Elsewhere it lies in /tmp, never in a directory that differs by user."""
    monkeypatch.delenv("CHRONOTICK_SEGMENT", raising=False)
    monkeypatch.setattr(os.path, "isdir", lambda _: there)

    assert segment_path() == expected


def test_no_file_means_no_daemon(path: str) -> None:
    """The error names the path and says what to start."""
    with pytest.raises(NoDaemon, match=re.escape(path) + r".*chronotick daemon"):
        attach(path)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 192, 300, 4095])
def test_a_truncated_file_is_corrupt(path: str, image: bytearray, size: int) -> None:
    """It is found by its size, before a byte of it is touched."""
    Path(path).write_bytes(image[:size])

    with pytest.raises(SegmentCorrupt, match=f"{size} bytes where 4096 are needed"):
        attach(path)


@pytest.mark.parametrize(
    "content", [bytes(SEGMENT_SIZE), os.urandom(SEGMENT_SIZE)], ids=["zero", "garbage"]
)
def test_a_file_without_our_magic_is_corrupt(path: str, content: bytes) -> None:
    """All zero or garbage: it is no segment."""
    Path(path).write_bytes(content)

    with pytest.raises(SegmentCorrupt, match="no magic number"):
        attach(path)


@pytest.mark.parametrize(
    ("version", "version_min", "readable"),
    [(1, 1, True), (2, 1, True), (2, 2, False), (9, 3, False), (0, 0, False)],
)
def test_only_layouts_that_include_ours_are_read(
    path: str, image: bytearray, version: int, version_min: int, readable: bool
) -> None:
    """A newer layout may declare that readers of this one can go on."""
    image[HEADER_AT + 8 : HEADER_AT + 10] = version.to_bytes(2, "little")
    image[HEADER_AT + 10 : HEADER_AT + 12] = version_min.to_bytes(2, "little")
    Path(path).write_bytes(image)

    if readable:
        assert attach(path).path == path
        return
    with pytest.raises(SegmentVersionMismatch, match=f"layout version {version}"):
        attach(path)


def test_an_impossible_size_in_the_header_is_corrupt(
    path: str, image: bytearray
) -> None:
    """The header's own size must be that of the layout."""
    image[HEADER_AT + 12 : HEADER_AT + 16] = (8192).to_bytes(4, "little")
    Path(path).write_bytes(image)

    with pytest.raises(SegmentCorrupt, match="8192 bytes"):
        attach(path)


@pytest.mark.parametrize("state", [State.BLANK, State.RETIRED])
def test_a_file_that_is_about_to_be_replaced_has_no_daemon(
    path: str, image: bytearray, state: int
) -> None:
    """Whoever retired it has not put the new one there yet, or was killed before."""
    image[HEADER_AT + 44] = state
    Path(path).write_bytes(image)

    with pytest.raises(NoDaemon):
        attach(path)


def test_a_directory_is_corrupt(tmp_path: Path) -> None:
    """A path that names something else than a file is said to."""
    with pytest.raises(SegmentCorrupt, match="not a regular file"):
        attach(str(tmp_path))


def test_a_fifo_is_corrupt_and_does_not_block(path: str) -> None:
    """Opening it for reading must not wait for a writer."""
    os.mkfifo(path)

    with pytest.raises(SegmentCorrupt, match="not a regular file"):
        attach(path)


def test_a_path_through_a_file_is_unreadable(path: str, image: bytearray) -> None:
    """The system's reason is in the message."""
    Path(path).write_bytes(image)

    with pytest.raises(
        SegmentUnreadable, match=r"\(Not a directory\): name the daemon"
    ):
        attach(path + "/segment")


def test_readers_follow_a_symbolic_link(path: str, image: bytearray) -> None:
    """Mounts and configuration tools put links where files are expected."""
    Path(path + ".real").write_bytes(image)
    Path(path).symlink_to(path + ".real")

    assert attach(path).is_current()


def test_a_reader_cannot_write(writer: SegmentWriter) -> None:
    """The mapping is read-only, by the kernel's word and by Python's."""
    mapping = attach(writer.path)

    with pytest.raises(TypeError, match="read-only"):
        mapping.words[0] = 1


def test_a_replaced_or_removed_file_is_not_current(writer: SegmentWriter) -> None:
    """The mapping lives on, and says that the path names another file."""
    mapping = attach(writer.path)
    assert mapping.is_current()

    Path(writer.path).rename(writer.path + ".old")
    assert not mapping.is_current()

    Path(writer.path).write_bytes(Path(writer.path + ".old").read_bytes())
    assert not mapping.is_current()


def test_a_missing_device_is_none(path: str) -> None:
    """Most machines have no vmclock, which is no error."""
    assert map_device(path, 4096) is None


def test_a_device_that_cannot_be_mapped_is_none(path: str) -> None:
    """Nor is one that refuses."""
    Path(path).write_bytes(b"short")

    assert map_device(path, 4096) is None


def test_memory_that_cannot_be_written_is_no_place_for_a_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container may have a /dev/shm that is read-only: the usual folder serves."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert scratch_directory() is None


@pytest.mark.parametrize(
    ("blocks", "free", "is_place"), [(16, 0, False), (16, 15, False), (0, 0, True)]
)
def test_memory_that_is_full_is_no_place_for_a_folder(
    monkeypatch: pytest.MonkeyPatch, blocks: int, free: int, is_place: bool
) -> None:
    """Nothing could be written there; without a limit it never is."""
    space = SimpleNamespace(f_blocks=blocks, f_bavail=free, f_frsize=4096)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(os, "statvfs", lambda _: space)

    assert scratch_directory() == ("/dev/shm" if is_place else None)  # noqa: S108 - the documented place
