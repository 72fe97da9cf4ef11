"""A policy beside what the model's server says of the model: `sidecar check --upstream`.

In: a policy and the server's own statement, read into `Stated`. Out: findings with paths. A server that states nothing
of something is believed in nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..contract.kinds import Scalar, parse_kind
from ..contract.sections import Checks
from ..rows import header_of
from ..yamldoc import Finding, nearest
from .sections import Policy

_WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_TEXTS: Final = frozenset({Scalar.STRING, Scalar.CATEGORY, Scalar.TIMESTAMP, Scalar.BYTES})


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output as stated; `datatype` "" and `shape` None = unstated. The first dimension is the batch."""

    name: str
    datatype: str = ""
    shape: tuple[int, ...] | None = None

    @property
    def width(self) -> int | None:
        """Columns of a matrix; None where it is none, or says nothing."""
        return self.shape[1] if self.shape is not None and len(self.shape) == 2 and self.shape[1] > 0 else None


@dataclass(frozen=True, slots=True)
class Stated:
    """What a server says: None = it says nothing of that."""

    versions: tuple[str, ...] | None = None
    inputs: tuple[Tensor, ...] | None = None
    outputs: tuple[Tensor, ...] | None = None


def stated_by_names(inputs: Sequence[str]) -> Stated:
    """From servers that only name their inputs (TF Serving signatures, OpenAPI pages)."""
    return Stated(inputs=tuple(Tensor(name) for name in inputs) or None)


def stated_by_oip(document: Any) -> Stated:
    """OIP model metadata (GET /v2/models/NAME). What does not fit is left out; MLServer states empty lists for
    models that it knows nothing of."""
    if not isinstance(document, Mapping):
        return Stated()
    versions = document.get("versions")
    told = tuple(each for each in versions if isinstance(each, str)) if isinstance(versions, list) else ()
    return Stated(told or None, _tensors(document.get("inputs")), _tensors(document.get("outputs")))


def versions_in_index(document: Any, name: str) -> tuple[str, ...] | None:
    """What the repository's index (OIP's model repository extension) has of the model as ready."""
    rows = document if isinstance(document, list) else []
    ours = [row for row in rows if isinstance(row, Mapping) and (row.get("name"), row.get("state")) == (name, "READY")]
    return tuple(row["version"] for row in ours if isinstance(row.get("version"), str) and row["version"]) or None


def _tensors(listed: Any) -> tuple[Tensor, ...] | None:
    found = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, Mapping) and isinstance(each.get("name"), str):
            shape, datatype = each.get("shape"), each.get("datatype")
            sizes: tuple[int, ...] | None = None
            if isinstance(shape, list) and all(type(size) is int for size in shape):
                sizes = tuple(shape)
            found.append(Tensor(each["name"], datatype if isinstance(datatype, str) else "", sizes))
    return tuple(found) or None


def against(policy: Policy, stated: Stated) -> Iterator[Finding]:
    """What the policy expects and the server says otherwise."""
    pinned = policy.model.versions
    if stated.versions is not None and pinned and not set(pinned) & set(stated.versions):
        yield Finding(
            "model.version-not-served",
            f"the server states version {', '.join(stated.versions)}, the policy expects {' or '.join(pinned)}",
            "pin the version that is meant to answer, or deploy it",
            path=("model", "version"),
        )
    if stated.inputs is not None:
        yield from _inputs(policy, stated.inputs)
    if stated.outputs is not None:
        yield from _outputs(policy, stated.outputs)


def not_compared(policy: Policy, stated: Stated) -> Iterator[Finding]:
    """What the policy says and the server does not: nobody should take silence for agreement."""
    kinds = (
        ("version", bool(policy.model.versions), stated.versions),
        ("inputs", bool(policy.contract.features), stated.inputs),
        ("outputs", bool(policy.contract.prediction), stated.outputs),
    )
    missing = [kind for kind, expected, said in kinds if expected and said is None]
    if missing:
        message = f"the server states no {', no '.join(missing)} of this model: not compared"
        hint = "the version is compared again in each answer that states it" if "version" in missing else ""
        yield Finding("model.unstated", message, hint, "warning", ("model",))


