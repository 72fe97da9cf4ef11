"""The journal held against what callers have seen: nothing answered is missing, nothing is there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.exchange import Close, Exchange, Feedback, Gap, Open, PolicyPublished
from sidecar.journal import Read, Reader

from .load import Answered


@dataclass
class Books:
    """Everything read so far, with one cursor: `read` adds what is new."""

    journal: Path
    exchanges: dict[str, list[Exchange]] = field(default_factory=dict)  # by request id, streamed ones too
    opens: dict[str, Open] = field(default_factory=dict)  # by prediction id
    closed: set[str] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    policies: dict[str, PolicyPublished] = field(default_factory=dict)  # by digest
    records: int = 0
    faults: list[str] = field(default_factory=list)
    _published: set[tuple[str, str]] = field(default_factory=set)
    _predictions: Counter[str] = field(default_factory=Counter)
    _reader: Reader | None = None

    @property
    def damaged(self) -> int:
        """Stretches that should have been frames."""
        assert self._reader is not None
        counts = self._reader.counts
        return counts.damaged + counts.undecodable + counts.unreadable_segments

    @property
    def interrupted(self) -> list[Open]:
        """Streams that began and never ended."""
        return [opening for name, opening in self.opens.items() if name not in self.closed]

    def read(self) -> Books:
        """Go on where it stopped."""
        self._reader = self._reader or Reader(self.journal)
        for read in self._reader.read():
            self.records += 1
            self._take(read)
        return self

    def _take(self, read: Read) -> None:
        match read.record:
            case Open() as opening:
                if opening.prediction_id in self.opens:
                    self.faults.append(f"{opening.request_id}: opened twice")
                self.opens[opening.prediction_id] = opening
            case Close(exchange=exchange):
                if exchange.prediction_id not in self.opens:
                    self.faults.append(f"{exchange.request_id}: closed and never opened")
                self.closed.add(exchange.prediction_id)
                self._exchange(exchange, read)
            case Exchange() as exchange:
                self._exchange(exchange, read)
            case PolicyPublished() as policy:
                self._published.add((read.stream, policy.digest))
                self.policies[policy.digest] = policy
            case Gap() as gap:
                self.gaps.append(gap)
            case Feedback() as item:
                self.feedback.append(item)

    def _exchange(self, exchange: Exchange, read: Read) -> None:
        self.exchanges.setdefault(exchange.request_id, []).append(exchange)
        self._predictions[exchange.prediction_id] += 1
        if exchange.policy_digest and (read.stream, exchange.policy_digest) not in self._published:
            self.faults.append(f"{exchange.request_id}: recorded before its policy {exchange.policy_digest}")

    def missing(self, answered: Iterable[str]) -> list[str]:
        """Request ids that were answered and are not here."""
        return [request_id for request_id in answered if request_id not in self.exchanges]

    def audit(self, answered: dict[str, Answered], attempted: set[str]) -> list[str]:
        """Every way in which the journal and the callers disagree."""
        faults = list(self.faults)
        faults += [f"{name}: answered, not recorded" for name in self.missing(answered)]
        faults += [f"{name}: {len(found)} records" for name, found in self.exchanges.items() if len(found) > 1]
        faults += [f"{name}: prediction id used {n} times" for name, n in self._predictions.items() if n > 1]
        for name, answer in answered.items():
            for exchange in self.exchanges.get(name, []):
                if (exchange.prediction_id, exchange.status) != (answer.prediction_id, answer.status):
                    faults.append(f"{name}: {answer} recorded as {exchange.prediction_id} {exchange.status}")
                if exchange.error and answer.status < 400:
                    faults.append(f"{name}: answered whole, recorded as {exchange.error}")
        faults += [f"{opening.request_id}: answered whole, yet open" for opening in self.interrupted
                   if opening.request_id in answered]  # fmt: skip
        faults += [f"{name}: nobody asked this" for name in self.exchanges if attempted and name not in attempted]
        return faults
