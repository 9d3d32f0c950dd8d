"""The processes that play a demo: started, heard, and ended together.

Decides how long one is waited for, and what it means that one fell silent; what they
play is decided in `demo` and `stage`.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Self

from chronotick.core.errors import ChronotickError
from chronotick.daemon.clocks import HostClock
from chronotick.eval.children import starting

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from chronotick.eval.streaming.stage import Said

__all__ = ["Cast", "DemoFailed"]

_LOOK_S = 0.5
_END_S = 5.0


class DemoFailed(ChronotickError):
    """A part of the demo ended before its time; says which and why."""


class Cast:
    """The processes; all of them end when the context does.

    Args:
        say: Takes a line of what a process says.
        show: Takes which share of the plan has passed, 0 to 1.
        plan_s: How long all of it takes.
    """

    def __init__(
        self, say: Callable[[str], None], show: Callable[[float], None], plan_s: float
    ) -> None:
        self.say = say
        self._show = show
        self._plan_s = plan_s
        self._clock = HostClock()
        self._begin_ns = self._clock.raw_ns()
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[str, tuple[SpawnProcess, Connection]] = {}
        self._said: dict[str, list[Said]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process, _pipe in self._processes.values():
            if kind is KeyboardInterrupt:
                process.kill()  # One that still imports would be in no hurry.
            else:
                process.terminate()
        for process, pipe in self._processes.values():
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            pipe.close()

    def start(self, name: str, play: Callable[..., None], *values: Any) -> None:  # noqa: ANN401
        """Start a process that plays `values` and talks through a pipe."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=play, args=(*values, theirs), daemon=True
        )
        with starting():
            process.start()
            self._processes[name] = (process, ours)
            self._said[name] = []
        # Closed here, so that the pipe ends when the process does.
        theirs.close()

    def expect(self, name: str, kind: str, limit_s: float) -> Said:
        """Return what `name` says of `kind`; pass the others' lines on meanwhile.

        Raises:
            DemoFailed: a process failed, or it took longer than `limit_s`.
        """
        until_ns = self._clock.raw_ns() + round(limit_s * 1e9)
        while True:
            for said in self._said[name]:
                if said.kind == kind:
                    return said
            now_ns = self._clock.raw_ns()
            passed_s = (now_ns - self._begin_ns) / 1e9
            self._show(min(passed_s / self._plan_s, 1.0))
            left_s = (until_ns - now_ns) / 1e9
            if left_s <= 0:
                raise DemoFailed(f"{name}: no word within {limit_s:g} s")
            pipes = {pipe: who for who, (_, pipe) in self._processes.items()}
            for ready in wait(list(pipes), timeout=min(left_s, _LOOK_S)):
                self._hear(pipes[ready], ready)  # type: ignore[index, arg-type]

    def _hear(self, name: str, pipe: Connection) -> None:
        try:
            said: Said = pipe.recv()
        except (EOFError, OSError):
            if any(said.kind == "done" for said in self._said[name]):
                process, _ = self._processes.pop(name)
                process.join()
                pipe.close()
                return
            raise DemoFailed(f"{name} ended without a word") from None
        if said.kind == "failed":
            raise DemoFailed(f"{name}: {said.text}")
        if said.kind == "line":
            self.say(f"{name}: {said.text}")
        self._said[name].append(said)
