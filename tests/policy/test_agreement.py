"""What no key can say alone: contracts that compile, hosts we may dial, policies that do not meet."""

from __future__ import annotations

import pytest

from sidecar.policy.urls import allowed, host_of

from .written import Folder, codes, places, policy


def test_a_contracts_own_findings_are_placed_in_the_file(folder: Folder) -> None:
    loaded = folder.load(
        policy(features="contract:\n  features:\n    age: {type: int, min: 5, max: 1}\n    job: {pattern: '(a'}\n")
    )
    assert loaded.errors >= 2
    lines = {finding.line for finding in loaded.findings}
    assert lines == {6, 7}


def test_mistakes_of_keys_and_of_meaning_are_told_in_one_run(folder: Folder) -> None:
    loaded = folder.load(
        policy(
            "credit",
            "wacth: {window: 1h}",
            features="contract:\n  features:\n    age: {type: int, nulable: 1}\n    x: {type: int, min: 5, max: 1}\n",
        )
    )
    assert [line for _, line, _ in places(loaded)] == [6, 7, 9]


def test_a_broken_feature_is_not_judged_a_second_time(folder: Folder) -> None:
    loaded = folder.load(policy(features="contract: {features: {age: {type: int, min: 5, max: 1, nullable: ja}}}"))
    assert codes(loaded) == ["value.type"]


def test_a_mapping_that_cannot_work_is_told_at_its_key(folder: Folder) -> None:
    loaded = folder.load(
        "policy: a\nowner: {team: t}\nmodel: {protocol: opaque, path: /x}\ncontract: {features: {age: {type: int}}}\n"
    )
    assert codes(loaded) == ["model.mapping"]
    assert places(loaded) == [("p0.yaml", 4, 23)]
    assert "age" in loaded.findings[0].message


def test_a_mapping_is_looked_at_though_the_contract_is_wrong_too(folder: Folder) -> None:
    loaded = folder.load(
        "policy: a\nowner: {team: t}\nmodel: {protocol: oip, columns: {input-0: [age, pay, age]}}\n"
        "contract:\n  on_bad_rows: drop_rows\n  features: {age: {type: int, min: 9, max: 3}, pay: {type: flaot}}\n"
    )
    assert list(zip(codes(loaded), places(loaded), strict=True)) == [
        ("model.mapping", ("p0.yaml", 3, 24)),
        ("drop.protocol", ("p0.yaml", 5, 16)),
        ("contradictory-bounds", ("p0.yaml", 6, 44)),
        ("unknown-type", ("p0.yaml", 6, 60)),
    ]


def test_a_place_that_cannot_be_read_is_told_once(folder: Folder) -> None:
    loaded = folder.load(
        "policy: a\nowner: {team: t}\nmodel: {protocol: oip}\n"
        "contract: {features: {age: {type: int, from: 'header:'}}, prediction: [x]}\n"
    )
    assert "model.mapping" not in codes(loaded)


def test_an_unknown_protocol_is_told_with_its_neighbour(folder: Folder) -> None:
    loaded = folder.load("policy: a\nowner: {team: t}\nmodel: {protocol: oipp}\n")
    assert codes(loaded) == ["value.choice"]
    assert loaded.findings[0].hint == "did you mean `oip`?"


def test_a_planned_protocol_is_validated_and_said_to_wait(folder: Folder) -> None:
    loaded = folder.load("policy: a\nowner: {team: t}\nmodel: {protocol: sagemaker, path: /invocations}\n")
    assert codes(loaded) == ["not-acted-on"]
    assert loaded.findings[0].severity == "warning"
    assert loaded.policies[0].model.wire is None


# -- hosts


@pytest.mark.parametrize(
    ("host", "patterns", "is_allowed"),
    [
        ("127.0.0.1", ("127.0.0.1",), True),
        ("a.prod.svc", ("*.prod.svc",), True),
        ("a.b.prod.svc", ("*.prod.svc",), True),
        ("prod.svc", ("*.prod.svc",), False),
        ("evilprod.svc", ("*.prod.svc",), False),
        ("kafka", ("KAFKA",), True),
        ("::1", ("[::1]",), True),
        ("kafka", (), False),
    ],
)
def test_hosts_are_names_or_whole_subdomains(host: str, patterns: tuple[str, ...], is_allowed: bool) -> None:
    assert allowed(host, patterns) is is_allowed


def test_the_host_of_an_address() -> None:
    addresses = ("http://A.b:80/", "https://[::1]:8", "kafka:9092", "kafka", "http://a./")
    assert [host_of(address) for address in addresses] == ["a.b", "::1", "kafka", "kafka", "a"]


def test_every_address_we_dial_must_be_on_the_list(folder: Folder) -> None:
    config = """
        hosts: [127.0.0.1]
        upstream: {url: http://model:8080}
        environments: {staging: {upstream: http://elsewhere}}
        forward:
          - {to: kafka, bootstrap: "127.0.0.1:1,kafka:9092", topic: t}
          - {to: cloudevents, url: http://broker/default}
        trace: {to: http://collector:4318}
    """
    loaded = folder.load(policy("a", "shadow: [{candidate: v2, upstream: http://v2}]"), config=config)
    wrong = [finding for finding in loaded.findings if finding.severity == "error"]
    assert [finding.message.split("`")[1] for finding in wrong] == ["model", "kafka", "broker", "collector", "v2"]
    assert {finding.code for finding in wrong} == {"url.host"}


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[fe80::1]", "http://a:0", "http://a:99999"])
def test_some_addresses_are_never_dialled(folder: Folder, url: str) -> None:
    assert codes(folder.load(policy(model=f"upstream: '{url}'"))) == ["url.address"]


