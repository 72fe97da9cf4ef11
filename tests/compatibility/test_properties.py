"""What must hold for any two contracts: nothing is found where nothing differs, and what is called safe is safe."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from sidecar.compatibility import Caller, Comparison, Compatibility, compare
from sidecar.contract import compile_contract
from sidecar.policy import Policy, digest
from sidecar.rows import MISSING, Rows
from sidecar.verdict import Outcome
from tests.contract import generate
from tests.contract.desk import answer, judge, table_of

from .desk import policy

EXAMPLES = settings(max_examples=60, deadline=None)
FEATURES = generate.numbers() | generate.texts() | generate.others()


def policies(features: dict[str, Any], **contract: Any) -> Policy:
    return policy({"fallback": {"values": {"score": 0.5}}, "features": features, **contract})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two contracts: each feature the same, another one, there once, or with some keys of another."""
    old = draw(generate.contracts())
    features: dict[str, Any] = {}
    for name, feature in old["features"].items():
        match draw(st.sampled_from(["same", "other", "gone", "mixed", "mixed", "bound", "bound"])):
            case "same":
                features[name] = feature
            case "other":
                features[name] = draw(FEATURES)
            case "mixed":
                other = draw(FEATURES)
                keys = draw(st.sets(st.sampled_from(["nullable", "required", "missing_values", "on_violation"])))
                features[name] = {**feature, **{key: other[key] for key in keys if key in other}}
            case "bound":
                moved = {key: feature[key] + draw(st.sampled_from([-1, 1])) for key in ("min", "max") if key in feature}
                features[name] = {**feature, **moved}
    if draw(st.integers(0, 4)) == 0:
        features["z"] = draw(FEATURES)
    new = {**old, "features": features}
    if draw(st.booleans()):
        new["unknown_features"] = draw(st.sampled_from(["reject", "strip", "warn", "ignore"]))
    if draw(st.integers(0, 3)) == 0:
        new["on_bad_rows"] = draw(st.sampled_from(["reject_request", "drop_rows", "fallback"]))
    if not (compiles(old) and compiles(new)) or draw(st.booleans()):
        old, new = ({**contract, "rules": []} for contract in (old, new))
    assume(compiles(old) and compiles(new))
    return old, new


def compiles(contract: dict[str, Any]) -> bool:
    return compile_contract(policy(contract).contract)[0] is not None


def worst(comparison: Comparison) -> set[Caller]:
    return {change.verdicts.caller for change in comparison.changes}


@EXAMPLES
@given(generate.contracts().filter(lambda contract: bool(compiles(contract))))
def test_nothing_differs_from_itself(contract: dict[str, Any]) -> None:
    same = policy(contract)
    for mode in Compatibility:
        found = compare(same, policy(contract), mode)
        assert found.changes == ()
        assert found.required is None


@EXAMPLES
@given(st.data())
def test_what_is_safe_for_callers_refuses_nothing_that_was_answered(data: st.DataObject) -> None:
    old, new = data.draw(pairs())
    found = compare(policy(old), policy(new))
    note(str([(change.path, change.old, change.new, *change.verdicts) for change in found.changes]))
    if worst(found) - {Caller.SAFE}:
        return
    before, after = (compile_contract(policy(contract).contract)[0] for contract in (old, new))
    assert before is not None and after is not None
    for contract in (old, new):
        records = data.draw(generate.records(contract))
        for batch in (records, *[[record] for record in records]):
            if judge(before, table_of(before, batch)).outcome is not Outcome.REJECTED:
                assert judge(after, table_of(after, batch)).outcome is not Outcome.REJECTED, batch


def promise(feature: dict[str, Any]) -> dict[str, Any]:
    """A feature's checks as those of an answer."""
    kept = {key: value for key, value in feature.items() if key not in ("default", "unique")}
    return {**kept, "on_violation": "reject"} if kept.get("on_violation") == "fallback" else kept


@EXAMPLES
@given(st.data())
def test_what_is_safe_for_callers_answers_nothing_that_was_never_answered(data: st.DataObject) -> None:
    old, new = (
        {"prediction": {name: promise(feature) for name, feature in contract["features"].items()}}
        for contract in data.draw(pairs())
    )
    assume(compiles(old) and compiles(new))
    if worst(compare(policy(old), policy(new))) - {Caller.SAFE}:
        return
    before, after = (compile_contract(policy(contract).contract)[0] for contract in (old, new))
    assert before is not None and after is not None
    for contract in (old, new):
        for record in data.draw(generate.records({"features": contract["prediction"]})):
            told, tells = (
                Rows(1, {name: [record.get(name, MISSING)] for name in each["prediction"]}, lambda name, row: "")
                for each in (old, new)
            )
            if answer(after, tells).outcome is Outcome.OK:
                assert answer(before, told).outcome in (Outcome.OK, Outcome.OBSERVED), record


@EXAMPLES
@given(pairs())
def test_whatever_differs_is_found(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = (policy(contract) for contract in pair)
    assert bool(compare(old, new).changes) == (digest(old) != digest(new))


@EXAMPLES
@given(pairs())
def test_one_way_is_the_other_way_back(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """What forward finds for callers is what backward finds between the same two, turned round."""
    old, new = (policy(contract) for contract in pair)
    forward = [each for each in compare(old, new, Compatibility.FORWARD).changes if each.direction == "forward"]
    backward = [each for each in compare(new, old).changes if each.verdicts.caller is not Caller.SAFE]
    assert sorted((each.path, each.old, each.new, each.verdicts.caller) for each in forward) == sorted(
        (each.path, each.new, each.old, each.verdicts.caller) for each in backward
    )


@EXAMPLES
@given(
    st.sampled_from(["min", "max", "exclusive_min", "exclusive_max", "max_length", "values"]),
    st.integers(-9, 9),
    st.integers(1, 5),
)
def test_narrower_one_way_is_wider_the_other_way(key: str, at: int, by: int) -> None:
    kind = "float" if key != "max_length" else "string"
    tighter: Any = abs(at)
    looser: Any = tighter + by
    if key.endswith("min"):
        tighter, looser = at + by, at
    elif key == "values":
        tighter, looser = [at], [at, at + by]
    elif key != "max_length":
        tighter, looser = at, at + by
    wide, tight = ({"type": kind, key: value} for value in (looser, tighter))
    narrowed = compare(policies({"x": wide}), policies({"x": tight}))
    widened = compare(policies({"x": tight}), policies({"x": wide}))
    assert (worst(narrowed), worst(widened)) == ({Caller.BREAKING}, {Caller.SAFE})
    (one,), (other,) = narrowed.changes, widened.changes
    assert (one.path, one.old, one.new) == (other.path, other.new, other.old)


@EXAMPLES
@given(pairs())
def test_full_is_both_and_a_version_alone_changes_nothing(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = (policy(contract) for contract in pair)
    full = {(each.path, each.direction) for each in compare(old, new, Compatibility.FULL).changes}
    backward = {(each.path, each.direction) for each in compare(old, new).changes}
    assert backward <= full
    assert compare(old, dataclasses.replace(old, version="9.9.9")).changes == ()
