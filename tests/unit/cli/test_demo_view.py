"""What the demo shows: the truth on its ruler, the liar by name, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from chronotick.cli.demo_servers import CAST
from chronotick.cli.demo_view import Scene, line, panel, ruler, summary
from chronotick.cli.sighting import Sighting
from chronotick.cli.tally import Tally
from chronotick.core.reading import Interval
from chronotick.core.records import SourceReport
from chronotick.core.status import Reason, Source, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

ACTORS = {f"127.0.0.1:{i}": actor for i, actor in enumerate(CAST, start=40_001)}


def seen(truth_ns: int) -> Sighting:
    """Return the interval 1 s ± 100 µs while the truth was `truth_ns`."""
    now = Interval(
        999_900_000,
        1_000_100_000,
        Status.WARMUP,
        Source.NTP,
        Reason.FALSETICKERS,
        0.0,
    )
    return Sighting(now, truth_ns, truth_ns)


def scene(sighting: Sighting | None) -> Scene:
    """Return a scene with a liar that was found out."""
    tally = Tally()
    if sighting is not None:
        tally.add(0.4, sighting)
    liar = SourceReport(
        server="127.0.0.1:40004",
        endpoint="127.0.0.1:40004",
        verdict="falseticker",
        offset_ns=250_000_000,
        delay_ns=2_000_000,
        samples=3,
    )
    return Scene(
        elapsed_s=3.0,
        for_s=30.0,
        seen=sighting,
        why="" if sighting else "no server has answered yet",
        sources=(liar,),
        actors=ACTORS,
        tally=tally,
    )


def printed(what: RenderableType) -> str:
    """Return what a terminal of 100 columns would show."""
    console = Console(width=100)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


@pytest.mark.parametrize(
    ("truth_ns", "at", "style"),
    [
        (1_000_000_000, 20, "bold green"),
        (999_900_000, 0, "bold green"),
        (1_000_100_000, 40, "bold green"),
        (999_000_000, 0, "bold red"),
        (2_000_000_000, 40, "bold red"),
    ],
)
def test_the_truth_stands_where_it_is(truth_ns: int, at: int, style: str) -> None:
    """Inside it is green; outside it is red at the end that it passed."""
    text = ruler(seen(truth_ns))

    assert text.plain.index("●") == at
    assert len(text.plain) == 41
    assert style in {str(span.style) for span in text.spans}


def test_the_panel_tells_the_whole_story() -> None:
    """Time, bound, status, servers and the count of readings that held."""
    out = printed(panel(scene(seen(1_000_000_000))))

    for words in (
        "1970-01-01T00:00:01.000000000Z",
        "± 100 µs",
        "warmup (some servers contradict the majority)",
        "1 of 1 contained the truth",
        "falseticker",
        "+250 ms",
        "3.0 s of 30 s",
        *(actor.name for actor in CAST),
    ):
        assert words in out


def test_before_the_first_time_the_reason_is_shown() -> None:
    """In the panel as in the line."""
    assert "no server has answered yet" in printed(panel(scene(None)))
    assert line(scene(None)) == "   3.0 s  no time yet: no server has answered yet"


def test_a_line_has_the_error_and_the_count() -> None:
    """What a log of the demo needs to prove its point."""
    text = line(scene(seen(1_000_041_000)))

    assert "± 100 µs" in text
    assert "off by 41 µs" in text
    assert "1/1 held the truth" in text


def test_the_summary_admits_a_miss() -> None:
    """A reading outside its bound is in the summary, in figures."""
    tally = Tally()
    tally.add(0.4, seen(1_000_000_000))
    tally.add(0.5, seen(2_000_000_000))
    tally.refuse()

    facts = dict(summary(tally, 17))

    assert facts["measured"].startswith("17 exchanges")
    assert facts["first time"] == "after 0.4 s, ± 100 µs"
    assert "1 of them contained the truth (50 %)" in facts["readings"]
    assert facts["refused"].startswith("1 readings")
    assert facts["liar"] == "+250 ms, not found out"


def test_one_miss_in_a_million_is_not_a_hundred_percent() -> None:
    """Shares are rounded down."""
    tally = Tally()
    tally.add(0.1, seen(1_000_000_000))
    tally.readings, tally.held = 1_000_000, 999_999

    assert (
        "999,999 of them contained the truth (99.99 %)"
        in dict(summary(tally, 1))["readings"]
    )


def test_the_summary_of_nothing_says_so() -> None:
    """No time at all is not made up."""
    assert dict(summary(Tally(), 0))["readings"] == "none: no time was published"


def test_without_a_report_nothing_is_said_of_the_servers() -> None:
    """Neither that none was asked, nor that the liar went unnoticed."""
    tally = Tally()
    tally.add(0.4, seen(1_000_000_000))
    facts = dict(summary(tally, None))
    assert "not known" in facts["measured"]
    assert "not known" in facts["liar"]
    assert "not found out" in dict(summary(tally, 4))["liar"]