def test_a_staging_host_in_production_is_a_warning(folder: Folder) -> None:
    loaded = folder.load(policy("a", "environment: production", model="upstream: http://credit-staging.svc"))
    assert codes(loaded) == ["url.environment"]
    assert loaded.errors == 0


# -- policies that meet


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("name: x", "name: x", "the model `x`"),
        ("path: /p", "path: /p/", "the path `/p/`"),
        ("", "", "every model"),
    ],
)
def test_two_policies_may_not_judge_one_request(folder: Folder, first: str, second: str, says: str) -> None:
    loaded = folder.load(policy("a", model=first), policy("b", model=second))
    assert codes(loaded) == ["policy.overlap"]
    assert says in loaded.findings[0].message
    assert "p0.yaml:1" in loaded.findings[0].message


def test_policies_that_do_not_meet(folder: Folder) -> None:
    models = ["name: x", "name: y", "path: /p", "path: /q", "name: x, path: /r"]
    loaded = folder.load(*(policy(f"p{number}", model=model) for number, model in enumerate(models)))
    assert loaded.findings == ()


def test_names_are_unique(folder: Folder) -> None:
    assert codes(folder.load(policy("a", model="name: x"), policy("a", model="name: y"))) == ["policy.twice"]


@pytest.mark.parametrize("path", ["/_sidecar/x", "//x", "/a/../b", "x", "/a?b", "/a%20b"])
def test_paths_that_can_match_no_request_are_refused(folder: Folder, path: str) -> None:
    assert folder.load(policy(model=f"path: {path}")).errors == 1


# -- what waits

WAITING = {
    "shadow: [{candidate: v2, upstream: http://v2, guardrails: [{metric: loss, margin: 1%}]}]": "guardrails",
    "shadow: [{candidate: v2, upstream: http://v2, limits: {per_day: 5}}]": "per_day",
    "watch: {drift: {metric: psi}}": "watch.drift",
    "watch: {actions: [{name: many, where: 1 > 0, max_share: 1%}]}": "watch.actions",
    "watch: {bias: {max_gap: 5%}}": "watch.bias",
    "feedback: {holdout: {share: 5%}}": "feedback.holdout",
    "archive: {to: s3://bucket/x}": "nothing is archived to s3://bucket/x",
    "forward: [{to: kafka, bootstrap: k, topic: t}]": "forward",
    "shared: {state: s3://b/k}": "shared",
    "callers: {from: xfcc}": "callers are not read",
}


@pytest.mark.parametrize(("line", "says"), WAITING.items())
def test_what_is_read_and_not_acted_on_is_said(folder: Folder, line: str, says: str) -> None:
    loaded = folder.load(policy("a", line))
    (finding,) = loaded.findings
    assert (finding.code, finding.severity, finding.line) == ("not-acted-on", "warning", 5)
    assert says in finding.message
    assert len(loaded.policies) == 1


def test_a_name_to_hide_that_is_misspelt_is_found(folder: Folder) -> None:
    loaded = folder.load(policy("a", "capture: {hide: {aeg: drop}}"))
    (finding,) = loaded.findings
    assert (finding.code, finding.severity, finding.line, finding.hint) == (
        "capture.unknown", "warning", 5, "did you mean `age`?",
    )  # fmt: skip
    assert not folder.load(policy("b", "capture: {hide: {age: drop}}")).findings


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("slices: [{name: s}]", "slice.choice"),
        ("slices: [{name: s, where: a, by: b}]", "slice.choice"),
        (
            "shadow: [{candidate: v, upstream: http://v, guardrails: [{metric: latency_over, margin: 1%}]}]",
            "shadow.guardrail",
        ),
        (
            "shadow: [{candidate: v, upstream: http://v, collect: {at_most: {pairs: 5}, horizon: {pairs: 6}}}]",
            "shadow.collect",
        ),
        ("shadow: [{candidate: v, upstream: http://v}, {candidate: v, upstream: http://w}]", "shadow.twice"),
        ("shadow: [{candidate: v, upstream: http://v, unit: customer}]", "shadow.unit"),
        ("shadow: [{candidate: v, upstream: http://v, compare: {score: alike}}]", "shadow.compare"),
        ("shadow: [{candidate: v, upstream: http://v, compare: {score: {scale: 0}}}]", "shadow.compare"),
        ("watch: {drift: {metric: pis}}", "value.choice"),
        ("feedback: {holdout: {share: 5%, unit: {blokc: 1h}}}", "key.unknown"),
        ("forward: [{to: kafka, url: http://x}]", "key.unknown"),
    ],
)
def test_sections_that_wait_are_validated_all_the_same(folder: Folder, line: str, code: str) -> None:
    loaded = folder.load(policy("a", line))
    assert code in codes(loaded)
    assert loaded.errors >= 1
