"""Our own ids: UUIDv7 with the time in front, and trace ids, from one draw."""

from __future__ import annotations

import random
import uuid

from hypothesis import given
from hypothesis import strategies as st

from sidecar.gateway.ids import Ids


@given(st.integers(0, 2**48 * 1_000_000 - 1), st.integers(0))
def test_every_id_is_a_uuid7_of_its_time(unix_ns: int, seed: int) -> None:
    text, hexadecimal = Ids(random.Random(seed).getrandbits).call_ids(unix_ns)
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
    assert parsed.int >> 80 == unix_ns // 1_000_000
    assert len(hexadecimal) == 64 and set(hexadecimal) <= set("0123456789abcdef")


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = Ids(random.Random(1).getrandbits)
    found = [ids.call_ids(number * 1_000_000) for number in range(5000)]
    texts = [text for text, _ in found]
    assert sorted(texts) == texts
    assert len({text[-12:-4] for text in texts}) == len({text for _, text in found}) == 5000


def test_every_random_bit_is_drawn() -> None:
    low, high = Ids(lambda bits: 0, "a"), Ids(lambda bits: 2**bits - 1, "a")
    assert low.call_ids(0) == (f"00000000-0000-7000-8000-00000000{low.prediction_id(0)[-4:]}", "0" * 64)
    assert high.call_ids(0) == (f"00000000-0000-7fff-bfff-ffffffff{low.prediction_id(0)[-4:]}", "f" * 64)


def test_a_replica_knows_its_own_ids() -> None:
    here, again, there = (Ids(random.Random(seed).getrandbits, name) for seed, name in ((1, "a"), (2, "a"), (3, "b")))
    assert here.made_here(again.prediction_id(5)), "another worker, or the same one started again"
    assert not here.made_here(there.prediction_id(5))
    assert not any(map(here.made_here, ("", "x" * 36, "application-7", here.prediction_id(5)[:-1])))
