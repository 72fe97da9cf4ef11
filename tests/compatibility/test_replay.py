"""Recorded rows under two contracts."""

from __future__ import annotations

from typing import Any

from sidecar.compatibility import Bump, Change, Evidence, Outcome, Verdicts, compare, with_evidence
from sidecar.compatibility.replay import Received, Replay

from .desk import Keys, policy

AGE: dict[str, Any] = {"type": "int", "max": 120}


def replay(old: Keys, new: Keys, *rows: Received) -> Replay:
    found = Replay(policy(old), policy(new))
    for row in rows:
        found.add(row)
    return found


def row(id: str = "p1", caller: str = "web", **values: Any) -> Received:  # noqa: A002
    return Received(id=id, values=values, caller=caller, seconds=1.8e9)


def ages(old: Keys, new: Keys, *rows: Received, **contract: Any) -> Replay:
    return replay({"features": {"age": old}, **contract}, {"features": {"age": new}, **contract}, *rows)


def told(found: Replay, feature: str, code: str = "") -> Evidence:
    change = Change(path="", old="", new="", verdicts=Verdicts(), why="", feature=feature, code=code)
    return found.evidence(change)


def test_which_rows_callers_codes_and_slices_change_verdict() -> None:
    rows = [
        Received(id=f"p{number}", values={"age": 90 + number}, caller="web" if number % 2 else "app",
                 slices={"region": "north" if number < 15 else "south"})
        for number in range(20)
    ]  # fmt: skip
    found = ages(AGE, {**AGE, "max": 100}, *rows)
    assert (found.rows, found.calls, found.changed, found.refused) == (20, 20, 9, 9)
    (moved,) = found.transitions.values()
    assert (moved.side, moved.before, moved.after, moved.rows, moved.calls) == ("input", "ok", "rejected", 9, 9)
    assert moved.codes == {"age.max": 9}
    assert moved.callers == {"web": 5, "app": 4}
    assert moved.slices == {"region=north": 4, "region=south": 5}
    assert moved.examples == ["p11", "p12", "p13", "p14", "p15"]
    assert (found.callers["web"].rows, found.callers["web"].changed) == (10, 5)
    assert (found.slices["region=south"].rows, found.slices["region=south"].changed) == (5, 5)


def test_rows_of_one_call_are_one_call() -> None:
    rows = [Received(id="p1", row=at, values={"age": 110}) for at in range(3)]
    (moved,) = ages(AGE, {**AGE, "max": 100}, *rows).transitions.values()
    assert (moved.rows, moved.calls, moved.examples) == (3, 1, ["p1", "p1#1", "p1#2"])


def test_a_row_that_is_dropped_from_its_batch_is_refused_to_its_caller() -> None:
    model = {"protocol": "tfserving"}
    old = {"features": {"age": {**AGE, "on_violation": "warn"}}}
    dropped = {"features": {"age": {**AGE, "on_violation": "drop"}}}
    found = Replay(policy(old, model=model), policy(dropped, model=model))
    found.add(row(age=130))
    assert (found.changed, found.refused) == (1, 1)


def test_what_observes_would_be_rejected_and_is_rejected_once_it_enforces() -> None:
    old = {"features": {"age": AGE}, "mode": "observe"}
    assert [*replay(old, {**old, "features": {"age": {**AGE, "max": 9}}}, row(age=50)).transitions] == [
        ("input", "ok", "would be rejected")
    ]
    assert [*replay(old, {**old, "mode": "enforce"}, row(age=150)).transitions] == [
        ("input", "would be rejected", "rejected")
    ]


def test_each_caller_has_its_own_mode() -> None:
    old = {"features": {"age": AGE}, "mode": "observe"}
    new = {**old, "mode": {"default": "observe", "callers": {"app": "enforce"}}}
    found = replay(old, new, row(age=150), row(age=150, caller="app"))
    (moved,) = found.transitions.values()
    assert moved.callers == {"app": 1}


def test_answers_are_judged_too() -> None:
    old, new = ({"prediction": {"score": {"type": "float", "max": most}}} for most in (1, 0.5))
    answered = Received(id="p1", values={}, prediction={"score": 0.7})
    found = replay(old, new, answered, Received(id="p2", values={}))
    assert [*found.transitions] == [("output", "ok", "rejected")]
    assert told(found, "prediction.score") == Evidence(2, 1, 1, ("p1",))


def test_a_hidden_feature_is_not_judged_and_counted() -> None:
    hidden = Received(id="p1", values={"age": "hash:…"}, hidden=frozenset({"age"}))
    found = ages(AGE, {**AGE, "max": 9}, hidden, row(age=50))
    assert found.hidden == {"age": 1}
    assert found.changed == 1
    assert told(found, "age").rows == 1


def test_a_name_whose_value_nobody_recorded_is_not_judged_where_it_became_a_feature() -> None:
    carried = Received(id="p1", values={}, unknown=("age",))
    assert replay({"unknown_features": "warn"}, {"features": {"age": AGE}}, carried).refused == 0
    refused = replay({"unknown_features": "warn"}, {"unknown_features": "reject"}, carried)
    assert [*refused.transitions] == [("input", "observed", "rejected")]
    assert told(refused, "unknown").refused == 1


