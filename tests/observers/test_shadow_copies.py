"""The bytes of a copy, and the file that remembers what was sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httptools
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.exchange import Exchange
from sidecar.observers.shadow.copies import head_of
from sidecar.observers.shadow.sent import SentFiles
from sidecar.shadow.state import Open
from sidecar.upstream import parse_address

from .shadowing import Tape

V15 = parse_address("http://credit-v15:8080")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    with Tape(tmp_path_factory.mktemp("tape"), "b2:00") as tape:
        return tape.exchange()


class Seen:
    """What a server makes of a head."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.complete = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.complete += 1

    def values(self, name: bytes) -> list[bytes]:
        return [value for header, value in self.headers if header == name]


def head(
    exchange: Exchange, body: bytes = b"{}", drop: tuple[str, ...] = (), address: Any = V15, **fields: Any
) -> Seen:
    changed = msgspec.structs.replace(exchange, **fields)
    return Seen(head_of(changed, address, body, trace_id="d" * 32, span_id="e" * 16, drop=drop) + body)


def test_the_line_and_the_headers(plain: Exchange) -> None:
    found = head(plain)
    assert found.url == plain.target.encode() and found.complete == 1
    assert found.headers == [
        (b"host", b"credit-v15:8080"),
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"x-shadow", b"1"),
        (b"x-shadow-of", plain.request_id.encode()),
        (b"traceparent", b"00-" + b"d" * 32 + b"-" + b"e" * 16 + b"-03"),
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://[::1]:9000", b"[::1]:9000"),
        ("http://v15", b"v15"),
        ("https://v15", b"v15"),
        ("https://v15:80", b"v15:80"),
        ("unix:/run/v15.sock", b"localhost"),
    ],
)
def test_the_host_is_the_candidates(plain: Exchange, url: str, host: bytes) -> None:
    assert head(plain, address=parse_address(url)).values(b"host") == [host]


def test_an_absolute_target_is_cut_to_its_path(plain: Exchange) -> None:
    assert head(plain, target="http://primary:8080/v2/x?a=http://b").url == b"/v2/x?a=http://b"


def test_what_is_dropped_and_what_is_ours_does_not_pass(plain: Exchange) -> None:
    names = ("authorization", "cookie", "proxy-authorization", "x-tenant", "x-shadow-of", "content-length", "host")
    recorded = tuple((name, "theirs") for name in names)
    found = head(plain, drop=("X-Tenant",), request_headers=recorded)
    assert not any(value == b"theirs" for _, value in found.headers)


@given(
    headers=st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=20)), max_size=4),
    request_id=st.text(max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_no_record_smuggles_a_second_request(plain: Exchange, headers: list[tuple[str, str]], request_id: str) -> None:
    changed = msgspec.structs.replace(plain, request_headers=tuple(headers), request_id=request_id)
    data = head_of(changed, V15, b"", trace_id="d" * 32, span_id="e" * 16, drop=())
    assert data.count(b"\r\n\r\n") == 1 and data.endswith(b"\r\n\r\n")
    assert len(data.split(b"\r\n")) <= 6 + len(headers) + 2


class TestWhatWasSent:
    def one(self, number: int) -> Open:
        return Open(f"p{number}", f"r{number}", "credit", "b2:00", "v15", "abc", ("u",))

    def test_is_read_back_by_the_next_life(self, tmp_path: Path) -> None:
        files = SentFiles(tmp_path / "shadow")
        files.turn(3)
        assert files.write(self.one(1))
        files.turn(4)
        assert files.write(self.one(2))
        again = SentFiles(tmp_path / "shadow")
        assert list(again.read(3)) == [self.one(1), self.one(2)]
        assert list(again.read(4)) == [self.one(2)]

    def test_is_forgotten_with_the_commit_that_holds_it(self, tmp_path: Path) -> None:
        files = SentFiles(tmp_path / "shadow")
        files.turn(1)
        files.write(self.one(1))
        files.turn(2)
        files.forget(2)
        assert list(files.read(0)) == []

    def test_a_line_cut_short_was_not_sent(self, tmp_path: Path) -> None:
        files = SentFiles(tmp_path)
        files.turn(1)
        files.write(self.one(1))
        files.write(self.one(2))
        files.close()
        path = tmp_path / "sent.1"
        path.write_bytes(path.read_bytes()[:-5])
        assert list(files.read(1)) == [self.one(1)]

    def test_without_a_file_nothing_may_go(self, tmp_path: Path) -> None:
        files = SentFiles(tmp_path)
        assert not files.write(self.one(1))

    def test_is_its_owners_alone(self, tmp_path: Path) -> None:
        files = SentFiles(tmp_path / "shadow")
        files.turn(1)
        assert (tmp_path / "shadow" / "sent.1").stat().st_mode & 0o077 == 0
