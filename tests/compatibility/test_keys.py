"""A new key of the policy language has no meaning here until it is given one: these tests say which are missing."""

from __future__ import annotations

import dataclasses

import pytest

from sidecar.compatibility import surroundings
from sidecar.compatibility.checks import KEYS
from sidecar.compatibility.contracts import CONTRACT
from sidecar.compatibility.rules import RULE
from sidecar.contract.sections import Fallback, Feature, PolicyContract, Prediction, Rule
from sidecar.families import members
from sidecar.policy import Model, Policy, Timeouts, Upstream
from sidecar.policy.observing import Feedback, Lineage
from sidecar.yamldoc.shapes import section


def names(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("cls", [Feature, Prediction])
def test_every_key_of_a_value_has_one_comparator(cls: type) -> None:
    attributes = [attribute for key in KEYS[cls] for attribute in key.attributes]
    assert sorted(attributes) == sorted(names(cls))


@pytest.mark.parametrize(
    ("cls", "classified"),
    [
        (PolicyContract, set(CONTRACT)),
        (Rule, {"id", *RULE}),
        (Fallback, {"on", "values"}),
        (Policy, set(surroundings.POLICY)),
        (Model, set(surroundings.MODEL)),
        (Upstream, set(surroundings.UPSTREAM)),
        (Timeouts, set(surroundings.TIMEOUTS)),
        (Lineage, set(surroundings.LINEAGE)),
        (Feedback, set(surroundings.FEEDBACK)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_key_of_a_section_is_classified(cls: type, classified: set[str]) -> None:
    assert names(cls) == classified


@pytest.mark.parametrize("kind", members("sidecar.wire"))
def test_every_key_of_a_protocol_is_classified(kind: str) -> None:
    fields = section(members("sidecar.wire")[kind]).fields.values()
    assert {field.attribute for field in fields} <= set(surroundings.WIRE)
