"""`use:` takes the keys that are not stated from a definition elsewhere; mistakes are told where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.policy import digest, load
from sidecar.policy.sections import Policy
from tests.policy.written import Folder, codes, places, policy

COMMON = """\
features:
  age: {type: int, min: 0, max: 120, description: Age at application., owner: {team: core, contact: "#core"}}
  income: {type: float, min: 0}
"""


def using(text: str, *more: str) -> str:
    return policy("credit", *more, features=f"contract: {{features: {{age: {text}}}}}")


def only(folder: Folder, text: str) -> Policy:
    loaded = folder.load(text)
    assert [finding.message for finding in loaded.findings if finding.severity == "error"] == []
    return loaded.policies[0]


def test_keys_that_are_stated_win_over_used_ones(folder: Folder) -> None:
    folder.write("common.yaml", COMMON)
    age = only(folder, using("{use: 'common.yaml#/features/age', max: 99, owner: {team: mine}}")).contract.features[
        "age"
    ]
    assert (age.type, age.min.text if age.min else "", age.max.text if age.max else "") == ("int", "0", "99")
    assert age.owner is not None
    assert (age.owner.team, age.owner.contact) == ("mine", "#core")
    assert age.use == ""


def test_the_digest_is_of_what_results(folder: Folder) -> None:
    folder.write("common.yaml", COMMON)
    used = only(folder, using("{use: 'common.yaml#/features/income'}"))
    assert digest(used) == digest(only(folder, using("{type: float, min: 0}")))
    folder.write("common.yaml", COMMON.replace("type: float, min: 0", "type: float, min: 1"))
    assert digest(only(folder, using("{use: 'common.yaml#/features/income'}"))) != digest(used)


@pytest.mark.parametrize(
    "shared",
    [
        "features: {a: {type: int, max: 7}}",
        "{mode: enforce, features: {a: {type: int, max: 7}}, rules: []}",
        "{policy: other, model: {protocol: tfserving}, contract: {features: {a: {type: int, max: 7}}}}",
        "--- \nnothing: here\n---\nfeatures: {a: {type: int, max: 7}}",
    ],
)
@pytest.mark.parametrize("pointer", ["/features/a", "/contract/features/a"])
def test_it_stands_in_shared_definitions_a_contract_or_a_policy(folder: Folder, shared: str, pointer: str) -> None:
    folder.write("other.yaml", shared)
    loaded = folder.load(using(f"{{use: 'other.yaml#{pointer}'}}"))
    if pointer.startswith("/contract") and "contract:" not in shared:
        assert codes(loaded) == ["use.unknown"]
    else:
        bound = loaded.policies[0].contract.features["age"].max
        assert bound is not None
        assert bound.text == "7"


def test_names_are_json_pointers(folder: Folder) -> None:
    folder.write("common.yaml", 'features: {"a/b~c": {type: bool}}')
    assert only(folder, using("{use: 'common.yaml#/features/a~1b~0c'}")).contract.features["age"].type == "bool"


def test_a_chain_is_followed_from_file_to_file_each_relative_to_its_own(folder: Folder) -> None:
    (folder.path / "deep").mkdir()
    folder.write("deep/one.yaml", "features: {x: {use: '#/features/y', min: 1}, y: {use: '../two.yaml#/features/z'}}")
    folder.write("two.yaml", "features: {z: {type: int, min: 5, max: 9}}")
    age = only(folder, using("{use: 'deep/one.yaml#/features/x'}")).contract.features["age"]
    assert (age.type, age.min and age.min.text, age.max and age.max.text) == ("int", "1", "9")


def test_a_definition_of_the_same_document(folder: Folder) -> None:
    text = policy(features="contract: {features: {age: {type: int, max: 5}, years: {use: '#/features/age', min: 1}}}")
    years = only(folder, text).contract.features["years"]
    assert (years.type, years.min and years.min.text, years.max and years.max.text) == ("int", "1", "5")


@pytest.mark.parametrize(
    ("use", "code", "says"),
    [
        ("nowhere.yaml#/features/age", "use.unreadable", "cannot be read: No such file"),
        (".#/features/age", "use.unreadable", "not a file"),
        ("common.yaml#/features/agee", "use.unknown", "did you mean `age`?"),
        ("common.yaml#/features/zzz", "use.unknown", "it has age, income"),
        ("#/features/zzz", "use.unknown", "it has age"),
        ("common.yaml", "use.form", "write FILE#/features/NAME"),
        ("common.yaml#age", "use.form", "write FILE#/features/NAME"),
        ("common.yaml#/features/", "use.form", "write FILE#/features/NAME"),
        ("https://example.org/common.yaml#/features/age", "use.form", "never over the network"),
        ("#/features/age", "use.cycle", "age → age"),
        ("loop.yaml#/features/a", "use.cycle", "a → b → a"),
    ],
)
def test_what_cannot_be_used_is_told_where_it_is_asked_for(folder: Folder, use: str, code: str, says: str) -> None:
    folder.write("common.yaml", COMMON)
    folder.write("loop.yaml", "features: {a: {use: '#/features/b'}, b: {use: 'loop.yaml#/features/a'}}")
    loaded = folder.load(using(f"{{type: int, use: '{use}'}}"))
    (finding,) = loaded.findings
    assert finding.code == code
    assert says in finding.message + finding.hint
    assert Path(finding.file).name == ("loop.yaml" if use.startswith("loop") else "p0.yaml")
    assert finding.line


def test_a_chain_has_an_end(folder: Folder) -> None:
    links = ", ".join(f"f{at}: {{use: '#/features/f{at + 1}'}}" for at in range(12))
    folder.write("long.yaml", f"features: {{{links}, f12: {{type: int}}}}")
    assert codes(folder.load(using("{use: 'long.yaml#/features/f0'}"))) == ["use.chain"]


@pytest.mark.parametrize(
    ("shared", "code", "place"),
    [
        ("features:\n  age: {type: int, mni: 0}\n", "key.unknown", ("common.yaml", 2, 20)),
        ("features:\n  age: {type: intt}\n", "unknown-type", ("common.yaml", 2, 15)),
        ("features:\n  age:\n    type: int\n    min: x\n", "bad-value", ("common.yaml", 4, 10)),
        ("features:\n  age: {type: int\n", "yaml.syntax", ("common.yaml", 3, 1)),
    ],
)
def test_a_mistake_in_a_used_definition_is_told_where_it_stands(
    folder: Folder, shared: str, code: str, place: tuple[str, int, int]
) -> None:
    folder.write("common.yaml", shared)
    loaded = folder.load(using("{use: 'common.yaml#/features/age'}"))
    assert (code, place) in zip(codes(loaded), places(loaded), strict=True)


def test_shared_definitions_may_lie_in_the_folder_of_the_policies(folder: Folder) -> None:
    folder.write("common.yaml", COMMON)
    folder.write("credit.yaml", using("{use: 'common.yaml#/features/age'}"))
    loaded = load([folder.path])
    assert codes(loaded) == []
    assert ([each.name for each in loaded.policies], loaded.documents) == (["credit"], 2)
    assert [Path(name).name for name in loaded.used] == ["common.yaml"]


def test_shared_definitions_are_checked_though_nobody_uses_them(folder: Folder) -> None:
    folder.write("common.yaml", COMMON.replace("min: 0}", "mim: 0}"))
    folder.write("credit.yaml", policy())
    loaded = load([folder.path])
    assert codes(loaded) == ["key.unknown"]
    assert places(loaded) == [("common.yaml", 3, 25)]


def test_shared_definitions_alone_are_no_policy(folder: Folder) -> None:
    loaded = load([folder.write("common.yaml", COMMON)])
    assert (codes(loaded), loaded.errors) == (["policy.none"], 0)


def test_defaults_of_the_platform_may_use_definitions_too(folder: Folder) -> None:
    folder.write("common.yaml", COMMON)
    config = "defaults: {contract: {features: {income: {use: 'common.yaml#/features/income'}}}}"
    loaded = folder.load(policy(), config=config)
    assert loaded.policies[0].contract.features["income"].type == "float"
