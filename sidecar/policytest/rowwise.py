"""The verdict of each row: what it would be alone, then what its batch made of it."""

from __future__ import annotations

from typing import Final

from ..contract import Mode
from ..guard import Guard
from ..rows import Rows
from ..verdict import Outcome, Verdict
from .compare import RowSeen
from .play import Played

_RANK: Final = ("ok", "observed", "repaired", "unchecked", "dropped", "fallback", "rejected")


def row_seen(guard: Guard, played: Played) -> tuple[RowSeen, ...]:
    """One for each row of the request; () where it could not be read."""
    rows, asked = played.rows, played.asked
    if rows is None or played.judged.fault is not None:
        return ()
    answers = _answers(guard, played)
    found = []
    for row in range(rows.count):
        alone = guard.contract.judge_request(_one(rows, row), caller=asked.caller, now_seconds=asked.now_seconds)
        both = [alone, *([answers[row]] if row in answers else [])]
        words = [_word(guard, verdict, asked.caller) for verdict in both]
        codes = {code for verdict in both for code in verdict.codes}
        codes.update(
            violation.code for violation in played.verdict.violations if violation.row == row and rows.count == 1
        )
        codes.update(one.code for one in played.judged.verdict.violations if one.row == row)
        found.append(
            RowSeen(
                verdict=_of_batch(played.verdict, row) or max(words, key=_RANK.index),
                codes=tuple(sorted(codes)),
                sent=played.sent[row] if row < len(played.sent) else None,
                delivered=played.delivered[row] if row < len(played.delivered) else None,
            )
        )
    return tuple(found)


def _of_batch(verdict: Verdict, row: int) -> str:
    if row in verdict.dropped_rows:
        return "dropped"
    if row in verdict.fallback_rows:
        return "fallback"
    return "rejected" if row in verdict.rejected_rows else ""


def _word(guard: Guard, verdict: Verdict, caller: str) -> str:
    if guard.mode(caller) is Mode.ENFORCE or verdict.outcome is Outcome.OK:
        return verdict.outcome.value
    return Outcome.OBSERVED.value


def _answers(guard: Guard, played: Played) -> dict[int, Verdict]:
    """The verdicts of the answer's rows, by row of the request."""
    answer, reply = played.answer, played.reply
    if answer is None or reply is None or "prediction.rows" in reply.verdict.codes or played.rows is None:
        return {}
    before = played.judged.verdict
    absent = {*before.fallback_rows, *before.dropped_rows}
    kept = [row for row in range(played.rows.count) if row not in absent]
    asked = played.asked
    return {
        row: guard.contract.judge_reply(
            _one(answer, at), sent_rows=1, caller=asked.caller, now_seconds=asked.now_seconds
        )
        for at, row in enumerate(kept)
        if at < answer.count
    }


def _one(rows: Rows, row: int) -> Rows:
    columns = {name: [column[row]] for name, column in rows.columns.items()}
    unknown = {name: (0,) for name, where in rows.unknown.items() if row in where}
    return Rows(1, columns, lambda feature, _: rows.pointer(feature, row), unknown)
