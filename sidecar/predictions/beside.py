"""A policy's candidate contract on a recorded call: both contracts on the same bytes, both as if they enforced, rules
that only observe included.

In: a call, its payloads, its policy. Out: two verdicts a row. Never: anything that a caller could notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..contract import Compiled
from ..contract.rowwise import Broken, RowVerdict
from ..errors import WireError
from ..exchange import Exchange
from ..guard import Guard, decode_body
from ..rows import header_of
from ..verdict import RANK, Outcome
from ..wire import Codec

_UNREAD: Final = RowVerdict(Outcome.UNCHECKED)
_NOT_ASKED: Final = frozenset({Outcome.REJECTED, Outcome.FALLBACK})  # a model's answer says nothing about these


class Opinion(NamedTuple):
    """What the two contracts would do with one row."""

    active: RowVerdict
    candidate: RowVerdict


def opinions(exchange: Exchange, payloads: Sequence[bytes], guard: Guard) -> list[Opinion]:
    """One a row of the request as received; [] where there is no candidate, or the request was not kept or judged.

    The answer is judged where there is one: the model's, to the rows that were sent. Features from headers that records
    do not keep are not judged, by either.
    """
    candidate = guard.candidate
    if candidate is None or exchange.policy_digest != guard.identity.digest or exchange.mode in ("", "off"):
        return []
    if not payloads or exchange.request_digest or exchange.streamed:
        return []
    headers = dict(exchange.request_headers)
    coding = dict(exchange.response_headers).get("content-encoding", "")
    answered = 200 <= exchange.upstream_status < 300 and len(payloads) > 1 and not exchange.response_digest
    try:
        request = decode_body(payloads[0], headers.get("content-encoding", ""), guard.max_decoded_bytes)
    except WireError:
        return []
    try:
        answer = decode_body(payloads[1], coding, guard.max_decoded_bytes) if answered and payloads[1] else b""
    except WireError:
        answer = b""
    sides = [
        _judged(codec, contract, exchange, request, answer, headers)
        for codec, contract in ((guard.codec, guard.contract), candidate)
    ]
    active, beside = sides
    count = max(len(active), len(beside))
    if not count:
        return []
    return [
        Opinion(active[row] if row < len(active) else _UNREAD, beside[row] if row < len(beside) else _UNREAD)
        for row in range(count)
    ]


def _judged(
    codec: Codec, contract: Compiled, exchange: Exchange, request: bytes, answer: bytes, headers: Mapping[str, str]
) -> list[RowVerdict]:
    """[] where this contract cannot read the request."""
    now_seconds = exchange.started_unix_ns / 1e9
    try:
        rows = codec.read_request(request, headers.get)
    except WireError:
        return []
    # A header that is not among those that records keep may have been there or not.
    unseen = frozenset(
        name
        for name, source in contract.features.items()
        if (header := header_of(source)) is not None and header not in headers
    )
    verdicts = contract.by_row(rows, now_seconds=now_seconds, unseen=unseen, everything=True)
    if not answer or not contract.answers:
        return verdicts
    sent = [row for row in range(rows.count) if row not in exchange.left_out_rows]
    try:
        reply = codec.read_reply(answer)
    except WireError:
        return verdicts
    if reply.count == len(sent):
        answers = contract.by_row(reply, now_seconds=now_seconds, answer=True, everything=True)
        for row, found in zip(sent, answers, strict=True):
            verdicts[row] = _both(verdicts[row], found)
    return verdicts


def _both(request: RowVerdict, answer: RowVerdict) -> RowVerdict:
    if request.outcome in _NOT_ASKED:
        return request
    broken: tuple[Broken, ...] = request.broken + answer.broken
    graver = answer.outcome if RANK[answer.outcome] > RANK[request.outcome] else request.outcome
    return RowVerdict(graver, broken)
