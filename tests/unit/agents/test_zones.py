"""Time zones: nothing is guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.agents import zones
from chronotick.agents.wording import (
    RequestError,
    parse_instant,
    parse_wall_time,
    rfc3339,
)
from chronotick.agents.zones import is_dst, next_change, resolve_local, zone_named

BERLIN = "Europe/Berlin"


@given(seconds=st.integers(min_value=0, max_value=4_000_000_000))
def test_a_local_time_leads_back_to_its_instant(seconds: int) -> None:
    """With the right fold, what a clock in Berlin shows names the instant again."""
    shown = datetime.fromtimestamp(seconds, zone_named(BERLIN))
    wall = parse_wall_time(shown.replace(tzinfo=None, fold=0).isoformat())
    assert resolve_local(wall, BERLIN, shown.fold) == seconds * 10**9


def test_a_skipped_time_is_refused_with_the_times_beside_it() -> None:
    """02:30 does not exist when clocks go from 02:00 to 03:00."""
    wall = parse_wall_time("2026-03-29T02:30:00")
    with pytest.raises(RequestError, match="does not exist") as refusal:
        resolve_local(wall, BERLIN, None)
    assert "2026-03-29T01:30:00.000000000+01:00" in str(refusal.value)
    assert "2026-03-29T03:30:00.000000000+02:00" in str(refusal.value)


def test_a_time_that_occurs_twice_is_refused_with_both() -> None:
    """Without fold there is no answer; each fold has its own, an hour apart."""
    wall = parse_wall_time("2026-10-25T02:30:00")
    with pytest.raises(RequestError, match="fold=0 for 2026-10-25T00:30:00"):
        resolve_local(wall, BERLIN, None)
    first, second = (resolve_local(wall, BERLIN, fold) for fold in (0, 1))
    assert rfc3339(first) == "2026-10-25T00:30:00.000000000Z"
    assert second - first == 3_600 * 10**9


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Tokio", "Asia/Tokyo"),
        ("../../etc/passwd", "IANA"),
        ("Europe", "IANA"),
        ("", "IANA"),
        ("\0", "IANA"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("localtime", "IANA"),
        ("posixrules", "IANA"),
        ("Factory", "IANA"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name: str, near: str) -> None:
    """A typo gets the name that was probably meant."""
    with pytest.raises(RequestError) as refusal:
        zone_named(name)
    assert near in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("UTC+2", "or Etc/GMT-2, which is UTC+2"),
        ("utc+02", "or Etc/GMT-2, which is UTC+2"),
        ("GMT-5", "or Etc/GMT+5, which is UTC-5"),
        ("+14:00", "or Etc/GMT-14, which is UTC+14"),
        ("-1200", "or Etc/GMT+12, which is UTC-12"),
        ("UTC+0", "write UTC"),
    ],
)
def test_an_offset_is_refused_with_its_zone(name: str, hint: str) -> None:
    """Whose sign is the other one: Etc/GMT+2 for UTC+2 is wrong by four hours."""
    with pytest.raises(RequestError) as refusal:
        zone_named(name)
    assert str(refusal.value).endswith(hint)


@pytest.mark.parametrize("name", ["UTC+5:30", "UTC+15", "GMT-13", "UTC+99"])
def test_an_offset_without_a_zone_is_refused_with_none(name: str) -> None:
    """A neighbour's would be another time."""
    with pytest.raises(RequestError, match="IANA name of a place") as refusal:
        zone_named(name)
    assert "Etc/" not in str(refusal.value)


@given(st.integers(-12, 14).filter(bool))
def test_the_zone_of_an_offset_has_it(hours: int) -> None:
    """All that there are."""
    with pytest.raises(RequestError) as refusal:
        zone_named(f"UTC{hours:+}")
    found = re.search(r"Etc/GMT[+-]\d+", str(refusal.value))
    assert found is not None
    zone = zone_named(found[0])
    assert datetime(2026, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", zones._ABBREVIATED)
def test_an_abbreviation_is_refused_with_places_that_use_it(name: str) -> None:
    """All that clocks there show in the course of a year is known."""
    with pytest.raises(RequestError) as refusal:
        zone_named(name.lower())
    told = str(refusal.value).partition("such as ")[2].split(", ")
    assert told
    for place in told:
        shown = {
            datetime(2026, month, 1, tzinfo=zone_named(place)).tzname()
            for month in (1, 7)
        }
        assert name in shown


@pytest.mark.parametrize("name", ["XST", "WIB", "sst", "Etc/GMT+20", "Utc0"])
def test_nothing_near_is_no_suggestion(name: str) -> None:
    """Three letters resemble three others, of another offset."""
    with pytest.raises(RequestError, match="such as Europe/Berlin or UTC"):
        zone_named(name)


@pytest.mark.parametrize("name", ["EST", "MST", "HST", "CET", "Etc/GMT+2"])
def test_a_zone_without_a_place_is_one(name: str) -> None:
    """It is not suggested, but taken."""
    assert zone_named(name) is not UTC


def test_without_a_zone_database_the_mend_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slim container has none; UTC works there all the same."""
    monkeypatch.setattr("chronotick.agents.zones._known_names", frozenset)
    with pytest.raises(RequestError, match="install the package tzdata"):
        zone_named("Nowhere/Land")
    assert zone_named("UTC") is UTC


def test_names_are_listed_when_a_zone_is_asked_for_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reads hundreds of files, and most agents ask for no zone."""
    zones.zone_named.cache_clear()
    zones._known_names.cache_clear()
    listed: list[int] = []

    def list_them() -> set[str]:
        listed.append(1)
        return {"Europe/Berlin", "Asia/Tokyo"}

    monkeypatch.setattr(zones, "available_timezones", list_them)
    zone_named("UTC")
    assert listed == []
    zone_named("Europe/Berlin")
    zone_named("Asia/Tokyo")
    assert listed == [1]
    zones._known_names.cache_clear()


@pytest.mark.parametrize(
    ("name", "winter", "summer"),
    [
        ("Europe/Berlin", False, True),
        ("Europe/Dublin", False, False),  # by law, summer time is the standard there
        ("Australia/Sydney", True, False),
        ("UTC", False, False),
    ],
)
def test_daylight_saving_time_is_ahead_of_standard_time(
    name: str, winter: bool, summer: bool
) -> None:
    """Never behind it."""
    zone = zone_named(name)
    january, july = (
        parse_instant(f"2026-{month}-15T12:00:00Z") // 10**9 for month in ("01", "07")
    )
    assert (is_dst(january, zone), is_dst(july, zone)) == (winter, summer)


def test_a_coming_change_is_found_to_the_second() -> None:
    """Clocks in Berlin are put back at 01:00 UTC on the 25th of October 2026."""
    before = parse_instant("2026-10-24T12:00:00Z") // 10**9
    zone = zone_named(BERLIN)
    change = next_change(before, zone)
    assert change == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert is_dst(before, zone)
    assert not is_dst(before + 86_400, zone)


def test_no_change_is_invented() -> None:
    """In UTC, and at the end of the calendar, there is none."""
    assert next_change(1_795_269_600, UTC) is None
    assert next_change(253_402_300_799, zone_named(BERLIN)) is None
