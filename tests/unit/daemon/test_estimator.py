"""`daemon.estimator`: honest majorities hold the truth, liars are named."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.records import Endpoint, Exchange
from chronotick.core.status import Leap, Reason, Source, Status
from chronotick.core.units import NS_PER_S
from unit.daemon.bench import Bench, Server
from unit.oscillators import EPOCH_NS, Wandering, sample, wandering


@settings(max_examples=60)
@given(
    wandering(),
    st.integers(0, 2**32),
    st.lists(st.integers(0, 100_000_000), min_size=1, max_size=5),
)
def test_the_bound_holds_the_truth_for_any_honest_servers(
    clock: Wandering, seed: int, delays_ns: list[int]
) -> None:
    """Any delays, any split, any oscillator within its limits: never outside."""
    servers = [Server(f"s{i}", delay_ns=d) for i, d in enumerate(delays_ns)]
    bench = Bench(servers, clock, seed)
    for _ in range(12):
        bench.round()
    assert set(bench.verdicts().values()) == {"selected"}
    assert bench.silences == 0


@settings(max_examples=40)
@given(
    wandering(),
    st.integers(0, 2**32),
    st.sampled_from([-1, 1]),
    st.integers(20_000_000, 10**18),
)
def test_one_liar_in_four_is_named_and_costs_nothing(
    clock: Wandering, seed: int, sign: int, lie_ns: int
) -> None:
    """Wherever it stands in the order, whichever way and however far it lies."""
    servers = [Server(f"s{i}") for i in range(4)]
    liar = servers[seed % 4]
    liar.lie_ns = sign * lie_ns
    bench = Bench(servers, clock, seed)
    for _ in range(8):
        bench.round()
    assert bench.verdicts()[liar.name] == "falseticker"
    correction = bench.estimator.correction(bench.raw_ns)
    assert Reason.FALSETICKERS in correction.reasons
    assert correction.confidence == 0.75


def test_a_quick_liar_does_not_speak_before_the_majority() -> None:
    """While the others may still answer, one of four is not believed."""
    servers = [Server("liar", lie_ns=NS_PER_S), *[Server(f"s{i}") for i in range(3)]]
    bench = Bench(servers)
    bench.poll(servers[0])
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.UNKNOWN
    assert correction.reasons == Reason.NO_AGREEMENT


def test_quick_liars_that_collude_do_not_outvote_the_first_honest_answer() -> None:
    """Two of five, a little off: a majority of those that answered is not of all."""
    servers = [Server(f"s{i}", delay_ns=20_000_000) for i in range(5)]
    for liar in servers[:2]:
        liar.lie_ns = 18_000_000
    bench = Bench(servers)
    for server in servers:
        bench.poll(server)
        bench.check()
    assert bench.estimator.correction(bench.raw_ns).status is not Status.UNKNOWN


def test_after_the_grace_whoever_answered_may_speak() -> None:
    """The other three don't resolve: ten seconds later the one that is there speaks."""
    servers = [Server(f"s{i}") for i in range(4)]
    bench = Bench(servers)
    bench.poll(servers[0])
    bench.raw_ns += 9 * NS_PER_S
    assert bench.estimator.correction(bench.raw_ns).status is Status.UNKNOWN
    bench.raw_ns += NS_PER_S
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.WARMUP
    assert correction.confidence == 0.25


def test_a_lone_server_is_refused_where_two_are_required() -> None:
    """`required: 2` holds after the grace as well."""
    servers = [Server("a"), Server("b")]
    bench = Bench(servers, required=2)
    bench.poll(servers[0])
    bench.raw_ns += 60 * NS_PER_S
    assert bench.estimator.correction(bench.raw_ns).status is Status.UNKNOWN


def test_two_that_contradict_each_other_give_no_time() -> None:
    """One against one: nobody can say who is right, so nothing is said."""
    servers = [Server("a"), Server("b", lie_ns=NS_PER_S)]
    bench = Bench(servers)
    bench.round()
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.UNKNOWN
    assert Reason.NO_AGREEMENT in correction.reasons


