"""The draw: sticky, keyed, within binomial bounds, the same for every way to write one id."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.rows import MISSING
from sidecar.shadow import Sampler, derive_key
from sidecar.shadow.sampling import unit_text

KEY = derive_key(b"one secret for every replica")
IDS = [f"01990000-{number:08x}" for number in range(20_000)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_the_share_is_within_binomial_bounds(share: float) -> None:
    sampler = Sampler(KEY, "credit", "request", share)
    sampled = sum(sampler.draw(name).sampled for name in IDS)
    deviation = math.sqrt(len(IDS) * share * (1 - share))
    assert abs(sampled - len(IDS) * share) <= 4 * deviation


def test_none_and_all_are_exact() -> None:
    assert not any(Sampler(KEY, "credit", "request", 0.0).draw(name).sampled for name in IDS)
    assert all(Sampler(KEY, "credit", "request", 1.0).draw(name).sampled for name in IDS)


def test_replicas_with_one_secret_draw_alike_and_others_do_not() -> None:
    here = [Sampler(derive_key(b"s" * 32), "credit", "request", 0.5).draw(name) for name in IDS[:200]]
    there = [Sampler(derive_key(b"s" * 32), "credit", "request", 0.5).draw(name) for name in IDS[:200]]
    elsewhere = [Sampler(derive_key(b"t" * 32), "credit", "request", 0.5).draw(name) for name in IDS[:200]]
    assert here == there
    assert sum(a.sampled != b.sampled for a, b in zip(here, elsewhere, strict=True)) > 50
    assert not {draw.unit for draw in here} & {draw.unit for draw in elsewhere}


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    small, large = (Sampler(KEY, "credit", "request", share) for share in (0.1, 0.25))
    assert all(large.draw(name).sampled for name in IDS if small.draw(name).sampled)


def test_policies_and_kinds_of_unit_draw_apart() -> None:
    samplers = [Sampler(KEY, *names, 0.5) for names in (("a", "request"), ("b", "request"), ("a", "customer"))]
    drawn = [[sampler.draw(name).sampled for name in IDS[:500]] for sampler in samplers]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        alike = sum(a == b for a, b in zip(drawn[one], drawn[other], strict=True))
        assert 180 < alike < 320


def test_there_is_no_sample_without_a_secret() -> None:
    with pytest.raises(ValueError, match="--secret-file"):
        derive_key(b"")


def test_a_secret_longer_than_any_hash_key_is_fine() -> None:
    assert derive_key(b"x" * 500) != derive_key(b"x" * 501)


@pytest.mark.parametrize("spelled", [17, 17.0, "17"])
def test_one_customer_has_one_name(spelled: object) -> None:
    assert unit_text(spelled) == "17"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
@settings(max_examples=150, deadline=None)
def test_any_value_names_a_unit(value: object) -> None:
    sampler = Sampler(KEY, "credit", "customer", 0.5)
    assert sampler.draw(value) == sampler.draw(value)
    assert len(sampler.draw(value).unit) == 16


def test_nothing_is_the_empty_name() -> None:
    assert unit_text(None) == unit_text(MISSING) == ""
