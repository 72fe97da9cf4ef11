"""What is said when serving begins."""

from __future__ import annotations

from pathlib import Path

from sidecar.runtime.messages import LoadResult, PolicyFacts
from sidecar.runtime.settings import resolve
from sidecar.supervisor.banner import banner


def said(**facts: object) -> str:
    policy = PolicyFacts(name="credit", digest="b2:0123456789abcdef", canonical="{}", protocol="json", **facts)  # type: ignore[arg-type]
    return banner(resolve({}, {}), {"listen": "127.0.0.1:8600"}, Path("journal"), LoadResult(policies=(policy,)))


def test_a_policy_is_told_with_its_mode_and_where_it_judges() -> None:
    assert "credit  ENFORCE  json /predict  b2:0123456789ab\n" in said(mode="enforce", path="/predict")
    assert "credit  observe  json iris  b2:" in said(model_name="iris")


def test_modes_of_callers_are_not_taken_for_everybodys() -> None:
    text = said(mode="enforce", modes="observe, enforce for mobile")
    assert "credit  observe, ENFORCE for mobile  json any model" in text
    assert "OBSERVING ONLY" not in text
