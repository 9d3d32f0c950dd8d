"""`daemon.status_file`: whole reports, readable by all, never a crash."""

from __future__ import annotations

import json
import logging
import os
import stat
from typing import TYPE_CHECKING

from chronotick.core.records import DaemonReport, SourceReport
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.status_file import StatusFile
from unit.daemon.test_publisher import correction

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REPORT = DaemonReport(
    correction=correction(),
    sources=(
        SourceReport(server="a", endpoint="192.0.2.1:123", verdict="selected", reach=1),
    ),
)


def status_file(path: Path) -> StatusFile:
    """Return a status file at `path`."""
    return StatusFile(
        str(path),
        HostClock(),
        start_id="00ff",
        heartbeat_hz=100.0,
        logger=logging.getLogger("chronotick.test"),
    )


def test_a_report_holds_the_daemon_and_its_servers(tmp_path: Path) -> None:
    """JSON, mode 0644 whatever the umask, nothing left beside it."""
    path = tmp_path / "segment.status"
    before = os.umask(0o077)
    try:
        status_file(path).report(REPORT)
    finally:
        os.umask(before)
    document = json.loads(path.read_text())
    assert document["schema"] == 1
    assert document["pid"] == os.getpid()
    assert document["state"] == "SYNCHRONIZED"
    assert document["sources"][0]["verdict"] == "selected"
    assert document["audit"]["hard_misses"] == 0
    assert document["rss_bytes"] > 1_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["segment.status"]


def test_what_cannot_be_put_in_place_is_not_left_beside_it(tmp_path: Path) -> None:
    """A full disk would keep half a report for ever."""
    path = tmp_path / "segment.status"
    path.mkdir()
    status_file(path).report(REPORT)
    assert [entry.name for entry in tmp_path.iterdir()] == ["segment.status"]


def test_a_link_laid_in_its_way_is_not_followed(tmp_path: Path) -> None:
    """In a world-writable directory, the target of somebody's link stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"segment.status.{os.getpid()}").symlink_to(victim)
    status_file(tmp_path / "segment.status").report(REPORT)
    assert victim.read_text() == "precious"


def test_a_directory_that_is_gone_costs_the_report_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning however often it fails, one word when it works again."""
    caplog.set_level(logging.INFO)
    folder = tmp_path / "later"
    file = status_file(folder / "segment.status")
    file.report(REPORT)
    file.report(REPORT)
    folder.mkdir()
    file.report(REPORT)
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ["event=status_unwritable", "event=status_writable"]
