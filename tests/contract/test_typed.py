"""Typed proofs: what decodes is clean. Declining a clean body is allowed, accepting a bad one never."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract import Compiled
from sidecar.rows import RowTest, TypedFeature
from sidecar.verdict import Outcome
from tests.contract import generate
from tests.contract.desk import compiled, judge, one_feature, table_of


def acceptor(types: Mapping[str, TypedFeature], rules: Sequence[RowTest] = ()) -> Callable[[bytes], bool]:
    """As a codec proves a list of row objects: typed decoding without unknown names, then what is left, then rules."""
    row = msgspec.defstruct(
        "Row",
        [
            (name, kind.annotation) if kind.required else (name, kind.annotation | msgspec.UnsetType, msgspec.UNSET)
            for name, kind in sorted(types.items(), key=lambda item: not item[1].required)
        ],
        forbid_unknown_fields=True,
    )
    decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]

    def accept(body: bytes) -> bool:
        try:
            decoded = decoder.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return False
        for one in decoded:
            for name, kind in types.items():
                value = getattr(one, name)
                if value is not msgspec.UNSET and kind.check is not None and not kind.check(value):
                    return False
            if not all(rule.holds(*[getattr(one, name) for name in rule.names]) for rule in rules):
                return False
        return True

    return accept


def accepts(contract: Compiled, batch: list[dict[str, Any]]) -> bool | None:
    types = contract.request_types()
    if types is None or (contract.compares_rows and len(batch) > 1):
        return None
    return acceptor(types, contract.request_rules())(json.dumps(batch).encode())


# What a JSON body can hold, and what json.dumps writes as valid JSON.
NUMBERS = st.sampled_from(
    [0, 1, 5, 9.0, 2.5, 0.1, 0.3, -0.0, 2**53, 2**53 + 1, -(2**53) - 1, 1e300, 10**30, 10**18 + 1]
)
ATOMS = NUMBERS | generate.TEXTS | st.none() | st.booleans() | st.integers(-12, 12) | st.floats(-12, 12)
CELLS = ATOMS | st.lists(ATOMS, max_size=3) | st.just({"k": 1})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_the_types_accept_the_exact_path_finds_clean(data: st.DataObject) -> None:
    source = data.draw(generate.contracts())
    batch = data.draw(generate.records(source, CELLS))
    contract = compiled(source)
    if accepts(contract, batch):
        verdict = judge(contract, table_of(contract, json.loads(json.dumps(batch))))
        assert (verdict.outcome, verdict.total, verdict.changes) == (Outcome.OK, 0, ())


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("{type: int, min: 0, max: 120}", 42),
        ("{type: int, min: 0, max: 120}", 42.0),
        ("{type: int}", -7),
        ("{type: int, exclusive_min: 0}", 1),
        ("{type: int, missing_values: [-999]}", 3),
        ("{type: int, min: 0, missing_values: [-999, N/A]}", 3),
        ("{type: int, multiple_of: 5}", 15),
        ("{type: float}", 1e300),
        ("{type: float, min: 0}", 10**17),
        ("{type: float, exclusive_max: 1}", 0.9999999999999999),
        ("{type: float, nullable: true}", None),
        ("{type: bool}", True),
        ("{type: string, max_length: 3}", "abc"),
        ("{type: string, pattern: '[0-9]{5}'}", "01234"),
        ("{type: string, nullable: true, pattern: '[0-9]{5}'}", None),
        ("{values: [a, b]}", "a"),
        ("{type: category, values: [a, 1]}", 1),
        ("{type: timestamp}", "2026-01-31T12:00:00Z"),
        ("{type: bytes, max_length: 3}", "abc"),
        ("{type: json}", {"a": 1}),
        ("{type: json, nullable: true}", None),
        ('{type: "float[2]", min: 0}', [1, 2.5]),
        ('{type: "float[1,2]"}', [[1, 2.5]]),
        ('{type: "float[,]"}', [[1, 2.5]]),
        ('{type: "int[]"}', [1, 2.0]),
        ('{type: "string[]", values: [a]}', ["a"]),
        ("{format: uuid}", "019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f"),
        ('{type: "string[]", format: iso-country}', ["DE", "FR"]),
        ("{type: int, not_values: [7]}", 8),
        ("{values: [a, b], not_values: [b]}", "a"),
        ("{type: string, unique: true}", "a"),
        ("{type: float, finite: false, nullable: true}", None),
        ("{role: ignored}", [None]),
    ],
)
def test_common_clean_values_take_the_fast_way(feature: str, value: Any) -> None:
    assert accepts(one_feature(feature), [{"x": value}])


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("{type: int}", 2**53),
        ("{type: int, max: 9007199254740992}", 2**53 + 1),
        ("{type: float, max: 9007199254740992}", 2**53 + 1),
        ("{type: float, missing_values: [9007199254740993]}", 2**53 + 1),
        ("{type: float, values: [9007199254740992]}", 2**53 + 1),
        ("{type: float, exclusive_min: -9007199254740993}", -(2**53) - 1),
        ("{type: float, exclusive_max: 9007199254740993}", 2**53 + 1),
        ("{type: int}", True),
        ("{type: int}", 1.5),
        ("{type: int, missing_values: [5]}", 5),
        ("{type: string, missing_values: ['']}", ""),
        ("{values: [a, b], missing_values: [b]}", "b"),
        ("{type: int, nullable: true, default: 1}", None),
        ("{type: json}", None),
        ("{format: uuid}", "019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6"),
        ("{type: int, not_values: [7]}", 7),
        ("{type: int, not_values: [7]}", 7.0),
        ("{values: [a, b], not_values: [b]}", "b"),
        ("{type: bool, not_values: [true]}", True),
        ('{type: "float[,]"}', [[1.0], [1.0, 2.0]]),
        ("{type: int, required: false, lifecycle: deprecated}", 1),
        ("{type: int, required: false, role: slice_only}", 1),
        ("{type: timestamp, required: false, not_in_future: true}", "2020-01-01T00:00:00Z"),
    ],
)
def test_what_is_not_certain_is_left_to_the_exact_path(feature: str, value: Any) -> None:
    assert accepts(one_feature(feature), [{"x": value}]) is False


@pytest.mark.parametrize(
    "feature",
    [
        "{type: int, from: 'header:x-a'}",
        "{type: int, role: slice_only}",
        "{type: timestamp, max_age: 1h}",
        "{type: int, min: 9007199254740993}",
    ],
)
def test_some_contracts_have_no_proof(feature: str) -> None:
    assert one_feature(feature).request_types() is None


@pytest.mark.parametrize(
    ("feature", "clean"),
    [
        ("{type: int}", False),
        ("{type: int, required: false}", True),
        ("{type: int, required: false, default: 1}", False),
        ("{type: int, lifecycle: deprecated}", True),
        ("{type: int, required: false, role: slice_only}", True),
        ("{role: ignored}", True),
    ],
)
def test_absence_is_accepted_where_it_is_clean(feature: str, clean: bool) -> None:
    contract = one_feature(feature)
    assert accepts(contract, [{}]) is clean
    assert (judge(contract, table_of(contract, [{}])).total == 0) is clean


def test_answers_are_proven_the_same_way() -> None:
    contract = compiled("{prediction: {score: {type: float, min: 0, max: 1}}}")
    types = contract.reply_types()
    assert types is not None
    accept = acceptor(types)
    assert [accept(body) for body in (b'[{"score": 0.5}]', b'[{"score": 1.5}]', b"[{}]")] == [True, False, False]
