"""A Host header names this machine, or it does not."""

from __future__ import annotations

import pytest

from sidecar.loopback import is_local


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8602", "LOCALHOST", "127.0.0.1:8602", "127.9.9.9", "[::1]", "[::1]:8602"]
)
def test_this_machine(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example:8602", "127.0.0.1.evil.example", "localhost.evil", "192.168.1.2", "0.0.0.0", "", "[::", "[::1"],
)
def test_another_or_none(host: str) -> None:
    assert not is_local(host)