def test_the_status_climbs_with_the_evidence() -> None:
    """Unknown, then warm-up from the first answer, then synchronized."""
    bench = Bench([Server("a")])
    first = bench.estimator.correction(0)
    assert (first.status, first.reasons) == (Status.UNKNOWN, Reason.NO_SAMPLES)
    bench.round(2 * NS_PER_S)
    assert bench.estimator.correction(bench.raw_ns).status is Status.WARMUP
    for _ in range(8):
        bench.round(2 * NS_PER_S)
    settled = bench.estimator.correction(bench.raw_ns)
    assert settled.status is Status.SYNCHRONIZED
    assert settled.source is Source.CPU_MODEL
    assert settled.measurement_count == 9


def test_answers_are_wanted_where_the_next_one_tells() -> None:
    """At once after a sleep, within a minute after a surprise; not at the start."""
    lone = Server("a", delay_ns=20_000_000)
    bench = Bench([lone])
    patience = [bench.estimator.patience_s]
    for _ in range(20):
        bench.round()
        patience.append(bench.estimator.patience_s)
    assert set(patience) == {math.inf}
    lone.lie_ns = 5_000_000
    bench.poll(lone)
    assert bench.estimator.patience_s == 64.0
    lone.lie_ns = 0
    bench.raw_ns += 16 * NS_PER_S
    bench.poll(lone)
    assert bench.estimator.patience_s == math.inf

    bench.estimator.disrupted()
    learning = []
    for _ in range(9):
        learning.append(bench.estimator.patience_s)
        bench.round()
    assert learning == [0.0] * 8 + [math.inf]


def test_answers_are_wanted_until_a_jump_is_lived_in() -> None:
    """The clock may have another rate since then, too."""
    bench = Bench([Server("a", delay_ns=20_000_000)])
    for _ in range(20):
        bench.round()
    bench.leapt_ns = 5_000_000
    wanted = []
    for _ in range(12):
        bench.poll(bench.servers[0])
        bench.raw_ns += 64 * NS_PER_S
        wanted.append(bench.estimator.patience_s)
    # The first sign, the answer that settles it, and six more.
    assert wanted == [64.0] * 8 + [math.inf] * 4


def taken_at(raw_ns: int, offset_ns: int = EPOCH_NS, delay_ns: int = 10**6) -> Exchange:
    """Return an answer of server `a`, by its instant."""
    taken = sample(raw_ns, offset_ns, delay_ns=delay_ns)
    return Exchange(
        server="a", endpoint=None, state="ok", sample=taken, useful=True, reach=1
    )


def test_ten_thousand_copies_are_one_measurement() -> None:
    """However often a packet is handed in, nothing gets more certain by it."""
    bench = Bench([Server("a")])
    for _ in range(10_000):
        bench.estimator.observe(taken_at(NS_PER_S))
    correction = bench.estimator.correction(NS_PER_S)
    assert correction.status is Status.WARMUP
    assert correction.measurement_count == 1
    assert correction.bound_ns >= 500_000
    assert correction.coverage_99 == 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**13), 10**13),
            st.one_of(st.just(0), st.integers(-(10**9), 10**9)),
            st.one_of(st.just(0), st.just(630_000_000), st.integers(0, 10**12)),
        ),
        max_size=30,
    )
)
def test_time_may_go_backwards_and_answers_contradict_each_other(
    answers: list[tuple[int, int, int]],
) -> None:
    """Any order, any offset, any delay: finite numbers, a bound, or nothing at all."""
    estimator = Bench([Server("a")]).estimator
    for raw_ns, error_ns, delay_ns in answers:
        estimator.observe(taken_at(raw_ns, EPOCH_NS + error_ns, delay_ns))
        correction = estimator.correction(raw_ns)
        if correction.status is not Status.UNKNOWN:
            assert correction.bound_ns > 0
            assert correction.bound_growth_ppb > 0
            assert 0.0 < correction.variance.v0 < float("inf")
            assert correction.variance.at(86_400.0) >= correction.variance.v0


def test_each_poll_narrows_the_bound_of_a_quiet_path() -> None:
    """The growth falls with every poll until the drift limit is all that is left."""
    bench = Bench([Server("a", jitter_ns=10_000)])
    growths = []
    for _ in range(200):
        bench.round()
        growths.append(bench.estimator.correction(bench.raw_ns).bound_growth_ppb)
    assert growths[0] >= 500_000
    assert growths[5] < 60_000
    assert growths[20] < 25_000
    assert growths[199] < 16_500


