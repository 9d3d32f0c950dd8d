"""The hypervisor's word that this machine was moved or restored; decides nothing else.

A virtual machine that was live-migrated or restored from a snapshot goes on with an
oscillator that is not the one that was measured. Linux tells of it through
``/dev/vmclock0`` (Documentation: ``linux/vmclock-abi.h``): one page with a marker that
changes whenever it happened. Most machines have none; then None is returned and the
check is not made.
"""

from __future__ import annotations

from chronotick.shm.segment import map_device

__all__ = ["VMCLOCK_PATH", "DisruptionMarker"]

VMCLOCK_PATH = "/dev/vmclock0"

_MAGIC = 0x4B4C4356
"""The bytes VCLK."""
_SIZE = 4096


class DisruptionMarker:
    """vmclock's marker, mapped once and read as one word."""

    WORD = 2
    """Index of the marker in `words`."""

    def __init__(self, path: str = VMCLOCK_PATH) -> None:
        words = map_device(path, _SIZE)
        if words is not None and words[0] & 0xFFFF_FFFF != _MAGIC:
            words = None
        self.words = words
        """The device's page as 8-byte words; None where the machine has no vmclock."""

    def read(self) -> int | None:
        """Return the marker now; None where the machine has no vmclock."""
        return None if self.words is None else self.words[self.WORD]
