"""What nobody answered, told from when answers came."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy.silences import Unanswered, unanswered

S = 10**9
POLLS = [k * 64 * S for k in range(20)]


def lost(arrivals_ns: list[int], until_ns: int) -> list[Unanswered]:
    """Return what "a" left unanswered."""
    return list(unanswered(arrivals_ns, "a", until_ns))


def test_a_server_that_answers_lost_nothing() -> None:
    """Nor does one that is asked less often now, or two of whose lines are missing."""
    slower = [*POLLS, POLLS[-1] + 128 * S, POLLS[-1] + (128 + 3 * 64) * S]

    assert lost(POLLS, POLLS[-1] + 3 * 64 * S) == []
    assert lost(slower, slower[-1]) == []


def test_a_server_that_left_lost_three_polls_at_once_and_then_ever_fewer() -> None:
    """From three and a half intervals on; as slowly as the daemon asks, in the end."""
    found = lost(POLLS, POLLS[-1] + 3 * 3600 * S)

    at_s = [(each.raw_ns - POLLS[-1]) / S for each in found]
    assert at_s[:8] == [224.0, 224.0, 224.0, 288.0, 416.0, 672.0, 1184.0, 2208.0]
    assert at_s[-1] - at_s[-2] == 1024.0
    assert {("a", "lost")} == {(each.server, each.state) for each in found}


def test_a_burst_says_nothing_of_the_pace_after_it() -> None:
    """Eight answers in fourteen seconds, every 17 minutes: known after two of those."""
    burst = [k * 2 * S for k in range(8)]
    bursts = [r * 1024 * S + at_ns for r in range(5) for at_ns in burst]

    assert max(each.raw_ns for each in lost(bursts, bursts[-1])) < bursts[16]


def test_a_server_that_was_heard_once_is_given_the_longest_usual_interval() -> None:
    """Nobody knows how often it is asked."""
    assert lost([0], 3500 * S) == []
    assert len(lost([0], 3600 * S)) == 3


def test_a_silence_of_years_is_told_of_in_as_many_words_as_one_of_days() -> None:
    """A recording may be put together from two."""
    assert len(lost(POLLS, 10**18)) < 2000


@given(
    st.lists(st.integers(1, 5000 * S), min_size=1, max_size=30),
    st.integers(1, 150_000 * S),
)
def test_what_comes_later_changes_nothing_of_before(
    gaps_ns: list[int], cut_ns: int
) -> None:
    """Until any instant the same is lost, whatever is heard after it."""
    arrivals = list(accumulate(gaps_ns))
    heard = [at_ns for at_ns in arrivals if at_ns <= cut_ns] or arrivals[:1]
    cut_ns = max(cut_ns, heard[-1])
    end_ns = max(arrivals[-1], cut_ns) + 10_000 * S

    assert lost(heard, cut_ns) == [
        p for p in lost(arrivals, end_ns) if p.raw_ns < cut_ns
    ]
