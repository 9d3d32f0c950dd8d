"""A value that is replaced, never queued."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Latest"]

T = TypeVar("T")


class Latest(Generic[T]):
    """The most recent value of something; readers never wait and never queue."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: T | None = None

    def get(self) -> T | None:
        """Return the value set last, None before the first."""
        return self._value

    def set(self, value: T) -> None:
        """Replace the value."""
        self._value = value
