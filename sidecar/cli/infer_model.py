"""Ask a model server what it serves: OIP, TF Serving and KServe V1, or an OpenAPI page. GET alone, nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import httpx

from ..errors import RuntimeSetupError
from ..inference.jsonschema import from_openapi
from ..inference.signature import Signature, from_oip, from_tfserving
from ..upstream.address import parse_address

TIMEOUT_SECONDS: Final = 5.0
_MOST_BYTES: Final = 8 * 1024 * 1024

Get = Callable[[str], "tuple[int, Any]"]


def ask_model(url: str, model: str, path: str = "") -> Signature:
    """What the server states. RuntimeSetupError where nobody answers, or the model is not there.

    Without `model`: the only one it lists, where it lists one. `path`: of an OpenAPI page, this route.
    """
    address = parse_address(url)
    transport = httpx.HTTPTransport(verify=address.ssl_context() or False, uds=address.path or None, trust_env=False)
    base = "http://localhost" if address.path else address.url
    headers = {"user-agent": "sidecar-init", "accept": "application/json"}
    with httpx.Client(
        base_url=base, transport=transport, trust_env=False, timeout=TIMEOUT_SECONDS, headers=headers
    ) as client:

        def get(page: str) -> tuple[int, Any]:
            try:
                with client.stream("GET", page) as answer:
                    content = b""
                    for piece in answer.iter_bytes():
                        content += piece
                        if len(content) > _MOST_BYTES:
                            return answer.status_code, None
            except httpx.TimeoutException:
                raise RuntimeSetupError(f"{url}: no answer to GET {page} in {TIMEOUT_SECONDS:.0f} s") from None
            except httpx.HTTPError as error:
                raise RuntimeSetupError(
                    f"{url}: {str(error) or type(error).__name__}; is the server running?"
                ) from None
            try:
                return answer.status_code, json.loads(content)
            except (ValueError, RecursionError):
                return answer.status_code, None

        return detect(get, url, model, path)


def detect(get: Get, url: str, model: str, path: str = "") -> Signature:
    """The first protocol that the server speaks: OIP, then TF Serving, then what its OpenAPI page describes."""
    found = _oip(get, url, model) or _tfserving(get, url, model) or _openapi(get, path)
    if found is not None:
        return found
    raise RuntimeSetupError(
        f"{url}: speaks neither OIP (/v2), nor TF Serving (/v1/models/NAME), nor has it an /openapi.json; "
        "say what it speaks: --protocol json (or opaque), or leave --upstream out"
    )


def _ok(status: int) -> bool:
    return 200 <= status < 300


def _oip(get: Get, url: str, model: str) -> Signature | None:
    if not any(_ok(get(path)[0]) for path in ("/v2/health/live", "/v2/health/ready", "/v2")):
        return None
    name = model or _only_model(get, url)
    if not name:
        return Signature(protocol="oip", notes=("The server does not list its models; name yours: --model NAME.",))
    status, document = get(f"/v2/models/{quote(name, safe='')}")
    if status == 404:
        raise RuntimeSetupError(f"{url}: the server does not have the model {name!r}")
    if not _ok(status):
        raise RuntimeSetupError(f"{url}: GET /v2/models/{name} answered {status}")
    try:
        return from_oip(document)
    except ValueError as error:
        raise RuntimeSetupError(f"{url}: GET /v2/models/{name}: {error}") from None


def _only_model(get: Get, url: str) -> str:
    """The model's name where a server has one; KServe and others list them, MLServer does not by GET."""
    status, document = get("/v2/models")
    listed = document.get("models") if _ok(status) and isinstance(document, dict) else None
    found = [each.get("name") if isinstance(each, dict) else each for each in listed or []]
    names = [name for name in found if isinstance(name, str) and name]
    if len(names) > 1:
        raise RuntimeSetupError(f"{url}: the server has {', '.join(names[:20])}; choose one with --model NAME")
    return names[0] if names else ""


def _tfserving(get: Get, url: str, model: str) -> Signature | None:
    if not model:
        status, document = get("/v1/models")
        listed = document.get("models") if _ok(status) and isinstance(document, dict) else None
        return Signature(protocol="tfserving", notes=("Name the model: --model NAME.",)) if listed else None
    path = f"/v1/models/{quote(model, safe='')}"
    status, _ = get(path)
    if not _ok(status):
        return None
    status, document = get(f"{path}/metadata")
    try:
        found = from_tfserving(document) if _ok(status) else Signature(protocol="tfserving")
    except ValueError:
        found = Signature(protocol="tfserving")
    if found.features:
        return Signature(found.features, found.predictions, "tfserving", model)
    return Signature(protocol="tfserving", model=model, notes=("The server states no inputs: infer them from data.",))


def _openapi(get: Get, path: str) -> Signature | None:
    status, document = get("/openapi.json")
    if not _ok(status):
        return None
    try:
        return from_openapi(document, path)
    except ValueError as error:
        return Signature(protocol="json", notes=(f"/openapi.json: {error}.",))
