"""Order events by their intervals, and say so where they can't be ordered.

python examples/order_events.py     # needs a running `chronotick daemon`
"""

from __future__ import annotations

from itertools import combinations

import chronotick


def order(a: chronotick.Interval, b: chronotick.Interval) -> str:
    """Return the relation that the two intervals prove."""
    if a.latest_ns < b.earliest_ns:
        return "before"
    if b.latest_ns < a.earliest_ns:
        return "after"
    return "undecided"


def main() -> None:
    """Stamp a few events, some in a row, some apart."""
    events = []
    for name in ("first", "second", "third"):
        events.append((name, chronotick.interval()))
        if name == "second":
            chronotick.wait_until_after(events[-1][1])
    for (a, at_a), (b, at_b) in combinations(events, 2):
        print(f"{a} is {order(at_a, at_b)} {b}".replace("is undecided", "and"), end="")
        print(" can't be told apart" if order(at_a, at_b) == "undecided" else "")


if __name__ == "__main__":
    main()
