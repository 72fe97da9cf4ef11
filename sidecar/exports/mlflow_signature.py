"""MLflow's ModelSignature as `MLmodel` files hold it: JSON text inside `inputs`, `outputs` and `params`.

mlflow/types/schema.py: columns of {"type", "name", "required"}; lists are {"type": "array", "items": …}.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from ..contract.kinds import Scalar
from ..contract.sections import Checks, Feature
from ..policy import Policy
from .base import Exported, Options, Unsaid, in_body, values_of
from .base import Value as Member

_TYPES: Final = {
    Scalar.INT: "long", Scalar.FLOAT: "double", Scalar.BOOL: "boolean", Scalar.STRING: "string",
    Scalar.CATEGORY: "string", Scalar.TIMESTAMP: "datetime", Scalar.BYTES: "binary", Scalar.JSON: "any",
}  # fmt: skip


class MlflowSignature:
    """MLflow ModelSignature: names, types and which inputs must be there."""

    kind: ClassVar[str] = "mlflow"

    @classmethod
    def export(cls, policy: Policy, options: Options) -> Exported:
        unsaid: list[Unsaid] = []
        inputs = [
            _column(member, unsaid)
            for member in values_of(policy.contract.features)
            if in_body(member.keys) and not _beside_the_model(member.keys)
        ]
        outputs = [_column(member, unsaid) for member in values_of(policy.contract.prediction)]
        for rule in policy.contract.rules:
            unsaid.append(Unsaid("", f"rule.{rule.id}", "a signature has no conditions"))
        document = {
            "inputs": json.dumps(inputs) if inputs else None,
            "outputs": json.dumps(outputs) if outputs else None,
            "params": None,
        }
        return Exported(document, tuple(unsaid))


def _beside_the_model(keys: Checks) -> bool:
    return isinstance(keys, Feature) and keys.role == "slice_only"


def _column(member: Member, unsaid: list[Unsaid]) -> dict[str, Any]:
    keys, kind = member.keys, member.built.kind
    element = _TYPES[kind.scalar]
    if kind.scalar is Scalar.CATEGORY:
        element = _of_category(member)
    column: dict[str, Any] = {"type": element}
    for _ in kind.shape:
        inner = column if column["type"] == "array" else {"type": column["type"]}
        column = {"type": "array", "items": inner}
    default = isinstance(keys, Feature) and (keys.default is not None or keys.lifecycle != "active")
    lost = [check.name for check in member.built.checks.all]
    lost += ["shape"] if any(size is not None for size in kind.shape) else []
    lost += ["missing_values"] if member.built.sentinels else []
    lost += ["nullable"] if keys.nullable else []
    if lost:
        unsaid.append(Unsaid(member.name, ", ".join(lost), "a signature has types alone"))
    return {**column, "name": member.name, "required": keys.required and not default}


def _of_category(member: Member) -> str:
    classes = {value.__class__ for value in member.built.allowed or ()}
    if classes == {bool}:
        return "boolean"
    if classes == {int}:
        return "long"
    return "double" if classes and classes <= {int, float} else "string"


MEMBER = MlflowSignature
