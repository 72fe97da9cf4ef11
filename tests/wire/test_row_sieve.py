"""The sieve says what reading everything says: the same verdict for any contract and rows, places included."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from sidecar.contract import Compiled
from sidecar.edits import splice
from sidecar.errors import WireError
from sidecar.wire import Codec, Sieve
from sidecar.wire.plain import PlainJson
from sidecar.wire.row_sieve import LEAST_BYTES
from sidecar.wire.tfserving import TfServing
from tests.contract import generate
from tests.contract.desk import compiled

PEOPLE = {
    "mode": "enforce",
    "unknown_features": "strip",
    "features": {
        "age": {"type": "int", "min": 0, "max": 120},
        "job": {"type": "category", "values": ["a", "b"], "on_violation": {"replace": "a"}},
        "tenure": {"type": "float", "required": False, "nullable": True},
    },
}
GOOD = {"age": 30, "job": "a", "tenure": 1.5}


def bound(contract: Compiled, **keys: Any) -> tuple[Codec, Sieve]:
    codec = TfServing(**keys).bind(contract.features, contract.predictions)
    types = contract.request_types()
    assert types is not None
    sieve = codec.request_sieve(types, rules=contract.request_rules())
    assert sieve is not None
    return codec, sieve


def both(contract: Compiled, codec: Codec, sieve: Sieve, body: bytes) -> tuple[str, str] | None:
    """The verdict by the sieve and by reading everything; None where the sieve declines."""
    sifted = sieve(body)
    if sifted is None:
        return None
    whole = codec.read_request(body, lambda name: None)
    assert sifted.count == whole.count
    return tuple(  # type: ignore[return-value]
        repr(contract.judge_request(rows, caller="", now_seconds=0.0)) for rows in (sifted, whole)
    )


def a_body(rows: list[Any], **members: Any) -> bytes:
    return json.dumps({**members, "instances": rows}).encode()


def test_only_the_suspects_are_read() -> None:
    contract = compiled(PEOPLE)
    codec, sieve = bound(contract)
    rows: list[Any] = [dict(GOOD) for _ in range(200)]
    rows[7] = {**GOOD, "age": 130}
    rows[90] = {"age": 1, "job": "astronaut"}
    rows[150] = {**GOOD, "shoe_size": 44}
    rows[151] = {"job": "a", "tenure": None}
    body = a_body(rows, signature_name="serving_default")
    found = sieve(body)
    assert found is not None
    assert (found.count, found.numbers) == (200, (7, 90, 150, 151))
    assert found.pointer("age", 7) == "/instances/7/age"
    verdict = contract.judge_request(found, caller="", now_seconds=0.0)
    assert verdict.rejected_rows == (7, 151)
    assert [one.pointer for one in verdict.violations][:2] == ["/instances/7/age", "/instances/151/age"]
    one, other = both(contract, codec, sieve, body) or ("", "declined")
    assert one == other


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_contract_and_rows_get_the_same_verdict(data: st.DataObject) -> None:
    source = data.draw(generate.contracts())
    contract = compiled(source)
    types = contract.request_types()
    assume(types is not None and not contract.compares_rows)
    assert types is not None
    kind = data.draw(st.sampled_from(["tfserving", "json"]))
    wire = TfServing() if kind == "tfserving" else PlainJson(rows="/instances")
    codec = wire.bind(contract.features, contract.predictions)
    sieve = codec.request_sieve(types, rules=contract.request_rules())
    assume(sieve is not None)
    assert sieve is not None
    few = data.draw(generate.records(source))
    good = data.draw(st.integers(0, len(few) - 1))
    rows = [few[good]] * 60 + few + [few[good]] * 60
    body = codec.compose_request([dict(row) for row in rows])
    body += b" " * max(LEAST_BYTES - len(body), 0)
    try:
        codec.read_request(body, lambda name: None)
    except WireError:
        assert sieve(body) is None  # what cannot be read is for the exact path to explain
        return
    found = both(contract, codec, sieve, body)
    event("sifted" if found is not None else "declined")
    if found is not None:
        assert found[0] == found[1]
        sifted = sieve(body)
        assert sifted is not None and sifted.numbers is not None and sifted.edit is not None
        verdict = contract.judge_request(sifted, caller="", now_seconds=0.0)
        chosen = st.lists(st.sampled_from(sifted.numbers)) if sifted.numbers else st.just([])
        drop = tuple(sorted({*verdict.dropped_rows, *verdict.fallback_rows, *data.draw(chosen)}))
        spans = sifted.edit(verdict.changes, drop)
        event("not edited" if spans is None else "edited" if spans else "nothing to edit")
        assert spans is None or spans == codec.edit_request(body, verdict.changes, drop)


def test_rules_make_a_row_suspect() -> None:
    rules = [{"id": "young", "expect": "age < 60 or job == 'b'"}]
    contract = compiled({**PEOPLE, "rules": rules})
    codec, sieve = bound(contract)
    rows = [dict(GOOD) for _ in range(150)]
    rows[3] = {**GOOD, "age": 61}
    rows[4] = {**GOOD, "age": 61, "job": "b"}
    body = a_body(rows)
    found = sieve(body)
    assert found is not None and found.numbers == (3,)
    one, other = both(contract, codec, sieve, body) or ("", "declined")
    assert one == other
    assert "rule.young" in one


def test_list_rows_by_their_columns() -> None:
    contract = compiled(PEOPLE)
    codec, sieve = bound(contract, columns=("age", "job", "tenure"))
    rows: list[Any] = [[30, "a", 1.5] for _ in range(400)]
    rows[5] = [130, "a", None]
    body = a_body(rows)
    found = sieve(body)
    assert found is not None and found.numbers == (5,)
    one, other = both(contract, codec, sieve, body) or ("", "declined")
    assert one == other
    rows[6] = [30, "a"]
    assert sieve(a_body(rows)) is None  # a ragged batch has no columns: the exact path names the row


LONG = json.dumps([GOOD] * 200)[1:-1]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"instances": [{"age": 500, "age": 30, "job": "a"}, ' + LONG + "]}", id="a key twice, then good"),
        pytest.param('{"instances": [{"age": 30, "age": 500, "job": "a"}, ' + LONG + "]}", id="a key twice, then bad"),
        pytest.param('{"instances": [{"age": 5}, ' + LONG + '], "instances": [' + LONG + "]}", id="rows twice"),
        pytest.param('{"Instances": [], "instances": [{"age": 5}, ' + LONG + "]}", id="a look-alike"),
        pytest.param('{"instances": [{"age": 5}, ' + LONG + '], "inputs": []}', id="another list of rows"),
        pytest.param('{"instances": [{"age": 5}, 7, ' + LONG + "]}", id="another form of row"),
        pytest.param('{"instances": [{"age": 500, "\\u0061ge": 30}, ' + LONG + "]}", id="a key twice, once escaped"),
        pytest.param('{"instances": [{"job": ":"}, ' + LONG + "]}", id="a colon in a text"),
        pytest.param('{"instances": [{"age": 5}, ' + LONG, id="cut off"),
        pytest.param('{"instances": [{"age": NaN}, ' + LONG + "]}", id="a bare NaN"),
        pytest.param('{"instances": [{"age": 500}, {"age": 1}]}', id="short"),
        pytest.param(json.dumps({"instances": [{"age": 500}] * 200}), id="each row is bad"),
    ],
)
def test_what_types_cannot_prove_is_read_whole(body: str) -> None:
    _, sieve = bound(compiled(PEOPLE))
    assert sieve(body.encode()) is None


def edited(codec: Codec, body: bytes, contract: Compiled, sieve: Sieve) -> None:
    """The sieve's edits are those of reading everything, span by span."""
    sifted = sieve(body)
    assert sifted is not None and sifted.edit is not None
    verdict = contract.judge_request(sifted, caller="", now_seconds=0.0)
    drop = verdict.dropped_rows + verdict.fallback_rows
    assert verdict.changes or drop
    assert sifted.edit(verdict.changes, drop) == codec.edit_request(body, verdict.changes, drop)


