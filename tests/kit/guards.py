"""Guards from policy text, bodies for them, and a codec and a contract that fail on purpose."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from sidecar.edits import Span
from sidecar.guard import Guard, Identity
from sidecar.policy import load
from sidecar.rows import Change, Rows, RowTest, TypedFeature, Value
from sidecar.runtime.compile import compile_guard
from sidecar.wire import Acceptor, Codec, HeaderLookup, ReplyAcceptor, Sieve

INFER = "/v2/models/credit/infer"


def policy(contract: str, *, model: str = "protocol: oip, name: credit, columns: {input-0: [age, income]}") -> str:
    """A policy's text around the lines of its contract."""
    lines = "\n".join("  " + line for line in contract.strip("\n").splitlines())
    return f"policy: credit\nversion: 1.2.0\nmodel: {{{model}}}\ncontract:\n{lines}\n"


CREDIT = """
mode: enforce
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000000, on_violation: clamp}
prediction:
  score: {type: float, min: 0, max: 1}
"""
OBSERVED = CREDIT.replace("mode: enforce", "mode: observe")
# Every way a row of a batch can go: on, repaired, answered by the fallback, dropped. More features may follow.
DROPPING = """
mode: enforce
on_bad_rows: drop_rows
features:
  age: {type: int, min: 0, max: 120}
  income: {type: float, min: 0, max: 1000, on_violation: clamp}
  job: {type: category, values: [a, b], on_violation: fallback}
"""


def guard(tmp_path: Path, text: str) -> Guard:
    """The guard of one policy's text, as a worker compiles it."""
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    loaded = load([file])
    assert not loaded.errors, loaded.findings
    (found,) = loaded.policies
    return compile_guard(found)


def credit(tmp_path: Path, contract: str = CREDIT) -> Guard:
    """The policy most tests use."""
    return guard(tmp_path, policy(contract))


def rows(*values: Sequence[Any], **extra: Any) -> bytes:
    """An OIP request with one row for each argument."""
    width = len(values[0])
    tensor = {
        "name": "input-0",
        "shape": [len(values), width],
        "datatype": "FP64",
        "data": [value for row in values for value in row],
    }
    return json.dumps({"inputs": [tensor], **extra}).encode()


def scores(*values: Any, **extra: Any) -> bytes:
    """An OIP answer with one score for each argument."""
    tensor = {"name": "score", "shape": [len(values)], "datatype": "FP64", "data": list(values)}
    return json.dumps({"model_name": "credit", "outputs": [tensor], **extra}).encode()


CLEAN = rows([30, 1000.5])
BAD = rows([130, 1000.5])
REPAIRABLE = rows([30, -5.5])


class PlantedError(Exception):
    """A fault of our own, on purpose."""


@dataclass(frozen=True)
class BrokenCodec:
    """A codec whose exact path fails with an exception nobody foresaw, on the side named."""

    lists_rows: ClassVar[bool] = True

    real: Codec
    side: str

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        return self._raise if self.side == "accept" else None

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        return None

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        return self._raise if self.side == "accept" else None

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        if self.side == "request":
            raise PlantedError
        return self.real.read_request(body, header)

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        if self.side == "reply":
            raise PlantedError
        return self.real.read_reply(body, null_rows)

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        if self.side == "edit":
            raise PlantedError
        return self.real.edit_request(body, changes, drop_rows)

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        return self.real.edit_reply(body, changes, insert_rows, null_rows)

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        if self.side == "fallback":
            raise PlantedError
        return self.real.fallback_reply(request_body, rows, model_name=model_name)

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        return self.real.compose_request(rows)

    def _raise(self, *_: Any) -> Any:
        raise PlantedError


def broken(real: Guard, side: str) -> Guard:
    """The same guard with a codec that fails on `side`: accept, request, reply, edit or fallback."""
    return Guard(real.identity, BrokenCodec(real.codec, side), real.contract)


def renamed(real: Guard, **identity: Any) -> Guard:
    """The same guard under another identity."""
    changed: Identity = replace(real.identity, **identity)
    return Guard(changed, real.codec, real.contract)
