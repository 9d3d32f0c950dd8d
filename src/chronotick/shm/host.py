"""Facts that tie a segment to this boot of this host; decides nothing from them."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock

__all__ = ["boot_id", "fence", "has_strong_ordering", "time_namespace"]

_STRONG = frozenset({"x86_64", "amd64", "i686", "i586", "i386"})


def boot_id() -> bytes:
    """Return the kernel's 16-byte boot id, all zero where there is none to be had."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def time_namespace() -> int:
    """Return the inode of this process's time namespace, 0 where it has none.

    CLOCK_MONOTONIC_RAW of two time namespaces differ by a constant, so a correction
    made in one is wrong in the other, and plausible.
    """
    try:
        return os.stat("/proc/self/ns/time").st_ino
    except OSError:
        return 0


def has_strong_ordering() -> bool:
    """Say whether this CPU keeps stores, and loads, in order (x86-TSO).

    With 32 bits, too, where an 8-byte store is two: see `chronotick.shm.page`.
    """
    return os.uname().machine.lower() in _STRONG and sys.byteorder == "little"


def fence() -> None:
    """Keep the loads before this call before the loads after it, on any CPU.

    Python has no fences, but a lock's release and its next acquisition are one on
    every platform that CPython runs on. A fresh lock, because one that another thread
    held during a fork would stay locked in the child for ever. Not needed on x86-TSO.
    """
    lock = allocate_lock()
    for _ in range(2):
        lock.acquire()
        lock.release()
