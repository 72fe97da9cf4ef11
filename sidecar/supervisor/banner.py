"""What is said when serving begins: where, by which policies, how strictly, what is kept, and what is not acted on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .. import __version__
from ..runtime.messages import LoadResult, PolicyFacts
from ..runtime.settings import ServeSettings

_SHORT_DIGEST = 15


def banner(settings: ServeSettings, addresses: Mapping[str, str], journal: Path, loaded: LoadResult) -> str:
    """Plain lines for stderr."""
    policies = loaded.policies or ()
    scheme = "https" if settings.tls_cert else "http"
    lines = [f"sidecar {__version__} is serving"]
    lines.append(_row("data", f"{_url(scheme, addresses['listen'])}  →  {loaded.upstream}"))
    if "health" in addresses:
        lines.append(_row("health", f"{_url('http', addresses['health'])}  /healthz /readyz /metrics"))
    if "admin" in addresses:
        page = "  the page, /api/*, /metrics" if settings.observers == "on" else ""
        lines.append(_row("admin", _url("http", addresses["admin"]) + page))
    lines += [_policy(policy) for policy in policies]
    lines.append(_row("journal", f"{journal}  (at most {_size(loaded.journal.max_bytes)})"))
    if settings.observers == "off":
        lines.append(_row("observers", "off here; run them with: sidecar observe --data DIR"))
    if loaded.environment:
        lines.append(_row("environment", loaded.environment))
    lines += [_row("not acted on", text) for text in _idle(loaded)]
    if not policies:
        lines.append("OBSERVING ONLY: no policy is loaded. Requests are passed and recorded, nothing is checked.")
        lines.append("Give one with --policy FILE.")
    elif all(policy.mode != "enforce" for policy in policies):
        lines.append("OBSERVING ONLY: no policy enforces. Violations are recorded, nothing is refused or repaired.")
        lines.append("Set contract.mode: enforce when the recorded verdicts are what you want.")
    return "\n".join(lines)


def _policy(policy: PolicyFacts) -> str:
    version = f"@{policy.version}" if policy.version else ""
    model = policy.path or policy.model_name or "any model"
    upstream = f" at {policy.upstream}" if policy.upstream else ""
    mode = (policy.modes or policy.mode).replace("enforce", "ENFORCE")
    text = f"{policy.name}{version}  {mode}  {policy.protocol} {model}{upstream}  {policy.digest[:_SHORT_DIGEST]}"
    return _row("policy", text)


def _idle(loaded: LoadResult) -> list[str]:
    """Keys that are read and checked, and have no effect in this version."""
    texts = [f"{name} of sidecar.yaml" for name in loaded.not_acted_on]
    for policy in loaded.policies or ():
        if policy.not_acted_on:
            texts.append(f"{', '.join(policy.not_acted_on)} of policy {policy.name}")
    return texts


def _row(label: str, text: str) -> str:
    return f"  {label:<13}{text}"


def _url(scheme: str, address: str) -> str:
    return address if address.startswith("unix:") else f"{scheme}://{address}"


def _size(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