@pytest.mark.parametrize("columns", [(), ("age", "job", "tenure")])
@pytest.mark.parametrize(
    ("dropped", "mended"),
    [
        ([], [0]),
        ([], [3, 4, 119]),
        ([0], []),
        ([0, 1, 2], [3, 5]),
        ([0, 2, 3, 7], [1, 8]),
        ([118, 119], [117]),
        ([119], [0]),
        ([50, 51, 60], [52, 59, 61]),
    ],
)
def test_rows_are_edited_where_they_stand(columns: tuple[str, ...], dropped: list[int], mended: list[int]) -> None:
    contract = compiled({**PEOPLE, "on_bad_rows": "drop_rows"})
    codec, sieve = bound(contract, columns=columns)
    rows = [dict(GOOD) for _ in range(120)]
    for row in dropped:
        rows[row]["age"] = -1
    for row in mended:
        rows[row]["job"] = "astronaut"
    listed: list[Any] = [list(row.values()) for row in rows] if columns else rows
    for text in (
        a_body(listed),
        a_body(listed, signature_name="x"),
        json.dumps({"instances": listed}, indent=2).encode(),
    ):
        edited(codec, text + b" " * LEAST_BYTES, contract, sieve)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["good", "mended", "dropped"]), min_size=1, max_size=30),
    st.integers(0, 120),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_any_rows_out_and_mended(kinds: list[str], ahead: int, as_lists: bool, indent: int | None) -> None:
    contract = compiled({**PEOPLE, "on_bad_rows": "drop_rows"})
    codec, sieve = bound(contract, columns=("age", "job", "tenure") if as_lists else ())
    bad = {"good": GOOD, "mended": {**GOOD, "job": "]}[{"}, "dropped": {**GOOD, "age": 121}}
    rows = [*[GOOD] * ahead, *[bad[kind] for kind in kinds], *[GOOD] * (120 - ahead)]
    body = json.dumps({"instances": [list(row.values()) for row in rows] if as_lists else rows}, indent=indent).encode()
    if {*kinds} != {"good"}:
        edited(codec, body + b" " * LEAST_BYTES, contract, sieve)


