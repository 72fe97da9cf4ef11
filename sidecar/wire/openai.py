"""OpenAI's API as vLLM, KServe, Ollama and others serve it: chat completions, completions, responses, embeddings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, ClassVar, Final

import msgspec
from msgspec import UNSET

from ..edits import Span
from ..errors import WireError, WireFault
from ..problem import Disclosure, Problem
from ..rows import MISSING, Change, Rows, RowTest, TypedFeature, Value
from ..verdict import MAX_LISTED_VIOLATIONS
from ..yamldoc import key
from . import openai_answer
from .base import Acceptor, HeaderLookup, ReplyAcceptor, Route, RouteKind, Sieve
from .compose import json_body
from .document import encode, parse, refuse_lookalikes, shown, tokens_of
from .openai_answer import BUILT_IN, place_of, put
from .paths import READING_METHODS, plain_path
from .refusal import CONTENT_TYPE, error_string
from .row_table import Layout, Path, RowTable, follow, read_table
from .sources import header_columns, header_pointer, split_headers
from .spans import Draft
from .typed import DECODE_ERRORS, values_of

# A gateway before the server may put anything before `/v1` (KServe: `/openai/v1/…`); llama.cpp also answers without it;
# Azure and the first version of the API name the model in the path. Routers that take no notice of case are at large.
_ASKING: Final = re.compile(
    r"(?P<before>(?:/[^/]+)*?)(?P<v1>/v1)?(?:/(?P<by>deployments|engines)/(?P<model>[^/]+))?"
    r"/(?P<verb>chat/completions|completions|embeddings|responses)",
    re.IGNORECASE,
)
_MODELS: Final = re.compile(r"(?P<before>(?:/[^/]+)*?)/v1/models(?P<model>/.+)?", re.IGNORECASE)
_STORED: Final = re.compile(r"(?:/[^/]+)*?/v1/(?P<verb>chat/completions|responses)/.+", re.IGNORECASE)
# What every request of this protocol may have without anybody asking: never unknown.
_OWN: Final = ("model", "messages", "prompt", "input", "stream")


@dataclass(frozen=True, slots=True)
class OpenAi:
    """OpenAI-compatible chat completions, completions, responses, embeddings: the body's members are the features."""

    kind: ClassVar[str] = "openai"
    answers_need: ClassVar[tuple[str, ...]] = ("content", "embedding")  # one of them: a fallback consists of it

    predictions: dict[str, str] = key(
        default_factory=dict,
        doc="Prediction → JSON Pointer into the answer, where it is none of the built-in " + ", ".join(BUILT_IN) + ".",
    )

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        path = plain_path(path)
        if match := _ASKING.fullmatch(path):
            verb = match["verb"].lower()
            if not match["v1"] and not match["model"] and not _plain(verb, match["before"]):
                return None
            kind = RouteKind.OTHER if method in READING_METHODS else RouteKind.INFERENCE
            template = ("/{prefix}" if match["before"] else "") + ("/v1" if match["v1"] else "")
            model = match["model"] or ""
            named = f"{template}/{match['by'].lower()}/{{model}}" if model else template
            return Route(kind, "openai", f"{named}/{verb}", model, verb=verb, named_in_body=not model)
        if match := _MODELS.fullmatch(path):
            # GET /v1/models and /v1/models/NAME are TensorFlow Serving's too, which claims them
            if method not in READING_METHODS:
                return Route(RouteKind.MANAGEMENT, "openai", "/v1/models/{model}") if method == "DELETE" else None
            if match["before"] or "/" in (match["model"] or "")[1:]:
                return Route(RouteKind.METADATA, "openai", "/v1/models" + ("/{model}" if match["model"] else ""))
            return None
        if match := _STORED.fullmatch(path):
            return Route(RouteKind.OTHER, "openai", f"/v1/{match['verb'].lower()}/*")
        return None

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        return "/v1/chat/completions"

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        """`param` is the first feature (or pointer) that broke the contract, `code` its code, `codes` all of them."""
        shows = problem.disclosure is not Disclosure.MINIMAL
        listed = problem.violations[:MAX_LISTED_VIOLATIONS] if shows else ()
        param = None
        if listed:
            place = problem.place_of(listed[0])
            param = listed[0].feature if place in ("", f"/{listed[0].feature}") else place
        codes = list(dict.fromkeys(violation.code for violation in listed))
        error: dict[str, Any] = {
            "message": error_string(problem),
            "type": "invalid_request_error" if problem.status < 500 else "server_error",
            "param": param or None,
            "code": codes[0] if codes else problem.kind,
        }
        if codes:
            error["codes"] = codes
        return CONTENT_TYPE, msgspec.json.encode({"error": error})

    @classmethod
    def model_in(cls, body: bytes) -> str:
        return stated_model(body)

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> OpenAiCodec:
        headers, in_body = split_headers(features)
        for name in self.predictions:
            if name not in predictions:
                raise ValueError(f"`predictions: {{{name}: …}}`: the contract has no prediction `{name}`")
        for name in predictions:
            if name not in self.predictions and name not in BUILT_IN:
                known = ", ".join(BUILT_IN)
                raise ValueError(f"`{name}` is not one of {known}; say `predictions: {{{name}: /choices/0/…}}`")
        explicit: dict[str, Path] = {name: tokens_of(source) for name, source in in_body.items() if source}
        pointers: dict[str, Path] = {name: tokens_of(pointer) for name, pointer in self.predictions.items()}
        for name, path in (explicit | pointers).items():
            if not path:
                raise ValueError(f"`{name}`: an empty pointer is the whole body; point to a member of it")
        return OpenAiCodec(headers, Layout(tuple(in_body), explicit), tuple(predictions), pointers)


