"""What the server tells a model about itself: instructions, prompts, a short guide.

Decides words only. They are short, because every client puts them into a context that
its user pays for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chronotick.agents.wording import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GUIDE", "INSTRUCTIONS", "PROMPTS", "Prompt", "fill"]

INSTRUCTIONS = (
    "ChronoTick tells the time with a bound that holds. Call get_time whenever the "
    "date, the time of day or an age matters; never invent a time or take one from "
    "memory. A reading is as of the call: you read it later. Before saying that one "
    "event came first, use order_timestamps, and respect `uncertain`. Stamp events "
    "that others will order with stamp_event, passing on the stamp of their cause. If "
    "there is no trustworthy time, say so and name the command in `mend`."
)
"""Put into the model's context by clients that support it."""

GUIDE = """# Using time

* **Now** is an interval, `earliest_unix_ns` to `latest_unix_ns`. The middle is a
  convenience. The interval is worst-case: it holds while most time servers are truthful.
* **It is past when you read it.** Tool calls take milliseconds, models take seconds. For
  precision let a tool do it: `stamp_event`, `wait_until`, `order_timestamps`.
* **Order.** A is before B only if A's latest lies before B's earliest. Otherwise they are
  uncertain, and only a stamp that was passed on (`previous`) tells cause from effect.
* **Publish safely** (commit-wait): `stamp_event`, write, `commit_wait`, publish.
* **Act together**: each asks `get_time_with_future_uncertainty` for the instant, one
  calls `plan_rendezvous`, each calls `wait_until` with guarantee `midpoint` and acts only
  if its `uncertainty_s` is then no wider than it said.
* **Status.** `synchronized` is good. `warmup` and `holdover` are true but wider.
  `daemon_down`, `unsynchronized`, `stale`, `disrupted` and `segment_unusable` have no
  time: run the command in `mend`, and don't guess.
* Nanoseconds are decimal strings: don't turn them into floating point.
"""
"""The resource ``chronotick://docs/using-time``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request that a user can choose."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, str]
    """What each is; all are required."""
    template: str


PROMPTS: Mapping[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            name="check_clock_health",
            title="Check the clock",
            description="Is the time on this host to be trusted, and if not, why?",
            arguments={},
            template=(
                "Call get_daemon_status with verbose=true. Say in three sentences "
                "whether the time here can be trusted, how wide its bound is, and which "
                "servers disagree or are silent. Name the command for each problem."
            ),
        ),
        Prompt(
            name="plan_coordinated_action",
            title="Act at the same time",
            description="Plan an action of several participants at one instant.",
            arguments={
                "action": "What is to be done.",
                "participants": "Who takes part.",
            },
            template=(
                "Plan this action: {action}. Participants: {participants}. Get each "
                "one's uncertainty for that instant from its own "
                "get_time_with_future_uncertainty, call plan_rendezvous, and tell each "
                "when to act by its own clock and up to which bound, how far apart the "
                "actions can be, and when all have certainly acted."
            ),
        ),
        Prompt(
            name="explain_event_order",
            title="Explain an order of events",
            description="Which events certainly came before which?",
            arguments={"events": "Events with their times and uncertainties."},
            template=(
                "Call order_timestamps for these events: {events}. Say which pairs are "
                "certain and which are uncertain; don't claim more. For uncertain pairs "
                "say how much narrower the bounds would have to be."
            ),
        ),
    )
}
"""Every prompt by name."""


def fill(name: str, arguments: Mapping[str, str] | None) -> tuple[Prompt, str]:
    """Return a prompt and its text with `arguments` put in.

    Raises:
        RequestError: there is no such prompt, or an argument is missing or unknown.
    """
    prompt = PROMPTS.get(name)
    if prompt is None:
        known = ", ".join(PROMPTS)
        raise RequestError(f"there is no prompt {name[:80]!r}: there are {known}")
    given = dict(arguments or {})
    if set(given) != set(prompt.arguments):
        wanted = ", ".join(prompt.arguments) or "none"
        raise RequestError(f"{name} takes exactly these arguments: {wanted}")
    # All at once: what stands in braces in an argument is the user's own text.
    return prompt, prompt.template.format_map(given)
