"""What a refused caller is told: the place of each bad cell in the body as sent, whose it is, and never its value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.gateway.respond import input_problem, output_problem, problem_json, render
from sidecar.guard import Guard
from sidecar.problem import Problem
from sidecar.wire.document import tokens_of
from tests.kit.guards import guard

BAD = 4711_4711  # of every form, the one value that breaks the contract
NAMES = ["age", "a/b", "m~n", "x y%", "é"]
CONTRACT = """\
owner: {team: risk, contact: "#risk"}
contract:
  mode: enforce
  errors: %s
  features:
    age: {type: int, max: 1000000, owner: {team: core, contact: "#core"}}
    "a/b": {type: int, max: 1000000}
    "m~n": {type: int, max: 1000000, owner: {team: nobody}}
    "x y%%": {type: int, max: 1000000}
    "é": {type: int, max: 1000000}
"""

Table = Sequence[Mapping[str, int]]


def matrix(table: Table) -> Any:
    data = [row[name] for row in table for name in NAMES]
    return {"inputs": [{"name": "t/0", "shape": [len(table), len(NAMES)], "datatype": "INT64", "data": data}]}


def nested(table: Table) -> Any:
    body = matrix(table)
    body["inputs"][0]["data"] = [[row[name] for name in NAMES] for row in table]
    return body


def tensors(table: Table) -> Any:
    return {
        "inputs": [
            {"name": name, "shape": [len(table)], "datatype": "INT64", "data": [row[name] for row in table]}
            for name in reversed(NAMES)
        ]
    }


def standing(table: Table) -> Any:
    """As `tensors`, each of one column."""
    body = tensors(table)
    for tensor in body["inputs"]:
        tensor["shape"] = [len(table), 1]
        tensor["data"] = [[value] for value in tensor["data"]]
    return body


MATRIX = "protocol: oip, columns: {t/0: [age, a/b, m~n, 'x y%', é]}"
LISTED = "columns: [age, a/b, m~n, 'x y%', é]"
FORMS: dict[str, tuple[str, Any]] = {
    "oip, one matrix": (MATRIX, matrix),
    "oip, one nested matrix": (MATRIX, nested),
    "oip, tensors": ("protocol: oip", tensors),
    "oip, tensors of one column": ("protocol: oip", standing),
    "tfserving, objects": ("protocol: tfserving", lambda table: {"instances": list(table)}),
    "tfserving, lists": (
        f"protocol: tfserving, {LISTED}",
        lambda table: {"instances": [[row[name] for name in NAMES] for row in table]},
    ),
    "tfserving, columns": (
        "protocol: tfserving",
        lambda table: {"inputs": {name: [row[name] for row in table] for name in NAMES}},
    ),
    "json, a list": ("protocol: json, path: /predict", list),
    "json, objects below": (
        "protocol: json, path: /predict, rows: /in~1put/rows",
        lambda table: {"in/put": {"rows": list(table)}},
    ),
    "json, lists below": (
        f"protocol: json, path: /predict, rows: /features, {LISTED}",
        lambda table: {"features": [[row[name] for name in NAMES] for row in table]},
    ),
}


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Guard]:
    folder = tmp_path_factory.mktemp("policies")
    return {
        name: guard(folder, f"policy: credit\nmodel: {{{model}}}\n{CONTRACT % 'codes'}")
        for name, (model, _) in FORMS.items()
    }


def refused(judge: Guard, body: Any, headers: Mapping[str, str] | None = None) -> Problem:
    judged = judge.judge_request(json.dumps(body).encode(), "", (headers or {}).get, "mobile", 0.0)
    assert judged.fault is None, judged.fault
    return input_problem(judge, judged)


def stands_at(body: Any, pointer: str) -> Any:
    """What an RFC 6901 pointer leads to."""
    for token in tokens_of(pointer):
        body = body[int(token)] if isinstance(body, list) else body[token]
    return body


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_each_pointer_leads_to_the_cell_that_was_sent(guards: dict[str, Guard], form: str, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    cells = [(row, name) for row in range(count) for name in NAMES]
    bad = data.draw(st.lists(st.sampled_from(cells), min_size=1, max_size=20, unique=True))
    table = [{name: BAD if (row, name) in bad else row for name in NAMES} for row in range(count)]
    body = FORMS[form][1](table)
    problem = refused(guards[form], body)
    assert sorted((one.row, one.feature) for one in problem.violations) == sorted(bad)
    assert len({one.pointer for one in problem.violations}) == len(bad)
    found = [stands_at(body, one.pointer) for one in problem.violations]
    assert found == [BAD] * len(bad)
    # In problem+json the pointer is a URI fragment.
    for error in json.loads(problem_json(problem))["errors"]:
        assert error["pointer"].isascii()
        assert stands_at(body, unquote(error["pointer"].removeprefix("#"))) == BAD


@pytest.mark.parametrize("form", FORMS)
def test_twenty_are_listed_and_all_are_counted_and_no_value_is_told(guards: dict[str, Guard], form: str) -> None:
    problem = refused(guards[form], FORMS[form][1]([dict.fromkeys(NAMES, BAD)] * 9))
    told = json.loads(problem_json(problem))
    assert (len(told["errors"]), told["errors_shown"], told["errors_total"]) == (20, 20, 45)
    assert told["rows"] == {"received": 9, "refused": 9}
    for protocol in ("oip", "tfserving", ""):
        assert str(BAD).encode() not in render(problem, protocol, b"")[1]


def test_each_error_says_whose_fault_it_is_and_whom_to_ask(guards: dict[str, Guard]) -> None:
    form = "json, a list"
    told = json.loads(problem_json(refused(guards[form], [dict.fromkeys(NAMES, BAD)])))
    asked = {error["code"]: (error["fault"], error["contact"]) for error in told["errors"]}
    assert asked["age.max"] == ("caller", "#core")
    assert asked["a/b.max"] == asked["m~n.max"] == ("caller", "#risk")
    assert told["contact"] == "#risk"


@pytest.mark.parametrize("protocol", ["oip", "tfserving"])
def test_the_protocols_string_says_whom_to_ask_too(guards: dict[str, Guard], protocol: str) -> None:
    table = [{**dict.fromkeys(NAMES, 1), "age": BAD}]
    form = f"{protocol}, {'tensors' if protocol == 'oip' else 'objects'}"
    _, body = render(refused(guards[form], FORMS[form][1](table)), protocol, b"")
    text = json.loads(body)["error"]
    where = "/inputs/4/data/0" if protocol == "oip" else "/instances/0/age"
    assert f"age.max at {where}; ask #core" in text


@pytest.mark.parametrize(
    ("disclosure", "keys"),
    [
        ("full", {"pointer", "row", "code", "action", "detail", "fault", "contact"}),
        ("codes", {"pointer", "row", "code", "action", "fault", "contact"}),
        ("minimal", None),
    ],
)
def test_how_much_is_told(tmp_path: Path, disclosure: str, keys: set[str] | None) -> None:
    judge = guard(tmp_path, f"policy: credit\nmodel: {{protocol: tfserving}}\n{CONTRACT % disclosure}")
    told = json.loads(problem_json(refused(judge, {"instances": [dict.fromkeys(NAMES, BAD)]})))
    if keys is None:
        assert set(told) == {"type", "status", "title", "instance"}
    else:
        assert {frozenset(error) for error in told["errors"]} == {frozenset(keys)}


def test_a_header_is_named_in_place_of_a_pointer(tmp_path: Path) -> None:
    text = """\
