"""`chronotick status`: everything there is to know, also when there is no time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from click.testing import CliRunner, Result
from rich.console import Console

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.status import source_table
from chronotick.core.records import SourceReport
from chronotick.core.status import Reason, Status

if TYPE_CHECKING:
    from unit.cli.conftest import Publication


def status(path: object, *flags: str) -> Result:
    """Run the verb on the segment at `path`."""
    return CliRunner().invoke(cli, ["status", "--segment", str(path), *flags])


def test_every_fact_has_its_line(publication: Publication) -> None:
    """State, up-time, warm-up, counts, age, memory, affinity and latency."""
    publication.publish()

    out = status(publication.path).stdout

    facts = dict(line.split("  ", 1) for line in out.split("\n\n")[0].splitlines())
    assert list(facts) == [
        "state", "time", "bound", "system clock", "daemon", "warm-up",
        "measurements", "corrections", "last sync", "self-audit", "memory", "CPUs", "reading",
    ]  # fmt: skip
    assert "up 1 h 2 min, publishes at 100 Hz" in facts["daemon"]
    assert facts["warm-up"].strip() == "complete"
    assert facts["measurements"].strip() == "12"
    assert facts["corrections"].strip() == "7"
    assert facts["last sync"].strip().endswith("s ago")
    assert facts["self-audit"].strip() == (
        "hard bound: 0 of 1,200 checks missed; 99 % and 99.9 % intervals: 1.00% and "
        "0.00% of 600"
    )
    assert facts["memory"].strip().endswith("MiB")
    assert "from Python" in facts["reading"]


def test_servers_of_an_old_report_are_told_as_what_they_were(
    publication: Publication,
) -> None:
    """The daemon publishes, so it lives; but it cannot write its report (a full disk)."""
    publication.publish()
    assert "last report" not in status(publication.path).stdout
    report = Path(f"{publication.path}.status")
    document = json.loads(report.read_text())
    document["written_raw_ns"] -= 90 * 10**9
    report.write_text(json.dumps(document))

    told = status(publication.path).stdout.split("\n\n")[1].splitlines()

    assert told[0] == (
        "servers as of the daemon's last report, 1 min 30 s ago: it cannot write one, "
        "see its log"
    )
    assert told[1].startswith("server ")
    record = json.loads(status(publication.path, "--json").stdout)
    assert record["report_age_s"] >= 90.0


def test_every_server_has_its_row(publication: Publication) -> None:
    """Address, reach, offset, delay, bound and verdict; a liar is named."""
    publication.publish()

    header, good, liar, gone = (
        status(publication.path).stdout.split("\n\n")[1].splitlines()
    )

    assert " ".join(header.split()) == (
        "server verdict reach offset delay bound address"
    )
    assert " ".join(good.split()) == (
        "good.example selected 377 +12 µs 3.1 ms ± 1.6 ms 192.0.2.1:123"
    )
    assert " ".join(liar.split()) == (
        "liar.example falseticker 17 +250 ms 2 ms ± 1 ms 192.0.2.2:123"
    )
    assert "– (cannot resolve gone.example" in gone
    assert gone.split()[1] == "unresolved"


def test_a_terminal_of_80_columns_shows_every_verdict() -> None:
    """Addresses are long; what is folded for them is themselves."""
    rows = [
        SourceReport(
            server="198.51.100.117", endpoint="198.51.100.117:123", verdict=verdict,
            reach=255, offset_ns=-123_456_789, delay_ns=23_456_789, bound_ns=12_345_678,
        )
        for verdict in ("falseticker", "unreachable")
    ]  # fmt: skip
    long = SourceReport(
        server="2.pool.example", endpoint="[2001:db8:1234:5678:9abc:def0:1234:5678]:123",
        verdict="selected", reach=255, offset_ns=1, delay_ns=1, bound_ns=1,
    )  # fmt: skip
    console = Console(width=80, file=io.StringIO())
    console.print(source_table([*rows, long]))
    shown = cast("io.StringIO", console.file).getvalue()
    for whole in ("198.51.100.117", "falseticker", "unreachable", "selected"):
        assert whole in shown
    assert "198.51.100.117:123" not in shown


def test_a_daemon_that_died_before_it_had_a_time_is_told_as_dead(
    publication: Publication,
) -> None:
    """Not as one that can't write its report, and the mend is not to wait for it."""
    publication.publish(
        status=Status.UNKNOWN, reasons=Reason.NO_SAMPLES, silent_for_s=30
    )

    result = status(publication.path)

    assert result.exit_code == ExitCode.NO_TIME
    assert "published at 100 Hz, not heard of for 30 s" in result.stdout
    mend = f"start one with `chronotick daemon --segment {publication.path}`"
    assert f"it is gone or stuck: {mend}" in result.stderr
    assert "it cannot write one" not in result.stdout


def test_json_holds_the_same(publication: Publication) -> None:
    """A program finds every fact under a key with its unit."""
    publication.publish()

    record = json.loads(status(publication.path, "--json").stdout)

    assert record["state"] == "synchronized"
    assert record["error"] is None
    assert record["reading"]["status"] == "SYNCHRONIZED"
    assert record["measurement_count"] == 12
    assert 3722.0 < record["uptime_s"] < 3724.0
    assert record["last_sync_age_s"] > 2.0
    assert record["read_latency_ns"] > 0
    assert [s["verdict"] for s in record["sources"]] == [
        "selected", "falseticker", "unresolved",
    ]  # fmt: skip


def test_without_a_time_the_servers_are_shown_all_the_same(
    publication: Publication,
) -> None:
    """That is when people ask; the exit code still says that there is no time."""
    publication.publish(status=Status.UNKNOWN, reasons=Reason.NO_AGREEMENT)

    result = status(publication.path)

    assert result.exit_code == ExitCode.NO_TIME
    assert "no majority of the servers agrees" in result.stderr
    assert "no time" in result.stdout
    assert "liar.example" in result.stdout


def test_another_daemons_report_is_not_shown(publication: Publication) -> None:
    """A report that outlived its daemon says nothing about this one."""
    publication.publish()
    publication.writer.start_id ^= 1
    publication.publish()

    result = status(publication.path)

    assert result.exit_code == ExitCode.OK
    assert "good.example" not in result.stdout


def test_before_the_first_publication(publication: Publication) -> None:
    """A daemon that has just been started is no error of the segment."""
    result = status(publication.path, "--json")

    record = json.loads(result.stdout)
    assert result.exit_code == ExitCode.NO_TIME
    assert record["last_sync_age_s"] is None
    assert record["sources"] == []


def test_no_segment_is_no_daemon(tmp_path: Path) -> None:
    """Nothing is printed about a daemon that is not there."""
    result = status(tmp_path / "nothing")

    assert (result.exit_code, result.stdout) == (ExitCode.NO_DAEMON, "")
