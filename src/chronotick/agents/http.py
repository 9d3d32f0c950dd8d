"""The HTTP shell: one ASGI application for agents (``/mcp``) and programs (JSON).

Decides paths and status codes. 503 is "no trustworthy time", with the reason and the
command that mends it; 400 is a request that cannot be meant. Nothing is cacheable.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from chronotick.agents.gate import Gate
from chronotick.agents.health import get_daemon_status
from chronotick.agents.requests import GetDaemonStatus
from chronotick.agents.server import http_app
from chronotick.agents.tools import call
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    import uvicorn
    from starlette.requests import Request

    from chronotick.agents.gate import Rules
    from chronotick.agents.service import TimeService
    from chronotick.agents.tools import Outcome

__all__ = ["build_app", "serve_http"]

_BAD_REQUEST, _NOT_FOUND, _NO_METHOD, _UNAVAILABLE = 400, 404, 405, 503
_PATHS = (
    "POST /get_time, GET /api/time, /api/status, /api/sources and /healthz, POST /mcp"
)
_NOT_KEPT = {"cache-control": "no-store"}
_MS_PER_S = 1_000.0
_SHUTDOWN_S = 3
# Idle ones count. What is in flight is limited before, by `Rules`, with an answer in JSON.
_MOST_CONNECTIONS = 1_000


def build_app(service: TimeService, rules: Rules) -> Gate:
    """Return the ASGI application."""
    routes = _Routes(service)
    app = http_app(
        service,
        allowed_hosts=rules.allowed_hosts,
        allowed_origins=rules.allowed_origins,
        most_body_bytes=rules.most_body_bytes,
        routes=[
            Route("/get_time", routes.get_time, methods=["POST"]),
            Route("/api/time", routes.time, methods=["GET"]),
            Route("/api/status", routes.status, methods=["GET"]),
            Route("/api/sources", routes.sources, methods=["GET"]),
            Route("/healthz", routes.healthz, methods=["GET"]),
        ],
    )
    for status in (_NOT_FOUND, _NO_METHOD):
        app.add_exception_handler(status, _no_such)
    return Gate(app, rules, lambda: service.timepiece.raw_ns() / NS_PER_S)


def serve_http(
    service: TimeService,
    rules: Rules,
    *,
    host: str,
    port: int,
    announce: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        service: What is served.
        rules: What is let through.
        host: Address to listen on.
        port: TCP port.
        announce: Called once the port is ours.

    Raises:
        OSError: the address cannot be listened on.
    """
    import uvicorn  # noqa: PLC0415 - tests drive the application without it

    config = uvicorn.Config(
        build_app(service, rules),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        # A subscriber's stream does not end by itself.
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    listening = _bound(config)
    announce()
    uvicorn.Server(config).run(sockets=[listening])


def _bound(config: uvicorn.Config) -> socket.socket:
    """Return a socket that has the port.

    Bound here and not by `run`, so that a failure ends as every other of ours does:
    uvicorn would write lines of its own and exit with a code that means another thing.
    """
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.CRITICAL)
    try:
        return config.bind_socket()
    except SystemExit as exit_:
        cause = exit_.__context__
        why = getattr(cause, "strerror", None) or cause or "refused"
        raise OSError(
            f"cannot listen on {config.host} port {config.port}: {why}; choose another "
            "--port or --host"
        ) from None
    finally:
        log.setLevel(logging.WARNING)


class _Routes:
    def __init__(self, service: TimeService) -> None:
        self._service = service

    async def get_time(self, request: Request) -> JSONResponse:
        body = await request.body()
        try:
            arguments = json.loads(body) if body.strip() else {}
        except (ValueError, RecursionError):
            return _answer(_BAD_REQUEST, {"error": "the body is not JSON: send {}"})
        if not isinstance(arguments, dict):
            return _answer(_BAD_REQUEST, {"error": "the body is no object: send {}"})
        return await self._told(arguments)

    async def time(self, request: Request) -> JSONResponse:
        return await self._told(dict(request.query_params))

    async def status(self, request: Request) -> JSONResponse:
        return _answer(200, await self._status(request))

    async def sources(self, request: Request) -> JSONResponse:
        status = await self._status(request)
        kept = ("summary", "status", "mend", "servers")
        return _answer(200, {key: status[key] for key in kept})

    async def healthz(self, _: Request) -> JSONResponse:
        state = get_daemon_status(self._service, GetDaemonStatus()).status
        return _answer(200, {"is_serving": True, "time_status": state})

    async def _status(self, _: Request) -> Mapping[str, Any]:
        outcome = await call(self._service, "get_daemon_status", {"verbose": True})
        return outcome.structured or {}

    async def _told(self, arguments: dict[str, Any]) -> JSONResponse:
        outcome = await call(self._service, "get_time", arguments)
        if outcome.structured is None:
            return _answer(_BAD_REQUEST, {"error": outcome.text})
        if outcome.is_error:
            return _answer(_UNAVAILABLE, outcome.structured)
        return _answer(200, {**outcome.structured, **_in_other_units(outcome)})


async def _no_such(_: Request, error: Exception) -> JSONResponse:
    """Answer for a path or a method that there is not."""
    if not isinstance(error, HTTPException):
        raise error
    answer = _answer(error.status_code, {"error": f"there are {_PATHS}"})
    answer.headers.update(error.headers or {})  # which methods there are
    return answer


def _in_other_units(outcome: Outcome) -> dict[str, Any]:
    """Return what the original design calls the fields, in its units."""
    told = outcome.structured or {}
    return {
        "timestamp_ns": told["unix_ns"],
        "earliest_ns": told["earliest_unix_ns"],
        "latest_ns": told["latest_unix_ns"],
        "offset_ms": told["offset_s"] * _MS_PER_S,
        "uncertainty_ms": told["uncertainty_s"] * _MS_PER_S,
    }


def _answer(status: int, content: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse(dict(content), status_code=status, headers=_NOT_KEPT)
