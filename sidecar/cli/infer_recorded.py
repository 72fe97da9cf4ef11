"""Recorded predictions → rows for `infer`: features as they were received, predictions as the model gave them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..errors import RuntimeSetupError
from ..inference.models import Asked
from ..policy import Policy
from ..predictions import Prediction
from ..predictions.values import restored
from .infer_rows import CHUNK_ROWS, Chunk
from .recorded import open_recorded, times


class Learnt:
    """Rows of features and outputs together; what else is known of them is known once they were all read."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._since, self._until = times(args)
        self._wanted: str = args.model
        self._recorded = open_recorded(args)
        self._models: Counter[str] = Counter()
        self._digest = ""
        self._unread = 0
        self.skipped = 0
        self.outputs: set[str] = set()

    def rows(self) -> Iterator[Chunk]:
        """Every answered row, once."""
        chunk: Chunk = []
        for row in self._recorded.source.predictions(since_ns=self._since, until_ns=self._until):
            if self._wanted and row.model.name != self._wanted:
                continue
            if not row.features:
                self._unread += 1
            elif row.verdict == "rejected" or row.status >= 400:
                self.skipped += 1
            else:
                chunk.append(self._plain(row))
                if len(chunk) >= CHUNK_ROWS:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk

    def _plain(self, row: Prediction) -> dict[str, Any]:
        self._models[row.model.name] += 1
        self._digest = row.policy.digest or self._digest
        plain = {name: restored(value) for name, value in {**row.features, **row.raw_features}.items()}
        for name, value in row.prediction.items():
            if name not in plain:
                self.outputs.add(name)
                plain[name] = restored(value)
        return plain

    def policy(self) -> Policy | None:
        """The policy of the last row. RuntimeSetupError where the rows are none, or of several models."""
        if len(self._models) > 1:
            told = ", ".join(f"{name} ({count} rows)" for name, count in self._models.items())
            raise RuntimeSetupError(f"the rows are of several models: {told}; choose one with --model NAME")
        if not self._models:
            raise RuntimeSetupError(self._nothing())
        return self._recorded.book.policy(self._digest) if self._digest else None

    def _nothing(self) -> str:
        if self.skipped:
            return f"all {self.skipped} rows recorded were refused or failed: nothing to learn from"
        if self._unread:
            return (
                f"{self._unread} predictions were recorded without a policy that says how to read them, so their "
                "values were not kept; write one with `sidecar init --upstream URL`, serve it, infer again"
            )
        return "no prediction was recorded there" + (" in this time" if self._since or self._until else "")


def asked_of(policy: Policy) -> Asked:
    """How the model is asked, as the policy says."""
    model, wire = policy.model, policy.model.wire
    columns = getattr(wire, "columns", ())
    predictions = getattr(wire, "predictions", "")
    return Asked(
        protocol=model.protocol,
        model=model.name or "",
        path=model.path or "",
        rows=getattr(wire, "rows", None) or "",
        columns=columns if isinstance(columns, dict) else {},
        positions=() if isinstance(columns, dict) else columns,
        answers=predictions if isinstance(predictions, str) else "",
        outputs=predictions if isinstance(predictions, dict) else {},
        named=model.protocol == "oip" and not columns,
    )
