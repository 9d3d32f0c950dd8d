"""`daemon.estimator`: what is forgotten when RAW or a server jumps, and what is not."""

from __future__ import annotations

import pytest

from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S
from unit.daemon.bench import Bench, Server
from unit.oscillators import EPOCH_NS, Wandering


def test_a_lone_server_that_jumps_is_not_believed_until_it_repeats_itself() -> None:
    """Before or after the jump it was wrong; nobody knows when: unknown, then new."""
    server = Server("a")
    bench = Bench([server])
    for _ in range(20):
        bench.round()
    server.lie_ns = NS_PER_S
    bench.poll(server)
    jumped = bench.estimator.correction(bench.raw_ns)
    assert jumped.status is Status.UNKNOWN
    assert Reason.STEP in jumped.reasons
    assert bench.verdicts() == {"a": "jumped"}
    for _ in range(2):
        bench.raw_ns += 16 * NS_PER_S
        bench.poll(server)
    assert bench.estimator.correction(bench.raw_ns).status is Status.WARMUP


@pytest.mark.parametrize("servers", [1, 4])
@pytest.mark.parametrize("leap_ns", [-20_000_000, 20_000_000])
def test_a_leap_smaller_than_the_delay_is_found_out_by_the_models(
    servers: int, leap_ns: int
) -> None:
    """Intervals of before and after overlap where the truth is not: soon no longer."""
    bench = Bench([Server(f"s{i}", delay_ns=30_000_000) for i in range(servers)])
    for _ in range(300):
        bench.round(4 * NS_PER_S)
    bench.leapt_ns = leap_ns
    for _ in range(4):
        for server in bench.servers:
            bench.poll(server)
        bench.raw_ns += 4 * NS_PER_S
    for _ in range(100):
        bench.round(4 * NS_PER_S)
        correction = bench.estimator.correction(bench.raw_ns)
        truth_ns = bench.raw_ns + bench.clock.offset_ns(bench.raw_ns) + leap_ns
        assert abs(correction.utc_ns - truth_ns) < NS_PER_S // 1000
    assert correction.status is Status.SYNCHRONIZED
    assert correction.reasons is Reason.NONE


def test_a_leap_that_one_server_tells_of_is_that_servers_lie() -> None:
    """The others' past stays: dropped for it, it would let the liar in."""
    servers = [Server(f"s{i}", delay_ns=30_000_000) for i in range(3)]
    bench = Bench(servers)
    for _ in range(300):
        bench.round(4 * NS_PER_S)
    before_ns = bench.estimator.correction(bench.raw_ns).bound_ns
    servers[0].lie_ns = 20_000_000
    for _ in range(100):
        # It is asked ten times as often as the honest ones.
        for _ in range(9):
            bench.poll(servers[0])
            bench.check()
            bench.raw_ns += 4 * NS_PER_S
        bench.round(4 * NS_PER_S)
        assert bench.estimator.correction(bench.raw_ns).bound_ns < 2 * before_ns


def test_after_a_leap_was_found_it_is_told_and_the_rate_learned_anew() -> None:
    """Whoever has stamps of before should know; and the bound is as at a start."""
    bench = Bench([Server("a", delay_ns=30_000_000)])
    for _ in range(300):
        bench.round(4 * NS_PER_S)
    bench.leapt_ns = 20_000_000
    told, growths_ppb = [], []
    for _ in range(20):
        bench.poll(bench.servers[0])
        bench.raw_ns += 4 * NS_PER_S
        correction = bench.estimator.correction(bench.raw_ns)
        told.append((correction.status, Reason.STEP in correction.reasons))
        if told[-1] == (Status.WARMUP, True):
            growths_ppb.append(correction.bound_growth_ppb)
    assert bench.estimator.breaks == 1
    # The crystal may be another one now; nothing is known of it but the worst.
    assert growths_ppb[0] > 500_000
    assert (Status.WARMUP, True) in told
    assert (Status.SYNCHRONIZED, True) not in told
    assert told[-1] == (Status.SYNCHRONIZED, False)