def _inputs(policy: Policy, inputs: Sequence[Tensor]) -> Iterator[Finding]:
    by_name = {tensor.name: tensor for tensor in inputs}
    told: Any = getattr(policy.model.wire, "columns", None)
    columns: Mapping[str, Sequence[str]] = told if isinstance(told, Mapping) else {}
    used: set[str] = set()
    in_matrix: dict[str, str] = {}
    for tensor_name, names in columns.items():
        used.add(tensor_name)
        in_matrix.update(dict.fromkeys(names, tensor_name))
        path = ("model", "columns", tensor_name)
        tensor = by_name.get(tensor_name)
        if tensor is None:
            yield _no_input(tensor_name, by_name, path)
            continue
        if tensor.width is not None and tensor.width != len(names):
            message = f"`{tensor_name}` has {tensor.width} columns at the server and {len(names)} here"
            yield Finding("model.input-shape", message, "name the columns in the model's own order", path=path)
    for name, feature in policy.contract.features.items():
        path = ("contract", "features", name)
        source = feature.from_
        if source.startswith("/") or header_of(source) is not None:
            continue
        tensor_name = in_matrix.get(name) or source.partition("[")[0] or name
        used.add(tensor_name)
        tensor = by_name.get(tensor_name)
        if tensor is None:
            if tensor_name not in columns:
                yield _no_input(tensor_name, by_name, path)
        else:
            yield from _fits(feature, tensor, path)
    for tensor in inputs:
        if tensor.name not in used:
            message = f"the model takes `{tensor.name}`, of which the policy says nothing"
            yield Finding(
                "model.input-unnamed", message, "add it to `features` or `columns`", "warning", ("contract", "features")
            )


def _outputs(policy: Policy, outputs: Sequence[Tensor]) -> Iterator[Finding]:
    by_name = {tensor.name: tensor for tensor in outputs}
    places = getattr(policy.model.wire, "predictions", None)
    mapped = places if isinstance(places, Mapping) else {}
    names = list(policy.contract.prediction)
    for name in names:
        tensor_name = str(mapped.get(name, name)).partition("[")[0]
        if tensor_name in by_name:
            yield from _fits(policy.contract.prediction[name], by_name[tensor_name], ("contract", "prediction", name))
        elif len(names) > 1 or len(outputs) > 1:  # one prediction and one output are each other's, whatever their names
            yield _no_output(tensor_name, by_name, ("contract", "prediction", name))


def _no_input(name: str, stated: Mapping[str, Tensor], path: tuple[str | int, ...]) -> Finding:
    return Finding("model.input-not-served", f"the model has no input `{name}`", _nearest(name, stated), path=path)


def _no_output(name: str, stated: Mapping[str, Tensor], path: tuple[str | int, ...]) -> Finding:
    return Finding("model.output-not-served", f"the model has no output `{name}`", _nearest(name, stated), path=path)


def _nearest(name: str, stated: Mapping[str, Tensor]) -> str:
    near = nearest(name, stated)
    return f"did you mean `{near}`?" if near else f"it states {', '.join(stated)}"


def _fits(checks: Checks, tensor: Tensor, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """Whether a value that the contract allows can be sent as this datatype."""
    if not checks.type or not tensor.datatype:
        return
    try:
        scalar = parse_kind(checks.type).scalar
    except ValueError:
        return
    said = f"`{tensor.name}` is {tensor.datatype} at the server"
    if (scalar in _TEXTS) != (tensor.datatype == "BYTES") and scalar is not Scalar.JSON:
        yield Finding("model.input-type", f"{said}, {checks.type} here", "", path=(*path, "type"))
        return
    limits = _WHOLE.get(tensor.datatype)
    if limits is None:
        return
    if scalar is Scalar.FLOAT:
        hint = "take type: int, or ask the model's owner"
        message = f"{said}: fractions that the contract allows cannot be sent"
        yield Finding("model.input-type", message, hint, "warning", (*path, "type"))
        return
    for key, edge, beyond in (("min", limits[0], "below"), ("max", limits[1], "above")):
        plain = getattr(checks, key)
        number = int(plain.text) if plain is not None and plain.text.lstrip("-").isdigit() else None
        outside = number is not None and (number < edge if key == "min" else number > edge)
        if outside:
            message = f"{said}, which holds nothing {beyond} {edge}"
            yield Finding("model.input-range", message, f"set {key}: {edge}", "warning", (*path, key))
