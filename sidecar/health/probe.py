"""Ask the model server who it is: is it ready, does it have each policy's model, in which version?

| protocol | ready | model and version |
| --- | --- | --- |
| oip | GET /v2/health/ready, /v2/models/{name}/ready | GET /v2/models/{name}: `name`, `versions`, a stated digest; where that states no version (MLServer), POST /v2/repository/index: `version` of what is READY |
| tfserving | the model's status AVAILABLE | GET /v1/models/{name}: `model_version_status` |
| mlflow, sagemaker | GET /ping | not stated |
| others | a connection is accepted | not stated |

Only the configured upstream is asked, without proxy settings of the environment and without following redirects.
"""  # noqa: E501

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from ..runtime.messages import IdentityState, PolicyFacts
from ..upstream.address import Address

TIMEOUT_SECONDS: Final = 2.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
_NO_SUCH_ROUTE: Final = (404, 405, 501)
_PING: Final = ("mlflow", "sagemaker")


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the server says of one policy's model. `version` is what it serves, "" = not stated or several."""

    ready: bool = True
    identity: IdentityState = "unstated"
    version: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at the upstream. `models` by policy name."""

    ready: bool
    detail: str = ""
    models: dict[str, ModelAnswer] = field(default_factory=dict)


class Prober:
    """One upstream, one client. `look` never raises for what the upstream does."""

    def __init__(self, address: Address, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address
        self._timeout = timeout_seconds
        trusted = address.ssl_context() or False  # the same roots as for the requests themselves
        transport = httpx.AsyncHTTPTransport(verify=trusted, uds=address.path or None, trust_env=False, retries=0)
        base = "http://localhost" if address.path else address.url
        self._client = httpx.AsyncClient(
            base_url=base,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_seconds,
            headers={"user-agent": "sidecar-probe", "accept": "application/json"},
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def look(self, policies: Sequence[PolicyFacts]) -> Probe:
        """Ready, and each policy's model."""
        try:
            async with asyncio.timeout(self._timeout * 2):
                await self._connect()
                ready, detail = await self._server(policies)
                models = {policy.name: await self._model(policy) for policy in policies} if ready else {}
                return Probe(ready, detail, models)
        except (OSError, TimeoutError, httpx.HTTPError) as error:
            return Probe(False, f"{self._address.url}: {_sentence(error)}")

    async def _connect(self) -> None:
        address = self._address
        async with asyncio.timeout(self._timeout):
            if address.path:
                _, writer = await asyncio.open_unix_connection(address.path)
            else:
                _, writer = await asyncio.open_connection(address.host, address.port)
        writer.close()

    async def _server(self, policies: Sequence[PolicyFacts]) -> tuple[bool, str]:
        protocols = {policy.protocol for policy in policies}
        if "oip" in protocols:
            status, _ = await self._get("/v2/health/ready")
            # OIP says 4xx = not ready; a small server without that route says 404, too: it can only be asked to answer
            if status // 100 != 2 and status not in _NO_SUCH_ROUTE:
                return False, f"GET /v2/health/ready answered {status}"
        if protocols & set(_PING):
            status, _ = await self._get("/ping")
            if status // 100 != 2 and status not in _NO_SUCH_ROUTE:
                return False, f"GET /ping answered {status}"
        return True, ""

    async def _model(self, policy: PolicyFacts) -> ModelAnswer:
        if not policy.model_name:
            return ModelAnswer(detail="the policy names no model")
        if policy.protocol == "oip":
            return await self._oip(policy)
        if policy.protocol == "tfserving":
            return await self._tfserving(policy)
        return ModelAnswer(detail=f"{policy.protocol or 'this protocol'} has no route that states a version")

    async def _oip(self, policy: PolicyFacts) -> ModelAnswer:
        path = f"/v2/models/{quote(policy.model_name, safe='')}"
        status, document = await self._get(path)
        ready, _ = await self._get(f"{path}/ready")
        if status in _NO_SUCH_ROUTE and ready in _NO_SUCH_ROUTE:
            health, _ = await self._get("/v2/health/ready")
            if health in _NO_SUCH_ROUTE:
                return ModelAnswer(detail="the server has no metadata routes")
            return ModelAnswer(False, detail=f"the server does not have the model {policy.model_name!r}")
        if ready // 100 != 2 and ready not in _NO_SUCH_ROUTE:
            return ModelAnswer(False, detail=f"GET {path}/ready answered {ready}")
        if status // 100 != 2 or not isinstance(document, dict):
            return ModelAnswer(detail=f"GET {path} answered {status} without metadata")
        stated_name = document.get("name")
        if isinstance(stated_name, str) and stated_name != policy.model_name:
            return ModelAnswer(True, "mismatch", detail=f"the server calls it {stated_name[:80]!r}")
        served = _texts(document.get("versions")) or await self._indexed(policy.model_name)
        return judge_identity(policy, served, _stated_digest(document))

    async def _indexed(self, name: str) -> tuple[str, ...]:
        """Versions of the model that the repository's index has as ready; () where there is no index or it is silent.

        The index is the protocol's model repository extension: a question, though it is a POST.
        """
        status, rows = await self._get("/v2/repository/index", method="POST")
        if status // 100 != 2 or not isinstance(rows, list):
            return ()
        ours = [row for row in rows if isinstance(row, dict) and row.get("name") == name]
        return _texts([row.get("version") for row in ours if row.get("state") == "READY" and row.get("version")])

    async def _tfserving(self, policy: PolicyFacts) -> ModelAnswer:
        path = f"/v1/models/{quote(policy.model_name, safe='')}"
        status, document = await self._get(path)
        if status == 404:
            return ModelAnswer(False, detail=f"the server does not have the model {policy.model_name!r}")
        if status // 100 != 2 or not isinstance(document, dict):
            return ModelAnswer(status in _NO_SUCH_ROUTE, detail=f"GET {path} answered {status}")
        rows = document.get("model_version_status")
        if not isinstance(rows, list):
            ready = document.get("ready", True)  # KServe's V1 servers say {"name", "ready"}
            return ModelAnswer(ready in (True, "True", "true"), detail=f"GET {path} states no version")
        available = [row for row in rows if isinstance(row, dict) and row.get("state") == "AVAILABLE"]
        if not available:
            return ModelAnswer(False, detail="no version of the model is AVAILABLE")
        return judge_identity(policy, _texts([row.get("version") for row in available]), "")

    async def _get(self, path: str, *, method: str = "GET") -> tuple[int, Any]:
        """(status, decoded JSON or None). A longer answer than anyone states its name in is cut off."""
        async with self._client.stream(method, path, json={} if method == "POST" else None) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    return answer.status_code, None
        try:
            return answer.status_code, msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return answer.status_code, None


