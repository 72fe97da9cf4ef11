"""The `model:` section: what is known of how the model is asked, and a skeleton where nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..yamldoc import quote
from .signature import Signature
from .spelling import Guess, comment, listed, text


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person or the model's server says. `protocol` "" = not said. `columns` is tensor → features."""

    protocol: str = ""
    model: str = ""
    path: str = ""
    rows: str = ""
    upstream: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answers: str = ""  # JSON Pointer to the predictions
    outputs: Mapping[str, str] = field(
        default_factory=dict
    )  # prediction → output, as `predictions:` of OIP or JSON says
    positions: Sequence[str] = ()  # features in the positions of a row, for rows that are lists
    named: bool = False  # the server states a tensor for each feature


def model_lines(asked: Asked, features: Sequence[Guess], predictions: Sequence[Guess] = ()) -> list[str]:
    """Lines of the section, without indent. A protocol nobody named is plain JSON, to be completed."""
    lines: list[str] = []
    if asked.model:
        lines.append(f"name: {quote(asked.model)}")
    if asked.upstream:
        lines.append(f"upstream: {asked.upstream}")
    match asked.protocol:
        case "oip":
            lines += _oip(asked, features)
        case "tfserving":
            lines += ["protocol: tfserving   # rows are objects in `instances`; lists: add columns: [name, …]"]
            if asked.positions:
                lines.append(f"columns: {listed([quote(name) for name in asked.positions])}")
        case "opaque":
            lines += ["protocol: opaque", f"path: {asked.path or '/predict'}"]
        case _:
            lines += _json(asked, predictions)
    return lines


def _oip(asked: Asked, features: Sequence[Guess]) -> list[str]:
    columns = dict(asked.columns)
    lines = ["protocol: oip"]
    if asked.named and not columns:
        lines += comment("each feature is a tensor of its name, as the server states", 0)
    elif not columns and features and not asked.positions and all(_one_number(guess) for guess in features):
        columns = {"input-0": [guess.name for guess in features]}
        lines += comment(
            "one matrix, as scikit-learn on MLServer takes it; take `columns` out if each feature is a tensor", 0
        )
    elif not columns:
        lines += comment("each feature is a tensor of its name; for one matrix: columns: {input-0: [name, …]}", 0)
    if columns:
        lines.append("columns:")
        for tensor, names in columns.items():
            lines.append(f"  {quote(tensor)}: {listed([quote(name) for name in names])}")
    return lines + _outputs(asked)


def _outputs(asked: Asked) -> list[str]:
    if not asked.outputs:
        return []
    return ["predictions:", *(f"  {quote(name)}: {text(place)}" for name, place in asked.outputs.items())]


def _one_number(guess: Guess) -> bool:
    return guess.type in ("int", "float") and "required" not in guess.keys and "missing_values" not in guess.keys


def _json(asked: Asked, predictions: Sequence[Guess]) -> list[str]:
    lines = []
    if not asked.protocol:
        lines += comment(
            "complete this: oip (MLServer, KServe, Triton), tfserving, or plain JSON as here",
            0,
        )
    lines.append("protocol: json")
    lines.append(f"path: {asked.path or '/predict'}" + ("" if asked.path else "   # the path that is asked"))
    if asked.rows:
        lines.append(f"rows: {text(asked.rows)}")
    elif not asked.protocol:
        lines.append(
            "# rows: /instances        JSON Pointer to the rows; without it the body itself is the row, or the list"
        )
    if asked.positions:
        lines.append(f"columns: {listed([quote(name) for name in asked.positions])}")
    if asked.outputs:
        lines += _outputs(asked)
    elif asked.answers:
        lines.append(f"predictions: {text(asked.answers)}")
    elif predictions:
        lines.append("# predictions: /predictions   JSON Pointer to them; without it the answer itself is the list")
    return lines


def stated(signature: Signature, asked: Asked) -> Asked:
    """What a person said, completed by what the model's server or signature says."""
    return Asked(
        protocol=asked.protocol or signature.protocol,
        model=asked.model or signature.model,
        path=asked.path or signature.path,
        rows=asked.rows or signature.rows,
        upstream=asked.upstream,
        columns=asked.columns or signature.columns,
        answers=asked.answers or signature.answers,
        outputs=asked.outputs,
        named=asked.named or (signature.protocol == "oip" and bool(signature.features) and not signature.columns),
        positions=asked.positions or signature.positions,
    )
