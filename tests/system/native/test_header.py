"""chronotick.h: compiles strictly, computes what the reference does, names errors."""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.client.view import HostReading, prepare, silent_from_ns
from chronotick.core.records import Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.__main__ import include_dir
from chronotick.shm.codec import decode_slot, encode_slot
from chronotick.shm.layout import HEADER_AT, SLOT, SLOT_SIZE, State
from chronotick.shm.printed import header_block, replace_block
from chronotick.shm.reader import Look
from chronotick.shm.writer import SegmentWriter
from system.native.compiling import STRICT, compiled, run
from system.shm.host_frames import frame_now, pair_now
from unit.shm.frames import frames, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chronotick.core.records import Frame


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


def _example() -> Path:
    return compiled("read_time.c", "-std=c11", *STRICT)


# ── in step with the table, and compiling everywhere ────────────────────────────────


def test_the_header_is_in_step_with_the_layout_table() -> None:
    """`python -m chronotick.shm --write FILE` changes nothing."""
    text = (Path(include_dir()) / "chronotick.h").read_text("utf-8")

    assert replace_block(text, header_block()) == text


@pytest.mark.parametrize("standard", ["c11", "gnu11", "c17"])
def test_it_compiles_strictly_as_c(standard: str) -> None:
    """Without a warning; the compiler proves every offset on the way."""
    assert compiled("read_time.c", f"-std={standard}", *STRICT).exists()


def test_it_compiles_strictly_as_cpp() -> None:
    """The same header, for C++ programs."""
    flags = ("-std=c++17", *STRICT, "-x", "c++")

    assert compiled("read_time.c", *flags, compiler="c++").exists()


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("-U__SIZEOF_INT128__", "need 128 bits"),
        ("-U__BYTE_ORDER__", "little-endian"),
    ],
)
def test_where_it_cannot_serve_it_says_so(lacks: str, said: str) -> None:
    """In a sentence, not by the type that is missing."""
    with pytest.raises(AssertionError, match=said):
        compiled("read_time.c", "-Wno-builtin-macro-redefined", lacks)


def test_the_example_in_its_first_comment_compiles_strictly(tmp_path: Path) -> None:
    """It is what people copy."""
    text = (Path(include_dir()) / "chronotick.h").read_text("utf-8")
    comment = text.partition("*/")[0].splitlines()
    example = [line[7:] for line in comment if line.startswith(" *     ")]
    source = tmp_path / "example.c"
    source.write_text(
        "\n".join(["#include <chronotick.h>", "int main(void) {", *example, "}"]) + "\n"
    )

    assert len(example) > 5
    assert compiled(str(source), "-std=c11", *STRICT).exists()


# ── the same arithmetic ─────────────────────────────────────────────────────────────


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(
        str(compiled("library.c", "-std=c11", "-shared", "-fPIC", *STRICT))
    )
    for name in ("midpoint", "half_width", "silent_from"):
        getattr(library, name).restype = ctypes.c_int64
    library.variance.restype = ctypes.c_double
    library.open_reader.restype = ctypes.c_void_p
    library.read_without_boot_id.restype = ctypes.c_char_p
    return library


class _Nowhere:
    words = (0,)


@given(
    frame=frames(),
    utc_ns=st.integers(0, 2**61),
    age_ns=st.integers(0, 2**50),
    growth_ppb=st.integers(0, 2**28 - 1),
    bound_ns=st.integers(0, 2**40),
)
@settings(max_examples=300, deadline=None)
def test_it_computes_what_the_reference_computes(
    frame: Frame, utc_ns: int, age_ns: int, growth_ppb: int, bound_ns: int
) -> None:
    """To the nanosecond, and the variance to the last bit."""
    raw_ns = frame.as_of_raw_ns % 2**55
    correction = frame.correction
    slot = encode_slot(
        make_frame(
            raw_ns=raw_ns,
            utc_ns=utc_ns,
            rate_ppb=correction.rate_ppb,
            variance=correction.variance,
            bound_ns=bound_ns,
            bound_growth_ppb=growth_ppb,
            frame={"void_after_raw_ns": 2**62, "heartbeat_ns": frame.heartbeat_ns},
        )
    )
    now_ns = raw_ns + age_ns
    snapshot = decode_slot(1, slot)
    look = Look(_Nowhere(), snapshot)  # type: ignore[arg-type]
    view = prepare("", look, HostReading(now_ns, 0, 0, 0), None)
    library, raw = _library(), ctypes.c_int64(now_ns)

    assert library.midpoint(slot, raw) == view.midpoint_ns(now_ns)
    assert library.half_width(slot, raw) == view.half_width_ns(now_ns)
    assert math.sqrt(library.variance(slot, raw)) == view.sigma_ns(now_ns)
    assert library.silent_from(slot) == silent_from_ns(snapshot)
    assert library.is_possible(slot) == 1


