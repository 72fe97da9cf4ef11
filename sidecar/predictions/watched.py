"""A recorded call → counts of the features that a policy watches: column by column, without a row being made.

In: a call, its payloads, its policy, the limits. Out: exact counts, and values that only the holder of the process may
see: they are compared and forgotten, never written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ..contract.cell import Cell
from ..edits import Span, splice
from ..errors import WireError
from ..exchange import Edit, Exchange
from ..guard import Guard, decode_body
from ..profiles import Counts, Limits
from ..rows import MISSING, Rows, Value, header_of, same_value

_PREDICTION: Final = "prediction."
_VALUES: Final = "values"


class Counted(NamedTuple):
    """One feature in one call. `held` are the values its rows have, at most two different ones, with their rows."""

    feature: str
    counts: Counts
    held: tuple[tuple[Value, int], ...] = ()


def counted(exchange: Exchange, payloads: Sequence[bytes], guard: Guard, limits: Mapping[str, Limits]) -> list[Counted]:
    """What a call says of the features in `limits`; [] where no policy judged it or its body was not kept.

    `nulls` and `unseen` are of the rows as received, `repaired` of those that were changed on their way. A prediction
    is counted as `prediction.NAME`, over the rows that the model answered. A feature from a header that records do not
    keep is left out. WireError where the request cannot be read.
    """
    if exchange.policy_digest != guard.identity.digest or exchange.mode in ("", "off"):
        return []
    if not payloads or exchange.request_digest or exchange.streamed:
        return []
    headers = dict(exchange.request_headers)
    body = decode_body(payloads[0], headers.get("content-encoding", ""), guard.max_decoded_bytes)
    raw = guard.codec.read_request(body, headers.get)
    if not raw.count:
        return []
    seen: Rows | None = None
    if exchange.request_edits and any(limit.repair_alert_above is not None for limit in limits.values()):
        seen = guard.codec.read_request(_edited(body, exchange.request_edits), headers.get)
    now_seconds = exchange.started_unix_ns / 1e9
    found = []
    for cell in guard.contract.cells:
        limit = limits.get(cell.name)
        if limit is None or (cell.from_header and _unkept(guard, cell.name, headers)):
            continue
        column = raw.columns[cell.name]
        nulls, unseen = _absent(cell, column, now_seconds, limit)
        counts = Counts(raw.count, len(nulls), unseen)
        if seen is not None and limit.repair_alert_above is not None and not cell.slice_only:
            counts.repaired = _changed(column, seen.columns[cell.name], _sent(exchange, raw.count))
        held = _held(column, nulls) if limit.frozen_after is not None else ()
        found.append(Counted(cell.name, counts, held))
    outputs = [name for name in limits if name.startswith(_PREDICTION)]
    if outputs:
        found += _of_answer(exchange, payloads, guard, outputs, raw.count)
    return found


def _unkept(guard: Guard, name: str, headers: Mapping[str, str]) -> bool:
    return header_of(guard.contract.features[name]) not in headers


def _absent(cell: Cell, column: Sequence[Value], now_seconds: float, limit: Limits) -> tuple[set[int], int]:
    """(rows without a value, how many have one outside `values`)."""
    nulls: set[int] = set()
    unseen = 0
    for row in cell.screen(column):
        value = column[row]
        if value is None or value is MISSING or value in cell.sentinels:
            nulls.add(row)
        elif limit.unseen_category_rate is not None:
            unseen += any(check == _VALUES for check, _ in cell.examine(value, now_seconds).broken)
    return nulls, unseen


def _held(column: Sequence[Value], nulls: set[int]) -> tuple[tuple[Value, int], ...]:
    values = [value for row, value in enumerate(column) if row not in nulls] if nulls else column
    if not values:
        return ()
    first = values[0]
    kind = first.__class__
    for position, value in enumerate(values):
        if value.__class__ is not kind or value != first:
            return (first, position), (value, len(values) - position)
    return ((first, len(values)),)


def _sent(exchange: Exchange, count: int) -> Sequence[int]:
    left_out = frozenset(exchange.left_out_rows)
    return [row for row in range(count) if row not in left_out] if left_out else range(count)


def _changed(before: Sequence[Value], after: Sequence[Value], sent: Sequence[int]) -> int:
    """How many rows that were sent differ. All rows are there in an edited body that left none out."""
    if len(after) == len(before):
        sent = range(len(before))
    return sum(not same_value(before[row], value) for row, value in zip(sent, after, strict=False))


def _of_answer(
    exchange: Exchange, payloads: Sequence[bytes], guard: Guard, outputs: Sequence[str], count: int
) -> Iterator[Counted]:
    if len(payloads) < 2 or not payloads[1] or exchange.response_digest or not 200 <= exchange.upstream_status < 300:
        return
    coding = dict(exchange.response_headers).get("content-encoding", "")
    try:
        body = decode_body(payloads[1], coding, guard.max_decoded_bytes)
        before = guard.codec.read_reply(body)
        after = before
        if exchange.response_edits:
            after = guard.codec.read_reply(_edited(body, exchange.response_edits), frozenset(exchange.dropped_rows))
    except WireError:
        return
    sent = _sent(exchange, count)
    if before.count != len(sent) or after.count not in (before.count, count):
        return
    ours = {*exchange.fallback_rows, *exchange.dropped_rows}  # answers of the policy, not repairs of the model's
    for output in outputs:
        name = output[len(_PREDICTION) :]
        if name not in before.columns:
            continue
        answered, delivered = before.columns[name], after.columns[name]
        whole = after.count == count
        repaired = sum(
            row not in ours and not same_value(answered[position], delivered[row if whole else position])
            for position, row in enumerate(sent)
        )
        yield Counted(output, Counts(before.count, repaired=repaired))


def _edited(body: bytes, edits: Sequence[Edit]) -> bytes:
    return splice(body, [Span(edit.start, edit.end, edit.data) for edit in edits])
