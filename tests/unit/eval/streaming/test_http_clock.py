"""ChronoTick over HTTP: the round trip widens the bound, and silence ends it."""

from __future__ import annotations

import json
import math
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chrono_daemon import Supervisor
from chronotick.core.errors import ConfigError
from chronotick.core.records import ClockPair
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.eval.streaming.hosts import RealHost
from chronotick.eval.streaming.http_clock import HttpClock, NoAnswer
from chronotick.eval.streaming.node import Node, NodeSettings
from system.peers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = {"status": "holdover", "earliest_unix_ns": "1000", "latest_unix_ns": "3000"}


class Hands:
    """The host's clocks, moved by hand: one step for each reading, or by a jump."""

    def __init__(self, step_ns: int = 0) -> None:
        self.now_ns = NS_PER_S
        self.suspend_ns = 0
        self._step_ns = step_ns

    def raw_ns(self) -> int:
        """Return RAW."""
        return self.pair().raw_ns

    def pair(self) -> ClockPair:
        """Return both clocks."""
        self.now_ns += self._step_ns
        return ClockPair(self.now_ns, self.now_ns, 1, self.suspend_ns)


@contextmanager
def server(status: int, body: bytes, seen: list[str | None]) -> Iterator[str]:
    """Serve one answer to whoever asks; yield the URL."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.extend([self.path, self.headers["Authorization"]])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}"
        finally:
            serving.shutdown()
            thread.join()


def asked(
    clocks: Hands, body: bytes, status: int = 200, token: str | None = None
) -> tuple[HttpClock, list[str | None]]:
    """Return a clock that has asked once, and what the server saw."""
    seen: list[str | None] = []
    with server(status, body, seen) as url:
        clock = HttpClock(url, clocks, token)
        clock.ask()
        clock._connection.close()
    return clock, seen


def test_the_round_trip_and_the_drift_widen_the_interval() -> None:
    """It holds at some instant of the round trip, so both its ends are kept open."""
    clocks = Hands(step_ns=10_000_000)  # 10 ms from each reading to the next
    clock, seen = asked(clocks, json.dumps(GOOD).encode(), token="secret")  # noqa: S106
    interval = clock.interval()

    # Read before (10 ms), after (20 ms) and now (30 ms): from 10 to 20 ms have passed,
    # and 20 ms at 500 ppm are 10 µs.
    assert interval.earliest_ns == 1000 + 10_000_000 - 10_000
    assert interval.latest_ns == 3000 + 20_000_000 + 10_000
    assert interval.status is Status.HOLDOVER
    assert math.isnan(interval.sigma_ns)
    assert seen == ["/api/time", "Bearer secret"]


def test_an_old_answer_is_none() -> None:
    """After 5 s without a new one there is no time: the server may be gone."""
    clocks = Hands()
    clock, _ = asked(clocks, json.dumps(GOOD).encode())
    clocks.now_ns += 5 * NS_PER_S
    assert clock.interval().latest_ns > 0
    clocks.now_ns += 1

    with pytest.raises(NoAnswer, match=r"answered last 5\.0 s ago"):
        clock.interval()


def test_a_host_that_slept_has_no_time() -> None:
    """RAW stood still meanwhile: nobody knows for how long."""
    clocks = Hands()
    clock, _ = asked(clocks, json.dumps(GOOD).encode())
    clocks.suspend_ns += 60 * NS_PER_S

    with pytest.raises(NoAnswer, match="the host slept or was moved"):
        clock.interval()


def test_a_coverage_is_never_made_up() -> None:
    """The endpoint tells the hard bound; the calibrated columns stay empty."""
    clock, _ = asked(Hands(), json.dumps(GOOD).encode())

    with pytest.raises(NoAnswer, match="tells the hard bound only"):
        clock.interval(0.99)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            503,
            b'{"summary": "No trustworthy time."}',
            "status 503: No trustworthy time.",
        ),
        (401, b'{"error": "a token is needed"}', "status 401: a token is needed"),
        (200, b"<html>", "no JSON object"),
        (200, b"[]", "no JSON object"),
        (200, b"{}", "its answer lacks a time"),
        (200, json.dumps(GOOD | {"status": "stale"}).encode(), "lacks a time"),
        (200, json.dumps(GOOD | {"latest_unix_ns": "1"}).encode(), "before it begins"),
        (200, json.dumps(GOOD | {"latest_unix_ns": None}).encode(), "lacks a time"),
        (200, b" " * 70_000, "too long"),
        (200, b"[" * 60_000, "no JSON object"),
        (
            200,
            json.dumps({**GOOD, "latest_unix_ns": math.inf}).encode(),
            "lacks a time",
        ),
        (200, json.dumps({**GOOD, "latest_unix_ns": 10**400}).encode(), "lacks a time"),
        (200, json.dumps({**GOOD, "earliest_unix_ns": -(2**63)}).encode(), "lacks a"),
    ],
)
def test_what_is_no_time_is_no_reading(status: int, body: bytes, says: str) -> None:
    """Nothing is made of it; the reason is the server's own word, or what is wrong."""
    clock, _ = asked(Hands(), body, status)

    with pytest.raises(NoAnswer, match=f"has told no time yet: .*{says}"):
        clock.interval()


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", "127.0.0.1:80", "http://a:x", "http://a/path"]
)
def test_another_kind_of_url_is_refused(url: str) -> None:
    """Before anything is asked, with what is expected."""
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        HttpClock(url, Hands())


@pytest.mark.anyio
async def test_a_node_without_its_server_is_not_ready() -> None:
    """And stamps with its system clock only, with the reason beside the nulls."""
    url = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    node = Node(NodeSettings(server_url=url), RealHost())
    async with Supervisor() as supervisor:
        node.start(supervisor)
        assert f"ChronoTick: {url} has told no time yet" in node.why_not_ready()
        stamps = node.stamps(node.host.measured.raw_ns())
        await supervisor.stop(grace=0)

    assert stamps.hard is None
    assert stamps.columns()["ct_status"] == "NoAnswer"
    assert node.sigma_ms() is None
