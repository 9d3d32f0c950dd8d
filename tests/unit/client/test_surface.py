"""What `import chronotick` promises, and what it must not cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

import chronotick
from chronotick.core import errors

PROMISED = {
    "now",
    "now_ns",
    "interval",
    "before",
    "after",
    "wait_until_after",
    "Clock",
    "Interval",
    "Status",
    "Reason",
    "Source",
    "ChronoTickClient",
    "ChronoTickData",
    "ChronotickError",
    "ClockError",
    "NoDaemon",
    "NotSynchronized",
    "StaleCorrection",
    "SegmentError",
    "NATIVE",
}


def _run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout


def test_elsewhere_it_says_that_it_needs_linux() -> None:
    """Not that some clock is no attribute of some module."""
    code = "import sys; sys.platform = 'darwin'; import chronotick"

    with pytest.raises(subprocess.CalledProcessError) as raised:
        _run(code)

    said = raised.value.stderr.splitlines()[-1]
    assert said.startswith("ImportError: chronotick needs Linux")
    assert "on darwin run it in a container" in said


def test_the_root_promises_exactly_these_names() -> None:
    """Twenty at most: more would be a room of its own."""
    assert set(chronotick.__all__) == PROMISED
    assert len(chronotick.__all__) == len(PROMISED) <= 20


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_promised_name_is_there(name: str) -> None:
    """Also those that are loaded when they are first asked for."""
    assert getattr(chronotick, name) is not None


def test_an_unpromised_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="no attribute 'nou'"):
        chronotick.nou  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    """Looked up when asked for: it costs more than everything else here."""
    assert chronotick.__version__ == version("chronotick")


def test_errors_that_people_catch_are_the_core_ones() -> None:
    """One tree, under two names."""
    for name in PROMISED:
        if hasattr(errors, name):
            assert getattr(chronotick, name) is getattr(errors, name)


def test_importing_loads_the_standard_library_only() -> None:
    """And of that neither what is slow nor what opens sockets."""
    code = (
        "import sys; bare = set(sys.modules); import chronotick, json\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules)"
        " - bare})))"
    )
    loaded = set(json.loads(_run(code)))

    assert loaded <= {*sys.stdlib_module_names, "chronotick"}
    assert not loaded & {"dataclasses", "inspect", "asyncio", "socket", "threading"}


def test_importing_touches_no_segment() -> None:
    """A program may import before any daemon runs, and with any path."""
    code = "import chronotick; print(chronotick.NATIVE)"

    assert _run(code, CHRONOTICK_SEGMENT="/nonexistent/segment").strip() in {
        "True",
        "False",
    }


def test_the_functions_of_the_root_read_the_default_segment(
    path: str, writer: object
) -> None:
    """$CHRONOTICK_SEGMENT is looked at when the time is first asked for."""
    code = (
        "import os, chronotick\n"
        f"os.environ['CHRONOTICK_SEGMENT'] = {path!r}\n"
        "try: chronotick.now()\n"
        "except chronotick.NotSynchronized as exc: print(exc)"
    )

    assert path in _run(code)


def test_a_forked_child_reads_on(path: str) -> None:
    """Nothing in the reader belongs to one process or can be left locked."""
    code = f"""
import os, threading, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of fork beside threads
from chronotick import Clock
from chronotick.daemon.clocks import HostClock
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import make_frame
writer = SegmentWriter({path!r})
def publish():
    pair = HostClock().pair()
    writer.publish(make_frame(raw_ns=pair.raw_ns, frame={{"clocks": pair}}))
publish()
clock = Clock({path!r})
stop = False
def hammer():
    while not stop: clock.now_ns()
threads = [threading.Thread(target=hammer) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        publish()
        clock.now_ns(); clock.interval()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
for thread in threads: thread.join()
print("done")
"""
    out = _run(code, PYTHONPATH=os.path.join(os.path.dirname(__file__), "..", ".."))
    assert out.strip() == "done"
