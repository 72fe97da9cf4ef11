"""Expressions of a policy outside its contract: slices and action limits are checked like rules, each at its place."""

from __future__ import annotations

import pytest

from .written import Folder, codes, places, policy

SCORED = "contract: {features: {age: {type: int}}, prediction: {score: {type: float}}}"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("slices: [{name: seniors, where: aeg >= 65}]", 33, "did you mean `age`? (at character 1)"),
        ("slices: [{name: seniors, where: age >= '65'}]", 33, "never equal (at character 8)"),
        ("slices: [{name: good, where: score > 0.5}]", 30, "no feature `score`"),
        ("watch: {actions: [{name: r, where: scor > 0.8, max_share: 30%}]}", 36, "did you mean `score`?"),
        ("watch: {actions: [{name: r, where: score >, max_share: 30%}]}", 36, "a name or a value"),
    ],
)
def test_a_mistake_is_placed_at_the_expression(folder: Folder, line: str, column: int, message: str) -> None:
    loaded = folder.load(policy("credit", line, features=SCORED))
    wrong = [finding for finding in loaded.findings if finding.severity == "error"]
    assert [(finding.code, finding.line, finding.column) for finding in wrong] == [("bad-expression", 5, column)]
    assert message in wrong[0].message


def test_mistakes_in_rules_and_slices_are_told_in_one_run(folder: Folder) -> None:
    features = "contract: {features: {age: {type: int}}, rules: [{id: r, expect: aeg > 1}]}"
    loaded = folder.load(policy("credit", "slices: [{name: s, where: agee > 1}]", features=features))
    assert [line for _, line, _ in places(loaded)] == [4, 5]


def test_good_ones_say_nothing(folder: Folder) -> None:
    loaded = folder.load(
        policy("credit", "slices: [{name: seniors, where: age >= 65}, {name: age, by: age}]", features=SCORED)
    )
    assert codes(loaded) == []
    acted = "watch: {actions: [{name: r, where: score > 0.8 and age < 20, max_share: 30%}]}"
    assert "bad-expression" not in codes(folder.load(policy("credit", acted, features=SCORED)))


def test_two_slices_of_one_name_are_refused(folder: Folder) -> None:
    loaded = folder.load(policy("credit", "slices: [{name: s, by: age}, {name: s, where: age > 1}]"))
    assert codes(loaded) == ["slice.twice"]
    assert places(loaded) == [("p0.yaml", 5, 37)]


def test_a_feature_that_is_wrong_itself_is_told_once(folder: Folder) -> None:
    features = "contract: {features: {age: {type: int, nulable: true}}}"
    loaded = folder.load(policy("credit", "slices: [{name: s, where: age > 1}]", features=features))
    assert codes(loaded) == ["key.unknown"]


def test_a_rule_is_told_at_its_line_and_column(folder: Folder) -> None:
    rules = """contract:
  features: {age: {type: int}, job: {type: category, values: [employed, retired]}}
  rules:
    - {id: grown-up, expect: age >= 18}
    - id: retired
      when: job == 'retierd'
      expect: age > 50
"""
    loaded = folder.load(policy("credit", features=rules, model="").replace("[age]", "[age, job]"))
    (one,) = loaded.findings
    assert (one.code, one.line, one.column) == ("bad-expression", 9, 13)
    assert one.message == "`job` is never 'retierd'; did you mean 'retired'? (at character 8)"
    assert one.hint == "it is one of 'employed', 'retired'"
