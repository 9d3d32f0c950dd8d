"""The installed programs, run as people run them: exit codes, pipes, terminals."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from system.peers import is_at_work, wait_until
from unit.agents.lab import HELLO

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
MEMORY = Path("/dev/shm")  # noqa: S108 - where the demo makes its room
CHRONOTICK = str(BIN / "chronotick")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, outside any terminal."""
    inherited = {k: v for k, v in os.environ.items() if k != "CHRONOTICK_SEGMENT"}
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env=inherited | environment,
    )


@contextmanager
def daemon(address: str, segment: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `chronotick daemon` on `segment` until the time is known."""
    words = [CHRONOTICK, "daemon", "--server", address, "--segment", str(segment)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            done = run(
                CHRONOTICK, "wait", "--timeout", "60s", "--segment", str(segment)
            )
            assert done.returncode == 0, done.stderr
            yield process
        finally:
            process.kill()


def on_terminal(*words: str, **environment: str) -> str:
    """Return what a program writes to a terminal."""
    terminal, theirs = os.openpty()
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | environment
    )
    os.close(theirs)
    written = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not part:
            break
        written += part
    os.close(terminal)
    process.wait()
    return written.decode()


@pytest.mark.parametrize(
    "words",
    [
        [CHRONOTICK, "--version"],
        [str(BIN / "chronotick-client"), "--version"],
        [str(BIN / "chronotick-daemon"), "--version"],
        [sys.executable, "-m", "chronotick", "--version"],
    ],
    ids=["chronotick", "client", "daemon", "module"],
)
def test_every_program_tells_its_version(words: list[str]) -> None:
    """One distribution, one version."""
    done = run(*words)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"chronotick {version('chronotick')}\n"


def test_the_daemon_program_has_the_verbs_flags() -> None:
    """`chronotick-daemon` is `chronotick daemon`."""
    short, long = (
        run(str(BIN / "chronotick-daemon"), "-h"),
        run(CHRONOTICK, "daemon", "--help"),
    )

    assert short.returncode == 0
    flags = re.findall(r"^  (--\S+)", long.stdout, re.MULTILINE)
    assert len(flags) >= 6
    assert all(flag in short.stdout for flag in flags)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["read"], 3, "no daemon is publishing at"),
        (["json"], 3, "no daemon is publishing at"),
        (["status"], 3, "no daemon is publishing at"),
        (["benchmark"], 3, "no daemon is publishing at"),
        (["wait", "--timeout", "0"], 4, "no daemon is publishing at"),
        (["raed"], 2, "did you mean read?"),
        (["read", "--frob"], 2, "--frob"),
        (["daemon", "--config", "/nowhere.yaml"], 2, "/nowhere.yaml: cannot read"),
        (["daemon", "--server", "a:b:c"], 2, "names no server"),
        (["daemon", "--cpu-affinity", "4000"], 2, "--cpu-affinity: cannot run on 4000"),
    ],
)
def test_expected_errors_are_one_line(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """Nothing on standard output, one line on the other, the documented code."""
    done = run(CHRONOTICK, *words, CHRONOTICK_SEGMENT=str(tmp_path / "segment"))

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("chronotick: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_whoever_stops_listening_is_no_error() -> None:
    """`chronotick … | head -1` ends without a word."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [CHRONOTICK, "--help"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("stderr", ["full", "closed"])
def test_an_error_that_cannot_be_told_has_its_code(tmp_path: Path, stderr: str) -> None:
    """It is what scripts and units go by; the line is for people."""
    if stderr == "full":
        unwritable = os.open("/dev/full", os.O_WRONLY)
    else:
        unread, unwritable = os.pipe()
        os.close(unread)
    words = [CHRONOTICK, "read", "--segment", str(tmp_path / "none")]
    try:
        done = subprocess.run(words, stderr=unwritable, check=False)
    finally:
        os.close(unwritable)

    assert done.returncode == 3


def test_a_full_disk_is_one_line() -> None:
    """What could not be written was not written: that is a failure."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [CHRONOTICK, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "chronotick: error: [Errno 28] No space left on device\n"


def test_ctrl_c_ends_a_watch_quietly(tmp_path: Path) -> None:
    """Code 130 and no traceback."""
    words = [CHRONOTICK, "monitor", "--segment", str(tmp_path / "none")]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "no time" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == ""


def test_colors_are_for_terminals_without_no_color(honest: str, tmp_path: Path) -> None:
    """On a terminal there are colors, with NO_COLOR and in pipes there are none."""
    segment = tmp_path / "segment"
    words = (CHRONOTICK, "read", "--segment", str(segment))
    with daemon(honest, segment):
        colored = on_terminal(*words)
        plain = on_terminal(*words, NO_COLOR="1")
        piped = run(*words).stdout

    assert "\x1b[" in colored
    assert "\x1b[" not in plain
    assert "\x1b[" not in piped
    assert "status" in plain


def test_a_daemon_from_its_start_to_its_end(honest: str, tmp_path: Path) -> None:
    """Real sockets, real memory: read, json, status, refusal of a second, SIGTERM."""
    segment = tmp_path / "segment"
    here = {"CHRONOTICK_SEGMENT": str(segment)}
    with daemon(honest, segment) as process:
        reading = json.loads(run(CHRONOTICK, "read", "--json", **here).stdout)
        record = json.loads(run(CHRONOTICK, "json", **here).stdout)
        status = json.loads(run(CHRONOTICK, "status", "--json", **here).stdout)
        second = run(CHRONOTICK, "daemon", "--server", honest, **here)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.stderr is not None
        log = process.stderr.read()

    assert reading["status"] in {"WARMUP", "SYNCHRONIZED"}
    assert abs(record["offset_correction"]) < 1.0
    assert status["pid"] == process.pid
    assert [s["server"] for s in status["sources"]] == [honest]
    assert status["rss_bytes"] > 0
    assert second.returncode == 1
    assert f"process {process.pid} is already publishing" in second.stderr
    assert "event=stopped" in log
    assert "Traceback" not in log
    # The daemon is gone, its correction is still good: readers go on, and say so.
    assert run(CHRONOTICK, "read", **here).returncode == 0


def test_the_doctor_is_content_where_a_server_answers(
    honest: str, tmp_path: Path
) -> None:
    """No daemon yet is a warning; the exit code is about what cannot work."""
    done = run(
        CHRONOTICK,
        "doctor",
        "--json",
        "--server",
        honest,
        "--segment",
        str(tmp_path / "none"),
    )

    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert checks["python"]["verdict"] == "ok"
    assert checks["import names"]["verdict"] == "ok"
    assert checks["segment"]["verdict"] == "warn"
    assert checks[f"server {honest}"]["verdict"] == "ok"


def test_the_doctor_fails_without_any_server(tmp_path: Path) -> None:
    """Code 1, and the table says which."""
    segment = str(tmp_path / "none")
    done = run(CHRONOTICK, "doctor", "--server", "127.0.0.1:1", "--segment", segment)

    (line,) = [x for x in done.stdout.splitlines() if "127.0.0.1:1" in x]
    assert done.returncode == 1
    assert line.startswith("fail")
    assert "Connection refused" in line


def test_the_demo_ends_by_itself_and_proves_its_point() -> None:
    """Every reading holds the truth, the liar is named, nothing is left behind."""
    before = set(MEMORY.glob("chronotick_demo_*"))
    done = run(CHRONOTICK, "demo", "--for", "8s")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "contained the truth (100 %)" in done.stdout
    assert "named a falseticker" in done.stdout
    assert "what to type next" in done.stdout
    assert set(MEMORY.glob("chronotick_demo_*")) <= before


def test_the_demo_runs_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """$TMPDIR, where shared memory can't be had; the variable's segment is not touched."""
    odd = tmp_path / os.fsdecode(b"c: #{d}\xff")
    odd.mkdir()
    code = (
        "from chronotick.cli import cli, demo\n"
        "demo.scratch_directory = lambda: None\n"
        "cli.main(['demo', '--for', '8s'], prog_name='chronotick')"
    )
    named = tmp_path / "named"
    done = run(
        sys.executable, "-c", code,
        TMPDIR=str(odd), CHRONOTICK_SEGMENT=str(named),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "contained the truth (100 %)" in done.stdout
    assert not named.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo_ends_its_daemon_when_it_is_ended(number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM or a closed terminal: the summary, and nothing that stays."""
    with subprocess.Popen(
        [CHRONOTICK, "demo"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        path = next(line for line in lines if "/segment" in line).strip()
        next(line for line in lines if "held the truth" in line)
        pid = json.loads(run(CHRONOTICK, "status", "--json", "--segment", path).stdout)[
            "pid"
        ]
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 0

    assert "what to type next" in rest
    assert not Path(path).parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_killed_demo_leaves_no_process() -> None:
    """Its servers and its daemon see that it is gone, though nobody can tell them."""
    with subprocess.Popen(
        [CHRONOTICK, "demo"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        room = Path(next(line for line in lines if "/segment" in line).strip()).parent
        next(line for line in lines if "held the truth" in line)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()

    try:
        wait_until(lambda: not any(is_at_work(child) for child in children))
    finally:
        for child in filter(is_at_work, children):
            child.kill()
        shutil.rmtree(room)
    assert len(children) >= len({"servers", "daemon"})


def test_an_agents_server_ends_at_ctrl_c(tmp_path: Path) -> None:
    """Though it waits for a line of input that nobody is going to write."""
    with subprocess.Popen(
        [CHRONOTICK, "mcp", "--segment", str(tmp_path / "none")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        assert "serverInfo" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            # Not the context's end, which would close its input: what it waits for.
            wait_until(lambda: process.poll() is not None)
        finally:
            process.kill()
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (130, "")
