"""JSON is read exactly: what is not JSON, or could be read in two ways, is refused and the place is named."""

from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import WireError, WireFault
from sidecar.wire.document import Limits, depth, encode, parse, pointer_to, tokens_of, without_strings

CORPUS: dict[str, bytes] = {
    name: base64.b64decode(text) * times
    for name, (text, times) in json.loads((Path(__file__).parent / "corpus" / "jsontestsuite.json").read_text()).items()
}
# RFC 8259 section 4 lets a parser choose; one that guards a model must not.
DUPLICATES = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}
ACCEPTED_CHOICES = {
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
}
SLOWEST_SECONDS = 5.0  # the aim is 0.05; this only catches what grows faster than the body, on any machine


def refused(body: bytes, **options: Any) -> WireError:
    with pytest.raises(WireError) as caught:
        parse(body, **options)
    return caught.value


def test_the_corpus_is_whole() -> None:
    kinds = [name[0] for name in CORPUS]
    assert (kinds.count("n"), kinds.count("y"), kinds.count("i")) == (188, 95, 35)


@pytest.mark.parametrize("name", [name for name in CORPUS if name.startswith("n_")])
def test_what_is_not_json_is_refused(name: str) -> None:
    assert refused(CORPUS[name]).fault in (WireFault.MALFORMED, WireFault.TOO_LARGE)


@pytest.mark.parametrize("name", [name for name in CORPUS if name.startswith("y_")])
def test_what_is_json_is_read(name: str) -> None:
    if name in DUPLICATES:
        assert refused(CORPUS[name]).fault is WireFault.AMBIGUOUS
    else:
        assert parse(CORPUS[name]) == json.loads(CORPUS[name])


@pytest.mark.parametrize("name", [name for name in CORPUS if name.startswith("i_")])
def test_where_the_rfc_leaves_a_choice_ours_is_fixed(name: str) -> None:
    if name in ACCEPTED_CHOICES:
        parse(CORPUS[name])
    else:
        fault = WireFault.TOO_LARGE if name == "i_structure_500_nested_arrays" else WireFault.MALFORMED
        assert refused(CORPUS[name]).fault is fault


def test_a_malformed_file_almost_always_has_a_position() -> None:
    located = [name for name in CORPUS if name.startswith("n_") and refused(CORPUS[name]).offset is not None]
    assert len(located) >= 180


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b"[1,]", 3),
        (b'{"a" 1}', 5),
        (b"[1] x", 4),
        (b"", 0),
        (b"  ", 0),
        (b"[1", 2),
        (b'["\xff"]', 2),
        (b"[1, 1e400]", 4),
    ],
)
def test_the_offset_is_the_culprit(body: bytes, offset: int) -> None:
    assert refused(body).offset == offset


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":1,"\\u0061":2}', "/a"),
        (b'{"x":[0,{"a/b~":1,"c":{},"a/b~":2}]}', "/x/1/a~1b~0"),
        (b'[[{"":1,"":2}]]', "/0/0/"),
        (b'{"t":"a:b:c","o":{"k":[{"z":1,"z":{"y":1}}]}}', "/o/k/0/z"),
    ],
)
def test_a_key_twice_is_ambiguous_and_located(body: bytes, pointer: str) -> None:
    error = refused(body)
    assert (error.fault, error.pointer) == (WireFault.AMBIGUOUS, pointer)


def test_strings_full_of_colons_are_not_taken_for_keys() -> None:
    assert parse(b'{"at":"12:30:00","u":"\\":\\\\:"}') == {"at": "12:30:00", "u": '":\\:'}


@pytest.mark.parametrize("text", ["9007199254740993", "-0", "123456789012345678901234567890", "1" * 400])
def test_whole_numbers_stay_exact(text: str) -> None:
    assert parse(text.encode()) == int(text)


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b'{"a":-Infinity}', b"[ NaN , 1 ]"])
def test_nonfinite_tokens_only_where_asked(body: bytes) -> None:
    assert refused(body).fault is WireFault.MALFORMED
    parse(body, allow_nonfinite=True)


@pytest.mark.parametrize("body", [b"[-NaN]", b"[+Infinity]", b"[nan]", b"[NaN1]", b"[1e400, NaN]", b"[NaN,]"])
def test_asking_for_nonfinite_lets_nothing_else_in(body: bytes) -> None:
    assert refused(body, allow_nonfinite=True).fault is WireFault.MALFORMED


def test_nonfinite_values_and_texts_are_told_apart() -> None:
    value = parse(b'{"a":[NaN, Infinity ,-Infinity],"b":",NaN,"}', allow_nonfinite=True)
    assert math.isnan(value["a"][0])
    assert value["a"][1:] == [math.inf, -math.inf]
    assert value["b"] == ",NaN,"
    assert refused(b'{"a":NaN,"a":1}', allow_nonfinite=True).fault is WireFault.AMBIGUOUS


