"""`sidecar check --upstream`: ask the model's server what it serves, and hold each policy beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import httpx

from ..errors import RuntimeSetupError, SidecarError
from ..policy import Loaded, Policy
from ..policy.metadata import Stated, against, not_compared, stated_by_names, stated_by_oip, versions_in_index
from ..upstream.address import parse_address
from ..yamldoc import Finding
from .infer_model import ask_model

TIMEOUT_SECONDS = 5.0


def beside(loaded: Loaded, url: str) -> Iterator[Finding]:
    """What each policy expects and the server states otherwise; `model.unreachable` where it could not be asked."""
    for parsed in loaded.parsed:
        policy = parsed.value
        if policy is None or policy.model.protocol == "opaque":
            continue
        try:
            stated = _stated(policy, url)
            found = [*against(policy, stated), *not_compared(policy, stated)]
        except SidecarError as error:
            found = [Finding("model.unreachable", str(error), path=("model",))]
        for finding in found:
            yield parsed.place(finding)


def _stated(policy: Policy, url: str) -> Stated:
    name = policy.model.name or ""
    if not name and policy.model.protocol in ("oip", "tfserving"):
        raise RuntimeSetupError("the policy does not say which model of the server is meant: say `model: {name: …}`")
    if policy.model.protocol != "oip":
        return stated_by_names([guess.name for guess in ask_model(url, name, policy.model.path or "").features])
    ask_model(url, name)  # says in its own words why there is nothing to ask
    address = parse_address(url)
    transport = httpx.HTTPTransport(verify=address.ssl_context() or False, uds=address.path or None, trust_env=False)
    base = "http://localhost" if address.path else address.url
    with httpx.Client(base_url=base, transport=transport, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
        try:
            stated = stated_by_oip(client.get(f"/v2/models/{quote(name, safe='')}").json())
            if stated.versions is None:  # MLServer states them in the repository's index: a question, though a POST
                index = client.post("/v2/repository/index", json={})
                stated = replace(stated, versions=versions_in_index(index.json(), name) if index.is_success else None)
            return stated
        except (httpx.HTTPError, ValueError):
            return Stated()
