"""`chronotick ntp-server` and `ntp-relay`: a port that cannot be had."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chronotick.cli import cli, listening
from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Words = Callable[[str], tuple[str, ...]]


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port of loopback that somebody else has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def server(address: str) -> tuple[str, ...]:
    """Return the words that serve at `address`."""
    return ("ntp-server", "--listen", address)


def relay(address: str) -> tuple[str, ...]:
    """Return the words that relay from `address`."""
    return ("ntp-relay", "--map", f"{address}=192.0.2.1")


VERBS = [(server, "--listen"), (relay, "--map")]


@pytest.mark.parametrize(("words", "flag"), VERBS)
def test_a_port_that_is_taken_is_named(words: Words, flag: str, taken: int) -> None:
    """One line with the address, why, and which option to change."""
    result = CliRunner().invoke(cli, words(f"127.0.0.1:{taken}"))

    assert result.exit_code == ExitCode.FAILURE
    assert result.stderr == (
        f"chronotick: error: cannot listen on 127.0.0.1 port {taken}: "
        f"Address already in use; choose another with {flag}\n"
    )


@pytest.mark.parametrize(("words", "flag"), VERBS)
def test_a_port_that_needs_a_privilege_says_which_do_not(
    words: Words, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NTP's own port is refused to whoever is not root."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(listening, "UdpListener", refuse)
    result = CliRunner().invoke(cli, words("127.0.0.1:123"))

    assert result.exit_code == ExitCode.FAILURE
    assert result.stderr == (
        "chronotick: error: cannot listen on 127.0.0.1 port 123: Permission denied; "
        f"choose a port above 1023 with {flag}\n"
    )
