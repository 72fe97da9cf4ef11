"""What holds in the end: platform defaults, environments, the command line, and two that disagree."""

from __future__ import annotations

import pytest

from .written import Folder, codes, places, policy

UPSTREAM = "upstream: {url: http://model:8080, timeout: {first_byte: 5s}}"


def test_defaults_fill_what_a_policy_does_not_state(folder: Folder) -> None:
    config = """
        defaults:
          owner: {team: platform}
          contract: {mode: enforce, unknown_features: warn, features: {age: {nullable: true}}}
    """
    (found,) = folder.load(
        policy(features="contract: {mode: observe, features: {age: {type: int}}}").replace("owner: {team: t}\n", ""),
        config=config,
    ).policies
    assert found.owner is not None
    assert found.owner.team == "platform"
    assert found.contract.mode == "observe"
    assert found.contract.unknown_features == "warn"
    assert found.contract.features["age"].nullable
    assert found.contract.features["age"].type == "int"


def test_the_platforms_upstream_is_everybodys(folder: Folder) -> None:
    a, b = folder.load(policy("a", model="name: a"), policy("b", model="name: b"), config=UPSTREAM).policies
    assert a.upstream == b.upstream
    assert a.upstream.url == "http://model:8080"
    assert (a.upstream.timeout.first_byte, a.upstream.timeout.connect) == (5.0, 1.0)


def test_model_upstream_is_short_for_upstream_url(folder: Folder) -> None:
    short = folder.load(policy(model="upstream: http://model:8080")).policies
    long = folder.load(policy("credit", "upstream: {url: http://model:8080}")).policies
    assert short == long
    assert short[0].upstream.url == "http://model:8080"
    assert short[0].model.upstream is None


@pytest.mark.parametrize(
    ("lines", "model", "config"),
    [
        (["upstream: {url: http://a}"], "upstream: http://b", ""),
        ([], "upstream: http://b", "upstream: {url: http://a}"),
        (["upstream: {url: http://b}"], "", "upstream: {url: http://a}"),
        (["upstream: {timeout: {idle: 1s}}"], "", "upstream: {timeout: {idle: 2s}}"),
        (["journal: {max_bytes: 1GiB}"], "", "journal: {max_bytes: 2GiB}"),
        (["hosts: [a]"], "", "hosts: [a, b]"),
        (["environment: production"], "", "environment: staging"),
    ],
)
def test_two_that_disagree_are_an_error_at_the_policys_line(
    folder: Folder, lines: list[str], model: str, config: str
) -> None:
    loaded = folder.load(policy("credit", *lines, model=model), config=config)
    assert set(codes(loaded)) == {"platform.disagrees"}
    assert loaded.findings[0].file.endswith("p0.yaml")
    other = "platform.yaml:1" if config else "p0.yaml:3"
    assert other in loaded.findings[0].message


def test_two_that_agree_are_not(folder: Folder) -> None:
    loaded = folder.load(policy("credit", "hosts: [a]", model="upstream: http://a"), config="hosts: [a]\n")
    assert loaded.findings == ()


def test_a_lone_policy_may_carry_the_platforms_sections(folder: Folder) -> None:
    loaded = folder.load(policy("credit", "journal: {max_bytes: 2GiB}", "callers: {from: x-team}", "hosts: [a]"))
    assert loaded.findings == ()
    assert loaded.platform.journal.max_bytes == 2 * 2**30
    assert loaded.platform.callers.from_ == "x-team"
    (found,) = loaded.policies
    assert found.journal is None
    assert found.callers is None


def test_two_policies_must_agree_about_the_process_they_share(folder: Folder) -> None:
    loaded = folder.load(
        policy("a", "journal: {max_bytes: 2GiB}", model="name: a"),
        policy("b", "journal: {max_bytes: 3GiB}", model="name: b"),
    )
    assert codes(loaded) == ["platform.disagrees"]
    assert places(loaded) == [("p1.yaml", 5, 22)]


