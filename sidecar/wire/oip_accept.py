"""Fast accepts for the Open Inference Protocol: one typed decode that succeeds only for clean bodies.

Three attempts, cheapest first: one row with the tensors in policy order (everything is in the type); any rows in any
order (names, shapes and counts checked here); flat data of several rows (decoded loosely, cut, converted).
What none of them proves is declined: the exact path decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ..rows import RowTest, TypedFeature
from .base import Acceptor, ReplyAcceptor
from .row_proof import too_many
from .tensor import DATATYPES, UNREAD_CONTENT_TYPE, UNREAD_PARAMETERS
from .tensor_rows import TensorPlace
from .tensor_types import (
    PARAMETERS,
    TENSOR_KEYS,
    ExpectedTensor,
    expected_rules,
    expected_tensors,
    value_tensor,
)
from .typed import DECODE_ERRORS, WHOLE, list_of, literal, struct, tuple_of


def request_acceptor(
    places: Mapping[str, TensorPlace],
    columns: Mapping[str, tuple[str, ...]],
    features: Mapping[str, TypedFeature],
    row_tests: Sequence[RowTest] = (),
) -> Acceptor | None:
    """An acceptor for these features; None when one of them, or of the rules', is not in the body or not typeable here.

    Tensors beyond the expected ones are always declined.
    """
    if any(name not in places for name in features):
        return None
    expected = expected_tensors(places, columns, features)
    rules = expected_rules(row_tests, expected, places)
    if not expected or rules is None:
        return None
    optional = [("id", "id", str), ("parameters", "parameters", PARAMETERS), ("outputs", "outputs", list_of(_Asked))]
    one_row = {nested: _one_row_decoder(expected, nested, optional) for nested in (False, True)}
    rows = {nested: _rows_decoder(expected, nested, False, optional) for nested in (False, True)}
    loose = _rows_decoder(expected, False, True, optional)
    wide = any(item.width for item in expected)
    keys = 1 + TENSOR_KEYS * len(expected)
    required = sum(item.required for item in expected)
    by_name = {item.name: item for item in expected}
    checked = [(index, item) for index, item in enumerate(expected) if item.checks]

    likely = [False]  # callers keep to one form: the last one that fitted is tried first, which decides nothing

    def one_row_of(body: bytes) -> tuple[Any, bool]:
        nested = likely[0]
        for _ in range(2):
            decode = one_row[nested]
            if decode is not None:  # several rows fail early, at the shape
                try:
                    message = decode(body)
                except DECODE_ERRORS:
                    pass
                else:
                    likely[0] = nested
                    return message, nested
            form = _is_nested(body)
            if form == nested:
                break
            nested = form
        return None, nested

    def accept(body: bytes) -> int:
        if too_many(body) or body.find(b"\\") >= 0:
            return 0
        message, nested = one_row_of(body)
        if message is not None:
            colons = body.count(b":")
            # Too many colons for the keys that must be there: are there optional ones?
            if colons != keys and colons != keys + _own_keys(message) and colons != keys + _extra_keys(message):
                return 0
            for index, item in checked:
                if not item.holds(message.inputs[index], 1, nested, False):
                    return 0
            for rule in rules:
                if not rule.kept_by_one(message.inputs, nested):
                    return 0
            return 1
        if not wide or nested or _is_one_row(body):
            try:
                return prove(rows[nested](body), body, nested, False)
            except DECODE_ERRORS:
                pass
        if nested or not wide:
            return 0
        try:
            return prove(loose(body), body, False, True)
        except DECODE_ERRORS:
            return 0

    def prove(message: Any, body: bytes, nested: bool, is_loose: bool) -> int:
        tensors = message.inputs
        if body.count(b":") != 1 + TENSOR_KEYS * len(tensors) + _extra_keys(message):
            return 0
        shape = tensors[0].shape if tensors else ()
        count = shape[0] if shape else 0
        if count < 1:
            return 0
        seen = set()
        found = 0
        for tensor in tensors:
            item = by_name[_name_of(tensor)]
            if item.name in seen or not item.holds(tensor, count, nested, is_loose):
                return 0
            seen.add(item.name)
            found += item.required
        if found != required:
            return 0
        if rules:
            named = {_name_of(tensor): tensor for tensor in tensors}
            for rule in rules:
                if not rule.kept(named, count, nested):
                    return 0
        return int(count)

    return accept


def reply_acceptor(
    names: Sequence[str], output_places: Mapping[str, TensorPlace], predictions: Mapping[str, TypedFeature]
) -> ReplyAcceptor | None:
    """An acceptor for answers; None for predictions that are columns of an output, or vectors.

    With nothing to check it only proves that the answer is JSON and finds the one `model_version`.
    """
    if not predictions:
        return _version_of_any
    if any(output_places.get(name, TensorPlace(name)).column is not None for name in names):
        return None
    single = len(names) == 1 and not output_places
    expected = [
        item
        for name in names
        if (item := value_tensor(output_places.get(name, TensorPlace(name)).tensor, predictions.get(name))) is not None
    ]
    if len(expected) != len(names) or any(not item.required for item in expected):
        return None
    optional = [
        ("model_version", "model_version", str),
        ("id", "id", str),
        ("parameters", "parameters", PARAMETERS),
    ]
    decoders = {nested: _reply_decoder(expected, nested, single, optional) for nested in (False, True)}
    one_value = _one_value_decoder(expected[0], optional) if single else None
    by_name = {item.name: item for item in expected}
    only = expected[0]
    base = 2 + TENSOR_KEYS * len(expected)

    def accept(body: bytes, rows: int) -> str | None:
        if one_value is not None and rows == 1:
            try:
                message = one_value(body)
            except DECODE_ERRORS:
                pass
            else:
                stated = message.model_version is not UNSET
                if body.count(b":") == base + stated + _own_keys(message) and body.find(b"\\") < 0:
                    return message.model_version if stated else ""
        nested = _is_nested(body)
        try:
            message = decoders[nested](body)
        except DECODE_ERRORS:
            return None
        outputs = message.outputs
        version = "" if message.model_version is UNSET else message.model_version
        keys = base + (message.model_version is not UNSET) + _own_keys(message)
        colons = body.count(b":")
        if (colons != keys and colons != keys + _tensor_keys(outputs)) or body.find(b"\\") >= 0 or rows < 1:
            return None
        if single:
            return version if only.holds(outputs[0], rows, nested, False) else None
        if len(outputs) != len(expected) or len({_name_of(output) for output in outputs}) != len(expected):
            return None
        for output in outputs:
            if not by_name[_name_of(output)].holds(output, rows, nested, False):
                return None
        return version

    return accept


_Asked: Final[Any] = struct("Asked", [("name", "name", str)], [("parameters", "parameters", PARAMETERS)])
_decode_any: Final = msgspec.json.Decoder().decode


def _one_row_decoder(expected: Sequence[ExpectedTensor], nested: bool, optional: Any) -> Any:
    if any(not item.proven for item in expected):
        return None
    inputs = tuple_of(*(item.one_row(nested) for item in expected))
    return msgspec.json.Decoder(struct("Request", [("inputs", "inputs", inputs)], optional)).decode


def _one_value_decoder(only: ExpectedTensor, optional: Any) -> Any:
    """One output of one value, whatever its name: everything but key uniqueness is in the type."""
    if only.checks or not only.proven:
        return None
    members = [
        ("name", "name", str),
        ("shape", "shape", tuple_of(literal([1]))),
        ("datatype", "datatype", literal(only.proven)),
        ("data", "data", tuple_of(only.row)),
    ]
    outputs = tuple_of(struct("Tensor", members))
    return msgspec.json.Decoder(
        struct("Reply", [("model_name", "model_name", str), ("outputs", "outputs", outputs)], optional)
    ).decode


def _rows_decoder(expected: Sequence[ExpectedTensor], nested: bool, loose: bool, optional: Any) -> Any:
    tagged = len(expected) > 1
    tensors = [item.rows(nested, loose, tagged) for item in expected]
    inputs = list_of(reduce(or_, tensors)) if tagged else tuple_of(tensors[0])
    return msgspec.json.Decoder(struct("Request", [("inputs", "inputs", inputs)], optional)).decode


def _reply_decoder(expected: Sequence[ExpectedTensor], nested: bool, single: bool, optional: Any) -> Any:
    tensors = [item.rows(nested, False, len(expected) > 1) for item in expected]
    if single:  # whatever its name
        only = expected[0]
        data = list_of(tuple_of(only.row)) if nested else list_of(only.row)
        members = [
            ("name", "name", str),
            ("shape", "shape", tuple_of(WHOLE, ...)),
            ("datatype", "datatype", literal(DATATYPES)),
            ("data", "data", data),
        ]
        tensors = [struct("Tensor", members, [("parameters", "parameters", PARAMETERS)])]
    outputs = list_of(reduce(or_, tensors)) if len(expected) > 1 else tuple_of(tensors[0])
    members = [("model_name", "model_name", str), ("outputs", "outputs", outputs)]
    return msgspec.json.Decoder(struct("Reply", members, optional)).decode


def _is_nested(body: bytes) -> bool:
    """A guess by the first `"data"`: a wrong one only costs time."""
    at = body.find(b'"data"') + 7
    return b"[[" in body[at : at + 4]


def _is_one_row(body: bytes) -> bool:
    """A guess by the first `"shape"`."""
    at = body.find(b'"shape"') + 8
    hint = body[at : at + 4]
    return b"1," in hint or b"1]" in hint


def _name_of(tensor: Any) -> str:
    name: str = tensor.__struct_config__.tag or tensor.name
    return name


def _harmless(parameters: Any) -> bool:
    return UNREAD_PARAMETERS.isdisjoint(parameters) and parameters.get("content_type") != UNREAD_CONTENT_TYPE


def _own_keys(message: Any) -> int:
    """Optional keys of the message itself; so many that no body has them when a parameter cannot be ignored."""
    return (message.id is not UNSET) + (0 if message.parameters is UNSET else _parameter_keys(message.parameters))


def _extra_keys(message: Any) -> int:
    """All optional keys of a request."""
    extra = _own_keys(message) + _tensor_keys(message.inputs)
    if message.outputs is not UNSET:
        extra += 1 + len(message.outputs) + _tensor_keys(message.outputs)
    return extra


def _tensor_keys(tensors: Sequence[Any]) -> int:
    return sum(_parameter_keys(tensor.parameters) for tensor in tensors if tensor.parameters is not UNSET)


def _parameter_keys(parameters: dict[str, Any]) -> int:
    if not parameters:
        return 1
    return 1 + len(parameters) if _harmless(parameters) else _IMPOSSIBLE


_IMPOSSIBLE: Final = 1 << 60


def _version_of_any(body: bytes, rows: int) -> str | None:
    try:
        message = _decode_any(body)
    except DECODE_ERRORS:
        return None
    if type(message) is not dict or body.find(b"\\") >= 0:
        return None
    version = message.get("model_version", "")
    if type(version) is not str or body.count(b"model_version") > 1:
        return None
    return version