def test_a_liar_near_by_can_drag_the_models_but_not_drop_the_others_past() -> None:
    """It lies within what it claims of itself; the others are behind long queues."""
    liar = Server("liar", delay_ns=400_000, jitter_ns=20_000, claim_ns=32_000_000)
    honest = [Server(f"s{i}", delay_ns=10_000_000, queue_ns=30e6) for i in range(2)]
    bench = Bench([liar, *honest])
    for k in range(400):
        liar.lie_ns = min(k, 40) * 25_000_000 // 40
        bench.round()
    assert bench.estimator.breaks == 0
    assert bench.silences == 0
    assert bench.verdicts()["liar"] == "selected"


@pytest.mark.parametrize("seed", range(6))
def test_an_answer_that_was_held_up_says_nothing_of_a_leap(seed: int) -> None:
    """It allows for anything, while the models waver between two askew paths."""
    near = Server("near", delay_ns=600_000)
    far = Server("far", delay_ns=62_000_000, lie_ns=25_000_000)
    bench = Bench([near, far], seed=seed)
    for _ in range(200):
        held_up = bench.rng.random() < 0.3
        bench.poll(near, held_up_ns=600_000_000 if held_up else 0)
        bench.poll(far)
        bench.check()
        bench.raw_ns += 64 * NS_PER_S
    assert bench.estimator.breaks == 0
    assert bench.silences == 0


@pytest.mark.parametrize("away_ns", [1_000_000, 3600 * NS_PER_S])
def test_a_suspended_host_starts_over(away_ns: int) -> None:
    """After RAW stood still nothing old is used; new answers bring the time back.

    The old rate neither: who was moved meanwhile has another crystal.
    """
    bench = Bench([Server("a"), Server("b")])
    for _ in range(20):
        bench.round()
    bench.estimator.disrupted()
    lost = bench.estimator.correction(bench.raw_ns)
    assert lost.status is Status.UNKNOWN
    assert lost.reasons == Reason.STEP
    bench.clock = Wandering((20_000,))
    for server in bench.servers:
        server.lie_ns = away_ns  # the truth went on while RAW stood still
        bench.poll(server)
    back = bench.estimator.correction(bench.raw_ns)
    assert back.status is Status.WARMUP
    assert back.bound_growth_ppb > 500_000
    assert abs(back.utc_ns - bench.raw_ns - EPOCH_NS - away_ns) < NS_PER_S // 50


def test_after_a_sleep_a_lone_liar_does_not_speak_first() -> None:
    """All is forgotten, its lies too: it waits until the others have been asked."""
    servers = [Server("liar", lie_ns=NS_PER_S), *[Server(f"s{i}") for i in range(3)]]
    bench = Bench(servers)
    for _ in range(20):
        bench.round()
    bench.estimator.disrupted()
    for server in servers[:2]:
        bench.poll(server)
        bench.check()
        bench.raw_ns += 20 * NS_PER_S
        correction = bench.estimator.correction(bench.raw_ns)
        assert correction.status is Status.UNKNOWN
    for server in servers[2:]:
        bench.poll(server)
        bench.check()
    assert bench.estimator.correction(bench.raw_ns).status is Status.WARMUP
    assert bench.verdicts()["liar"] == "falseticker"


def test_after_a_sleep_nobody_waits_for_the_dead() -> None:
    """Asked three times in vain, as ever; the network may be slower to wake."""
    servers = [Server(f"s{i}") for i in range(3)]
    bench = Bench(servers)
    for _ in range(20):
        bench.round()
    bench.estimator.disrupted()
    bench.poll(servers[0])
    assert bench.estimator.correction(bench.raw_ns).status is Status.UNKNOWN
    for reach, status in (
        (0b1110, Status.UNKNOWN),
        (0b11100, Status.UNKNOWN),
        (0b111000, Status.WARMUP),
    ):
        for server in servers[1:]:
            bench.lose(server, reach=reach)
        assert bench.estimator.correction(bench.raw_ns).status is status