def test_a_policys_own_fault_in_a_platform_section_is_told_once(folder: Folder) -> None:
    loaded = folder.load(policy("a", "journal: {max_bites: 2GiB}", "hosts: a"))
    assert codes(loaded) == ["key.unknown", "value.type"]
    assert places(loaded) == [("p0.yaml", 5, 11), ("p0.yaml", 6, 8)]


# -- environments

ENVIRONMENTS = """
environment: production
environments:
  staging: {upstream: http://stage:8080, mode: observe, sample: 10%, hosts: [stage]}
  perf: {upstream: {credit: http://perf-credit}}
upstream: {url: http://model:8080}
hosts: [model, perf-credit]
"""
ENFORCED = "contract: {mode: enforce, features: {age: {type: int}}}"


def test_an_environment_overrides_upstream_hosts_mode_and_sample(folder: Folder) -> None:
    loaded = folder.load(policy(features=ENFORCED), config=ENVIRONMENTS, environment="staging")
    assert loaded.errors == 0
    (found,) = loaded.policies
    assert (found.upstream.url, found.contract.mode, found.capture.sample) == ("http://stage:8080", "observe", 0.1)
    assert (found.environment, loaded.platform.environment) == ("staging", "staging")
    assert loaded.platform.hosts == ("stage",)
    assert loaded.platform.upstream.url == "http://stage:8080"


def test_an_environment_may_override_one_policys_upstream(folder: Folder) -> None:
    loaded = folder.load(
        policy("credit", model="name: a"), policy("other", model="name: b"), config=ENVIRONMENTS, environment="perf"
    )
    assert [found.upstream.url for found in loaded.policies] == ["http://perf-credit", "http://model:8080"]


def test_the_files_own_environment_needs_no_flag(folder: Folder) -> None:
    for environment in ("", "production"):
        loaded = folder.load(policy(features=ENFORCED), config=ENVIRONMENTS, environment=environment)
        (found,) = loaded.policies
        assert (found.upstream.url, found.contract.mode) == ("http://model:8080", "enforce")
        assert found.environment == "production"


def test_another_environment_is_refused(folder: Folder) -> None:
    loaded = folder.load(policy(), config=ENVIRONMENTS, environment="prod")
    assert codes(loaded) == ["environment.unknown"]
    assert "production, staging, perf" in loaded.findings[0].hint


def test_an_override_may_not_touch_anything_else(folder: Folder) -> None:
    loaded = folder.load(policy(), config="environments: {staging: {journal: {max_bytes: 1GiB}}}\n")
    assert codes(loaded) == ["key.unknown"]


# -- the command line


def test_the_flag_gives_the_upstream_where_none_is_stated(folder: Folder) -> None:
    loaded = folder.load(policy(), upstream="http://127.0.0.1:9000")
    assert loaded.findings == ()
    assert loaded.policies[0].upstream.url == "http://127.0.0.1:9000"
    assert loaded.platform.upstream.url == "http://127.0.0.1:9000"


def test_a_socket_needs_no_host(folder: Folder) -> None:
    loaded = folder.load(policy(), config="hosts: [a]\n", upstream="unix:/run/model.sock")
    assert loaded.findings == ()
    assert loaded.policies[0].upstream.url == "unix:/run/model.sock"


def test_the_flag_wins_over_the_files_and_says_so(folder: Folder) -> None:
    loaded = folder.load(policy(), config=UPSTREAM, upstream="http://127.0.0.1:9000")
    assert codes(loaded) == ["upstream.overridden"]
    assert loaded.policies[0].upstream.url == "http://127.0.0.1:9000"
    assert loaded.policies[0].upstream.timeout.first_byte == 5.0


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "http://u:p@host", "http://host/path", "http://host?q", "unix:x"])
def test_a_flag_that_is_no_origin_is_refused(folder: Folder, url: str) -> None:
    loaded = folder.load(policy(), upstream=url)
    assert codes(loaded) == ["value.text"]
    assert loaded.findings[0].file == "command line"
