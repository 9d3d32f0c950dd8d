"""`chronotick eval`: what is refused before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.cli.eval import _Progress, command
from chronotick.cli.tokens import read_token
from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> int:
    """Run a verb; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        command.main(list(words), "chronotick eval")
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("run --num-events 1", "name the nodes: --nodes"),
        ("run --nodes a,a --num-events 1", "named twice"),
        ("run --nodes a", "say when to end"),
        ("run --launcher dask --num-events 1", "name the cluster: --scheduler"),
        (
            "run --nodes a --num-events 1 --scheduler tcp://x:1",
            "is for --launcher dask",
        ),
        ("coordinator --workers a=127.0.0.1:1", "say when to end"),
        (
            "coordinator --workers a=127.0.0.1:1,a=127.0.0.1:2 --num-events 1",
            "a=127.0.0.1:2 is there twice",
        ),
        (
            "coordinator --workers a=127.0.0.1:1,b=127.0.0.1:1 --num-events 1",
            "b at 127.0.0.1:1 is there twice",
        ),
        (
            # Where workers listen if nobody says otherwise, not NTP's port.
            "coordinator --workers a=127.0.0.1,b=127.0.0.1:9000 --num-events 1",
            "b at 127.0.0.1:9000 is there twice",
        ),
        (
            "coordinator --workers a=127.0.0.1:1 --num-events 1 --listen localhost",
            "'localhost': expected an address such as 0.0.0.0",
        ),
        (
            "worker --node-id a --segment x --chronotick-server http://127.0.0.1:1",
            "--segment or --chronotick-server, not both",
        ),
    ],
)
def test_wrong_usage_is_one_line(
    words: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, what is wrong, and no file."""
    output = tmp_path / "out"
    assert run(*words.split(), "--output", str(output)) == 2
    err = capsys.readouterr().err

    assert says in err
    assert err.count("\n") == 1
    assert not output.exists()


def test_a_url_that_is_none_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is expected."""
    output = str(tmp_path / "w.csv")
    words = ["worker", "--node-id", "a", "--listen-port", "1", "--output", output]

    assert run(*words, "--chronotick-server", "localhost") == 2
    assert "expected http://HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "w.csv").exists()


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "is empty: put the bearer token into it"),
        (b" \n", "is empty: put the bearer token into it"),
        (b"\xff\xfesecret", "is no text in UTF-8"),
    ],
)
@pytest.mark.parametrize(
    "verb",
    [
        "worker --node-id a --deadline 1s",
        "coordinator --workers a=127.0.0.1:1 --num-events 1 --preflight 1s",
    ],
)
def test_a_token_file_without_a_token_is_one_line(
    verb: str,
    octets: bytes,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Said before anything starts; what is in the file is not shown."""
    token, output = tmp_path / "token", tmp_path / "out.csv"
    token.write_bytes(octets)
    words = [*verb.split(), "--chronotick-server", "http://127.0.0.1:1"]
    words += ["--token-file", str(token), "--output", str(output)]

    assert run(*words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "secret" not in err
    assert err.count("\n") == 1
    assert not output.exists()


def test_a_token_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    """With the file and the cause."""
    with pytest.raises(
        ConfigError, match=r"cannot read the token in .*: Is a directory"
    ):
        read_token(tmp_path)


@pytest.mark.parametrize("verb", ["demo", "run --nodes a --num-events 1"])
def test_a_pattern_that_is_none_starts_nothing(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 says so, and it must be true."""
    output = tmp_path / "out"

    assert run(*verb.split(), "--pattern", "foo", "--output", str(output)) == 2
    assert "pattern 'foo': expected" in capsys.readouterr().err
    assert not output.exists()


def test_progress_has_a_percentage_that_never_falls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Plain lines where there is no terminal."""
    with _Progress() as progress:
        progress.say("starting")
        progress.show(0.42)
        progress.say("playing")
        progress.show(0.1)
        progress.say("still playing")

    assert capsys.readouterr().err.splitlines() == [
        "  0 % starting",
        " 42 % playing",
        " 42 % still playing",
    ]
