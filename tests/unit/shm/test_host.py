"""Facts about the host, and none where there are none to be had."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from chronotick.shm.host import boot_id, fence, time_namespace

if TYPE_CHECKING:
    import pytest


def _missing(*_: object, **__: object) -> NoReturn:
    raise FileNotFoundError


def test_the_boot_id_is_that_of_the_kernel() -> None:
    """Sixteen bytes that stay the same until the next boot."""
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()


def test_a_host_without_a_boot_id_has_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which equal only themselves."""
    monkeypatch.setattr("builtins.open", _missing)

    assert boot_id() == bytes(16)


def test_a_host_without_time_namespaces_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Zero stands for unknown."""
    monkeypatch.setattr(os, "stat", _missing)

    assert time_namespace() == 0


def test_a_fence_returns() -> None:
    """It takes only locks that nobody else can hold."""
    fence()
