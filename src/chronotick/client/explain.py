"""Reasons in words, for messages; decides nothing."""

from __future__ import annotations

from chronotick.core.status import Reason

__all__ = ["explain"]

_WORDS = {
    Reason.NO_SAMPLES: "no server has answered yet",
    Reason.NO_AGREEMENT: "no majority of the servers agrees",
    Reason.SOURCES_LOST: "servers have stopped answering",
    Reason.FALSETICKERS: "some servers contradict the majority",
    Reason.STEP: "the clocks jumped",
    Reason.TOO_WIDE: "the bound has passed its limit",
    Reason.WRITER_SILENT: "the daemon has missed its heartbeat",
    Reason.INNOVATION: "measurements keep contradicting the predictions",
}


def explain(reasons: Reason) -> str:
    """Return `reasons` as one clause."""
    words = [text for reason, text in _WORDS.items() if reason in reasons]
    return ", ".join(words) or "it gives no reason"
