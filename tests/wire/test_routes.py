"""Every spelling of a guarded model is that model; errors come back in the caller's own shape."""

from __future__ import annotations

import json

import pytest

from sidecar.problem import Disclosure, Problem
from sidecar.verdict import Action, Violation
from sidecar.wire import Route, RouteKind, protocols, recognise
from sidecar.wire.oip import Oip
from sidecar.wire.plain import PlainJson
from sidecar.wire.refusal import error_string
from sidecar.wire.tfserving import TfServing


@pytest.mark.parametrize(
    ("path", "verb", "version"),
    [
        ("/v2/models/iris/infer", "infer", ""),
        ("/v2/models/iris/infer/", "infer", ""),
        ("/v2/models/iris/versions/13/infer", "infer", "13"),
        ("/v2/models/%69r%69s/versions/1%33/inf%65r/", "infer", "13"),
        ("/v2/models/iris/infer_stream", "infer_stream", ""),
        ("/v2/models/iris/generate", "generate", ""),
        ("/v2/models/iris/versions/2/generate_stream", "generate_stream", "2"),
        ("/v2/models/iris/newverb", "newverb", ""),
        ("/v1/models/iris:predict", "predict", ""),
        ("/v1/models/iris:predict/", "predict", ""),
        ("/v1/models/iris%3Apredict", "predict", ""),
        ("/V1/Models/iris:Predict", "predict", ""),
        ("/v1/models/iris/versions/13:classify", "classify", "13"),
        ("/v1/models/iris/labels/stable:regress", "regress", ""),
        ("/v1/models/iris:explain", "explain", ""),
    ],
)
def test_one_model_however_it_is_spelled(path: str, verb: str, version: str) -> None:
    route = recognise("POST", path)
    assert route is not None
    assert (route.kind, route.model_name, route.verb, route.model_version) == (
        RouteKind.INFERENCE,
        "iris",
        verb,
        version,
    )
    assert "iris" not in route.template.lower()


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v2", RouteKind.METADATA),
        ("GET", "/v2/", RouteKind.METADATA),
        ("GET", "/v2/models", RouteKind.METADATA),
        ("GET", "/v2/models/iris", RouteKind.METADATA),
        ("GET", "/v2/models/iris/versions/3/", RouteKind.METADATA),
        ("GET", "/v2/models/iris/config", RouteKind.METADATA),
        ("GET", "/v2/models/iris/versions/1/stats", RouteKind.METADATA),
        ("GET", "/v2/models/iris/trace/setting", RouteKind.METADATA),
        ("POST", "/v2/models/iris/trace/setting", RouteKind.MANAGEMENT),
        ("POST", "/v2/trace/setting", RouteKind.MANAGEMENT),
        ("POST", "/v2/logging", RouteKind.MANAGEMENT),
        ("GET", "/v2/logging", RouteKind.METADATA),
        ("GET", "/v2/health/ready", RouteKind.HEALTH),
        ("GET", "/v2/models/iris/ready", RouteKind.HEALTH),
        ("POST", "/v2/repository/index", RouteKind.MANAGEMENT),
        ("POST", "/v2/repository/models/iris/load", RouteKind.MANAGEMENT),
        ("POST", "/v2/repository/models/iris/unl%6Fad/", RouteKind.MANAGEMENT),
        ("POST", "/v2/systemsharedmemory/region/r/register", RouteKind.MANAGEMENT),
        ("GET", "/v2/cudasharedmemory/status", RouteKind.MANAGEMENT),
        ("POST", "/v2/something/new", RouteKind.OTHER),
        ("GET", "/v2/models/iris/infer", RouteKind.OTHER),
        ("OPTIONS", "/v1/models/iris:predict", RouteKind.OTHER),
        ("GET", "/v1/models/iris", RouteKind.METADATA),
        ("GET", "/v1/models/iris/versions/3/metadata", RouteKind.METADATA),
        ("GET", "/v1/models", RouteKind.METADATA),
        ("GET", "/openai/v1/models", RouteKind.METADATA),
        ("GET", "/v1/models/org/chat", RouteKind.METADATA),
        ("DELETE", "/v1/models/chat", RouteKind.MANAGEMENT),
        ("POST", "/v1/chat/completions/", RouteKind.INFERENCE),
        ("POST", "/openai/v1/Chat/Completion%73", RouteKind.INFERENCE),
        ("POST", "/v1/completions", RouteKind.INFERENCE),
        ("POST", "/v1/embeddings", RouteKind.INFERENCE),
        ("POST", "/a/b/v1/responses", RouteKind.INFERENCE),
        ("POST", "/v1/responses/resp_1/cancel", RouteKind.OTHER),
        ("GET", "/v1/chat/completions/chatcmpl-1", RouteKind.OTHER),
        ("GET", "/v1/chat/completions", RouteKind.OTHER),
    ],
)
def test_what_a_path_is_for(method: str, path: str, kind: RouteKind) -> None:
    route = recognise(method, path)
    assert route is not None
    assert route.kind is kind


