"""How a family of one-file extensions is found: every module of a package that defines `MEMBER` is a member.

A member module holds one class and says `MEMBER = ThatClass`; its name in policies is the class attribute `kind`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import Any


@cache
def members(package: str) -> MappingProxyType[str, Any]:
    """kind → member class, sorted by kind. ValueError when two modules claim one kind."""
    found: dict[str, Any] = {}
    root = importlib.import_module(package)
    for info in pkgutil.iter_modules(root.__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        member = getattr(module, "MEMBER", None)
        if member is None:
            continue
        if member.kind in found:
            raise ValueError(f"{module.__name__} and {found[member.kind].__module__} both claim {member.kind!r}")
        found[member.kind] = member
    return MappingProxyType(dict(sorted(found.items())))


def summary(member: Any) -> str:
    """The first docstring line: the member's row in the docs."""
    return (member.__doc__ or "").strip().splitlines()[0]
