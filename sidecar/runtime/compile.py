"""A resolved policy → a compiled guard: the same in the loader (to prove it can be done) and in every worker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .. import policy as room
from ..contract import Compiled, ContractSection, compile_contract
from ..guard import MAX_DECODED_BYTES, Candidate, Guard, Identity, Recording
from ..policy import Platform, Policy
from ..policy.ownership import contacts_of, responsible_by_name
from ..policy.slicing import slices_of


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """What holds for the whole data port; None = off. Seconds and bytes."""

    connect: float | None
    first_byte: float | None
    idle: float | None
    total: float | None
    max_in_flight: int | None
    max_body: int


def limits_of(policies: Sequence[Policy], platform: Platform) -> UpstreamLimits:
    """The policies' own limits (the platform's are laid under them already); where they differ, the loosest."""
    sections = [policy.upstream for policy in policies] or [platform.upstream]
    in_flight = _loosest(section.max_in_flight for section in sections)
    return UpstreamLimits(
        connect=_loosest(section.timeout.connect for section in sections),
        first_byte=_loosest(section.timeout.first_byte for section in sections),
        idle=_loosest(section.timeout.idle for section in sections),
        total=_loosest(section.timeout.total for section in sections),
        max_in_flight=None if in_flight is None else int(in_flight),
        max_body=max(section.max_body for section in sections),
    )


def _loosest(values: Iterable[float | None]) -> float | None:
    found = max(math.inf if value is None else value for value in values)
    return None if math.isinf(found) else found


def compile_guard(policy: Policy, *, own_upstream: bool = True) -> Guard:
    """ValueError with a sentence for the policy's author when it cannot work."""
    contract, findings = compile_contract(policy.contract)
    if contract is None:
        raise ValueError("; ".join(finding.message for finding in findings if finding.severity == "error"))
    model = policy.model
    if model.wire is None:
        raise ValueError(
            f"model.protocol {model.protocol}: this version cannot read it; use `opaque` to pass it unread"
        )
    codec = model.wire.bind(contract.features, contract.predictions)
    identity = Identity(
        name=policy.name,
        version=policy.version or "",
        digest=room.digest(policy),
        contact=policy.owner.contact if policy.owner is not None else "",
        contacts=contacts_of(policy),
        responsible=responsible_by_name(policy),
        model_name=model.name or "",
        model_versions=tuple(model.versions),
        model_path=model.path or "",
        protocol=model.protocol,
        stop_on_mismatch=model.on_mismatch == "stop",
        environment=policy.environment or "",
    )
    url = (policy.upstream.url or "") if own_upstream else ""
    decoded = max(MAX_DECODED_BYTES, policy.upstream.max_body)
    return Guard(
        identity,
        codec,
        contract,
        upstream=url,
        recording=_recording(policy, contract),
        max_decoded_bytes=decoded,
        candidate=_candidate(policy),
    )


def _candidate(policy: Policy) -> Candidate | None:
    section, wire = policy.contract.candidate, policy.model.wire
    if not isinstance(section, ContractSection) or wire is None:
        return None
    contract, findings = compile_contract(section)
    if contract is None:
        wrong = "; ".join(finding.message for finding in findings if finding.severity == "error")
        raise ValueError(f"contract.candidate: {wrong}")
    return Candidate(wire.bind(contract.features, contract.predictions), contract)


def _recording(policy: Policy, contract: Compiled) -> Recording:
    features, feedback = policy.contract.features, policy.feedback
    personal = {name: "hash" for name, feature in features.items() if feature.pii}
    label = feedback.label if feedback is not None else None
    return Recording(
        hidden={**personal, **policy.capture.hide},
        entity=(feedback.entity or "") if feedback is not None else "",
        label_key=(label.key_ or "") if label is not None else "",
        sample=policy.capture.sample,
        slice_only=frozenset(name for name, feature in features.items() if feature.role == "slice_only"),
        slices=slices_of(policy, contract),
    )
