"""A fragment of an OpenAPI 3.1 document: the schemas of a row and of a prediction, to refer to from your own paths."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..policy import Policy
from .base import Exported, Options, Unsaid
from .json_schema import answer_schema, row_schema


class OpenApi:
    """OpenAPI 3.1 components: schemas of a row and of a prediction."""

    kind: ClassVar[str] = "openapi"

    @classmethod
    def export(cls, policy: Policy, options: Options) -> Exported:
        unsaid: list[Unsaid] = []
        stem = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", policy.name) if word)
        schemas: dict[str, Any] = {f"{stem}Row": row_schema(policy, unsaid)}
        answers = answer_schema(policy, unsaid)
        if answers["properties"]:
            schemas[f"{stem}Prediction"] = answers
        info = {"title": policy.name, "version": policy.version or "0"}
        if policy.purpose:
            info["description"] = policy.purpose
        document = {
            "openapi": "3.1.0",
            "info": info,
            "components": {"schemas": schemas},
            "x-sidecar-not-expressed": [one._asdict() for one in unsaid],
        }
        return Exported(document, tuple(unsaid))


MEMBER = OpenApi
