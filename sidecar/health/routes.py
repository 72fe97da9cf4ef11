"""What the health and admin ports answer. GET never changes anything; `POST /api/reload` is on the admin port alone."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from .. import __version__
from ..journal import read_pages
from ..loopback import is_local
from ..telemetry import exposition
from .readiness import Readiness
from .server import JSON, TEXT, Answer, Request, Route

_READY: Final = {True: 200, False: 503}
_BUILD: Final = {"version": __version__}


def health_routes(data: Path, readiness: Callable[[], Readiness]) -> dict[str, Route]:
    """Read-only, without a token, for the cluster."""

    def healthz(request: Request) -> Answer:
        return Answer(200, TEXT, b"ok\n")

    def readyz(request: Request) -> Answer:
        now = readiness()
        name = request.query.get("policy")
        if name is None:
            return Answer(_READY[now.ready], JSON, _pretty(now))
        policy = now.of(name)
        if policy is None:
            known = [known.name for known in now.policies]
            return Answer(
                404, JSON, _pretty({"ready": False, "reasons": [f"no policy {name[:80]!r}"], "policies": known})
            )
        ready = policy.ready and not now.process_reasons
        reasons = (*now.process_reasons, *policy.reasons)
        body = {**msgspec.to_builtins(policy), "ready": ready, "reasons": list(dict.fromkeys(reasons))}
        return Answer(_READY[ready], JSON, _pretty(body))

    def metrics(request: Request) -> Answer:
        readings, _ = read_pages(data)
        pages = [reading.values for reading in readings]
        accept = request.headers.get("accept", "")
        content_type, text = exposition.render(accept, pages, policies_in_force(readiness()), info=_BUILD)
        return Answer(200, content_type, text)

    return {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}


def admin_routes(
    data: Path, readiness: Callable[[], Readiness], reload: Callable[[], None], token: str
) -> tuple[dict[str, Route], frozenset[str]]:
    """As the health routes, and what a person or a pipeline asks or does. (routes, those that are POST)"""

    def status(request: Request) -> Answer:
        return Answer(200, JSON, _pretty(readiness()))

    def ask_reload(request: Request) -> Answer:
        reload()
        return Answer(202, JSON, b'{"reload": "asked"}\n')

    def guarded(route: Route) -> Route:
        def answer(request: Request) -> Answer:
            if token:
                given = request.headers.get("authorization", "").removeprefix("Bearer ")
                if not hmac.compare_digest(given.encode(), token.encode()):
                    return Answer(401, TEXT, b"a token is needed: Authorization: Bearer ...\n")
            elif not is_local(request.headers.get("host", "")) or "origin" in request.headers:
                # a web page whose name was re-bound to 127.0.0.1 must not reach this port
                return Answer(421, TEXT, b"without a token this port answers for localhost only\n")
            return route(request)

        return answer

    routes = {**health_routes(data, readiness), "/api/status": status, "/api/reload": ask_reload}
    return {path: guarded(route) for path, route in routes.items()}, frozenset({"/api/reload"})


def policies_in_force(now: Readiness) -> list[exposition.Family]:
    """Per policy, so not of the fixed page: which is in force, and is it ready."""
    described: list[tuple[tuple[str, ...], exposition.Value]] = [
        ((p.name, p.version, p.digest, p.mode, p.identity), 1) for p in now.policies
    ]
    labels = ("policy", "version", "digest", "mode", "identity")
    ready: list[tuple[tuple[str, ...], exposition.Value]] = [((p.name,), int(p.ready)) for p in now.policies]
    return [
        exposition.Family("sidecar_policy_info", "info", "The policies in force.", labels, described),
        exposition.Family(
            "sidecar_policy_ready", "gauge", "1 while requests of this policy can be served.", ("policy",), ready
        ),
    ]


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
