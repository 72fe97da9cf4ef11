"""Everything of a policy but its contract: which model, where, for whom, what is watched and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..policy import Policy
from . import change
from .change import Change, Verdicts
from .sides import Side, owner_of, renames
from .spelling import key_of, leaves, line_of

# (old section, new section, its path, both sides) → changes without their owner.
Compare = Callable[[Any, Any, str, Side, Side], Iterator[Change]]


def _every(verdicts: Verdicts, why: str) -> Compare:
    """Whatever differs within a section, however deep, means the same."""

    def compare(old: Any, new: Any, path: str, _: Side, __: Side) -> Iterator[Change]:
        for place, one, other in leaves(old, new, path):
            yield Change(path=place, old=one, new=other, verdicts=verdicts, why=why)

    return compare


def _limit(less: Verdicts, less_why: str, more: Verdicts, more_why: str) -> Compare:
    """An amount; none is no limit."""

    def compare(old: Any, new: Any, path: str, _: Side, __: Side) -> Iterator[Change]:
        lower = old is None or (new is not None and new < old)
        verdicts, why = (less, less_why) if lower else (more, more_why)
        yield Change(path=path, old=str(old), new=str(new), verdicts=verdicts, why=why)

    return compare


def _section(table: Mapping[str, Compare]) -> Compare:
    """A section, key by key; one that is missing on one side is compared with nothing."""

    def compare(old: Any, new: Any, path: str, before: Side, after: Side) -> Iterator[Change]:
        cls = type(new if new is not None else old)
        for field in dataclasses.fields(cls):
            one, other = (getattr(side, field.name, None) for side in (old, new))
            if one == other or table.get(field.name) is None:
                continue
            place = f"{path}.{key_of(field)}".lstrip(".")
            for found in table[field.name](one, other, place, before, after):
                if found.path == place and not dataclasses.is_dataclass(one):
                    lines = [line_of(side, field.name) if side is not None else "" for side in (old, new)]
                    found = dataclasses.replace(found, old=lines[0], new=lines[1])
                yield found

    return compare


_TEXT: Final = _every(change.TEXT, "For readers.")
_WATCH: Final = _every(change.WATCHED, "What is watched and kept changes, not what is answered.")
_IDENTITY: Final = _every(change.IDENTITY, "Another model may answer: judge it as such.")
_PLACE: Final = _every(change.IDENTITY, "Another place: nothing of the contract, everything of where it holds.")
_ADDRESS: Final = _every(change.MOVED, "Other requests are judged: callers of the old address are no longer covered.")
_MAPPING: Final = _every(change.SEMANTIC_ANSWER, "What the answer's values are called changes, and what is checked.")
_ROWS: Final = _every(change.BREAKING, "Rows are read from another place: callers must send them there.")
_DELIVERY: Final = _every(change.SEMANTIC, "Some callers are sent another answer than before.")
_CALLERS: Final = _every(change.SEMANTIC, "Who counts as which caller: modes, records and reports by caller move.")


def _columns(old: Any, new: Any, path: str, before: Side, after: Side) -> Iterator[Change]:
    """Positions are what callers send; a declared rename in place is our own business."""
    names = {old_name: name for name, old_name in renames(before.contract, after.contract).items()}
    if _renamed(old, names) == new:
        verdicts, why = change.WATCHED, "Other names for the same positions."
    else:
        verdicts, why = change.BREAKING, "Positions hold other values: callers must send other rows."
    yield Change(path=path, old=str(old), new=str(new), verdicts=verdicts, why=why)


def _renamed(columns: Any, names: Mapping[str, str]) -> Any:
    if isinstance(columns, Mapping):
        return {tensor: _renamed(inner, names) for tensor, inner in columns.items()}
    return tuple(names.get(name, name) for name in columns)


# Keys of the protocols, by attribute; what none of them names is UNKNOWN.
WIRE: Final[dict[str, Compare]] = {"columns": _columns, "rows": _ROWS, "predictions": _MAPPING}


def _wire(old: Any, new: Any, path: str, before: Side, after: Side) -> Iterator[Change]:
    if type(old) is type(new):
        yield from _section(WIRE)(old, new, path.rpartition(".")[0], before, after)


MODEL: Final[dict[str, Compare]] = {
    "name": _ADDRESS,
    "path": _ADDRESS,
    "protocol": _ADDRESS,
    "version": _IDENTITY,
    "digest": _IDENTITY,
    "upstream": _IDENTITY,
    "on_mismatch": _IDENTITY,
    "wire": _wire,
}
_SLOWER: Final = "Answers that came late, or calls at one time, are now given up."
_FASTER: Final = "More is waited for."
_PATIENCE: Final = _limit(change.SEMANTIC, _SLOWER, change.WATCHED, _FASTER)
TIMEOUTS: Final[dict[str, Compare]] = dict.fromkeys(("connect", "first_byte", "idle", "total"), _PATIENCE)
UPSTREAM: Final[dict[str, Compare]] = {
    "url": _IDENTITY,
    "timeout": _section(TIMEOUTS),
    "max_in_flight": _PATIENCE,
    "max_body": _limit(
        change.BREAKING,
        "Bodies that were answered are now refused.",
        change.WIDENED,
        "Larger bodies reach the model.",
    ),
}
LINEAGE: Final[dict[str, Compare]] = {
    "code": _IDENTITY,
    "training_data": _IDENTITY,
    "feature_code": _IDENTITY,
    "baseline": _IDENTITY,
    "review_by": _TEXT,
}
FEEDBACK: Final[dict[str, Compare]] = {
    "label": _WATCH,
    "entity": _WATCH,
    "loops": _WATCH,
    "holdout": _DELIVERY,
    "perturb": _DELIVERY,
}
POLICY: Final[dict[str, Compare | None]] = {
    "api": _TEXT,
    "name": _PLACE,
    "version": None,  # what the bump is read from
    "owner": _TEXT,
    "purpose": _TEXT,
    "contract": None,  # compared by `contracts`
    "slices": _WATCH,
    "model": _section(MODEL),
    "lineage": _section(LINEAGE),
    "shadow": _WATCH,
    "watch": _WATCH,
    "feedback": _section(FEEDBACK),
    "capture": _WATCH,
    "environment": _PLACE,
    "environments": _PLACE,
    "upstream": _section(UPSTREAM),
    "hosts": _PLACE,
    "callers": _CALLERS,
    "journal": _WATCH,
    "archive": _WATCH,
    "forward": _WATCH,
    "shared": _WATCH,
    "trace": _WATCH,
}
_NAMES: Final = {field.name: key_of(field) for field in dataclasses.fields(Policy)}


def compare_surroundings(old: Side, new: Side) -> Iterator[Change]:
    """Every key outside the contract that differs."""
    owner = owner_of(new.policy)
    compared = {name: compare for name, compare in POLICY.items() if compare is not None}
    for found in _section(compared)(old.policy, new.policy, "", old, new):
        yield dataclasses.replace(found, owner=owner)
