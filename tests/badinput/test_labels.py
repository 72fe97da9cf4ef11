"""B37, F63: a label on a body makes it decoded under a cap, or refused; it is never a reason not to look."""

from __future__ import annotations

import bz2
import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest

from sidecar.errors import WireError
from sidecar.gateway.head import unread_as
from sidecar.guard import decode_body
from tests.badinput.desk import BAD_ROW, CLEAN_ROW, PROTOCOLS, port, post, refused

pytestmark = pytest.mark.anyio

CLEAN, BAD = (PROTOCOLS["matrix"].write([row]) for row in (CLEAN_ROW, BAD_ROW))
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(BAD) + RAW_DEFLATE.flush()


def label(value: bytes) -> bytes:
    return b"Content-Type: " + value


NOISE = [
    b"application/json",
    b"application/json; charset=utf-8",
    b'application/json;charset="UTF-8"',
    b"application/json; charset=us-ascii",
    b"text/plain",
    b"text/plain; charset=utf8; format=flowed",
    b"application/x-www-form-urlencoded",
    b"application/octet-stream",
    b"application/vnd.seldon+json",
    b"text/csv",
    b"image/png",
    b"",
    b"nonsense",
    b";;;=",
    b"\xff\xfe",
]


@pytest.mark.parametrize("protocol", ["matrix", "instances", "json"])
async def test_b37_json_under_any_label_is_judged(tmp_path: Path, protocol: str) -> None:
    made = PROTOCOLS[protocol]
    async with port(tmp_path, protocol) as world:
        for value in NOISE:
            assert (await refused(world, post(protocol, made.write([BAD_ROW]), label(value)))).status == 422, value
            assert (await world.ask(post(protocol, made.write([CLEAN_ROW]), label(value)))).status == 200, value
            assert world.upstream.received.values(b"content-type") == [value]


MISLEADING = [
    b"application/json; charset=utf-16",
    b"application/json; charset=utf-7",
    b"application/json;charset=UTF-7",
    b"application/json; charset = utf-7",
    b"application/json; charset='utf-7'",
    b'application/json; charset="utf-7"',
    b"application/json; charset=utf-8; charset=utf-7",
    b"application/json; charset=utf-7; charset=utf-8",
    b"application/json; charset*=utf-7''x",
    b"application/json; charset*0=utf-; charset*1=7",
    b"application/json; charset=utf-8; charset*0=utf-; charset*1=7",
    b"application/json; charset=latin-1",
    b"text/plain; charset=cp037",
    b"multipart/form-data; boundary=x",
    b"multipart/mixed",
    b"Multipart/Form-Data; boundary=x",
    b"application/cloudevents+json",
    b"application/cloudevents-batch+json; charset=utf-8",
]