def test_depth_ends_at_exactly_the_limit() -> None:
    assert parse(b"[" * 128 + b"]" * 128) is not None
    assert refused(b"[" * 129 + b"]" * 129).fault is WireFault.TOO_LARGE
    assert parse(b'[{"a":' * 64 + b"1" + b"}]" * 64) is not None
    assert parse(b'["' + b"[" * 500 + b'"]') == ["[" * 500]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b",".join([b"1.5"] * 1_000_000) + b"]", id="a million elements"),
        pytest.param(b'"' + b"a" * 10_000_000 + b'"', id="ten megabytes of text"),
        pytest.param(b'"' + b"\\n" * 5_000_000 + b'"', id="ten megabytes of escapes"),
        pytest.param(b"1" * 10_000_000, id="one endless number"),
        pytest.param(b"[" * 100_000, id="a deep hole"),
        pytest.param(b'{"a":' * 100_000, id="a deep hole of objects"),
        pytest.param(b"[" + b"[]," * 149_000 + b"[]]", id="many small lists"),
        pytest.param(b"[" + b",".join([b'{"a":1}'] * 70_000) + b"]", id="many small objects"),
        pytest.param(b"[" + b",".join([b"1" * 400] * 20_000) + b"]", id="many long numbers"),
    ],
)
def test_nothing_holds_the_loop_for_long(body: bytes) -> None:
    started = time.perf_counter()
    try:
        parse(body)
    except WireError:
        pass
    assert time.perf_counter() - started < SLOWEST_SECONDS


def test_limits_say_which_one_was_hit() -> None:
    assert "elements" in refused(b"[1,2,3,4]", limits=Limits(elements=2)).message
    assert "deeper" in refused(b"[[[1]]]", limits=Limits(depth=2)).message
    assert "digits" in refused(b"[" + b"1" * 401 + b"]").message
    assert parse(b'["' + b"1" * 500 + b'", 0.' + b"1" * 500 + b"]")[0] == "1" * 500


def test_no_value_and_no_long_key_reaches_an_error() -> None:
    secret = b"CANARY"
    bodies = [
        b'{"a":"CANARY","b":1e999}',
        b'{"a":"CANARY" x}',
        b'["CANARY","\xff"]',
        b'["CANARY\\q"]',
        b'{"a":"CANARY","a":"CANARY"}',
    ]
    for body in bodies:
        error = refused(body)
        assert secret.decode() not in error.message + error.pointer
    assert len(refused(b'{"' + b"k" * 5000 + b'":1,"' + b"k" * 5000 + b'":1}').pointer) <= 256


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=6), inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, max_examples=200)
@given(documents, st.booleans())
def test_reading_is_the_inverse_of_writing(value: Any, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value
    assert parse(encode(value)) == value


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u01eE+-.truefalsn NaIy', max_size=40).map(str.encode))
def test_any_bytes_give_a_value_or_a_wire_error(body: bytes) -> None:
    try:
        value = parse(body)
    except WireError as error:
        assert error.message
    else:
        assert json.loads(body) == value


@settings(deadline=None, max_examples=100)
@given(documents)
def test_depth_and_strings_are_measured_alike(value: Any) -> None:
    def levels(node: Any) -> int:
        if isinstance(node, dict):
            return 1 + max(map(levels, node.values()), default=0)
        return 1 + max(map(levels, node), default=0) if isinstance(node, list) else 0

    body = json.dumps(value).encode()
    most = levels(value)
    assert depth(body, 1000) == most
    assert parse(body, limits=Limits(depth=most)) == value
    if most:
        with pytest.raises(WireError, match="nested deeper"):
            parse(body, limits=Limits(depth=most - 1))
    json.loads(without_strings(body).replace(b'""', b"0").replace(b"0:", b'"k":'))


@pytest.mark.parametrize("limit", [1, 30, 31, 32, 33, 400])
def test_a_number_that_is_too_long_is_seen_wherever_it_stands(limit: int) -> None:
    limits = Limits(digits=limit)
    for offset in range(50):
        before, after = b"[" + b" " * offset + b'"x",', b',"' + b"y" * 40 + b'"]'
        assert parse(before + b"7" * limit + after, limits=limits)[1] == int("7" * limit)
        with pytest.raises(WireError, match="digits"):
            parse(before + b"7" * (limit + 1) + after, limits=limits)


@given(st.lists(st.text(max_size=4), max_size=4))
def test_pointers_round_trip(tokens: list[str]) -> None:
    assert tokens_of(pointer_to(tokens)) == tuple(tokens)


@pytest.mark.parametrize("text", ["age", "/a~2b", "/a~"])
def test_a_pointer_that_is_none_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON Pointer"):
        tokens_of(text)
