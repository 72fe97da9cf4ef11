"""Trees of policies and platform → what holds: defaults laid under, the environment and the command line on top.

Order of authority for one key: the command line, then the selected environment, then the policy, then the platform's
section or its `defaults:`, then the default. Two documents that state one platform key differently are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..yamldoc import Finding, Keys, Node, Parsed, Place, Scalar, bind
from .merging import at, disagreements, only, put, section_of, spelled, under, without
from .platform import Platform
from .sections import PROCESS_WIDE, Policy

COMMAND_LINE: Final = Place("command line")


@dataclass(frozen=True)
class ResolvedTrees:
    """Every policy and the platform, bound from their merged trees."""

    policies: tuple[Parsed[Policy], ...]
    platform: Parsed[Platform]
    findings: tuple[Finding, ...]


def resolve(roots: Sequence[Keys], stated: Keys, *, environment: str, upstream: str) -> ResolvedTrees:
    """Merge and bind. `stated` is the platform file's tree (empty where there is none)."""
    findings: list[Finding] = []
    platform = _pool(stated, roots, findings)
    environment = _environment(platform, environment, findings)
    override = section_of(section_of(platform, "environments"), environment)
    if environment and environment != _text(platform.get("environment")):
        platform = put(platform, ("environment",), _said(environment))
    effective = platform
    everywhere = _said(upstream) if upstream else at(override, ("upstream",))
    if isinstance(everywhere, Scalar):
        effective = put(effective, ("upstream", "url"), everywhere)
    hosts = at(override, ("hosts",))
    if hosts is not None:
        effective = put(effective, ("hosts",), hosts)
    parsed_platform = bind(effective, Platform)
    findings.extend(parsed_platform.findings)
    if any(finding.path[:1] == ("defaults",) for finding in parsed_platform.findings):
        platform = without(platform, "defaults")  # told once, not again in each policy
    policies = []
    for root in roots:
        found = bind(_policy(root, platform, override, upstream, findings), Policy)
        findings.extend(found.findings)
        policies.append(found)
    return ResolvedTrees(tuple(policies), parsed_platform, tuple(findings))


def _said(text: str) -> Scalar:
    return Scalar(text, COMMAND_LINE, quoted=True)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _pool(platform: Keys, roots: Sequence[Keys], findings: list[Finding]) -> Keys:
    """The platform's tree with the process-wide sections that policies carry; what differs is a finding."""
    pool = platform
    for root in roots:
        for name in PROCESS_WIDE:
            node = root.get(name)
            if node is not None:
                findings.extend(disagreements(node, pool.get(name), (name,)))
                pool = under(pool, only(root, name))
    return pool


def _environment(platform: Keys, wanted: str, findings: list[Finding]) -> str:
    """The environment in force."""
    stated = platform.get("environment")
    own = _text(stated)
    others = section_of(platform, "environments")
    known = dict.fromkeys((own, *others.entries) if others is not None else (own,))
    if wanted and own and stated is not None and wanted not in known:
        place = stated.place
        message = f"this is for the environment `{own}`, not for `{wanted}`"
        hint = f"name one of {', '.join(known)}, or add it to `environments:`"
        path = ("environment",)
        findings.append(
            Finding("environment.unknown", message, hint, "error", path, place.file, place.line, place.column)
        )
    return wanted or own


def _policy(root: Keys, platform: Keys, override: Keys | None, upstream: str, findings: list[Finding]) -> Keys:
    """One policy's tree as it holds."""
    own_url = at(root, ("model", "upstream"))
    findings.extend(disagreements(at(root, ("upstream", "url")), own_url, ("upstream", "url")))
    url = _chosen_url(root, override, upstream)
    if url is None:
        findings.extend(disagreements(own_url, at(platform, ("upstream", "url")), ("model", "upstream")))
        findings.extend(disagreements(root.get("upstream"), platform.get("upstream"), ("upstream",)))
    merged = under(without(root, *PROCESS_WIDE), section_of(platform, "defaults"))
    model = section_of(merged, "model")
    if own_url is not None and model is not None:
        merged = put(put(merged, ("model",), without(model, "upstream")), ("upstream", "url"), own_url)
    merged = under(merged, only(platform, "upstream", "environment"))
    if url is not None:
        _say_overridden(at(merged, ("upstream", "url")), upstream, findings)
        merged = put(merged, ("upstream", "url"), url)
    mode, sample = at(override, ("mode",)), at(override, ("sample",))
    if mode is not None:
        merged = put(merged, ("contract", "mode"), mode)
    if sample is not None:
        merged = put(merged, ("capture", "sample"), sample)
    return merged


def _chosen_url(root: Keys, override: Keys | None, upstream: str) -> Scalar | None:
    """The URL that the command line or the environment sets for this policy, if any."""
    if upstream:
        return _said(upstream)
    url: Node | None = at(override, ("upstream",))
    if isinstance(url, Keys):
        url = url.get(_text(root.get("policy")))
    return url if isinstance(url, Scalar) else None


def _say_overridden(stated: Node | None, upstream: str, findings: list[Finding]) -> None:
    if upstream and stated is not None and spelled(stated) != spelled(_said(upstream)):
        place, path = stated.place, ("upstream", "url")
        message = f"{spelled(stated)} gives way to --upstream {spelled(_said(upstream))}"
        findings.append(
            Finding("upstream.overridden", message, "", "warning", path, place.file, place.line, place.column)
        )
