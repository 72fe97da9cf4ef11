"""The values of the chart as rows of a table: the comments of values.yaml are what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

VALUES: Final = Path(__file__).parents[1] / "helm" / "sidecar" / "values.yaml"
_KEY: Final = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z_]+):")


def rows() -> Iterator[tuple[str, str, str]]:
    """(key, what, default) of every value, to two levels; a group's own row has no default."""
    text = VALUES.read_text()
    values = yaml.safe_load(text)
    comment: list[str] = []
    above = ""
    for line in text.splitlines():
        stripped = line.strip()
        key = _KEY.match(line)
        if stripped.startswith("#") and not stripped.startswith("# ---"):
            comment.append(stripped.removeprefix("#").strip())
        elif key is None:
            comment = []
        elif len(key["indent"]) <= 2:
            inner = bool(key["indent"])
            above = above if inner else key["name"]
            value = values[above][key["name"]] if inner else values[above]
            name = f"{above}.{key['name']}" if inner else above
            group = not inner and isinstance(value, dict) and bool(value)
            yield f"`{name}`", " ".join(comment), "" if group else _shown(value)
            comment = []


def _shown(value: Any) -> str:
    return "" if value in ("", {}, []) else f"`{value if isinstance(value, str) else json.dumps(value)}`"
