"""B32: what is not JSON never reaches a model behind an enforcing policy, and always does behind an observing one."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.badinput.desk import PROTOCOLS, bound, judged, port, post, refused

pytestmark = pytest.mark.anyio

CORPUS_FILE = Path(__file__).parents[1] / "wire" / "corpus" / "jsontestsuite.json"
CORPUS: dict[str, bytes] = {
    name: base64.b64decode(text) * times for name, (text, times) in json.loads(CORPUS_FILE.read_text()).items()
}
# RFC 8259 leaves these to the parser: what ours says, once and for all.
READ = {
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
}
# Two members of one name are JSON, but no two readers need agree about them.
AMBIGUOUS = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}


def is_read(name: str) -> bool:
    return (name.startswith("y_") and name not in AMBIGUOUS) or name in READ


def is_syntax(body: bytes) -> bool:
    """Whether a message complains about JSON rather than about what the protocol wants of it."""
    sentences = (
        b"not JSON",
        b"not UTF-8",
        b"is empty",
        b"byte order mark",
        b"out of range",
        b"nested deeper",
        b"twice",
    )
    return any(sentence in body for sentence in sentences)


@pytest.mark.parametrize("protocol", ["matrix", "json"])
async def test_b32_the_corpus_is_refused_while_enforcing(tmp_path: Path, protocol: str) -> None:
    async with port(tmp_path, protocol) as world:
        for name, body in CORPUS.items():
            found = await refused(world, post(protocol, body))
            assert found.status in (400, 413, 422), name
            assert is_syntax(found.body) is not is_read(name), (name, found.body)


async def test_b32_a_refusal_names_the_byte(tmp_path: Path) -> None:
    """Almost every case has one; what has none is nesting and numbers no double holds in long bodies."""
    without = []
    async with port(tmp_path) as world:
        for name, body in CORPUS.items():
            if name.startswith("n_"):
                found = await refused(world, post("matrix", body))
                if not re.search(rb"byte \d+", found.body):
                    without.append(name)
    assert without == ["n_structure_100000_opening_arrays", "n_structure_open_array_object"]


async def test_b32_the_corpus_passes_byte_for_byte_while_observing(tmp_path: Path) -> None:
    async with port(tmp_path, "matrix", "observe") as world:
        for name, body in CORPUS.items():
            found = await world.ask(post("matrix", body))
            assert found.status == 200, name
            assert world.upstream.received.body == body, name
        told = [exchange.verdict for exchange in world.exchanges()]
        assert told == ["unchecked"] * len(CORPUS)  # none of them is a request that this policy could read


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_b39_observing_says_what_enforcing_does(tmp_path: Path, protocol: str) -> None:
    folder = tmp_path / "o"
    folder.mkdir()
    enforcing, observing = bound(tmp_path, protocol), bound(folder, protocol, "observe")
    clean = PROTOCOLS[protocol].write([{"age": 30, "income": 1.5}])
    for name, value in CORPUS.items():
        for body in (value, clean.replace(b"1.5", value.strip() or b"null")):
            applied, noted = judged(body, enforcing), judged(body, observing)
            assert applied.verdict.violations == noted.verdict.violations, name
            assert applied.verdict.total == noted.verdict.total
            assert applied.verdict.would == noted.verdict.would == applied.verdict.outcome
            assert noted.verdict.outcome in ("ok", "observed", "unchecked")
            assert noted.body is body
            assert not (applied.guard_error or noted.guard_error), (name, applied.guard_error)
