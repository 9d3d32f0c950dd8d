"""Calling tools: schemas, refusals, and each tool's own claims."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chronotick.agents.tools import TOOLS, Tool, call
from unit.agents.lab import START_NS, Lab
from unit.agents.test_telling import TIME_TOOLS, ask, fail

pytestmark = pytest.mark.anyio

T = "2026-11-21T14:00:00Z"
CALLS: dict[str, dict[str, Any]] = TIME_TOOLS | {
    "get_daemon_status": {"verbose": True},
    "convert_time": {"time": T, "to_timezones": ["Asia/Tokyo", "UTC"]},
    "order_timestamps": {
        "events": [
            {"id": "a", "time": T, "uncertainty_s": 0.1},
            {"id": "b", "time": T, "uncertainty_s": 0.1},
        ]
    },
}


def test_every_tool_is_tried_here() -> None:
    """A new tool needs a call in this file."""
    assert set(CALLS) == set(TOOLS)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=str)
def test_schemas_are_plain_objects(tool: Tool) -> None:
    """Clients get valid schemas without references, and unknown arguments refused."""
    for schema in (tool.input_schema, tool.output_schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert "$ref" not in json.dumps(schema)
    assert tool.input_schema["additionalProperties"] is False
    assert "summary" in tool.output_schema["required"]


@pytest.mark.parametrize("name", CALLS)
async def test_results_are_as_their_schema_says(lab: Lab, name: str) -> None:
    """Every field of a result is declared, and a failure fits the same schema."""
    tool = TOOLS[name]
    jsonschema.validate(CALLS[name], tool.input_schema)
    result = await ask(lab, name, **CALLS[name])
    jsonschema.validate(result, tool.output_schema)
    assert set(result) <= set(tool.output_schema["properties"])
    json.dumps(result, allow_nan=False)
    lab.pass_s(2_000)
    outcome = await call(lab.service, name, CALLS[name])
    assert outcome.structured is not None
    jsonschema.validate(outcome.structured, tool.output_schema)


@pytest.mark.parametrize("name", CALLS)
async def test_unknown_arguments_are_refused(lab: Lab, name: str) -> None:
    """An argument that is ignored would look as if it had been obeyed."""
    outcome = await fail(lab, name, **CALLS[name], tz="UTC")
    assert "unknown field `tz`" in outcome.text
    assert outcome.structured is None


async def test_an_unknown_tool_names_those_that_exist(lab: Lab) -> None:
    """The list helps a model to correct itself."""
    outcome = await fail(lab, "now")
    assert "get_time, get_daemon_status" in outcome.text


@pytest.mark.parametrize(
    "seconds",
    [math.nan, math.inf, -1, 86_401, 2**1100, "60", None, True, [1]],
    ids=repr,
)
async def test_impossible_numbers_are_refused(lab: Lab, seconds: object) -> None:
    """NaN, huge and negative numbers, and things that are none."""
    outcome = await fail(
        lab, "get_time_with_future_uncertainty", future_seconds=seconds
    )
    assert "future_seconds" in outcome.text


SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9)
JSON = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(), SCALARS)


@pytest.mark.parametrize("name", CALLS)
@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(choice=st.integers(0, 9), value=JSON)
async def test_whatever_is_asked_is_answered(
    lab: Lab, name: str, choice: int, value: object
) -> None:
    """Random JSON for any argument gives an outcome, never an exception."""
    fields = TOOLS[name].request.__struct_fields__
    arguments = CALLS[name] | {fields[choice % len(fields)]: value}
    if "max_wait_s" in fields:
        arguments["max_wait_s"] = 0.01
    outcome = await call(lab.service, name, arguments)
    assert outcome.text


# ── Order ────────────────────────────────────────────────────────────────────


async def test_an_order_is_certain_only_where_intervals_are_apart(lab: Lab) -> None:
    """Touching intervals share an instant, so they are uncertain."""
    told = await ask(
        lab,
        "order_timestamps",
        events=[
            {"id": "c", "time": "2026-11-21T14:00:03Z", "uncertainty_s": 0.5},
            {"id": "a", "time": "2026-11-21T14:00:00Z", "uncertainty_s": 0.5},
            {"id": "b", "time": "2026-11-21T14:00:01Z", "uncertainty_s": 0.5},
        ],
    )
    assert told["order"] == ["a", "b", "c"]
    assert told["total_order"] is False
    assert [(p["a"], p["b"], p["relation"]) for p in told["pairs"]] == [
        ("a", "b", "uncertain"),
        ("a", "c", "before"),
        ("b", "c", "before"),
    ]
    assert [p["margin_s"] for p in told["pairs"]] == [0.0, 2.0, 1.0]
    assert "not certain for a and b" in told["summary"]


async def test_certain_orders_are_called_so(lab: Lab) -> None:
    """All neighbors apart: the order is total."""
    told = await ask(
        lab,
        "order_timestamps",
        events=[
            {"id": "late", "time": str(START_NS + 10**9), "uncertainty_s": 0.1},
            {"id": "early", "time": str(START_NS), "uncertainty_s": 0.1},
        ],
    )
    assert (told["order"], told["total_order"]) == (["early", "late"], True)


def event(name: str, at_ns: int, bound_s: float, lead_ns: int) -> dict[str, Any]:
    """Return a stamp as an event; its clock may have merged a leading one."""
    stamp = {
        "hlc": f"{at_ns + lead_ns:020d}.000000@{name}",
        "unix_ns": str(at_ns),
        "uncertainty_s": bound_s,
        "node": name,
        "boot_id": "0",
        "seq": 1,
    }
    return {"id": name, "time": stamp}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10 * 10**9), st.floats(0, 5), st.integers(0, 10 * 10**9)
        ),
        min_size=2,
        max_size=12,
    )
)
async def test_no_event_is_put_after_what_it_certainly_precedes(
    empty_lab: Lab, stamps: list[tuple[int, float, int]]
) -> None:
    """However far merging made a stamp's clock run ahead of its interval."""
    told = await ask(
        empty_lab,
        "order_timestamps",
        events=[
            event(f"e{k}", START_NS + at_ns, bound_s, lead_ns)
            for k, (at_ns, bound_s, lead_ns) in enumerate(stamps)
        ],
    )
    relations = {pair["relation"] for pair in told["pairs"]}
    assert "after" not in relations
    assert told["total_order"] is (relations == {"before"})
    assert ("not certain for e" in told["summary"]) is not told["total_order"]


