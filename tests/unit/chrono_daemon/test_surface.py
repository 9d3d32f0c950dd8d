"""Every promised name is where it was promised, and says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest

import chrono_daemon

NAMES = [
    "Channel",
    "ChannelClosed",
    "ChannelInUse",
    "ChannelStats",
    "Clock",
    "Context",
    "Daemon",
    "DaemonError",
    "DaemonFailurePhase",
    "DaemonHealth",
    "DaemonState",
    "EndOfStream",
    "OnError",
    "ReceiveStream",
    "RestartPolicy",
    "SendStream",
    "SimClock",
    "Supervisor",
    "WallClock",
    "WouldBlock",
    "__version__",
    "daemon",
    "open_channel",
]

# Module, names; the first module of a name is where the others must get it from.
PLACES = """
_types: EndOfStream ChannelClosed ChannelInUse WouldBlock DaemonError OnError
_logging: ClockAwareLoggerAdapter
channel: Channel ChannelStats SendStream ReceiveStream open_channel
clock: Clock SimClock WallClock
context: Context
daemon: Daemon daemon
supervisor: DaemonFailurePhase DaemonHealth DaemonState RestartPolicy Supervisor
recipes.routing.fanout: tee
recipes.routing.load_balance: load_balance
recipes.routing.merge: merge
recipes.routing.worker_pool: worker_pool
recipes.coordination.batcher: Pending batcher_loop submit
recipes.coordination.cooperative_every: cooperative_every
recipes.coordination.select: select
recipes.state.latest: Latest
recipes.state.lossy: CoalesceSend DropNewestSend DropOldestSend
recipes.hosting.supervisor_host: SupervisorHost
recipes.hosting.sync_bridge: host_async_dispatcher
recipes.routing: load_balance merge tee worker_pool
recipes.coordination: Pending batcher_loop cooperative_every select submit
recipes.state: CoalesceSend DropNewestSend DropOldestSend Latest
recipes.hosting: SupervisorHost host_async_dispatcher
recipes.batcher: Pending batcher_loop submit
recipes.cooperative_every: cooperative_every
recipes.fanout: tee
recipes.latest: Latest
recipes.load_balance: load_balance
recipes.lossy: CoalesceSend DropNewestSend DropOldestSend
recipes.merge: merge
recipes.select: select
recipes.supervisor_host: SupervisorHost
recipes.sync_bridge: host_async_dispatcher
recipes.worker_pool: worker_pool
transports.zmq: MsgpackSerde Serde ZmqConfig open_zmq_channel open_zmq_receive open_zmq_send
""".strip().splitlines()

COMPATIBILITY = [
    "batcher",
    "cooperative_every",
    "fanout",
    "latest",
    "load_balance",
    "lossy",
    "merge",
    "select",
    "supervisor_host",
    "sync_bridge",
    "worker_pool",
]


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    found = pkgutil.walk_packages(chrono_daemon.__path__, "chrono_daemon.")
    return ["chrono_daemon", *(module.name for module in found)]


def test_the_root_exports_exactly_what_it_promised() -> None:
    """Twenty-three names, each of them there."""
    assert sorted(chrono_daemon.__all__) == sorted(NAMES)
    assert len(NAMES) == 23
    for name in NAMES:
        assert hasattr(chrono_daemon, name)


@pytest.mark.parametrize("line", PLACES)
def test_names_are_importable_from_every_promised_path(line: str) -> None:
    """And are the same objects on all of them."""
    place, _, names = line.partition(": ")
    module = importlib.import_module(f"chrono_daemon.{place}")
    for name in names.split():
        assert name in module.__all__
        first = next(
            entry.partition(": ")[0]
            for entry in PLACES
            if name in entry.partition(": ")[2].split()
        )
        origin = importlib.import_module(f"chrono_daemon.{first}")
        assert getattr(module, name) is getattr(origin, name)
        if name in NAMES:
            assert getattr(chrono_daemon, name) is getattr(module, name)


@pytest.mark.parametrize("name", COMPATIBILITY)
def test_names_of_recipes_are_modules(name: str) -> None:
    """`from chrono_daemon.recipes import merge` gives the submodule."""
    code = (
        f"from chrono_daemon.recipes import {name} as m\n"
        "import types, sys\n"
        "sys.exit(not isinstance(m, types.ModuleType))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("routing", ["merge", "load_balance", "worker_pool", "tee"]),
        ("coordination", ["select", "cooperative_every"]),
    ],
)
def test_names_of_the_categories_are_functions(package: str, names: list[str]) -> None:
    """Although submodules of the same names exist, and are imported."""
    for name in names:
        importlib.import_module(f"chrono_daemon.recipes.{package}.{name}") if (
            name != "tee"
        ) else None
        module = importlib.import_module(f"chrono_daemon.recipes.{package}")
        assert inspect.isfunction(getattr(module, name))


def test_importing_is_lazy_where_it_was_promised() -> None:
    """`recipes` loads nothing; the root loads neither trio, zmq nor pytest."""
    code = (
        "import sys, chrono_daemon.recipes, chrono_daemon.transports\n"
        "loaded = [m for m in sys.modules if m.startswith('chrono_daemon.recipes.')]\n"
        "loaded += [m for m in ('trio', 'zmq', 'msgspec', 'pytest') if m in sys.modules]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is_and_what_it_exports(name: str) -> None:
    """A docstring, an `__all__` whose names exist, and a docstring on each."""
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in module.__all__:
        thing = getattr(module, exported)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{name}.{exported}"


def test_no_module_is_a_drawer() -> None:
    """None has more than 500 lines."""
    root = Path(next(iter(chrono_daemon.__path__)))
    for path in root.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 500, path


def test_the_version_is_the_distributions() -> None:
    """And the package is marked as typed."""
    assert chrono_daemon.__version__ == version("chronotick")
    assert (Path(next(iter(chrono_daemon.__path__))) / "py.typed").exists()


def test_errors_stand_alone() -> None:
    """The five derive directly from Exception, without a constructor of their own."""
    for error in (
        chrono_daemon.EndOfStream,
        chrono_daemon.ChannelClosed,
        chrono_daemon.ChannelInUse,
        chrono_daemon.WouldBlock,
        chrono_daemon.DaemonError,
    ):
        assert error.__bases__ == (Exception,)
        assert "__init__" not in vars(error)


def test_the_aliases_have_their_words() -> None:
    """OnError, DaemonState and DaemonFailurePhase."""
    assert get_args(chrono_daemon.OnError) == ("shutdown", "restart", "ignore")
    assert get_args(chrono_daemon.DaemonState) == (
        "starting",
        "running",
        "restarting",
        "stopped",
        "failed",
    )
    assert get_args(chrono_daemon.DaemonFailurePhase) == ("on_start", "run", "on_stop")
