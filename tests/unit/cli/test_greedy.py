"""Several values behind one option, as people type them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from chronotick.cli.greedy import GreedyVerb


@click.command("verb", cls=GreedyVerb)
@click.option("--server", multiple=True)
@click.option("--once")
def verb(server: tuple[str, ...], once: str | None) -> None:
    """Print what was understood."""
    click.echo(f"{','.join(server)} {once}")


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        ("--server a", "a None"),
        ("--server a b c", "a,b,c None"),
        ("--server a --server b c --once x", "a,b,c x"),
        ("--once x --server a b", "a,b x"),
        ("--server=a --server b", "a,b None"),
        ("", " None"),
    ],
)
def test_values_follow_one_after_the_other(words: str, understood: str) -> None:
    """Both spellings, mixed with other options."""
    assert CliRunner().invoke(verb, words.split()).stdout.strip(" \n") == (
        understood.strip()
    )


@pytest.mark.parametrize("words", ["--once x y", "x", "--server"])
def test_stray_words_are_still_refused(words: str) -> None:
    """Only repeatable options take several."""
    assert CliRunner().invoke(verb, words.split()).exit_code == 2