async def test_stamps_are_ordered_by_cause_within_their_bounds(lab: Lab) -> None:
    """Two stamps of one instant: the bounds are undecided, the order is not random."""
    first = (await ask(lab, "stamp_event", label="first"))["stamp"]
    second = (await ask(lab, "stamp_event", previous=first))["stamp"]
    told = await ask(
        lab,
        "order_timestamps",
        events=[{"id": "2", "time": second}, {"id": "1", "time": first}],
    )
    assert told["order"] == ["1", "2"]
    assert told["total_order"] is False
    assert first["label"] == "first"
    assert second["hlc"] > first["hlc"]


@pytest.mark.parametrize(
    ("name", "arguments", "mend"),
    [
        (
            "convert_time",
            {"time": T, "to_timezones": ["UTC"], "fold": 2},
            "fold is one of 0, 1",
        ),
        ("elapsed", {"since": START_NS}, "put quotation marks around the digits"),
        ("get_time", {"tz": "UTC"}, "arguments: timezone"),
        (
            "plan_rendezvous",
            {"participants": 2 * [{"id": "a", "uncertainty_s": 0.1}]},
            "`id` - at `$.participants[0]` (participants[0] needs node, uncertainty_s)",
        ),
        (
            "order_timestamps",
            {"events": [{"id": "a", "time": "0"}, {"id": "b", "at": "0"}]},
            "(events[1] needs id, time, and can have uncertainty_s)",
        ),
        (
            "commit_wait",
            {"stamp": {"hlc": "1"}},
            "(stamp needs hlc, unix_ns, uncertainty_s, node, boot_id, seq, and can have ",
        ),
        (
            "order_timestamps",
            {"events": 2 * [{"id": "a", "time": {"when": 0}}]},
            "(events[0].time needs hlc, ",
        ),
        ("wait_until", {"time": {}}, "(time needs hlc, "),
        ("stamp_event", {"previous": {}}, "(previous needs hlc, "),
    ],
)
async def test_a_refusal_says_what_can_be_written_instead(
    lab: Lab, name: str, arguments: dict[str, Any], mend: str
) -> None:
    """The choices, the type, or the arguments that there are."""
    assert mend in (await fail(lab, name, **arguments)).text


