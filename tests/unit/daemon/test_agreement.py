"""`daemon.agreement`: majorities speak, their finds are remembered, doubt is earned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.core.units import NS_PER_S
from chronotick.daemon.agreement import Agreement
from chronotick.fusion import RateSpan

STILL = RateSpan(0, 0)
US = 1_000


def around(*middles_us: int, half_us: int = 10) -> dict[str, Span]:
    """Return servers a, b, … whose spans lie around the given middles."""
    return {
        chr(ord("a") + i): Span((m - half_us) * US, (m + half_us) * US)
        for i, m in enumerate(middles_us)
    }


def ask(agreement: Agreement, spans: dict[str, Span], raw_ns: int = 0) -> bool:
    """Ask with nothing required and a rate that is known."""
    return agreement.ask(raw_ns, spans, required=1, rate=STILL)


def believed(agreement: Agreement) -> str:
    """Return the truechimers' names in one word."""
    return "".join(agreement.selection.truechimers) if agreement.selection else ""


def test_without_a_majority_the_faithful_speak() -> None:
    """Two of four, while the other two contradict them and each other."""
    agreement = Agreement()
    assert ask(agreement, around(0, 1, 2, 90))
    assert ask(agreement, around(0, 1, 200, 90))
    assert believed(agreement) == "ab"
    assert agreement.selection is not None
    assert agreement.selection.falsetickers == ("c", "d")


def test_two_against_two_is_nobodys_time() -> None:
    """Liars that agree are as many as the faithful: holdover, nothing forgotten."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 2, 200))
    assert ask(agreement, around(0, 1, 201, 200))
    assert agreement.selection is None
    assert agreement.is_known


def test_a_new_majority_of_the_old_size_is_believed() -> None:
    """Three once, three now, on something else: they were heard then, and are now."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 2))
    assert ask(agreement, around(200, 201, 202))
    assert believed(agreement) == "abc"


def test_as_many_against_as_ever_for_it_put_the_past_in_doubt() -> None:
    """Three against three: nobody's time, and the past is to be forgotten."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 2))
    assert not ask(agreement, around(0, 1, 2, 200, 201, 202))
    assert agreement.selection is None


def test_those_who_disagree_among_themselves_outvote_nobody() -> None:
    """Each of three says something else: the last agreement goes on as holdover."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 2))
    assert ask(agreement, around(100, 200, 300))
    assert agreement.selection is None
    assert agreement.span_at(0, STILL) == Span(-9 * US, 11 * US)


