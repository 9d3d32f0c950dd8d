"""Commit-wait: make a change visible only when everybody's clock is past its stamp.

    python examples/commit_wait.py      # needs a running `chronotick daemon`

Whoever stamps an event after seeing this one is then certain to get a later stamp, on
any host whose interval holds (Corbett et al., Spanner, OSDI 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import chronotick


@dataclass(frozen=True)
class Committed:
    """One change with its place in the global order."""

    key: str
    stamp_ns: int
    waited_ns: int


def commit(key: str) -> Committed:
    """Stamp a change, wait the uncertainty out, and return it as visible."""
    begun = chronotick.interval()
    visible = chronotick.wait_until_after(begun.latest_ns)
    # Visible only now: even the earliest that it can be is after the stamp.
    assert visible.earliest_ns > begun.latest_ns
    return Committed(key, begun.latest_ns, visible.midpoint_ns - begun.midpoint_ns)


def main() -> None:
    """Commit three changes; their stamps rise, whoever looks."""
    changes = [commit(key) for key in ("a", "b", "c")]
    for change in changes:
        print(
            f"{change.key} at {change.stamp_ns} after {change.waited_ns / 1e3:.0f} us"
        )
    stamps = [change.stamp_ns for change in changes]
    assert stamps == sorted(set(stamps))


if __name__ == "__main__":
    main()