@pytest.mark.parametrize(
    ("events", "mend"),
    [
        (
            [{"id": "a", "time": T}, {"id": "b", "time": T, "uncertainty_s": 1}],
            "needs uncertainty_s",
        ),
        (
            [
                {"id": "a", "time": T, "uncertainty_s": 1},
                {"id": "a", "time": T, "uncertainty_s": 1},
            ],
            "give each its own",
        ),
        ([{"id": "a", "time": T, "uncertainty_s": 1}], "length >= 2"),
        (
            [
                {"id": "a", "time": T[:-1], "uncertainty_s": 1},
                {"id": "b", "time": T, "uncertainty_s": 1},
            ],
            "append Z for UTC",
        ),
    ],
)
async def test_events_without_bound_or_name_are_refused(
    lab: Lab, events: list[dict[str, Any]], mend: str
) -> None:
    """A missing bound is asked for, never assumed."""
    assert mend in (await fail(lab, "order_timestamps", events=events)).text


async def test_a_stamp_has_no_second_uncertainty(lab: Lab) -> None:
    """Two bounds for one event could contradict each other."""
    stamp = (await ask(lab, "stamp_event"))["stamp"]
    events = [
        {"id": "a", "time": stamp, "uncertainty_s": 1},
        {"id": "b", "time": stamp},
    ]
    outcome = await fail(lab, "order_timestamps", events=events)
    assert "leave uncertainty_s out" in outcome.text


# ── Rendezvous ───────────────────────────────────────────────────────────────

PEERS = [{"node": n, "uncertainty_s": u} for n, u in (("a", 0.1), ("b", 0.2), ("c", 0))]


async def test_a_rendezvous_is_as_close_as_the_two_widest_bounds(lab: Lab) -> None:
    """0.1 s and 0.2 s: 0.3 s apart, all done 0.2 s after it, if that is what they have."""
    told = await ask(lab, "plan_rendezvous", participants=PEERS, in_seconds=60)
    fire_ns = int(told["fire_at_unix_ns"])
    assert fire_ns == START_NS + 60 * 10**9
    assert told["simultaneous_within_s"] == pytest.approx(0.3)
    assert int(told["all_fired_after_unix_ns"]) == fire_ns + 200_000_000
    assert "if its bound is then no wider than given" in told["summary"]


