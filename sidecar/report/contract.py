"""Who breaks the contract, since when, and whose feature it is: the daily question of a roll-out.

A row counts in every group that one of its violations belongs to; `judged` is all rows of that group's caller, model
and day, of those policies alone that found something here, so that a share has the right denominator. Rows refused and
requests refused are counted apart: a batch may lose rows and be answered. With `as_enforced` the question is what
enforcing everything would have done, rules that observe included; with `candidate` what the candidate contract would
have done. The actions of a row decide it, and the rows the request, as in the contract itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..errors import UpstreamFault
from ..predictions import Prediction
from ..predictions.row import RowViolation

REJECT, FALLBACK, DROP = "reject", "fallback", "drop"  # the heaviest action decides a row, in this order
REFUSING: Final = frozenset({REJECT, DROP})  # actions for which a row does not reach the model
EXAMPLES: Final = 3
REJECTED: Final = "rejected"
_FAILED_UPSTREAM: Final = frozenset(UpstreamFault)
STREAM: Final = "stream"  # why an answer was not looked at


class Answerable(NamedTuple):
    """Who answers for a feature or rule, and the system its values come from."""

    owner: str = ""
    contact: str = ""
    source: str = ""


# (policy digest, feature, code) → who answers for it
Ownership = Callable[[str, str, str], Answerable]
# policy digest → its `on_bad_rows`: what a rejected row of several means
BadRows = Callable[[str], str]
REJECT_REQUEST: Final = "reject_request"

# What rows can be grouped by, and whether it is known of every row (then `judged` is counted by it too).
_OF_ROW: Final[Mapping[str, Callable[[Prediction], str]]] = {
    "caller": lambda row: row.caller,
    "policy": lambda row: f"{row.policy.name}@{row.policy.version}" if row.policy.version else row.policy.name,
    "model": lambda row: row.model.name,
    "version": lambda row: row.model.version,
    "day": lambda row: (row.ts or "")[:10],
    "protocol": lambda row: row.protocol,
    "environment": lambda row: row.environment,
    "replica": lambda row: row.replica,
}
_OF_VIOLATION: Final = ("feature", "code", "owner", "source")
SLICE: Final = "slice."


def known_dimensions() -> tuple[str, ...]:
    """Everything that `by` may name, beside `slice.NAME`."""
    return (*_OF_ROW, *_OF_VIOLATION)


@dataclass(slots=True)
class _Counted:
    rows: float = 0.0
    refused_rows: float = 0.0
    refused: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    examples: list[str] = field(default_factory=list)
    answerable: dict[Answerable, None] = field(default_factory=dict)
    policies: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Call:
    """The rows seen of one request that loses some. `whole`: it is refused, whatever its other rows are."""

    rows: int = 0
    weight: float = 0.0
    refused_rows: int = 0
    refused_weight: float = 0.0
    of: int = 0
    whole: bool = False

    @property
    def refused(self) -> bool:
        return self.whole or self.refused_rows >= max(self.rows, self.of)


@dataclass(frozen=True, slots=True)
class Group:
    """One line of the report. Rows are weighted; `refused` counts whole requests, `examples` are prediction ids."""

    by: Mapping[str, str]
    judged: float
    rows: float
    refused_rows: float
    refused: int
    first: str
    last: str
    codes: Mapping[str, int]
    days: Mapping[str, int]
    owners: tuple[Answerable, ...]
    examples: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the rows judged, those that break something here."""
        return self.rows / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class ContractReport:
    """`groups` are ordered by what hurts most: refused requests, then rows. `refused` counts requests refused as a
    whole, `refused_rows` (weighted) their rows and those that other requests lost. `not_listed` counts violations
    beyond the 20 that a record lists; `unread` rows whose body nobody could look into. `beside` are the rows of
    policies with a candidate contract, by (active verdict, candidate's verdict), both as if they enforced."""

    as_enforced: bool
    by: tuple[str, ...]
    groups: tuple[Group, ...]
    rows: float
    requests: int
    refused: int
    not_listed: int
    unread: int
    first: str
    last: str
    refused_rows: float = 0.0
    candidate: bool = False
    beside: Mapping[tuple[str, str], float] = field(default_factory=dict)