def test_silence_becomes_holdover_and_the_bound_still_holds() -> None:
    """All servers gone for an hour: holdover, growing, and right."""
    servers = [Server("a"), Server("b")]
    bench = Bench(servers)
    for _ in range(30):
        bench.round()
    before = bench.estimator.correction(bench.raw_ns)
    for _ in range(8):
        bench.raw_ns += 450 * NS_PER_S
        for server in servers:
            bench.lose(server)
        bench.check()
    after = bench.estimator.correction(bench.raw_ns)
    assert after.status is Status.HOLDOVER
    assert Reason.SOURCES_LOST in after.reasons
    assert after.bound_ns > before.bound_ns + 3600 * 15_000
    assert set(bench.verdicts().values()) == {"unreachable"}


def test_a_server_found_out_later_is_taken_out_of_the_past() -> None:
    """One that turns liar after an hour: its samples leave the model, truth holds."""
    servers = [Server(f"s{i}") for i in range(3)]
    bench = Bench(servers)
    for _ in range(30):
        bench.round()
    servers[1].lie_ns = 50_000_000
    for _ in range(8):
        bench.round()
    assert bench.verdicts()["s1"] == "falseticker"
    correction = bench.estimator.correction(bench.raw_ns)
    truth_ns = bench.raw_ns + bench.clock.offset_ns(bench.raw_ns)
    assert abs(correction.utc_ns - truth_ns) < 500_000


def test_a_server_that_refuses_for_good_no_longer_votes() -> None:
    """It is not asked again, so its last answer would count for ever."""
    bench = Bench([Server("a")])
    for _ in range(20):
        bench.round()
    bench.estimator.observe(
        Exchange(server="a", endpoint=None, state="denied", reach=0b110)
    )
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.HOLDOVER
    assert Reason.SOURCES_LOST in correction.reasons
    assert bench.verdicts() == {"a": "denied"}


def test_a_lie_that_ends_does_not_hide_the_next_one() -> None:
    """While one that came back is on probation, one of the two others may lie."""
    servers = [Server(f"s{i}", delay_ns=20_000_000) for i in range(3)]
    servers[0].lie_ns = NS_PER_S
    bench = Bench(servers)
    for _ in range(20):
        bench.round()
    servers[0].lie_ns = 0
    servers[1].lie_ns = 18_000_000
    for _ in range(10):
        bench.round()
    assert bench.silences == 0


def test_the_hop_to_a_new_majority_forgets_the_old_rate() -> None:
    """A liar that spoke alone leaves no trace once an honest majority arrives."""
    servers = [Server("liar", lie_ns=NS_PER_S), Server("b"), Server("c")]
    bench = Bench(servers)
    for _ in range(5):
        bench.poll(servers[0])
        bench.lose(servers[1])
        bench.lose(servers[2])
        bench.raw_ns += 16 * NS_PER_S
    bench.poll(servers[1])
    torn = bench.estimator.correction(bench.raw_ns)
    assert torn.status is Status.UNKNOWN
    assert torn.reasons == Reason.NO_AGREEMENT
    for _ in range(5):
        bench.poll(servers[2])
        bench.round()
    assert bench.verdicts()["liar"] == "falseticker"
    assert bench.silences == 0


def test_a_liar_that_outlives_the_honest_is_not_believed() -> None:
    """Three go silent, the one they found out goes on: holdover, not its time."""
    servers = [*[Server(f"s{i}") for i in range(3)], Server("liar", lie_ns=NS_PER_S)]
    bench = Bench(servers)
    for _ in range(10):
        bench.round()
    for _ in range(20):
        for honest in servers[:3]:
            bench.lose(honest)
        bench.poll(servers[3])
        bench.check()
        bench.raw_ns += 16 * NS_PER_S
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.HOLDOVER


def test_a_falseticker_does_not_come_back_in_holdover() -> None:
    """All gone for days: the liar's interval grows into the others', and has no say."""
    servers = [*[Server(f"s{i}") for i in range(2)], Server("liar", lie_ns=50_000_000)]
    bench = Bench(servers)
    for _ in range(10):
        bench.round()
    before = bench.estimator.correction(bench.raw_ns)
    for _ in range(60):
        for server in servers:
            bench.lose(server)
        bench.check()
        bench.raw_ns += 60 * NS_PER_S
    after = bench.estimator.correction(bench.raw_ns)
    assert after.status is Status.HOLDOVER
    assert after.confidence == before.confidence


