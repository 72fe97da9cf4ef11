"""One case: its request is composed, played through the guard, and compared with what is expected of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..contract import Mode
from ..errors import WireError
from ..guard import Guard
from ..policy import Policy
from ..profiles import Alert, Profile, alerts
from ..rows import Value
from ..timestamps import seconds_of
from .compare import Failure, Seen, compare
from .coverage import Tally
from .document import Case, Suite
from .play import Answer, Asked, Played, play
from .rowwise import row_seen
from .trace import trace
from .values import row_of, series_of
from .watching import Watching, watching_of


class CaseError(Exception):
    """A case that cannot be run: its rows have no body in the policy's protocol."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case. `error` is set where it could not be run; then nothing was compared."""

    name: str
    path: tuple[str | int, ...]
    failures: tuple[Failure, ...] = ()
    error: str = ""
    seen: Seen | None = None

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.failures and not self.error


@dataclass(slots=True)
class Bench:
    """A policy under test: its guard in each mode, and what its tests have exercised.

    `compile` makes a guard of a policy; it is called once for each mode that a case asks for.
    """

    policy: Policy
    compile: Callable[[Policy], Guard]
    tally: Tally = field(init=False)
    watching: Watching = field(init=False)
    _guards: dict[str, Guard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(self.guard("enforce").contract)
        self.watching = watching_of(self.policy)

    def guard(self, mode: str) -> Guard:
        """The guard as it judges in this mode; `policy`: as the policy says."""
        if mode not in self._guards:
            policy = self.policy
            if mode != "policy":
                policy = replace(policy, contract=replace(policy.contract, mode=Mode(mode)))
            self._guards[mode] = self.compile(policy)
        return self._guards[mode]


def run_case(bench: Bench, suite: Suite, position: int) -> Result:
    """Run one case of a suite. Nothing is raised for what a case says."""
    case = suite.tests[position]
    path = ("tests", position)
    try:
        seen = _series(bench, suite, case) if case.series is not None else _call(bench, suite, case)
    except CaseError as error:
        return Result(case.name, path, error=str(error))
    return Result(case.name, path, compare(case.expect, seen, path), seen=seen)


def _call(bench: Bench, suite: Suite, case: Case) -> Seen:
    guard = bench.guard(case.mode)
    if case.body is not None:
        asked = _asked(suite, case, case.body.encode(), {}, 0.0)
    else:
        rows = _rows(suite, case)
        asked = _asked(suite, case, _composed(guard, rows), _headers(guard, rows), 0.0)
    played = play(guard, asked, _answer(guard, suite, case))
    bench.tally.add(guard, played)
    return _seen(guard, played)


def _seen(guard: Guard, played: Played) -> Seen:
    rows = row_seen(guard, played)
    codes = set(played.verdict.codes).union(*(row.codes for row in rows))
    return Seen(
        verdict=played.word,
        would=played.verdict.would.value,
        reason=played.verdict.reason,
        codes=tuple(sorted(codes)),
        rows=rows,
        status=played.status,
        why=played.judged.fault.message if played.judged.fault is not None else "",
        counts=Counter([row.verdict for row in rows] + [code for row in rows for code in row.codes]),
    )


def _series(bench: Bench, suite: Suite, case: Case) -> Seen:
    """Each row is a request of its own; the features of the series are watched, those of `base` only stand by."""
    guard, watching = bench.guard(case.mode), bench.watching
    columns = series_of(case.series or {})
    length = len(next(iter(columns.values())))
    step = case.after / (length - 1) if length > 1 else 0.0
    profile = Profile(watching.window_seconds)
    counts: Counter[str] = Counter()
    base = _over(row_of(suite.base), {}, case.without)
    for index in range(length):
        row = _over(base, {name: values[index] for name, values in columns.items()}, ())
        asked = _asked(suite, case, _composed(guard, [row]), _headers(guard, [row]), index * step)
        played = play(guard, asked, _answer(guard, suite, case))
        bench.tally.add(guard, played)
        (seen, *_) = row_seen(guard, played) or (None,)
        counts[played.word] += 1
        counts.update(seen.codes if seen is not None else played.verdict.codes)
        _watch(guard, played, columns, profile)
    limits = {name: watching.limits[name] for name in columns if name in watching.limits}
    found = alerts(profile, limits, min_rows=watching.min_rows)
    words = {"ok", "observed", "repaired", "fallback", "dropped", "unchecked", "rejected"}
    return Seen(codes=tuple(sorted(set(counts) - words)), counts=counts, alerts=_codes(found))


def _codes(found: Sequence[Alert]) -> tuple[str, ...]:
    return tuple(sorted({alert.code for alert in found}))


def _watch(guard: Guard, played: Played, watched: Mapping[str, Any], profile: Profile) -> None:
    if played.rows is None:
        return
    now = played.asked.now_seconds
    for cell in guard.contract.cells:
        if cell.name not in watched:
            continue
        for value in played.rows.columns[cell.name]:
            examined, ran = trace(cell, value, now)
            broken = {check for check, _ in examined.broken}
            absent = any(
                check.check in ("required", "null", "default", "missing_values") and not check.held for check in ran
            )
            profile.add(
                cell.name,
                value,
                at_seconds=now,
                null=absent or value is None,
                unseen="values" in broken,
                repaired=any(action.value in _REPAIRS for _, action in examined.broken),
            )


_REPAIRS = frozenset({"clamp", "replace", "default", "set_null"})


# -- the request and the answer


def _rows(suite: Suite, case: Case) -> list[dict[str, Value]]:
    base = row_of(suite.base)
    laid = case.rows if case.rows is not None else (case.row or {},)
    return [_over(base, row_of(row), case.without) for row in laid]


def _over(base: Mapping[str, Value], row: Mapping[str, Value], without: Sequence[str]) -> dict[str, Value]:
    return {name: value for name, value in {**base, **row}.items() if name not in without}


def _composed(guard: Guard, rows: Sequence[Mapping[str, Value]]) -> bytes:
    try:
        return guard.codec.compose_request(rows)
    except (ValueError, WireError) as error:
        raise CaseError(f"no {guard.identity.protocol} body can hold this: {error}") from None


def _headers(guard: Guard, rows: Sequence[Mapping[str, Value]]) -> dict[str, str]:
    """Features that come from headers are told there; one request has one of each."""
    headers: dict[str, str] = {}
    for name, source in guard.contract.features.items():
        if not source.lower().startswith("header:"):
            continue
        values = {_spelled(row[name]) for row in rows if name in row}
        if len(values) > 1:
            raise CaseError(f"`{name}` is a header: one request cannot say {' and '.join(sorted(values))}")
        if values:
            headers[source.partition(":")[2].strip().lower()] = values.pop()
    return headers


def _spelled(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _asked(suite: Suite, case: Case, body: bytes, headers: Mapping[str, str], after_seconds: float) -> Asked:
    stated = {name.lower(): text for name, text in {**suite.headers, **case.headers}.items()}
    now = seconds_of(case.now or suite.now)
    assert now is not None  # the document has been checked
    caller = suite.caller if case.caller is None else case.caller
    return Asked(body, {**headers, **stated}, caller, now + after_seconds)


def _answer(guard: Guard, suite: Suite, case: Case) -> Answer | None:
    if case.answer is not None:
        text = case.answer.encode()
        return lambda sent, count: text
    told = case.prediction if case.prediction is not None else suite.prediction
    if case.predictions is None and told is None:
        return None
    name = guard.identity.model_name

    def compose(sent: bytes, count: int) -> bytes:
        if case.predictions is not None:
            rows: list[Mapping[str, Value]] = [row_of(prediction) for prediction in case.predictions]
        else:
            rows = [row_of(told or {})] * max(count, 1)
        try:
            return guard.codec.fallback_reply(sent, rows, model_name=name)
        except WireError as error:
            raise CaseError(f"no {guard.identity.protocol} answer can hold these predictions: {error}") from None

    return compose