async def test_bounds_of_today_are_no_plan_for_later(lab: Lab) -> None:
    """They grow until then: 15 ppm for 1000 s make 16 ms of 1 ms, and this is said."""
    today_s = (await ask(lab, "get_time"))["uncertainty_s"]
    peers = [{"node": name, "uncertainty_s": today_s} for name in ("a", "b")]
    told = await ask(lab, "plan_rendezvous", participants=peers, in_seconds=990)
    assert told["own_future_uncertainty_s"] == pytest.approx(0.01585, abs=1e-6)
    assert "a, b gave less: give future_uncertainty_s" in told["summary"]
    later_s = told["own_future_uncertainty_s"]
    foreseen = [{"node": name, "uncertainty_s": later_s} for name in ("a", "b")]
    told = await ask(lab, "plan_rendezvous", participants=foreseen, in_seconds=990)
    assert "gave less" not in told["summary"]
    # Two clocks drift apart as fast as is published; each acts by its own.
    acted_ns = []
    for sign in (1, -1):
        lab.host.raw = 5_000 * 10**9
        lab.publish(off_ns=sign * 1_000_000, rate_ppb=sign * 15_000.0, max_age_s=2_000)
        lab.pass_s(985)
        when = {"time": told["fire_at_unix_ns"], "guarantee": "midpoint"}
        assert (await ask(lab, "wait_until", **when))["reached"]
        acted_ns.append(lab.host.utc_ns)
    apart_s = abs(acted_ns[0] - acted_ns[1]) / 1e9
    assert 10 * today_s < apart_s <= told["simultaneous_within_s"]


async def test_a_rendezvous_beyond_the_correction_has_no_bound_of_ours(
    lab: Lab,
) -> None:
    """Readings will be refused by then, unless the correction is renewed."""
    told = await ask(lab, "plan_rendezvous", participants=PEERS, in_seconds=5_000)
    assert told["own_future_uncertainty_s"] is None
    assert "No bound can be foreseen that far" in told["summary"]


@pytest.mark.parametrize(
    ("when", "mend"),
    [
        ({"in_seconds": 0.1}, "choose 2026-11-21T14:00:01.2"),
        ({"at": T}, "choose 2026-11-21T14:00:01.2"),
        ({}, "give either"),
        ({"at": T, "in_seconds": 1}, "give either"),
    ],
)
async def test_a_rendezvous_that_may_be_past_is_refused(
    lab: Lab, when: dict[str, Any], mend: str
) -> None:
    """The participant with the widest bound may be there already."""
    outcome = await fail(lab, "plan_rendezvous", participants=PEERS, **when)
    assert mend in outcome.text


# ── Waiting ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("guarantee", "after_ns"),
    [("earliest", 1_000_003), ("midpoint", 0), ("latest", -1_000_003)],
)
async def test_a_wait_ends_when_its_guarantee_holds(
    lab: Lab, guarantee: str, after_ns: int
) -> None:
    """Certainly come, probably, or possibly: a bound apart from each other."""
    lab.host.on_sleep = lab.publish
    target_ns = START_NS + 10**9
    told = await ask(
        lab, "wait_until", time=str(target_ns), guarantee=guarantee, max_wait_s=10
    )
    assert told["reached"] is True
    late_ns = lab.host.utc_ns - (target_ns + after_ns)
    assert 0 <= late_ns < 10_000_000
    assert told["remaining_s"] == 0


async def test_a_wait_gives_up_in_time_and_says_what_is_left(lab: Lab) -> None:
    """Clients drop calls that take longer."""
    lab.host.on_sleep = lab.publish
    told = await ask(lab, "wait_until", in_seconds=100, max_wait_s=5)
    assert told["reached"] is False
    assert told["waited_s"] == pytest.approx(5, abs=0.06)
    assert told["remaining_s"] == pytest.approx(95, abs=0.1)
    assert f"again with time {told['target_unix_ns']}" in told["summary"]


async def test_a_clock_that_is_lost_ends_the_wait_with_an_error(lab: Lab) -> None:
    """What was waited for must not happen."""
    lab.publish(max_age_s=2.0)
    outcome = await fail(lab, "wait_until", in_seconds=30)
    assert "expired" in outcome.text
    assert lab.host.raw < 5_003 * 10**9


async def test_commit_wait_outwaits_both_bounds(lab: Lab) -> None:
    """After it the earliest that the time can be lies past the stamp's latest."""
    stamp = (await ask(lab, "stamp_event"))["stamp"]
    lab.host.on_sleep = lab.publish
    told = await ask(lab, "commit_wait", stamp=stamp)
    assert told["committed"] is True
    assert int(told["commit_unix_ns"]) > START_NS + 1_000_000
    assert told["waited_s"] == pytest.approx(0.002, abs=0.003)