@st.composite
def _spoiled(draw: st.DrawFn) -> bytes:
    """Return a slot of which few bytes are not what a daemon has stored."""
    data = bytearray(encode_slot(draw(frames())))
    for field in draw(st.lists(st.sampled_from(SLOT), max_size=3)):
        word = draw(st.binary(min_size=field.size, max_size=field.size))
        data[field.offset : field.offset + field.size] = word
    return bytes(data)


@given(st.binary(min_size=SLOT_SIZE, max_size=SLOT_SIZE) | _spoiled())
@settings(max_examples=600, deadline=None)
def test_it_finds_impossible_what_the_reference_does(data: bytes) -> None:
    """Not a slot that one reader refuses and the other believes."""
    try:
        decode_slot(1, data)
        possible = 1
    except ValueError:
        possible = 0

    assert _library().is_possible(data) == possible


# ── the example program ─────────────────────────────────────────────────────────────


def test_the_example_prints_an_interval_that_holds_the_truth(path: str) -> None:
    """And the status and reasons that the reference gives."""
    with SegmentWriter(path) as writer:
        writer.publish(
            frame_now(
                bound_ns=50_000_000,
                status=Status.WARMUP,
                source=Source.NTP,
                reasons=Reason.FALSETICKERS,
                variance=Variance(1.0),
            )
        )
        before = pair_now().realtime_ns
        code, output = run(_example(), path, "3")
        after = pair_now().realtime_ns

    assert code == 0, output
    for line in output.splitlines():
        earliest_ns, latest_ns, status, reasons = map(int, line.split())
        assert earliest_ns <= after
        assert latest_ns >= before
        assert (status, reasons) == (Status.WARMUP, Reason.FALSETICKERS)


def test_a_silent_daemon_is_told(path: str) -> None:
    """Holdover, and the reason bit."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(age_ns=2 * NS_PER_S))
        code, output = run(_example(), path)

    assert code == 0, output
    assert output.split()[2:] == [str(int(Status.HOLDOVER)), "64"]


def _break(path: str, at: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def _publish(path: str, frame: Frame | None) -> None:
    with SegmentWriter(path) as writer:
        if frame is not None:
            writer.publish(frame)


@pytest.mark.parametrize(
    ("prepare_file", "sentence"),
    [
        (lambda p: None, "no daemon is publishing"),
        (os.mkdir, "not a usable segment"),
        (os.mkfifo, "not a usable segment"),
        (lambda p: Path(p).write_bytes(b""), "not a usable segment"),
        (lambda p: Path(p).write_bytes(bytes(4096)), "not a usable segment"),
        (lambda p: Path(p).write_bytes(b"\xa5" * 4096), "not a usable segment"),
        (lambda p: _publish(p, None), "no trustworthy time"),
        (lambda p: _publish(p, frame_now(status=Status.UNKNOWN)), "no trustworthy"),
        (lambda p: _publish(p, frame_now(age_ns=200 * NS_PER_S)), "has expired"),
        (lambda p: _publish(p, frame_now(age_ns=-5 * NS_PER_S)), "in the future"),
        (
            lambda p: _publish(p, frame_now(clocks={"suspend_ns": -4 * NS_PER_S})),
            "slept",
        ),
    ],
    ids=[
        "missing", "directory", "fifo", "empty", "zero", "garbage", "nothing",
        "unknown", "void", "future", "slept",
    ],
)  # fmt: skip
def test_every_fault_has_its_sentence(
    path: str, prepare_file: Callable[[str], object], sentence: str
) -> None:
    """And its exit code; nothing is printed as a time."""
    prepare_file(path)
    code, output = run(_example(), path)

    assert code != 0
    assert sentence in output
    assert not output[0].isdigit()


@pytest.mark.parametrize(
    ("at", "data", "sentence"),
    [
        (HEADER_AT + 8, b"\x02\x00\x02\x00", "another layout version"),
        (HEADER_AT + 12, b"\x00\x20", "not a usable segment"),
        (HEADER_AT + 16, bytes(range(16)), "rebooted"),
        (HEADER_AT + 44, bytes([State.RETIRED]), "no daemon is publishing"),
        (HEADER_AT + 48, b"\x01" * 8, "another time namespace"),
    ],
    ids=["version", "size", "boot", "retired", "namespace"],
)
def test_every_header_fault_has_its_sentence(
    path: str, at: int, data: bytes, sentence: str
) -> None:
    """The reference refuses the same file."""
    _publish(path, frame_now())
    _break(path, at, data)
    code, output = run(_example(), path)

    assert code != 0
    assert sentence in output


@pytest.mark.parametrize("is_attached", [False, True])
def test_a_reader_without_proc_says_that(path: str, is_attached: bool) -> None:
    """Nobody has rebooted anything, and what to do about it is something else."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        said = _library().read_without_boot_id(path.encode(), int(is_attached))

    assert b"mount /proc" in said


