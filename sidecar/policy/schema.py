"""JSON Schema draft-07 of the policy language, for editors and pipelines."""

from __future__ import annotations

from typing import Any

from ..yamldoc import schema_of
from .platform import Platform
from .sections import Policy


def schema(document: str = "policy") -> dict[str, Any]:
    """The schema of a `policy`, or of the `platform` file (sidecar.yaml)."""
    if document == "platform":
        return schema_of(Platform, title="sidecar platform file")
    return schema_of(Policy, title="sidecar policy")
