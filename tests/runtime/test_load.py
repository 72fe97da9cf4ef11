"""What the loader makes of real files: facts for the supervisor, findings for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.runtime.load import load
from sidecar.runtime.messages import LoadRequest, LoadResult

POLICY = """policy: credit
version: 2.0.0
owner: {team: risk}
model: {protocol: oip, name: credit, version: ["14", "15"], on_mismatch: warn, columns: {input-0: [age]}}
contract:
  mode: {default: observe, callers: {mobile: enforce}}
  features: {age: {type: int, min: 0}}
"""
PLATFORM = """api: v1
environment: production
environments: {staging: {upstream: http://stage:8080, mode: observe}}
upstream: {url: "http://prod:8080", max_in_flight: 8, timeout: {first_byte: 5s}}
journal: {max_bytes: 64MiB, when_full: refuse_traffic}
archive: {to: ./archive}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "credit.yaml").write_text(POLICY)
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    return tmp_path


def loaded(
    files: Path, *, policy: bool = True, config: bool = True, environment: str = "", upstream: str = ""
) -> LoadResult:
    return load(
        LoadRequest(
            paths=(str(files / "credit.yaml"),) if policy else (),
            config=str(files / "platform.yaml") if config else "",
            environment=environment,
            upstream=upstream,
        )
    )


def test_facts(files: Path) -> None:
    found = loaded(files)
    assert found.policies is not None
    (policy,) = found.policies
    assert (policy.name, policy.version, policy.protocol, policy.mode) == ("credit", "2.0.0", "oip", "enforce")
    assert (policy.model_versions, policy.stop_on_mismatch) == (("14", "15"), False)
    assert policy.digest.startswith("b2:")
    assert (found.upstream, found.environment, found.file_environments) == (
        "http://prod:8080",
        "production",
        ("staging",),
    )
    assert (found.journal.max_bytes, found.journal.when_full) == (64 << 20, "refuse_traffic")
    assert found.not_acted_on == (), "the archive of this file is written"


def test_what_is_acted_on_is_not_called_idle(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "policy: p\nmodel: {protocol: json, path: /score, upstream: 'http://m:1'}\n"
        "contract:\n  mode: {default: observe, callers: {web: enforce, mobile: enforce}}\n"
        "  prediction: {score: {type: float}}\n  features: {id: {type: string, role: key}}\n"
        "capture: {hide: {id: hash}}\n"
        "feedback: {label: {name: paid, of: score, key: id}, perturb: {field: score, sigma: 0.1}}\n"
    )
    found = load(LoadRequest(paths=(str(file),)))
    assert found.policies is not None, found.findings
    (policy,) = found.policies
    assert policy.not_acted_on == ("feedback.perturb",)
    assert (policy.mode, policy.modes, policy.path) == ("enforce", "observe, enforce for mobile, web", "/score")


def test_flag_over_file(files: Path) -> None:
    found = loaded(files, upstream="http://flag:1")
    assert found.upstream == "http://flag:1"
    assert found.policies is not None
    assert found.policies[0].upstream == ""
    assert loaded(files, upstream="unix:/run/model.sock").upstream == "unix:/run/model.sock"


def test_chosen_environment_changes_what_it_may(files: Path) -> None:
    found = loaded(files, environment="staging")
    assert (found.environment, found.file_environment) == ("staging", "production")
    assert found.policies is not None
    assert (found.policies[0].mode, found.policies[0].upstream) == ("observe", "http://stage:8080")


def test_where_no_file_names_an_environment_the_flag_does(files: Path) -> None:
    found = loaded(files, config=False, environment="staging", upstream="http://flag:1")
    assert (found.environment, found.file_environment) == ("staging", "")
    assert found.policies is not None
    assert '"environment":"staging"' in found.policies[0].canonical, "each policy is the one of that environment"


def test_unknown_environment_is_loaded_as_the_files_say_and_judged_by_readiness(files: Path) -> None:
    found = loaded(files, environment="moon")
    assert found.policies is not None
    assert (found.environment, found.file_environment) == ("production", "production")


def test_restart_key_follows_limits_and_journal_not_policies(files: Path) -> None:
    before = loaded(files).restart_key
    (files / "credit.yaml").write_text(POLICY.replace("min: 0", "min: 1"))
    assert loaded(files).restart_key == before
    (files / "platform.yaml").write_text(PLATFORM.replace("max_in_flight: 8", "max_in_flight: 9"))
    assert loaded(files).restart_key != before


def test_nothing_but_an_upstream(files: Path) -> None:
    found = loaded(files, policy=False, config=False, upstream="http://m:1")
    assert (found.policies, found.upstream, found.errors) == ((), "http://m:1", ())


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        ("", "nobody says where the model is"),
        ("model:8080", "unknown scheme"),
        ("http://u:p@m", "credentials"),
        ("http://m/path", "paths are the caller's"),
        ("http://169.254.169.254", "never dialled"),
        ("unix:relative", "absolute path"),
    ],
)
def test_upstreams_that_cannot_be(files: Path, upstream: str, said: str) -> None:
    found = loaded(files, policy=False, config=False, upstream=upstream)
    assert found.policies is None
    assert said in str(found.errors[0])


def test_every_error_with_its_place(files: Path) -> None:
    (files / "credit.yaml").write_text(POLICY.replace("min: 0", "minn: 0").replace("oip", "oipp"))
    found = loaded(files)
    assert found.policies is None
    assert {(Path(error.file).name, error.line) for error in found.errors} == {("credit.yaml", 4), ("credit.yaml", 7)}
