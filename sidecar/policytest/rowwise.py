"""The verdict of each row: what it is by itself, then what its batch made of it."""

from __future__ import annotations

from ..contract import Mode
from ..contract.rowwise import RowVerdict
from ..guard import Guard
from ..verdict import Outcome, Verdict, gravest
from .compare import RowSeen
from .play import Played


def row_seen(guard: Guard, played: Played) -> tuple[RowSeen, ...]:
    """One for each row of the request; () where it could not be read."""
    rows, asked = played.rows, played.asked
    if rows is None or played.judged.fault is not None:
        return ()
    mode = guard.mode(asked.caller)
    alone = guard.contract.by_row(rows, now_seconds=asked.now_seconds) if mode is not Mode.OFF else []
    answers = _answers(guard, played) if mode is not Mode.OFF else {}
    found = []
    for row in range(rows.count):
        both = [*alone[row : row + 1], *([answers[row]] if row in answers else [])]
        words = ["ok", *(_word(mode, verdict) for verdict in both)]
        found.append(
            RowSeen(
                verdict=_of_batch(played.verdict, row) or gravest(words),
                codes=tuple(sorted({broken.code for verdict in both for broken in verdict.broken})),
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


def _word(mode: Mode, verdict: RowVerdict) -> str:
    if mode is Mode.ENFORCE or verdict.outcome is Outcome.OK:
        return verdict.outcome.value
    return Outcome.OBSERVED.value


def _answers(guard: Guard, played: Played) -> dict[int, RowVerdict]:
    """The verdicts of the answer's rows, by row of the request."""
    answer, reply = played.answer, played.reply
    if answer is None or reply is None or "prediction.rows" in reply.verdict.codes or played.rows is None:
        return {}
    before = played.judged.verdict
    absent = {*before.fallback_rows, *before.dropped_rows}
    kept = [row for row in range(played.rows.count) if row not in absent]
    found = guard.contract.by_row(answer, now_seconds=played.asked.now_seconds, answer=True)
    return dict(zip(kept, found, strict=False))
