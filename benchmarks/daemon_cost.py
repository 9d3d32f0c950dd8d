"""What the daemon costs while it publishes: CPU share of one core and memory.

    python benchmarks/daemon_cost.py [--seconds 30] [--freq 100]

A real daemon measures a server on loopback, after its start-up burst, for `--seconds`.
Its peers are Python processes that do nothing but wake up as often, by `time.sleep` and
in an asyncio loop. CPU time comes from the kernel's accounting of each process. On an
idle virtual machine a wake-up alone can cost 200 us, because caches and clocks have gone
cold: quote the ratios. With CHRONOTICK_NATIVE=no the daemon's heartbeats are made in its
event loop, as where there is no C module.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from chronotick.sim.server import HonestServer
from system.liar import ntp_server
from system.peers import running_daemon, wait_until

SLEEPER = """
import time
while True:
    time.sleep(1 / {freq})
"""
LOOP = """
import asyncio
async def main():
    while True:
        await asyncio.sleep(1 / {freq})
asyncio.run(main())
"""
SETTLE_S = 20.0


def share(process: psutil.Process, seconds: float) -> float:
    """Return the share of one core that `process` uses over `seconds`."""
    before = process.cpu_times()
    threading.Event().wait(seconds)
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    return used_s / seconds


def heartbeats(pid: int) -> str:
    """Say who makes the heartbeats of daemon `pid`."""
    names = {task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/comm")}
    return "a thread" if "heartbeat\n" in names else "the event loop"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--freq", type=float, default=100.0)
    asked = parser.parse_args()
    peers = [code.format(freq=asked.freq) for code in (SLEEPER, LOOP)]
    with (
        tempfile.TemporaryDirectory() as folder,
        ntp_server(HonestServer()) as port,
        running_daemon(
            Path(folder) / "segment",
            *("--server", f"127.0.0.1:{port}", "--freq", str(asked.freq)),
        ) as daemon,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values())
        threading.Event().wait(SETTLE_S)
        process = psutil.Process(daemon.process.pid)
        started = [subprocess.Popen([sys.executable, "-c", code]) for code in peers]
        processes = [process, *(psutil.Process(peer.pid) for peer in started)]
        rounds = [
            [share(each, asked.seconds / 3) for each in processes] for _ in range(3)
        ]
        for peer in started:
            peer.kill()
            peer.wait()
        ours, sleep, loop = (sorted(column)[1] for column in zip(*rounds, strict=True))
        rss_mb = process.memory_info().rss / 1e6
        who = heartbeats(process.pid)
    print(f"daemon at {asked.freq:g} Hz: {ours:.2%} of one core (median of 3)")
    print(f"heartbeats by {who}")
    for name, theirs in (("time.sleep", sleep), ("asyncio", loop)):
        ratio = f"{ours / theirs:.1f}" if theirs else "unknown: below the resolution"
        print(f"bare {name} at {asked.freq:g} Hz: {theirs:.2%}; ratio {ratio}")
    print(f"resident memory: {rss_mb:.1f} MB")


if __name__ == "__main__":
    main()
