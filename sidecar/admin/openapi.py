"""The API described by itself, OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .queries import PREDICTION_PARAMETERS

_JSON = "application/json"


def document(version: str) -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "sidecar admin", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": {
            "/healthz": {"get": _operation("This process lives.", content="text/plain")},
            "/readyz": {
                "get": _operation(
                    "Serving is possible; 503 with the reasons when it is not.",
                    query={"policy": "one policy by name"},
                    documents={"404": "No such policy.", "503": "Not ready."},
                )
            },
            "/metrics": {"get": _operation("Prometheus text, or OpenMetrics when asked for.", content="text/plain")},
            "/openapi.json": {"get": _operation("This document.")},
            "/api/status": {"get": _operation("Workers, journal, disk, observers and their lag.")},
            "/api/policies": {"get": _operation("The policies in force, by digest.")},
            "/api/contract": {"get": _operation("Verdicts, violations by feature and code, alerts that are on.")},
            "/api/shadow": {"get": _operation("Agreement of each candidate with the primary.")},
            "/api/predictions": {"get": _operation("Prediction rows, newest first.", query=PREDICTION_PARAMETERS)},
            "/api/predictions/{id}": {
                "get": _operation(
                    "One prediction's rows.", path={"id": "prediction id"}, others={"404": "Not known here."}
                )
            },
            "/api/reload": {
                "post": _operation(
                    "Ask the gateway to read its policies again.",
                    success=("202", "Asked."),
                    others={"503": "Nothing serves from this data folder."},
                )
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
                "Document": {"type": "object"},
            },
        },
        "security": [{}, {"token": []}],
    }


def _operation(
    summary: str,
    *,
    content: str = _JSON,
    query: Mapping[str, str] | None = None,
    path: Mapping[str, str] | None = None,
    success: tuple[str, str] = ("200", "Answered."),
    others: Mapping[str, str] | None = None,
    documents: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    status, text = success
    schema = {"$ref": "#/components/schemas/Document"} if content == _JSON else {"type": "string"}
    problems = {"400": "A parameter is wrong.", "401": "A token is needed.", "403": "Another site's page.",
                "421": "Not asked as localhost, and there is no token."}  # fmt: skip
    responses: dict[str, Any] = {status: {"description": text, "content": {content: {"schema": schema}}}}
    for code, sentence in {**problems, **(others or {})}.items():
        error = {"$ref": "#/components/schemas/Error"}
        responses[code] = {"description": sentence, "content": {_JSON: {"schema": error}}}
    for code, sentence in (documents or {}).items():  # not an error: the same document, and it says why
        responses[code] = {"description": sentence, "content": {content: {"schema": schema}}}
    parameters = [_parameter(name, "query", says) for name, says in (query or {}).items()]
    parameters += [_parameter(name, "path", says) for name, says in (path or {}).items()]
    return {"summary": summary, "parameters": parameters, "responses": responses}


def _parameter(name: str, place: str, says: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "description": says, "schema": {"type": "string"}}
