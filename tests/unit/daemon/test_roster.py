"""`daemon.roster`: who may be heard, who is awaited, and who has jumped."""

from __future__ import annotations

import pytest

from chronotick.core.records import Endpoint, Exchange
from chronotick.core.units import NS_PER_S
from chronotick.daemon.roster import Roster
from chronotick.fusion import RateSpan
from unit.oscillators import sample

ANY = RateSpan(-500_000, 500_000)
GRACE_NS = NS_PER_S


def roster(*names: str) -> Roster:
    """Return a roster of servers that have not been asked yet."""
    return Roster(names, startup_grace_ns=GRACE_NS)


def answer(
    servers: Roster, name: str, raw_ns: int, offset_ns: int = 0, delay_ns: int = 1000
) -> None:
    """Let `name` answer a poll."""
    servers.observe(
        Exchange(
            server=name,
            endpoint=None,
            state="ok",
            sample=sample(raw_ns, offset_ns, server=name, delay_ns=delay_ns),
            reach=1,
        ),
        ANY,
    )


def lose(servers: Roster, name: str, reach: int, *, state: str = "lost") -> None:
    """Let a poll of `name` go unanswered."""
    servers.observe(Exchange(server=name, endpoint=None, state=state, reach=reach), ANY)


def test_only_those_that_answer_and_agree_with_themselves_are_heard() -> None:
    """One has been silent for three polls, one has jumped, one was never asked."""
    servers = roster("good", "silent", "jumped", "new")
    for name in ("good", "silent", "jumped"):
        answer(servers, name, 0)
    lose(servers, "silent", 0b1000)
    answer(servers, "jumped", 1, offset_ns=NS_PER_S)
    assert set(servers.spans(2, ANY)) == {"good"}
    assert servers.answering(("good", "silent", "jumped", "new")) == {"good", "jumped"}
    assert servers.absent == 1
    assert not servers.has_jumped


