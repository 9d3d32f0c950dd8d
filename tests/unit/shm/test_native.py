"""Which reader runs, and the reason that people are told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from chronotick.core.native import SWITCH
from chronotick.shm.layout import (
    HEADER_AT,
    RING_ENTRY_SIZE,
    SEGMENT_SIZE,
    SLOT_SIZE,
)
from chronotick.shm.native import HOT, WHY, load
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import make_frame

needs_c = pytest.mark.skipif(HOT is None, reason=WHY)


def test_without_it_python_reads() -> None:
    """And says why."""
    assert load("no") == (None, "pure Python: $CHRONOTICK_NATIVE is no")


@pytest.mark.parametrize("wanted", ["no", "auto"])
def test_the_switch_is_an_environment_variable(wanted: str) -> None:
    """Looked at once, at import."""
    code = "import chronotick; print(chronotick.NATIVE)"
    environment = os.environ | {SWITCH: wanted}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == str(wanted != "no" and load("")[0] is not None)


@needs_c
def test_sub_interpreters_load_it_or_fall_back() -> None:
    """Neither crashes; each has enumerations and types of its own."""
    code = f"""
import sys
code = '''
import chronotick
from chronotick.shm import native
assert chronotick.NATIVE or "does not load" in native.WHY
from chronotick.core.native import load_native
bank, why = load_native("chronotick.models._bank")
assert bank or "does not load" in why
clock = chronotick.Clock({os.devnull!r})
try: clock.now()
except chronotick.SegmentError: pass
'''
try:
    import _interpreters as interpreters
    made = [interpreters.create(kind) for kind in ("legacy", "isolated")]
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    made = [interpreters.create(isolated=False), interpreters.create(isolated=True)]
    run = interpreters.run_string
for one in made:
    failed = run(one, code)
    assert failed is None, failed
    interpreters.destroy(one)
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "done", done.stderr


@needs_c
@pytest.mark.parametrize(
    ("kind", "size"), [(0, SLOT_SIZE - 1), (1, 129), (2, 79), (3, 8), (-1, 8)]
)
def test_c_stores_no_part_that_it_does_not_know(
    path: str, kind: int, size: int
) -> None:
    """A wrong size would be written into what lies beside it."""
    assert HOT is not None
    with SegmentWriter(path) as writer:
        writer.publish(make_frame())
        with pytest.raises(ValueError, match="no such part"):
            HOT.publish(writer._page.data, kind, bytes(size))


@needs_c
@pytest.mark.parametrize("size", [0, 16, 256, SEGMENT_SIZE - 1])
def test_c_uses_no_buffer_that_is_too_short(size: int) -> None:
    """What lies behind it is somebody else's, to read as to write."""
    assert HOT is not None
    readings = type("Clock", (HOT.Readings,), {})()
    sizes = ((0, SLOT_SIZE), (1, HEADER_AT), (2, RING_ENTRY_SIZE))
    with pytest.raises(ValueError, match="shorter than a segment"):
        readings._arm(bytes(size), 0, None)
    with pytest.raises(ValueError, match="shorter than a segment"):
        HOT.copy_slot(bytes(size))
    with pytest.raises(ValueError, match="shorter than a segment"):
        HOT.Heart(bytearray(size))
    for kind, part in sizes:
        with pytest.raises(ValueError, match="shorter than a segment"):
            HOT.publish(bytearray(size), kind, b"\1" * part)


@needs_c
def test_c_looks_for_no_marker_in_a_page_that_is_too_short() -> None:
    """Nor does it hold what it was refused to read from."""
    assert HOT is not None
    readings = type("Clock", (HOT.Readings,), {})()
    segment, page = bytearray(SEGMENT_SIZE), bytearray(23)
    with pytest.raises(ValueError, match="shorter than a marker's page"):
        readings._arm(segment, 0, page)
    segment.clear()
    page.clear()


@needs_c
def test_c_uses_nothing_that_is_no_buffer() -> None:
    """Nor writes to one that is read-only."""
    assert HOT is not None
    readings = type("Clock", (HOT.Readings,), {})()
    with pytest.raises(BufferError):
        HOT.publish(bytes(SEGMENT_SIZE), 0, bytes(SLOT_SIZE))
    for arguments in ((), (None,), (None, "x", None), (5, 0, None)):
        with pytest.raises(TypeError):
            readings._arm(*arguments)


@needs_c
def test_the_interval_of_c_cannot_be_made_by_hand() -> None:
    """Only by reading."""
    assert HOT is not None
    with pytest.raises(TypeError):
        HOT.Interval()
