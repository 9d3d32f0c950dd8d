"""`daemon.pipeline`: packets in, frames out, on any clock and network it is given."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from chrono_daemon import Channel, SimClock, Supervisor, open_channel
from chronotick.core.records import ClockPair, Correction, Exchange
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S, grow_ns
from chronotick.daemon.config import Config, Publish, Server
from chronotick.daemon.config_file import parse_config
from chronotick.daemon.estimate import EstimateStage, Event
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.forecaster import ForecasterSettings, command
from chronotick.daemon.pace import Pace
from chronotick.daemon.pipeline import Ports, build, forecaster_settings
from chronotick.ntp import NtpTimestamp, decode, encode
from unit.daemon.network import FakeNetwork, honest, silent
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from chronotick.core.records import DaemonReport, Frame

pytestmark = pytest.mark.anyio


class Recorder:
    """Both sinks: keeps every frame and the newest report."""

    refresh_period_ns = 0

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.last_report: DaemonReport | None = None

    def publish(self, frame: Frame) -> None:
        """Keep a frame."""
        self.frames.append(frame)

    def report(self, report: DaemonReport) -> None:
        """Keep the newest report."""
        self.last_report = report

    def verdicts(self) -> dict[str, str]:
        """Return what is said of each server."""
        assert self.last_report is not None
        return {row.server: row.verdict for row in self.last_report.sources}


def liar(request: bytes, utc_ns: int) -> list[bytes]:
    """Answer a second ahead."""
    return honest(request, utc_ns + NS_PER_S)


async def run(
    network: FakeNetwork, seconds: float, frequency_hz: float = 1
) -> Recorder:
    """Run the whole pipeline on the network's servers for some simulated time."""
    recorder = Recorder()
    numbers = itertools.count(1)
    ports = Ports(
        schedule=network.clock,
        measured=network.measured,
        transport=network,
        sink=recorder,
        status=recorder,
        entropy=lambda size: next(numbers).to_bytes(size, "big"),
    )
    config = Config(
        servers=tuple(Server(name) for name in network.names or network.servers),
        publish=Publish(frequency_hz=frequency_hz),
    )
    async with build(config, ports) as supervisor:
        await network.clock.advance(seconds)
        await supervisor.stop(grace=0)
    return recorder


def misses(recorder: Recorder, network: FakeNetwork) -> int:
    """Count the frames whose interval, at the frame's own instant, lacks the truth."""
    count = 0
    for frame in recorder.frames:
        made = frame.correction
        if made.status is Status.UNKNOWN:
            continue
        age_ns = frame.as_of_raw_ns - made.raw_ns
        told_ns = made.utc_ns + age_ns + round(age_ns * made.rate_ppb / 1e9)
        # The network's own clocks: UTC of a RAW instant, exact to a few ns.
        elapsed_s = frame.as_of_raw_ns / (NS_PER_S - 20_000)
        truth_ns = network.measured.utc_ns() - round(
            (network.clock.now() - elapsed_s) * NS_PER_S
        )
        half_ns = made.bound_ns + grow_ns(age_ns, made.bound_growth_ppb)
        count += abs(told_ns - truth_ns) > half_ns + 1_000
    return count


async def test_from_the_first_reply_on_every_frame_holds_the_truth() -> None:
    """One server: valid a round trip after the start, then ever narrower."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": honest})
    recorder = await run(network, 600.0)
    known = [f for f in recorder.frames if f.correction.status is not Status.UNKNOWN]
    assert known[0].as_of_raw_ns < 20_000_000
    assert misses(recorder, network) == 0
    first, last = known[0].correction, known[-1].correction
    assert first.status is Status.WARMUP
    assert last.status is Status.SYNCHRONIZED
    assert last.bound_growth_ppb < first.bound_growth_ppb / 5
    assert abs(last.rate_ppb - 20_000) < 100
    assert recorder.verdicts() == {"192.0.2.1": "selected"}


@pytest.mark.parametrize("spelled", ["192.0.2.9", "::ffff:192.0.2.9"])
async def test_a_liar_under_two_names_is_no_majority(spelled: str) -> None:
    """Two names that lead to one server have one vote, against an honest one's."""
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": honest, "192.0.2.9": liar, spelled: liar},
        names={
            "good.test": ["192.0.2.1"],
            "bad.test": ["192.0.2.9"],
            "worse.test": [spelled],
        },
    )
    recorder = await run(network, 120.0)

    assert misses(recorder, network) == 0
    assert recorder.verdicts()["worse.test"] == "duplicate"
    assert recorder.frames[-1].correction.status is Status.UNKNOWN
    assert recorder.frames[-1].correction.reasons & Reason.NO_AGREEMENT


async def test_an_address_as_such_is_asked_before_a_name_that_leads_there() -> None:
    """Whichever is looked up first: the log says the same on every start."""
    network = FakeNetwork(
        SimClock(),
        {"192.0.2.1": honest},
        names={"time.test": ["192.0.2.1"], "192.0.2.1": ["192.0.2.1"]},
    )
    recorder = await run(network, 120.0)

    assert recorder.verdicts() == {"time.test": "duplicate", "192.0.2.1": "selected"}
    assert recorder.frames[-1].correction.status is Status.SYNCHRONIZED


