"""Stamps every record with the time of the clock that the daemon lives by.

It decides the name and the value of one field, `sim_time`; levels, handlers and formats
belong to whoever configures `logging`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from chrono_daemon.clock import Clock

__all__ = ["ClockAwareLoggerAdapter"]


class ClockAwareLoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry `sim_time`, in seconds on `clock`.

    Any task may use it, also outside an event loop. Under `WallClock` the value is
    monotonic time, under `SimClock` virtual time, so replayed logs line up.
    """

    def __init__(self, logger: logging.Logger, clock: Clock) -> None:
        super().__init__(logger, {})
        self.clock: Clock = clock

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        """Add `sim_time` to `extra`, unless the caller already gave one.

        The caller's own `extra` is copied, never changed: it may be shared.
        """
        given = kwargs.get("extra")
        extra: dict[str, object] = dict(given) if isinstance(given, dict) else {}
        extra.setdefault("sim_time", self.clock.now())
        return msg, {**kwargs, "extra": extra}
