"""The conversation: ask what the contract allows and what it forbids, judge every answer, shrink what fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ..contract.sections import ContractSection
from ..guard import Guard
from ..rows import as_header
from ..verdict import Outcome
from .answers import Ask, Read, Reply, read, said, same
from .cases import About, Case, Row, inside, outside, pairwise, usual_row
from .findings import Finding, Kind, Severity
from .samples import ProbeError, Samples, samples_of
from .shrink import shrink

_TRIES: Final = 500  # rows drawn to find one that every rule allows
_MOST_SHRUNK: Final = 20
# Answers that say nothing of the row: nothing was asked.
_NOT_ASKED: Final = {
    **dict.fromkeys((401, 403, 407), "say who asks with --header NAME:VALUE"),
    **dict.fromkeys((404, 405), "is this the URL of the inference route, and the model there?"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is asked. `tolerance` is relative, for predictions that should be the same."""

    seed: int = 0
    pairs: int = 200
    repeats: int = 3
    batch: int = 8
    tolerance: float = 1e-9
    most_requests: int = 5000
    now_seconds: float


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found. `skipped` counts rows that a rule forbids; `stopped` = `most_requests` ended it early."""

    findings: tuple[Finding, ...]
    asked: Mapping[str, int]
    requests: int
    skipped: int
    stopped: bool

    def count(self, severity: Severity) -> int:
        """How many findings are this severe."""
        return sum(finding.severity is severity for finding in self.findings)


class _SpentError(Exception):
    """No more requests."""


def probe(
    section: ContractSection, guard: Guard, ask: Ask, plan: Plan, example: Row, beside: Row | None = None
) -> Probed:
    """Ask and judge; `beside` goes with every row and is never varied. ProbeError when no good row can be made, or the
    usual row gets no answer at all."""
    samples = samples_of(section, example, plan.now_seconds)
    if not samples:
        raise ProbeError("the contract declares no feature: there is nothing to vary")
    run = _Run(samples, guard, ask, plan, {**(beside or {}), **_beside(guard, samples, example)})
    stopped = False
    run.begin(example)
    try:
        run.everything()
    except _SpentError:
        stopped = True
    return run.told(stopped)


def _beside(guard: Guard, samples: Sequence[Samples], example: Row) -> Row:
    """Values for the columns of a matrix that the contract does not name: a row without them is no row."""
    columns = getattr(guard.codec, "columns", None)  # OIP: tensor → names
    lists = columns.values() if isinstance(columns, Mapping) else [_listed(guard)]
    named = {each.name for each in samples}
    left = [name for names in lists for name in names if name not in named]
    if not set(left) <= set(example):
        sketch = ", ".join(f'"{name}": …' for name in left)
        raise ProbeError(
            f"the model takes {', '.join(left)} too, of which the contract says nothing: say what to send, "
            f"--row '{{{sketch}}}'"
        )
    return {name: example[name] for name in left}


def _listed(guard: Guard) -> Sequence[str]:
    """The names of a row's positions, where rows of plain JSON are lists."""
    return getattr(getattr(guard.codec, "layout", None), "columns", ())