async def test_an_unfinished_commit_is_no_commit(lab: Lab) -> None:
    """It carries no commit time that could be used by mistake."""
    told = await ask(lab, "commit_wait", stamp="2026-11-21T15:00:00Z", max_wait_s=0)
    assert (told["committed"], told["commit_unix_ns"]) == (False, None)
    assert "don't publish yet" in told["summary"]
    assert lab.host.slept == []


@pytest.mark.parametrize("when", [{}, {"time": T, "in_seconds": 1}])
async def test_a_wait_needs_exactly_one_instant(lab: Lab, when: dict[str, Any]) -> None:
    """None and two are both mistakes."""
    assert "give either" in (await fail(lab, "wait_until", **when)).text


# ── Reckoning ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("due_ns", "work_s", "state"),
    [
        (10**10, 5.0, "ok"),
        (10**10, 9.9995, "tight"),
        (500_000, None, "uncertain"),
        (-500_000, None, "uncertain"),
        (-2_000_000, None, "missed"),
    ],
)
async def test_a_deadline_is_judged_by_the_bound(
    lab: Lab, due_ns: int, work_s: float | None, state: str
) -> None:
    """Within ± 1 ms nobody knows whether it has passed."""
    told = await ask(
        lab, "deadline", deadline=str(START_NS + due_ns), work_estimate_s=work_s
    )
    assert told["state"] == state
    assert told["remaining_s"] <= due_ns / 1e9 <= told["remaining_optimistic_s"]


async def test_a_deadline_tells_when_to_start_at_the_latest(lab: Lab) -> None:
    """Work and the bound of then are taken off; half of the time is used up."""
    told = await ask(
        lab,
        "deadline",
        deadline="2026-11-21T15:00:00Z",
        work_estimate_s=600,
        started_at="2026-11-21T13:00:00Z",
    )
    # 1 ms of now, and 15 ppm of the 3000 s until then.
    assert told["latest_start_utc"].startswith("2026-11-21T14:49:59.953")
    assert told["percent_used"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("started_at", "mend"),
    [
        ("2026-11-21T15:00:00Z", "not before the deadline"),
        ("2026-11-21T14:00:01Z", "give when the work began, or leave it out"),
    ],
)
async def test_a_share_that_cannot_be_is_refused(
    lab: Lab, started_at: str, mend: str
) -> None:
    """No time is used up before the start, nor after the end."""
    outcome = await fail(
        lab, "deadline", deadline="2026-11-21T15:00:00Z", started_at=started_at
    )
    assert mend in outcome.text


async def test_work_that_begins_now_has_used_no_time(lab: Lab) -> None:
    """A start within the bound of now may lie before it or after it."""
    told = await ask(
        lab, "deadline", deadline=str(START_NS + 10**9), started_at=str(START_NS + 10)
    )
    assert told["percent_used"] == 0


