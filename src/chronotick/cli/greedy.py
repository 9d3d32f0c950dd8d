"""Options that take several values in a row: ``--server A B`` as well as twice.

Decides nothing but that reading; only for commands without positional arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chronotick.cli.edge import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["GreedyVerb"]


class GreedyVerb(Verb):
    """A command whose repeatable options may be followed by several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after writing ``--server A B`` as ``--server A --server B``."""
        repeatable = {
            name
            for param in self.params
            if isinstance(param, click.Option) and param.multiple
            for name in param.opts
        }
        return super().parse_args(ctx, list(_spread(args, repeatable)))


def _spread(words: Sequence[str], repeatable: set[str]) -> Iterator[str]:
    option, has_value = "", False
    for word in words:
        if word.startswith("-"):
            option, has_value = word if word in repeatable else "", False
        elif option and has_value:
            yield option
        elif option:
            has_value = True
        yield word
