"""Serve people: the programs `chronotick`, `chronotick-daemon`, `chronotick-client`.

One verb a file; verbs are imported when they are called.
"""

from __future__ import annotations

from chronotick.cli.group import READER_VERBS, VERBS, VerbGroup, version_flag

__all__ = ["client_main", "cli", "client", "daemon_main", "main"]

cli = VerbGroup(
    verbs=VERBS,
    help="Trustworthy time where you can't own the clock: what time it is, and how "
    "wrong that can be.\n\nNew here? Try `chronotick demo`. Then run `chronotick "
    "daemon` in one terminal and `chronotick monitor` in another.",
)
client = VerbGroup(
    verbs=READER_VERBS,
    help="Read the time that a ChronoTick daemon publishes on this machine.",
)


def main() -> None:
    """Run `chronotick`."""
    cli.main(prog_name="chronotick")


def client_main() -> None:
    """Run `chronotick-client`: the reader verbs."""
    client.main(prog_name="chronotick-client")


def daemon_main() -> None:
    """Run `chronotick-daemon`: `chronotick daemon` under its own name."""
    command = VERBS["daemon"].load()
    version_flag(command).main(prog_name="chronotick-daemon")
