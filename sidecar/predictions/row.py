"""One prediction row: the record of the interface, and what else `explain` wants to know of its call."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class ModelRef(msgspec.Struct, frozen=True):
    """The model that answered."""

    name: str = ""
    version: str = ""


class PolicyRef(msgspec.Struct, frozen=True):
    """The policy that judged; empty where none did."""

    name: str = ""
    version: str = ""
    digest: str = ""


class RowViolation(msgspec.Struct, frozen=True):
    """One broken check of this row."""

    code: str
    feature: str
    applied: str  # the action that the policy asks for
    enforced: bool = False  # whether it was acted upon: not while the contract, or this check alone, observes


class CandidateVerdict(msgspec.Struct, frozen=True):
    """What the policy's candidate contract would do with this row, and what the active one would: both as if they
    enforced, rules that only observe included. `violations` are the candidate's."""

    verdict: str
    active: str
    violations: list[RowViolation] = []


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds; None = did not happen."""

    total: float = 0.0
    contract: float = 0.0
    upstream: float | None = None
    first_byte: float | None = None


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the call beside its rows. `target` is without its query."""

    method: str = ""
    target: str = ""
    route_kind: str = ""
    mode: str = ""
    would: str = ""
    reason: str = ""
    error: str = ""
    identity: str = ""
    version_source: str = ""
    upstream_status: int = 0
    rows: int = 0
    violations_total: int = 0
    streamed: bool = False


class Prediction(msgspec.Struct, kw_only=True):
    """One row. Values are JSON already (`values.plain`). `label` and `shadow` are joined by readers.

    `features` are what the model was sent (what was received, where nothing was sent); `raw_features` only what a
    repair changed, as received; `delivered` None = no prediction was delivered. `unread` says why features and
    prediction are empty: streamed | interrupted | no_policy | policy_unknown | not_kept | a fault of the wire.
    `weight` is how many rows it stands for: in the archive's files 0 where a label alone brought it back; joined, 1.
    """

    prediction_id: str
    row: int = 0
    request_id: str = ""
    ts: str | None = None
    caller: str = ""
    entity: Any = None
    protocol: str = ""
    model: ModelRef = ModelRef()
    policy: PolicyRef = PolicyRef()
    environment: str = ""
    replica: str = ""
    arm: str = "primary"
    exposed: bool = True
    propensity: float = 1.0
    coin_id: str = ""
    delivered: Any = None
    perturbation: Any = None
    weight: float = 1.0
    verdict: str = ""
    violations: list[RowViolation] = []
    features: dict[str, Any] = {}
    raw_features: dict[str, Any] = {}
    prediction: dict[str, Any] = {}
    status: int = 0
    latency_ms: Latency = Latency()
    shadow: dict[str, Any] = {}
    label: Any = None
    label_ts: str | None = None
    trace_id: str = ""
    span_id: str = ""
    slices: dict[str, Any] = {}
    unread: str = ""
    candidate: CandidateVerdict | None = None
    story: Story = Story()
    join_key: str | None = None  # keyed hash of the feature that late labels come with

    @property
    def delivers(self) -> bool:
        """Whether a caller got a prediction to act upon."""
        return self.exposed and self.delivered is not None


_INNER: Final = ("story", "join_key")
RECORD_FIELDS: Final = tuple(name for name in Prediction.__struct_fields__ if name not in _INNER)
_encode: Final = msgspec.json.Encoder().encode


def to_record(row: Prediction) -> dict[str, Any]:
    """The record of the interface as plain values, keys in its order."""
    record: dict[str, Any] = msgspec.to_builtins(row)
    for name in _INNER:
        del record[name]
    return record


def to_json(row: Prediction) -> bytes:
    """One line of JSON without its end: the same row gives the same bytes."""
    return _encode(to_record(row))