@pytest.mark.parametrize(
    "path", ["/", "/predict", "/v3/models/x/infer", "/a/completions", "/responses", "/v2x", "/v1/models/a/b"]
)
def test_what_nobody_knows(path: str) -> None:
    assert recognise("POST", path) is None


def test_names_are_decoded_once_and_never_split() -> None:
    twice = recognise("POST", "/v2/models/ir%2569s/infer")
    slash = recognise("POST", "/v2/models/a%2Fb/infer")
    assert isinstance(twice, Route) and twice.model_name == "ir%69s"
    assert isinstance(slash, Route) and slash.model_name == "a%2Fb"
    odd = recognise("POST", "/v2/models/%ff/infer")
    assert isinstance(odd, Route) and odd.model_name == "%ff"


def test_the_management_route_names_its_model() -> None:
    route = recognise("POST", "/v2/repository/models/iris/load")
    assert route == Route(RouteKind.MANAGEMENT, "oip", "/v2/repository/models/{model}/load", "iris", verb="load")


def test_every_member_is_found() -> None:
    assert list(protocols()) == ["json", "oip", "opaque", "openai", "tfserving"]


def problem(count: int = 1, **more: object) -> Problem:
    code = "age.min" + "x" * (999 if count > 1 else 0)
    violations = tuple(
        Violation(code, "age", row, f"/inputs/0/data/{row}", Action.REJECT, "at least 0") for row in range(count)
    )
    values: dict[str, object] = {
        "status": 422, "kind": "contract-violation", "title": "The request breaks the input contract",
        "detail": "1 of 1 rows was refused.", "request_id": "r-1", "violations": violations, "violations_total": count,
    }  # fmt: skip
    return Problem(**{**values, **more})  # type: ignore[arg-type]


def test_how_much_is_said_is_the_policy_s_choice() -> None:
    said = {level: error_string(problem(disclosure=level)) for level in Disclosure}
    assert said[Disclosure.MINIMAL] == "contract-violation [request r-1]"
    assert "age.min at /inputs/0/data/0" in said[Disclosure.CODES]
    assert "at least 0" not in said[Disclosure.CODES]
    assert "age.min at /inputs/0/data/0: at least 0" in said[Disclosure.FULL]
    assert all("[request r-1]" in text for text in said.values())


def test_an_error_is_bounded_and_counts_all() -> None:
    text = error_string(problem(300, disclosure=Disclosure.FULL, detail="d" * 9999))
    assert text.count("age.min") == 20
    assert "and 280 more" in text
    assert len(text) < 20 * 1000


@pytest.mark.parametrize("member", [Oip, TfServing])
def test_oip_and_tfserving_errors_are_one_string(member: type[Oip] | type[TfServing]) -> None:
    rendered = member.render(problem())
    assert rendered is not None
    content_type, body = rendered
    assert content_type == "application/json"
    assert list(json.loads(body)) == ["error"]
    assert isinstance(json.loads(body)["error"], str)
    assert PlainJson.render(problem()) is None
