"""`hosts:` holds for every address of the effective configuration, section by section, wherever it is written."""

from __future__ import annotations

import pytest

from sidecar.policy import Loaded

from .written import Folder, policy

SECTIONS = {
    "upstream": "upstream: {url: http://outside:8080}",
    "forward to Kafka": "forward: [{to: kafka, bootstrap: 'inside:1,outside:9092', topic: t}]",
    "forward as CloudEvents": "forward: [{to: cloudevents, url: 'http://outside/default'}]",
    "trace": "trace: {to: 'http://outside:4318'}",
}
OWN = {"shadow": "shadow: [{candidate: a, upstream: http://inside}, {candidate: b, upstream: http://outside}]"}
BY_ENVIRONMENT = {
    "upstream of all": "environments: {stage: {upstream: http://outside}}",
    "upstream by policy": "environments: {stage: {upstream: {credit: http://outside}}}",
}


def refused(loaded: Loaded) -> set[tuple[str, str]]:
    return {(found.code, found.message.split("`")[1]) for found in loaded.findings if found.severity == "error"}


OUTSIDE = {("url.host", "outside")}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_sections_of_the_platforms_file(folder: Folder, section: str) -> None:
    assert refused(folder.load(policy(), config=f"hosts: [inside]\n{section}")) == OUTSIDE
    assert refused(folder.load(policy(), config=f"hosts: [inside, outside]\n{section}")) == set()
    assert refused(folder.load(policy(), config=section)) == set(), "no list: what is stated may be dialled"


@pytest.mark.parametrize("section", [*SECTIONS.values(), *OWN.values()], ids=[*SECTIONS, *OWN])
def test_sections_of_a_lone_policy(folder: Folder, section: str) -> None:
    assert refused(folder.load(policy("credit", "hosts: [inside]", section))) == OUTSIDE
    assert refused(folder.load(policy("credit", "hosts: [inside, outside]", section))) == set()


@pytest.mark.parametrize("section", [*SECTIONS.values(), *OWN.values()], ids=[*SECTIONS, *OWN])
def test_a_policys_section_under_the_platforms_list(folder: Folder, section: str) -> None:
    assert refused(folder.load(policy("credit", section), config="hosts: [inside]")) == OUTSIDE


@pytest.mark.parametrize("section", BY_ENVIRONMENT.values(), ids=BY_ENVIRONMENT)
def test_what_an_environment_changes(folder: Folder, section: str) -> None:
    config = f"hosts: [inside]\nupstream: {{url: http://inside}}\n{section}"
    assert refused(folder.load(policy(), config=config)) == set(), "not in force"
    assert refused(folder.load(policy(), config=config, environment="stage")) == OUTSIDE


def test_an_environments_own_list_takes_the_place_of_the_other(folder: Folder) -> None:
    config = "hosts: [outside]\nupstream: {url: http://outside}\nenvironments: {stage: {hosts: [inside]}}"
    assert refused(folder.load(policy(), config=config)) == set()
    assert refused(folder.load(policy(), config=config, environment="stage")) == OUTSIDE


def test_the_short_form_and_the_command_line(folder: Folder) -> None:
    assert refused(folder.load(policy(model="upstream: http://outside"), config="hosts: [inside]")) == OUTSIDE
    loaded = folder.load(policy(model="upstream: http://inside"), config="hosts: [inside]", upstream="http://outside")
    assert refused(loaded) == OUTSIDE