def test_a_file_that_may_not_be_read_is_unreadable(path: str) -> None:
    """As another user, where this is root."""
    _publish(path, frame_now())
    os.chmod(path, 0)
    user = 65534 if os.geteuid() == 0 else None
    program = _example()
    os.chmod(program, 0o755)  # noqa: S103 - another user runs it
    os.chmod(program.parent, 0o755)  # noqa: S103
    for parent in Path(path).parents[:3]:
        os.chmod(parent, 0o755)  # noqa: S103
    done = subprocess.run(
        [str(program), path], capture_output=True, text=True, check=False, user=user
    )

    assert done.returncode != 0
    assert "cannot be read" in done.stderr


# ── a reader that stays ─────────────────────────────────────────────────────────────


class _Reader:
    """The header's reader, kept open."""

    def __init__(self, path: str) -> None:
        self._library = _library()
        self._reader = ctypes.c_void_p(self._library.open_reader(path.encode()))

    def read(self) -> tuple[int, list[int]]:
        """Return the error, and earliest, latest, status and reasons."""
        out = (ctypes.c_int64 * 4)()
        error = self._library.read_interval(self._reader, out)
        return error, list(out)

    def close(self) -> None:
        """Let go of the memory."""
        self._library.close_reader(self._reader)


_OK, _NO_DAEMON, _CORRUPT, _NOT_SYNCHRONIZED, _STALE, _NAMESPACE = 0, 1, 3, 5, 6, 9


@pytest.fixture
def reader(path: str) -> Iterator[_Reader]:
    """Return a reader that was opened before anything was at the path."""
    reader = _Reader(path)
    yield reader
    reader.close()


def test_a_reader_attaches_when_there_is_a_daemon(path: str, reader: _Reader) -> None:
    """And follows it from publication to publication, and over restarts."""
    assert reader.read()[0] == _NO_DAEMON
    for _ in range(3):
        with SegmentWriter(path) as writer:
            assert reader.read()[0] in {_OK, _NOT_SYNCHRONIZED}
            for hours in range(5):
                ahead_ns = pair_now().realtime_ns + hours * 3600 * NS_PER_S
                writer.publish(frame_now(utc_ns=ahead_ns))
                error, (earliest_ns, latest_ns, *_) = reader.read()

                assert error == _OK
                assert abs((earliest_ns + latest_ns) // 2 - ahead_ns) < 60 * NS_PER_S


def test_a_closed_reader_stays_closed(path: str) -> None:
    """It would map the segment again, without looking out for a move of the machine."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())

        assert _library().read_closed(path.encode()) == _NO_DAEMON


def test_a_reader_refuses_a_daemon_of_another_time_namespace(
    path: str, reader: _Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first frame on, though the file is the same; and comes back."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        assert reader.read()[0] == _OK
    with monkeypatch.context() as foreign:
        foreign.setattr("chronotick.shm.writer.time_namespace", lambda: 7)
        with SegmentWriter(path) as writer:
            assert reader.read()[0] in {_NOT_SYNCHRONIZED, _NAMESPACE}
            writer.publish(frame_now())
            assert reader.read()[0] == _NAMESPACE
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        assert reader.read()[0] == _OK


@pytest.mark.parametrize("age_s", [2, 200], ids=["silent", "expired"])
def test_a_reader_opens_a_file_that_was_replaced(
    path: str, reader: _Reader, age_s: int
) -> None:
    """As the reference does."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        assert reader.read()[0] == _OK
        writer.publish(frame_now(age_ns=age_s * NS_PER_S))
    os.unlink(path)
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        error, (_, _, status, reasons) = reader.read()

        assert (error, status, reasons) == (_OK, Status.SYNCHRONIZED, 0)


def test_a_vanished_file_holds_until_it_is_void(path: str, reader: _Reader) -> None:
    """Then nobody is there; garbage at the path does not spoil what holds."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(age_ns=2 * NS_PER_S))
        assert reader.read()[1][2:] == [int(Status.HOLDOVER), int(Reason.WRITER_SILENT)]
        os.unlink(path)
        assert reader.read()[1][2:] == [int(Status.HOLDOVER), int(Reason.WRITER_SILENT)]
        Path(path).write_bytes(bytes(4096))
        writer.publish(frame_now(age_ns=3 * NS_PER_S))
        assert reader.read()[0] == _OK
        writer.publish(frame_now(age_ns=200 * NS_PER_S))
        assert reader.read()[0] == _CORRUPT
        os.unlink(path)
        assert reader.read()[0] == _NO_DAEMON


def test_an_expired_correction_stays_expired(path: str, reader: _Reader) -> None:
    """As long as there is no other."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(age_ns=200 * NS_PER_S))
        for _ in range(3):
            assert reader.read()[0] == _STALE
        writer.publish(frame_now())
        assert reader.read()[0] == _OK
