"""The naive proxy: correct, short, and slow."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .contract import Answer, Request


@asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"], limits=limits, trust_env=False) as client:
        application.state.client = client
        yield


async def infer(request: HttpRequest) -> Response:
    body = await request.body()
    try:
        Request.model_validate_json(body)
    except ValidationError as error:
        return JSONResponse({"error": f"{error.error_count()} violations"}, status_code=422)
    client: httpx.AsyncClient = request.app.state.client
    answer = await client.post(request.url.path, content=body, headers={"content-type": "application/json"})
    try:
        Answer.model_validate_json(answer.content)
    except ValidationError:
        return JSONResponse({"error": "the model's answer breaks the contract"}, status_code=502)
    return Response(answer.content, status_code=answer.status_code, media_type="application/json")


app = Starlette(routes=[Route("/v2/models/{model}/infer", infer, methods=["POST"])], lifespan=lifespan)
