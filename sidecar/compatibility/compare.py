"""Two policies → one comparison: every change with its verdicts, the bump it asks for and the one that was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..policy import Policy, digest
from . import change, versions
from .change import Bump, Caller, Change, Evidence, Model, Monitor, Verdicts
from .contracts import compare_whole
from .probe import probe
from .sides import side_of
from .surroundings import compare_surroundings


class Compatibility(StrEnum):
    """Whose rows meet whose contract."""

    BACKWARD = "backward"  # callers of the old policy meet the new one
    FORWARD = "forward"  # callers of the new policy meet the old one
    FULL = "full"


class Outcome(StrEnum):
    """What is to be done."""

    SAFE = "safe"
    BREAKING = "breaking"  # and the version does not say so
    EVIDENCE = "needs evidence"  # a person must look, or recorded rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One policy in two versions. An empty digest: there is no such version."""

    policy: str
    old_version: str
    new_version: str
    old_digest: str
    new_digest: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def required(self) -> Bump | None:
        """The smallest bump that suffices for all changes; None without changes."""
        return min((_asked(each) for each in self.changes), key=_BUMPS.index, default=None)

    @property
    def actual(self) -> str:
        """major, minor, patch, none, backwards or unstated."""
        return versions.step(self.old_version, self.new_version)

    @property
    def sufficient(self) -> bool:
        """Whether the version was bumped enough."""
        return versions.suffices(self.actual, self.required)

    @property
    def advised(self) -> str:
        """The version to give, or ""."""
        return "" if self.sufficient else versions.advised(self.old_version, self.required)

    @property
    def outcome(self) -> Outcome:
        """Breaking comes first; a major bump tells callers all, but gives the model's owner no evidence."""
        major = self.actual == Bump.MAJOR.value
        if not major and any(each.breaks for each in self.changes):
            return Outcome.BREAKING
        for each in self.changes:
            silent = each.verdicts.caller is Caller.SEMANTIC and not versions.suffices(self.actual, Bump.MINOR)
            told = major and each.verdicts.caller is Caller.UNKNOWN
            if silent or (each.unsettled and not told):
                return Outcome.EVIDENCE
        return Outcome.SAFE


_BUMPS: Final = tuple(Bump)


def _asked(each: Change) -> Bump:
    """The bump a change asks for: what was unknown is known once rows were replayed."""
    if each.breaks:
        return Bump.MAJOR
    settled = each.bump is Bump.AUTHOR and each.needs_evidence and not each.unsettled
    return Bump.MINOR if settled else each.bump


def compare(old: Policy, new: Policy, mode: Compatibility = Compatibility.BACKWARD) -> Comparison:
    """Everything that differs, identity first, then by gravity, in the order of the keys."""
    changes: list[Change] = list(_directed(old, new))
    if mode is Compatibility.FORWARD:
        changes = [_for_the_model(each) for each in changes]
    if mode is not Compatibility.BACKWARD:
        changes.extend(_forward(old, new))
    notes = []
    after = side_of(new)
    if not after.enforces and any(each.breaks and each.path.startswith("contract.") for each in changes):
        notes.append("The new contract only observes: it is judged as if it enforced; nobody is refused yet.")
    return Comparison(
        policy=new.name,
        old_version=old.version or "",
        new_version=new.version or "",
        old_digest=digest(old),
        new_digest=digest(new),
        changes=tuple(sorted(changes, key=_gravity)),
        notes=tuple(notes),
    )


def appeared(new: Policy) -> Comparison:
    """A policy that there was not."""
    note = "There was no such policy: nothing to be compatible with."
    return Comparison(
        policy=new.name,
        old_version="",
        new_version=new.version or "",
        old_digest="",
        new_digest=digest(new),
        notes=(note,),
    )


def vanished(old: Policy) -> Comparison:
    """A policy that there no longer is."""
    gone = Change(
        path="policy",
        old=old.name,
        new="",
        verdicts=change.MOVED,
        why="There is no such policy any more: nothing judges its requests.",
        owner=(old.owner.team or old.owner.contact) if old.owner is not None else "",
    )
    return Comparison(
        policy=old.name,
        old_version=old.version or "",
        new_version="",
        old_digest=digest(old),
        new_digest="",
        changes=(gone,),
    )


def _directed(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = side_of(old), side_of(new)
    found = list(compare_whole(before, after))
    yield from found
    yield from probe(before, after, found)
    yield from compare_surroundings(before, after)


def _for_the_model(each: Change) -> Change:
    """Callers are judged the other way round, the model and the monitors are not."""
    _, model, monitor, _ = each.verdicts
    return dataclasses.replace(each, verdicts=Verdicts(Caller.SAFE, model, monitor))


def _forward(old: Policy, new: Policy) -> Iterator[Change]:
    """What callers of the new policy lose where the old one still holds."""
    for each in _directed(new, old):
        if each.verdicts.caller is Caller.SAFE or each.verdicts.model is Model.IDENTITY:
            continue
        why = f"Under the old policy, for a caller of the new one: {each.why[0].lower()}{each.why[1:]}"
        verdicts = Verdicts(each.verdicts.caller, Model.NONE, Monitor.NONE)
        yield dataclasses.replace(each, old=each.new, new=each.old, why=why, verdicts=verdicts, direction="forward")


_CALLERS: Final = tuple(Caller)


def _gravity(each: Change) -> tuple[int, int, int]:
    identity = each.verdicts.model is not Model.IDENTITY
    watched = each.bump is Bump.PATCH
    return int(watched), int(identity), _CALLERS.index(each.verdicts.caller)


def with_evidence(comparison: Comparison, evidence: Callable[[Change], Evidence]) -> Comparison:
    """The comparison with what recorded rows say of each change that callers or the model may notice."""
    changes = tuple(
        dataclasses.replace(each, evidence=evidence(each))
        if each.needs_evidence or each.verdicts.caller in (Caller.BREAKING, Caller.SEMANTIC)
        else each
        for each in comparison.changes
    )
    return dataclasses.replace(comparison, changes=changes)
