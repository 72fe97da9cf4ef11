"""Ask a model server what it serves: OIP, TF Serving and KServe V1, or an OpenAPI page. Nothing but questions: GET, and
OIP's POST for the list of models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx

from ..errors import RuntimeSetupError
from ..inference.jsonschema import from_openapi
from ..inference.signature import Signature, from_oip, from_tfserving
from ..upstream.address import parse_address

TIMEOUT_SECONDS: Final = 5.0
_MOST_BYTES: Final = 8 * 1024 * 1024

Ask = Callable[[str, str], "tuple[int, Any]"]  # method and path → status and JSON
_INDEX: Final = "/v2/repository/index"


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

        def ask(method: str, page: str) -> tuple[int, Any]:
            try:
                with client.stream(method, page, json=None if method == "GET" else {}) as answer:
                    content = b""
                    for piece in answer.iter_bytes():
                        content += piece
                        if len(content) > _MOST_BYTES:
                            return answer.status_code, None
            except httpx.TimeoutException:
                raise RuntimeSetupError(f"{url}: no answer to {method} {page} in {TIMEOUT_SECONDS:.0f} s") from None
            except httpx.HTTPError as error:
                raise RuntimeSetupError(
                    f"{url}: {str(error) or type(error).__name__}; is the server running?"
                ) from None
            try:
                return answer.status_code, json.loads(content)
            except (ValueError, RecursionError):
                return answer.status_code, None

        return detect(ask, url, model, path)


def detect(ask: Ask, url: str, model: str, path: str = "") -> Signature:
    """The first protocol that the server speaks: OIP, then TF Serving, then what its OpenAPI page describes."""
    found = _oip(ask, url, model) or _tfserving(ask, model) or _openapi(ask, path)
    if found is not None:
        return found
    raise RuntimeSetupError(
        f"{url}: speaks neither OIP (/v2), nor TF Serving (/v1/models/NAME), nor has it an /openapi.json; "
        "say what it speaks: --protocol json (or opaque), or leave --upstream out"
    )


def _ok(status: int) -> bool:
    return 200 <= status < 300


def _oip(ask: Ask, url: str, model: str) -> Signature | None:
    if not any(_ok(ask("GET", path)[0]) for path in ("/v2/health/live", "/v2/health/ready", "/v2")):
        return None
    name = model or _only_model(ask, url)
    if not name:
        return Signature(protocol="oip", notes=("The server does not list its models; name yours: --model NAME.",))
    status, document = ask("GET", f"/v2/models/{quote(name, safe='')}")
    if status == 404:
        listed = _models(ask)
        known = f"; it has {_told(listed)}" if listed else ""
        raise RuntimeSetupError(f"{url}: the server does not have the model {name!r}{known}")
    if not _ok(status):
        raise RuntimeSetupError(f"{url}: GET /v2/models/{name} answered {status}")
    try:
        return from_oip(document)
    except ValueError as error:
        raise RuntimeSetupError(f"{url}: GET /v2/models/{name}: {error}") from None


def _only_model(ask: Ask, url: str) -> str:
    """The model's name where a server has one, "" where it lists none."""
    names = _models(ask)
    if len(names) > 1:
        raise RuntimeSetupError(f"{url}: the server has {_told(names)}; choose one with --model NAME")
    return names[0] if names else ""


def _models(ask: Ask) -> list[str]:
    """The models that a server lists: KServe and others by GET, MLServer and Triton in their repository's index, where
    those that are not ready do not count beside those that are."""
    status, document = ask("GET", "/v2/models")
    listed = document.get("models") if _ok(status) and isinstance(document, dict) else None
    if not isinstance(listed, list):
        status, document = ask("POST", _INDEX)
        listed = document if _ok(status) and isinstance(document, list) else []
        ready = [each for each in listed if isinstance(each, dict) and each.get("state") == "READY"]
        listed = ready or listed
    found = [each.get("name") if isinstance(each, dict) else each for each in listed]
    return list(dict.fromkeys(name for name in found if isinstance(name, str) and name))


def _told(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _tfserving(ask: Ask, model: str) -> Signature | None:
    if not model:
        status, document = ask("GET", "/v1/models")
        listed = document.get("models") if _ok(status) and isinstance(document, dict) else None
        return Signature(protocol="tfserving", notes=("Name the model: --model NAME.",)) if listed else None
    path = f"/v1/models/{quote(model, safe='')}"
    status, _ = ask("GET", path)
    if not _ok(status):
        return None
    status, document = ask("GET", f"{path}/metadata")
    try:
        found = from_tfserving(document) if _ok(status) else Signature(protocol="tfserving")
    except ValueError:
        found = Signature(protocol="tfserving")
    if found.features:
        return Signature(found.features, found.predictions, "tfserving", model)
    return Signature(protocol="tfserving", model=model, notes=("The server states no inputs: infer them from data.",))


def _openapi(ask: Ask, path: str) -> Signature | None:
    status, document = ask("GET", "/openapi.json")
    if not _ok(status):
        return None
    try:
        return from_openapi(document, path)
    except ValueError as error:
        return Signature(protocol="json", notes=(f"/openapi.json: {error}.",))
