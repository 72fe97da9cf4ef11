"""Who may ask the admin port."""

from __future__ import annotations

import pytest

from sidecar.admin.gate import refusal

LOCAL = {"host": "127.0.0.1:8602"}


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8602", "127.0.0.1:8602", "127.9.9.9", "[::1]:8602", "LOCALHOST"]
)
def test_this_machine_may_ask(host: str) -> None:
    assert refusal("/api/status", {"host": host}, "") is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8602", "127.0.0.1.evil.example", "192.168.1.2", "", "[::", "localhost.evil"]
)
def test_a_name_bound_to_loopback_may_not(host: str) -> None:
    refused = refusal("/api/status", {"host": host}, "")
    assert refused is not None
    assert refused[0] == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[", "https://localhost:8602"]
)
def test_another_sites_page_may_not(origin: str) -> None:
    refused = refusal("/api/reload", {**LOCAL, "origin": origin}, "")
    assert refused is not None
    assert refused[0] == 403


def test_our_own_page_may() -> None:
    headers = {**LOCAL, "origin": "http://127.0.0.1:8602", "sec-fetch-site": "same-origin"}
    assert refusal("/api/reload", headers, "") is None


def test_a_request_that_a_browser_calls_cross_site_may_not() -> None:
    assert refusal("/api/status", {**LOCAL, "sec-fetch-site": "cross-site"}, "") is not None


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", "Basic s3cret", "s3cret", "Bearer s3cre", "Bearer s3crett"]
)
def test_with_a_token_only_the_token_counts(given: str) -> None:
    refused = refusal("/api/status", {**LOCAL, "authorization": given}, "s3cret")
    assert refused is not None
    assert refused[0] == 401


def test_the_token_opens_from_anywhere() -> None:
    headers = {"host": "sidecar.prod.svc:8602", "authorization": "Bearer s3cret"}
    assert refusal("/api/status", headers, "s3cret") is None
    assert refusal("/api/status", {**headers, "authorization": "bearer s3cret"}, "s3cret") is None


def test_the_page_and_the_probe_hold_no_data_and_need_no_token() -> None:
    assert refusal("/", {"host": "x"}, "s3cret") is None
    assert refusal("/healthz", {"host": "x"}, "s3cret") is None
    assert refusal("/metrics", {"host": "x"}, "s3cret") is not None
