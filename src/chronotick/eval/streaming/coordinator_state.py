"""When events are due and who has acknowledged them: pure state, no clock, no socket."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice, repeat
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.errors import ConfigError, RemoteProtocolError
from chronotick.eval.streaming.wire import BadTag, Kind, Message, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CoordinatorState", "duration_s", "gaps_s"]

_GAPS_S = {"fast": 0.01, "medium": 0.05, "slow": 0.1, "very_slow": 0.5}
_MIXED = ("slow", "fast", "fast", "fast", "fast", "medium")
_LONGEST_GAP_S = 3600.0


def gaps_s(pattern: str) -> Iterator[float]:
    """Yield the gaps between events for ever, in seconds.

    Args:
        pattern: ``fast`` (10 ms), ``medium`` (50 ms), ``slow`` (100 ms),
            ``very_slow`` (500 ms), ``mixed`` (slow, fast × 4, medium, …) or
            ``fixed:SECONDS``.

    Raises:
        ConfigError: it is none of those.
    """
    if pattern in _GAPS_S:
        return repeat(_GAPS_S[pattern])
    if pattern == "mixed":
        return cycle(_GAPS_S[name] for name in _MIXED)
    kind, _, gap = pattern.partition(":")
    if kind == "fixed":
        try:
            gap_s = float(gap)
        except ValueError:
            gap_s = 0.0
        if 0.0 < gap_s <= _LONGEST_GAP_S:
            return repeat(gap_s)
    raise ConfigError(
        f"pattern {pattern!r}: expected {', '.join(_GAPS_S)}, mixed or fixed:SECONDS "
        f"(above 0, at most {_LONGEST_GAP_S:.0f})"
    )


def duration_s(
    pattern: str, num_events: int | None, target_duration_s: float | None
) -> float:
    """Return how long events will be sent, in seconds; 0 if neither limit is given.

    Raises:
        ConfigError: the pattern is none.
    """
    # Every pattern repeats after this many gaps at the latest.
    cycle_s = sum(islice(gaps_s(pattern), len(_MIXED))) / len(_MIXED)
    limits = [] if target_duration_s is None else [target_duration_s]
    limits += [] if num_events is None else [num_events * cycle_s]
    return min(limits, default=0.0)


class _Asked(NamedTuple):
    """What an answer must be an answer to."""

    worker: str
    kind: Kind
    event_id: int
    sequence: int


# What is answered by what.
_ANSWERS = {Kind.PING: Kind.PONG, Kind.EVENT: Kind.ACK, Kind.STOP: Kind.ACK}


class CoordinatorState:
    """Who answered what, in one run.

    Args:
        run: 16 octets.
        workers: Their names.
        key: The shared key; None: tags are not used.
    """

    def __init__(
        self, *, run: bytes, workers: tuple[str, ...], key: bytes | None = None
    ) -> None:
        self._run = run
        self._key = key
        self._asked: dict[bytes, _Asked] = {}
        self._acked: dict[int, dict[str, int]] = {}
        self.not_ready: dict[str, str] = dict.fromkeys(workers, "no answer")
        """Workers that have not said that they are ready, and why."""
        self.not_stopped: set[str] = set(workers)
        """Workers that have not acknowledged the end."""
        self.counts: Counter[str] = Counter()

    def asks(self, worker: str, message: Message) -> None:
        """Note that `message` is being sent to `worker`."""
        asked = _Asked(worker, message.kind, message.event_id, message.sequence)
        self._asked[message.nonce] = asked
        if message.kind is Kind.EVENT:
            self._acked.setdefault(message.event_id, {})

    def received(self, datagram: bytes, raw_ns: int = 0) -> None:
        """Take an answer in; what answers nothing is counted and dropped.

        Args:
            datagram: The answer, any bytes.
            raw_ns: RAW when it had come, at the latest.
        """
        try:
            message = decode(datagram, self._key)
        except BadTag:
            self.counts["bad_tag"] += 1
            return
        except RemoteProtocolError:
            self.counts["garbage"] += 1
            return
        asked = self._asked.get(message.nonce)
        if message.run != self._run or asked is None:
            self.counts["unasked"] += 1
        elif not _is_answer(message, asked):
            self.counts["garbage"] += 1
        elif message.kind is Kind.PONG:
            self._pong(asked.worker, _shown(message.payload))
        else:
            # An acknowledgement that comes twice counts once.
            del self._asked[message.nonce]
            self._ack(asked, raw_ns)

    def acknowledged(self, event_id: int) -> dict[str, int]:
        """Return who acknowledged `event_id`, and the RAW of that; forget it."""
        return self._acked.pop(event_id, {})

    def _pong(self, worker: str, why: str) -> None:
        if why:
            self.not_ready[worker] = why
        else:
            self.not_ready.pop(worker, None)

    def _ack(self, asked: _Asked, raw_ns: int) -> None:
        if asked.kind is Kind.STOP:
            self.not_stopped.discard(asked.worker)
            return
        self.counts["ack"] += 1
        if asked.event_id in self._acked:
            self._acked[asked.event_id][asked.worker] = raw_ns


def _is_answer(message: Message, asked: _Asked) -> bool:
    return message.kind is _ANSWERS.get(asked.kind) and (
        (message.event_id, message.sequence) == (asked.event_id, asked.sequence)
    )


def _shown(words: bytes) -> str:
    """Return what a worker says, as it may be shown: no control characters."""
    text = words.decode(errors="replace")
    return "".join(c if c.isprintable() else "?" for c in text)