async def test_a_liar_among_four_is_named_in_the_report_and_the_frames() -> None:
    """The frames hold the truth throughout; both say that somebody lies."""
    servers = {f"192.0.2.{i}": honest for i in range(1, 4)} | {"192.0.2.9": liar}
    network = FakeNetwork(SimClock(), servers)
    recorder = await run(network, 120.0)
    assert misses(recorder, network) == 0
    assert recorder.verdicts()["192.0.2.9"] == "falseticker"
    assert Reason.FALSETICKERS in recorder.frames[-1].correction.reasons


async def test_servers_that_die_leave_a_holdover_that_holds() -> None:
    """Answering for ten minutes, then never: HOLDOVER, and the truth inside."""
    clock = SimClock()

    def dying(request: bytes, utc_ns: int) -> list[bytes]:
        return honest(request, utc_ns) if clock.now() < 600.0 else []

    network = FakeNetwork(clock, {"192.0.2.1": dying})
    recorder = await run(network, 4000.0)
    last = recorder.frames[-1].correction
    assert last.status is Status.HOLDOVER
    assert Reason.SOURCES_LOST in last.reasons
    assert misses(recorder, network) == 0
    assert recorder.verdicts() == {"192.0.2.1": "unreachable"}


async def test_without_an_answer_there_is_a_frame_that_says_so() -> None:
    """UNKNOWN with its reason, not silence, and a report that names the server."""
    network = FakeNetwork(SimClock(), {"192.0.2.1": silent})
    recorder = await run(network, 30.0)
    assert {frame.correction.status for frame in recorder.frames} == {Status.UNKNOWN}
    assert recorder.frames[0].correction.reasons == Reason.NO_SAMPLES
    assert recorder.verdicts() == {"192.0.2.1": "unreachable"}


async def test_a_server_that_steps_back_is_caught() -> None:
    """Three servers, one steps by a second later: outvoted at once, truth kept."""
    clock = SimClock()

    def stepping(request: bytes, utc_ns: int) -> list[bytes]:
        step_ns = -NS_PER_S if clock.now() > 300.0 else 0
        return honest(request, utc_ns + step_ns)

    servers = {"192.0.2.1": honest, "192.0.2.2": honest, "192.0.2.3": stepping}
    network = FakeNetwork(clock, servers)
    recorder = await run(network, 900.0)
    assert misses(recorder, network) == 0
    assert recorder.verdicts()["192.0.2.3"] == "falseticker"


async def test_a_broken_answer_gives_no_frame_a_time() -> None:
    """A server that answers with its stamps swapped is impossible, not believed."""

    def swapped(request: bytes, utc_ns: int) -> list[bytes]:
        from dataclasses import replace  # noqa: PLC0415 - used here only

        reply = decode(honest(request, utc_ns)[0])
        early = NtpTimestamp.from_unix_ns(utc_ns - NS_PER_S)
        return [encode(replace(reply, transmit=early))]

    network = FakeNetwork(SimClock(), {"192.0.2.1": swapped})
    recorder = await run(network, 60.0)
    assert {frame.correction.status for frame in recorder.frames} == {Status.UNKNOWN}
    assert recorder.verdicts() == {"192.0.2.1": "rejected"}


async def test_an_exchange_that_waited_while_the_host_slept_is_left_out() -> None:
    """Two ended before the sleep and wait in the channel: neither becomes a time."""
    clock = SimClock()
    network = FakeNetwork(clock, {"192.0.2.1": honest})
    asleep_ns = 0

    class Sleeper:
        """The network's clocks with a suspend count to set."""

        def raw_ns(self) -> int:
            """Return RAW."""
            return network.measured.raw_ns()

        def pair(self) -> ClockPair:
            """Return the clocks as they are now."""
            return network.measured.pair()._replace(suspend_ns=asleep_ns)

    estimator = Estimator(EstimatorSettings(servers=("a",)))
    stage = EstimateStage(estimator, Sleeper(), Pace())
    events: Channel[Event] = open_channel(8)
    corrections: Channel[Correction] = open_channel(8)
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(stage.estimate, events.recv, corrections.send)
        await clock.advance(10.0)
        asleep_ns = 3600 * NS_PER_S
        for raw_ns in (8 * NS_PER_S, 9 * NS_PER_S):
            events.send.send_nowait(ended(raw_ns))
        await clock.advance(1.0)
        await supervisor.stop(grace=0)
    seen = [correction async for correction in corrections.recv]
    assert seen
    assert {correction.status for correction in seen} == {Status.UNKNOWN}


def ended(raw_ns: int) -> Exchange:
    """Return an exchange with server `a` whose middle is at `raw_ns`."""
    taken = sample(raw_ns, EPOCH_NS)
    return Exchange(
        server="a", endpoint=None, state="ok", sample=taken, useful=True, reach=1
    )


def test_the_configuration_says_which_forecaster_runs() -> None:
    """None for the built-in ensemble; every key reaches the process that is named."""
    assert forecaster_settings(Config()) is None
    assert forecaster_settings(parse_config("preset: minimal")) is None
    settings = forecaster_settings(
        parse_config(
            "long_term: {model_name: chronos, device: cpu, context_length: 144, "
            "prediction_horizon: 4h, inference_interval: 20m, deadline: 5s, "
            "weights: /here}"
        )
    )
    assert settings == ForecasterSettings(
        name="chronos",
        device="cpu",
        context_length=144,
        prediction_horizon_s=14_400.0,
        inference_interval_s=1200.0,
        deadline_s=5.0,
        weights="/here",
    )
    said = " ".join(command(settings))
    assert said.endswith("--device cpu --context 144 --steps 24 --weights /here")
