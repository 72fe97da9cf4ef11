"""The loader process: a `LoadRequest` on standard input, a `LoadResult` on standard output.

It reads, merges, checks and compiles everything a worker will, so that what it accepts a worker can serve.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from .. import policy as room
from ..contract.sections import ModeByCaller
from ..errors import RuntimeSetupError
from ..policy import Loaded, Platform, Policy
from ..policy.urls import fault_of
from ..upstream import parse_address
from ..yamldoc import Finding as YamlFinding
from .compile import compile_guard, limits_of
from .messages import Finding, JournalFacts, LoadRequest, LoadResult, PolicyFacts

CPU_SECONDS: Final = 60
# Read and checked, and without effect in this version: they are for the observers.
POLICY_KEYS: Final = (("watch", ("drift", "actions", "bias")), ("feedback", ("holdout", "perturb", "loops")))
PLATFORM_SECTIONS: Final = ("forward", "shared")
_FIXED: Final = ("callers", "journal", "trace")


def load(request: LoadRequest) -> LoadResult:
    """Never raises for what files say."""
    paths = [Path(path) for path in request.paths]
    config = Path(request.config) if request.config else None
    upstream = "" if request.upstream.startswith("unix:") else request.upstream
    fault = _flag_fault(request.upstream)
    if fault:
        return LoadResult(findings=(Finding(code="upstream.bad", message=f"--upstream {fault}"),))
    if not paths and config is None:
        loaded = Loaded((), Platform(), ())
    else:
        loaded = room.load(paths, config=config, upstream=upstream)
    own, overrides = loaded.platform.environment or "", tuple(loaded.platform.environments)
    chosen = request.environment
    if chosen and (chosen in overrides or not own) and (paths or config is not None):
        loaded = room.load(paths, config=config, environment=chosen, upstream=upstream)
    findings = [_finding(finding) for finding in loaded.findings]
    if loaded.errors:
        return LoadResult(findings=tuple(findings), used=loaded.used)
    platform = loaded.platform
    default = request.upstream or platform.upstream.url or _only(loaded.policies)
    policies = []
    for policy in loaded.policies:
        try:
            compile_guard(policy)
        except ValueError as error:
            findings.append(Finding(code="policy.unusable", message=f"policy {policy.name}: {error}"))
        policies.append(_facts(policy, replaced=bool(request.upstream)))
    if not default and not (policies and all(policy.upstream for policy in policies)):
        findings.append(
            Finding(
                code="upstream.none",
                message="nobody says where the model is",
                hint="give --upstream http://host:port, or `upstream: {url: …}` in sidecar.yaml",
            )
        )
    usable = not any(finding.severity == "error" for finding in findings)
    return LoadResult(
        findings=tuple(findings),
        policies=tuple(policies) if usable else None,
        platform=room.platform_to_canonical(platform).decode(),
        restart_key=repr([getattr(platform, name) for name in _FIXED] + [limits_of(loaded.policies, platform)]),
        upstream=default or (policies[0].upstream if policies else ""),
        environment=platform.environment or chosen,
        file_environment=own,
        file_environments=overrides,
        journal=msgspec.convert(platform.journal, JournalFacts, from_attributes=True),
        not_acted_on=tuple(name for name in PLATFORM_SECTIONS if getattr(platform, name)),
        used=loaded.used,
    )


def _flag_fault(url: str) -> str:
    """Why this address cannot be the upstream; the files' own are judged with their place."""
    if not url:
        return ""
    try:
        parse_address(url)
    except RuntimeSetupError as error:
        return str(error).removeprefix("upstream ")
    why = "" if url.startswith("unix:") else fault_of(url)
    return f"{url!r}: {why}" if why else ""


def _facts(policy: Policy, *, replaced: bool) -> PolicyFacts:
    mode = policy.contract.mode
    versions = policy.model.versions
    return PolicyFacts(
        name=policy.name,
        version=policy.version or "",
        digest=room.digest(policy),
        canonical=room.to_canonical(policy).decode(),
        mode=_strongest(mode) if isinstance(mode, ModeByCaller) else mode.value,
        modes=_by_caller(mode) if isinstance(mode, ModeByCaller) else "",
        path=policy.model.path or "",
        protocol=policy.model.protocol,
        model_name=policy.model.name or "",
        model_versions=tuple(versions),
        model_digest=policy.model.digest or "",
        stop_on_mismatch=policy.model.on_mismatch == "stop",
        upstream="" if replaced else policy.upstream.url or "",
        not_acted_on=tuple(
            f"{section}.{name}"
            for section, names in POLICY_KEYS
            for name in names
            if getattr(getattr(policy, section), name, None)
        ),
    )


def _strongest(mode: ModeByCaller) -> str:
    modes = {mode.default, *mode.callers.values()}
    return next(word for word in ("enforce", "observe", "off") if word in modes)


def _by_caller(mode: ModeByCaller) -> str:
    others: dict[str, list[str]] = {}
    for caller, each in sorted(mode.callers.items()):
        others.setdefault(each.value, []).append(caller)
    told = [f"{each} for {', '.join(names[:3])}{', …' * (len(names) > 3)}" for each, names in others.items()]
    return ", ".join([mode.default.value, *told])


def _only(policies: tuple[Policy, ...]) -> str:
    urls = {policy.upstream.url for policy in policies}
    return (urls.pop() or "") if len(urls) == 1 else ""


def _finding(finding: YamlFinding) -> Finding:
    return Finding(
        code=finding.code,
        message=finding.message,
        hint=finding.hint,
        severity=finding.severity,
        file=finding.file,
        line=finding.line,
        column=finding.column,
    )


def main() -> int:
    """One request, one result."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadRequest)
    sys.stdout.buffer.write(msgspec.json.encode(load(request)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
