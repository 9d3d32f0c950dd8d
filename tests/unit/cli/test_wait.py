"""`chronotick wait`: returns when the time is good enough, or says why it was not."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cli.conftest import Publication


def wait(path: object, *flags: str) -> Result:
    """Run the verb on the segment at `path`."""
    return CliRunner().invoke(cli, ["wait", "--segment", str(path), *flags])


@pytest.mark.parametrize("flags", [(), ("--max-width", "3ms"), ("--timeout", "0")])
def test_a_time_that_is_good_enough_is_printed(
    publication: Publication, flags: tuple[str, ...]
) -> None:
    """It looks before it waits, so a time-out of nothing can succeed."""
    publication.publish()

    result = wait(publication.path, "--json", *flags)

    assert result.exit_code == ExitCode.OK
    assert json.loads(result.stdout)["width_ns"] <= 3_000_000


def test_an_interval_that_stays_too_wide_times_out(publication: Publication) -> None:
    """The line says how wide it is; the width is twice the bound."""
    publication.publish()

    result = wait(publication.path, "--max-width", "1ms", "--timeout", "10ms")

    assert (result.exit_code, result.stdout) == (ExitCode.TIMEOUT, "")
    assert result.stderr.startswith(
        "chronotick: error: not good enough within 10ms: the interval is 2"
    )


def test_a_missing_daemon_is_waited_for(tmp_path: Path) -> None:
    """Scripts start the daemon and wait at the same time."""
    result = wait(tmp_path / "nothing", "--timeout", "10ms")

    assert result.exit_code == ExitCode.TIMEOUT
    assert "within 10ms: no daemon is publishing" in result.stderr


def test_it_ends_when_the_time_comes(publication: Publication) -> None:
    """A publication during the wait is seen."""
    timer = threading.Timer(0.1, publication.publish)
    timer.start()

    result = wait(publication.path, "--timeout", "30s")

    timer.join()
    assert result.exit_code == ExitCode.OK


def test_what_waiting_cannot_mend_fails_at_once(tmp_path: Path) -> None:
    """A file that is no segment will not become one."""
    path = tmp_path / "notes"
    path.write_bytes(bytes(5000))

    assert wait(path, "--timeout", "1h").exit_code == ExitCode.FAILURE
