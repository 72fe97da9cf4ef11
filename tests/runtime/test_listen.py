"""Addresses as people write them, and what a bind that fails says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import RuntimeSetupError
from sidecar.runtime.listen import ListenAddress, actual, bind, listen, parse_listen, release


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8600", ListenAddress("0.0.0.0", 8600)),
        ("127.0.0.1:0", ListenAddress("127.0.0.1", 0)),
        ("localhost:80", ListenAddress("127.0.0.1", 80)),
        ("[::1]:8600", ListenAddress("::1", 8600)),
        ("unix:/run/s.sock", ListenAddress(path="/run/s.sock")),
        ("unix:///run/s.sock", ListenAddress(path="/run/s.sock")),
    ],
)
def test_good(text: str, address: ListenAddress) -> None:
    assert parse_listen(text) == address
    assert parse_listen(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "8600", "host:80", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "::1:80", "unix:x", "unix:", "1.2.3.4:-1"]
)
def test_bad(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|choose"):
        parse_listen(text)


def test_socket_path_too_long() -> None:
    with pytest.raises(ValueError, match="at most 107 bytes"):
        parse_listen("unix:/" + "x" * 107)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = parse_listen(text)
    except ValueError as error:
        assert str(error)
    else:
        assert address.path or 0 <= address.port <= 65535


@pytest.mark.parametrize(("text", "is_loopback"), [("127.0.0.1:1", True), ("[::1]:1", True), ("0.0.0.0:1", False)])
def test_loopback(text: str, is_loopback: bool) -> None:
    assert parse_listen(text).loopback is is_loopback


def test_bind_chooses_a_port_and_tells_it() -> None:
    address = ListenAddress("127.0.0.1", 0)
    listener = bind(address, flag="--listen")
    listen(listener, address, flag="--listen")
    with socket.create_connection(("127.0.0.1", actual(listener, address).port)):
        release(listener, address)


def test_two_that_bind_one_port_are_told_at_the_latest_when_they_listen() -> None:
    first = bind(ListenAddress("127.0.0.1", 0), flag="--listen")
    address = actual(first, ListenAddress("127.0.0.1", 0))
    with first:
        listen(first, address, flag="--listen")
        with pytest.raises(RuntimeSetupError, match=r"--health .*: the address is in use"):
            bind(address, flag="--health")


def test_stale_socket_file_is_replaced_a_live_one_and_a_file_are_not(tmp_path: Path) -> None:
    address = ListenAddress(path=str(tmp_path / "s.sock"))
    stale = bind(address, flag="--listen")
    stale.close()  # as after kill -9: the file stays
    live = bind(address, flag="--listen")
    listen(live, address, flag="--listen")
    with pytest.raises(RuntimeSetupError, match="another process listens there"):
        bind(address, flag="--listen")
    release(live, address)
    assert not Path(address.path).exists()
    Path(address.path).write_text("mine")
    with pytest.raises(RuntimeSetupError, match="a file is there that is no socket"):
        bind(address, flag="--listen")
    assert Path(address.path).read_text() == "mine"