policy: credit
model: {protocol: tfserving}
contract:
  mode: enforce
  features:
    age: {type: int}
    region: {values: [n, s], from: "header:X-Region", on_violation: reject}
"""
    judge = guard(tmp_path, text)
    problem = refused(judge, {"instances": [{"age": 1}]}, {"x-region": "w"})
    (error,) = json.loads(problem_json(problem))["errors"]
    assert error == {"header": "x-region", "row": 0, "code": "region.values", "action": "reject", "fault": "caller"}
    assert "region.values at header x-region" in json.loads(render(problem, "tfserving", b"")[1])["error"]


def test_an_answer_that_is_withheld_is_the_models_fault(tmp_path: Path) -> None:
    text = """\
policy: credit
model: {protocol: tfserving}
contract:
  mode: enforce
  prediction: {score: {type: float, max: 1, owner: {contact: "#model"}}}
"""
    judge = guard(tmp_path, text)
    answer = {"predictions": [0.5, BAD]}
    judged = judge.judge_reply(json.dumps(answer).encode(), "", "", 0.0, sent_rows=2)
    told = json.loads(problem_json(output_problem(judge, judged)))
    (error,) = told["errors"]
    assert (told["status"], error["fault"], error["contact"]) == (502, "model", "#model")
    assert stands_at(answer, error["pointer"][1:]) == BAD


def test_rows_of_a_withheld_answer_count_those_that_were_sent_to_us(tmp_path: Path) -> None:
    text = "policy: p\nmodel: {protocol: tfserving}\ncontract: {mode: enforce, prediction: {score: {max: 1}}}\n"
    judge = guard(tmp_path, text)
    judged = judge.judge_reply(b'{"predictions": [0.5, 7]}', "", "", 0.0, sent_rows=2, dropped_rows=(1,))
    told = json.loads(problem_json(output_problem(judge, judged, 3, (1,))))
    assert told["rows"] == {"received": 3, "refused": 0}
    assert [(error["row"], error["pointer"]) for error in told["errors"]] == [(2, "#")]  # there, row 2 stands at 1


@pytest.mark.parametrize("body", [b"not json {", b"", b'{"instances": [1e999]}'])
def test_the_byte_where_a_body_breaks_is_told_once(guards: dict[str, Guard], body: bytes) -> None:
    judge = guards["tfserving, objects"]
    problem = input_problem(judge, judge.judge_request(body, "", lambda name: None, "", 0.0))
    assert problem.detail.count("byte ") == 1