def test_a_repair_that_sets_another_value_touches_rows_without_a_new_verdict() -> None:
    old, new = ({**AGE, "required": False, "default": value} for value in (3, 4))
    found = ages(old, new, row(age=5), row("p2"))
    assert found.changed == 0
    assert told(found, "age") == Evidence(2, 1, 0, ("p2",))


def test_a_renamed_feature_in_its_place_is_the_same_column() -> None:
    def contract(name: str, **more: Any) -> Any:
        features = {name: {**AGE, **more}}
        return policy({"features": features}, model={"protocol": "oip", "columns": {"input-0": [name]}})

    found = Replay(contract("age"), contract("years", renamed_from="age"))
    found.add(row(age=50))
    assert found.changed == 0


def test_the_undecidable_is_settled_by_rows() -> None:
    def contract(pattern: str) -> Any:
        return {"features": {"code": {"type": "string", "pattern": pattern}}}

    def outcome(*codes: str) -> Outcome:
        old, new = contract("[0-9]{5}"), contract("[0-9]{4,5}")
        found = replay(old, new, *[row(code=code) for code in codes])
        comparison = compare(policy(old), policy(new, version="1.1.0"))
        return with_evidence(comparison, found.evidence).outcome

    assert outcome() is Outcome.EVIDENCE
    assert outcome("12345", "1234") is Outcome.SAFE


def test_what_was_unknown_asks_for_a_minor_bump_once_rows_have_told() -> None:
    old, new = (
        {"features": {"code": {"type": "string", "pattern": pattern}}} for pattern in ("[0-9]{5}", "[0-9]{4,5}")
    )
    found = replay(old, new, row(code="12345"))
    proven = with_evidence(compare(policy(old), policy(new)), found.evidence)
    assert (proven.required, proven.advised) == (Bump.MINOR, "1.1.0")


def test_rows_that_an_unknown_change_refuses_make_it_breaking() -> None:
    old, new = ({"features": {"code": {"type": "string", "pattern": pattern}}} for pattern in ("[0-9]{5}", "[0-4]{5}"))
    found = replay(old, new, row(code="12345"), row(code="11111"))
    proven = with_evidence(compare(policy(old), policy(new, version="1.1.0")), found.evidence)
    assert proven.outcome is Outcome.BREAKING
    assert proven.changes[0].evidence == Evidence(2, 1, 1, ("p1",))
    assert proven.advised == "2.0.0"


def test_a_rule_is_replayed_by_its_code() -> None:
    features = {"features": {"age": AGE}}
    old, new = ({**features, "rules": [{"id": "adult", "expect": f"age >= {low}"}]} for low in (18, 21))
    found = replay(old, new, row(age=19), row("p2", age=30))
    assert told(found, "rule.adult") == Evidence(2, 1, 1, ("p1",))


def test_a_rule_about_a_hidden_feature_is_not_judged_there() -> None:
    features = {"features": {"age": AGE, "size": {"type": "int"}}}
    old, new = ({**features, "rules": [{"id": "big", "expect": f"size > age + {by}"}]} for by in (0, 90))
    hidden = Received(id="p1", values={"size": 50}, hidden=frozenset({"age"}))
    found = replay(old, new, hidden, row("p2", age=20, size=50))
    assert (found.changed, told(found, "rule.big").rows) == (1, 1)


def test_a_rule_that_observes_refuses_nothing() -> None:
    features = {"features": {"age": AGE}}
    new = {**features, "rules": [{"id": "adult", "expect": "age > 20", "mode": "observe"}]}
    found = replay(features, new, row(age=3))
    assert ([*found.transitions], found.refused) == ([("input", "ok", "observed")], 0)


def test_slices_are_the_new_policys_or_as_recorded_where_their_feature_is_hidden() -> None:
    contract = {"features": {"age": AGE, "region": {"type": "string", "role": "slice_only"}}}
    new = policy(contract, slices=[{"name": "old", "where": "age > 60"}, {"name": "region", "by": "region"}])
    found = Replay(policy(contract), new)
    recorded = {"region": "north", "old": False, "gone": True}
    found.add(Received(id="p1", values={"age": 70}, hidden=frozenset({"region"}), slices=recorded))
    assert set(found.slices) == {"old", "region=north"}


def test_each_check_of_a_feature_has_its_own_evidence() -> None:
    old, new = ({**AGE, "min": low, "max": most} for low, most in ((0, 120), (5, 100)))
    found = ages(old, new, row("p1", age=1), row("p2", age=110), row("p3", age=115))
    assert told(found, "age", "age.min") == Evidence(3, 1, 1, ("p1",))
    assert told(found, "age", "age.max") == Evidence(3, 2, 2, ("p2", "p3"))
    assert told(found, "age").changed == 3
    assert told(found, "").changed == 3


def test_a_clamp_that_sets_another_bound_touches_rows() -> None:
    old, new = ({**AGE, "max": most, "on_violation": "clamp"} for most in (120, 100))
    found = ages(old, new, row("p1", age=50), row("p2", age=110), row("p3", age=150))
    assert told(found, "age", "age.max") == Evidence(3, 2, 0, ("p2", "p3"))


def test_an_action_that_changes_shows_its_code() -> None:
    found = ages({**AGE, "on_violation": "clamp"}, AGE, row(age=150))
    (moved,) = found.transitions.values()
    assert (moved.before, moved.after, moved.codes) == ("repaired", "rejected", {"age.max": 1})
