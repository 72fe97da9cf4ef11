"""What the tests of this room say things with: policies from mappings, one feature or output that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sidecar.compatibility import Change, Comparison, Compatibility, compare
from sidecar.policy import Policy
from sidecar.yamldoc import parse

Keys = Mapping[str, Any]


def policy(contract: Keys | None = None, *, version: str = "1.0.0", **sections: Any) -> Policy:
    """A resolved policy; the contract enforces unless it says otherwise."""
    document = {
        "policy": "credit",
        "version": version,
        "owner": {"team": "risk"},
        "model": {"protocol": "tfserving"},
        "contract": {"mode": "enforce", **(contract or {})},
        **sections,
    }
    parsed = parse(json.dumps(document), Policy, file="policy.yaml")
    assert parsed.value is not None, [finding.message for finding in parsed.findings]
    return parsed.value


def contracts(old: Keys, new: Keys, mode: Compatibility = Compatibility.BACKWARD) -> Comparison:
    return compare(policy(old), policy(new), mode)


def feature(old: Keys, new: Keys, **contract: Any) -> Comparison:
    """The feature `x` in two contracts that are otherwise the same."""
    return contracts({"features": {"x": old}, **contract}, {"features": {"x": new}, **contract})


def output(old: Keys, new: Keys) -> Comparison:
    """The prediction `score` in two contracts."""
    fallback = {"fallback": {"values": {"score": 1}}}
    return contracts({"prediction": {"score": old}, **fallback}, {"prediction": {"score": new}, **fallback})


def only(comparison: Comparison) -> Change:
    (change,) = comparison.changes
    return change


def views(comparison: Comparison) -> tuple[str, str, str, str]:
    """(caller, model, monitor, bump) of the only change."""
    change = only(comparison)
    caller, model, monitor, _ = change.verdicts
    return caller.value, model.value, monitor.value, change.bump.value


BREAKING = ("breaking", "safe", "-", "major")
WIDENED = ("safe", "needs evidence", "-", "minor")
SEMANTIC = ("semantic", "needs evidence", "-", "minor")
UNKNOWN = ("unknown", "needs evidence", "-", "author decides")
WATCHED = ("safe", "safe", "changed", "patch")
TEXT = ("safe", "safe", "-", "patch")
IDENTITY = ("safe", "identity", "-", "author decides")
BREAKING_ANSWER = ("breaking", "-", "-", "major")
NARROWED_ANSWER = ("safe", "-", "-", "minor")
UNKNOWN_ANSWER = ("unknown", "-", "-", "author decides")


INT: dict[str, Any] = {"type": "int", "min": 0, "max": 120}
RULE: dict[str, Any] = {"id": "r", "expect": "x < 10"}


def rules(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> tuple[str, str, str, str]:
    """The views of a change of rules over `x`."""
    features = {"features": {"x": {"type": "int"}}}
    return views(contracts({**features, "rules": old}, {**features, "rules": new}))
