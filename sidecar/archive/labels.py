"""Late labels and candidates' answers, joined to prediction rows.

A label that names a prediction is that prediction's. One that names a request or a key joins the latest delivered
prediction with `ts ≤ observed_at`. The same label sent again is once; of several, the latest received wins, though an
earlier one was like it, and all are kept. What came without a label (`exposed`, …) changes none. A label that made sure
of its rows (`kept_id`) makes them weigh 1: why, `observers.labelled` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import msgspec

from ..predictions import OutcomeRow, Prediction, ShadowRow


class _Received(NamedTuple):
    """One outcome, and what it is ordered by: those of one body came at one moment."""

    ts: str
    number: int
    outcome: OutcomeRow


class _Latest(NamedTuple):
    """What counts of a prediction's outcomes; None stands for all rows."""

    prediction_id: str
    labels: dict[int | None, _Received]
    kept: frozenset[int | None]


class Labels:
    """What joins. Feed every outcome, then every row once to `look` when `needs_look`, then `join` rows."""

    def __init__(self) -> None:
        self._numbers = count()
        self._by_prediction: dict[str, list[_Received]] = defaultdict(list)
        self._by_request: dict[str, list[_Received]] = defaultdict(list)
        self._by_key: dict[str, list[_Received]] = defaultdict(list)
        self._best: dict[int, tuple[str, str, int | None]] = {}  # number of an outcome → (ts, prediction id, row)
        self._shadows: dict[str, dict[str, ShadowRow]] = defaultdict(dict)
        self._latest = _Latest("", {}, frozenset())  # of the prediction whose rows are being joined

    @property
    def needs_look(self) -> bool:
        """Whether some label can only be joined once all predictions have been seen."""
        return bool(self._by_request or self._by_key)

    def add(self, outcome: OutcomeRow) -> None:
        """In the order in which they were received."""
        self._latest = _Latest("", {}, frozenset())
        received = _Received(outcome.ts or "", next(self._numbers), outcome)
        if outcome.prediction_id:
            self._by_prediction[outcome.prediction_id].append(received)
        elif outcome.request_id:
            self._by_request[outcome.request_id].append(received)
        elif outcome.join_key:
            self._by_key[outcome.join_key].append(received)

    def add_shadow(self, shadow: ShadowRow) -> None:
        """The latest of one candidate wins."""
        self._shadows[shadow.prediction_id][shadow.candidate] = shadow

    def look(self, rows: Iterable[Prediction]) -> None:
        """Find the prediction that each label of a request or a key belongs to."""
        for row in rows:
            if not row.delivers or row.ts is None:
                continue
            for each in self._by_request.get(row.request_id, ()):
                self._offer(each, row, each.outcome.row)
            if row.join_key:
                for each in self._by_key.get(row.join_key, ()):
                    self._offer(each, row, row.row)

    def settle(self) -> None:
        """After `look`: what was found is now the prediction's own."""
        self._latest = _Latest("", {}, frozenset())
        for waiting in (self._by_request, self._by_key):
            for outcomes in waiting.values():
                for each in outcomes:
                    best = self._best.get(each.number)
                    if best is not None:
                        mine = msgspec.structs.replace(each.outcome, row=best[2])
                        self._by_prediction[best[1]].append(each._replace(outcome=mine))
            waiting.clear()

    def of(self, prediction_id: str) -> Sequence[OutcomeRow]:
        """Every label of a prediction's rows, in the order received; the same sent again is once."""
        received = sorted(self._by_prediction.get(prediction_id, ()))
        return list(_told_once(each.outcome for each in received))

    def join(self, row: Prediction) -> Prediction:
        """The same row, with its label and what candidates answered."""
        if row.prediction_id in self._by_prediction:
            if self._latest.prediction_id != row.prediction_id:  # a call's rows come one after the other
                self._latest = _latest(row.prediction_id, self._by_prediction[row.prediction_id])
            _, labels, kept = self._latest
            found = [labels[which] for which in (None, row.row) if which in labels]
            if found:
                latest = max(found).outcome
                row.label, row.label_ts = latest.label, latest.observed_at
            if kept & {None, row.row}:
                row.weight = 1.0
        if row.prediction_id in self._shadows:
            row.shadow = {name: _told(shadow, row.row) for name, shadow in self._shadows[row.prediction_id].items()}
        return row

    def _offer(self, received: _Received, row: Prediction, which: int | None) -> None:
        assert row.ts is not None
        outcome = received.outcome
        if outcome.observed_at is not None and row.ts > outcome.observed_at:
            return
        if outcome.row is not None and outcome.row != row.row:
            return
        best = self._best.get(received.number)
        if best is None or (row.ts, row.prediction_id) > best[:2]:
            self._best[received.number] = (row.ts, row.prediction_id, which)


def _latest(prediction_id: str, received: Iterable[_Received]) -> _Latest:
    labels: dict[int | None, _Received] = {}
    kept: set[int | None] = set()
    for each in received:
        which = each.outcome.row
        if _labels(each.outcome) and (which not in labels or labels[which] < each):
            labels[which] = each
        if each.outcome.kept_id == prediction_id:
            kept.add(which)
    return _Latest(prediction_id, labels, frozenset(kept))


def _labels(outcome: OutcomeRow) -> bool:
    """Whether it says what the label is: null alone takes one back."""
    others = (outcome.exposed, outcome.propensity, outcome.coin_id or None)
    return outcome.label is not None or others == (None, None, None)


def _told_once(outcomes: Iterable[OutcomeRow]) -> Iterator[OutcomeRow]:
    """Without those that say what was last said, of the same rows, by the same name: a sender repeats what it is not
    sure to have sent. One that says again what another one has superseded is news."""
    last: dict[int | None, OutcomeRow] = {}
    for outcome in outcomes:
        observed = outcome.observed_at if outcome.observed_at != outcome.ts else None  # as nobody said when
        plain = msgspec.structs.replace(outcome, ts=None, kept_id="", observed_at=observed)
        if last.get(outcome.row) == plain and (outcome.row is not None or len(last) == 1):
            continue
        if outcome.row is None:
            last.clear()
        last[outcome.row] = plain
        yield outcome


def _told(shadow: ShadowRow, row: int) -> dict[str, object]:
    predictions = shadow.predictions
    return {
        "prediction": predictions[row] if row < len(predictions) else None,
        "status": shadow.status,
        "latency_ms": shadow.latency_ms,
        "outcome": shadow.outcome,
    }
