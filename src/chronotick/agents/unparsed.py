"""What becomes of a line that is no message: it is answered, so that nobody waits for it.

The SDK logs such a line and drops it. A lone surrogate in one argument is enough for
that: JSON can spell it, UTF-8 cannot. Decides the answer, not what a message is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Protocol, Self

    _T_co = TypeVar("_T_co", covariant=True)

    class _Stream(Protocol[_T_co]):
        async def receive(self) -> _T_co: ...
        async def aclose(self) -> None: ...


__all__ = ["Answered", "answer_to"]

_T = TypeVar("_T")
# JSON-RPC 2.0, section 5.1.
_PARSE_ERROR, _INVALID_REQUEST = -32_700, -32_600
_NOT_JSON = "json_invalid"


class Answered(Generic[_T]):
    """A stream of messages, without what is none: that is answered.

    Args:
        stream: Yields messages, and an exception for each line that is none.
        answer: Sends an error response.
    """

    def __init__(
        self,
        stream: _Stream[_T | Exception],
        answer: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._stream = stream
        self._answer = answer

    @property
    def last_context(self) -> Any:  # noqa: ANN401 - the SDK's own attribute
        """The context in which the newest message was sent."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> _T:
        """Return the next message."""
        while True:
            item = await self._stream.receive()
            if not isinstance(item, Exception):
                return item
            answer = answer_to(item)
            if answer is not None:
                await self._answer(answer)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> _T:
        """Return the next message."""
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the stream."""
        await self.aclose()


def answer_to(error: Exception) -> dict[str, Any] | None:
    """Return the error response to a line that pydantic refused; None to an empty one.

    It has the request's id where one can be read in spite of the rest, so that whoever
    waits for it learns of it; null where none can (JSON-RPC 2.0, section 5).
    """
    details = error.errors() if hasattr(error, "errors") else []
    is_json = all(detail["type"] != _NOT_JSON for detail in details)
    inputs = [detail["input"] for detail in details]
    if not is_json:
        if not str(inputs[0]).strip():
            return None
        inputs = [_lenient(inputs[0])]
    ids = [given.get("id") for given in inputs if isinstance(given, dict)]
    told = "the line is no JSON in UTF-8" if not is_json else "the line is no JSON-RPC"
    return {
        "jsonrpc": "2.0",
        "id": next((each for each in ids if _can_be_told(each)), None),
        "error": {
            "code": _INVALID_REQUEST if is_json else _PARSE_ERROR,
            "message": f"{told}: send one request in one line",
        },
    }


def _lenient(line: str) -> object:
    """Return the value of a line, with what no UTF-8 can spell; None if it has none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _can_be_told(found: object) -> bool:
    if isinstance(found, str):
        return found.isascii()
    return isinstance(found, int) and not isinstance(found, bool)
