"""Selection: the majority's interval contains the truth, and liars are named."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chronotick.core.span import Span
from chronotick.ntp.select import NoAgreement, Selection, select

edges = st.integers(-12, 12)
spans = st.tuples(edges, edges).map(lambda ends: Span(min(ends), max(ends)))
names = st.sampled_from("abcdefg")
servers = st.dictionaries(names, spans, max_size=7)
required = st.integers(1, 5)
tolerated = st.none() | st.integers(0, 3)


def oracle(
    candidates: dict[str, Span], required: int, tolerate: int | None
) -> Selection | NoAgreement:
    """Count every integer point: what `select` promises, word by word."""
    depth = {
        point: sum(span.holds(point) for span in candidates.values())
        for point in range(-12, 13)
    }
    most, total = max(depth.values()), len(candidates)
    liars = len(range(1, total, 2)) - (total % 2 == 0) if tolerate is None else tolerate
    liars = max(liars, 0)
    needed = max(total // 2 + 1, required, liars + 1)
    if most * 2 <= total or most < required or most <= liars:
        return NoAgreement(candidates=total, agreeing=most, needed=needed)
    enough = min(most, total - liars)
    points = [point for point, count in depth.items() if count >= enough]
    lo_ns, hi_ns = min(points), max(points)
    outside = {n for n, s in candidates.items() if s.hi_ns < lo_ns or s.lo_ns > hi_ns}
    return Selection(
        span=Span(lo_ns, hi_ns),
        agreeing=most,
        truechimers=tuple(sorted(candidates.keys() - outside)),
        falsetickers=tuple(sorted(outside)),
    )


@given(candidates=servers, required=required, tolerate=tolerated)
def test_agrees_with_brute_force(
    candidates: dict[str, Span], required: int, tolerate: int | None
) -> None:
    """On small integers the sweep gives what counting every point gives.

    The ends of an answer are ends of candidates, so integers miss nothing.
    """
    expected = oracle(candidates, required, tolerate)

    assert expected == select(candidates, required=required, tolerate=tolerate)


@given(
    honest=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6),
    liars=st.lists(spans, max_size=4),
    truth_ns=edges,
    tolerate=tolerated,
)
def test_contains_the_truth(
    honest: list[tuple[int, int]],
    liars: list[Span],
    truth_ns: int,
    tolerate: int | None,
) -> None:
    """With at most max(t, n − m) liars the answer contains the truth."""
    truthful = [Span(truth_ns - below, truth_ns + above) for below, above in honest]
    candidates = {str(n): span for n, span in enumerate([*truthful, *liars])}

    chosen = select(candidates, tolerate=tolerate)

    assume(isinstance(chosen, Selection))
    assert isinstance(chosen, Selection)
    lying = sum(not span.holds(truth_ns) for span in candidates.values())
    total = len(candidates)
    survived = (total - 1) // 2 if tolerate is None else tolerate
    if lying <= max(survived, total - chosen.agreeing):
        assert chosen.span.holds(truth_ns)


@given(
    candidates=servers,
    required=required,
    tolerate=tolerated,
    by_ns=st.integers(-(10**19), 10**19),
)
def test_translation_invariant(
    candidates: dict[str, Span], required: int, tolerate: int | None, by_ns: int
) -> None:
    """Moving every span moves the answer and changes nothing else."""
    moved = {name: span.shift(by_ns) for name, span in candidates.items()}

    here = select(candidates, required=required, tolerate=tolerate)
    there = select(moved, required=required, tolerate=tolerate)

    if isinstance(here, NoAgreement):
        assert here == there
    else:
        assert isinstance(there, Selection)
        assert here.span.shift(by_ns) == there.span
        assert (here.agreeing, here.truechimers, here.falsetickers) == (
            there.agreeing,
            there.truechimers,
            there.falsetickers,
        )


@given(data=st.data(), candidates=servers, tolerate=tolerated)
def test_permutation_invariant(
    data: st.DataObject, candidates: dict[str, Span], tolerate: int | None
) -> None:
    """The order in which servers are listed doesn't matter."""
    shuffled = dict(data.draw(st.permutations(list(candidates.items()))))

    assert select(candidates, tolerate=tolerate) == select(shuffled, tolerate=tolerate)


