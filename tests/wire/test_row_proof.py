"""Rows accepted fast are rows that the exact path reads without a word, whatever the body's size and spelling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from sidecar.errors import WireError
from sidecar.rows import TypedFeature
from sidecar.wire import arrays
from sidecar.wire.plain import PlainJson
from sidecar.wire.row_proof import keys_once, pieces
from sidecar.wire.tfserving import TfServing

TYPES = {"age": TypedFeature(Annotated[float, Meta(ge=0, le=120)]), "note": TypedFeature(str, required=False)}
CODEC = TfServing().bind(dict.fromkeys(TYPES, ""), [])
ACCEPT = CODEC.request_acceptor(TYPES, closed=True)
assert ACCEPT is not None
accept = ACCEPT


@pytest.fixture(params=["without numpy", "with numpy"], autouse=True, scope="module")
def counting(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways of counting: the one until numpy is there, and the one from then on."""
    before, arrays.numpy = arrays.numpy, numpy if request.param == "with numpy" else None
    yield
    arrays.numpy = before


# One row alone, a few, some that numpy counts, more than one count of it, and a body that is decoded in pieces.
SIZES = [1, 2, 40, 600, 9_000, 45_000]
SPELLINGS: dict[str, Callable[[Any], str]] = {
    "compact": lambda body: json.dumps(body, separators=(",", ":")),
    "as Python writes it": json.dumps,
    "on many lines": lambda body: json.dumps(body, indent=1),
    "with a newline at the end": lambda body: json.dumps(body) + "\n",
}


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"age": index % 120, "note": "x" * (index % 7)} if index % 3 else {"age": 7} for index in range(count)]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("count", SIZES)
def test_clean_rows_are_accepted_in_any_number_and_spelling(count: int, spelling: str) -> None:
    rows = rows_of(count)
    write = SPELLINGS[spelling]
    assert accept(write({"instances": rows}).encode()) == count
    assert accept(write({"instances": rows}).replace("[{", "[ {").encode()) == count
    bare = PlainJson(rows="").bind(dict.fromkeys(TYPES, ""), []).request_acceptor(TYPES, closed=True)
    assert bare is not None and bare(write(rows).encode()) == count
    for place in {0, count // 2, count - 1}:
        bad = [*rows[:place], {**rows[place], "age": 121}, *rows[place + 1 :]]
        assert accept(write({"instances": bad}).encode()) == 0


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("count", SIZES)
def test_a_key_that_comes_twice_in_any_row_is_declined(count: int, spelling: str) -> None:
    rows = rows_of(count)
    for place in {0, count // 2, count - 1}:
        twice = [*rows[:place], {"age": 1, "AGE": 2}, *rows[place + 1 :]]
        body = SPELLINGS[spelling]({"instances": twice})
        assert accept(body.replace("AGE", "age").encode()) == 0
        assert accept(body.replace("AGE", "\\u0061ge").encode()) == 0


@pytest.mark.parametrize("size", [5, 8_191, 8_192, 131_072, 262_144, 262_145, 700_000])
def test_one_colon_too_many_is_seen_wherever_it_is(size: int) -> None:
    body = bytearray(b"x" * size)
    body[2] = body[4] = ord(":")
    assert keys_once(bytes(body), 2)
    assert not keys_once(bytes(body), 1)
    for place in {0, size // 2, size - 1, min(262_143, size - 1), min(262_144, size - 1)} - {2, 4}:
        body[place] = ord(":")
        assert not keys_once(bytes(body), 2)
        assert keys_once(bytes(body), 3)
        body[place] = ord("x")


@pytest.mark.parametrize("count", [0, 45_000])
@pytest.mark.parametrize(
    "text",
    [
        '{{"instances":[{rows}{{"age":1}}]]}}',
        '{{"instances":[{rows}{{"age":1}}]}} x',
        '{{"instances":[{rows}{{"age":1}},]}}',
        '{{"instances":[,{rows}{{"age":1}}]}}',
        '{{"instances":[{rows}{{"age":1}}}}]}}',
        '{{"instances":[{rows}{{"age":1]}}',
        '{{"instances":[{rows}{{"age":1}}{{"age":1}}]}}',
        '{{"instances":[{rows}{{"age":1}}],"instances":[{{"age":1}}]}}',
        '{{"instances":[{rows}{{"age":1}}],"other":[{{"age":1}}]}}',
        '{{"instances":[{rows}{{"age":1,"note":"]}}',
        '{{"instances":[{rows}{{"age":1}},"]}}',
        '{{"instances":[]}}',
        '{{"instances":[{rows}[{{"age":1}}]]}}',
        '{{"instances":[{rows}]}}',
    ],
)
def test_what_is_no_such_body_is_declined(count: int, text: str) -> None:
    rows = json.dumps(rows_of(count), separators=(",", ":"))[1:-1] + "," * bool(count)
    assert accept(text.format(rows=rows).encode()) == 0


def test_escapes_are_text_like_any_other() -> None:
    assert accept(b'{"instances":[{"age":1,"note":"\\u00e9 \\" \\\\ \\n"}]}') == 1
    assert accept(b'{"instances":[{"age":1,"note":"\\u003a"},{"\\u0061ge":2}]}') == 2
    assert accept(b'{"instances":[{"age":1,"note":":"}]}') == 0  # not proven: the exact path counts better


def test_callers_that_change_their_form_are_told_the_same() -> None:
    one, two, bad = (
        b'{"instances":[{"age":1}]}',
        b'{"instances":[{"age":1},{"age":2}]}',
        b'{"instances":[{"age":-1}]}',
    )
    assert [accept(body) for body in (one, two, bad, one, bad, two, two, one)] == [1, 2, 0, 1, 0, 2, 2, 1]


def test_a_cut_inside_a_text_leaves_nothing_valid() -> None:
    """Texts that look like the gap between two rows: such a body may be declined, never counted wrongly."""
    note = '},{"age":1,"note":"'
    count = 40_000
    for offset in range(6):
        rows = [{"age": 5, "note": "y" * offset}] + [{"age": index % 120, "note": note} for index in range(count)]
        body = json.dumps({"instances": rows}, separators=(",", ":")).encode()
        assert len(body) > 1 << 20
        assert accept(body) == 0  # the notes hold colons
        assert accept(body.replace(b":\\", b";\\").replace(b":1,", b";1,")) in (0, count + 1)


@given(st.lists(st.sampled_from(['{"a":1}', '{"a":"},{"}', "{}", '{"b":[{},{}]}']), min_size=1, max_size=30), st.data())
@settings(deadline=None, max_examples=100)
def test_pieces_hold_every_byte_in_order(rows: list[str], data: st.DataObject) -> None:
    gap = data.draw(st.sampled_from([",", ", "]))
    body = f"[{gap.join(rows)}]".encode()
    rest = body[1:-1]
    for piece in pieces(body, 1, len(body) - 1, data.draw(st.integers(1, 40))):
        assert (piece[:1], piece[-1:]) == (b"[", b"]")
        assert rest.startswith(piece[1:-1])
        rest = rest[len(piece) - 2 :]
        assert rest[:1] in (b"", b",")
        rest = rest[1:].lstrip(b" ")
    assert rest == b""


SCRAPS = st.sampled_from(
    [b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b" ", b'"age":3,', b"},{", b"1", b"e9", b"-"]
)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 3), st.sampled_from(list(SPELLINGS)), st.lists(st.tuples(st.integers(0, 200), SCRAPS), max_size=3)
)
def test_a_damaged_body_is_accepted_only_as_it_is_read(
    count: int, spelling: str, scraps: list[tuple[int, bytes]]
) -> None:
    body = SPELLINGS[spelling]({"instances": rows_of(count)}).encode()
    for place, scrap in scraps:
        body = body[: place % len(body)] + scrap + body[place % len(body) :]
    accepted = accept(body)
    try:
        rows = CODEC.read_request(body, lambda name: None)
    except WireError:
        assert accepted == 0
        return
    if accepted:
        assert (rows.count, dict(rows.unknown)) == (accepted, {})
        assert all(0 <= value <= 120 for value in rows.columns["age"])