def test_an_outcast_alone_is_not_believed_however_old_the_agreement() -> None:
    """Five hours later the aged agreement touches the liar's interval: still no."""
    servers = [*[Server(f"s{i}") for i in range(3)], Server("liar", lie_ns=250_000_000)]
    bench = Bench(servers)
    for _ in range(10):
        bench.round()
    for _ in range(300):
        for honest in servers[:3]:
            bench.lose(honest)
        bench.poll(servers[3])
        bench.check()
        bench.raw_ns += 64 * NS_PER_S
    assert bench.estimator.correction(bench.raw_ns).status is Status.HOLDOVER


def test_an_outcast_that_mends_is_taken_back() -> None:
    """Once it agrees with a majority again, it may stand alone like any other."""
    servers = [*[Server(f"s{i}") for i in range(3)], Server("d", lie_ns=50_000_000)]
    bench = Bench(servers)
    for _ in range(10):
        bench.round()
    servers[3].lie_ns = 0
    for _ in range(10):
        bench.round()
    assert bench.verdicts()["d"] == "selected"
    for _ in range(5):
        for gone in servers[:3]:
            bench.lose(gone)
        bench.poll(servers[3])
        bench.check()
        bench.raw_ns += 16 * NS_PER_S
    assert bench.estimator.correction(bench.raw_ns).status is Status.SYNCHRONIZED


def test_two_honest_of_four_go_on_where_the_liars_disagree() -> None:
    """No majority any more, but what it last agreed on finds both liars out."""
    servers = [Server(f"s{i}") for i in range(4)]
    servers[2].lie_ns = 40_000_000
    bench = Bench(servers)
    for _ in range(20):
        bench.round(64 * NS_PER_S)
    servers[3].lie_ns = 100_000_000
    for _ in range(40):
        bench.round(64 * NS_PER_S)
    assert bench.verdicts() == {
        "s0": "selected",
        "s1": "selected",
        "s2": "falseticker",
        "s3": "falseticker",
    }
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.SYNCHRONIZED
    assert correction.bound_ns < 2_000_000


class Announcing(Bench):
    """Some servers announce a leap second, which doesn't come."""

    heralds = 0

    def send(self, server: Server, exchange: Exchange) -> None:
        """The first few of them."""
        if exchange.sample and server in self.servers[: self.heralds]:
            told = replace(exchange.sample, leap=Leap.INSERT)
            exchange = replace(exchange, sample=told)
        super().send(server, exchange)


@pytest.mark.parametrize(
    ("heralds", "lie_ns", "has_gap"),
    [(4, 0, True), (2, 0, True), (1, 0, True), (0, 0, False), (1, NS_PER_S, False)],
)
def test_a_leap_second_announced_by_one_that_is_believed_is_waited_for(
    heralds: int, lie_ns: int, has_gap: bool
) -> None:
    """It doesn't come, and servers that are asked afterwards say so."""
    bench = Announcing([Server(f"s{i}") for i in range(4)])
    bench.heralds = heralds
    bench.servers[0].lie_ns = lie_ns
    # STEADY gains 20 ppm on the way to October.
    october_ns = 1_790_812_800 * NS_PER_S - EPOCH_NS
    bench.raw_ns = october_ns - october_ns // 50_000 - 200 * NS_PER_S
    said = []
    while bench.raw_ns < october_ns + 100 * NS_PER_S:
        bench.round()
        said.append(bench.estimator.correction(bench.raw_ns).status)
    assert (Status.UNKNOWN in said) is has_gap
    assert said.count(Status.UNKNOWN) <= 1
    assert said[-1] is Status.SYNCHRONIZED
    assert bench.estimator.leap_seconds == has_gap


def test_a_leap_second_is_expected_though_nobody_is_believed_any_more() -> None:
    """Two servers announce it, fall out with each other, and no majority is left."""
    bench = Announcing([Server("a"), Server("b")])
    bench.heralds = 2
    for _ in range(10):
        bench.round()
    bench.servers[1].lie_ns = NS_PER_S
    bench.poll(bench.servers[1])
    bench.raw_ns += NS_PER_S
    correction = bench.estimator.correction(bench.raw_ns)
    assert correction.status is Status.HOLDOVER
    assert correction.confidence == 0.0
    assert correction.leap is Leap.INSERT


