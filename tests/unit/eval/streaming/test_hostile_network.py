"""A worker and a coordinator among hostile datagrams, full disks and taken ports."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import ConfigError
from chronotick.core.records import Datagram, Endpoint
from chronotick.eval.streaming.coordinator import (
    CoordinatorSettings,
    PreflightFailed,
    run_coordinator,
)
from chronotick.eval.streaming.coordinator_state import CoordinatorState
from chronotick.eval.streaming.hosts import RealHost
from chronotick.eval.streaming.node import CannotListen, Node, NodeSettings
from chronotick.eval.streaming.recorder import UnwritableRecording
from chronotick.eval.streaming.wire import Kind, Message, decode, encode
from chronotick.eval.streaming.worker import NeverEnded, WorkerSettings, run_worker
from chronotick.eval.streaming.worker_state import WorkerState

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.eval.streaming.hosts import Port

ANYWHERE = Endpoint("127.0.0.1", 0)
EVENT = Message(kind=Kind.EVENT, run=b"r" * 16, nonce=b"n" * 8, event_id=1, sequence=1)


class Flooded(RealHost):
    """A host whose port is never empty and never waits; keeps what is sent."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.endpoint = ANYWHERE
        self.sent: list[Message] = []
        self._payload = payload

    def listen(self, endpoint: Endpoint) -> Port:
        """Bind nothing."""
        return self

    async def receive(self) -> Datagram:
        """Return one more at once."""
        return Datagram(
            payload=self._payload,
            origin=ANYWHERE,
            raw_ns=self.measured.raw_ns(),
            kernel_stamp=False,
        )

    def send(self, payload: bytes, to: Endpoint) -> bool:
        """Keep what was sent."""
        self.sent.append(decode(payload))
        return True

    def close(self) -> None:
        """Do nothing."""


def worker(folder: Path) -> WorkerSettings:
    """Return a worker that gives up soon."""
    return WorkerSettings(
        node_id="a",
        listen=ANYWHERE,
        node=NodeSettings(segment=str(folder / "none")),
        output=folder / "worker_a.csv",
        deadline_s=0.3,
    )


def coordinator(folder: Path) -> CoordinatorSettings:
    """Return a coordinator that gives up soon."""
    return CoordinatorSettings(
        workers={"a": Endpoint("127.0.0.1", 9)},
        node=NodeSettings(segment=str(folder / "none")),
        output=folder / "coordinator.csv",
        listen=ANYWHERE,
        num_events=1,
        preflight_s=0.3,
    )


@pytest.mark.anyio
async def test_a_flood_does_not_keep_a_worker_from_its_deadline(tmp_path: Path) -> None:
    """A port that is never empty must not starve all other tasks."""
    with pytest.raises(NeverEnded, match=r"a: the run was not over after 0.3 s"):
        await run_worker(worker(tmp_path), Flooded(b"garbage"), lambda _: None)


@pytest.mark.anyio
async def test_a_flood_does_not_keep_a_coordinator_from_its_preflight(
    tmp_path: Path,
) -> None:
    """It names who did not answer, and tells the workers that the run is given up."""
    host = Flooded(b"garbage")
    with pytest.raises(PreflightFailed, match=r"a at 127.0.0.1:9: no answer"):
        await run_coordinator(coordinator(tmp_path), host, lambda _: None)

    assert host.sent[-1].kind is Kind.GIVEN_UP
    assert {message.run for message in host.sent} == {host.sent[0].run}


@pytest.mark.anyio
async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """With the address and the port, for a worker and a coordinator alike."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        where = Endpoint("127.0.0.1", taken.getsockname()[1])
        says = f"cannot listen on 127.0.0.1 port {where.port}: Address already in use"
        with pytest.raises(CannotListen, match=says):
            await run_worker(
                replace(worker(tmp_path), listen=where), RealHost(), lambda _: None
            )
        # Nothing was written: the file may be that of whoever has the port.
        assert not (tmp_path / "worker_a.csv").exists()
        with pytest.raises(CannotListen, match=says):
            await run_coordinator(
                replace(coordinator(tmp_path), listen=where), RealHost(), lambda _: None
            )


class FullDisk:
    """What writes to a disk that fills up after the header."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what csv's writer takes."""

    def writeheader(self) -> None:
        """Write nothing."""

    def writerow(self, row: dict[str, object]) -> None:
        """Fail."""
        raise OSError(28, "No space left on device")


