"""Feedback items: one object, a list, or NDJSON → frames to write and reasons for what is not taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ..exchange import Feedback
from ..timestamps import moment, unix_ns_of

_TEXT: Final = ("prediction_id", "request_id", "response_id", "key", "coin_id")
_KNOWN: Final = frozenset((*_TEXT, "row", "label", "observed_at", "exposed", "propensity"))
_SAID: Final = frozenset(("label", "exposed", "propensity", "coin_id"))
_MAX_TEXT: Final = 256


@dataclass(slots=True)
class FeedbackBatch:
    """`items` are (record, item as sent); `rejected` says for each refused item its index and why."""

    items: list[tuple[Feedback, bytes]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    malformed: str = ""


def read_feedback(body: bytes, received_unix_ns: int) -> FeedbackBatch:
    """Every item is taken or refused by itself: one bad line does not cost the others."""
    batch = FeedbackBatch()
    try:
        documents = _documents(body)
    except msgspec.DecodeError as error:
        batch.malformed = f"send one JSON object, a list of them, or one per line: {error}"
        return batch
    for index, document in enumerate(documents):
        if isinstance(document, dict):  # null says nothing, but for a label: there it may mean that it is taken back
            document = {name: value for name, value in document.items() if value is not None or name == "label"}
        why = _fault(document)
        if why:
            batch.rejected.append({"index": index, "reason": why})
            continue
        assert isinstance(document, dict)
        record = Feedback(
            received_unix_ns=received_unix_ns,
            prediction_id=document.get("prediction_id", ""),
            request_id=document.get("request_id", ""),
            response_id=document.get("response_id", ""),
            key=_text(document.get("key", "")),
            row=document.get("row"),
            label=document.get("label"),
            observed_at=_text(document.get("observed_at", "")),
            exposed=document.get("exposed"),
            propensity=document.get("propensity"),
            coin_id=document.get("coin_id", ""),
        )
        batch.items.append((record, msgspec.json.encode(document)))
    return batch


def _documents(body: bytes) -> list[Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as whole:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2:
            raise msgspec.DecodeError(str(whole)) from None
        return [_line(line) for line in lines]
    return document if isinstance(document, list) else [document]


def _line(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"not JSON: {error}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _fault(document: Any) -> str:
    if isinstance(document, str):
        return document if document.startswith("not JSON: ") else "an item is an object"
    if not isinstance(document, dict):
        return "an item is an object"
    unknown = sorted(set(document) - _KNOWN)
    if unknown:
        return f"unknown keys {', '.join(unknown)[:_MAX_TEXT]}; known are {', '.join(sorted(_KNOWN))}"
    if not any(document.get(name) for name in ("prediction_id", "request_id", "response_id", "key")):
        return "say which prediction it is about: prediction_id, request_id, response_id or key"
    for name in _TEXT:
        value = document.get(name, "")
        if not isinstance(value, str if name != "key" else str | int | float):
            return f"{name} is text" if name != "key" else "key is text or a number"
        if len(str(value)) > _MAX_TEXT:
            return f"{name} is longer than {_MAX_TEXT} characters"
    row = document.get("row")
    if row is not None and (not isinstance(row, int) or isinstance(row, bool) or row < 0):
        return "row is a whole number from 0"
    observed_at = document.get("observed_at", "")
    if not _is_time(observed_at):
        return "observed_at is RFC 3339 text or seconds since 1970"
    if not isinstance(document.get("exposed"), bool | None):
        return "exposed is true or false"
    propensity = document.get("propensity")
    if propensity is not None and (
        isinstance(propensity, bool) or not isinstance(propensity, int | float) or not 0 < propensity <= 1
    ):
        return "propensity is a probability above 0 and at most 1"
    if not document.keys() & _SAID:
        return "say what became of it: label, exposed, propensity or coin_id"
    return ""


def _is_time(value: Any) -> bool:
    """Whether this can be told as a moment: what cannot would count as observed when it was received."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if value == "":
        return True
    at = unix_ns_of(str(value))
    return at is not None and moment(at) is not None
