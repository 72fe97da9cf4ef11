"""What the semantic conventions say about one record."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.telemetry.http import full_url, known_method, path_and_query, redacted, server_of, status_text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", ""),
        ("a=1&b=2", "a=1&b=2"),
        ("X-Amz-Signature=abc&X-Amz-Date=20260101", "X-Amz-Signature=REDACTED&X-Amz-Date=20260101"),
        ("sig=a%3Db&sig=c", "sig=REDACTED&sig=REDACTED"),
        ("SIG=secret", "SIG=REDACTED"),
        ("%73ig=secret", "%73ig=REDACTED"),
        ("AWSAccessKeyId=AK&Signature=s", "AWSAccessKeyId=REDACTED&Signature=REDACTED"),
        ("X-Goog-Signature=s&X-Amz-Credential=c&X-Amz-Security-Token=t",
         "X-Goog-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED"),
        ("sig", "sig"),
        ("signature_of=me&&=x", "signature_of=me&&=x"),
    ],
)  # fmt: skip
def test_values_that_sign_a_request_are_not_told(query: str, told: str) -> None:
    assert redacted(query) == told


@given(st.text(max_size=40), st.sampled_from(["sig", "Signature", "x-amz-signature", "x-goog-signature"]))
@settings(max_examples=100, deadline=None)
def test_no_signature_gets_through_whatever_stands_beside_it(noise: str, name: str) -> None:
    secret = "Zsecret9Z"
    assert secret not in redacted(f"{noise.replace('&', '')}=1&{name}={secret}&x={noise}")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v2/models/m/infer", "/v2/models/m/infer", ""),
        ("/p?sig=1&a=2", "/p", "sig=REDACTED&a=2"),
        ("http://user:password@host:1/p?a=1", "/p", "a=1"),
        ("http://user:password@host", "/", ""),
        ("http://user:password@host?sig=x", "/", "sig=REDACTED"),
        ("*", "/", ""),
    ],
)
def test_a_target_is_told_without_host_user_and_password(target: str, path: str, query: str) -> None:
    assert path_and_query(target) == (path, query)


def test_the_url_asked_upstream() -> None:
    assert full_url("http://m:8080", "/p?sig=1") == "http://m:8080/p?sig=REDACTED"
    assert full_url("http://m:8080/", "http://u:p@caller/p") == "http://m:8080/p"
    assert full_url("unix:/run/model.sock", "/p") == "http://localhost/p"


def test_where_the_model_server_is() -> None:
    assert server_of("http://10.1.2.3:8080") == ("10.1.2.3", 8080)
    assert server_of("https://m") == ("m", 443)
    assert server_of("http://[::1]:9") == ("::1", 9)
    assert server_of("unix:///run/model.sock") == server_of("unix:/run/model.sock") == ("/run/model.sock", 0)
    assert server_of("") == ("", 80)


def test_words_are_of_closed_sets() -> None:
    assert (known_method("GET"), known_method("get"), known_method("BREW")) == ("GET", "_OTHER", "_OTHER")
    assert (status_text(0), status_text(200), status_text(599), status_text(799)) == ("", "200", "5xx", "7xx")
