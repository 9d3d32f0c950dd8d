"""Keys that contradict each other are refused wherever a Config is built."""

from __future__ import annotations

from typing import Any

import pytest

from chronotick.core.errors import ConfigError
from chronotick.daemon.config import Clock, Config, Polling, Selection, Server
from chronotick.daemon.config_models import ShortTerm

OURS = tuple(Server(f"10.0.0.{i}") for i in range(1, 6))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"servers": ()}, "servers: at least one is needed"),
        (
            {"servers": (Server("ntp.se"), Server("x.example"), Server("NTP.SE:123"))},
            "servers[2]: NTP.SE:123 is the same server as servers[0]; remove",
        ),
        ({"servers": (Server("[::1"),)}, "servers[0]: '[::1' names no server"),
        (
            {"servers": OURS, "polling": Polling(min_poll_s=64, max_poll_s=16)},
            "polling.min_poll: 64s is longer than polling.max_poll (16s)",
        ),
        (
            {"short_term": ShortTerm(enabled=False)},
            "long_term.enabled: the long-term model stands on the short-term one",
        ),
        (
            {"clock": Clock(max_drift_ppm=600)},
            "clock.max_drift: 600 ppm is more than clock.max_frequency_error (500 ppm)",
        ),
        (
            {"servers": OURS[:2], "selection": Selection(required=3)},
            "selection.required: 3 servers can never agree where only 2 are configured",
        ),
        (
            {"servers": OURS[:2], "selection": Selection(tolerate_falsetickers=1)},
            "selection.tolerate_falsetickers: 1 needs at least 3 servers, 2 configured",
        ),
        (
            {"polling": Polling(min_poll_s=15.9)},
            ("polling.min_poll: 15.9s is too fast for public servers: at least 16s"),
        ),
        (
            {"polling": Polling(burst_interval_s=1.9)},
            "polling.burst_interval: 1.9s is too fast for public servers",
        ),
        (
            {"polling": Polling(burst_count=9)},
            "polling.burst_count: 9 is too many for public servers: at most 8",
        ),
    ],
)
def test_contradictions_name_the_key(sections: Any, message: str) -> None:
    """The one line begins with the key to change and says why."""
    with pytest.raises(ConfigError) as caught:
        Config(**sections)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_ones_own_servers_may_be_polled_fast() -> None:
    """Politeness is for strangers: loopback and marked servers set their own pace."""
    fast = Polling(min_poll_s=0.05, max_poll_s=0.05, burst_interval_s=0.1)
    mine = Server("ntp.example", private=True)

    assert Config(servers=(*OURS, mine), polling=fast).polling is fast


def test_one_server_of_ours_gives_a_fast_pace_a_meaning() -> None:
    """Mixed lists are fine: the schedule keeps to the floors with the public ones."""
    fast = Polling(min_poll_s=1.0)

    assert Config(servers=(OURS[0], Server("ntp.se")), polling=fast).polling is fast


def test_limits_are_inclusive() -> None:
    """Exactly as many servers as are needed is enough; equal polls are fine."""
    config = Config(
        servers=OURS[:3],
        selection=Selection(required=3, tolerate_falsetickers=1),
        polling=Polling(min_poll_s=16.0, max_poll_s=16.0),
        clock=Clock(max_drift_ppm=500.0),
    )

    assert len(config.servers) == 3


_TWICE = [
    ("a.test", "a.test."),
    ("A.test.", "a.TEST:123"),
    ("127.0.0.1", "::ffff:127.0.0.1"),
    ("127.0.0.1:123", "[::FFFF:7f00:1]:123"),
    ("2001:db8::1", "[2001:0DB8:0:0::1]"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER.example", "bücher.example."),
]


@pytest.mark.parametrize("pair", [*_TWICE, *(pair[::-1] for pair in _TWICE)])
def test_one_server_in_two_spellings_has_one_vote(pair: tuple[str, str]) -> None:
    """Else it would be a majority with itself."""
    with pytest.raises(ConfigError) as caught:
        Config(servers=tuple(map(Server, pair)))

    assert str(caught.value) == (
        f"servers[1]: {pair[1]} is the same server as servers[0]; remove one of the "
        "two: they would count as two that agree"
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("a.test", "a.test:124"),
        ("a.test", "b.test"),
        ("127.0.0.1", "127.0.0.2"),
        ("fe80::1%eth0", "fe80::1%eth1"),
        ("192.0.2.1", "2001:db8::192.0.2.1"),
        ("a-.test", "a.test"),
        ("x_y.test", "xy.test"),
    ],
)
def test_two_servers_have_two_votes(pair: tuple[str, str]) -> None:
    """What a name leads to is not asked here."""
    assert len(Config(servers=tuple(map(Server, pair))).servers) == len(pair)