async def test_b37_labels_that_give_the_same_bytes_another_meaning_are_415(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for value in MISLEADING:
            for body in (CLEAN, BAD):
                assert (await refused(world, post("matrix", body, label(value)))).status == 415, value
        for first, second in ((b"application/json", MISLEADING[1]), (MISLEADING[1], b"application/json")):
            sent = post("matrix", CLEAN, label(first), label(second))
            assert (await refused(world, sent)).status == 415


async def test_b37_observing_passes_them_and_says_unchecked(tmp_path: Path) -> None:
    async with port(tmp_path, mode="observe") as world:
        for value in MISLEADING:
            found = await world.ask(post("matrix", CLEAN, label(value)))
            assert (found.status, found.value("x-contract-verdict")) == (200, "unchecked;reason=unsupported")
            assert world.upstream.received.body == CLEAN


def test_b37_a_label_with_charset_in_it_is_read_or_refused_never_skipped() -> None:
    assert unread_as("application/json; x-charset=utf-8") == ""  # read as a charset: the safe way to be wrong
    assert unread_as("application/json; boundary=charset") != ""
    assert unread_as("application/json; charset") != ""


@pytest.mark.parametrize("value", [b"0", b"1", b"10", b"99999", b"-1", b"", b"x", b"+5", b" 7 "])
async def test_b35_a_binary_header_is_415_whatever_it_says(tmp_path: Path, value: bytes) -> None:
    """At 0 Triton takes every byte for raw tensor data, so JSON that looks clean is not what the model gets."""
    async with port(tmp_path) as world:
        for name in (b"Inference-Header-Content-Length", b"inference-header-content-length"):
            sent = post("matrix", CLEAN, name + b": " + value, label(b"application/octet-stream"))
            assert (await refused(world, sent)).status == 415


def coded(body: bytes) -> dict[str, tuple[bytes, bytes, int]]:
    """name → (Content-Encoding, what is sent, status when the rows within are good)."""
    return {
        "gzip": (b"gzip", gzip.compress(body), 200),
        "gzip in capitals": (b"GZIP", gzip.compress(body), 200),
        "x-gzip": (b"x-gzip", gzip.compress(body), 200),
        "deflate": (b"deflate", zlib.compress(body), 200),
        "identity": (b"identity", body, 200),
        "gzip twice": (b"gzip, gzip", gzip.compress(gzip.compress(body)), 415),
        "gzip in gzip": (b"gzip", gzip.compress(gzip.compress(body)), 400),
        "deflate, gzip": (b"deflate, gzip", gzip.compress(zlib.compress(body)), 415),
        "identity, gzip": (b"identity, gzip", gzip.compress(body), 415),
        "br": (b"br", body, 415),
        "zstd": (b"zstd", body, 415),
        "compress": (b"compress", body, 415),
        "bzip2": (b"bzip2", bz2.compress(body), 415),
        "a coding nobody knows": (b"\xff", body, 415),
        "aws-chunked": (b"aws-chunked", body, 415),
        "not gzip": (b"gzip", body, 400),
        "deflate that is gzip": (b"deflate", gzip.compress(body), 400),
        "gzip that is deflate": (b"gzip", zlib.compress(body), 400),
        "raw deflate": (b"deflate", RAW, 400),
        "a second member": (b"gzip", gzip.compress(body) + gzip.compress(body), 400),
        "bytes behind the stream": (b"gzip", gzip.compress(body) + b"x", 400),
        "cut short": (b"gzip", gzip.compress(body)[:-1], 400),
        "a wrong checksum": (b"gzip", gzip.compress(body)[:-8] + b"\0" * 8, 400),
        "a wrong length": (b"gzip", gzip.compress(body)[:-4] + b"\0" * 4, 400),
        "nothing": (b"gzip", b"", 400),
    }


async def test_b37_codings_are_undone_and_judged_or_refused(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for name, (coding, body, status) in coded(CLEAN).items():
            found = await world.ask(post("matrix", body, b"Content-Encoding: " + coding))
            assert found.status == status, (name, found.body)
            if status == 200:
                assert world.upstream.received.body == body
                assert world.upstream.received.values(b"content-encoding") == [coding]
        for name, (coding, body, status) in coded(BAD).items():
            found = await refused(world, post("matrix", body, b"Content-Encoding: " + coding))
            assert found.status == (422 if status == 200 else status), (name, found.body)


async def test_b37_codings_on_several_lines_are_one_list(tmp_path: Path) -> None:
    async with port(tmp_path) as world:
        for lines in ([b"gzip", b"gzip"], [b"gzip", b"identity"], [b"gzip", b""], [b"", b"gzip", b"br"]):
            fields = [b"Content-Encoding: " + coding for coding in lines]
            found = await refused(world, post("matrix", gzip.compress(CLEAN), *fields))
            assert found.status == 415, lines


async def test_b37_observing_passes_every_coding_byte_for_byte(tmp_path: Path) -> None:
    async with port(tmp_path, mode="observe") as world:
        for body in (CLEAN, BAD):
            for name, (coding, sent, status) in coded(body).items():
                found = await world.ask(post("matrix", sent, b"Content-Encoding: " + coding))
                assert found.status == 200 and world.upstream.received.body == sent, name
                read = "ok" if body is CLEAN else "observed"
                assert world.exchanges()[-1].verdict == (read if status == 200 else "unchecked"), name


MIB = 1024 * 1024


@pytest.mark.parametrize("size", [17, 200])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_f63_a_bomb_is_refused_before_it_is_big(size: int, coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    bomb = pack(b" " * (size * MIB))
    assert len(bomb) < size * MIB / 900
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as caught:
            decode_body(bomb, coding)
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()
    assert caught.value.fault == "too_large"


async def test_f63_bombs_are_413_and_the_port_lives_on(tmp_path: Path) -> None:
    bombs = [gzip.compress(fill * (200 * MIB)) for fill in (b" ", b"[")]
    bombs.append(gzip.compress(b'{"inputs":"' + b"a" * (20 * MIB) + b'"}'))
    async with port(tmp_path) as world:
        for bomb in bombs:
            found = await refused(world, post("matrix", bomb, b"Content-Encoding: gzip"))
            assert found.status == 413
        layered = gzip.compress(bombs[0])  # refused for what it is one layer down: not JSON
        assert (await refused(world, post("matrix", layered, b"Content-Encoding: gzip"))).status == 400
        assert world.gateway.buffered_bytes == 0
        assert (await world.ask(post("matrix", CLEAN))).status == 200
