"""Reasons in words."""

from __future__ import annotations

import pytest

from chronotick.client.explain import explain
from chronotick.core.status import Reason


@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.NONE])
def test_every_reason_has_words_of_its_own(reason: Reason) -> None:
    """No reason is swallowed."""
    others = explain(~reason)

    assert explain(reason)
    assert explain(reason) not in others


def test_no_reason_is_said_to_be_none() -> None:
    """An empty message would look like a fault of the message."""
    assert explain(Reason.NONE) == "it gives no reason"


def test_several_reasons_are_listed() -> None:
    """All of them, in one clause."""
    both = explain(Reason.STEP | Reason.TOO_WIDE)

    assert both == f"{explain(Reason.STEP)}, {explain(Reason.TOO_WIDE)}"