def test_who_announces_a_leap_second_is_not_heard_while_it_may_happen() -> None:
    """Answers of that second are worth nothing, whoever has leapt by then."""
    bench = Announcing([Server("a"), Server("b")])
    bench.heralds = 2
    october_ns = 1_790_812_800 * NS_PER_S - EPOCH_NS
    bench.raw_ns = october_ns - october_ns // 50_000 - 60 * NS_PER_S
    heard = []
    while bench.raw_ns < october_ns + 10 * NS_PER_S:
        bench.round(gap_ns=NS_PER_S // 4)
        utc_ns = bench.raw_ns + bench.clock.offset_ns(bench.raw_ns) - EPOCH_NS
        if abs(utc_ns - october_ns) < NS_PER_S * 3 // 4:
            heard.append(bench.estimator.correction(bench.raw_ns).status)
    assert heard
    assert set(heard) == {Status.UNKNOWN}
    assert bench.estimator.correction(bench.raw_ns).status is not Status.UNKNOWN


@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_another_address_of_a_name_is_another_server(others: int) -> None:
    """What was learned of a path that is askew says nothing of the next one's.

    Both are askew by 5 ms, to opposite sides, and the average over all paths is the best
    that there is: with the first one's constant the second's would be off by 10.
    """
    askew_ns = 5_000_000
    first, second = (Endpoint(f"192.0.2.{k}", 123) for k in (1, 2))
    moving = Server("a", delay_ns=20_000_000, lie_ns=askew_ns, endpoint=first)
    company = [Server(f"s{k}", delay_ns=20_000_000) for k in range(others)]
    bench = Bench([moving, *company])
    for _ in range(60):
        bench.round()
    before_ns = error_ns(bench)
    moving.lie_ns, moving.endpoint = -askew_ns, second
    statuses: set[Status] = set()
    for _ in range(20):
        bench.round()
        statuses.add(bench.estimator.correction(bench.raw_ns).status)

    assert before_ns > askew_ns // (others + 1) * 0.9
    assert abs(error_ns(bench)) < askew_ns // 6
    # The clock is still known as well as it was.
    assert statuses == {Status.SYNCHRONIZED}
    assert set(bench.verdicts().values()) == {"selected"}


def test_a_name_that_leads_back_is_the_server_that_it_was() -> None:
    """Each of two askew paths counts once, however often it is taken."""
    askew_ns = 5_000_000
    first, second = (Endpoint(f"192.0.2.{k}", 123) for k in (1, 2))
    server = Server("a", delay_ns=20_000_000)
    bench = Bench([server])
    for endpoint, lie_ns in ((first, askew_ns), (second, -askew_ns)) * 2:
        server.endpoint, server.lie_ns = endpoint, lie_ns
        for _ in range(30):
            bench.round()
        if server.endpoint == second:
            assert abs(error_ns(bench)) < askew_ns // 6
    server.endpoint, server.lie_ns = first, askew_ns
    for _ in range(30):
        bench.round()

    assert abs(error_ns(bench)) < askew_ns // 6


def test_an_address_without_answer_costs_nothing_of_the_one_before() -> None:
    """A name's other address was tried in vain: its first one's past still counts."""
    first, second = (Endpoint(f"192.0.2.{k}", 123) for k in (1, 2))
    server = Server("a", endpoint=first)
    bench = Bench([server])
    for _ in range(30):
        bench.round()
    width_ns = bench.estimator.correction(bench.raw_ns).bound_ns
    bench.estimator.observe(
        Exchange(server="a", endpoint=second, state="lost", reach=0b10)
    )
    bench.round()

    assert bench.estimator.correction(bench.raw_ns).bound_ns < 1.2 * width_ns


def error_ns(bench: Bench) -> int:
    """Return the published guess less the truth."""
    correction = bench.estimator.correction(bench.raw_ns)
    truth_ns = bench.raw_ns + bench.clock.offset_ns(bench.raw_ns)
    return correction.utc_ns - truth_ns
