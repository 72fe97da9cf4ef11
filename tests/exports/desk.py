"""What the tests of this room say things with: a policy from its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sidecar.policy import Policy
from sidecar.yamldoc import parse


def policy(contract: Mapping[str, Any] | str, **keys: Any) -> Policy:
    """A policy over plain JSON with this contract."""
    section = contract if isinstance(contract, str) else json.dumps(contract)
    further = "".join(f"{name}: {json.dumps(value)}\n" for name, value in keys.items())
    text = f"policy: credit-risk\nmodel: {{protocol: json, path: /predict}}\n{further}contract: {section}\n"
    parsed = parse(text, Policy, file="policy.yaml")
    assert parsed.value is not None, [finding.message for finding in parsed.findings]
    return parsed.value
