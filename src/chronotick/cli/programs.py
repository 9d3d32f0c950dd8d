"""The programs as click knows them."""

from __future__ import annotations

from chronotick.cli.group import READER_VERBS, VERBS, VerbGroup, version_flag

__all__ = ["cli", "client", "daemon"]

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


def daemon() -> None:
    """Run `chronotick daemon` as a program of its own."""
    command = VERBS["daemon"].load()
    version_flag(command).main(prog_name="chronotick-daemon")
