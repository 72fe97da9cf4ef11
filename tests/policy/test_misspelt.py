"""A misspelt key is one more finding, and hides none of the others."""

from __future__ import annotations

import pytest

from .written import Folder, codes

POLICY = """\
policy: credit
owner: {team: t}
model: {protocol: oip, columns: {input-0: [age, income, job, oter]}}
contract:
  mode: enforce
  features:
    age: {type: int, min: 9, max: 3}
    income: {type: float, min: 0, max: 9, required: false, default: 12}
    job: {type: category, values: [a, b], on_violation: {replace: c}}
    other: {type: float}
  rules:
    - {id: a, expect: agee > 3}
    - {id: b, expect: other > 'x'}
  prediction: {score: {type: float, min: 0, max: 1}}
  fallback: {on: [timeout], values: {scor: 0.5}}
  candidate: nowhere.yaml
slices:
  - {name: seniors, where: income >= 'a'}
shadow:
  - {candidate: v2, upstream: http://v2, unit: nobody}
lineage: {review_by: 2020-01-01}
"""
FOUND = [
    (3, "mapping.near"),
    (7, "contradictory-bounds"),
    (8, "breaks-own-checks"),
    (9, "breaks-own-checks"),
    (12, "bad-expression"),
    (13, "bad-expression"),
    (15, "fallback-value-missing"),
    (15, "unknown-prediction"),
    (16, "candidate.unreadable"),
    (18, "bad-expression"),
    (20, "shadow.unit"),
]


def found(folder: Folder, text: str) -> list[tuple[int, str]]:
    return sorted((each.line, each.code) for each in folder.load(text).findings)


def test_the_mistakes_of_the_policy_as_it_is(folder: Folder) -> None:
    assert found(folder, POLICY) == FOUND


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("policy:", "polcy:"),
        ("owner:", "ower:"),
        ("model:", "modle:"),
        ("protocol:", "protocl:"),
        ("columns:", "colums:"),
        ("contract:", "contrct:"),
        ("mode:", "mdoe:"),
        ("features:", "feature:"),
        ("max: 3", "mx: 3"),
        ("default:", "defualt:"),
        ("values: [a", "value: [a"),
        ("rules:", "rule:"),
        ("expect: agee", "expct: agee"),
        ("prediction:", "predictions:"),
        ("fallback:", "fall_back:"),
        ("candidate: nowhere", "candidat: nowhere"),
        ("slices:", "slice:"),
        ("where:", "were:"),
        ("shadow:", "shadows:"),
        ("unit:", "units:"),
        ("lineage:", "linage:"),
    ],
)
def test_a_misspelt_key_adds_its_own_finding_and_takes_none_away(folder: Folder, right: str, wrong: str) -> None:
    assert POLICY.count(right) == 1, right
    line = POLICY[: POLICY.index(right)].count("\n") + 1
    assert found(folder, POLICY.replace(right, wrong)) == sorted([*FOUND, (line, "key.unknown")])


def test_two_misspelt_sections_and_what_is_in_them(folder: Folder) -> None:
    text = POLICY.replace("policy:", "polcy:").replace("model:", "modle:").replace("contract:", "contarct:")
    assert found(folder, text) == sorted([*FOUND, (1, "key.unknown"), (3, "key.unknown"), (4, "key.unknown")])


def test_a_key_that_could_be_anything_hides_what_speaks_of_its_feature_alone(folder: Folder) -> None:
    hidden = [(7, "contradictory-bounds")]
    expected = [each for each in FOUND if each not in hidden]
    text = POLICY.replace("max: 3", "wxyz: 3")
    assert found(folder, text) == sorted([*expected, (7, "key.unknown")])
    hidden = [(8, "breaks-own-checks"), (18, "bad-expression")]
    expected = [each for each in FOUND if each not in hidden]
    text = POLICY.replace("max: 9", "wxyz: 9")
    assert found(folder, text) == sorted([*expected, (8, "key.unknown")])


