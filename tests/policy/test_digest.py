"""The canonical form: exact both ways, blind to spelling, sharp for meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import PolicyError
from sidecar.policy import (
    Policy,
    digest,
    from_canonical,
    load,
    platform_from_canonical,
    platform_to_canonical,
    short,
    to_canonical,
)
from sidecar.yamldoc import parse, write

from .written import Folder, policy

POLICIES = Path(__file__).parents[2] / "policies"


def one(folder: Folder, text: str) -> Policy:
    loaded = folder.load(text)
    assert loaded.errors == 0, loaded.findings
    return loaded.policies[0]


def test_spelling_does_not_count_and_meaning_does(folder: Folder) -> None:
    plain = one(folder, policy("a", "watch: {window: 1h}"))
    spelled = one(folder, "# a comment\nwatch:\n  window: 60m\n" + policy("a").replace("{team: t}", "{'team': \"t\"}"))
    other = one(folder, policy("a", "watch: {window: 2h}"))
    assert digest(plain) == digest(spelled)
    assert digest(plain) != digest(other)


def test_a_default_stated_is_a_default(folder: Folder) -> None:
    stated = one(folder, policy("a", "api: v1", "capture: {content: lengths}"))
    assert digest(stated) == digest(one(folder, policy("a")))


def test_a_digest_is_b2_and_hexadecimal_digits(folder: Folder) -> None:
    full = digest(one(folder, policy()))
    assert len(full) == 67
    assert int(full.removeprefix("b2:"), 16) > 0
    assert short(full) == full[:15]


@pytest.mark.parametrize("name", ["credit-risk", "iris", "diabetes"])
def test_the_examples_survive_both_ways(name: str) -> None:
    loaded = load([POLICIES / f"{name}.yaml"], config=POLICIES / "sidecar.yaml")
    (found,) = loaded.policies
    assert from_canonical(to_canonical(found)) == found
    assert digest(from_canonical(to_canonical(found))) == digest(found)
    assert platform_from_canonical(platform_to_canonical(loaded.platform)) == loaded.platform
    parsed = parse(write(found), Policy, file="effective.yaml")
    assert parsed.value == found
    assert digest(parsed.value) == digest(found)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"policy":"a"}', b"\xff", b"null"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PolicyError):
        from_canonical(data)
    with pytest.raises(PolicyError):
        platform_from_canonical(data)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_canonical_form_with_any_part_replaced_is_refused_or_read(data: st.DataObject) -> None:
    whole = json.loads(to_canonical(load([POLICIES / "iris.yaml"]).policies[0]))
    name = data.draw(st.sampled_from(sorted(whole)))
    whole[name] = data.draw(st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}))
    try:
        from_canonical(json.dumps(whole).encode())
    except PolicyError:
        pass
