"""`chronotick daemon`: what wins over what, and what a person sees meanwhile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli import daemon as daemon_verb
from chronotick.cli.daemon import WarmUp, progress_line
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.terminal import stderr_console
from chronotick.core.records import Correction, DaemonReport, SourceReport, Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.daemon.config import Config, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations with which a daemon would have been run."""
    configs: list[Config] = []
    monkeypatch.setattr(daemon_verb, "_run", configs.append)
    monkeypatch.delenv("CHRONOTICK_SEGMENT", raising=False)
    return configs


def run(*words: str) -> tuple[int, str]:
    """Run the verb; return exit code and standard error."""
    result = CliRunner().invoke(cli, ["daemon", *words])
    return result.exit_code, result.stderr


def test_without_flags_the_defaults_run(started: list[Config]) -> None:
    """Nothing needs to be configured."""
    assert run() == (ExitCode.OK, "")
    assert started == [Config()]


def test_flags_win_over_the_file(started: list[Config], tmp_path: Path) -> None:
    """Every flag replaces its key; what no flag names stays as in the file."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "servers: [10.0.0.1, 10.0.0.2]\n"
        "polling: {max_poll: 32s}\n"
        "publish: {segment: /from/file, frequency: 5Hz, max_bound: 20ms}\n"
        "process: {cpu_affinity: [3], log_level: error}\n"
    )
    flags = [
        "--server",
        "127.0.0.1:11123",
        "localhost:11124",
        "--freq",
        "200",
        "--cpu-affinity",
        "0",
        "1",
        "--segment",
        "/from/flag",
        "--log-level",
        "DEBUG",
    ]

    assert run("--config", str(path), *flags) == (ExitCode.OK, "")

    (config,) = started
    assert config.servers == (Server("127.0.0.1:11123"), Server("localhost:11124"))
    assert config.publish.segment == "/from/flag"
    assert config.publish.frequency_hz == 200.0
    assert config.publish.max_bound_s == 0.02
    assert config.polling.max_poll_s == 32.0
    assert config.process.cpu_affinity == (0, 1)
    assert config.process.log_level == "debug"


def test_the_variable_wins_over_the_file(
    started: list[Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers look at the variable first, so the daemon must too."""
    path = tmp_path / "c.yaml"
    path.write_text("publish: {segment: /from/file}")
    monkeypatch.setenv("CHRONOTICK_SEGMENT", "/from/variable")

    run("--config", str(path))

    assert started[0].publish.segment == "/from/variable"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--freq 0", "0.0 is not in the range 1<=x<=1000"),
        ("--freq 1001", "1001.0 is not in the range 1<=x<=1000"),
        ("--cpu-affinity -1", "-1 is not in the range 0<=x<=4095"),
        ("--log-level loud", "'loud' is not one of"),
        ("--server ntp.se:0", "servers[0]: 'ntp.se:0' names no server"),
        ("--server a a", "servers[1]: a is the same server as servers[0]"),
        ("--config /does/not/exist.yaml", "/does/not/exist.yaml: cannot read"),
        ("--config=", "the path is empty"),
    ],
)
def test_wrong_usage_starts_nothing(
    started: list[Config], words: str, said: str
) -> None:
    """One line, code 2."""
    code, stderr = run(*words.split())

    assert code == ExitCode.USAGE
    assert said.lower() in stderr.lower()
    assert stderr.count("\n") == 1
    assert started == []


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        (
            "publish: {}\nprocess:\n  cpu_affinity: [4095]\n",
            "",
            "{file}:3: process.cpu_affinity: cannot run on 4095: this process may use ",
        ),
        (
            "process: {cpu_affinity: [0]}",
            "--cpu-affinity 4095",
            "--cpu-affinity: cannot run on 4095: this process may use ",
        ),
        (
            "# ours\nselection: {required: 2}",
            "--server a",
            "{file}:2: selection.required: 2 servers can never agree where only 1",
        ),
        ("selection: {required: 2}", "--server a a", "servers[1]: a is the same"),
    ],
)
def test_what_shows_only_in_use_has_its_place(
    tmp_path: Path, text: str, flags: str, said: str
) -> None:
    """The line of the file, or the flag, whichever it was."""
    path = tmp_path / "c.yaml"
    path.write_text(text)

    code, stderr = run("--config", str(path), *flags.split())

    assert code == ExitCode.USAGE
    assert stderr.startswith(f"chronotick: error: {said.format(file=path)}")


