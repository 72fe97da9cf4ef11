"""A contract in the words of other tools. Pure; what a target has no words for is listed, never silently dropped.

In: a resolved policy. Out: an `Exported`: a JSON document, and what it could not say. A target is one module of this
package with `MEMBER`: a class with `kind` (its word after `--to`) and `export(policy, options)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..families import members
from .base import Exported, Options, Target, Unsaid

__all__ = ["Exported", "Options", "Target", "Unsaid", "targets"]


def targets() -> Mapping[str, Any]:
    """kind → member class, in alphabetical order."""
    return members(__name__)
