"""`models.paths`: every exchange is told its way, and what is known of that way."""

from __future__ import annotations

from math import sqrt

import pytest

from chronotick.core.records import Variance
from chronotick.core.units import NS_PER_S
from chronotick.models.filters import FilterBank, Mixture
from chronotick.models.grid import BankTuning
from chronotick.models.paths import Exchange, Paths
from chronotick.models.retreat import Retreat
from unit.oscillators import EPOCH_NS, sample

FLOOR_NS = 30_000_000
LONGER_NS = 8_000_000
QUIET = Mixture(0.0, 0.0, Variance(1e6, 0.0, 1e-4, 0.0))
FILTERS = FilterBank(BankTuning())


def heard(
    paths: Paths, k: int, *, longer_ns: int = 0, high_ns: int = 0, server: str = "a"
) -> Exchange:
    """Return exchange k of a steady clock, its way taken note of."""
    exchange = paths.take(
        sample(
            k * 16 * NS_PER_S,
            EPOCH_NS + high_ns,
            # Some queue or other, without which any change would be a detour.
            delay_ns=FLOOR_NS + longer_ns + 100_000 * (k % 5),
            server=server,
        )
    )
    if paths.is_crossed_by(exchange):
        before = Retreat(FILTERS, QUIET, exchange.raw_ns)
        paths.cross(exchange, before if paths.coasts_on(exchange) else None, [])
    return exchange


def after_a_detour(paths: Paths, *, learning: bool = False) -> list[Exchange]:
    """Return 20 exchanges on the usual way, and 20 that take 8 ms more on one leg."""
    exchanges = []
    for k in range(40):
        longer_ns = LONGER_NS if k >= 20 else 0
        exchanges.append(heard(paths, k, longer_ns=longer_ns, high_ns=longer_ns // 2))
        if learning:
            paths.learn(exchanges[-1], QUIET, EPOCH_NS)
    return exchanges


def test_one_way_to_one_server_has_no_constant() -> None:
    """There is nothing that it could differ from."""
    paths = Paths()
    exchanges = [heard(paths, k) for k in range(30)]
    for exchange in exchanges:
        assert paths.learn(exchange, QUIET, EPOCH_NS) is None
    measured = paths.measurement(exchanges[-1], EPOCH_NS)
    assert measured.value_ns == 0.0
    assert measured.variance == exchanges[-1].reading
    assert paths.common_variance == 0.0
    assert paths.bias_ns("a") == 0.0


def test_a_detour_is_another_way_whose_constant_is_in_doubt() -> None:
    """All of what is longer may be on one leg: uniform within half of it."""
    paths = Paths()
    exchanges = after_a_detour(paths)
    assert exchanges[0].route == "a"
    assert exchanges[-1].route != "a"
    assert exchanges[-1].extra_ns == LONGER_NS
    assert paths.crossing_variance == pytest.approx(LONGER_NS**2 / 12.0)
    assert paths.common_variance == paths.crossing_variance


def test_coasting_shows_a_lone_detour_s_constant() -> None:
    """What was believed before says where its answers should be."""
    paths = Paths()
    exchanges = after_a_detour(paths, learning=True)
    assert paths.bias_ns("a") == pytest.approx(LONGER_NS / 2, rel=0.01)
    assert paths.crossing_variance < 1e12
    assert abs(paths.measurement(exchanges[-1], EPOCH_NS).value_ns) < 0.01 * LONGER_NS


def test_nothing_is_learned_of_a_detour_after_a_jump() -> None:
    """What was believed before says nothing of the clock now."""
    paths = Paths()
    exchanges = after_a_detour(paths)
    paths.settle()
    doubt = paths.crossing_variance
    paths.learn(exchanges[-1], QUIET, EPOCH_NS)
    assert paths.bias_ns("a") == 0.0
    assert paths.crossing_variance == doubt


def test_what_company_tells_of_a_way_is_kept_when_it_falls_silent() -> None:
    """Coasting said nothing of its constant; another server does, for an hour."""
    paths = Paths()
    after_a_detour(paths)
    high_ns = LONGER_NS // 2
    for k in range(40, 440):
        if k % 2:
            told = heard(paths, k, longer_ns=LONGER_NS, high_ns=high_ns)
        else:
            told = heard(paths, k, server="b")
        assert paths.crossing_variance == 0.0
        paths.learn(told, QUIET, EPOCH_NS)
    constant_ns = paths.bias_ns("a")
    assert constant_ns - paths.bias_ns("b") == pytest.approx(high_ns, rel=0.01)
    for k in range(600, 620):
        # The clock has gone elsewhere since, which only the clock's filters can say.
        exchange = heard(paths, k, longer_ns=LONGER_NS, high_ns=2 * high_ns)
        paths.learn(exchange, QUIET, EPOCH_NS)
    assert paths.bias_ns("a") == constant_ns
    assert 0.0 < paths.crossing_variance < 1e10
    measured = paths.measurement(exchange, EPOCH_NS)
    assert measured.value_ns == pytest.approx(2 * high_ns - constant_ns)


def test_only_the_first_way_bounds_anything() -> None:
    """The floor of a detour is not alike both ways."""
    paths = Paths()
    exchanges = after_a_detour(paths)
    assert paths.bounds(exchanges[10]).server == "a"
    assert paths.bounds(exchanges[10]).floor_ns == FLOOR_NS
    assert paths.bounds(exchanges[-1]).server is None


def test_servers_tell_each_other_s_constants() -> None:
    """Half of what two say differently is each one's; no way is crossed for that."""
    paths = Paths()
    for k in range(400):
        server = "ab"[k % 2]
        high_ns = 1_000_000 if server == "b" else 0
        paths.learn(heard(paths, k, high_ns=high_ns, server=server), QUIET, EPOCH_NS)
    assert paths.bias_ns("b") - paths.bias_ns("a") == pytest.approx(1e6, rel=0.05)
    assert paths.crossing_variance == 0.0
    assert paths.common_variance > 0.0


def test_a_detour_that_is_over_is_forgotten() -> None:
    """Its doubt is no part of the answer then."""
    paths = Paths()
    after_a_detour(paths)
    back = [heard(paths, k) for k in range(40, 45)]
    assert back[-1].route == "a"
    assert paths.crossing_variance == 0.0


def in_company(*, swing_ns: int = 0, longer_ns: int = 0) -> float:
    """Return how far the last answer of a server is in doubt beside a steady one, ns.

    For two hours it swings by so much, or for the middle third takes a longer way.
    """
    paths = Paths()
    for k in range(480):
        is_longer = bool(longer_ns) and 160 <= k < 320
        extra_ns = longer_ns if is_longer else 0
        up = (k % 60 < 30) * 2 - 1
        high_ns = extra_ns // 2 + swing_ns * up
        # The model follows it.
        believed = QUIET._replace(x=float(swing_ns * up))
        for server in "ab":
            off = (extra_ns, high_ns) if server == "a" else (0, 0)
            last = heard(paths, k, longer_ns=off[0], high_ns=off[1], server=server)
            paths.learn(last, believed, EPOCH_NS)
            if server == "a":
                of_a = last
    return sqrt(paths.measurement(of_a, EPOCH_NS).variance)


def test_one_that_swings_beside_a_steady_one_is_doubted() -> None:
    """Though the model has followed it, so that the other one seems to swing."""
    assert in_company(swing_ns=2_000_000) > in_company() + 500_000.0


def test_another_way_is_no_swing() -> None:
    """Its constant is the ledger's business."""
    assert in_company(longer_ns=LONGER_NS) < in_company() + 500_000.0
