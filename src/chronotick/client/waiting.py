"""How long to sleep before looking again; decides nothing about what time it is.

Sleeps end late, by 60 us from the kernel and by 1 ms from an event loop. So a wait
sleeps until shortly before its end, and looks at the clock without pause from there.
"""

from __future__ import annotations

from chronotick.core.units import NS_PER_S

__all__ = ["limit_ns", "pause_s"]

# A clock that is lost during a wait is noticed within this.
_LONGEST_NS = NS_PER_S // 20
# Within its own bound a wait may end at any new measurement, so it looks more often.
_CLOSE_NS = 2_000_000
# 30,000 years: who waits so long waits for ever.
_ENDLESS_S = 1e12


def limit_ns(timeout: float | None) -> int | None:
    """Return the longest wait in ns; None for one without end.

    Raises:
        TypeError: `timeout` is no number.
        ValueError: it is NaN.
    """
    if timeout is None:
        return None
    if not hasattr(timeout, "__float__"):
        raise TypeError(f"a timeout is in seconds, not {type(timeout).__name__}")
    if timeout != timeout:  # noqa: PLR0124 - NaN, whatever its type
        raise ValueError(f"a timeout is in seconds, not {timeout}")
    if timeout > _ENDLESS_S:
        return None
    return round(float(max(timeout, 0)) * NS_PER_S)


def pause_s(
    earliest_ns: int, latest_ns: int, target_ns: int, spin_ns: int
) -> float | None:
    """Return seconds to sleep on the way to ``earliest > target``.

    Args:
        earliest_ns: Now is this at least …
        latest_ns: … and this at most.
        target_ns: What is to be passed.
        spin_ns: How late a sleep may end.

    Returns:
        None: it is reached. 0.0: the end is nearer than `spin_ns`, look again at once.
    """
    left_ns = target_ns + 1 - earliest_ns
    if left_ns <= 0:
        return None
    if left_ns <= spin_ns:
        return 0.0
    # No measurement can show that `target` has passed while even the latest is before
    # it; from then on any can.
    certain_ns = max(target_ns - latest_ns, _CLOSE_NS)
    return min(left_ns - spin_ns, certain_ns, _LONGEST_NS) / NS_PER_S
