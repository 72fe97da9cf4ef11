"""`candidate:` puts the contract of another file beside the policy's own; mistakes are told where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.contract import ContractSection
from sidecar.policy import digest, from_canonical, load, to_canonical
from tests.policy.written import Folder, codes, places, policy

NAMING = policy(features="contract: {candidate: next.yaml, features: {age: {type: int, min: 0, max: 120}}}")
BARE = "contract:\n  features: {age: {type: int, min: 18, max: 100}}\n"
WHOLE = "policy: credit\nversion: 2.0.0\nmodel: {protocol: tfserving}\n" + BARE


def candidate(folder: Folder, text: str = NAMING) -> ContractSection:
    loaded = folder.load(text)
    assert not loaded.errors, loaded.findings
    section = loaded.policies[0].contract.candidate
    assert isinstance(section, ContractSection)
    return section


@pytest.mark.parametrize("text", [BARE, WHOLE, "--- \nnothing: here\n---\n" + BARE])
def test_it_is_the_contract_of_the_file_and_nothing_else_of_it(folder: Folder, text: str) -> None:
    folder.write("next.yaml", text)
    age = candidate(folder).features["age"]
    assert (age.min and age.min.text, age.max and age.max.text) == ("18", "100")


def test_the_digest_covers_it_and_the_canonical_form_holds_it(folder: Folder) -> None:
    folder.write("next.yaml", BARE)
    (first,) = folder.load(NAMING).policies
    assert from_canonical(to_canonical(first)) == first
    folder.write("next.yaml", BARE.replace("100", "99"))
    (second,) = folder.load(NAMING).policies
    assert digest(first) != digest(second)
    assert folder.load(NAMING).used == (str(folder.path / "next.yaml"),)


def test_it_may_share_definitions_with_others(folder: Folder) -> None:
    folder.write("common.yaml", "features: {age: {type: int, max: 77}}")
    folder.write("next.yaml", "contract: {features: {age: {use: 'common.yaml#/features/age', min: 5}}}")
    age = candidate(folder).features["age"]
    assert (age.min and age.min.text, age.max and age.max.text) == ("5", "77")


def test_it_may_be_written_out_in_place(folder: Folder) -> None:
    inline = NAMING.replace("next.yaml", "{features: {age: {type: int, max: 9}}}")
    assert list(candidate(folder, inline).features) == ["age"]


def test_a_file_that_is_not_there_is_a_warning_since_nothing_depends_on_it(folder: Folder) -> None:
    loaded = folder.load(NAMING)
    assert (codes(loaded), loaded.errors) == (["candidate.unreadable"], 0)
    assert places(loaded) == [("p0.yaml", 4, 23)]
    assert loaded.policies[0].contract.candidate == ""


FAULTS = [
    ("contract: {features: {age: {type: int, mim: 3}}}", "key.unknown", ("next.yaml", 1, 40)),
    ("contract: {features: {age: {type: int, min: old}}}", "bad-value", ("next.yaml", 1, 45)),
    ("contract: {candidate: p0.yaml, features: {}}", "candidate.nested", ("next.yaml", 1, 12)),
    ("features: {age: {type: int}}", "candidate.contract", ("p0.yaml", 4, 23)),
    (BARE + "---\n" + BARE, "candidate.contract", ("p0.yaml", 4, 23)),
    ("contract: {features: [", "yaml.syntax", ("next.yaml", 1, 23)),
    ("contract: {on_bad_rows: drop_rows}", "drop.protocol", ("next.yaml", 1, 25)),
    ("contract: {features: {x: {type: int, from: 'input-0[7]'}}}", "model.mapping", ("p0.yaml", 4, 12)),
]


@pytest.mark.parametrize(("text", "code", "place"), FAULTS, ids=[code for _, code, _ in FAULTS])
def test_one_that_cannot_be_meant_is_an_error_at_its_place(
    folder: Folder, text: str, code: str, place: tuple[str, int, int]
) -> None:
    folder.write("next.yaml", text)
    loaded = folder.load(NAMING)
    assert loaded.policies == ()
    assert (code, place) in list(zip(codes(loaded), places(loaded), strict=True)), loaded.findings


def test_nothing_is_read_over_the_network(folder: Folder) -> None:
    loaded = folder.load(NAMING.replace("next.yaml", "'https://example.org/next.yaml'"))
    assert codes(loaded) == ["candidate.file"]


@pytest.mark.parametrize("text", [BARE, WHOLE])
def test_in_a_folder_a_candidate_is_no_policy_in_force(folder: Folder, text: str) -> None:
    folder.write("credit.yaml", NAMING)
    folder.write("next.yaml", text)
    loaded = load([folder.path])
    assert not loaded.errors, loaded.findings
    assert [one.name for one in loaded.policies] == ["credit"]
    assert loaded.policies[0].version is None


def test_a_policy_of_another_name_stays_in_force_though_somebody_names_it(folder: Folder) -> None:
    folder.write("credit.yaml", NAMING.replace("columns: {input-0: [age]}", "columns: {input-0: [age]}, name: a"))
    folder.write("next.yaml", policy("other", model="name: b"))
    assert {one.name for one in load([folder.path]).policies} == {"credit", "other"}


DROPS = {
    "contract: {on_bad_rows: drop_rows}": ("contract", "on_bad_rows"),
    "contract: {features: {age: {type: int, on_violation: drop}}}": ("contract", "features", "age", "on_violation"),
    "contract: {prediction: {s: {type: float, on_violation: drop}}}": ("contract", "prediction", "s", "on_violation"),
}


@pytest.mark.parametrize(("contract", "path"), DROPS.items())
@pytest.mark.parametrize("protocol", ["oip", "opaque", "tfserving", "json"])
def test_rows_are_dropped_only_where_null_can_stand_in_their_places(
    tmp_path: Path, protocol: str, contract: str, path: tuple[str, ...]
) -> None:
    if protocol == "opaque":  # it has no features in bodies
        contract, path = "contract: {on_bad_rows: drop_rows}", ("contract", "on_bad_rows")
    file = tmp_path / "p.yaml"
    file.write_text(f"policy: p\nowner: {{team: t}}\nmodel: {{protocol: {protocol}, path: /x}}\n{contract}\n")
    found = [finding for finding in load([file]).findings if finding.code == "drop.protocol"]
    if protocol in ("tfserving", "json"):
        assert found == []
    else:
        assert [finding.path for finding in found] == [path]
        assert f"`{protocol}`" in found[0].message
