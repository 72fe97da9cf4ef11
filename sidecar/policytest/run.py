"""One case: its request is composed, played through the guard, and compared with what is expected of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..contract import Mode
from ..guard import Guard
from ..policy import Policy
from ..policy.watching import watching_of
from ..profiles import Alert, Profile, Watching, alerts
from ..rows import Value
from ..timestamps import seconds_of
from .compare import Failure, Seen, compare
from .compose import CaseError, answer_of, request_of
from .coverage import Tally
from .document import Case, Suite
from .play import Answer, Asked, Played, play
from .rowwise import row_seen
from .trace import trace
from .values import row_of, series_of

_REPAIRS: Final = frozenset({"clamp", "replace", "default", "set_null"})
_ABSENT: Final = frozenset({"required", "null", "default", "missing_values"})


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
        asked = _asked(suite, case, *request_of(guard, _rows(suite, case)), 0.0)
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
        asked = _asked(suite, case, *request_of(guard, [row]), index * step)
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
            absent = any(check.check in _ABSENT and not check.held for check in ran)
            profile.add(
                cell.name,
                value,
                at_seconds=now,
                null=absent or value is None,
                unseen="values" in broken,
                repaired=any(action.value in _REPAIRS for _, action in examined.broken),
            )


# -- the request and the answer


def _rows(suite: Suite, case: Case) -> list[dict[str, Value]]:
    base = row_of(suite.base)
    laid = case.rows if case.rows is not None else (case.row or {},)
    return [_over(base, row_of(row), case.without) for row in laid]


def _over(base: Mapping[str, Value], row: Mapping[str, Value], without: Sequence[str]) -> dict[str, Value]:
    return {name: value for name, value in {**base, **row}.items() if name not in without}


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

    def compose(sent: bytes, count: int) -> bytes:
        if case.predictions is not None:
            return answer_of(guard, sent, [row_of(prediction) for prediction in case.predictions])
        return answer_of(guard, sent, [row_of(told or {})] * max(count, 1))

    return compose
