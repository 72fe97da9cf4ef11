"""Which observers run, and with which part of the resolved settings. Pure: the only place that knows their sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

from ..policy import Platform, Policy
from ..policy.platform import Archive
from ..policy.urls import allowed, host_of
from ..policy.watching import watching_of
from ..profiles import Watching

DEFAULT_ARCHIVE: Final = Archive(to="archive", max_bytes=5 * 2**30)
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def configured(
    kinds: Iterable[str], platform: Platform, policies: Sequence[Policy], environ: Mapping[str, str], access: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """({observer: its section}, {observer that does not run: why}). `access`: where access lines go, "" or off."""
    running: dict[str, Any] = {}
    idle: dict[str, str] = {}
    for kind in kinds:
        why = _why_not(kind, platform, policies, environ, access)
        if why:
            idle[kind] = why
        else:
            running[kind] = access if kind == "access" else section_of(kind, platform, policies)
    if "traces" in running and "metrics" in running:
        running["metrics"] = platform.trace  # exemplars lead to traces that are exported
    return running, idle


def section_of(kind: str, platform: Platform, policies: Sequence[Policy]) -> Any:
    """An observer is started again when this changes; None = it has no section."""
    match kind:
        case "archive":
            return platform.archive or DEFAULT_ARCHIVE
        case "traces":
            return platform.trace
        case "alerts":
            return _watched(policies)
        case "shadow":
            return {policy.name: policy.shadow for policy in policies if policy.shadow}
        case _:
            return None


def _watched(policies: Sequence[Policy]) -> dict[str, Watching]:
    """What policies watch over windows, by name; without those that watch nothing."""
    watching = {policy.name: watching_of(policy) for policy in policies}
    return {name: each for name, each in watching.items() if each.limits}


def _why_not(kind: str, platform: Platform, policies: Sequence[Policy], environ: Mapping[str, str], access: str) -> str:
    if kind == "traces":
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return "OTEL_SDK_DISABLED is true"
        if platform.trace.to is None and not any(environ.get(name) for name in ENDPOINTS):
            return f"no collector is named: say `trace: {{to: URL}}` or set {ENDPOINTS[-1]}"
        if platform.trace.to is None and platform.hosts is not None:
            name = next(name for name in ENDPOINTS if environ.get(name))
            host = host_of(environ[name])
            if not allowed(host, platform.hosts):
                return f"the host {host!r} of {name} is not in `hosts:`"
    if kind == "archive" and platform.archive is None and find_spec("pyarrow") is None:
        return "pyarrow is not installed: pip install 'sidecar-guard[archive]'"
    if kind == "alerts" and not _watched(policies):
        return "no policy in force asks for alerts (repair_alert_above, watch:)"
    if kind == "access" and access in ("", "off"):
        return "nobody asked for access lines: --access-log stderr, or a file"
    if kind == "shadow" and not any(policy.shadow for policy in policies):
        return "no policy in force names a candidate (shadow:)"
    return ""
