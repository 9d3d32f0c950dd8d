"""vmclock's page: the marker where there is one, None everywhere else."""

from __future__ import annotations

import struct
from pathlib import Path

from chronotick.shm.vmclock import DisruptionMarker


def _page(magic: bytes, marker: int) -> bytes:
    """Return a page laid out as in linux/vmclock-abi.h: the marker at byte 16."""
    head = struct.pack("<4sIHBBI", magic, 4096, 1, 1, 0, 2)
    return (head + struct.pack("<Q", marker)).ljust(4096, b"\0")


def test_the_marker_is_read_anew_each_time(path: str) -> None:
    """The hypervisor changes it under the mapping."""
    Path(path).write_bytes(_page(b"VCLK", 7))
    marker = DisruptionMarker(path)
    assert marker.read() == 7

    with open(path, "r+b") as file:
        file.write(_page(b"VCLK", 8))
    assert marker.read() == 8


def test_another_device_is_no_vmclock(path: str) -> None:
    """The magic decides."""
    Path(path).write_bytes(_page(b"ELSE", 7))

    assert DisruptionMarker(path).read() is None


def test_no_device_is_no_marker(path: str) -> None:
    """Most machines have none."""
    assert DisruptionMarker(path).read() is None
