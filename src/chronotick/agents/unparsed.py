"""What becomes of a line that is no message: it is answered, so that nobody waits for it.

The SDK logs such a line and drops it. A lone surrogate in one argument is enough for
that: JSON can spell it, UTF-8 cannot. A request whose id is none it takes for a
notification, which nobody answers. Decides the answer, not what a message is.
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
_REMEDY = "send one request in one line"
_NOT_JSON = "json_invalid"
_NOTIFICATION = "notifications/"
"""How the method of each notification of MCP begins, and that of no request."""


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
            if isinstance(item, Exception):
                answer = answer_to(item)
            elif _lacks_id(getattr(item, "message", None)):
                told = "a request needs an id, a string or a whole number"
                answer = _error(_INVALID_REQUEST, told)
            else:
                return item
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
    id_ = next((each for each in ids if _can_be_told(each)), None)
    if is_json:
        return _error(_INVALID_REQUEST, f"the line is no JSON-RPC: {_REMEDY}", id_)
    return _error(_PARSE_ERROR, f"the line is no JSON in UTF-8: {_REMEDY}", id_)


def _error(code: int, told: str, id_: int | str | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": told}}


def _lacks_id(message: object) -> bool:
    """Say whether it asks for an answer, but with no id, or none that can be one."""
    method = getattr(message, "method", None)
    if method is None or hasattr(message, "id"):
        return False
    return not method.startswith(_NOTIFICATION)


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
