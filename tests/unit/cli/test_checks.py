"""The doctor's checks: each verdict has a case that brings it about."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from chronotick.cli import checks
from chronotick.cli.checks import Verdict
from chronotick.cli.probe import Probe
from chronotick.core.records import Sample
from chronotick.models import arithmetic
from chronotick.shm import native

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Probe(
    address="good.example",
    endpoint="192.0.2.1:123",
    sample=Sample(
        server="good.example",
        raw_ns=0,
        offset_ns=0,
        delay_ns=2_000_000,
        root_delay_ns=0,
        root_dispersion_ns=0,
        precision_ns=0,
        stratum=1,
    ),
    system_offset_ns=-1_500_000,
)
LOST = Probe(address="lost.example", trouble="no answer in time")


def test_this_python_is_fine() -> None:
    """The tests themselves run on a supported one."""
    check = checks.check_python()

    assert check.verdict is Verdict.OK
    assert metadata.version("chronotick") in check.detail


def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which is the oldest that would do."""
    monkeypatch.setattr(checks, "_OLDEST_PYTHON", (99, 0))

    check = checks.check_python()

    assert check.verdict is Verdict.FAIL
    assert "oldest" in check.detail


@pytest.mark.parametrize(
    ("hot", "strong", "verdict"),
    [
        (ModuleType("hot"), True, Verdict.OK),
        (ModuleType("hot"), False, Verdict.OK),
        (None, True, Verdict.OK),
        (None, False, Verdict.FAIL),
    ],
)
def test_the_native_module_is_optional_where_memory_is_ordered(
    monkeypatch: pytest.MonkeyPatch,
    hot: ModuleType | None,
    strong: bool,
    verdict: Verdict,
) -> None:
    """Its absence fails only where the Python writer is refused; why is always told."""
    monkeypatch.setattr(checks, "has_strong_ordering", lambda: strong)

    check = checks.check_native_module(hot, "this one, because")

    assert check.verdict is verdict
    assert check.detail.startswith("this one, because")
    # What would help is in the reason; where a compiler doesn't, none is asked for.
    assert "compiler" not in check.detail


def test_the_reader_that_runs_is_named() -> None:
    """By default it is the one of this process."""
    assert checks.check_native_module().detail.startswith(native.WHY)


def test_what_filters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In C or not, it is fine; why not is told."""
    monkeypatch.setattr(arithmetic, "BANK", ModuleType("bank"))
    assert checks.check_native_filters().detail.startswith("C module")
    monkeypatch.setattr(arithmetic, "BANK", None)
    monkeypatch.setattr(arithmetic, "WHY", "as nobody built it")
    check = checks.check_native_filters()
    assert check.verdict is Verdict.OK
    assert check.detail == (
        "numpy: as nobody built it; the meaning is the same, only slower"
    )


def test_a_numpy_that_does_not_load_is_told() -> None:
    """By the one command that people ask then, which needs none itself."""
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from chronotick.cli import checks, doctor\n"
        "check = checks.check_native_filters()\n"
        "print(check.verdict, check.detail)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("fail numpy does not load: ")


def test_the_import_name_is_ours() -> None:
    """In a clean environment nothing else claims chrono_daemon."""
    assert checks.check_import_names().verdict is Verdict.OK


@pytest.mark.parametrize(
    ("owners", "said"),
    [
        (["chronotick", "chrono-daemon"], "claimed by chrono-daemon too"),
        (["chrono-daemon"], "claimed by chrono-daemon too"),
    ],
)
def test_another_owner_of_the_import_name_fails(
    monkeypatch: pytest.MonkeyPatch, owners: list[str], said: str
) -> None:
    """Two distributions with one import name overwrite each other's files."""
    monkeypatch.setattr(
        metadata, "packages_distributions", lambda: {"chrono_daemon": owners}
    )

    check = checks.check_import_names()

    assert check.verdict is Verdict.FAIL
    assert said in check.detail


def test_files_that_shadow_ours_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is imported counts, not what the metadata says."""
    monkeypatch.setattr(checks, "__file__", "/elsewhere/chronotick/cli/checks.py")

    check = checks.check_import_names()

    assert check.verdict is Verdict.FAIL
    assert "not from chronotick's files" in check.detail


@pytest.mark.parametrize("writable", [True, False])
def test_where_no_daemon_could_publish_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    """A /dev/shm that is read-only, or another's: to start one there would not help."""
    monkeypatch.setattr(os, "access", lambda *_: writable)

    check = checks.check_segment(str(tmp_path / "segment"))

    assert check.verdict is Verdict.WARN
    assert (f"cannot write to {tmp_path}" in check.detail) is not writable


@pytest.mark.parametrize(
    ("supported", "verdict"), [(True, Verdict.OK), (False, Verdict.WARN)]
)
def test_missing_kernel_stamps_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, supported: bool, verdict: Verdict
) -> None:
    """It works without them, only wider."""
    monkeypatch.setattr(checks, "kernel_stamps_supported", lambda: supported)

    assert checks.check_kernel_stamps().verdict is verdict


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("tsc\n", Verdict.OK),
        ("kvm-clock\n", Verdict.OK),
        ("hpet\n", Verdict.WARN),
        (None, Verdict.OK),
    ],
)
def test_a_slow_clock_source_is_a_warning(
    tmp_path: Path, source: str | None, verdict: Verdict
) -> None:
    """It makes every reading slow, and nothing wrong."""
    path = tmp_path / "current_clocksource"
    if source is not None:
        path.write_text(source)

    assert checks.check_clock_source(path).verdict is verdict


def test_a_lost_server_among_others_is_a_warning() -> None:
    """The rest are enough to go on with."""
    good, lost = checks.check_servers([GOOD, LOST])

    assert (good.verdict, lost.verdict) == (Verdict.OK, Verdict.WARN)
    assert good.detail == (
        "stratum 1, 2 ms away, says the system clock is 1.5 ms ahead (± 1 ms)"
    )
    assert lost.detail == "no answer in time"


def test_no_server_at_all_is_a_failure() -> None:
    """Without any there is nothing to measure."""
    verdicts = {check.verdict for check in checks.check_servers([LOST, LOST])}

    assert verdicts == {Verdict.FAIL}
