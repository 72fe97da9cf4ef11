"""What every target is given and gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from ..contract.build import Built, build
from ..contract.report import Report
from ..contract.sections import Checks, Feature
from ..policy import Policy
from ..rows import header_of

Draft: TypeAlias = Literal["2020-12", "draft-07"]


class Unsaid(NamedTuple):
    """One thing of the contract that the target has no words for."""

    about: str  # a feature or prediction, or "" for the row as a whole
    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A JSON document, and what it leaves out."""

    document: dict[str, Any]
    unsaid: tuple[Unsaid, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """`draft` of JSON Schema; `digest` of the policy, for the reader."""

    draft: Draft = "2020-12"
    digest: str = ""


class Target(Protocol):
    """A member of the family."""

    kind: ClassVar[str]

    @classmethod
    def export(cls, policy: Policy, options: Options) -> Exported:
        """The contract of a policy that compiles."""
        ...


class Value(NamedTuple):
    """One feature or prediction, its keys and its compiled checks."""

    name: str
    keys: Checks
    built: Built


def values_of(members: dict[str, Any]) -> Iterator[Value]:
    """Features or predictions as compiled; those that are `ignored` too."""
    for name, keys in members.items():
        default = keys.default if isinstance(keys, Feature) else None
        built = build(keys, Report(), default)
        if built is not None:
            yield Value(name, keys, built)


def in_body(keys: Checks) -> bool:
    """Whether a value comes in the body, so that a schema of rows can speak of it."""
    return not (isinstance(keys, Feature) and header_of(keys.from_) is not None)
