"""One contract over many rows, by several libraries in one process: microseconds and violations, as JSON on stdout.

Runs in `.venvs/bench`: `python -P -m bench.peers.rows`, the plan as JSON on stdin. Every contestant reads the same body
and must find every bad row; what it says of each (one violation or all) is what the library gives.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import fastjsonschema
import jsonschema_rs
import msgspec
import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from ..table import CATEGORIES, HIGH, LOW, Table
from ..timing import best_together

# A body → the rows that break the contract.
Contestant: TypeAlias = Callable[[bytes], list[int]]


def policy_of(table: Table) -> str:
    """The contract as a policy."""
    numbers = [f"    {name}: {{type: float, min: {LOW:g}, max: {HIGH:g}}}" for name in table.numbers]
    words = [f"    {name}: {{type: category, values: [{', '.join(CATEGORIES)}]}}" for name in table.words]
    return "\n".join(
        [
            "policy: bench\nmodel: {protocol: tfserving, name: bench}\ncontract:\n  mode: enforce\n  features:",
            *numbers,
            *words,
        ]
    )


def sidecar(table: Table) -> Contestant:
    """The guard as the gateway calls it: fast accept, and the exact path where that declines; in a worker that has
    met a long body before."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from sidecar import policy
    from sidecar.runtime.compile import compile_guard
    from sidecar.wire import arrays

    with TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yaml"
        file.write_text(policy_of(table), encoding="utf-8")
        loaded = policy.load([file])
    if not loaded.policies:
        raise SystemExit("; ".join(finding.message for finding in loaded.findings))
    guard = compile_guard(loaded.policies[0])
    arrays.load()

    def judge(body: bytes) -> list[int]:
        if guard.accept_request(body):
            return []
        judged = guard.judge_request(body, "", lambda _: None, "", 0.0)
        if judged.fault is not None:
            raise SystemExit(f"the sidecar did not read the body: {judged.fault}")
        return list(judged.verdict.rejected_rows)

    return judge


def typed(table: Table, *, keys_once: bool = False) -> Contestant:
    """msgspec, told the types; after a refusal each row on its own, since it stops at the first error.

    Of a key that comes twice it takes the last one, and others may take the first: `keys_once` does what the sidecar
    does, and refuses by counting colons (no text of this table has one).
    """
    number = Annotated[float, msgspec.Meta(ge=LOW, le=HIGH)]
    word: Any = Literal[CATEGORIES]
    fields = [(name, number) for name in table.numbers] + [(name, word) for name in table.words]
    row = msgspec.defstruct("Row", fields, forbid_unknown_fields=keys_once)
    body_type = msgspec.defstruct("Body", [("instances", list[row])], forbid_unknown_fields=keys_once)  # type: ignore[valid-type]
    whole = msgspec.json.Decoder(body_type).decode
    raw = msgspec.json.Decoder(msgspec.defstruct("Raw", [("instances", list[msgspec.Raw])])).decode
    one = msgspec.json.Decoder(row).decode

    def judge(body: bytes) -> list[int]:
        bad = []
        try:
            rows = whole(body).instances  # type: ignore[attr-defined]
        except msgspec.ValidationError:
            rows = raw(body).instances  # type: ignore[attr-defined]
            for position, text in enumerate(rows):
                try:
                    one(text)
                except msgspec.ValidationError:
                    bad.append(position)
        if keys_once and body.count(b":") != 1 + len(rows) * len(fields):
            raise SystemExit("a key came twice")
        return bad

    return judge


def pydantic(table: Table) -> Contestant:
    """pydantic-core, all errors at once."""
    number = Annotated[float, Field(ge=LOW, le=HIGH, allow_inf_nan=False)]
    fields: dict[str, Any] = dict.fromkeys(table.numbers, (number, ...))
    fields |= dict.fromkeys(table.words, (Literal[CATEGORIES], ...))
    row = create_model("Row", __base__=BaseModel, **fields)
    adapter = TypeAdapter(create_model("Body", instances=(list[row], ...)))  # type: ignore[valid-type]

    def judge(body: bytes) -> list[int]:
        try:
            adapter.validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return sorted({int(each["loc"][1]) for each in found})
        return []

    return judge


def schema_of(table: Table) -> dict[str, Any]:
    """One row as a JSON Schema."""
    properties: dict[str, Any] = {name: {"type": "number", "minimum": LOW, "maximum": HIGH} for name in table.numbers}
    properties |= {name: {"enum": list(CATEGORIES)} for name in table.words}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": [*table.numbers, *table.words],
    }


def generated(table: Table) -> Contestant:
    """orjson and fastjsonschema, row by row: it stops at a document's first error."""
    validate = fastjsonschema.compile(schema_of(table))

    def judge(body: bytes) -> list[int]:
        bad = []
        for position, row in enumerate(orjson.loads(body)["instances"]):
            try:
                validate(row)
            except fastjsonschema.JsonSchemaException:
                bad.append(position)
        return bad

    return judge


def rust_schema(table: Table) -> Contestant:
    """orjson and jsonschema-rs: a quick yes, all errors after a no."""
    whole = {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": {"type": "array", "items": schema_of(table)}},
    }
    validator = jsonschema_rs.Draft7Validator(whole)

    def judge(body: bytes) -> list[int]:
        document = orjson.loads(body)
        if validator.is_valid(document):
            return []
        return sorted({int(error.instance_path[1]) for error in validator.iter_errors(document)})

    return judge


def frame(table: Table) -> Contestant:
    """orjson, a pandas frame, and pandera with all failures gathered."""
    import pandas
    import pandera.pandas as pandera

    columns = {name: pandera.Column(float, pandera.Check.in_range(LOW, HIGH)) for name in table.numbers}
    columns |= {name: pandera.Column(str, pandera.Check.isin(CATEGORIES)) for name in table.words}
    schema = pandera.DataFrameSchema(columns)

    def judge(body: bytes) -> list[int]:
        try:
            schema.validate(pandas.DataFrame.from_records(orjson.loads(body)["instances"]), lazy=True)
        except pandera.errors.SchemaErrors as errors:
            return sorted({int(index) for index in errors.failure_cases["index"]})
        return []

    return judge


CONTESTANTS: dict[str, Callable[[Table], Contestant]] = {
    "sidecar": sidecar,
    "msgspec, typed": typed,
    "msgspec, typed, keys once": partial(typed, keys_once=True),
    "pydantic": pydantic,
    "orjson + fastjsonschema": generated,
    "orjson + jsonschema-rs": rust_schema,
    "orjson + pandas + pandera": frame,
}


def measure(table: Table, names: list[str]) -> dict[str, float]:
    """Contestant → microseconds for the whole body; "orjson" is parsing alone."""
    body, bad = table.body(), table.bad_rows()
    calls: dict[str, Callable[[], Any]] = {"orjson": lambda: orjson.loads(body)}
    for name in names:
        judge = CONTESTANTS[name](table)
        found = judge(body)
        if found != bad:
            raise SystemExit(f"{name} found the bad rows {found[:5]}…, not {bad[:5]}…")
        calls[name] = lambda judge=judge: judge(body)  # type: ignore[misc]
    return best_together(calls)


def main() -> None:
    plans = json.load(sys.stdin)
    found = [measure(Table(**plan["table"]), plan["contestants"]) for plan in plans]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
