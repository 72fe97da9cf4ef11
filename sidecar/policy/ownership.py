"""Who answers for a broken check, and where its value comes from: "whose fault is it?" in one place."""

from __future__ import annotations

from typing import NamedTuple

from ..contract.rules import PREFIX
from .sections import Policy


class Responsible(NamedTuple):
    """What the policy says of the feature, prediction or rule behind a code; "" = unsaid."""

    owner: str = ""
    contact: str = ""
    source: str = ""
    unit: str = ""
    description: str = ""
    review_by: str = ""  # the day by which somebody must look at the policy again


def responsible_by_name(policy: Policy) -> dict[str, Responsible]:
    """`responsible_for` of every feature, prediction and `rule.ID`; "" for what the policy does not name."""
    contract = policy.contract
    rules = (f"{PREFIX}{rule.id}" for rule in contract.rules)
    found = {name: responsible_for(policy, name, "") for name in (*contract.prediction, *contract.features)}
    return {"": responsible_for(policy, "", ""), **found, **{code: responsible_for(policy, "", code) for code in rules}}


def contacts_of(policy: Policy) -> dict[str, str]:
    """Whom callers ask, where it is not the policy's owner: by feature, by prediction, by `rule.ID`."""
    contract = policy.contract
    owners = {name: checks.owner for name, checks in (*contract.prediction.items(), *contract.features.items())}
    owners |= {f"{PREFIX}{rule.id}": rule.owner for rule in contract.rules}
    return {name: owner.contact for name, owner in owners.items() if owner is not None and owner.contact}


def responsible_for(policy: Policy | None, name: str, code: str) -> Responsible:
    """The feature's (or rule's) own owner, else the policy's. `name` is the feature or prediction of the violation."""
    if policy is None:
        return Responsible()
    contract = policy.contract
    owner, source, description, unit = None, "", "", ""
    feature = contract.features.get(name)
    checks = feature or contract.prediction.get(name)
    if checks is not None:
        owner, description, unit = checks.owner, checks.description, checks.unit or checks.units
    if feature is not None:
        source = feature.source
    for rule in contract.rules:
        if code == f"{PREFIX}{rule.id}":
            owner, description = rule.owner, rule.description
    owner = owner or policy.owner
    team, contact = (owner.team, owner.contact) if owner is not None else ("", "")
    contact = contact or (policy.owner.contact if policy.owner is not None else "")
    review_by = (policy.lineage.review_by or "") if policy.lineage is not None else ""
    return Responsible(team, contact, source, unit, description, review_by)
