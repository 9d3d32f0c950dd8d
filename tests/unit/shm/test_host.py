"""Facts about the host, and none where there are none to be had."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

from chronotick.shm.host import boot_id, time_namespace

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


def test_a_fence_returns_in_a_child_that_is_forked_at_any_moment() -> None:
    """It takes no lock that a thread of the parent could hold, for ever in the child."""
    code = """
import os, signal, sys, threading
from chronotick.shm.host import fence
def fence_on():
    while True: fence()
sys.setswitchinterval(1e-6)
for _ in range(4): threading.Thread(target=fence_on, daemon=True).start()
for _ in range(100):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # ends it where fence() does not
        fence()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