@given(candidates=servers)
def test_tolerating_a_liar_never_narrows(candidates: dict[str, Span]) -> None:
    """Each tolerated liar widens the answer, or there is none any more."""
    plain, careful = select(candidates, tolerate=0), select(candidates, tolerate=1)

    assume(isinstance(plain, Selection) and isinstance(careful, Selection))
    assert isinstance(plain, Selection)
    assert isinstance(careful, Selection)
    assert plain.span.hull(careful.span) == careful.span


@given(
    honest=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6),
    liars=st.lists(spans, max_size=4),
    truth_ns=edges,
)
def test_any_minority_of_liars_is_survived_by_default(
    honest: list[tuple[int, int]], liars: list[Span], truth_ns: int
) -> None:
    """Wherever they stand, inside the others' intervals or out: the truth is kept."""
    assume(len(liars) < len(honest))
    truthful = [Span(truth_ns - below, truth_ns + above) for below, above in honest]
    candidates = {str(n): span for n, span in enumerate([*truthful, *liars])}

    chosen = select(candidates)

    assert isinstance(chosen, Selection)
    assert chosen.span.holds(truth_ns)


def test_a_liar_is_named() -> None:
    """Three agree, one is off by a second: its name is in the answer."""
    second_ns = 1_000_000_000
    honest = {
        name: Span(-width, width) for name, width in zip("abc", (5, 7, 9), strict=True)
    }

    chosen = select({**honest, "liar": Span(second_ns - 5, second_ns + 5)}, required=2)

    assert chosen == Selection(
        span=Span(-5, 5),
        agreeing=3,
        truechimers=("a", "b", "c"),
        falsetickers=("liar",),
    )


def test_touching_spans_agree() -> None:
    """Spans are closed: one shared point is agreement."""
    chosen = select({"a": Span(0, 5), "b": Span(5, 9)})

    assert isinstance(chosen, Selection)
    assert chosen.span == (5, 5)


def test_gaps_belong_to_the_answer() -> None:
    """Two islands of the same depth: the truth may be on either, so both count."""
    wide = Span(0, 100)

    chosen = select({"a": wide, "b": Span(0, 10), "c": Span(90, 100)}, tolerate=0)

    assert isinstance(chosen, Selection)
    assert chosen.span == wide
    assert chosen.agreeing == 2
    assert chosen.falsetickers == ()


@pytest.mark.parametrize(
    ("candidates", "required", "tolerate", "line"),
    [
        ({}, 1, 0, "0 of 0 servers agree, 1 are needed"),
        ({"a": Span(0, 1)}, 2, 0, "1 of 1 servers agree, 2 are needed"),
        ({"a": Span(0, 1)}, 1, 1, "1 of 1 servers agree, 2 are needed"),
        (
            {"a": Span(0, 1), "b": Span(5, 6)},
            1,
            0,
            "1 of 2 servers agree, 2 are needed",
        ),
    ],
)
def test_no_agreement_is_a_value(
    candidates: dict[str, Span], required: int, tolerate: int, line: str
) -> None:
    """Disagreement is expected weather: a value that says how far it is from enough."""
    outcome = select(candidates, required=required, tolerate=tolerate)

    assert isinstance(outcome, NoAgreement)
    assert line == str(outcome)


def test_misuse_raises() -> None:
    """Nonsense thresholds and inverted spans are the caller's bugs."""
    with pytest.raises(ValueError, match="required"):
        select({}, required=0)
    with pytest.raises(ValueError, match="tolerate"):
        select({}, tolerate=-1)
    with pytest.raises(ValueError, match="before it begins"):
        select({"a": Span(1, 0)})
