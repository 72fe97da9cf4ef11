"""The application: one small handler per path, one place for refusals and faults."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from . import openapi
from .gate import refusal
from .page import CONTENT_SECURITY_POLICY, PAGE
from .queries import QueryError, prediction_query, single
from .sources import Sources

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Complain: TypeAlias = Callable[[str, Exception], None]

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


def application(sources: Sources, *, token: str = "", complain: Complain = lambda path, error: None) -> ASGIApp:
    """An ASGI application. `complain` gets what went wrong in a handler; the caller gets a 500 without details."""

    async def page(request: Request) -> Response:
        return Response(
            PAGE, media_type="text/html", headers={**_HEADERS, "content-security-policy": CONTENT_SECURITY_POLICY}
        )

    async def healthz(request: Request) -> Response:
        return Response("ok\n", media_type="text/plain", headers=_HEADERS)

    async def readyz(request: Request) -> Response:
        given = single(request.query_params.multi_items(), ("policy",))
        status, body = sources.readyz(given.get("policy"))
        return _json(body, status)

    async def metrics(request: Request) -> Response:
        single(request.query_params.multi_items(), ())
        content_type, body = sources.metrics(request.headers.get("accept", ""))
        return Response(body, headers={**_HEADERS, "content-type": content_type})

    async def predictions(request: Request) -> Response:
        return _json(await sources.predictions(prediction_query(request.query_params.multi_items())))

    async def prediction(request: Request) -> Response:
        single(request.query_params.multi_items(), ())
        identifier = request.path_params["id"]
        if not _ID.fullmatch(identifier):
            return _problem(400, "not an id: letters, digits, `-`, `_`, `.` and `:`, at most 200")
        found = await sources.prediction(identifier)
        if found is None:
            return _problem(404, _not_found(identifier))
        return _json(found)

    async def reload(request: Request) -> Response:
        single(request.query_params.multi_items(), ())
        why = sources.reload()
        return _problem(503, why) if why else _json({"reload": "asked"}, 202)

    def told(make: Callable[[], Any]) -> Handler:
        async def answer(request: Request) -> Response:
            single(request.query_params.multi_items(), ())
            return _json(make())

        return answer

    def safe(path: str, handler: Handler, method: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except (QueryError, HTTPException):
                raise
            except Exception as error:
                complain(path, error)
                return _problem(500, "this answer failed; the log says why")

        return Route(path, answer, methods=[method])

    routes = [
        safe("/", page),
        safe("/healthz", healthz),
        safe("/readyz", readyz),
        safe("/metrics", metrics),
        safe("/openapi.json", told(lambda: openapi.document(__version__))),
        safe("/api/status", told(sources.status)),
        safe("/api/policies", told(sources.policies)),
        safe("/api/contract", told(sources.contract)),
        safe("/api/shadow", told(sources.shadow)),
        safe("/api/predictions", predictions),
        safe("/api/predictions/{id}", prediction),
        safe("/api/reload", reload, "POST"),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        return _problem(400, str(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        paths = ", ".join(route.path for route in routes)
        sentence = {404: f"nothing here; there are {paths}", 405: "this path takes another method, see Allow"}.get(
            error.status_code, str(error.detail)
        )
        return _problem(error.status_code, sentence, dict(error.headers or {}))

    app = Starlette(routes=routes, exception_handlers={QueryError: refused, HTTPException: http_error})
    app.router.redirect_slashes = False
    return _Gate(app, token)


class _Gate:
    """Before any route: who may ask."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = refusal(scope["path"], headers, self._token)
        if refused is None:
            await self._app(scope, receive, send)
            return
        status, sentence = refused
        extra = {"www-authenticate": "Bearer"} if status == 401 else {}
        await _problem(status, sentence, extra)(scope, receive, send)


def _not_found(identifier: str) -> str:
    try:
        ours = UUID(identifier).version == 7
    except ValueError:
        ours = False
    if not ours:
        return f"no prediction {identifier}: an id is the UUID that the caller got in x-prediction-id"
    return f"no prediction {identifier}: it is not in the journal, not in the archive, or it is another replica's"


def _json(body: object, status: int = 200) -> Response:
    text = msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    return Response(text, status, {**_HEADERS, "content-type": "application/json"})


def _problem(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    text = msgspec.json.encode({"error": sentence}) + b"\n"
    return Response(text, status, {**_HEADERS, **(headers or {}), "content-type": "application/json"})