async def test_elapsed_time_is_a_range_that_holds_the_truth(lab: Lab) -> None:
    """Since an exact instant the bound of now remains, since a stamp both do."""
    since = await ask(lab, "elapsed", since="2026-11-20T13:00:00Z")
    assert since["min_s"] < 90_000 < since["max_s"]
    assert since["max_s"] - since["min_s"] == pytest.approx(0.002, abs=1e-6)
    assert (since["human"], since["days_rolled_over"]) == ("1 d 1 h", 1)
    stamp = (await ask(lab, "stamp_event"))["stamp"]
    assert (since["status"], since["mend"]) == ("synchronized", None)
    both = await ask(lab, "elapsed", since=stamp, until="2026-11-21T15:00:00+01:00")
    assert (both["status"], both["mend"]) == (None, None)
    assert both["max_s"] - both["min_s"] == pytest.approx(0.002, abs=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    since_ns=st.integers(10**17, START_NS),
    length_ns=st.integers(0, 10**19) | st.integers(0, 10**15),
)
async def test_no_range_narrows_by_its_unit(
    empty_lab: Lab, since_ns: int, length_ns: int
) -> None:
    """A float of 56 years is 120 ns wide: the ends round outwards, the words not at all."""
    until_ns = since_ns + length_ns
    told = await ask(empty_lab, "elapsed", since=str(since_ns), until=str(until_ns))
    exact_s = Fraction(length_ns, 10**9)
    if length_ns < 10**15:  # fits into a float as it is written
        assert [repr(told["min_s"])] * 2 == [repr(told["max_s"]), repr(float(exact_s))]
    else:
        assert Fraction(told["min_s"]) <= exact_s <= Fraction(told["max_s"])
    assert Fraction(told["summary"].split("(")[1].split(" to ")[0]) == exact_s


async def test_a_date_that_no_calendar_has_is_refused(empty_lab: Lab) -> None:
    """The last hour of the year 9999 in UTC is in the year 10000 on Kiritimati."""
    outcome = await fail(
        empty_lab,
        "elapsed",
        since="9999-12-31T23:00:00Z",
        until="9999-12-31T23:59:59Z",
        timezone="Pacific/Kiritimati",
    )
    assert "leave timezone out" in outcome.text


async def test_dates_roll_over_in_the_zone_that_is_named(lab: Lab) -> None:
    """Midnight is somewhere else in Tokyo."""
    since = await ask(
        lab, "elapsed", since="2026-11-21T13:00:00Z", timezone="Asia/Tokyo"
    )
    assert since["days_rolled_over"] == 0
    since = await ask(
        lab,
        "elapsed",
        since="2026-11-21T14:30:00Z",
        until="2026-11-21T15:30:00Z",
        timezone="Asia/Tokyo",
    )
    assert since["days_rolled_over"] == 1


async def test_conversion_needs_no_daemon(empty_lab: Lab) -> None:
    """An instant is what it is."""
    told = await ask(
        empty_lab,
        "convert_time",
        time="2026-10-24T12:00:00",
        from_timezone="Europe/Berlin",
        to_timezones=["America/New_York", "UTC", "Europe/Berlin"],
    )
    assert told["utc"] == "2026-10-24T10:00:00.000000000Z"
    new_york, utc, berlin = told["results"]
    assert new_york["local"] == "2026-10-24T06:00:00.000000000-04:00"
    assert (new_york["utc_offset"], new_york["weekday"]) == ("-04:00", "Saturday")
    assert (utc["is_dst"], utc["dst_note"]) == (False, None)
    assert berlin["dst_note"] == "offset changes to +01:00 at 2026-10-25T01:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ({"time": "2026-03-29T02:30:00", "from_timezone": "Europe/Berlin"}, "do"),
        ({"time": "2026-10-25T02:30:00", "from_timezone": "Europe/Berlin"}, "fold=0"),
        ({"time": "2026-10-25T02:30:00"}, "convert_time and its from_timezone"),
        ({"time": T, "from_timezone": "UTC"}, "leave from_timezone out"),
        ({"time": str(START_NS), "from_timezone": "UTC"}, "leave from_timezone out"),
        ({"time": T, "fold": 1}, "give from_timezone too"),
        ({"time": T, "to_timezones": ["Mars/Base"]}, "no time zone"),
        ({"time": T, "to_timezones": ["right/Europe/Berlin"]}, "Europe/Berlin"),
        ({"time": "1960-01-01T00:00:00", "from_timezone": "UTC"}, "1970"),
    ],
)
async def test_conversions_that_guess_are_refused(
    lab: Lab, arguments: dict[str, Any], mend: str
) -> None:
    """Gaps, folds, naive times and unknown zones get the fix."""
    assert mend in (await fail(lab, "convert_time", **arguments)).text
