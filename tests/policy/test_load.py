"""Files → policies: what a path names, which file is the platform's, and a set that is whole or not at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sidecar.policy import load

from .written import Folder, codes, places, policy


def test_defaults_refuse_nothing(folder: Folder) -> None:
    loaded = folder.load("policy: credit\nmodel: {protocol: oip, columns: {input-0: [age]}}\n")
    (credit,) = loaded.policies
    assert credit.contract.mode == "observe"
    assert credit.contract.unknown_features == "ignore"
    assert credit.contract.on_bad_rows == "reject_request"
    assert credit.model.versions == ()
    assert credit.upstream.url is None
    assert loaded.platform.callers.from_ == "x-caller"
    assert codes(loaded) == []


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("observe", False),
        ("off", False),
        ("enforce", True),
        ("{default: observe, callers: {mobile: enforce}}", True),
        ("{default: observe, callers: {mobile: off}}", False),
    ],
)
def test_who_owns_a_policy_is_asked_once_it_enforces(folder: Folder, mode: str, asked: bool) -> None:
    loaded = folder.load(f"policy: credit\nmodel: {{protocol: oip}}\ncontract: {{mode: {mode}}}\n")
    assert codes(loaded) == ["owner.missing"] * asked


def test_a_directory_is_its_yaml_files_without_hidden_and_test_files(folder: Folder) -> None:
    folder.write("b.yaml", policy("b", model="name: b"))
    folder.write("a.yml", policy("a", model="name: a"))
    folder.write(".hidden.yaml", "nonsense")
    folder.write("a.test.yaml", "nonsense")
    folder.write("notes.txt", "nonsense")
    (folder.path / "deeper.yaml").mkdir()
    loaded = load([folder.path])
    assert [found.name for found in loaded.policies] == ["a", "b"]
    assert loaded.findings == ()


def test_a_config_map_is_read_through_its_symlinks_once(folder: Folder) -> None:
    """Kubernetes mounts `a.yaml → ..data/a.yaml`, `..data → ..2026_01_01`, and swaps `..data`."""
    version = folder.path / "..2026_01_01"
    version.mkdir()
    (version / "a.yaml").write_text(policy("a"))
    (folder.path / "..data").symlink_to(version.name)
    (folder.path / "a.yaml").symlink_to("..data/a.yaml")
    loaded = load([folder.path, folder.path / "a.yaml"])
    assert [found.name for found in loaded.policies] == ["a"]
    assert loaded.findings == ()


def test_one_file_may_hold_several_policies(folder: Folder) -> None:
    loaded = folder.load(policy("a", model="name: a") + "---\n" + policy("b", model="name: b") + "---\n")
    assert [found.name for found in loaded.policies] == ["a", "b"]


def test_standard_input_is_a_dash() -> None:
    loaded = load([Path("-")], stdin=lambda: policy().encode())
    assert [found.name for found in loaded.policies] == ["credit"]
    broken = load([Path("-")], stdin=lambda: b"policy: [")
    assert broken.findings[0].file == "<stdin>"


def test_one_bad_policy_takes_the_set_out(folder: Folder) -> None:
    loaded = folder.load(policy("a", model="name: a"), policy("b", "tpyo: 1", model="name: b"))
    assert loaded.policies == ()
    assert places(loaded) == [("p1.yaml", 5, 1)]
    assert (loaded.errors, loaded.warnings, loaded.documents) == (1, 0, 2)


@pytest.mark.parametrize("name", ["absent.yaml", "absent"])
def test_a_file_that_is_not_there_is_no_answer(folder: Folder, name: str) -> None:
    loaded = load([folder.path / name])
    assert codes(loaded) == ["file.unreadable"]
    assert loaded.unreadable


def test_an_empty_directory_is_no_answer(folder: Folder) -> None:
    loaded = load([folder.path])
    assert codes(loaded) == ["file.none"]
    assert loaded.unreadable


def test_an_empty_file_among_good_ones_is_an_error(folder: Folder) -> None:
    assert codes(folder.load(policy(), "")) == ["yaml.empty"]


def test_sidecar_yaml_among_the_policies_is_the_platform_file(folder: Folder) -> None:
    folder.write("sidecar.yaml", "environment: production\n")
    folder.write("a.yaml", policy("a"))
    loaded = load([folder.path])
    assert loaded.platform.environment == "production"
    assert [found.environment for found in loaded.policies] == ["production"]
    alone = load([folder.path / "sidecar.yaml"])
    assert alone.findings == ()
    assert alone.policies == ()


def test_config_wins_over_a_sidecar_yaml_that_lies_about(folder: Folder) -> None:
    folder.write("sidecar.yaml", "environment: production\n")
    file = folder.write("a.yaml", policy("a"))
    other = folder.write("platform.yaml", "environment: staging\n")
    loaded = load([folder.path / "sidecar.yaml", file], config=other)
    assert loaded.platform.environment == "staging"
    assert codes(loaded) == ["platform.second"]
    assert loaded.errors == 0


def test_the_config_file_in_the_policies_folder_is_no_policy(folder: Folder) -> None:
    folder.write("a.yaml", policy("a"))
    config = folder.write("platform.yaml", "environment: staging\n")
    assert load([folder.path], config=config).findings == ()


PLATFORM = "environment: production\nhosts: [here]\n"
SUITE = "contract: a.yaml\ntests: [{name: a, expect: {verdict: ok}}]\n"


@pytest.mark.parametrize("text", [policy("other"), "contract: {mode: observe}\nmodel: {protocol: oip}\n"])
def test_a_policy_is_no_platform_file(folder: Folder, text: str) -> None:
    loaded = folder.load(policy(), config=text)
    assert codes(loaded) == ["platform.policy"]
    assert "--policy " in loaded.findings[0].hint
    assert loaded.policies == ()


def test_a_test_file_is_no_platform_file(folder: Folder) -> None:
    loaded = folder.load(policy(), config=SUITE)
    assert codes(loaded) == ["platform.policy"]
    assert "this is a test file" in loaded.findings[0].message


@pytest.mark.parametrize("text", [PLATFORM, f"api: v1\n{PLATFORM}", "upstream: {url: http://m}\ndefault: {}\n"])
def test_a_platform_file_is_no_policy(folder: Folder, text: str) -> None:
    loaded = folder.load(policy(), text)
    assert codes(loaded) == ["policy.kind"]
    assert loaded.findings[0].message == "this is a platform file, not a policy"
    assert loaded.findings[0].hint == f"pass it with --config {folder.path / 'p1.yaml'}"
    assert loaded.policies == ()


def test_a_test_file_is_no_policy(folder: Folder) -> None:
    for name, text in (("x.yaml", SUITE), ("a.test.yaml", SUITE.replace("tests", "cases"))):
        file = folder.write(name, text)
        loaded = load([file])
        assert codes(loaded) == ["policy.kind"]
        assert loaded.findings[0].hint == f"run it with `sidecar test {file}`"


def test_standard_input_has_no_name_to_pass_on() -> None:
    (finding,) = load([Path("-")], stdin=PLATFORM.encode).findings
    assert finding.hint == "pass it with --config FILE"


def test_a_policy_whose_model_is_forgotten_is_still_a_policy(folder: Folder) -> None:
    for text in ("policy: a\n", "owner: {team: t}\nupstream: {url: http://m}\n", "modle: {protocol: oip}\n"):
        assert "policy.kind" not in codes(folder.load(text))


def test_faults_of_the_platform_file_are_told_once_and_in_its_own_lines(folder: Folder) -> None:
    loaded = folder.load(
        policy("a", model="name: a"),
        policy("b", model="name: b"),
        config="upstream: {url: ftp://x}\njournal: {max_bytes: lots}\ndefaults: {contract: {mod: enforce}}\n",
    )
    assert codes(loaded) == ["value.text", "value.type", "key.unknown"]
    assert places(loaded) == [("platform.yaml", 1, 17), ("platform.yaml", 2, 22), ("platform.yaml", 3, 23)]


def test_a_review_that_is_due_is_told(folder: Folder) -> None:
    file = folder.write("a.yaml", policy("a", "lineage: {review_by: 2027-03-01}"))
    assert load([file], today=date(2027, 3, 1)).findings == ()
    assert codes(load([file], today=date(2027, 3, 2))) == ["review.due"]
    wrong = folder.write("b.yaml", policy("a", "lineage: {review_by: 2027-02-30}"))
    assert codes(load([wrong])) == ["value.text"]


def test_config_is_one_file_with_one_document(folder: Folder) -> None:
    file = folder.write("a.yaml", policy("a"))
    several = folder.path / "several"
    several.mkdir()
    (several / "x.yaml").write_text("environment: x\n")
    (several / "y.yaml").write_text("environment: y\n")
    assert codes(load([file], config=several)) == ["file.config"]
    assert codes(folder.load(policy("a"), config="environment: x\n---\nenvironment: y\n")) == ["yaml.documents"]
    assert codes(folder.load(policy("a"), config="- environment\n")) == ["value.type"]
    (empty,) = folder.load(policy("a"), config="# nothing\n").findings
    assert (empty.code, empty.hint) == ("yaml.empty", "a platform file begins with `api: v1`")


@pytest.mark.parametrize("text", ["- policy: a\n", "policy\n", "5\n"])
def test_a_policy_must_be_a_section(folder: Folder, text: str) -> None:
    loaded = folder.load(text)
    assert codes(loaded) == ["value.type"]
    assert places(loaded) == [("p0.yaml", 1, 1)]