def report(status: Status, *, answered: int = 2, **changes: Any) -> DaemonReport:
    """Return a report of a daemon with three servers."""
    correction = Correction(
        raw_ns=0,
        utc_ns=0,
        rate_ppb=0.0,
        bound_ns=812_400,
        bound_growth_ppb=15_000,
        variance=Variance(0.0),
        status=status,
        reasons=changes.get("reasons", Reason.NONE),
        source=Source.NTP,
        confidence=2 / 3,
        last_sync_raw_ns=0,
        measurement_count=answered,
        delay_ns=0,
    )
    sources = tuple(
        SourceReport(
            server=f"s{i}", endpoint=None, verdict="pending", samples=int(i < answered)
        )
        for i in range(3)
    )
    return DaemonReport(correction=correction, sources=sources)


def test_progress_counts_the_answers_until_there_is_a_time() -> None:
    """And says why there is none."""
    line = progress_line(
        report(Status.UNKNOWN, answered=1, reasons=Reason.NO_AGREEMENT)
    )

    assert line == (
        "no time yet: 1 of 3 servers answered (no majority of the servers agrees)"
    )


def test_progress_shows_bound_and_agreement_from_then_on() -> None:
    """With what there is to be said against it."""
    line = progress_line(report(Status.SYNCHRONIZED, reasons=Reason.FALSETICKERS))

    assert line == (
        "synchronized, ± 812.4 µs, 2 of 3 servers agree "
        "(some servers contradict the majority)"
    )


def test_milestones_are_said_once() -> None:
    """The first time and the end of the warm-up stay on the screen."""
    shown: list[str] = []
    said: list[str] = []
    warm_up = WarmUp(shown.append, said.append, "/run/x")

    for status in (
        Status.UNKNOWN,
        Status.WARMUP,
        Status.WARMUP,
        Status.SYNCHRONIZED,
        Status.HOLDOVER,
        Status.SYNCHRONIZED,
    ):
        warm_up(report(status))

    assert len(shown) == 6
    assert len(said) == 2
    assert "the time is known, ± 812.4 µs" in said[0]
    assert "chronotick read --segment /run/x" in said[0]
    assert "warm-up complete" in said[1]


@pytest.mark.parametrize(
    ("segment", "environment", "told"),
    [
        ("/run/a b", "", "chronotick read --segment '/run/a b'"),
        (None, "/run/other", "chronotick read --segment /run/other"),
        (None, "", "chronotick read"),
    ],
)
def test_the_way_to_read_it_can_be_typed_elsewhere(
    segment: str | None, environment: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another terminal, whose environment names no segment."""
    monkeypatch.setenv("CHRONOTICK_SEGMENT", environment)
    said: list[str] = []
    WarmUp(lambda _: None, said.append, segment)(report(Status.WARMUP))

    assert said[0].endswith(f"read it with [bold]{told}[/]")


@pytest.fixture
def _logs() -> Iterator[None]:
    """Take back what a daemon in this process sets for all of its logs."""
    logger = logging.getLogger("chronotick")
    kept = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = kept


@pytest.mark.usefixtures("_logs")
def test_logs_go_to_standard_error_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Brackets in a message are no markup, and the level is obeyed."""
    console = stderr_console()
    logger = daemon_verb._logger(console, "info")
    logger.debug("event=hidden")
    logger.info("event=status servers=[red]")

    out, err = capsys.readouterr()
    assert out == ""
    assert "hidden" not in err
    assert err.endswith("INFO    event=status servers=[red]\n")
