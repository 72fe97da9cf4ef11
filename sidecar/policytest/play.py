"""One call through a guard, without a network: what the gateway would do with a request and the model's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..contract import Mode
from ..errors import WireError
from ..gateway import respond
from ..guard import Guard, Judged
from ..problem import Problem
from ..rows import MISSING, Rows, Value
from ..verdict import Outcome, Verdict, both, fallen_back, in_request

# (body sent, rows sent) → the model's answer.
Answer: TypeAlias = Callable[[bytes, int], bytes]
Row: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. Header names are in lower case; `now_seconds` is wall time since the epoch."""

    body: bytes
    headers: Mapping[str, str]
    caller: str
    now_seconds: float


@dataclass(frozen=True, slots=True)
class Played:
    """What became of it.

    `rows` is the request as read (None: it could not be); `sent` and `delivered` have one place a row of it, None where
    the row was not sent or is answered by null. `answer` is the model's answer as read. `body` is what the caller gets:
    None where there was no answer to judge and none of our own.
    """

    asked: Asked
    judged: Judged
    verdict: Verdict
    status: int
    rows: Rows | None = None
    sent: tuple[Row | None, ...] = ()
    reply: Judged | None = None
    answer: Rows | None = None
    delivered: tuple[Row | None, ...] = ()
    problem: Problem | None = None
    body: bytes | None = None

    @property
    def word(self) -> str:
        """The verdict in one word; `dropped` for a batch that went on without some of its rows."""
        verdict = self.verdict
        return "dropped" if verdict.dropped_rows and not verdict.refused else verdict.outcome.value


def play(guard: Guard, asked: Asked, answer: Answer | None = None) -> Played:
    """Judge the request, then the answer to what is sent on. Without `answer` the story ends at the model's door."""
    judged = guard.judge_request(asked.body, "", asked.headers.get, asked.caller, asked.now_seconds)
    played = Played(asked, judged, judged.verdict, 200, rows=_read(guard, asked.body, asked))
    if judged.verdict.refused:
        return _refused(played, respond.input_problem(guard, judged))
    absent = {*judged.verdict.fallback_rows, *judged.verdict.dropped_rows}
    count = played.rows.count if played.rows is not None else 0
    if absent and len(absent) >= count:
        return _fallen_back(guard, replace(played, sent=(None,) * count))
    on_its_way = _read(guard, judged.body, asked)
    kept = [row for row in range(count) if row not in absent]
    if on_its_way is not None and on_its_way.count == len(kept):
        going = dict(zip(kept, _rows_of(on_its_way, hidden=_hidden(guard)), strict=True))
        played = replace(played, sent=tuple(going.get(row) for row in range(count)))
    return played if answer is None else _answered(guard, played, kept, answer(judged.body, len(kept)))


def _answered(guard: Guard, played: Played, kept: Sequence[int], body: bytes) -> Played:
    asked, verdict = played.asked, played.judged.verdict
    unread = verdict.outcome is Outcome.UNCHECKED
    reply = guard.judge_reply(
        body,
        "",
        asked.caller,
        asked.now_seconds,
        sent_rows=-1 if unread else len(kept),
        fallback_rows=verdict.fallback_rows,
        dropped_rows=verdict.dropped_rows,
    )
    left_out = (*verdict.fallback_rows, *verdict.dropped_rows)
    whole = both(verdict, in_request(reply.verdict, len(kept) + len(left_out), left_out))
    played = replace(played, reply=reply, verdict=whole)
    try:
        played = replace(played, answer=guard.codec.read_reply(body))
    except WireError:
        pass  # the verdict says so
    if reply.verdict.refused:
        enforced = guard.mode(asked.caller) is Mode.ENFORCE
        if enforced and "contract" in guard.contract.fallback_on and guard.contract.fallback_values:
            return _fallen_back(guard, played)
        return _refused(played, respond.output_problem(guard, reply, len(kept) + len(left_out), left_out))
    return replace(played, body=reply.body, delivered=_delivered(guard, reply.body, played.verdict.dropped_rows))


def _refused(played: Played, problem: Problem) -> Played:
    verdict = replace(played.verdict, outcome=Outcome.REJECTED)
    return replace(played, status=problem.status, problem=problem, verdict=verdict)


def _fallen_back(guard: Guard, played: Played) -> Played:
    """The whole answer is the policy's."""
    count = max(played.rows.count if played.rows is not None else 1, 1)
    dropped = played.judged.verdict.dropped_rows
    name = guard.identity.model_name
    body = guard.fallback_reply(played.asked.body, "", count, model_name=name, dropped_rows=dropped)
    if body is None:  # as the gateway: rows that must not be sent, and no answer for them
        return _refused(played, respond.input_problem(guard, played.judged))
    verdict = fallen_back(played.verdict, count, dropped)
    return replace(played, verdict=verdict, body=body, delivered=_delivered(guard, body, dropped))


def _read(guard: Guard, body: bytes, asked: Asked) -> Rows | None:
    try:
        return guard.codec.read_request(body, asked.headers.get)
    except WireError:
        return None


def _hidden(guard: Guard) -> frozenset[str]:
    """Features that leave with their header."""
    return frozenset(cell.name for cell in guard.contract.cells if cell.from_header and cell.slice_only)


def _rows_of(rows: Rows, *, hidden: frozenset[str] = frozenset()) -> list[dict[str, Value]]:
    """One mapping a row; what is missing is not in it."""
    columns = [(name, column) for name, column in rows.columns.items() if name not in hidden]
    return [{name: column[row] for name, column in columns if column[row] is not MISSING} for row in range(rows.count)]


def _delivered(guard: Guard, body: bytes, nulls: Sequence[int]) -> tuple[Row | None, ...]:
    try:
        read = guard.codec.read_reply(body, frozenset(nulls))
    except WireError:
        return ()
    return tuple(None if row in nulls else values for row, values in enumerate(_rows_of(read)))