@dataclass
class _Run:
    samples: Sequence[Samples]
    guard: Guard
    ask: Ask
    plan: Plan
    beside: Row = field(default_factory=dict)  # what the contract does not name: sent, never varied
    usual: Row = field(default_factory=dict)
    expected: Read = field(default_factory=Read)
    found: dict[tuple[Kind, tuple[str, ...], str], Finding] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    skipped: int = 0
    shrunk: int = 0
    steady: bool = True
    moved: Counter[str] = field(default_factory=Counter)  # feature → boundary answers that are not the usual one
    tried: Counter[str] = field(default_factory=Counter)  # feature → boundary answers
    answered: list[tuple[Row, Read]] = field(default_factory=list)

    def begin(self, example: Row) -> None:
        """Find a row that everything allows, and what the model says to it."""
        self.usual = self._good_row(example)
        self.asked[About.USUAL] += 1
        reply = self._asked([self.usual])
        if not reply.status:
            raise ProbeError(f"no answer: {reply.fault}")
        if reply.status in _NOT_ASKED:
            raise ProbeError(f"status {reply.status}{said(reply)} to a good row: {_NOT_ASKED[reply.status]}")
        kind, detail, self.expected = self._judge(reply, 1)
        if kind is not None:
            self._note(kind, Case(About.USUAL, self.usual), (), detail)
        elif self._repeated(self.usual, self.expected):
            self.answered.append((self.usual, self.expected))

    def everything(self) -> None:
        """All cases; those that may bring the server down come last."""
        draw = Random(self.plan.seed)  # noqa: S311 - rows, not secrets
        for case in (*inside(self.samples, self.usual), *pairwise(self.samples, self.usual, draw, self.plan.pairs)):
            self._case(case)
        self._batch()
        self._effects()
        for case in outside(self.samples, self.usual):
            self._case(case)

    def _case(self, case: Case) -> None:
        if case.about is About.OUTSIDE:
            self._outside(case)
        elif self._allowed(case.row):
            self._inside(case)
        elif case.about is About.MISSING:
            self._outside(case)
        else:
            self.skipped += 1

    def told(self, stopped: bool) -> Probed:
        """The findings, the gravest first."""
        order = list(Severity)
        ranked = sorted(self.found.values(), key=lambda finding: (order.index(finding.severity), finding.kind))
        return Probed(tuple(ranked), dict(self.asked), self.requests, self.skipped, stopped)

    # -- one case

    def _inside(self, case: Case) -> None:
        self.asked[case.about] += 1
        kind, detail, answer = self._judge(self._asked([case.row]), 1)
        if kind is not None:
            self._fails(case, kind, detail)
            return
        differs = not same(list(answer.predictions), list(self.expected.predictions), self.plan.tolerance)
        if case.about is About.UNKNOWN:
            if differs and self.steady and self.expected.predictions:
                self._note(Kind.UNKNOWN_MATTERS, case, case.changed, "another prediction than without it")
            return
        if case.about is About.BOUNDARY:
            self.tried[case.changed[0]] += 1
            self.moved[case.changed[0]] += differs
        wanted = case.about is About.PAIRWISE and len(self.answered) < self.plan.batch
        if wanted and self._repeated(case.row, answer):
            self.answered.append((case.row, answer))

    def _outside(self, case: Case) -> None:
        self.asked[case.about] += 1
        reply = self._asked([case.row])
        what = "left out" if case.about is About.MISSING else f"{case.row.get(case.changed[0])!r}"
        if reply.answered:
            self._note(Kind.ANSWERS_OUTSIDE, case, case.changed, f"status {reply.status} for {what}")
        elif reply.status >= 500 or not reply.status:
            said = f"status {reply.status}" if reply.status else reply.fault
            self._note(Kind.BREAKS_OUTSIDE, case, case.changed, f"{said} for {what}")

    def _fails(self, case: Case, kind: Kind, detail: str) -> None:
        """Shrink, then note: the features that are left are those that matter."""

        def still(row: Row) -> bool:
            return self._allowed(row) and self._judge(self._asked([row]), 1)[0] is kind

        row = case.row
        if any(self._explained(case, smaller, still) for smaller in self._of_kind(kind, detail)):
            return
        if case.changed and self.shrunk < _MOST_SHRUNK:
            self.shrunk += 1
            row = shrink(case.row, self.usual, still)
        changed = tuple(
            name for name in {**self.usual, **row} if row.get(name, _ABSENT) is not self.usual.get(name, _ABSENT)
        )
        self._note(kind, Case(case.about, row, changed), changed, detail)

    def _of_kind(self, kind: Kind, detail: str) -> list[Finding]:
        """What is known already of this kind; of predictions, of the same codes."""
        wanted = detail if kind is Kind.OUTPUT else ""
        return [finding for (known, _, codes), finding in self.found.items() if (known, codes) == (kind, wanted)]

    def _explained(self, case: Case, known: Finding, still: Callable[[Row], bool]) -> bool:
        """Whether a finding told before, of fewer features, is why this row fails: those values alone do it, too."""
        if not known.features:
            return known.about is About.USUAL
        if not set(known.features) < set(case.changed):
            return False
        alone = {name: value for name, value in self.usual.items() if name not in known.features}
        return still({**alone, **{name: case.row[name] for name in known.features if name in case.row}})

    def _repeated(self, row: Row, answer: Read) -> bool:
        """Whether the row gets the same predictions again and again."""
        for _ in range(self.plan.repeats - 1):
            kind, _, again = self._judge(self._asked([row]), 1)
            if kind is None and not same(list(answer.predictions), list(again.predictions), self.plan.tolerance):
                self.steady = False
                self._note(Kind.NON_DETERMINISTIC, Case(About.USUAL, row), (), "asked again, it answered otherwise")
                return False
        return True

    def _batch(self) -> None:
        """Rows that were answered alone, asked together."""
        if len(self.answered) < 2 or not self.steady or not self._holds_many():
            return
        rows = [row for row, _ in self.answered]
        self.asked["batch"] += 1
        kind, detail, together = self._judge(self._asked(rows), len(rows))
        if kind is not None:
            self._note(kind, Case(About.PAIRWISE, rows[0]), (), f"{len(rows)} rows in one request: {detail}")
            return
        for position, (row, alone) in enumerate(self.answered):
            if not same(alone.predictions[0], together.predictions[position], self.plan.tolerance):
                detail = f"row {position} of {len(rows)}"
                self._note(Kind.BATCH, Case(About.PAIRWISE, row), (), detail)
                return

    def _effects(self) -> None:
        if not self.steady or not self.expected.predictions:
            return
        for name, times in self.tried.items():
            if times >= 2 and not self.moved[name]:
                self._note(
                    Kind.NO_EFFECT, Case(About.BOUNDARY, self.usual), (name,), f"{times} other values were tried"
                )

    # -- rows

    def _good_row(self, example: Row) -> Row:
        row = usual_row(self.samples)
        if self._allowed(row):
            return row
        draw = Random(self.plan.seed)  # noqa: S311 - rows, not secrets
        for _ in range(_TRIES):
            drawn = {each.name: draw.choice(each.values) for each in self.samples}
            if self._allowed(drawn):
                return drawn
        codes = ", ".join(self._judged(row)[1]) or "it cannot be read"
        hint = "the example breaks it too" if example else "give one with --row"
        raise ProbeError(f"no row was found that the whole contract accepts ({codes}); {hint}")

    def _allowed(self, row: Row) -> bool:
        return self._judged(row)[0]

    def _judged(self, row: Row) -> tuple[bool, tuple[str, ...]]:
        try:
            body = self.guard.codec.compose_request([{**self.beside, **row}])
        except ValueError:
            return False, ()
        judged = self.guard.judge_request(body, "", self._lookup(row), "", self.plan.now_seconds)
        fine = judged.fault is None and not judged.guard_error and judged.verdict.would is Outcome.OK
        return fine or self._allowed_with_a_word(judged.verdict.codes, row), judged.verdict.codes

    def _allowed_with_a_word(self, codes: Sequence[str], row: Row) -> bool:
        """A missing value that the contract fills in is allowed: the model gets the default. So is a deprecated one."""
        told = {f"{each.name}.deprecated" for each in self.samples}
        told |= {f"{each.name}.default" for each in self.samples if not each.required and each.name not in row}
        return bool(codes) and told.issuperset(codes)

    def _asked(self, rows: Sequence[Row]) -> Reply:
        if self.requests >= self.plan.most_requests:
            raise _SpentError
        self.requests += 1
        return self.ask(self._body(rows), rows)

    def _body(self, rows: Sequence[Row]) -> bytes:
        """What the model is sent: as the contract would pass it on where it allows it, else as it is."""
        try:
            body = self.guard.codec.compose_request([{**self.beside, **row} for row in rows])
        except ValueError:
            known = [{**self.beside, **{name: row[name] for name in row if name in self.usual}} for row in rows]
            body = self.guard.codec.compose_request(known)
        judged = self.guard.judge_request(body, "", self._lookup(rows[0]), "", self.plan.now_seconds)
        return body if judged.verdict.outcome is Outcome.REJECTED else judged.body

    def _holds_many(self) -> bool:
        rows = [row for row, _ in self.answered]
        judged = self.guard.judge_request(
            self.guard.codec.compose_request([{**self.beside, **row} for row in rows]),
            "",
            self._lookup(rows[0]),
            "",
            self.plan.now_seconds,
        )
        return judged.fault is None and judged.rows == len(rows)

    def _lookup(self, row: Row) -> _Lookup:
        return _Lookup(headers_of(self.guard, row))

    # -- judging

    def _judge(self, reply: Reply, rows: int) -> tuple[Kind | None, str, Read]:
        if not reply.status:
            return Kind.NO_ANSWER, reply.fault, Read()
        if reply.status >= 500:
            return Kind.SERVER_ERROR, f"status {reply.status}{said(reply)}", Read()
        if not reply.answered:
            return Kind.REFUSED, f"status {reply.status}{said(reply)}", Read()
        answer = read(self.guard, reply, rows, self.plan.now_seconds)
        if answer.unreadable:
            return Kind.UNREADABLE, answer.unreadable, answer
        if answer.broken:
            return Kind.OUTPUT, ", ".join(answer.broken), answer
        return None, "", answer

    def _note(self, kind: Kind, case: Case, features: tuple[str, ...], detail: str) -> None:
        known = (kind, features, detail if kind is Kind.OUTPUT else "")
        if known not in self.found:
            self.found[known] = Finding(kind, case.about, features, detail, case.row, self._body([case.row]))


class _Lookup:
    """Header lookup over what a row's header-sourced features say."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, name: str) -> str | None:
        return self._headers.get(name)


def headers_of(guard: Guard, row: Row) -> dict[str, str]:
    """Lower-case header name → text, for the features of a row that come from headers."""
    headers = guard.feature_headers.items()
    return {header: as_header(row[name]) for name, header in headers if row.get(name) is not None}


_ABSENT: Final = object()