def test_a_span_is_carried_back_as_soundly_as_forth() -> None:
    """A far server's exchange has its middle before a near one's newest answer."""
    servers, raw_ns, rate_ppb = roster("near"), 10 * NS_PER_S, 490_000
    answer(servers, "near", raw_ns, offset_ns=raw_ns * rate_ppb // NS_PER_S, delay_ns=2)
    for at_ns in (0, raw_ns, 2 * raw_ns):
        truth_ns = at_ns * rate_ppb // NS_PER_S
        assert servers.spans(at_ns, ANY)["near"].holds(truth_ns)


def test_the_others_are_waited_for_until_the_grace_has_passed() -> None:
    """Counted from the first answer."""
    servers = roster("quick", "slow", "lossy")
    assert servers.pending(0) == 3
    answer(servers, "quick", 0)
    lose(servers, "lossy", 0)
    assert servers.pending(GRACE_NS - 1) == 2
    assert servers.pending(GRACE_NS) == 0


def test_at_the_start_a_server_has_three_tries() -> None:
    """As after an outage: single packets are lost anywhere. One that refuses has none."""
    servers = roster("quick", "lossy", "private")
    answer(servers, "quick", 0)
    lose(servers, "private", 0, state="denied")
    for tries in (1, 1, 0, 0):
        lose(servers, "lossy", 0)
        assert servers.pending(1) == tries
        assert servers.absent == 0


@pytest.mark.parametrize(("jumping", "expected"), [(1, False), (2, False), (3, True)])
def test_most_must_jump_for_it_to_be_us(jumping: int, expected: bool) -> None:
    """Half of them is not most: then nobody knows."""
    names = ("a", "b", "c", "d")
    servers = roster(*names)
    for name in names:
        answer(servers, name, 0)
    for name in names[:jumping]:
        answer(servers, name, 1, offset_ns=NS_PER_S)
    assert servers.has_jumped is expected


def test_after_a_leap_only_newer_answers_are_left() -> None:
    """Who has not answered since is awaited; nothing of before narrows anything."""
    servers = roster("heard", "unheard")
    for name in ("heard", "unheard"):
        answer(servers, name, 0, delay_ns=10)
    newer = sample(1, 0, server="heard", delay_ns=1000)
    answer(servers, "heard", 1)
    servers.remember([newer], ANY)
    assert servers.spans(1, ANY) == {"heard": newer.span}
    assert servers.absent == 1
    assert servers.newest(("heard", "unheard")) == [newer]


def test_whoever_fell_silent_with_all_others_is_expected_back() -> None:
    """What was lost while nobody answered says nothing of a server; what is lost later does."""
    servers = roster("first", "next", "gone")
    for name in ("first", "next", "gone"):
        answer(servers, name, 0)
    lose(servers, "gone", 0b1000)
    answer(servers, "first", 1)
    for name in ("first", "next", "gone"):
        lose(servers, name, 0b1000)
    answer(servers, "first", 2)
    # The third had been silent before: nobody waits for it.
    assert set(servers.spans(2, ANY)) == {"first"}
    assert servers.absent == 1
    assert servers.silent == 1
    # Any packet may be lost; whoever loses three in a row is gone.
    for tries_left in (True, True, False):
        lose(servers, "next", 0b10000)
        assert servers.absent == tries_left
    assert servers.silent == 2


def test_one_that_has_lost_polls_by_itself_before_is_not_expected() -> None:
    """It had failed while another answered: that was no network that was away."""
    servers = roster("good", "flaky")
    for name in ("good", "flaky"):
        answer(servers, name, 0)
    lose(servers, "flaky", 0b10)
    answer(servers, "good", 1)
    lose(servers, "good", 0b10)
    lose(servers, "flaky", 0b100)
    answer(servers, "good", 2)
    assert servers.absent == 0


def test_an_expected_server_that_is_still_heard_is_counted_once() -> None:
    """One lost poll is no silence: its last interval has aged soundly."""
    servers = roster("a", "b")
    for name in ("a", "b"):
        answer(servers, name, 0)
    for name in ("a", "b"):
        lose(servers, name, 0b10)
    answer(servers, "a", 1)
    assert set(servers.spans(1, ANY)) == {"a", "b"}
    assert servers.absent == 0


def test_losses_of_one_are_no_silence_of_all() -> None:
    """As long as another answers in between, a server that doesn't is gone."""
    servers = roster("good", "flaky")
    for name in ("good", "flaky"):
        answer(servers, name, 0)
    for k in range(1, 4):
        lose(servers, "flaky", 1 << k)
        answer(servers, "good", k)
    assert servers.absent == 0
    assert set(servers.spans(3, ANY)) == {"good"}


def test_a_network_that_comes_up_after_us_is_asked_as_a_whole() -> None:
    """Nobody has ever answered: all that were asked in vain are expected."""
    servers = roster("first", "second", "third")
    for name in ("first", "second", "third"):
        lose(servers, name, 0)
    answer(servers, "first", 0)
    assert servers.absent == 2
    assert servers.silent == 0


def test_a_server_that_never_answers_again_is_not_counted_on() -> None:
    """One that denied service is asked no more."""
    servers = roster("a", "b")
    for name in ("a", "b"):
        answer(servers, name, 0)
    servers.observe(Exchange(server="b", endpoint=None, state="denied"), ANY)
    assert servers.silent == 0


@pytest.mark.parametrize("state", ["denied", "duplicate"])
def test_a_server_that_is_not_asked_is_not_waited_for(state: str) -> None:
    """Nobody would ever stop waiting for one that denied service or is another one."""
    servers = roster("a", "b")
    servers.observe(Exchange(server="b", endpoint=None, state=state), ANY)
    answer(servers, "a", 0)
    assert servers.absent == 0
    assert servers.pending(0) == 0


def test_the_answer_of_another_address_is_not_held_against_the_one_before() -> None:
    """A liar's address gives way to an honest one: that is no jump of the server."""
    servers = roster("a")
    first, second = (Endpoint(f"192.0.2.{k}", 123) for k in (1, 2))
    for at_ns, offset_ns, endpoint in ((1, NS_PER_S, first), (2, 0, second)):
        exchange = Exchange(
            server="a",
            endpoint=endpoint,
            state="ok",
            sample=sample(at_ns, offset_ns),
            reach=1,
        )
        assert servers.moved_from(exchange) == (None if endpoint == first else first)
        servers.observe(exchange, ANY)

    assert not servers.is_on_probation("a")
    assert servers.spans(2, ANY)["a"].holds(0)
