"""A policy's candidates ready for work: who is drawn, how answers are read, what is compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ...errors import WireError
from ...exchange import Exchange
from ...guard import Guard
from ...rows import MISSING, Rows, Value
from ...shadow import REQUEST, ROW, CandidatePlan, Output, Sampler, Units, flatten, read_plans, run_key
from ...upstream import Address, parse_address
from ...wire import Codec, protocols
from ...wire.document import parse
from ...yamldoc import loads

_REPEAT: Final = ":repeat"  # a draw of its own: no unit has this name


@dataclass(frozen=True, slots=True)
class Planned:
    """One candidate of one policy. `outputs` {} = every output of the answers, each by its value."""

    plan: CandidatePlan
    address: Address | None  # None = the primary's own, as the exchange says
    sampler: Sampler
    codec: Codec
    outputs: dict[str, Output]
    run: str  # `plan.run`, made once
    run_key: str
    again: Sampler | None = None  # which of the sampled exchanges the primary is asked once more for

    def address_of(self, exchange: Exchange) -> Address:
        """Where a copy goes. RuntimeSetupError where the exchange does not say."""
        return self.address or parse_address(exchange.upstream)

    def units_of(self, exchange: Exchange, plain: bytes | None, headers: Mapping[str, str]) -> Units | None:
        """The sampled units of an exchange, None = none is. `plain` None: the body cannot be read or was not kept, and
        the whole exchange is one unit."""
        if self.again is not None and not self.again.draw(exchange.prediction_id).sampled:
            return None
        unit = self.plan.unit
        values: list[Value] = []
        if unit != REQUEST and plain is not None:
            try:
                rows = self.codec.read_request(plain, headers.get)
                values = _values(unit, rows, exchange.prediction_id)
            except WireError:
                values = []
        if not values:
            draw = self.sampler.draw(exchange.prediction_id)
            return Units((draw.unit,)) if draw.sampled else None
        draws = [self.sampler.draw(value) for value in values]
        names = tuple(dict.fromkeys(draw.unit for draw in draws if draw.sampled))
        return Units(names, tuple(draw.unit if draw.sampled else "" for draw in draws)) if names else None


def _values(unit: str, rows: Rows, prediction_id: str) -> list[Value]:
    """What names the unit of each row; a row without its key is a unit of its own."""
    own = [f"{prediction_id}/{row}" for row in range(rows.count)]
    if unit == ROW:
        return list(own)
    column = rows.columns.get(unit)
    if column is None:
        return []
    return [own[row] if value is MISSING or value is None else value for row, value in enumerate(column)]


def planned(guard: Guard, document: Mapping[str, Any], key: bytes) -> tuple[Planned, ...]:
    """The candidates of a resolved policy. ValueError with a sentence when one cannot be shadowed."""
    found = []
    for plan in read_plans(document):
        named = plan.outputs()
        outputs = named or {name: Output() for name in guard.contract.predictions}
        policy = guard.identity.name
        sampler = Sampler(key, policy, plan.unit, plan.sample)
        codec = _codec(guard, document, outputs)
        address = parse_address(plan.upstream)
        where = run_key(policy, plan.candidate, plan.run)
        found.append(Planned(plan, address, sampler, codec, outputs, plan.run, where))
        repeat = plan.repeated()
        if repeat is not None:
            again = Sampler(key, policy, _REPEAT, plan.repeat_primary or 0.0)
            where = run_key(policy, repeat.candidate, repeat.run)
            found.append(Planned(repeat, None, sampler, codec, outputs, repeat.run, where, again))
    return tuple(found)


def _codec(guard: Guard, document: Mapping[str, Any], outputs: Mapping[str, Output]) -> Codec:
    """The policy's own codec, or one that also finds outputs which the contract does not check."""
    more = tuple(name for name in outputs if name not in guard.contract.predictions)
    if not more:
        return guard.codec
    model = document["model"]
    member = protocols().get(model["protocol"])
    if member is None or not model.get("wire"):
        return guard.codec
    wire = loads(msgspec.json.encode(model["wire"]), member)
    codec: Codec = wire.bind(guard.contract.features, (*guard.contract.predictions, *more))
    return codec


def read_answer(codec: Codec, plain: bytes, outputs: Mapping[str, Output]) -> Rows:
    """An answer's outputs by column; WireError for what is no answer."""
    return codec.read_reply(plain) if outputs else flatten(parse(plain))


def version_of(rows: Rows, plain: bytes) -> str:
    """The model version that an answer states, "" = none."""
    if rows.model_version:
        return rows.model_version
    if b'"model_version"' not in plain:
        return ""
    try:
        stated = json.loads(plain)
    except (ValueError, RecursionError):
        return ""
    version = stated.get("model_version") if isinstance(stated, dict) else None
    return str(version)[:100] if isinstance(version, str | int) else ""
