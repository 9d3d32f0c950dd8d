"""A Dask cluster as others run it: a scheduler and workers, programs on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import distributed

from system.peers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTED_S = 60.0


class Running(NamedTuple):
    """A cluster."""

    scheduler: str
    workers: dict[str, subprocess.Popen[bytes]]
    """By name."""
    head: subprocess.Popen[bytes]
    """The scheduler's program."""


@contextmanager
def _program(
    *words: str, path: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ if path is None else os.environ | {"PYTHONPATH": str(path)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def dask_cluster(
    folder: Path, *names: str, path: Path | None = None
) -> Iterator[Running]:
    """Run a scheduler and a worker of each name; yield once all have registered.

    Args:
        folder: For their files.
        names: Of the workers.
        path: Where the workers look for packages first.
    """
    folder.mkdir()
    told = folder / "scheduler.json"
    with ExitStack() as stack:
        head = stack.enter_context(
            _program(
                "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                "--scheduler-file", str(told),
            )
        )  # fmt: skip
        wait_until(lambda: told.exists() and told.stat().st_size > 0, STARTED_S)
        address = str(json.loads(told.read_text())["address"])
        workers = {
            name: stack.enter_context(
                _program(
                    "worker", address, "--host", "127.0.0.1", "--name", name,
                    "--no-dashboard", "--no-nanny", "--nthreads", "2",
                    "--local-directory", str(folder / name),
                    path=path,
                )
            )
            for name in names
        }  # fmt: skip
        with distributed.Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(len(names), timeout=STARTED_S)
        yield Running(address, workers, head)
