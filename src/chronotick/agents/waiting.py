"""Wait for an instant, or until one has certainly passed (commit-wait).

Decides what has been reached and how long one call may take; clients give up after
60 s, so a wait that is longer returns unfinished and is asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from chronotick.agents.ordering import instant_span
from chronotick.agents.requests import Stamp
from chronotick.agents.results import CommitResult, WaitResult
from chronotick.agents.stamps import believed_hlc
from chronotick.agents.telling import moment, provenance
from chronotick.agents.wording import RequestError, human, rfc3339
from chronotick.client.waiting import pause_s
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.agents.requests import CommitWait, WaitUntil
    from chronotick.agents.service import TimeService
    from chronotick.agents.timepiece import Reading
    from chronotick.core.reading import Interval

__all__ = ["commit_wait", "wait_until"]

_Guarantee: TypeAlias = Literal["earliest", "midpoint", "latest"]


class _Ended(NamedTuple):
    reading: Reading
    left_ns: int
    """0 where the target was reached."""
    waited_s: float


async def wait_until(service: TimeService, request: WaitUntil) -> WaitResult:
    """Wait until an instant has come, in the sense of `guarantee`.

    Raises:
        ClockError, SegmentError: there is no trustworthy time, or it was lost.
        RequestError: the instant is not given exactly once, or names none.
    """
    if (request.time is None) == (request.in_seconds is None):
        raise RequestError("give either time or in_seconds, and not both")
    if request.time is not None:
        target_ns = instant_span(request.time)[1]
    else:
        ahead_ns = round((request.in_seconds or 0.0) * NS_PER_S)
        target_ns = service.timepiece.interval().midpoint_ns + ahead_ns
    ended = await _wait(service, target_ns, request.guarantee, request.max_wait_s)
    reached, remaining_s = ended.left_ns == 0, ended.left_ns / NS_PER_S
    words = {
        "earliest": "has certainly come",
        "midpoint": "has probably come",
        "latest": "may have come",
    }
    if reached:
        summary = f"{rfc3339(target_ns)} {words[request.guarantee]}."
    else:
        summary = (
            f"Not yet {rfc3339(target_ns)}, {human(remaining_s)} to go: call "
            f"wait_until again with time {target_ns}."
        )
    return WaitResult(
        summary=summary,
        **provenance(ended.reading, service),
        reached=reached,
        waited_s=ended.waited_s,
        remaining_s=remaining_s,
        target_unix_ns=str(target_ns),
        now=moment(ended.reading.now),
    )


async def commit_wait(service: TimeService, request: CommitWait) -> CommitResult:
    """Wait until the true time is certainly past a stamp, and past its `hlc`.

    Raises:
        ClockError, SegmentError: the time was lost; what was waited for must not
            happen.
        RequestError: the stamp names no instant, or lies in the future for certain.
    """
    target_ns = _commit_target_ns(request.stamp, service.timepiece.interval())
    ended = await _wait(service, target_ns, "earliest", request.max_wait_s)
    committed, remaining_s = ended.left_ns == 0, ended.left_ns / NS_PER_S
    if committed:
        what = "stamp" if isinstance(request.stamp, Stamp) else "instant"
        summary = (
            f"Committed: the true time is past the {what}, so every stamp made from now "
            "on, by any clock within its bound, sorts after it by its hlc."
        )
    else:
        summary = (
            f"Not committed, {human(remaining_s)} to go: call commit_wait again with "
            "the same stamp, and don't publish yet."
        )
    earliest_ns = ended.reading.now.earliest_ns
    return CommitResult(
        summary=summary,
        **provenance(ended.reading, service),
        committed=committed,
        waited_s=ended.waited_s,
        remaining_s=remaining_s,
        commit_unix_ns=str(earliest_ns) if committed else None,
    )


def _commit_target_ns(stamp: str | Stamp, now: Interval) -> int:
    latest_ns = instant_span(stamp)[1]
    if not isinstance(stamp, Stamp):
        return latest_ns
    # The stamps it merged may have carried its hlc beyond its own interval.
    hlc = believed_hlc(stamp, now, otherwise="don't publish what it stamps")
    return max(latest_ns, hlc.physical_ns)


async def _wait(
    service: TimeService, target_ns: int, guarantee: _Guarantee, max_wait_s: float
) -> _Ended:
    """Wait for `max_wait_s` at most, on the host's own oscillator."""
    timepiece = service.timepiece
    start_ns = timepiece.raw_ns()
    while True:
        # One reading decides and is told: a wider one may be published meanwhile.
        reading = timepiece.read()
        now = reading.now
        # "Past" is what the clock's waits end at; "at" is enough unless order counts.
        past_ns = target_ns if guarantee == "earliest" else target_ns - 1
        reached_ns = _edge_ns(now, guarantee)
        pause = pause_s(reached_ns, now.latest_ns, past_ns, 0)
        waited_s = (timepiece.raw_ns() - start_ns) / NS_PER_S
        if pause is None or waited_s >= max_wait_s:
            left_ns = max(past_ns + 1 - reached_ns, 0)
            return _Ended(reading, left_ns, waited_s)
        await service.sleep(min(pause, max_wait_s - waited_s))


def _edge_ns(now: Interval, guarantee: _Guarantee) -> int:
    if guarantee == "earliest":
        return now.earliest_ns
    return now.midpoint_ns if guarantee == "midpoint" else now.latest_ns