@dataclass(frozen=True, slots=True)
class OpenAiCodec:
    """One request is one row, and so is one answer.

    Features are the body's members by name (`max_tokens`, `temperature`, `model`), or by `from: /response_format/type`.
    `model`, `messages`, `prompt`, `input` and `stream` are never unknown. An answer's `model` is its model's version.
    Answers with several choices are not looked into, unless pointers say which one.
    """

    lists_rows: ClassVar[bool] = False

    headers: Mapping[str, str]
    layout: Layout
    predictions: tuple[str, ...]
    pointers: Mapping[str, Path]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        """Messages may hold anything, so the exact reader proves that each key is there once; types do the rest."""
        if self.layout.explicit or set(features) - set(self.layout.names):
            return None
        if any(name not in features for rule in rules for name in rule.names):
            return None
        names = {name: f"f{index}" for index, name in enumerate(features)}
        fields: list[Any] = []
        for name, typed in sorted(features.items(), key=lambda item: not item[1].required):
            optional = (typed.annotation | msgspec.UnsetType, UNSET)
            fields.append((names[name], typed.annotation) if typed.required else (names[name], *optional))
        member = msgspec.defstruct("Body", fields, rename={attribute: name for name, attribute in names.items()})
        decode = msgspec.json.Decoder(member).decode
        checks = [(names[name], typed.check) for name, typed in features.items() if typed.check is not None]
        tests = [(values_of([names[name] for name in rule.names]), rule.holds) for rule in rules]
        asked = frozenset((*self.layout.names, *_OWN))

        def accept(body: bytes) -> int:
            try:
                document = self._document(body)
                row = decode(body)
            except (WireError, *DECODE_ERRORS):
                return 0
            if closed and not asked.issuperset(document):
                return 0
            for attribute, check in checks:
                value = getattr(row, attribute)
                if value is not UNSET and check(value) is not True:
                    return 0
            return int(all(starmap(lambda cells, holds: holds(*cells(row)) is True, tests)))

        return accept

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        return None

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        return None if predictions else _stated_version

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        table = self._request(body)
        elsewhere = header_pointer(self.headers)
        return Rows(
            1,
            {**table.columns(), **header_columns(self.headers, header, 1)},
            lambda feature, row: elsewhere(feature, row) or table.pointer(feature, row),
            table.unknown(_OWN),
        )

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        answer = _members(parse(body))
        places = {name: self._place(name, answer) for name in self.predictions}
        columns: dict[str, Sequence[Value]] = {name: [follow(answer, path)] for name, path in places.items()}
        model = answer.get("model")
        version = model if type(model) is str else ""
        return Rows(1, columns, lambda name, row: shown(places.get(name, (name,))), {}, version)

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        draft = Draft(body)
        self._request(body).edit(draft, changes, drop_rows)
        return draft.spans()

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        if insert_rows or null_rows:
            raise WireError(WireFault.UNSUPPORTED, "an answer is one row: none can be put in or left out")
        draft, answer = Draft(body), _members(parse(body))
        for change in changes:
            if change.feature not in self.predictions:
                continue
            path = self._place(change.feature, answer)
            if change.value is MISSING:
                draft.remove(path)
            else:
                draft.set(path, encode(change.value))
        return draft.spans()

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        """A stream of events where the request asks for one. It has no id and no time of its own."""
        try:
            asked = _members(parse(request_body))
        except WireError:
            asked = {}
        if len(rows) != 1 or rows[0] is None:
            raise WireError(WireFault.UNSUPPORTED, "an answer is one row")
        model = asked.get("model")
        return openai_answer.fallback(asked, rows[0], self.pointers, model if type(model) is str else model_name)

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        """A chat completion, unless the row says what else it is."""
        if len(rows) != 1:
            raise ValueError(f"a request is one row here, not {len(rows)}")
        body: dict[str, Any] = {}
        for name, value in rows[0].items():
            if name not in self.headers:
                put(body, self.layout.explicit.get(name, (name,)), value)
        if not {"messages", "prompt", "input"} & set(body):
            body["messages"] = [{"role": "user", "content": "Hello"}]
        return json_body(body)

    def _place(self, name: str, answer: Mapping[str, Any]) -> Path:
        return self.pointers.get(name) or place_of(name, answer)

    def _request(self, body: bytes) -> RowTable:
        return read_table(self._document(body), (), self.layout, single=True)

    def _document(self, body: bytes) -> dict[str, Any]:
        """The request's members. A name in other case beside its own is refused: servers written in Go take either."""
        document = _members(parse(body))
        layout = self.layout
        tops = [str(layout.explicit.get(name, (name,))[0]) for name in layout.names]
        refuse_lookalikes(document, (*tops, *_OWN))
        for path in layout.explicit.values():
            for depth in range(1, len(path)):
                parent = follow(document, path[:depth])
                if type(parent) is dict:
                    beside = [other for other in layout.explicit.values() if other[:depth] == path[:depth]]
                    names = [str(other[depth]) for other in beside if len(other) > depth]
                    refuse_lookalikes(parent, names, path[:depth])
        return document


def _plain(verb: str, before: str) -> bool:
    """Whether a path without `/v1` is meant: other words are other people's, too."""
    return verb == "chat/completions" or (not before and verb != "responses")


def _members(document: Any) -> dict[str, Any]:
    if type(document) is not dict:
        raise WireError(WireFault.MALFORMED, "the body must be a JSON object")
    return document


class _Named(msgspec.Struct):
    model: str | msgspec.UnsetType = UNSET


_named: Final = msgspec.json.Decoder(_Named).decode


def stated_model(body: bytes) -> str:
    """The model that a body names, "" = none. WireError for what is not a JSON object, or can name two."""
    escaped = b"\\u004" in body or b"\\u006" in body  # letters: the name of a key may be hidden
    if not escaped and body.lower().count(b'"model"') == body.count(b'"model"') == 1:
        try:
            named = _named(body).model
        except DECODE_ERRORS:
            named = UNSET
        if named is not UNSET:
            return named
    document = _members(parse(body))
    refuse_lookalikes(document, ("model",))
    model = document.get("model")
    return model if type(model) is str else ""


def _stated_version(body: bytes, rows: int) -> str | None:
    try:
        return stated_model(body)
    except WireError:
        return None


MEMBER = OpenAi
