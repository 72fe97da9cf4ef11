"""Rows that are compared with each other: one row is proven by its types, a batch is looked at as a whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.guard import Guard
from sidecar.verdict import Outcome
from tests.kit.guards import guard

TEXT = """\
policy: credit
model: {protocol: %s}
contract:
  mode: enforce
  features:
    id: {type: string, role: key, unique: true, format: uuid}
    country: {type: string, format: iso-country, not_values: [KP]}
"""
IDS = [f"019b7c00-3d2a-7c11-9f00-1a2b3c4d5e{number:02x}" for number in range(4)]


@pytest.fixture(scope="module", params=["tfserving", "oip"])
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guard:
    return guard(tmp_path_factory.mktemp("policy"), TEXT % request.param)


def body(judge: Guard, ids: list[str], countries: list[str]) -> bytes:
    if judge.identity.protocol == "tfserving":
        pairs = zip(ids, countries, strict=True)
        return json.dumps({"instances": [{"id": one, "country": land} for one, land in pairs]}).encode()
    columns = {"id": ids, "country": countries}
    tensors = [{"name": name, "shape": [len(ids)], "datatype": "BYTES", "data": data} for name, data in columns.items()]
    return json.dumps({"inputs": tensors}).encode()


def test_one_good_row_is_proven_by_its_types(judge: Guard) -> None:
    assert judge.accept_request(body(judge, IDS[:1], ["DE"])) == 1


@pytest.mark.parametrize(("one", "land"), [("no-uuid", "DE"), (IDS[0], "de"), (IDS[0], "KP")])
def test_one_bad_row_is_not(judge: Guard, one: str, land: str) -> None:
    assert judge.accept_request(body(judge, [one], [land])) == 0


def test_a_batch_is_never_proven_row_by_row(judge: Guard) -> None:
    assert judge.accept_request(body(judge, IDS[:2], ["DE", "FR"])) == 0
    assert judge.accept_request(body(judge, [IDS[0], IDS[0]], ["DE", "FR"])) == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_batch_is_refused_where_an_id_comes_again(judge: Guard, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=5))
    sent = body(judge, ids, ["DE"] * len(ids))
    again = [row for row, one in enumerate(ids) if one in ids[:row]]
    judged = judge.judge_request(sent, "", lambda name: None, "", 0.0)
    assert [(one.code, one.row) for one in judged.verdict.violations] == [("id.unique", row) for row in again]
    assert (judged.verdict.outcome is Outcome.OK) == (not again)
    if judge.accept_request(sent):
        assert not again
