"""ChronoTick read over HTTP: for a node that has no daemon, but can ask one that has.

Decides what a reading from elsewhere is worth here. The server's interval held at some
instant while it was being asked for, so the whole round trip widens it; afterwards it is
carried along the host's own RAW, which widens it by the worst drift. Asking happens
beside the node's work: no event waits for an answer. The only module that speaks HTTP.
"""

from __future__ import annotations

import http.client
import json
import math
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from chronotick.core.errors import ClockError, ConfigError
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S, grow_ns
from chronotick.daemon.thread import in_a_thread_of_its_own

if TYPE_CHECKING:
    from chrono_daemon import Context
    from chronotick.core.ports import MeasuredClock
    from chronotick.core.records import ClockPair

__all__ = ["HttpClock", "NoAnswer"]

_ASK_EVERY_S = 0.25
_TIMEOUT_S = 2.0
# An older reading is no reading: at the worst drift it would have grown by 5 ms.
_GOOD_FOR_NS = 5 * NS_PER_S
# RAW runs within this of true time: the kernel's own limit for correcting a clock.
_MAX_RATE_PPB = 500_000
_MOST_OCTETS = 64 * 1024
# Far from now, and with room to grow in the 64 bits of a datagram.
_MOST_NS = 2**62
_OK = 200
_STATUSES = {
    "synchronized": Status.SYNCHRONIZED,
    "holdover": Status.HOLDOVER,
    "warmup": Status.WARMUP,
}


class NoAnswer(ClockError):
    """The server gave no time, or none that is new enough; says why."""


class _Answer(NamedTuple):
    earliest_ns: int
    latest_ns: int
    status: Status
    before: ClockPair
    after: ClockPair


class HttpClock:
    """The clock of ``chronotick mcp --transport http``, read from anywhere.

    Args:
        url: ``http://HOST:PORT`` of the server.
        measured: This host's clocks.
        token: The server's bearer token, if it has one.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(
        self, url: str, measured: MeasuredClock, token: str | None = None
    ) -> None:
        self.url = url
        self._measured = measured
        self._token = token
        self._answer: _Answer | None = None
        self._why = "it was not asked yet"
        self._connection = _connection(url)

    async def follow(self, ctx: Context) -> None:
        """Ask four times a second, until cancelled."""
        try:
            while True:
                # A server may hang, a node must not.
                try:
                    await in_a_thread_of_its_own(self.ask, name="time over HTTP")
                except OSError as error:
                    self._why = str(error)
                await ctx.clock.sleep(_ASK_EVERY_S)
        finally:
            self._connection.close()

    def ask(self) -> None:
        """Ask once, for 2 s at most; keep the answer, or why there is none."""
        before = self._measured.pair()
        try:
            earliest_ns, latest_ns, status = self._fetch()
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Whatever the connection was in the middle of is over.
            self._connection.close()
            self._why = " ".join(str(error).split()) or type(error).__name__
            return
        after = self._measured.pair()
        if after.is_continuous_with(before):
            self._answer = _Answer(earliest_ns, latest_ns, status, before, after)

    def _fetch(self) -> tuple[int, int, Status]:
        headers = (
            {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        )
        self._connection.request("GET", "/api/time", headers=headers)
        response = self._connection.getresponse()
        body = response.read(_MOST_OCTETS + 1)
        if len(body) > _MOST_OCTETS:
            raise ValueError("its answer is too long to be one of ChronoTick's")
        return _parsed(response.status, body)

    def interval(self, coverage: float | None = None) -> Interval:
        """Return the hard interval that UTC lies in now; its sigma is NaN: not told.

        Raises:
            NoAnswer: no answer in the last 5 s, or a coverage was asked for.
        """
        if coverage is not None:
            raise NoAnswer(f"{self.url} tells the hard bound only")
        answer, now = self._answer, self._measured.pair()
        if answer is None:
            raise NoAnswer(f"{self.url} has told no time yet: {self._why}")
        least_ns = now.raw_ns - answer.after.raw_ns
        most_ns = now.raw_ns - answer.before.raw_ns
        if not now.is_continuous_with(answer.after):
            raise NoAnswer(f"the host slept or was moved since {self.url} answered")
        if most_ns > _GOOD_FOR_NS:
            age_s = most_ns / NS_PER_S
            raise NoAnswer(f"{self.url} answered last {age_s:.1f} s ago: {self._why}")
        slack_ns = grow_ns(most_ns, _MAX_RATE_PPB)
        return Interval(
            answer.earliest_ns + least_ns - slack_ns,
            answer.latest_ns + most_ns + slack_ns,
            answer.status,
            Source.NO_DATA,
            Reason.NONE,
            math.nan,
        )


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kinds: dict[str, type[http.client.HTTPConnection]]
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in kinds or parts.path not in {"", "/"}:
        raise ConfigError(f"{url!r}: expected http://HOST:PORT or https://HOST:PORT")
    return kinds[parts.scheme](host, port, timeout=_TIMEOUT_S)


def _parsed(status: int, body: bytes) -> tuple[int, int, Status]:
    """Return both ends and the status of an answer.

    Raises:
        ValueError: it tells no time; says why.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        why = f"status {status}, and what it says is no JSON object"
        raise ValueError(why)  # noqa: TRY004 - of what came, not of an argument
    if status != _OK:
        why = str(told.get("summary") or told.get("error") or "no reason given")
        raise ValueError(f"status {status}: {why[:200]}")
    try:
        ends = int(told["earliest_unix_ns"]), int(told["latest_unix_ns"])
        word = _STATUSES[told["status"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its answer lacks a time: {error!r}") from error
    if max(map(abs, ends)) > _MOST_NS:
        raise ValueError("its answer lacks a time that a clock can show")
    if ends[0] > ends[1]:
        raise ValueError("its interval ends before it begins")
    return *ends, word
