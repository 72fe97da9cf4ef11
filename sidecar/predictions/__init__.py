"""One finished call → its prediction rows: the one way in which anything recorded leaves this package.

In: a frame and the guard of its day, by digest. Out: one `Prediction` per row: decoded, hidden as the policy says,
JSON-ready. Never: a header, a credential, a value the policy hides, an exception for a payload that cannot be read
(its row says so).
"""

from __future__ import annotations

from .beside import Opinion, opinions
from .decode import each_row_of, exchange_of, rows_of
from .interrupted import Opened, OpenStreams, interrupted_row
from .outcomes import ControlRow, OutcomeRow, ShadowRow, control_of, outcome_of, shadow_of
from .row import Prediction, to_json, to_record
from .values import hashed, is_hashed, moment, plain, restored, unix_ns_of

__all__ = [
    "ControlRow",
    "OpenStreams",
    "Opened",
    "Opinion",
    "OutcomeRow",
    "Prediction",
    "ShadowRow",
    "control_of",
    "each_row_of",
    "exchange_of",
    "hashed",
    "interrupted_row",
    "is_hashed",
    "moment",
    "opinions",
    "outcome_of",
    "plain",
    "restored",
    "rows_of",
    "shadow_of",
    "to_json",
    "to_record",
    "unix_ns_of",
]
