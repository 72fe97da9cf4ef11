"""Late labels and candidates' answers, joined to prediction rows.

A label that names a prediction is that prediction's. One that names a request or a key joins the latest delivered
prediction with `ts ≤ observed_at`. The same label twice is once; of several, the latest received wins and all are kept.
A label that made sure of its rows (`kept_id`) makes them weigh 1: why, `observers.labelled` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from ..predictions import OutcomeRow, Prediction, ShadowRow


class Labels:
    """What joins. Feed every outcome, then every row once to `look` when `needs_look`, then `join` rows."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._by_prediction: dict[str, list[OutcomeRow]] = defaultdict(list)
        self._by_request: dict[str, list[OutcomeRow]] = defaultdict(list)
        self._by_key: dict[str, list[OutcomeRow]] = defaultdict(list)
        self._best: dict[int, tuple[str, str, int | None]] = {}  # id of an outcome → (ts, prediction id, row)
        self._shadows: dict[str, dict[str, ShadowRow]] = defaultdict(dict)

    @property
    def needs_look(self) -> bool:
        """Whether some label can only be joined once all predictions have been seen."""
        return bool(self._by_request or self._by_key)

    def add(self, outcome: OutcomeRow) -> None:
        """In the order in which they were received."""
        same = (outcome.prediction_id, outcome.request_id, outcome.response_id, outcome.join_key, outcome.row)
        token = msgspec.json.encode((same, outcome.label, outcome.observed_at))
        if token in self._seen:
            return
        self._seen.add(token)
        if outcome.prediction_id:
            self._by_prediction[outcome.prediction_id].append(outcome)
        elif outcome.request_id:
            self._by_request[outcome.request_id].append(outcome)
        elif outcome.join_key:
            self._by_key[outcome.join_key].append(outcome)

    def add_shadow(self, shadow: ShadowRow) -> None:
        """The latest of one candidate wins."""
        self._shadows[shadow.prediction_id][shadow.candidate] = shadow

    def look(self, rows: Iterable[Prediction]) -> None:
        """Find the prediction that each label of a request or a key belongs to."""
        for row in rows:
            if not row.delivers or row.ts is None:
                continue
            for outcome in self._by_request.get(row.request_id, ()):
                self._offer(outcome, row, outcome.row)
            if row.join_key:
                for outcome in self._by_key.get(row.join_key, ()):
                    self._offer(outcome, row, row.row)

    def settle(self) -> None:
        """After `look`: what was found is now the prediction's own."""
        for waiting in (self._by_request, self._by_key):
            for outcomes in waiting.values():
                for outcome in outcomes:
                    best = self._best.get(id(outcome))
                    if best is not None:
                        mine = msgspec.structs.replace(outcome, row=best[2])
                        self._by_prediction[best[1]].append(mine)
            waiting.clear()

    def of(self, prediction_id: str) -> Sequence[OutcomeRow]:
        """Every label of a prediction's rows, in the order received."""
        return sorted(self._by_prediction.get(prediction_id, ()), key=lambda each: each.ts or "")

    def history(self, row: Prediction) -> Sequence[OutcomeRow]:
        """Every label of a row, in the order received."""
        found = [each for each in self._by_prediction.get(row.prediction_id, ()) if each.row in (None, row.row)]
        return sorted(found, key=lambda each: each.ts or "")

    def join(self, row: Prediction) -> Prediction:
        """The same row, with its label and what candidates answered."""
        history = self.history(row) if row.prediction_id in self._by_prediction else ()
        if history:
            row.label, row.label_ts = history[-1].label, history[-1].observed_at
            if any(each.kept_id == row.prediction_id for each in history):
                row.weight = 1.0
        if row.prediction_id in self._shadows:
            row.shadow = {name: _told(shadow, row.row) for name, shadow in self._shadows[row.prediction_id].items()}
        return row

    def _offer(self, outcome: OutcomeRow, row: Prediction, which: int | None) -> None:
        assert row.ts is not None
        if outcome.observed_at is not None and row.ts > outcome.observed_at:
            return
        if outcome.row is not None and outcome.row != row.row:
            return
        best = self._best.get(id(outcome))
        if best is None or (row.ts, row.prediction_id) > best[:2]:
            self._best[id(outcome)] = (row.ts, row.prediction_id, which)


def _told(shadow: ShadowRow, row: int) -> dict[str, object]:
    predictions = shadow.predictions
    return {
        "prediction": predictions[row] if row < len(predictions) else None,
        "status": shadow.status,
        "latency_ms": shadow.latency_ms,
        "outcome": shadow.outcome,
    }
