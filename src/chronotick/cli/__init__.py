"""Serve people: the programs `chronotick`, `chronotick-daemon`, `chronotick-client`.

One verb a file; verbs are imported when they are called. So are the programs, because
importing takes longer than a person who has mistyped: Ctrl-C must be minded before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.cli.interrupts import quiet

if TYPE_CHECKING:
    from chronotick.cli.programs import cli, client

__all__ = ["client_main", "cli", "client", "daemon_main", "main"]


def main() -> None:
    """Run `chronotick`."""
    with quiet():
        from chronotick.cli.programs import cli  # noqa: PLC0415

        cli.main(prog_name="chronotick")


def client_main() -> None:
    """Run `chronotick-client`: the reader verbs."""
    with quiet():
        from chronotick.cli.programs import client  # noqa: PLC0415

        client.main(prog_name="chronotick-client")


def daemon_main() -> None:
    """Run `chronotick-daemon`: `chronotick daemon` under its own name."""
    with quiet():
        from chronotick.cli.programs import daemon  # noqa: PLC0415

        daemon()


def __getattr__(name: str) -> object:
    """Load a program for those who run it themselves."""
    if name not in {"cli", "client"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chronotick.cli import programs  # noqa: PLC0415

    return getattr(programs, name)
