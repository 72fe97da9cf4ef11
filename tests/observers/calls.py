"""Records as a gateway writes them, and a context to observe them in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from sidecar.exchange import Close, Exchange, Feedback, Gap, Kind, Shadow, encode
from sidecar.guard import Identity
from sidecar.journal import Cursor, JournalSettings, Position, Read, StatsPage, Writer
from sidecar.observers import Context
from sidecar.policy.ownership import Responsible

STARTED_UNIX_NS = 1_800_000_000_000_000_000
DIGEST = "b2:" + "a" * 32
MILLISECOND = 1_000_000


def exchange(**changes: Any) -> Exchange:
    """One clean call of 10 ms, 8 of them upstream; unsampled root of its own trace."""
    facts: dict[str, Any] = {
        "prediction_id": "01a1b2c3-d4e5-7000-8000-000000000001",
        "request_id": "r-1",
        "started_unix_ns": STARTED_UNIX_NS,
        "trace_id": "f" * 31 + "1",  # a ratio takes the low 64 bits: this one is never among 5 %
        "span_id": "00000000000000a1",
        "parent_span_id": "",
        "client_span_id": "00000000000000c1",
        "trace_flags": 2,
        "method": "POST",
        "target": "/v2/models/credit/infer",
        "route": "/v2/models/{model}/infer",
        "route_kind": "inference",
        "protocol": "oip",
        "model_name": "credit",
        "policy_digest": DIGEST,
        "model_version": "14",
        "version_source": "body",
        "identity": "match",
        "mode": "enforce",
        "verdict": "ok",
        "would": "ok",
        "reason": "",
        "rows": 2,
        "status": 200,
        "upstream_status": 200,
        "total_ns": 10 * MILLISECOND,
        "contract_ns": 200_000,
        "upstream_ns": 8 * MILLISECOND,
        "sent_ns": MILLISECOND,
        "first_byte_ns": 9 * MILLISECOND,
        "client_address": "10.0.0.7",
        "upstream": "http://10.1.2.3:8080",
    }
    return Exchange(**(facts | changes))


_KINDS: Mapping[type[msgspec.Struct], Kind] = {
    Exchange: Kind.EXCHANGE,
    Close: Kind.CLOSE,
    Feedback: Kind.FEEDBACK,
    Gap: Kind.GAP,
    Shadow: Kind.SHADOW,
}


def read(record: msgspec.Struct, number: int = 0, *, replica: str = "pod-1", environment: str = "test") -> Read:
    """The frame of a record, as a reader delivers it."""
    kind, meta = _KINDS[type(record)], encode(record)
    return Read(kind, record, meta, (), "hot-0", "0000000001-20270115T080000Z.seg", 0, number, replica, environment)


def cursor(records: int) -> Cursor:
    """After this many records of `hot-0`."""
    return Cursor({"hot-0": Position("0000000001-20270115T080000Z.seg", 64 + 100 * records, records)})


class OneBook:
    """Knows the policies it was given, by digest."""

    def __init__(self, **names: str) -> None:
        self.names = {DIGEST: "credit-risk"} | names

    def guard(self, digest: str) -> Any | None:
        name = self.names.get(digest)
        owner = Responsible("crm", "#crm", "customer-core", review_by="2999-03-01")
        identity = Identity(
            name or "", "2.3.0", digest, model_name="credit", responsible={"": Responsible("risk"), "age": owner}
        )
        return None if name is None else SimpleNamespace(identity=identity, candidate=None)

    def document(self, digest: str) -> Mapping[str, Any] | None:
        name = self.names.get(digest)
        return None if name is None else {"policy": name}


class Said(list[tuple[str, Mapping[str, Any]]]):
    """What an observer logged."""

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        self.append((event, fields))


def context(folder: Path, *, section: Any = None, book: Any = None, said: Said | None = None) -> Context:
    """An observer's surroundings, with a `cold` stream of its own."""
    stats = StatsPage()
    identity = {"replica": "pod-1", "environment": "test"}
    cold = Writer(folder / "journal", "cold", JournalSettings(), stats, identity=identity)
    cold.close()  # these observers write nothing there, and a test opens several
    return Context(
        data=folder,
        journal=folder / "journal",
        replica="pod-1",
        environment="test",
        book=book or OneBook(),
        stats=stats,
        cold=cold,
        log=said if said is not None else Said(),
        section=section,
    )
