"""Spans to a collector: OTLP over HTTP, protobuf, one request at a time, tried again as the protocol says.

In: batches of spans, an endpoint. Out: how many the collector took and how many it will never take. A collector that is
away or busy is asked again with growing pauses, as its Retry-After says; what it refuses is not sent twice. No proxy,
no netrc, no redirect: the endpoint is the only host that is dialled.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import unquote

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan

from .. import __version__
from ..errors import SidecarError

TRACES_PATH: Final = "/v1/traces"
# OTLP 1.x, "Retryable Response Codes"; every other refusal is final.
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_TOO_LARGE: Final = 413
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class CollectorAwayError(SidecarError):
    """The collector did not take a batch in all the time it was given; nothing is lost, it is sent again later."""


class Taken(NamedTuple):
    """What became of a batch."""

    spans: int = 0
    refused: int = 0
    partly_refused: int = 0
    too_large: int = 0
    reason: str = ""  # in the collector's own words, where it refused

    def plus(self, other: Taken) -> Taken:
        """Both together."""
        return Taken(
            self.spans + other.spans,
            self.refused + other.refused,
            self.partly_refused + other.partly_refused,
            self.too_large + other.too_large,
            self.reason or other.reason,
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where spans go. `headers` may hold a credential: they are never shown."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compress: bool = False
    attempt_seconds: float = 10.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], stated: str = "") -> Endpoint | None:
        """`stated` (the platform's own) or what the OTEL_EXPORTER_OTLP_* variables say; None where nobody names one.

        A signal's own endpoint is used as it is, the common one is a base, and so is `stated` without a path.
        """
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return None

        def variable(name: str) -> str:
            return environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")

        url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
        if stated:
            url = stated if httpx.URL(stated).path not in ("", "/") else stated.rstrip("/") + TRACES_PATH
        elif not url and environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            url = environ["OTEL_EXPORTER_OTLP_ENDPOINT"].rstrip("/") + TRACES_PATH
        if not url:
            return None
        try:
            seconds = float(variable("TIMEOUT") or 10.0)
        except ValueError:
            seconds = 10.0
        return cls(url, _headers(variable("HEADERS")), variable("COMPRESSION") == "gzip", seconds)


def _headers(text: str) -> dict[str, str]:
    """`a=1,b=two%20words` as OTEL_EXPORTER_OTLP_HEADERS has it."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """An ExportTraceServiceRequest. The encoder leaves out the W3C trace flags, the low 8 bits of a span's `flags`."""
    request = encode_spans(spans)
    flags = {span.context.span_id: int(span.context.trace_flags) for span in spans if span.context is not None}
    for about in request.resource_spans:
        for scope in about.scope_spans:
            for span in scope.spans:
                span.flags |= flags.get(int.from_bytes(span.span_id, "big"), 0) & 0xFF
    body: bytes = request.SerializeToString()
    return body


class Exporter:
    """Sends batches to one endpoint. `count` hears of every request: taken | refused | busy | unreachable."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        count: Callable[[str], None] = lambda result: None,
        give_up_seconds: float = 45.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._count = count
        self._give_up_seconds = give_up_seconds
        self._pause = pause
        self._clock = clock
        self._headers = {
            **endpoint.headers,
            "content-type": "application/x-protobuf",
            "user-agent": f"sidecar/{__version__}",
            **({"content-encoding": "gzip"} if endpoint.compress else {}),
        }
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=endpoint.attempt_seconds,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )

    async def send(self, spans: Sequence[ReadableSpan]) -> Taken:
        """Give a batch to the collector. CollectorAwayError when it did not take it in `give_up_seconds`."""
        body = encoded(spans)
        answer = await self._answer(gzip.compress(body) if self._endpoint.compress else body)
        if answer.status_code == _TOO_LARGE:
            if len(spans) == 1:
                return Taken(too_large=1, reason="413")
            middle = len(spans) // 2
            return (await self.send(spans[:middle])).plus(await self.send(spans[middle:]))
        if not 200 <= answer.status_code < 300:
            self._count("refused")
            return Taken(refused=len(spans), reason=f"{answer.status_code} {answer.reason_phrase}".strip())
        self._count("taken")
        return _partly(answer.content, len(spans))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()

    async def _answer(self, body: bytes) -> httpx.Response:
        """The first answer that is final."""
        deadline = self._clock() + self._give_up_seconds
        for attempt in range(1_000_000):
            wanted = 0.0
            try:
                answer = await self._post(body)
                if answer.status_code not in _RETRYABLE:
                    return answer
                self._count("busy")
                why, wanted = f"answers {answer.status_code}", retry_after_seconds(answer.headers)
            except (httpx.TransportError, TimeoutError) as error:
                self._count("unreachable")
                why = f"{type(error).__name__}: {error}".rstrip(": ")
            pause = wanted or min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311
            if self._clock() + pause >= deadline:
                break
            await self._pause(pause)
        shown = httpx.URL(self._endpoint.url).copy_with(userinfo=b"", query=None)
        raise CollectorAwayError(f"the collector at {shown} {why}; its spans are kept in the journal and sent again")

    async def _post(self, body: bytes) -> httpx.Response:
        """One attempt: as a whole within its time, also against one that answers a byte at a time."""
        async with asyncio.timeout(self._endpoint.attempt_seconds):
            return await self._client.post(self._endpoint.url, content=body, headers=self._headers)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """What Retry-After (RFC 9110 section 10.2.3) asks for, as seconds or as a date; 0.0 where it says nothing."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, moment.timestamp() - time.time())


def _partly(body: bytes, sent: int) -> Taken:
    """OTLP's partial success: what is rejected must not be sent again."""
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:  # it took the batch, and what it says of it is not OTLP
        return Taken(spans=sent)
    rejected = min(max(partial.rejected_spans, 0), sent)
    return Taken(spans=sent - rejected, partly_refused=rejected, reason=partial.error_message[:200])
