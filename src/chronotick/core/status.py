"""What a published time is worth: status, reasons, source, leap and smear state.

The numbers are part of the shared-memory ABI (docs/reference/shm-protocol.md): never
reuse or renumber one.
"""

from __future__ import annotations

import enum

__all__ = ["Leap", "Reason", "Smear", "Source", "Status"]


class Status(enum.IntEnum):
    """How far an interval can be trusted. Only UNKNOWN carries no time at all."""

    UNKNOWN = 0
    """No trustworthy time. Readers refuse it."""
    WARMUP = 1
    """The hard bound holds; the oscillator's rate is still being learned."""
    SYNCHRONIZED = 2
    """Fresh measurements, an agreeing majority, rate learned."""
    HOLDOVER = 3
    """No fresh measurement or no daemon: extrapolating, the hard bound still holds."""


class Reason(enum.IntFlag):
    """Why the status is what it is. Zero when there is nothing to say."""

    NONE = 0
    NO_SAMPLES = 1
    """No server has answered yet."""
    NO_AGREEMENT = 2
    """The servers' intervals have no majority in common."""
    SOURCES_LOST = 4
    """Servers that were used have stopped answering."""
    FALSETICKERS = 8
    """At least one server lies outside the majority's interval."""
    STEP = 16
    """The measurements jumped: the local oscillator was stopped or a server stepped."""
    TOO_WIDE = 32
    """The half width passed the configured limit."""
    WRITER_SILENT = 64
    """Set by readers: the daemon has missed its heartbeat."""
    INNOVATION = 128
    """Measurements keep falling outside what was predicted: the models are lost."""


class Source(enum.IntEnum):
    """What produced the correction, as numbered by the compatibility record."""

    NO_DATA = 0
    NTP = 1
    """Hold: the newest measurement, extrapolated at no assumed rate."""
    CPU_MODEL = 2
    """The short-term model."""
    GPU_MODEL = 3
    """The long-term model."""
    FUSION = 4


class Leap(enum.IntEnum):
    """NTP leap indicator (RFC 5905 figure 9)."""

    NONE = 0
    INSERT = 1
    DELETE = 2
    UNSYNCHRONIZED = 3


class Smear(enum.IntEnum):
    """Whether the published UTC smears leap seconds."""

    UNKNOWN = 0
    NONE = 1
    SMEARED = 2