@pytest.mark.anyio
async def test_a_disk_that_fills_up_is_one_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a group of errors, one for each row that was open."""
    monkeypatch.setattr("chronotick.eval.streaming.recorder.csv.DictWriter", FullDisk)
    ready = replace(worker(tmp_path), accept_early=True, deadline_s=20.0)
    host = Events()

    with pytest.raises(UnwritableRecording, match=r"worker_a.csv: No space left"):
        await run_worker(ready, host, lambda _: None)
    assert [message.kind for message in host.sent][:2] == [Kind.PONG, Kind.ACK]


@pytest.mark.anyio
@pytest.mark.parametrize("is_replacing", [False, True])
async def test_a_run_that_never_begins_costs_no_older_one(
    tmp_path: Path, is_replacing: bool
) -> None:
    """The coordinator's file is as it was after a preflight that failed."""
    settings = replace(coordinator(tmp_path), is_replacing=is_replacing)
    settings.output.write_text("event_id\n1\n")
    error = PreflightFailed if is_replacing else UnwritableRecording
    with pytest.raises(error):
        await run_coordinator(settings, Flooded(b"garbage"), lambda _: None)

    assert settings.output.read_text() == "event_id\n1\n"


@pytest.mark.anyio
async def test_a_preflight_that_failed_can_be_repeated(tmp_path: Path) -> None:
    """What it leaves holds no event, and is in nobody's way."""
    for _ in range(2):
        with pytest.raises(PreflightFailed):
            await run_coordinator(
                coordinator(tmp_path), Flooded(b"garbage"), lambda _: None
            )


@pytest.mark.anyio
async def test_a_recorded_run_is_not_written_over(tmp_path: Path) -> None:
    """The same command again: one line that says what to do, and the events are kept."""
    ready = replace(worker(tmp_path), accept_early=True, deadline_s=20.0)
    await run_worker(ready, Events(), lambda _: None)
    recorded = ready.output.read_text()
    with pytest.raises(
        UnwritableRecording, match=r"holds a recording .*: move it away"
    ):
        await run_worker(ready, Events(), lambda _: None)
    assert ready.output.read_text() == recorded

    await run_worker(replace(ready, is_replacing=True), Events(), lambda _: None)
    assert ready.output.read_text() != recorded


@pytest.mark.anyio
async def test_the_end_is_acknowledged_as_often_as_it_is_told(tmp_path: Path) -> None:
    """The first acknowledgement may be lost: that is no failure of the node."""
    host = Events()
    ready = replace(worker(tmp_path), accept_early=True, deadline_s=20.0)
    counts = await run_worker(ready, host, lambda _: None)

    kinds = [message.kind for message in host.sent]
    assert kinds == [Kind.PONG, Kind.ACK, Kind.ACK, Kind.ACK]
    assert host.sent[2].nonce != host.sent[3].nonce
    assert counts["event"] == 1
    assert (tmp_path / "worker_a.csv").read_text().count("\n") == 2


class Events(Flooded):
    """Sends a question, an event, the end; then nothing but garbage."""

    def __init__(self) -> None:
        super().__init__(b"garbage")
        ping = replace(EVENT, kind=Kind.PING, event_id=0, sequence=0)
        stop = replace(ping, kind=Kind.STOP)
        again = replace(stop, nonce=b"m" * 8)
        self._script = [encode(message) for message in (again, stop, EVENT, ping)]

    async def receive(self) -> Datagram:
        """Return the next of the script."""
        self._payload = self._script.pop() if self._script else b"garbage"
        return await super().receive()


class Answering(Flooded):
    """A host on which every worker is there: it answers what the coordinator sends."""

    def __init__(self) -> None:
        super().__init__(b"garbage")
        self.order: list[tuple[int, int]] = []
        """Event and worker's port, as they were sent."""
        self._answers: list[bytes] = []

    async def receive(self) -> Datagram:
        """Return the next answer, or garbage."""
        self._payload = self._answers.pop() if self._answers else b"garbage"
        return await super().receive()

    def send(self, payload: bytes, to: Endpoint) -> bool:
        """Answer."""
        message = decode(payload)
        kind = Kind.PONG if message.kind is Kind.PING else Kind.ACK
        self._answers.append(encode(message.answer(kind)))
        if message.kind is Kind.EVENT:
            self.order.append((message.event_id, to.port))
        return True


