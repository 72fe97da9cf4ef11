"""One change between two policies, judged from three sides; the verdicts that changes share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple


class Caller(StrEnum):
    """What the change is for those who ask the model."""

    BREAKING = "breaking"  # a row that was answered is refused, or an answer holds what it never held
    UNKNOWN = "unknown"  # cannot be decided in general: recorded rows tell
    SEMANTIC = "semantic"  # nothing is refused, but something means or becomes another thing
    SAFE = "safe"


class Model(StrEnum):
    """What the change is for the model and its owner."""

    EVIDENCE = "needs evidence"  # the model may meet what it did not meet before
    IDENTITY = "identity"  # another model, another place, another training
    SAFE = "safe"
    NONE = "-"


class Monitor(StrEnum):
    """What the change is for those who watch."""

    CHANGED = "changed"
    NONE = "-"


class Bump(StrEnum):
    """The smallest step of the version that a change asks for."""

    MAJOR = "major"
    AUTHOR = "author decides"
    MINOR = "minor"
    PATCH = "patch"


class Verdicts(NamedTuple):
    """The three views. `least` is a bump that is asked for whatever the views say."""

    caller: Caller = Caller.SAFE
    model: Model = Model.SAFE
    monitor: Monitor = Monitor.NONE
    least: Bump = Bump.PATCH

    @property
    def bump(self) -> Bump:
        """The smallest bump that tells everybody who must know."""
        if self.caller is Caller.BREAKING:
            return Bump.MAJOR
        if self.caller is Caller.UNKNOWN or self.model is Model.IDENTITY:
            return Bump.AUTHOR
        if self.caller is Caller.SEMANTIC or self.model is Model.EVIDENCE:
            return Bump.MINOR
        return self.least


BREAKING: Final = Verdicts(Caller.BREAKING)
BREAKING_ANSWER: Final = Verdicts(Caller.BREAKING, Model.NONE)
UNKNOWN: Final = Verdicts(Caller.UNKNOWN, Model.EVIDENCE)
UNKNOWN_ANSWER: Final = Verdicts(Caller.UNKNOWN, Model.NONE)
SEMANTIC: Final = Verdicts(Caller.SEMANTIC, Model.EVIDENCE)
SEMANTIC_ANSWER: Final = Verdicts(Caller.SEMANTIC, Model.NONE)
WIDENED: Final = Verdicts(Caller.SAFE, Model.EVIDENCE)
NARROWED_ANSWER: Final = Verdicts(Caller.SAFE, Model.NONE, Monitor.NONE, Bump.MINOR)
IDENTITY: Final = Verdicts(Caller.SAFE, Model.IDENTITY)
MOVED: Final = Verdicts(Caller.BREAKING, Model.IDENTITY)
WATCHED: Final = Verdicts(Caller.SAFE, Model.SAFE, Monitor.CHANGED)
TEXT: Final = Verdicts(Caller.SAFE, Model.SAFE)

_CALLERS: Final = tuple(Caller)
_MODELS: Final = tuple(Model)
_MONITORS: Final = tuple(Monitor)
_BUMPS: Final = tuple(Bump)


def worst(first: Verdicts, second: Verdicts) -> Verdicts:
    """From each side the graver of two."""
    return Verdicts(
        min(first.caller, second.caller, key=_CALLERS.index),
        min(first.model, second.model, key=_MODELS.index),
        min(first.monitor, second.monitor, key=_MONITORS.index),
        min(first.least, second.least, key=_BUMPS.index),
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What recorded rows say about one change: `rows` judged, how many of them it touches, and which it refuses."""

    rows: int
    changed: int
    refused: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key that differs. `old` and `new` are as written, "" where there is none.

    `path` is the key's (`contract.features.age.max`); `feature` the feature, prediction (`prediction.NAME`) or rule
    (`rule.ID`) whose codes tell of it in recorded rows, `code` the one code that does (`age.max`), where it is one;
    `direction` forward: a caller of the new policy meets the old one.
    """

    path: str
    old: str
    new: str
    verdicts: Verdicts
    why: str
    owner: str = ""
    feature: str = ""
    code: str = ""
    direction: Literal["backward", "forward"] = "backward"
    evidence: Evidence | None = None

    @property
    def bump(self) -> Bump:
        """The smallest bump it asks for."""
        return self.verdicts.bump

    @property
    def needs_evidence(self) -> bool:
        """Whether recorded rows are needed to know what it does."""
        return self.verdicts.caller is Caller.UNKNOWN or self.verdicts.model is Model.EVIDENCE

    @property
    def unsettled(self) -> bool:
        """Whether that evidence is missing."""
        return self.needs_evidence and (self.evidence is None or not self.evidence.rows)

    @property
    def breaks(self) -> bool:
        """Whether callers break: by the rules, or by the evidence where the rules cannot tell."""
        if self.verdicts.caller is Caller.BREAKING:
            return True
        undecided = self.verdicts.caller is Caller.UNKNOWN
        return undecided and self.evidence is not None and self.evidence.refused > 0
