"""What the time that we serve stands on is as fresh as it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.ntp_server import ServedClock, parse_listen
from chronotick.client.clock import Clock
from chronotick.core.errors import AddressError
from chronotick.core.report import REPORT_STALE_NS
from chronotick.core.status import Leap
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.cli.conftest import Publication


@pytest.mark.parametrize("text", ["11123", "127.0.0.1:99999", "localhost:123", ""])
def test_where_to_listen_is_a_numeric_address(text: str) -> None:
    """What is wrong with it is not said as of a server that somebody asks."""
    with pytest.raises(
        AddressError, match=r"to listen on is needed, such as 0\.0\.0\.0"
    ):
        parse_listen(text)


class Later(HostClock):
    """This host's clocks, some time from now."""

    ahead_ns = 0

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW then."""
        return super().raw_ns() + self.ahead_ns


def test_the_stratum_is_that_of_the_best_server_in_use(
    publication: Publication,
) -> None:
    """Its address, too: others see a loop by it."""
    publication.publish()
    with Clock(publication.path) as clock:
        found = ServedClock(clock, HostClock()).read()

    assert found is not None
    assert found.upstream.stratum == 1
    assert found.upstream.reference_id == 0xC0000201


@pytest.mark.parametrize(
    ("heralds", "used", "told"),
    [(0, 3, Leap.NONE), (1, 3, Leap.NONE), (1, 2, Leap.INSERT), (3, 3, Leap.INSERT)],
)
def test_a_leap_second_is_passed_on_if_half_of_the_servers_announce_it(
    publication: Publication, heralds: int, used: int, told: Leap
) -> None:
    """What one says costs us a minute; a client would put the second into its clock."""
    publication.publish(leap=Leap.INSERT)
    file = Path(f"{publication.path}.status")
    report = json.loads(file.read_text())
    row = report["sources"][0]
    report["sources"] = [row | {"leap": int(k < heralds)} for k in range(used)]
    file.write_text(json.dumps(report))

    with Clock(publication.path) as clock:
        found = ServedClock(clock, HostClock()).read()
    assert found is not None
    assert found.upstream.leap is told


def test_of_an_old_report_no_stratum_is_told(publication: Publication) -> None:
    """The interval may hold for hours; whom it comes from is not known any more."""
    publication.publish()
    host = Later()
    with Clock(publication.path) as clock:
        served = ServedClock(clock, host)
        assert served.read() is not None
        host.ahead_ns = REPORT_STALE_NS
        assert served.read() is None
        clock.interval()


def other_run(report: dict[str, object]) -> None:
    """Make it one of another run of the daemon."""
    report["start_id"] = "0123456789abcdef"


def nobody_used(report: dict[str, object]) -> None:
    """Make it one of a daemon that coasts."""
    for source in report["sources"]:  # type: ignore[attr-defined]
        source["verdict"] = "unreachable"


@pytest.mark.parametrize("change", [other_run, nobody_used])
def test_a_report_that_names_no_server_in_use_is_no_stratum(
    publication: Publication, change: Callable[[dict[str, object]], None]
) -> None:
    """That of the run before, or of a daemon without servers."""
    publication.publish()
    file = Path(f"{publication.path}.status")
    report = json.loads(file.read_text())
    change(report)
    file.write_text(json.dumps(report))

    with Clock(publication.path) as clock:
        assert ServedClock(clock, HostClock()).read() is None
