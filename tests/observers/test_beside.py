"""Where a contract and its candidate disagree is counted, once, by policy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar.guard import Guard
from sidecar.observers.metrics import Metrics
from sidecar.telemetry import series
from tests.predictions.calls import judged_call, read_of
from tests.predictions.test_beside import BATCH, REPLY, body, judged, scores

from .calls import Said, context, cursor


class BookOf:
    """Knows one real policy."""

    def __init__(self, guard: Guard) -> None:
        self.known = guard

    def guard(self, digest: str) -> Any | None:
        return self.known if digest == self.known.identity.digest else None

    def document(self, digest: str) -> Mapping[str, Any] | None:
        return None


def counted(observer: Metrics, name: str) -> dict[tuple[str, ...], Any]:
    (family,) = [family for family in observer.families() if family.name == name]
    return dict(family.series)


def test_disagreement_is_counted_by_both_verdicts_and_over_restarts(tmp_path: Path) -> None:
    judge = judged(tmp_path)
    clean, broken = (body((30, 1.0)), scores(0.1)), (BATCH, REPLY)
    reads = [read_of(*judged_call(judge, *call, number), number=number) for number, call in enumerate((clean, broken))]
    observer = Metrics(context(tmp_path, book=BookOf(judge)))

    async def lives() -> None:
        for position, read in enumerate(reads):  # each in a life of its own
            await observer.open()
            await observer.take([read])
            await observer.commit(cursor(position + 1))
            await observer.close()

    asyncio.run(lives())
    assert counted(observer, "sidecar_candidate_rows_total") == {
        ("credit", "ok", "ok"): 2,
        ("credit", "ok", "rejected"): 2,
        ("credit", "repaired", "rejected"): 1,
        ("credit", "rejected", "rejected"): 1,
        ("credit", "ok", "observed"): 1,
    }
    violations = counted(observer, "sidecar_candidate_violations_total")
    assert violations["credit", "income.max", "income", "reject"] == 2
    assert violations["credit", "job.max_length", "job", "warn"] == 1
    assert violations["credit", "prediction.score.max", "score", "warn"] == 1


def test_names_that_callers_make_up_make_no_series(tmp_path: Path) -> None:
    judge = judged(tmp_path)
    call = judged_call(
        judge,
        b'{"instances": [{"age": 30, "income": 1, "x1": 1}, {"age": 30, "income": 1, "x2": 1}]}',
        scores(0.1, 0.1),
    )
    observer = Metrics(context(tmp_path, book=BookOf(judge)))

    async def life() -> None:
        await observer.open()
        await observer.take([read_of(*call)])
        await observer.commit(cursor(1))

    asyncio.run(life())
    assert counted(observer, series.CANDIDATE_VIOLATIONS.name) == {("credit", "unknown", "", "warn"): 2}


def test_a_candidate_that_fails_itself_is_said_and_everything_else_is_counted(tmp_path: Path) -> None:
    judge = judged(tmp_path)
    call = judged_call(judge, body((30, 1.0)), scores(0.1))
    judge.candidate = None if judge.candidate is None else judge.candidate._replace(codec=object())  # type: ignore[arg-type]
    said = Said()
    observer = Metrics(context(tmp_path, book=BookOf(judge), said=said))

    async def life() -> None:
        await observer.open()
        await observer.take([read_of(*call)])
        await observer.commit(cursor(1))

    asyncio.run(life())
    assert said == [("candidate.failed", {"policy": "credit", "error": "AttributeError"})]
    assert sum(counted(observer, series.RECORDED.name).values()) == 1