def test_sections_that_lost_their_indent_are_the_only_findings(folder: Folder) -> None:
    loaded = folder.load(
        """\
        policy: a
        owner: {team: t}
        model: {protocol: oip, columns: {input-0: [age]}}
        contract:
          rules: [{id: a, expect: age > 3}]
          fallback: {on: [timeout], values: {score: 1}}
        slices: [{name: s, by: age}, {name: t, where: age > 3}]
        shadow: [{candidate: v2, upstream: http://v2, unit: age}]
        capture: {hide: {age: hash}}
        features:
          age: {type: int}
        prediction: {score: {type: float}}
        """
    )
    assert [(each.line, each.code) for each in loaded.findings] == [(10, "key.unknown"), (12, "key.unknown")]
    assert [each.hint for each in loaded.findings] == [
        "`features` is a key of `contract:`: check the indent",
        "`prediction` is a key of `contract:`: check the indent",
    ]


def test_an_unknown_section_hides_nothing_that_speaks_of_the_features_that_are_there(folder: Folder) -> None:
    text = POLICY.replace(
        "  prediction: {score: {type: float, min: 0, max: 1}}\n  fallback: {on: [timeout], values: {scor: 0.5}}\n", ""
    )
    kept = [(12, "bad-expression"), (13, "bad-expression"), (16, "bad-expression")]
    lines = found(folder, text + "modl: {protocol: oip}\n")
    assert [each for each in lines if each[1] in ("bad-expression", "key.unknown")] == [*kept, (20, "key.unknown")]


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("model: {protocol: oip}\nmode: observe", "`mode` is a key of `contract:`: check the indent"),
        ("mode: {protocol: oip}", "did you mean `model`?"),
    ],
)
def test_a_key_of_the_contract_is_not_taken_for_one_that_is_there(folder: Folder, model: str, hint: str) -> None:
    loaded = folder.load(f"policy: a\nowner: {{team: t}}\n{model}\ncontract: {{features: {{age: {{type: int}}}}}}\n")
    assert [each.hint for each in loaded.findings] == [hint]


def test_without_a_model_the_contract_is_still_checked(folder: Folder) -> None:
    lines = POLICY.splitlines(keepends=True)
    kept = [each for each in FOUND if each[1] != "mapping.near"]
    lines[2] = "model: oip\n"
    assert found(folder, "".join(lines)) == sorted([*kept, (3, "value.type")])
    lines[2] = "\n"
    assert found(folder, "".join(lines)) == sorted([*kept, (1, "key.missing")])


def test_policies_whose_models_are_missing_do_not_meet(folder: Folder) -> None:
    texts = [f"policy: p{number}\nowner: {{team: t}}\n" for number in range(2)]
    assert codes(folder.load(*texts)) == ["key.missing", "key.missing"]


def test_a_misspelt_key_of_the_platform_file_hides_nothing_either(folder: Folder) -> None:
    good = "policy: a\nowner: {team: t}\nmodel: {protocol: oip}\n"
    loaded = folder.load(
        good, config="upstrem: {url: http://elsewhere}\nhosts: [here]\ndefault: {contrct: {mode: x}}\n"
    )
    assert sorted((each.code, each.line) for each in loaded.findings) == [
        ("key.unknown", 1),
        ("key.unknown", 3),
        ("key.unknown", 3),
        ("url.host", 1),
        ("value.choice", 3),
    ]


def test_a_misspelt_use_leads_to_its_definition(folder: Folder) -> None:
    folder.write("shared.yaml", "features: {age: {type: int}}\n")
    text = "policy: a\nowner: {team: t}\nmodel: {protocol: oip, columns: {i: [age]}}\ncontract: {featuers: {age: %s}}\n"
    assert codes(folder.load(text % '{use: "shared.yaml#/features/age"}')) == ["key.unknown"]
    assert codes(folder.load(text % '{use: "shared.yaml#/features/agee"}')) == ["key.unknown", "use.unknown"]
