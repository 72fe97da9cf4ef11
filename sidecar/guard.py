"""One policy, compiled: bytes → decision. Pure; the gateway and every reader of the journal use the same one.

In: a body, its content coding, a header lookup, a caller's name, the wall time. Out: `Judged`: the verdict, the body to
send on, and the spans that were edited. Never: I/O, an exception (a fault of our own becomes a verdict, P4).

Two paths: `accept_*` proves the common, clean body clean and says nothing else; `judge_*` explains every other one.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from .contract import Compiled, Mode
from .contract.slices import Slices
from .edits import Span, splice
from .errors import WireError, WireFault
from .problem import Disclosure
from .rows import Value, header_of
from .verdict import ACCEPTED, Outcome, Verdict
from .wire import Acceptor, Codec, HeaderLookup, ReplyAcceptor, Route, RouteKind, Sieve, recognise
from .wire.paths import plain_path

GUARD_ERROR: Final = "guard_error"
_ANY_NUMBER: Final = 1 << 62
_SHORT_DIGEST: Final = len("b2:") + 12
MAX_DECODED_BYTES: Final = 16 * 1024 * 1024
_STRICTNESS: Final = {Mode.OFF: 0, Mode.OBSERVE: 1, Mode.ENFORCE: 2}
_CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_GZIP, _DEFLATE = 31, 15  # window bits of zlib.decompressobj


@dataclass(frozen=True, slots=True)
class Judged:
    """One body judged. `body` is what is sent on; `edits` are spans of the body as received, coding removed."""

    verdict: Verdict
    body: bytes
    edits: tuple[Span, ...] = ()
    rows: int = 0
    model_version: str = ""
    fault: WireError | None = None
    guard_error: str = ""  # the type of an exception of our own


@dataclass(frozen=True, slots=True)
class Identity:
    """What this policy says of itself and of the model it expects."""

    name: str
    version: str
    digest: str
    contact: str = ""
    contacts: Mapping[str, str] = field(default_factory=dict)  # feature, prediction or `rule.ID` → its own contact
    # Feature, prediction, `rule.ID` or "" → who answers for it (`policy.ownership.Responsible`), for readers of logs.
    responsible: Mapping[str, Any] = field(default_factory=dict)
    model_name: str = ""
    model_versions: tuple[str, ...] = ()
    model_path: str = ""
    protocol: str = ""
    stop_on_mismatch: bool = True
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """How rows under this policy are told outside the journal. `hidden` maps feature or prediction to hash | drop."""

    hidden: Mapping[str, str] = field(default_factory=dict)
    entity: str = ""  # the feature that says whose past predictions may come back
    label_key: str = ""  # the feature that late labels come with
    sample: float = 1.0  # the share of unremarkable rows that is kept
    slice_only: frozenset[str] = frozenset()  # taken out before the model
    slices: Slices | None = None


class Candidate(NamedTuple):
    """A contract judged beside the one in force, by readers of records alone: it is never applied."""

    codec: Codec
    contract: Compiled


class Guard:
    """A codec, a contract, and the identity they belong to."""

    def __init__(
        self,
        identity: Identity,
        codec: Codec,
        contract: Compiled,
        *,
        upstream: str = "",
        recording: Recording | None = None,
        max_decoded_bytes: int = MAX_DECODED_BYTES,
        candidate: Candidate | None = None,
    ) -> None:
        """`max_decoded_bytes`: of one body without its coding; at least what an uncoded body may have."""
        self.identity = identity
        self.recording = recording or Recording()
        self.codec = codec
        self.contract = contract
        self.upstream = upstream
        self.max_decoded_bytes = max_decoded_bytes
        self.candidate = candidate
        self.disclosure: Disclosure = contract.errors
        self.checks_reply = bool(contract.predictions)
        self.reads_bodies = identity.protocol != "opaque"
        self.feature_headers = {
            name: header for name, source in contract.features.items() if (header := header_of(source)) is not None
        }
        # What a reader of the record needs to see the features that were there: never a credential.
        self.recorded_headers = tuple(sorted(set(self.feature_headers.values()) - _CREDENTIALS))
        self.stripped_headers = frozenset(
            name.lower().replace("_", "-").encode("latin-1") for name in contract.stripped_headers
        )
        request_types = contract.request_types()
        self._accept: Acceptor | None = None
        self._sieve: Sieve | None = None
        if request_types is not None and not contract.stripped_headers:
            self._accept = codec.request_acceptor(request_types, closed=contract.closed, rules=contract.request_rules())
            if not contract.compares_rows:
                self._sieve = codec.request_sieve(request_types, rules=contract.request_rules())
        self._most_proven = 1 if contract.compares_rows else _ANY_NUMBER
        reply_types = contract.reply_types()
        self._accept_reply: ReplyAcceptor | None = None
        if reply_types is not None:
            self._accept_reply = codec.reply_acceptor(reply_types)
        version = f"@{identity.version}" if identity.version else ""
        self.stamp = f"{identity.name}{version};digest={identity.digest[:_SHORT_DIGEST]}"
        self.stamp_line = b"x-policy: %b\r\n" % self.stamp.encode("ascii", "replace")

    def mode(self, caller: str) -> Mode:
        """The mode in force for this caller."""
        return self.contract.mode(caller)

    # -- the request

    def accept_request(self, body: bytes) -> int:
        """Rows proven clean (> 0), or 0: `judge_request` decides."""
        try:
            rows = self._accept(body) if self._accept is not None else 0
        except Exception:  # an acceptor may decline, never fail: the exact path will say what is wrong
            return 0
        return rows if rows <= self._most_proven else 0

    def judge_request(self, body: bytes, coding: str, header: HeaderLookup, caller: str, now_seconds: float) -> Judged:
        """The exact path for a request body."""
        mode = self.mode(caller)
        try:
            plain = decode_body(body, coding, self.max_decoded_bytes)
            rows = self._sieve(plain) if self._sieve is not None else None
            if rows is None:
                rows = self.codec.read_request(plain, header)
            verdict = self.contract.judge_request(rows, caller=caller, now_seconds=now_seconds)
            drop = verdict.fallback_rows + verdict.dropped_rows
            if len(drop) >= rows.count:
                drop = ()
            if not verdict.changes and not drop:
                return Judged(verdict, body, rows=rows.count)
            try:
                edits = rows.edit(verdict.changes, drop) if rows.edit is not None else None
                if edits is None:
                    edits = self.codec.edit_request(plain, verdict.changes, drop)
            except WireError as fault:  # a repair that this body has no place for: what was found stays told
                unread = _unread(mode, fault.fault)
                verdict = replace(unread, violations=verdict.violations, total=verdict.total)
                return Judged(verdict, body, rows=rows.count, fault=fault)
            return Judged(verdict, encode_body(splice(plain, edits), coding), edits, rows.count)
        except WireError as fault:
            return Judged(_unread(mode, fault.fault), body, fault=fault)
        except Exception as error:
            return Judged(self._guard_error(mode), body, guard_error=type(error).__name__)

    def unread_request(self, body: bytes, why: str, caller: str) -> Judged:
        """A body that says of itself that it is not what it looks like."""
        fault = WireError(WireFault.UNSUPPORTED, why)
        return Judged(_unread(self.mode(caller), fault.fault), body, fault=fault)

    # -- the answer

    def accept_reply(self, body: bytes, rows: int) -> str | None:
        """The model version stated in an answer proven clean ("" = unstated), or None: `judge_reply` decides."""
        try:
            return self._accept_reply(body, rows) if self._accept_reply is not None else None
        except Exception:
            return None

    def judge_reply(
        self,
        body: bytes,
        coding: str,
        caller: str,
        now_seconds: float,
        *,
        sent_rows: int,
        fallback_rows: Sequence[int] = (),
        dropped_rows: Sequence[int] = (),
    ) -> Judged:
        """The exact path for an answer. Rows that were not sent are put back at their positions in the request:
        `fallback_rows` with fallback values, `dropped_rows` as null.

        `sent_rows` -1: the request could not be read, so any number of rows is right. Rows of the verdict count the
        answer's.
        """
        mode = self.mode(caller)
        if not self.checks_reply and not fallback_rows and not dropped_rows:
            return Judged(ACCEPTED, body)
        values: Mapping[str, Value] = self.contract.fallback_values or {}
        inserted: dict[int, Mapping[str, Value] | None] = dict.fromkeys(fallback_rows, values)
        inserted.update(dict.fromkeys(dropped_rows))
        expanded = bool(inserted)
        try:
            plain = decode_body(body, coding, self.max_decoded_bytes)
            rows = self.codec.read_reply(plain)
            expected = sent_rows if sent_rows >= 0 else rows.count
            if expanded and rows.count != expected:
                return Judged(self.contract.wrong_count(expected, caller), body, rows=rows.count)
            verdict = self.contract.judge_reply(rows, sent_rows=expected, caller=caller, now_seconds=now_seconds)
            version = rows.model_version
            nulls = verdict.dropped_rows
            if verdict.refused or not (verdict.changes or expanded or nulls):
                return Judged(verdict, body, rows=rows.count, model_version=version)
            expanded = expanded or bool(nulls)
            edits = self.codec.edit_reply(plain, verdict.changes, inserted, nulls)
            return Judged(verdict, encode_body(splice(plain, edits), coding), edits, rows.count, version)
        except WireError as fault:
            verdict = _unread(mode, fault.fault)
            if expanded:  # no row of the answer has a known place
                missed = self.contract.wrong_count(sent_rows, caller)
                verdict = replace(verdict, violations=missed.violations, total=missed.total)
            return Judged(verdict, body, fault=fault)
        except Exception as error:
            return Judged(self._guard_error(mode), body, guard_error=type(error).__name__)

    def fallback_reply(
        self, request_body: bytes, coding: str, rows: int, *, model_name: str = "", dropped_rows: Sequence[int] = ()
    ) -> bytes | None:
        """A whole answer of fallback values for `rows` rows, null for dropped ones; None where there can be none."""
        values: Mapping[str, Value] | None = self.contract.fallback_values
        if not values:
            return None
        answer: list[Mapping[str, Value] | None] = [values] * max(rows, 1)
        for row in dropped_rows:
            answer[row] = None
        try:
            plain = decode_body(request_body, coding, self.max_decoded_bytes)
            return self.codec.fallback_reply(plain, answer, model_name=model_name)
        except Exception:
            return None

    def _guard_error(self, mode: Mode) -> Verdict:
        refuse = mode is Mode.ENFORCE and self.contract.on_guard_error == "reject"
        outcome = Outcome.REJECTED if refuse else Outcome.UNCHECKED
        return Verdict(outcome, Outcome.REJECTED, reason=GUARD_ERROR)


def _unread(mode: Mode, fault: WireFault) -> Verdict:
    outcome = Outcome.REJECTED if mode is Mode.ENFORCE else Outcome.UNCHECKED
    return Verdict(outcome, Outcome.REJECTED, reason=fault.value)


def decode_body(body: bytes, coding: str, limit: int = MAX_DECODED_BYTES) -> bytes:
    """The body without its content coding (RFC 9110 section 8.4), under a cap; WireError for other codings."""
    if not coding or coding == "identity":
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise WireError(WireFault.UNSUPPORTED, f"content coding {coding[:40]!r} is not looked into; send gzip or none")
    inflater = zlib.decompressobj(_DEFLATE if coding == "deflate" else _GZIP)
    try:
        plain = inflater.decompress(body, limit)
    except zlib.error:
        raise WireError(WireFault.MALFORMED, f"the body is not valid {coding}") from None
    if inflater.unconsumed_tail:
        raise WireError(WireFault.TOO_LARGE, f"the body is larger than {limit} bytes when decoded")
    if not inflater.eof or inflater.unused_data:
        raise WireError(WireFault.MALFORMED, f"the body is not one complete {coding} stream")
    return plain


def encode_body(plain: bytes, coding: str) -> bytes:
    """The inverse of `decode_body`, for a body that was edited."""
    if not coding or coding == "identity":
        return plain
    deflater = zlib.compressobj(wbits=_DEFLATE if coding == "deflate" else _GZIP)
    return deflater.compress(plain) + deflater.flush()


class Resolved(NamedTuple):
    """What a request line means here: its route, if any protocol knows it, and the policy that judges it, if any.

    `by_body`: the body names the model; `guard` is one of those that may judge it, see `Guards.judge_named`.
    """

    route: Route | None
    guard: Guard | None
    by_body: bool = False


class Guards:
    """All policies in force: one immutable snapshot, swapped as a whole (P6)."""

    def __init__(self, guards: Sequence[Guard] = (), *, unmatched: str = "auto") -> None:
        self.guards = tuple(guards)
        self.enforcing = any(_may_enforce(guard.contract) for guard in self.guards)
        self.block_unmatched = unmatched == "block" or (unmatched == "auto" and self.enforcing)
        self._by_path = {
            plain_path(guard.identity.model_path).lower(): guard for guard in self.guards if guard.identity.model_path
        }
        self._by_name = {
            guard.identity.model_name: guard
            for guard in self.guards
            if guard.identity.model_name and not guard.identity.model_path
        }
        self._nameless = next(
            (guard for guard in self.guards if not guard.identity.model_name and not guard.identity.model_path), None
        )

    def resolve(self, method: str, path: str) -> Resolved:
        """`path` is raw: no query, not decoded. Escapes, case and a trailing slash do not make another route."""
        bound = self._by_path.get(plain_path(path).lower())
        if bound is not None:
            identity = bound.identity
            # A browser's preflight asks the server, never the model. GET is judged: it may be a handler's other door.
            kind = RouteKind.OTHER if method == "OPTIONS" else RouteKind.INFERENCE
            route = Route(kind, identity.protocol, identity.model_path, identity.model_name, verb="predict")
            return Resolved(route, bound if kind is RouteKind.INFERENCE else None)
        route_known = recognise(method, path)
        if route_known is None:
            return Resolved(None, None)
        if route_known.kind is not RouteKind.INFERENCE:
            return Resolved(route_known, None)
        if route_known.named_in_body and self._by_name:
            return Resolved(route_known, self.strictest(""), by_body=True)
        return Resolved(route_known, self._judge_of(route_known))

    def judge_named(self, route: Route, name: str) -> Guard | None:
        """The policy for the model that a body names, "" = it names none."""
        if name:
            return self._by_name.get(name) or self._nameless
        return self._judge_of(route)

    def strictest(self, caller: str) -> Guard:
        """For a body that cannot be read: of all policies that its model's name could choose, the strictest.

        There must be one that is bound by name.
        """
        able = [*self._by_name.values(), *([self._nameless] if self._nameless is not None else [])]
        return max(able, key=lambda guard: _STRICTNESS[guard.mode(caller)])

    def _judge_of(self, route: Route) -> Guard | None:
        if route.model_name:
            return self._by_name.get(route.model_name) or self._nameless
        if self._nameless is not None:
            return self._nameless
        return next(iter(self._by_name.values())) if len(self._by_name) == 1 else None


def _may_enforce(contract: Compiled) -> bool:
    return contract.may_enforce