def test_a_name_that_nobody_declared_is_taken_out_of_its_row() -> None:
    contract = compiled(PEOPLE)
    codec, sieve = bound(contract)
    rows: list[Any] = [dict(GOOD) for _ in range(120)]
    rows[9], rows[10] = {"shoe_size": 44, **GOOD}, {**GOOD, "job": "?", "shoe_size": 44, "hat": [1, {"a": 2}]}
    edited(codec, a_body(rows), contract, sieve)


@pytest.mark.parametrize("name", ["[30, 1]", "{}", "["])
def test_a_text_before_the_rows_that_could_be_taken_for_one_is_left_to_the_exact_path(name: str) -> None:
    contract = compiled(PEOPLE)
    _, sieve = bound(contract)
    rows = [{**GOOD, "age": 500}, *[dict(GOOD) for _ in range(120)]]
    sifted = sieve(a_body(rows, signature_name=name))
    assert sifted is not None and sifted.edit is None


def test_more_values_than_are_read_as_a_whole_are_repaired_too() -> None:
    contract = compiled(PEOPLE)
    codec, sieve = bound(contract, columns=("age", "job", "tenure"))
    rows: list[Any] = [[30, "a", 1.5]] * 300_000
    rows[299_999] = [30, "astronaut", 1.5]
    body = a_body(rows)
    with pytest.raises(WireError, match="more than 800,000 elements"):
        codec.edit_request(body, (), (1,))
    sifted = sieve(body)
    assert sifted is not None and sifted.edit is not None
    verdict = contract.judge_request(sifted, caller="", now_seconds=0.0)
    spans = sifted.edit(verdict.changes, ())
    assert spans is not None
    assert splice(body, spans).endswith(b'[30, "a", 1.5], [30, "a", 1.5]]}')


def test_the_sieve_is_used_for_the_whole_verdict() -> None:
    """A guard with the sieve and one without it: edits, answers and records are made of the same verdict."""
    contract = compiled({**PEOPLE, "on_bad_rows": "drop_rows"})
    codec, sieve = bound(contract)
    rows: list[Any] = [dict(GOOD) for _ in range(120)]
    rows[10], rows[20] = {**GOOD, "age": -1}, {**GOOD, "job": "?"}
    body = a_body(rows)
    sifted = sieve(body)
    assert sifted is not None
    verdict = contract.judge_request(sifted, caller="", now_seconds=0.0)
    assert (verdict.dropped_rows, [change.row for change in verdict.changes]) == ((10,), [20])
    whole = contract.judge_request(replace(codec.read_request(body, lambda name: None)), caller="", now_seconds=0.0)
    assert codec.edit_request(body, verdict.changes, verdict.dropped_rows) == codec.edit_request(
        body, whole.changes, whole.dropped_rows
    )
