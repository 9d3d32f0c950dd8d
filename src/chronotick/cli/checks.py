"""What `chronotick doctor` looks at: one function a check, each returning its verdict.

Decides what is fine, what is worth a warning and what cannot work. Prints nothing.
"""

from __future__ import annotations

import enum
import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.cli import formats
from chronotick.cli.overview import overview
from chronotick.core.errors import ClockDisrupted, NoDaemon, NotInstalled, SegmentError
from chronotick.core.version import installed_version
from chronotick.daemon.udp import kernel_stamps_supported
from chronotick.shm.host import has_strong_ordering
from chronotick.shm.native import HOT, WHY

if TYPE_CHECKING:
    from types import ModuleType

    from chronotick.cli.probe import Probe

__all__ = [
    "Check",
    "Verdict",
    "check_clock_source",
    "check_import_names",
    "check_kernel_stamps",
    "check_native_filters",
    "check_native_module",
    "check_python",
    "check_segment",
    "check_servers",
]

_OLDEST_PYTHON = (3, 11)
_CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
# Reading these is a system call or an I/O port access: microseconds instead of 20 ns.
_SLOW_SOURCES = frozenset({"acpi_pm", "hpet", "jiffies", "refined-jiffies", "xen"})


class Verdict(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well as it could."""
    FAIL = "fail"
    """It cannot work like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the table."""

    name: str
    verdict: Verdict
    detail: str


def check_python() -> Check:
    """Is this Python one that is supported, and is chronotick installed there?"""
    fits = sys.version_info >= _OLDEST_PYTHON
    detail = f"{platform.python_implementation()} {platform.python_version()}"
    try:
        detail += f", chronotick {installed_version()}"
    except NotInstalled as error:
        fits, detail = False, f"{detail}; {error}"
    if sys.version_info < _OLDEST_PYTHON:
        detail += "; 3.11 is the oldest that is supported"
    return Check(name="python", verdict=_verdict(ok=fits), detail=detail)


def check_native_module(hot: ModuleType | None = HOT, why: str = WHY) -> Check:
    """Which reader runs, and why? Publishing needs the C module on some CPUs."""
    if hot is not None:
        verdict, detail = Verdict.OK, f"{why} reads the time"
    elif has_strong_ordering():
        verdict, detail = Verdict.OK, f"{why}; the meaning is the same, only slower"
    else:
        verdict = Verdict.FAIL
        detail = f"{why}; publishing on {platform.machine()} needs the C module"
    return Check(name="native module", verdict=verdict, detail=detail)


def check_native_filters() -> Check:
    """What computes the estimate, and why?"""
    try:
        # Not above: whoever looks for what is broken can't need numpy.
        from chronotick.models import arithmetic  # noqa: PLC0415
    except ImportError as error:
        verdict, detail = Verdict.FAIL, f"numpy does not load: {error}"
    else:
        verdict, detail = Verdict.OK, "C module filters the measurements"
        if arithmetic.BANK is None:
            detail = f"numpy: {arithmetic.WHY}; the meaning is the same, only slower"
    return Check(name="native filters", verdict=verdict, detail=detail)


def check_import_names() -> Check:
    """Does anything else claim the import name `chrono_daemon`?

    An unrelated project on PyPI is called chrono-daemon; whichever was installed last
    has overwritten the other's files.
    """
    owners = sorted(set(metadata.packages_distributions().get("chrono_daemon", ())))
    others = [owner for owner in owners if owner != "chronotick"]
    spec = util.find_spec("chrono_daemon")
    where = Path(spec.origin).parent if spec and spec.origin else None
    if where is None:
        verdict, detail = Verdict.FAIL, "nothing is importable as chrono_daemon"
    elif others:
        verdict = Verdict.FAIL
        detail = (
            f"chrono_daemon is claimed by {', '.join(others)} too: uninstall that, "
            "then install chronotick again"
        )
    elif where.parent != Path(__file__).parents[2]:
        verdict = Verdict.FAIL
        detail = f"chrono_daemon is imported from {where}, not from chronotick's files"
    else:
        verdict, detail = Verdict.OK, "chrono_daemon belongs to chronotick"
    return Check(name="import names", verdict=verdict, detail=detail)


def check_kernel_stamps() -> Check:
    """Does the kernel stamp datagrams on arrival?"""
    if kernel_stamps_supported():
        detail = "SO_TIMESTAMPNS on UDP sockets"
        return Check(name="kernel stamps", verdict=Verdict.OK, detail=detail)
    return Check(
        name="kernel stamps",
        verdict=Verdict.WARN,
        detail="refused (a sandbox?): arrivals are stamped late, so bounds are wider",
    )


def check_clock_source(path: Path = _CLOCK_SOURCE) -> Check:
    """Can clocks be read without a system call?"""
    try:
        source = path.read_text(encoding="ascii").strip()
    except OSError:
        return Check(
            name="clock source", verdict=Verdict.OK, detail="not shown by this system"
        )
    if source in _SLOW_SOURCES:
        return Check(
            name="clock source",
            verdict=Verdict.WARN,
            detail=f"{source}: every reading costs microseconds",
        )
    return Check(name="clock source", verdict=Verdict.OK, detail=source)


def check_segment(path: str | None) -> Check:
    """Is there a segment, can it be read, and does a daemon keep it alive?"""
    try:
        found = overview(path)
    except NoDaemon as error:
        detail = f"{error}{_obstacle(error.path)}"
        return Check(name="segment", verdict=Verdict.WARN, detail=detail)
    except ClockDisrupted as error:
        return Check(name="segment", verdict=Verdict.WARN, detail=str(error))
    except SegmentError as error:
        return Check(name="segment", verdict=Verdict.FAIL, detail=str(error))
    header = found.header
    detail = f"{found.path}, layout {header.version}, process {header.writer_pid}"
    if found.trouble is not None:
        return Check(name="segment", verdict=Verdict.WARN, detail=str(found.trouble))
    if found.is_silent:
        detail += f", not heard of for {formats.age(found.heard_s or 0.0)}"
        return Check(name="segment", verdict=Verdict.WARN, detail=detail)
    return Check(name="segment", verdict=Verdict.OK, detail=f"{detail}, {found.state}")


def _obstacle(path: str) -> str:
    """Return why a daemon of this user's could not publish at `path`; empty if it can."""
    folder = Path(path).parent
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    return f"; with another --segment, for you cannot write to {folder}"


def check_servers(probes: list[Probe]) -> list[Check]:
    """Did the configured servers answer? One that doesn't is weather, none is not."""
    lost = Verdict.WARN if any(probe.sample for probe in probes) else Verdict.FAIL
    return [_check_server(probe, lost) for probe in probes]


def _check_server(probe: Probe, lost: Verdict) -> Check:
    name = f"server {probe.address}"
    sample, offset_ns = probe.sample, probe.system_offset_ns
    if sample is None or offset_ns is None:
        return Check(name=name, verdict=lost, detail=probe.trouble)
    return Check(
        name=name,
        verdict=Verdict.OK,
        detail=f"stratum {sample.stratum}, {formats.duration(sample.delay_ns)} away, "
        f"says the system clock is {formats.clock_offset(offset_ns)} "
        f"({formats.bound(sample.half_width_ns)})",
    )


def _verdict(*, ok: bool) -> Verdict:
    return Verdict.OK if ok else Verdict.FAIL