def _as_a_whole(digest: str) -> str:
    return REJECT_REQUEST


def gather(
    rows: Iterable[Prediction],
    by: tuple[str, ...],
    *,
    owner_of: Ownership,
    as_enforced: bool = False,
    candidate: bool = False,
    bad_rows_of: BadRows = _as_a_whole,
) -> ContractReport:
    """One pass over rows. ValueError with a sentence for a name that nothing can be grouped by.

    With `candidate` rows without a candidate's verdict are left out, and `bad_rows_of` is the candidate's.
    """
    for name in by:
        if name not in _OF_ROW and name not in _OF_VIOLATION and not name.startswith(SLICE):
            raise ValueError(f"cannot group by `{name}`: there are {', '.join(known_dimensions())}, slice.NAME")
    of_row = tuple(name for name in by if name not in _OF_VIOLATION)
    judged: defaultdict[tuple[str, ...], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    groups: dict[tuple[str, ...], _Counted] = {}
    requests: set[str] = set()
    calls: dict[str, _Call] = {}
    beside: defaultdict[tuple[str, str], float] = defaultdict(float)
    weight, unread, first, last = 0.0, 0, "", ""
    not_listed: dict[str, int] = {}
    listed: Counter[str] = Counter()
    for row in rows:
        if not row.policy.digest or (candidate and row.candidate is None):
            continue
        if row.candidate is not None:
            beside[row.candidate.active, row.candidate.verdict] += row.weight
        requests.add(row.prediction_id)
        weight += row.weight
        unread += bool(row.unread) and not row.features
        ts = row.ts or ""
        first, last = min(first or ts, ts), max(last, ts)
        place = {name: _of_row(row, name) for name in of_row}
        judged[tuple(place.values())][row.policy.name] += row.weight
        violations = row.violations or _unchecked(row)
        if candidate and row.candidate is not None:
            violations = row.candidate.violations
            gone, whole = _by_candidate(row, bad_rows_of(row.policy.digest))
        elif as_enforced:
            gone, whole = _if_enforced(row, bad_rows_of(row.policy.digest))
        else:
            gone, whole = _as_recorded(row)
        if gone or candidate or (as_enforced and row.story.would == REJECTED):
            _add(calls.setdefault(row.prediction_id, _Call()), row, gone, whole)
        if not candidate:
            listed[row.prediction_id] += len(row.violations)
            not_listed[row.prediction_id] = row.story.violations_total
        seen: set[tuple[str, ...]] = set()
        for violation in violations:
            answerable = owner_of(row.policy.digest, violation.feature, violation.code)
            key = tuple(place[name] if name in place else _of_violation(violation, answerable, name) for name in by)
            counted = groups.setdefault(key, _Counted())
            refuses = gone and violation.applied in REFUSING and (violation.enforced or as_enforced or candidate)
            counted.policies.add(row.policy.name)
            counted.codes[violation.code] += 1
            counted.answerable.setdefault(answerable)
            if refuses:
                counted.refused.add(row.prediction_id)
            if key in seen:
                continue
            seen.add(key)
            _count(counted, row, ts, refuses)
    refused = {name for name, call in calls.items() if call.refused}
    for counted in groups.values():
        counted.refused &= refused
    return ContractReport(
        as_enforced=as_enforced,
        by=by,
        groups=tuple(sorted((_group(by, key, counted, judged) for key, counted in groups.items()), key=_gravity)),
        rows=weight,
        requests=len(requests),
        refused=len(refused),
        not_listed=sum(max(total - listed[call], 0) for call, total in not_listed.items()),
        unread=unread,
        first=first,
        last=last,
        refused_rows=sum(call.weight if call.refused else call.refused_weight for call in calls.values()),
        candidate=candidate,
        beside=dict(beside),
    )


def _of_row(row: Prediction, name: str) -> str:
    if name.startswith(SLICE):
        value: Any = row.slices.get(name[len(SLICE) :])
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return _OF_ROW[name](row)


def _of_violation(violation: RowViolation, answerable: Answerable, name: str) -> str:
    if name == "feature":
        return violation.feature or violation.code
    if name == "code":
        return violation.code
    return answerable.owner if name == "owner" else answerable.source


def _as_recorded(row: Prediction) -> tuple[bool, bool]:
    """(the row was refused, and its whole request was): a request that only lost rows was answered."""
    gone = row.verdict == REJECTED
    answered = 200 <= row.status < 300 or row.status == row.story.upstream_status  # the model's own failure passes
    return gone, gone and not answered and row.story.error not in _FAILED_UPSTREAM


def _unchecked(row: Prediction) -> list[RowViolation]:
    """What stands for the checks of a body that nobody could look into: its reason, so that its callers are named."""
    if row.story.violations_total or row.story.reason in ("", STREAM):
        return []
    return [RowViolation(f"unchecked.{row.story.reason}", "", REJECT, row.verdict == REJECTED)]


def _if_enforced(row: Prediction, bad_rows: str) -> tuple[bool, bool]:
    """(the row would be refused, its whole request would be for that), as `contract.judge` decides a batch."""
    if row.story.would != REJECTED:
        return _as_recorded(row)
    applied = {violation.applied for violation in row.violations}
    if not row.story.violations_total or row.story.reason not in ("", STREAM):
        return True, True  # nothing that a row did: the body could not be read or mended, or a check failed itself
    if REJECT in applied:
        alone = row.story.rows == 1
        return alone or bad_rows != FALLBACK, alone or bad_rows == REJECT_REQUEST
    return DROP in applied and FALLBACK not in applied, False


def _by_candidate(row: Prediction, bad_rows: str) -> tuple[bool, bool]:
    if row.candidate is None or row.candidate.verdict != REJECTED:
        return False, False
    rejects = any(violation.applied == REJECT for violation in row.candidate.violations)
    return True, rejects and bad_rows == REJECT_REQUEST


def _add(call: _Call, row: Prediction, gone: bool, whole: bool) -> None:
    call.rows += 1
    call.weight += row.weight
    call.of = row.story.rows
    call.whole = call.whole or whole
    if gone:
        call.refused_rows += 1
        call.refused_weight += row.weight


def _count(counted: _Counted, row: Prediction, ts: str, refuses: bool) -> None:
    counted.rows += row.weight
    counted.refused_rows += row.weight if refuses else 0.0
    counted.days[ts[:10]] += 1
    counted.first, counted.last = min(counted.first or ts, ts), max(counted.last, ts)
    if row.prediction_id not in counted.examples and len(counted.examples) < EXAMPLES:
        counted.examples.append(row.prediction_id)


def _group(
    by: tuple[str, ...], key: tuple[str, ...], counted: _Counted, judged: Mapping[tuple[str, ...], Mapping[str, float]]
) -> Group:
    place = dict(zip(by, key, strict=True))
    rows = judged[tuple(value for name, value in place.items() if name not in _OF_VIOLATION)]
    # Rows of another policy could not have broken what this group is about
    theirs = counted.policies if any(name in _OF_VIOLATION for name in by) else rows
    return Group(
        by=place,
        judged=sum(rows[policy] for policy in theirs),
        rows=counted.rows,
        refused_rows=counted.refused_rows,
        refused=len(counted.refused),
        first=counted.first,
        last=counted.last,
        codes=dict(counted.codes.most_common()),
        days=dict(sorted(counted.days.items())),
        owners=tuple(counted.answerable),
        examples=tuple(counted.examples),
    )


def _gravity(group: Group) -> tuple[Any, ...]:
    return (-group.refused, -group.refused_rows, -group.rows, tuple(group.by.values()))
