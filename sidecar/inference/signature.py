"""What a model says of itself → features without ranges: OIP and TF Serving metadata, an MLflow signature.

Documents come from outside: what does not fit is left out with a note, never an exception; ValueError only where
nothing of the document is what it should be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .spelling import Guess, shown, spelled_type, unusable
from .texts import sounds_personal

MOST_COLUMNS: Final = 512  # of a matrix that is spelled out
MOST_FIELDS: Final = 4096
_LARGEST_SIZE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Signature:
    """Features and predictions as a model states them, and how it is asked. `notes` go to the top of the policy."""

    features: tuple[Guess, ...] = ()
    predictions: tuple[Guess, ...] = ()
    protocol: str = ""
    model: str = ""
    path: str = ""
    rows: str = ""
    answers: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    positions: Sequence[str] = ()
    notes: tuple[str, ...] = ()


def field_guess(
    name: str, type_: str, said: str, keys: Mapping[str, str] | None = None, *, required: bool = True
) -> Guess:
    """A feature of which only the type is known."""
    own = {"type": spelled_type(type_), **(keys or {})}
    if not required:
        own["required"] = "false"
    if sounds_personal(name):
        own["pii"] = "true"
    hint = "add min and max" if type_.partition("[")[0] in ("int", "float") and "min" not in own else ""
    return Guess(name, type_, own, (f"{shown(name, 100)}: {said}" + (f"; {hint}" if hint else ""),))


# -- Open Inference Protocol: GET /v2/models/NAME


def from_oip(document: Any) -> Signature:
    """Model metadata: `inputs` and `outputs` with name, datatype and shape."""
    if not isinstance(document, Mapping) or not isinstance(document.get("name"), str):
        raise ValueError("this is no OIP model metadata: it has no `name`")
    notes: list[str] = []
    columns: dict[str, list[str]] = {}
    inputs, outputs = _tensors(document.get("inputs")), _tensors(document.get("outputs"))
    matrices = sum(_width(tensor) > 1 for tensor in inputs)
    features: list[Guess] = []
    taken = {tensor["name"] for tensor in inputs}
    for tensor in inputs:
        features += _input(tensor, columns, taken, alone=matrices == 1)
    if not inputs:
        notes.append("The server states no input tensors: name the features yourself, or infer them from data.")
    elif columns:
        notes.append("The columns of a matrix have no names in its metadata: rename x0, x1, … to what they are.")
    predictions = [_output(tensor) for tensor in outputs]
    if not outputs:
        notes.append("The server states no output tensors: predictions are not checked yet.")
    versions = document.get("versions")
    if isinstance(versions, list) and versions and all(isinstance(each, str) for each in versions):
        notes.append(
            f"The server states version {', '.join(shown(each) for each in versions[:5])}; pin it with `version:`."
        )
    return Signature(tuple(features), tuple(predictions), "oip", document["name"], columns=columns, notes=tuple(notes))


def _tensors(value: Any) -> list[Mapping[str, Any]]:
    """Those with a name and a shape, each name once."""
    if not isinstance(value, list):
        return []
    found: dict[str, Mapping[str, Any]] = {}
    for each in value[:MOST_FIELDS]:
        if isinstance(each, Mapping) and _usable(each.get("name")) and _shape(each) is not None:
            found.setdefault(each["name"], each)
    return list(found.values())


def _usable(name: Any) -> bool:
    return isinstance(name, str) and not unusable(name)


def _shape(tensor: Mapping[str, Any]) -> list[int] | None:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape) or len(shape) > 9:
        return None
    return shape


def _width(tensor: Mapping[str, Any]) -> int:
    """Columns of a matrix with one row of numbers a row; 0 for anything else."""
    shape = _shape(tensor) or []
    if len(shape) != 2 or not 1 <= shape[1] <= MOST_COLUMNS:
        return 0
    return shape[1]


def _oip_type(datatype: Any) -> tuple[str, dict[str, str]]:
    name = datatype.upper() if isinstance(datatype, str) else ""
    if name.startswith("FP") or name.startswith("BF"):
        return "float", {}
    if name.startswith("UINT"):
        return "int", {"min": "0"}
    if name.startswith("INT"):
        return "int", {}
    return {"BOOL": "bool", "BYTES": "string"}.get(name, "json"), {}


def _stated(tensor: Mapping[str, Any]) -> str:
    return f"{shown(tensor['name'])} {shown(tensor.get('datatype', '?'))} {_shape(tensor)}"


def _input(tensor: Mapping[str, Any], columns: dict[str, list[str]], taken: set[str], *, alone: bool) -> list[Guess]:
    type_, keys = _oip_type(tensor.get("datatype"))
    name, said = tensor["name"], f"the server states {_stated(tensor)}"
    width = _width(tensor)
    if width > 1 and type_ != "json":
        names = [_free(f"x{index}" if alone else f"{name}_{index}", taken) for index in range(width)]
        columns[name] = names
        return [
            field_guess(each, type_, f"column {index} of {_stated(tensor)}", keys) for index, each in enumerate(names)
        ]
    return [field_guess(name, *_vector(type_, keys, (_shape(tensor) or [])[1:], said))]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _vector(type_: str, keys: dict[str, str], inner: list[int], said: str) -> tuple[str, str, dict[str, str]]:
    """One value a row, or a list of them; -1 is a free dimension."""
    if not inner or inner == [1] or type_ == "json":
        return type_, said, keys
    return f"{type_}[{','.join(str(size) if 0 <= size < _LARGEST_SIZE else '' for size in inner)}]", said, keys


def _output(tensor: Mapping[str, Any]) -> Guess:
    type_, _ = _oip_type(tensor.get("datatype"))
    return field_guess(
        tensor["name"], *_vector(type_, {}, (_shape(tensor) or [])[1:], f"the server states {_stated(tensor)}")
    ).as_prediction()


# -- TensorFlow Serving: GET /v1/models/NAME/metadata

_DT: Final = {
    "DT_FLOAT": "float",
    "DT_DOUBLE": "float",
    "DT_HALF": "float",
    "DT_BFLOAT16": "float",
    "DT_BOOL": "bool",
} | {"DT_STRING": "string"}


def from_tfserving(document: Any) -> Signature:
    """Model metadata: the signature `serving_default`, or the only one."""
    node = document
    for step in ("metadata", "signature_def", "signature_def"):
        node = node.get(step) if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not node:
        raise ValueError("this is no TF Serving metadata: it has no signature_def")
    chosen = node.get("serving_default") or next(iter(node.values()))
    spec = document.get("model_spec")
    name = spec.get("name") if isinstance(spec, Mapping) else ""
    sides = []
    for side in ("inputs", "outputs"):
        tensors = chosen.get(side) if isinstance(chosen, Mapping) else None
        stated = tensors.items() if isinstance(tensors, Mapping) else ()
        sides.append([_tf(each, info) for each, info in stated if _usable(each)])
    outputs = tuple(each.as_prediction() for each in sides[1])
    return Signature(tuple(sides[0]), outputs, "tfserving", name if isinstance(name, str) else "")


def _tf(name: str, info: Any) -> Guess:
    datatype = info.get("dtype") if isinstance(info, Mapping) else None
    type_ = _DT.get(str(datatype), "int" if "INT" in str(datatype) else "json")
    shape = info.get("tensor_shape") if isinstance(info, Mapping) else None
    dimensions = shape.get("dim") if isinstance(shape, Mapping) else None
    sizes = [_size(each) for each in dimensions[1:9]] if isinstance(dimensions, list) else []
    said = f"the server states {shown(datatype)}"
    return field_guess(name, *_vector(type_, {}, sizes, said))


def _size(dimension: Any) -> int:
    try:
        return int(dimension["size"])
    except (KeyError, TypeError, ValueError):
        return -1


# -- MLflow: the `signature` of an MLmodel file, each side JSON text

_MLFLOW: Final = {"boolean": "bool", "integer": "int", "long": "int", "float": "float", "double": "float"} | {
    "string": "string",
    "binary": "bytes",
}


def from_mlflow(document: Any) -> Signature:
    """A decoded MLmodel file, or its `signature` section alone."""
    signature = document.get("signature", document) if isinstance(document, Mapping) else None
    if not isinstance(signature, Mapping) or "inputs" not in signature:
        raise ValueError("there is no `signature` with `inputs` here: log the model with infer_signature(…)")
    inputs, notes = _mlflow_side(signature["inputs"], "input")
    outputs, _ = _mlflow_side(signature.get("outputs"), "output")
    notes.append("Asked as MLflow's scoring server is; on MLServer each column is a tensor: protocol: oip.")
    if signature.get("params") not in (None, "", "null", "[]"):
        notes.append("The signature has params: they stand beside the rows and are not checked.")
    return Signature(
        tuple(inputs),
        tuple(each.as_prediction() for each in outputs),
        "json",
        path="/invocations",
        rows="/dataframe_records",
        answers="/predictions",
        notes=tuple(notes),
    )


def _mlflow_side(value: Any, what: str) -> tuple[list[Guess], list[str]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"the signature's {what}s are not JSON") from None
    if value is None:
        return [], []
    if not isinstance(value, list):
        raise ValueError(f"the signature's {what}s are not a list")
    guesses: dict[str, Guess] = {}
    for position, each in enumerate(value[:MOST_FIELDS]):
        if isinstance(each, Mapping):
            given = each.get("name")
            name = f"{what}-{position}" if len(value) > 1 else what
            name = str(given) if _usable(given) else name
            guesses.setdefault(name, _mlflow_field(name, each))
    unnamed = any(isinstance(each, Mapping) and not each.get("name") for each in value)
    return list(guesses.values()), [f"The signature does not name its {what}s: rename them."] if unnamed else []


def _mlflow_field(name: str, each: Mapping[str, Any]) -> Guess:
    stated = each.get("type")
    required = each.get("required", True) is not False and not each.get("optional", False)
    if stated == "tensor" and isinstance(each.get("tensor-spec"), Mapping):
        spec = each["tensor-spec"]
        dtype = str(spec.get("dtype", ""))
        type_ = "float" if "float" in dtype else "int" if "int" in dtype else "bool" if dtype == "bool" else "string"
        shape = spec.get("shape")
        inner = [size if type(size) is int else -1 for size in shape[1:9]] if isinstance(shape, list) else []
        return field_guess(name, *_vector(type_, {}, inner, f"the signature says {shown(dtype)} {shown(shape)}"))
    said = f"the signature says {shown(stated)}"
    if stated == "datetime":
        return field_guess(name, "string", f"{said}; RFC 3339 with a zone: type: timestamp", required=required)
    if stated == "array" and isinstance(each.get("items"), Mapping):
        element = _MLFLOW.get(str(each["items"].get("type")), "json")
        type_ = f"{element}[]" if element in ("bool", "int", "float", "string") else "json"
        return field_guess(name, type_, said, required=required)
    if stated == "long":
        said += " (64 bits; readers of JSON round beyond 2^53)"
    return field_guess(name, _MLFLOW.get(str(stated), "json"), said, required=required)
