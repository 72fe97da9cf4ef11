"""Every metric made from records: name, type, help, labels. Declared here and nowhere else.

What a process counts is in `metrics` and on its stats page, where labels are closed sets. These have the labels that
only a policy knows: its name, its codes, its models. `LIMITS` bounds how many values each label may take; what comes
after is counted under `other`, and `sidecar_collapsed_labels_total` says so. Never a label: a version, a digest, a
caller, a path as sent, or a name that only a caller made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .metrics import WORK_SECONDS

OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class RecordMetric:
    """One family. `bounds` are the upper bounds of a histogram's buckets in seconds; `+Inf` follows."""

    name: str
    type: Literal["counter", "histogram", "gauge"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


# As OpenTelemetry's HTTP semantic conventions 1.44 say; finer steps are in `sidecar_request_duration_seconds`.
_HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_DELAY_SECONDS: Final = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 90 * 86400)

# Most values a label may take in all families together; labels that are not named here are closed sets.
LIMITS: Final[Mapping[str, int]] = {
    "policy": 100,
    "model": 100,
    "http_route": 200,
    "code": 1000,
    "feature": 1000,
    "server_address": 100,
}
MOST_SERIES: Final = 5000  # of one family: the product of labels that are each within their limit

RECORDED: Final = RecordMetric(
    "sidecar_recorded_requests_total",
    "counter",
    "Requests in the journal, by policy, model, route and verdict.",
    ("policy", "model", "http_route", "verdict"),
)
WOULD: Final = RecordMetric(
    "sidecar_would_be_verdicts_total",
    "counter",
    "Judged requests, by what enforcing would have done with them.",
    ("policy", "mode", "would"),
)
IDENTITY: Final = RecordMetric(
    "sidecar_model_identity_total",
    "counter",
    "Judged requests, by whether the model's version was the one the policy expects.",
    ("policy", "identity"),
)
VIOLATIONS: Final = RecordMetric(
    "sidecar_violations_total",
    "counter",
    "Broken checks, by the action that the policy asks for; applied is false while the contract, or a rule, observes.",
    ("policy", "mode", "code", "feature", "action", "applied"),
)
CANDIDATE_ROWS: Final = RecordMetric(
    "sidecar_candidate_rows_total",
    "counter",
    "Rows by what the contract in force and its candidate would do with them, both as if they enforced.",
    ("policy", "active", "candidate"),
)
CANDIDATE_VIOLATIONS: Final = RecordMetric(
    "sidecar_candidate_violations_total",
    "counter",
    "Checks of the candidate contract that rows broke, by the action it asks for; nothing is done about them.",
    ("policy", "code", "feature", "action"),
)
UNLISTED: Final = RecordMetric(
    "sidecar_unlisted_violations_total", "counter", "Broken checks beyond those a record lists.", ("policy",)
)
ROWS: Final = RecordMetric("sidecar_rows_total", "counter", "Rows judged.", ("policy", "model"))
REPAIRED_ROWS: Final = RecordMetric(
    "sidecar_repaired_rows_total", "counter", "Rows that a repair touched.", ("policy",)
)
FALLBACK_ROWS: Final = RecordMetric(
    "sidecar_fallback_rows_total", "counter", "Rows answered with the policy's fallback values.", ("policy",)
)
DROPPED_ROWS: Final = RecordMetric(
    "sidecar_dropped_rows_total", "counter", "Rows left out of batches whose other rows were answered.", ("policy",)
)
POLICY_CONTRACT_SECONDS: Final = RecordMetric(
    "sidecar_policy_contract_seconds",
    "histogram",
    "Decoding and checking of one request and its answer, by policy.",
    ("policy",),
    WORK_SECONDS,
)
HTTP_SERVER: Final = RecordMetric(
    "http_server_request_duration_seconds",
    "histogram",
    "From a request's first byte to its answer's last, as OpenTelemetry names it.",
    ("http_request_method", "url_scheme", "http_route", "http_response_status_code", "error_type", "model"),
    _HTTP_SECONDS,
)
HTTP_CLIENT: Final = RecordMetric(
    "http_client_request_duration_seconds",
    "histogram",
    "From sending to the model server to its answer's last byte, as OpenTelemetry names it.",
    ("http_request_method", "server_address", "server_port", "http_response_status_code", "error_type", "model"),
    _HTTP_SECONDS,
)
LABELS: Final = RecordMetric(
    "sidecar_recorded_feedback_total", "counter", "Labels and outcomes in the journal, by what they name.", ("subject",)
)
LABEL_DELAY_SECONDS: Final = RecordMetric(
    "sidecar_label_delay_seconds", "histogram", "From a prediction to its label.", (), _DELAY_SECONDS
)
GAPS: Final = RecordMetric(
    "sidecar_journal_gap_records_total", "counter", "Records that the journal says it does not have.", ("reason",)
)
COLLAPSED: Final = RecordMetric(
    "sidecar_collapsed_labels_total",
    "counter",
    "Label values that are counted under `other`: the label had too many.",
    ("label",),
)

RECORD_TABLE: Final[tuple[RecordMetric, ...]] = (
    RECORDED, WOULD, IDENTITY, VIOLATIONS, UNLISTED, CANDIDATE_ROWS, CANDIDATE_VIOLATIONS, ROWS, REPAIRED_ROWS,
    FALLBACK_ROWS, DROPPED_ROWS, POLICY_CONTRACT_SECONDS, HTTP_SERVER, HTTP_CLIENT, LABELS, LABEL_DELAY_SECONDS,
    GAPS, COLLAPSED,
)  # fmt: skip

# Made by the observer of alerts from its own state: labels are names that a policy in force states.
ALERT_ACTIVE: Final = RecordMetric(
    "sidecar_alert_active",
    "gauge",
    "1 while what a policy watches is beyond its limit, by feature and alert; 0 while it is not.",
    ("policy", "feature", "alert"),
)
ALERTS_RAISED: Final = RecordMetric(
    "sidecar_alerts_total", "counter", "Alerts raised, by feature and alert.", ("policy", "feature", "alert")
)
ALERT_TABLE: Final[tuple[RecordMetric, ...]] = (ALERT_ACTIVE, ALERTS_RAISED)