def judge_identity(policy: PolicyFacts, served: tuple[str, ...], digest: str) -> ModelAnswer:
    """The versions a server states against those a policy pins. Two served, one pinned: its answers must tell."""
    version = served[0] if len(served) == 1 else ""
    if policy.model_digest and digest and digest != policy.model_digest:
        return ModelAnswer(True, "mismatch", version, f"the server states the digest {digest[:80]}")
    pinned = policy.model_versions
    if not pinned:
        return ModelAnswer(True, "match" if policy.model_digest and digest else "unstated", version)
    if not served:
        same_digest = bool(policy.model_digest and digest)
        return ModelAnswer(True, "match" if same_digest else "unstated", "", "the server states no version")
    listed = ", ".join(served)[:200]
    if not set(served) & set(pinned):
        return ModelAnswer(True, "mismatch", version, f"the server has version {listed}, pinned: {', '.join(pinned)}")
    if set(served) <= set(pinned):
        return ModelAnswer(True, "match", version)
    return ModelAnswer(True, "unstated", "", f"the server has versions {listed}: each answer's own version decides")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(str(item) for item in value[:64] if isinstance(item, str | int) and not isinstance(item, bool))


def _stated_digest(document: dict[str, Any]) -> str:
    parameters = document.get("parameters")
    stated = document.get("digest") or (parameters.get("digest") if isinstance(parameters, dict) else None)
    return stated if isinstance(stated, str) else ""


def _sentence(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error)[:200] or type(error).__name__
