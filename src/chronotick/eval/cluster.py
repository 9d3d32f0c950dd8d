"""The only door to Dask: a cluster that runs already, and calls on its workers.

Decides what an unreachable cluster and a silent worker are called. Every call has a
deadline and names the worker. What is called is a function of a module that is
installed on the workers too: nothing is pickled but names and plain values.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self, TypeVar

import distributed

from chronotick.core.errors import ChronotickError
from chronotick.core.units import NS_PER_S
from chronotick.core.version import installed_version
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["CallFailed", "Cluster", "Unreachable"]

_T = TypeVar("_T")
# Ours are short and others wait for them: before whatever else the cluster computes.
_FIRST = 1_000
_LOOK_S = 1.0
_REQUIRE_S = 30.0
# A batch system may take workers away and bring others; it does so within minutes.
_DESERTED_S = 600.0
_PACKAGE = "chronotick"
# Where the client tells of a lost scheduler, with its traceback: we do, in one line.
_TALKATIVE = logging.getLogger("distributed.client")


class Unreachable(ChronotickError):
    """There is no scheduler at the address, or it has no workers."""


class CallFailed(ChronotickError):
    """A worker did not do what it was asked; says why."""


class Cluster:
    """A Dask cluster; a context manager.

    Args:
        scheduler: Its address, such as ``tcp://10.0.0.1:8786``.
        connect_s: How long connecting may take.

    Raises:
        Unreachable: nothing answers there.
    """

    def __init__(self, scheduler: str, *, connect_s: float = 10.0) -> None:
        self.scheduler = scheduler
        self._mute = lambda _record: False
        # Half of what the client offers has no types.
        connect: Any = distributed.Client
        try:
            self._client: Any = connect(
                scheduler, timeout=connect_s, set_as_default=False
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise Unreachable(
                f"no Dask scheduler answers at {scheduler} within {connect_s:g} s: "
                f"{_line(error)}"
            ) from error
        _TALKATIVE.addFilter(self._mute)

    def workers(self) -> dict[str, str]:
        """Return the Dask workers' names by address, in the order of the addresses."""
        found = self._client.scheduler_info(n_workers=-1)["workers"]
        return {address: str(found[address]["name"]) for address in sorted(found)}

    def call(
        self,
        worker: str,
        function: Callable[..., _T],
        *values: Any,  # noqa: ANN401 - whatever the function takes
        limit_s: float,
    ) -> _T:
        """Return what `function` does on the worker at address `worker`.

        Raises:
            CallFailed: it raised, or did not answer within `limit_s`.
        """
        future = self._client.submit(
            function,
            *values,
            workers=[worker],
            allow_other_workers=False,
            # It acts, so it is done once for each call, and never again elsewhere.
            pure=False,
            retries=0,
            priority=_FIRST,
        )
        result: _T = self._result(future, worker, limit_s, on=worker)
        return result

    def require(self, workers: Iterable[str]) -> None:
        """Make sure that what we ask the workers to call is there.

        Raises:
            CallFailed: a worker has no chronotick, or another version of it; names it.
            NotInstalled: this host has none either.
        """
        here = installed_version()
        for worker in workers:
            # The standard library's own function: asked for one that it cannot import,
            # a Dask worker breaks off its connection and says nothing.
            found = self.call(worker, version, _PACKAGE, limit_s=_REQUIRE_S)
            if found != here:
                why = f"{worker} has {_PACKAGE} {found}, and this host {here}"
                raise CallFailed(f"{why}: install the same on both")

    def get_ready(self) -> None:
        """Make sure that there are workers, and that all can do what we ask them to.

        Raises:
            Unreachable: nobody would ever do it.
            CallFailed: as `require`.
        """
        workers = self.workers()
        if not workers:
            raise Unreachable(
                f"the Dask scheduler at {self.scheduler} has no workers: start some "
                f"with `dask worker {self.scheduler}`"
            )
        self.require(workers)

    def map(
        self,
        function: Callable[..., _T],
        values: Mapping[str, Sequence[Any]],
        *,
        limit_s: float,
    ) -> Iterator[tuple[str, _T]]:
        """Yield what `function` makes of each of `values` as it is known, in any order.

        They are computed wherever there is room.

        Raises:
            CallFailed: one of them raised, not all were done within `limit_s`, or all
                workers left and none came.
        """
        patience = _Patience(self, limit_s)
        futures = {
            name: self._client.submit(function, *words, pure=False)
            for name, words in values.items()
        }
        waiting = dict(futures)
        try:
            while waiting:
                done = [name for name, future in waiting.items() if future.done()]
                if not done:
                    self._await_one(waiting, patience)
                for name in done:
                    # Whoever is told may take long himself; what is done by then is had.
                    yield name, self._result(waiting.pop(name), name, _LOOK_S)
        finally:
            # After a failure, those that have not begun need not begin.
            self._client.cancel(list(futures.values()))

    def _await_one(self, waiting: Mapping[str, Any], patience: _Patience) -> None:
        wait: Any = distributed.wait
        try:
            with self._client.as_current():
                wait(list(waiting.values()), _LOOK_S, return_when="FIRST_COMPLETED")
        except TimeoutError as error:
            patience.lose(next(iter(waiting)), error)
        # One was cancelled: whoever asks for its result is told why.
        except Exception:
            if not any(future.done() for future in waiting.values()):
                raise

    def _result(
        self,
        future: Any,  # noqa: ANN401 - of any result
        whose: str,
        limit_s: float,
        on: str | None = None,
    ) -> Any:  # noqa: ANN401
        patience = _Patience(self, limit_s)
        try:
            while True:
                try:
                    return future.result(timeout=min(patience.left_s, _LOOK_S))
                except TimeoutError as error:
                    patience.lose(whose, error, on)
        except CallFailed:
            future.cancel()
            raise
        except ChronotickError as error:
            raise CallFailed(f"{whose}: {error}") from error
        # What a worker raises may be of any kind; it has its traceback there.
        except Exception as error:
            if self._client.status != "running":
                why = f"the Dask scheduler at {self.scheduler} is gone"
            else:
                why = f"{type(error).__name__}: {_line(error)}"
            raise CallFailed(f"{whose}: {why}") from error

    def close(self) -> None:
        """Disconnect; the cluster runs on."""
        try:
            self._client.close()
        finally:
            _TALKATIVE.removeFilter(self._mute)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Patience:
    """How long a call may take, and for how long there may be nobody to do it."""

    def __init__(self, cluster: Cluster, limit_s: float) -> None:
        self._cluster = cluster
        self._limit_s = limit_s
        self._clock = HostClock()
        self._manned_ns = self._clock.raw_ns()
        self._until_ns = self._manned_ns + round(limit_s * NS_PER_S)

    @property
    def left_s(self) -> float:
        """How much longer."""
        return max(self._until_ns - self._clock.raw_ns(), 0) / NS_PER_S

    def lose(self, whose: str, error: TimeoutError, on: str | None = None) -> None:
        """Look what is going on after a while without an answer.

        Args:
            whose: What is waited for.
            error: What told that there was none.
            on: The only worker that can give it; None: any.

        Raises:
            CallFailed: there is no use in waiting on.
        """
        workers = self._cluster.workers()
        # What is pinned to a worker waits for it for ever.
        if on is not None and on not in workers:
            raise CallFailed(f"{whose} has left the cluster") from error
        now_ns = self._clock.raw_ns()
        if workers:
            self._manned_ns = now_ns
        elif now_ns - self._manned_ns > _DESERTED_S * NS_PER_S:
            why = f"{whose}: no workers for {_DESERTED_S:g} s: start some"
            raise CallFailed(f"{why} and ask again") from error
        if self.left_s <= 0.0:
            raise CallFailed(
                f"{whose}: no answer within {self._limit_s:.3g} s"
            ) from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