@pytest.mark.anyio
async def test_the_seed_draws_who_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker is always the first; the same seed gives the same order."""
    monkeypatch.setattr(Node, "why_not_ready", lambda _: "")
    orders = []
    for seed in (1, 1, 2):
        host = Answering()
        settings = replace(
            coordinator(tmp_path), is_replacing=True,
            workers={str(port): Endpoint("127.0.0.1", port) for port in (1, 2, 3)},
            num_events=12, pattern="fixed:0.001", ack_s=0.05, seed=seed,
        )  # fmt: skip
        outcome = await run_coordinator(settings, host, lambda _: None)
        assert outcome.failures == ()
        orders.append(host.order)

    assert orders[0] == orders[1] != orders[2]
    assert {port for _, port in orders[0][::3]} == {1, 2, 3}
    events = [sorted(orders[0][k : k + 3]) for k in range(0, 36, 3)]
    assert events == [[(k, 1), (k, 2), (k, 3)] for k in range(12)]


@given(st.binary(max_size=300), st.booleans())
def test_no_datagram_is_too_strange(payload: bytes, tagged: bool) -> None:
    """Arbitrary octets, with a right tag or without: counted, never an error."""
    key = b"key" if tagged else None
    for state in (
        WorkerState(key=key),
        CoordinatorState(run=b"r" * 16, workers=("a",)),
    ):
        state.received(payload)
        assert sum(state.counts.values()) == 1


@given(st.sampled_from(Kind), st.binary(max_size=64), st.integers(0, 2**64 - 1))
def test_no_message_is_too_strange(kind: Kind, payload: bytes, number: int) -> None:
    """Every kind, in any order, at a worker and at a coordinator that asked for it."""
    message = replace(
        EVENT, kind=kind, payload=payload, event_id=number, sequence=number
    )
    worker_state = WorkerState()
    worker_state.received(encode(replace(EVENT, kind=Kind.PING)))
    state = CoordinatorState(run=EVENT.run, workers=("a",))
    state.asks("a", EVENT)
    worker_state.received(encode(message))
    state.received(encode(message))

    assert sum(worker_state.counts.values()) <= 1


def test_a_reason_of_any_length_and_octets_is_sent(tmp_path: Path) -> None:
    """A path may have 4096 octets that are no UTF-8; the answer must go out all the same."""
    state = WorkerState()
    state.not_ready = "no daemon at /" + "é\udcff" * 3000
    answer = state.received(encode(replace(EVENT, kind=Kind.PING))).answer

    assert answer is not None
    assert decode(answer).payload.startswith(b"no daemon at /")
    assert tmp_path.exists()


def test_a_reason_cannot_play_with_the_terminal() -> None:
    """What a node says is shown without its control characters."""
    state = CoordinatorState(run=EVENT.run, workers=("a",))
    ping = replace(EVENT, kind=Kind.PING)
    state.asks("a", ping)
    state.received(encode(ping.answer(Kind.PONG, b"\x1b[2Jno\x07 daemon\xff")))

    assert state.not_ready == {"a": "?[2Jno? daemon�"}


def test_a_run_that_was_given_up_is_forgotten_unless_it_has_begun() -> None:
    """Before the first event the next coordinator is welcome; after it, this is the end."""
    state = WorkerState(accept_early=True)
    ping = replace(EVENT, kind=Kind.PING)
    given_up = encode(replace(EVENT, kind=Kind.GIVEN_UP))
    state.received(encode(ping))
    assert not state.received(given_up).is_last
    assert state.run is None

    state.received(encode(replace(ping, run=b"s" * 16)))
    assert state.run == b"s" * 16
    assert not state.received(given_up).is_last  # Another run's.
    state.received(encode(replace(EVENT, run=b"s" * 16)))
    ended = state.received(encode(replace(EVENT, run=b"s" * 16, kind=Kind.GIVEN_UP)))
    assert ended.is_last
    assert ended.answer is None


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "é" * 51, "\udcff"])
async def test_a_name_that_cannot_be_shown_is_refused(
    tmp_path: Path, name: str
) -> None:
    """Before anything is written or bound."""
    with pytest.raises(ConfigError, match=r"node name .*expected printable characters"):
        await run_worker(
            replace(worker(tmp_path), node_id=name), RealHost(), lambda _: None
        )
    assert not (tmp_path / "worker_a.csv").exists()
