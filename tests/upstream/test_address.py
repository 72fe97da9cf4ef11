"""Addresses of model servers: what is taken, and what is said about the rest."""

from __future__ import annotations

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.upstream import Address, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://model:8080", Address("http://model:8080", "model", 8080)),
        ("http://model", Address("http://model", "model", 80)),
        ("http://127.0.0.1:1/", Address("http://127.0.0.1:1/", "127.0.0.1", 1)),
        ("http://[::1]:8080", Address("http://[::1]:8080", "::1", 8080)),
        ("https://model", Address("https://model", "model", 443, tls=True)),
        ("unix:/run/model.sock", Address("unix:/run/model.sock", path="/run/model.sock")),
        ("unix:///run/model.sock", Address("unix:///run/model.sock", path="/run/model.sock")),
    ],
)
def test_good_addresses(url: str, expected: Address) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("model:8080", "scheme"),
        ("ftp://model", "scheme"),
        ("http://", "no host"),
        ("http://user:secret@model", "credentials"),
        ("http://model/v2", "path"),
        ("http://model?a=1", "path"),
        ("http://model:http", "port"),
        ("http://model:99999", "port"),
        ("unix:model.sock", "absolute"),
        ("", "scheme"),
    ],
)
def test_bad_addresses_say_what_is_wrong(url: str, said: str) -> None:
    with pytest.raises(RuntimeSetupError, match=said) as refused:
        parse_address(url)
    assert "secret" not in str(refused.value) or "credentials" in str(refused.value)


def test_tls_verifies_names() -> None:
    context = parse_address("https://model").ssl_context()
    assert context is not None and context.check_hostname
    assert parse_address("http://model").ssl_context() is None
