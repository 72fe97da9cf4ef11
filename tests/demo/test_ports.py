"""The port asked for where it is free, another where not."""

from __future__ import annotations

import socket

from sidecar.demo.ports import HOST, pick


def test_a_free_port_is_taken() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    assert pick(port) == port


def test_a_port_somebody_listens_on_is_left_alone() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        assert pick(port) != port


def test_a_listener_on_every_address_counts_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert pick(port) != port


def test_a_port_given_away_already_is_not_given_twice() -> None:
    first = pick(0)
    assert pick(first, {first}) != first