def test_outcasts_alone_are_not_believed() -> None:
    """Found out by three, then left alone, even where the spans have come to touch."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 2, 90))
    assert ask(agreement, {"d": Span(0, 100 * US)})
    assert agreement.selection is None


@given(
    st.lists(st.integers(-9, 9), min_size=3, max_size=5),
    st.lists(st.lists(st.integers(-300, 300), max_size=2), min_size=1, max_size=10),
)
def test_a_minority_never_moves_the_truth_out(
    honest_us: list[int], lies: list[list[int]]
) -> None:
    """Honest spans hold 0; fewer liars, saying anything, in any order of rounds."""
    agreement = Agreement()
    for liars_us in lies:
        ask(agreement, around(*honest_us, *liars_us[: len(honest_us) - 1]))
        span = agreement.span_at(0, STILL)
        assert span is not None
        assert span.holds(0)


@given(
    st.lists(st.integers(-9, 9), max_size=4),
    st.lists(st.integers(-30, 30), max_size=4),
    st.integers(0, 4),
)
def test_a_minority_of_all_is_survived_while_some_are_absent(
    honest_us: list[int], liars_us: list[int], absent: int
) -> None:
    """However the liars are over-represented among those that may be heard."""
    if len(liars_us) >= len(honest_us) + absent:
        liars_us = liars_us[: max(len(honest_us) + absent - 1, 0)]
    agreement = Agreement()
    spans = around(*honest_us, *liars_us)
    agreement.ask(0, spans, required=1, rate=STILL, absent=absent)
    span = agreement.span_at(0, STILL)
    assert span is None or span.holds(0)


def test_the_absent_count_as_if_they_disagreed() -> None:
    """Two of four that answer are no majority, three are."""
    agreement = Agreement()
    for count, is_enough in ((2, False), (3, True)):
        spans = around(*range(count))
        agreement.ask(0, spans, required=1, rate=STILL, absent=4 - count)
        assert (agreement.selection is not None) is is_enough


DAY_NS = 24 * 3600 * 10**9
DRIFTING = RateSpan(-15_000, 15_000)


def heard(agreement: Agreement, spans: dict[str, Span], at_s: int, silent: int) -> str:
    """Ask while so many are silent, of a clock that drifts; return who is believed."""
    assert agreement.ask(at_s * 10**9, spans, required=1, rate=DRIFTING, silent=silent)
    return believed(agreement)


def without(spans: dict[str, Span], *names: str) -> dict[str, Span]:
    """Return the spans of the others."""
    return {name: span for name, span in spans.items() if name not in names}


def test_who_falls_silent_does_not_take_back_what_was_agreed() -> None:
    """One by one they leave, and then the one that they found out comes back alone."""
    agreement, spans = Agreement(), around(0, 1, 30_000)
    assert heard(agreement, spans, 0, 0) == "ab"
    assert heard(agreement, without(spans, "c"), 1, 1) == "ab"
    assert heard(agreement, without(spans, "c", "a"), 2, 2) == "b"
    # An hour later the agreement is 54 ms wide either way, and holds the lie.
    assert heard(agreement, without(spans, "a", "b"), 3600, 2) == ""
    assert agreement.is_known


def test_a_majority_that_needs_one_that_was_found_out_is_none() -> None:
    """Two old spans touch, while those that found out one of them are silent."""
    agreement = Agreement()
    heard(agreement, around(0, 1, 300), 0, 0)
    wide = {"b": Span(-200 * US, 160 * US), "c": Span(150 * US, 450 * US)}
    assert heard(agreement, wide, 60, 1) == ""
    # With everybody there the three of them are asked as ever.
    assert heard(agreement, {"a": wide["b"], **wide}, 61, 0) == "abc"


def test_whoever_has_been_mended_is_heard_as_soon_as_it_agrees_as_sharply() -> None:
    """Else it could never make a majority with the few that are left."""
    agreement = Agreement()
    heard(agreement, around(0, 1, 300), 0, 0)
    wide = {"b": Span(-200 * US, 200 * US), "c": Span(-150 * US, 250 * US)}
    assert heard(agreement, wide, 3600, 1) == ""
    sharp = {"b": Span(-10 * US, 10 * US), "c": Span(-9 * US, 11 * US)}
    assert heard(agreement, sharp, 3601, 1) == "bc"


def test_whoever_was_found_out_a_day_ago_is_heard_again() -> None:
    """On a path that is not as good any more it could never prove anything."""
    agreement = Agreement()
    heard(agreement, around(0, 1, 300), 0, 0)
    wide = {"b": Span(-200 * US, 200 * US), "c": Span(-150 * US, 250 * US)}
    assert heard(agreement, wide, DAY_NS // 10**9 - 1, 1) == ""
    assert heard(agreement, wide, DAY_NS // 10**9 + 1, 1) == "bc"


def test_one_that_was_alone_for_a_while_has_no_more_say_than_one() -> None:
    """It has crept away meanwhile; the two that come back are a majority again."""
    agreement = Agreement()
    heard(agreement, around(0, 1, 2), 0, 0)
    for k in range(1, 100):
        alone = {"c": Span((2 + 100 * k) * US, (22 + 100 * k) * US)}
        assert heard(agreement, alone, 60 * k, 2) == "c"
    spans = {**around(0, 1), **alone}
    assert heard(agreement, spans, 6001, 0) == "ab"


def test_two_that_contradicted_each_other_do_not_agree_by_growing_old() -> None:
    """Both spans are sound of one that is truthful; so one of the two lies."""
    agreement = Agreement()
    for at_s in range(0, 7200, 600):
        assert heard(agreement, around(0, 300), at_s, 0) == ""
        assert heard(agreement, around(0, 300, half_us=160), at_s + 300, 0) == ""
    assert heard(agreement, around(0, 2), 7200, 0) == "ab"


def test_one_of_two_that_disagree_is_not_right_because_the_other_is_silent() -> None:
    """Nobody knows which of them lies, for an hour; but for what both said before."""
    for known_before in (False, True):
        agreement = Agreement()
        if known_before:
            ask(agreement, around(0, 1))
        ask(agreement, around(0, 100))
        for name, span in around(0, 100).items():
            agreement.ask(NS_PER_S, {name: span}, required=1, rate=STILL, silent=1)
            is_faithful = known_before and name == "a"
            assert believed(agreement) == ("a" if is_faithful else "")

    agreement = Agreement()
    ask(agreement, around(0, 100))
    alone = {"b": around(0, 100)["b"]}
    agreement.ask(NS_PER_S, alone, required=1, rate=STILL)
    assert believed(agreement) == "b"  # The other one is gone for good.
    agreement = Agreement()
    ask(agreement, around(0, 100))
    agreement.ask(3601 * NS_PER_S, alone, required=1, rate=STILL, silent=1)
    assert believed(agreement) == "b"


def test_two_that_contradicted_each_other_may_agree_an_hour_later() -> None:
    """Of two whose spans differ in width, the wide one may have to grow old for it."""
    agreement, wide = Agreement(), around(0, 300, half_us=160)
    heard(agreement, around(0, 300), 0, 0)
    assert heard(agreement, wide, 3599, 0) == ""
    assert heard(agreement, wide, 3601, 0) == "ab"


def test_one_that_starts_again_is_compared_anew() -> None:
    """Its past, in which it contradicted another, is worthless."""
    agreement = Agreement()
    heard(agreement, around(0, 300), 0, 0)
    agreement.absolve("b")
    assert heard(agreement, around(0, 300, half_us=160), 120, 0) == "ab"


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 4000)),
        max_size=40,
    )
)
def test_a_liar_among_three_never_moves_the_answer_off_the_truth(
    polls: list[tuple[bool, bool, bool, int]],
) -> None:
    """Whoever answers, and however old the spans have grown; once it is found out."""
    agreement, at_s = Agreement(), 0
    assert heard(agreement, around(0, 0, 30_000), at_s, 0) == "ab"
    for *answers, elapsed_s in polls:
        at_s += elapsed_s
        half_us = min(15 * elapsed_s, 40_000)
        spans = around(0, 0, 30_000, half_us=half_us)
        there = {n: s for (n, s), ok in zip(spans.items(), answers, strict=True) if ok}
        if not there:
            continue
        agreement.ask(
            at_s * 10**9,
            there,
            required=1,
            rate=DRIFTING,
            silent=3 - len(there),
        )
        span = agreement.span_at(at_s * 10**9, DRIFTING)
        assert span is not None
        assert span.holds(0)


def test_an_outcast_alone_is_not_believed_though_all_else_is_forgotten() -> None:
    """The host slept, and those that found it out will never answer again."""
    agreement = Agreement()
    ask(agreement, around(0, 1, 90))
    agreement.forget()
    spans = {"c": Span(80 * US, 100 * US)}
    assert ask(agreement, spans, raw_ns=100 * 24 * 3600 * NS_PER_S)
    assert believed(agreement) == ""


def test_an_agreement_of_weeks_ago_contradicts_nobody() -> None:
    """One of four is gone for good, and the oscillator goes its way, as it may.

    Its rate has changed by a little each day; seen from today's the old agreement lies
    elsewhere, however often those that are left have agreed since.
    """
    agreement = Agreement()
    day_ns = 24 * 3600 * NS_PER_S
    agreement.ask(0, around(0, 1, 2, 3), required=1, rate=RateSpan(-1_000, 1_000))
    for day in range(1, 60):
        # 0.2 ppm a day, and an uncertainty of 1 ppm.
        now_ppb = 200 * day
        middle_us = 24 * 3600 * 200 * day * day // 2 // 1_000
        answered = agreement.ask(
            day * day_ns,
            around(*(middle_us + k for k in range(3)), half_us=100_000),
            required=1,
            rate=RateSpan(now_ppb - 1_000, now_ppb + 1_000),
        )
        assert answered
        assert believed(agreement) == "abc"
