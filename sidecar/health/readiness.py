"""Is serving possible, and what is not right, policy by policy? Pure: facts in, one answer out.

Not ready: draining, no worker, upstream down, wrong environment, journal refusing, every policy stopped. One stopped
policy of several makes only `?policy=NAME` unready. A refused reload is told and changes nothing: the last good policy
serves. Liveness is not decided here: a live process is live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ..runtime.messages import PolicyFacts
from .environment import EnvironmentCheck
from .probe import ModelAnswer, Probe


class PolicyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in /readyz."""

    name: str
    version: str
    digest: str
    mode: str
    ready: bool
    identity: str
    model_version: str
    reasons: tuple[str, ...]


class WorkersStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The serving processes in /readyz."""

    configured: int
    ready: int
    restarts: int
    in_flight: int


class JournalStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The journal in /readyz. `full_in_seconds` None = not growing; `dropped`: reason → records lost of late."""

    refusing: bool
    bytes: int
    max_bytes: int
    when_full: str
    full_in_seconds: float | None
    dropped: dict[str, int] = {}


class ObserverStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One observer in /readyz, where it is told and decides nothing."""

    name: str
    running: bool
    lag_seconds: float
    lag_bytes: int
    errors: int
    because: str


class ColdStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The cold half in /readyz. `state`: running | stalled | restarting | elsewhere | off."""

    state: str = "off"
    restarts: int = 0
    observers: tuple[ObserverStanding, ...] = ()


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /readyz."""

    ready: bool
    reasons: tuple[str, ...]
    process_reasons: tuple[str, ...]  # those that stop every policy
    warnings: tuple[str, ...]
    policies: tuple[PolicyStanding, ...]
    observing_only: bool
    upstreams: dict[str, bool]
    environment: str
    workers: WorkersStanding
    journal: JournalStanding
    version: str
    uptime_seconds: float
    cold: ColdStanding = ColdStanding()

    def of(self, name: str) -> PolicyStanding | None:
        """One policy."""
        return next((policy for policy in self.policies if policy.name == name), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything readiness depends on."""

    workers: WorkersStanding
    journal: JournalStanding
    policies: Sequence[PolicyFacts] = ()
    probes: Mapping[str, Probe] = field(default_factory=dict)  # by upstream
    environment: EnvironmentCheck = field(default_factory=lambda: EnvironmentCheck("", ""))
    upstream: str = ""
    draining: bool = False
    reload_refused: str = ""
    restart_needed: str = ""
    version: str = ""
    uptime_seconds: float = 0.0
    cold: ColdStanding = field(default_factory=ColdStanding)


def judge(facts: Facts) -> Readiness:
    """The one place that says ready."""
    process = tuple(_reasons(facts))
    reasons = list(process)
    policies = tuple(_policy(policy, facts) for policy in facts.policies)
    if policies and not reasons and not any(policy.ready for policy in policies):
        reasons += [f"policy {policy.name}: {reason}" for policy in policies for reason in policy.reasons]
    return Readiness(
        ready=not reasons,
        reasons=tuple(reasons),
        process_reasons=process,
        warnings=tuple(_warnings(facts, policies)),
        policies=policies,
        observing_only=all(policy.mode in ("observe", "off") for policy in facts.policies),
        upstreams={url: _asked(facts, url)[0] for url in _upstreams(facts)},
        environment=facts.environment.claimed,
        workers=facts.workers,
        journal=facts.journal,
        version=facts.version,
        uptime_seconds=round(facts.uptime_seconds, 3),
        cold=facts.cold,
    )


def _reasons(facts: Facts) -> list[str]:
    reasons = []
    if facts.draining:
        reasons.append("draining: this process is about to stop")
    if not facts.workers.ready:
        reasons.append("no worker is ready")
    asked = [_asked(facts, url) for url in _upstreams(facts)]
    if not any(ready for ready, _ in asked):
        reasons += [detail for _, detail in asked]
    if facts.environment.wrong:
        reasons.append(f"wrong environment: {facts.environment.wrong}")
    if facts.journal.refusing:
        reasons.append("the journal is full and journal.when_full is refuse_traffic: make room or raise max_bytes")
    return reasons


def _upstreams(facts: Facts) -> list[str]:
    """Those that requests go to: the policies' own, or the default one without policies."""
    return list(dict.fromkeys(policy.upstream or facts.upstream for policy in facts.policies)) or [facts.upstream]


def _asked(facts: Facts, url: str) -> tuple[bool, str]:
    probe = facts.probes.get(url)
    if probe is None:
        return False, f"the model server {url} has not been asked yet"
    return probe.ready, "" if probe.ready else f"the model server is not ready: {probe.detail}"


def _answer(policy: PolicyFacts, facts: Facts) -> ModelAnswer:
    probe = facts.probes.get(policy.upstream or facts.upstream)
    return probe.models.get(policy.name, ModelAnswer()) if probe is not None else ModelAnswer()


def _policy(policy: PolicyFacts, facts: Facts) -> PolicyStanding:
    ready, detail = _asked(facts, policy.upstream or facts.upstream)
    answer = _answer(policy, facts)
    reasons = [] if ready else [detail]
    if not answer.ready:
        reasons.append(answer.detail or "the model is not ready")
    if answer.identity == "mismatch" and policy.stop_on_mismatch:
        reasons.append(f"another model than the policy is for: {answer.detail}")
    return PolicyStanding(
        name=policy.name,
        version=policy.version,
        digest=policy.digest,
        mode=policy.mode,
        ready=not reasons,
        identity=answer.identity,
        model_version=answer.version,
        reasons=tuple(reasons),
    )


def _warnings(facts: Facts, policies: Sequence[PolicyStanding]) -> list[str]:
    warnings = []
    if facts.reload_refused:
        warnings.append(f"the last reload was refused, the policies before it are in force: {facts.reload_refused}")
    if facts.restart_needed:
        warnings.append(facts.restart_needed)
    if facts.journal.dropped:
        why = ", ".join(f"{count} {reason}" for reason, count in facts.journal.dropped.items())
        warnings.append(f"the journal cannot take every record; not recorded within a minute: {why}")
    if facts.environment.claimed and facts.environment.state == "unstated":
        warnings.append(
            f"environment {facts.environment.claimed}: nothing independent says so; "
            "set POD_NAMESPACE, pod labels or --environment"
        )
    for policy, standing in zip(facts.policies, policies, strict=True):
        answer = _answer(policy, facts)
        pinned = policy.model_versions or policy.model_digest
        if answer.identity == "mismatch" and not policy.stop_on_mismatch:
            warnings.append(f"policy {policy.name}: another model than the policy is for: {answer.detail}")
        elif standing.ready and pinned and answer.identity == "unstated":
            warnings.append(f"policy {policy.name}: the pinned version cannot be confirmed: {answer.detail}")
    return warnings
