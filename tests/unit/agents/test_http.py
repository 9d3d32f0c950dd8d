"""The JSON interface: what is answered, and with which status."""

from __future__ import annotations

import pytest

from chronotick.agents.gate import rules_for
from chronotick.agents.http import build_app
from unit.agents.asgi import ask
from unit.agents.lab import START_NS, Lab

pytestmark = pytest.mark.anyio


async def test_get_time_answers_in_the_units_of_the_original_design(lab: Lab) -> None:
    """Milliseconds as numbers, nanoseconds as text, beside everything get_time says."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    answer = await ask(app, "POST", "/get_time")
    told = answer.json
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert told["timestamp_ns"] == told["unix_ns"] == str(START_NS)
    assert int(told["earliest_ns"]) < START_NS < int(told["latest_ns"])
    assert told["offset_ms"] == pytest.approx(2.0)
    assert told["uncertainty_ms"] == pytest.approx(1.0, abs=1e-4)
    assert told["status"] == "synchronized"


async def test_both_ways_to_ask_take_a_zone(lab: Lab) -> None:
    """In the body of POST, in the query of GET."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    posted = await ask(app, "POST", "/get_time", body=b'{"timezone": "Asia/Tokyo"}')
    got = await ask(app, "GET", "/api/time", query="timezone=Asia/Tokyo")
    assert posted.json == got.json
    assert got.json["local"] == "2026-11-21T23:00:00.000000000+09:00"


@pytest.mark.parametrize(
    ("body", "mend"),
    [
        (b"{", "send {}"),
        (b"[]", "send {}"),
        (b"[" * 60_000, "send {}"),
        (b"\xff", "send {}"),
        (b'{"tz": 1}', "arguments: timezone"),
        (b'{"timezone": "Mars"}', "write an IANA name"),
    ],
)
async def test_requests_that_cannot_be_meant_are_400(
    lab: Lab, body: bytes, mend: str
) -> None:
    """With what to send instead."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    answer = await ask(app, "POST", "/get_time", body=body)
    assert answer.status == 400
    assert mend in answer.json["error"]


async def test_no_trustworthy_time_is_503_with_the_reason(lab: Lab) -> None:
    """Time is refused; the state is told all the same."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    lab.be_gone_s(2_000)
    for method, path in (("POST", "/get_time"), ("GET", "/api/time")):
        answer = await ask(app, method, path)
        assert answer.status == 503
        assert answer.json["status"] == "stale"
        assert answer.json["mend"].startswith("chronotick daemon")
        assert "timestamp_ns" not in answer.json
    status = await ask(app, "GET", "/api/status")
    assert (status.status, status.json["status"]) == (200, "stale")
    healthz = await ask(app, "GET", "/healthz")
    assert healthz.json == {"is_serving": True, "time_status": "stale"}


async def test_the_sources_are_told(lab: Lab) -> None:
    """A table of servers with the state above it."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    answer = await ask(app, "GET", "/api/sources")
    assert answer.json["servers"] == []
    assert answer.json["status"] == "synchronized"


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/", 404, set()),
        ("GET", "/get_time", 405, {"POST"}),
        ("POST", "/api/time", 405, {"GET", "HEAD"}),
    ],
)
async def test_other_paths_and_methods_are_refused(
    lab: Lab, method: str, path: str, status: int, allowed: set[str]
) -> None:
    """Nothing else is served, and what is, is told in JSON."""
    app = build_app(lab.service, rules_for("127.0.0.1"))
    answer = await ask(app, method, path)
    assert answer.status == status
    assert "POST /get_time" in answer.json["error"]
    given = answer.headers.get("allow", "")
    assert set(filter(None, given.split(", "))) == allowed
