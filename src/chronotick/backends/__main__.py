"""``python -m chronotick.backends NAME``: one model, asked over standard input.

Decides how the process begins and ends: it gives way, loads, says ``ready``, answers
until its input ends; whatever goes wrong is said in one line, and it exits.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from chronotick.backends.humble import claim_stdout, give_way, lines_until_end
from chronotick.backends.registry import LOADERS, BackendUnavailable, Choice, load
from chronotick.backends.serve import converse, say

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one model; return the exit status: 0 when no more is asked."""
    name, choice = _parse(arguments)
    answers = claim_stdout()
    give_way()
    try:
        backend = load(name, choice)
        say(answers, ready=backend.described)
        converse(backend, choice, lines_until_end(sys.stdin), answers)
    except BackendUnavailable as error:
        say(answers, error=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the edge of the process
        say(answers, error=f"{type(error).__name__}: {error}")
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> tuple[str, Choice]:
    usual = Choice()
    parser = argparse.ArgumentParser(
        prog="python -m chronotick.backends", description="Serve one forecaster."
    )
    parser.add_argument("name", help=", ".join(LOADERS))
    parser.add_argument("--device", default=usual.device)
    parser.add_argument("--context", type=int, default=usual.context)
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--weights", default=usual.weights)
    options = parser.parse_args(arguments)
    return options.name, Choice(
        device=options.device,
        context=options.context,
        steps=options.steps,
        weights=options.weights,
    )


if __name__ == "__main__":
    sys.exit(main())
