"""Open Inference Protocol v2 over REST, as MLServer, Triton and KServe speak it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ..edits import Span
from ..errors import WireError, WireFault
from ..problem import Problem
from ..rows import Change, Rows, RowTest, TypedFeature, Value
from ..yamldoc import key
from .base import Acceptor, HeaderLookup, ReplyAcceptor, Route, RouteKind, Sieve
from .compose import input_tensors, json_body
from .document import encode, parse, refuse_lookalikes, shown
from .oip_accept import reply_acceptor, request_acceptor
from .paths import READING_METHODS, plain_path
from .refusal import error_object
from .sources import header_columns, header_pointer, split_headers
from .spans import Draft
from .tensor import Tensor, read_tensors, refuse_unread
from .tensor_rows import TensorPlace, batch_of, known_tensors, new_tensors, parse_place

# Routers that take no notice of case are at large: another spelling is still the same question.
_MODEL: Final = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>.+))?", re.IGNORECASE
)
_MANAGEMENT: Final = re.compile(
    r"/v2/(?P<verb>repository/index|repository/models/(?P<model>[^/]+)/(?:load|unload)"
    r"|(?:repository/[^/]+/)(?:index|models/[^/]+/(?:load|unload))"
    r"|(?:system|cuda|tpu|xpu)sharedmemory(?:/.+)?)",
    re.IGNORECASE,
)
_SETTINGS: Final = frozenset({"/v2/logging", "/v2/trace/setting"})
_METADATA_VERBS: Final = frozenset({"config", "stats"})


@dataclass(frozen=True, slots=True)
class Oip:
    """Open Inference Protocol v2 (MLServer, Triton, KServe): features are tensors, or columns of one tensor."""

    kind: ClassVar[str] = "oip"

    columns: dict[str, tuple[str, ...]] = key(
        default_factory=dict, doc="Tensor → the features in its columns, for one [rows, columns] tensor."
    )
    predictions: dict[str, str] = key(
        default_factory=dict,
        doc="Prediction → `output` or `output[column]`, where the output's name is not the prediction's.",
    )

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        path = plain_path(path)
        lower = path.lower()
        if not lower.startswith("/v2"):
            return None
        reading = method in READING_METHODS
        if match := _MODEL.fullmatch(path):
            return _model_route(match, reading)
        if lower in ("/v2", "/v2/models"):
            return Route(RouteKind.METADATA, "oip", lower)
        if lower.startswith("/v2/health/"):
            return Route(RouteKind.HEALTH, "oip", lower)
        if lower in _SETTINGS:
            kind = RouteKind.METADATA if reading else RouteKind.MANAGEMENT
            return Route(kind, "oip", lower, verb=lower.rpartition("/v2/")[2])
        if match := _MANAGEMENT.fullmatch(path):
            verb = (match["verb"].rpartition("/")[2] or match["verb"]).lower()
            model = match["model"] or ""
            template = path.replace(f"/models/{model}/", "/models/{model}/") if model else path
            return Route(RouteKind.MANAGEMENT, "oip", template, model, verb=verb)
        return Route(RouteKind.OTHER, "oip", "/v2/*") if lower.startswith("/v2/") else None

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        return f"/v2/models/{model_name}/infer"

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        return error_object(problem)

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> OipCodec:
        headers, in_body = split_headers(features)
        column_places: dict[str, TensorPlace] = {}
        for tensor, names in self.columns.items():
            if not names:
                raise ValueError(f"`columns: {{{tensor}: []}}` names no column; leave the tensor out")
            for index, name in enumerate(names):
                if name in column_places:
                    raise ValueError(f"`{name}` is a column twice; each column needs a name of its own")
                column_places[name] = TensorPlace(tensor, index)
        places: dict[str, TensorPlace] = {}
        for name, source in in_body.items():
            place = parse_place(source) if source else column_places.get(name, TensorPlace(name))
            width = len(self.columns.get(place.tensor, ()))
            if width and place.column is None:
                raise ValueError(f"`{name}` would be the whole tensor `{place.tensor}`, which `columns` splits")
            if width and place.column is not None and place.column >= width:
                raise ValueError(f"`{name}`: tensor `{place.tensor}` has {width} columns, counted from 0")
            places[name] = place
        for name in self.predictions:
            if name not in predictions:
                raise ValueError(f"`predictions: {{{name}: …}}`: the contract has no prediction `{name}`")
        return OipCodec(
            headers=headers,
            places=places,
            columns=dict(self.columns),
            predictions=tuple(predictions),
            output_places={name: parse_place(text) for name, text in self.predictions.items()},
        )


def _model_route(match: re.Match[str], reading: bool) -> Route:
    model, version, verb = match["model"], match["version"] or "", (match["verb"] or "").lower()
    template = "/v2/models/{model}" + ("/versions/{version}" if version else "") + (f"/{verb}" if verb else "")
    if not verb or verb in _METADATA_VERBS:
        kind = RouteKind.METADATA
    elif verb == "ready":
        kind = RouteKind.HEALTH
    elif verb == "trace/setting":
        kind = RouteKind.METADATA if reading else RouteKind.MANAGEMENT
    elif reading:
        kind = RouteKind.OTHER
    else:  # infer, infer_stream, generate, generate_stream, and any verb a server may add: asks the model
        kind = RouteKind.INFERENCE
        if verb not in _INFERENCE_VERBS:
            template = template.removesuffix(verb) + "{verb}"
    return Route(kind, "oip", template, model, version, verb)


_INFERENCE_VERBS: Final = frozenset({"infer", "infer_stream", "generate", "generate_stream", "explain"})


@dataclass(frozen=True, slots=True)
class OipCodec:
    """Tensors as rows: dimension 0 counts them.

    A named tensor gives its feature a scalar a row for [n] and [n, 1], else a list. Predictions: by output name; one
    prediction and one output belong together whatever its name; the columns of one [n, k] output belong to k
    predictions in policy order. Features that come from headers are never edited here.
    """

    lists_rows: ClassVar[bool] = False  # a tensor has no place for a row that is null

    headers: Mapping[str, str]
    places: Mapping[str, TensorPlace]
    columns: Mapping[str, tuple[str, ...]]
    predictions: tuple[str, ...]
    output_places: Mapping[str, TensorPlace]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        return request_acceptor(self.places, self.columns, features, rules)

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        return None

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        return reply_acceptor(self.predictions, self.output_places, predictions)

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        batch = batch_of("inputs", self._inputs(body), self.places, self._widths())
        elsewhere = header_pointer(self.headers)
        return Rows(
            batch.count,
            {**batch.columns(), **header_columns(self.headers, header, batch.count)},
            lambda feature, row: elsewhere(feature, row) or batch.pointer(feature, row),
            batch.unknown(known_tensors(self.places, self.columns)),
        )

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        document, outputs = self._outputs(body)
        places = self._prediction_places(outputs)
        batch = batch_of("outputs", outputs, places, {})
        return Rows(
            batch.count,
            batch.columns(),
            batch.pointer,
            batch.unknown(known_tensors(places, ())),
            _version(document.get("model_version")),
        )

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        batch = batch_of("inputs", self._inputs(body), self.places, self._widths())
        draft = Draft(body)
        batch.edit(draft, changes, frozenset(drop_rows))
        return draft.spans()

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        inserted = filled(insert_rows)
        if null_rows or len(inserted) != len(insert_rows or ()):
            raise WireError(WireFault.UNSUPPORTED, "a tensor has no place for a row that is null")
        _, outputs = self._outputs(body)
        batch = batch_of("outputs", outputs, self._prediction_places(outputs), {})
        draft = Draft(body)
        batch.edit(draft, changes, insert=inserted)
        return draft.spans()

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        given = [row for row in rows if row is not None]
        if len(given) != len(rows):
            raise WireError(WireFault.UNSUPPORTED, "a tensor has no place for a row that is null")
        answer: dict[str, Any] = {"model_name": model_name}
        try:
            request = parse(request_body)
        except WireError:
            request = None
        if type(request) is dict and type(request.get("id")) is str:
            answer["id"] = request["id"]
        places = {name: self.output_places.get(name, TensorPlace(name)) for name in self.predictions}
        answer["outputs"] = new_tensors(places, given)
        return encode(answer)

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        sent = [{name: value for name, value in row.items() if name not in self.headers} for row in rows]
        return json_body({"inputs": input_tensors(self.places, self.columns, sent)})

    def _widths(self) -> dict[str, int]:
        return {tensor: len(names) for tensor, names in self.columns.items()}

    def _inputs(self, body: bytes) -> dict[str, Tensor]:
        document = _object(body, ("id", "parameters", "inputs", "outputs"))
        refuse_unread(document.get("parameters"), ("parameters",))
        wanted = document.get("outputs")
        for index, output in enumerate(wanted if type(wanted) is list else ()):
            if type(output) is dict:
                refuse_unread(output.get("parameters"), ("outputs", index, "parameters"))
        return read_tensors(document.get("inputs"), "inputs")

    def _outputs(self, body: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
        document = _object(body, ("model_name", "model_version", "id", "parameters", "outputs"))
        return document, read_tensors(document.get("outputs"), "outputs")

    def _prediction_places(self, outputs: Mapping[str, Tensor]) -> dict[str, TensorPlace]:
        places = {name: self.output_places.get(name, TensorPlace(name)) for name in self.predictions}
        if self.output_places or len(outputs) != 1 or any(name in outputs for name in self.predictions):
            return places
        (output,) = outputs.values()
        if len(self.predictions) == 1:
            return {self.predictions[0]: TensorPlace(output.name)}
        if len(output.shape) == 2 and output.width == len(self.predictions):
            return {name: TensorPlace(output.name, column) for column, name in enumerate(self.predictions)}
        return places


def _object(body: bytes, names: Sequence[str]) -> dict[str, Any]:
    document = parse(body)
    if type(document) is not dict:
        raise WireError(WireFault.MALFORMED, "the body must be a JSON object")
    refuse_lookalikes(document, names)
    return document


def filled(rows: Mapping[int, Mapping[str, Value] | None] | None) -> dict[int, Mapping[str, Value]]:
    """The rows that are not null."""
    return {position: row for position, row in (rows or {}).items() if row is not None}


def _version(stated: Any) -> str:
    """What the answer states; a whole number is taken as text, anything else is unstated."""
    if type(stated) is str:
        return stated
    if stated is None:
        return ""
    if type(stated) is int:
        return str(stated)
    raise WireError(WireFault.MALFORMED, "`model_version` must be a string", pointer=shown(("model_version",)))


MEMBER = Oip
