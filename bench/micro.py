"""Where the microseconds go: the gateway's own functions on the benchmark's conversation, without a socket.

`python -m bench micro`. Best of several samples on one pinned core; a second table compares decoders for one row of 20
features, each in its libraries' own environment. What a whole request costs beyond the sum of these steps (event loop,
system calls, calls between objects) is `CPU µs/request` of the full benchmark minus this sum.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httptools

from sidecar import policy
from sidecar.exchange import Exchange, Kind, encode
from sidecar.gateway.head import HeadReader
from sidecar.gateway.ids import Ids
from sidecar.gateway.trace import trace_context
from sidecar.guard import Guard, Guards
from sidecar.journal import JournalSettings, StatsPage, Writer
from sidecar.journal.frame import pack
from sidecar.runtime.compile import compile_guard
from sidecar.upstream import AnswerReader

from . import environments, payload
from .failure import BenchError
from .openloop import request_bytes
from .processes import cores, pinned
from .timing import best_microseconds

ANSWER_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n" % len(payload.ANSWER)
)
NOW_NS: Final = 1_767_225_600_000_000_000
# Big enough that a sample meets no new segment, small enough to be nobody's trouble.
JOURNAL_BYTES: Final = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Step:
    """One function, called as the gateway calls it."""

    name: str
    call: Callable[[], Any]


class Sink:
    """Takes a parser's events and keeps nothing."""

    def on_header(self, name: bytes, value: bytes) -> None: ...

    def on_headers_complete(self) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_message_complete(self) -> None: ...


def the_guard() -> Guard:
    """`bench/policy.yaml`, compiled as a worker does it."""
    loaded = policy.load([environments.ROOT / "bench" / "policy.yaml"])
    if not loaded.policies:
        raise BenchError("; ".join(finding.message for finding in loaded.findings))
    guard = compile_guard(loaded.policies[0])
    if guard.accept_request(payload.REQUEST) != 1 or guard.accept_reply(payload.ANSWER, 1) != "1":
        raise BenchError("the benchmark's own body is not accepted fast: the figures would be of another path")
    return guard


def a_record(ids: Ids) -> Exchange:
    """What the journal gets for one clean call, with strings of the usual lengths."""
    prediction_id, random_hex = ids.call_ids(NOW_NS)
    trace = trace_context([], random_hex, trust=True)
    return Exchange(
        prediction_id=prediction_id,
        request_id=prediction_id,
        started_unix_ns=NOW_NS,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_span_id=trace.parent_span_id,
        client_span_id=trace.client_span_id,
        trace_flags=trace.flags,
        method="POST",
        target=payload.PATH,
        route="/v2/models/{model}/infer",
        route_kind="inference",
        protocol="oip",
        model_name=payload.MODEL,
        model_version="1",
        version_source="body",
        policy_digest="sha256:" + "0" * 64,
        identity="unstated",
        mode="enforce",
        verdict="ok",
        would="ok",
        reason="",
        rows=1,
        status=200,
        upstream_status=200,
        total_ns=1_234_567,
        contract_ns=12_345,
        upstream_ns=1_123_456,
        first_byte_ns=1_200_000,
        client_address="127.0.0.1",
        request_headers=(("content-type", "application/json"),),
        request_bytes=len(payload.REQUEST),
        response_bytes=len(payload.ANSWER),
    )


@contextmanager
def steps() -> Iterator[tuple[list[Step], list[Step]]]:
    """(the steps of a clean request in their order, the rich paths that a refused one takes instead)."""
    guard = the_guard()
    guards = Guards([guard])
    ids = Ids(random.Random(7).getrandbits)
    reader = HeadReader()
    headers = [
        (b"Host", b"127.0.0.1:8600"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(payload.REQUEST)).encode()),
    ]
    fields = (line.partition(b": ") for line in ANSWER_HEAD.strip().split(b"\r\n")[1:])
    answer_headers = [(name, value) for name, _, value in fields]
    request_parser, answer_parser = httptools.HttpRequestParser(Sink()), httptools.HttpResponseParser(Sink())
    request, answer = request_bytes(8600), ANSWER_HEAD + payload.ANSWER
    record = a_record(ids)
    meta, payloads = encode(record), (payload.REQUEST, payload.ANSWER)
    stamped = frozenset({b"x-prediction-id", b"x-policy", b"x-contract-verdict", b"server-timing"})
    answers = AnswerReader(stamped)
    with tempfile.TemporaryDirectory(dir=environments.scratch()) as folder:
        settings = JournalSettings(max_bytes=JOURNAL_BYTES)
        identity = {"replica": "bench", "environment": ""}
        writer = Writer(Path(folder), "hot-0", settings, StatsPage(), identity=identity)
        try:
            yield (
                [
                    Step("parse the request (llhttp)", lambda: request_parser.feed_data(request)),
                    Step("read the request's head", lambda: reader.read(headers, "1.1")),
                    Step("ids: prediction, trace, two spans", lambda: _ids(ids)),
                    Step("accept the row: decode, 20 ranges, proof", lambda: guard.accept_request(payload.REQUEST)),
                    Step("parse the answer (llhttp)", lambda: answer_parser.feed_data(answer)),
                    Step("read the answer's head", lambda: answers.read(200, b"OK", answer_headers)),
                    Step("accept the answer: decode, range, proof", lambda: guard.accept_reply(payload.ANSWER, 1)),
                    Step("encode the record", lambda: encode(record)),
                    Step("append it: two checksums, writev", lambda: writer.append(Kind.EXCHANGE, meta, payloads)),
                ],
                [
                    Step("of the append: checksums", lambda: pack(Kind.EXCHANGE, meta, payloads)),
                    Step("resolve a path not seen before", lambda: guards.resolve("POST", payload.PATH)),
                    Step("exact path, clean row", lambda: guard.judge_request(payload.REQUEST, "", _none, "", 0.0)),
                    Step("exact path, bad row", lambda: guard.judge_request(payload.BAD_REQUEST, "", _none, "", 0.0)),
                    Step("exact path, answer", lambda: guard.judge_reply(payload.ANSWER, "", "", 0.0, sent_rows=1)),
                ],
            )
        finally:
            writer.close()


def _none(name: str) -> str | None:
    return None


def _ids(ids: Ids) -> None:
    _, random_hex = ids.call_ids(NOW_NS)
    trace_context([], random_hex, trust=True)


def decoders() -> dict[str, float]:
    """Library → microseconds for one row, measured in the peers' environment."""
    command = [str(environments.python("bench")), "-m", "bench.peers.decoders"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=environments.ROOT)
    if done.returncode:
        raise BenchError(f"the decoders' comparison failed: {done.stderr.strip()[-800:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print both tables."""
    with pinned(cores()[1]):
        with steps() as (clean, others):
            measured = [(step.name, best_microseconds(step.call)) for step in clean]
            print("one clean, judged request                           µs")
            _print([*measured, ("sum", sum(took for _, took in measured))])
            print("\nbeside it                                           µs")
            _print([(step.name, best_microseconds(step.call)) for step in others])
        print("\none row of 20 features, decoded and range-checked   µs")
        own = next(took for name, took in measured if name.startswith("accept the row"))
        _print([("the sidecar's acceptor (with proof of uniqueness)", own), *decoders().items()])


def _print(rows: list[tuple[str, float]]) -> None:
    for name, took in rows:
        print(f"  {name:<48} {took:7.2f}")
