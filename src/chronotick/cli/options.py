"""Options that several verbs share: the segment, durations, `--json`, a run's course."""

from __future__ import annotations

import ipaddress
import math
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from chronotick.documents.quantities import DURATION, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Duration",
    "Durations",
    "NumericAddress",
    "Real",
    "Scheduler",
    "course_options",
    "json_option",
    "named",
    "segment_option",
    "together",
]

_F = TypeVar("_F", bound="Callable[..., Any]")


class Real(click.FloatRange):
    """A range of numbers in which NaN and the infinities are not.

    Every comparison with NaN is false, so click finds it in every range.
    """

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return `value`, or fail with what is allowed."""
        try:
            float(value)
        except ValueError:
            allowed = self._describe_range()
            self.fail(f"{value!r} is not a number in the range {allowed}", param, ctx)
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Duration(click.ParamType[float]):
    """A duration as configured: ``250ms``, ``16s`` or a bare number of seconds.

    Args:
        least_s: smallest value that is accepted.
        most_s: largest value that is accepted.
    """

    name = "duration"

    def __init__(self, least_s: float = 0.0, most_s: float = 366 * 86_400.0) -> None:
        self._least_s = least_s
        self._most_s = most_s

    def convert(
        self,
        value: str | float,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return `value` in seconds, or fail with what is allowed."""
        try:
            duration_s = DURATION.parse(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)
        if not self._least_s <= duration_s <= self._most_s:
            self.fail(
                f"{value} is not from {format_duration(self._least_s)} to "
                f"{format_duration(self._most_s)}",
                param,
                ctx,
            )
        return duration_s


class Durations(click.ParamType[tuple[float, ...]]):
    """Durations with commas between them: each once, rising, in seconds.

    Args:
        least_s: smallest value that is accepted.
        most_s: largest value that is accepted.
    """

    name = "durations"

    def __init__(self, least_s: float = 0.0, most_s: float = 366 * 86_400.0) -> None:
        self._one = Duration(least_s, most_s)

    def convert(
        self,
        value: str | tuple[float, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        """Return `value` in seconds, or fail with what is allowed."""
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        return tuple(sorted({self._one.convert(v, param, ctx) for v in parts}))


class _Form(click.ParamType[str]):
    """Text that has to have a form, and is kept as it is."""

    expected: str

    def convert(
        self,
        value: str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return `value` as it is, or fail with the form that is expected."""
        if not self.fits(value):
            self.fail(f"{value!r}: expected {self.expected}", param, ctx)
        return value

    def fits(self, text: str) -> bool:
        """Say whether `text` has the form."""
        raise NotImplementedError


class Scheduler(_Form):
    """The address of a Dask scheduler: ``tcp://HOST:PORT``, or ``tls://``."""

    name = "scheduler"
    expected = "tcp://HOST:PORT"

    def fits(self, text: str) -> bool:
        """Say whether it is one."""
        try:
            parts = urlsplit(text)
            return parts.scheme in {"tcp", "tls"} and bool(
                parts.hostname and parts.port
            )
        except ValueError:  # A port that is no number, a bracket that is not closed.
            return False


class NumericAddress(_Form):
    """An IPv4 or IPv6 address, such as ``0.0.0.0`` or ``::``."""

    name = "address"
    expected = "an address such as 0.0.0.0 or ::"

    def fits(self, text: str) -> bool:
        """Say whether it is one."""
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return True


def named(_ctx: click.Context, _param: click.Parameter, path: str | None) -> str | None:
    """Refuse an empty path, as of a variable that is not set: it is no default."""
    if path == "":
        raise click.BadParameter("the path is empty")
    return path


def segment_option(verb: _F) -> _F:
    """Add ``--segment PATH``, or the variable CHRONOTICK_SEGMENT."""
    return click.option(
        "--segment",
        metavar="PATH",
        envvar="CHRONOTICK_SEGMENT",
        show_envvar=True,
        callback=named,
        help="Shared-memory file of the daemon. Default: /dev/shm/chronotick_shm.",
    )(verb)


def json_option(verb: _F) -> _F:
    """Add ``--json``, for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs."
    )(verb)


def together(*options: Callable[[Any], Any]) -> Callable[[_F], _F]:
    """Return a decorator that adds `options`, in the order in which help shows them."""

    def add(verb: _F) -> _F:
        for option in reversed(options):
            verb = option(verb)
        return verb

    return add


course_options = together(
    click.option("--num-events", type=click.IntRange(1, 100_000_000)),
    click.option(
        "--target-duration",
        "target_s",
        metavar="DURATION",
        type=Duration(0.001),
        help="Send for so long, instead of --num-events or at most.",
    ),
    click.option(
        "--pattern",
        default="mixed",
        show_default=True,
        help="Gaps between events: fast, medium, slow, very_slow, mixed or "
        "fixed:SECONDS.",
    ),
    click.option(
        "--seed",
        default=1,
        show_default=True,
        help="Draws the order in which workers are sent each event.",
    ),
    click.option(
        "--preflight",
        "preflight_s",
        metavar="DURATION",
        type=Duration(0.1),
        default=120.0,
        help="How long all may take to be ready. Default: 2m.",
    ),
)
"""What is sent in a run of the evaluation, and when it begins."""
