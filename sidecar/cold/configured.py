"""Which observers run, and with which part of the resolved settings. Pure: the only place that knows their sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from ..policy import Platform, Policy
from ..policy.platform import Archive
from ..policy.urls import allowed, host_of
from ..policy.watching import watching_of
from ..profiles import Watching

DEFAULT_FOLDER: Final = "archive"
DEFAULT_ARCHIVE_BYTES: Final = 5 * 2**30
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def configured(
    kinds: Iterable[str],
    platform: Platform,
    policies: Sequence[Policy],
    environ: Mapping[str, str],
    access: str = "",
    room_bytes: int | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """({observer: its section}, {observer that does not run: why}). `access`: where access lines go, "" or off;
    `room_bytes`: what the volume of the data folder has for an archive, None = nobody knows."""
    running: dict[str, Any] = {}
    idle: dict[str, str] = {}
    for kind in kinds:
        why = _why_not(kind, platform, policies, environ, access)
        if why:
            idle[kind] = why
        else:
            running[kind] = access if kind == "access" else _section(kind, platform, policies, room_bytes)
    if "traces" in running and "metrics" in running:
        running["metrics"] = platform.trace  # exemplars lead to traces that are exported
    return running, idle


def archive_of(platform: Platform, room_bytes: int | None = None) -> Archive:
    """Where rows go, how much and how often. Where no folder is stated, nobody thought of a limit: there is one."""
    stated = platform.archive or Archive()
    if stated.to is not None:
        return stated
    most = DEFAULT_ARCHIVE_BYTES if room_bytes is None else min(DEFAULT_ARCHIVE_BYTES, room_bytes)
    return replace(stated, to=DEFAULT_FOLDER, max_bytes=most if stated.max_bytes is None else stated.max_bytes)


def _section(kind: str, platform: Platform, policies: Sequence[Policy], room_bytes: int | None) -> Any:
    """An observer is started again when this changes; None = it has no section."""
    match kind:
        case "archive":
            return archive_of(platform, room_bytes)
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
