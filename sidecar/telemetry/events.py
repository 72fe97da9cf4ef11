"""Every name of an event: what happens to a span, and what a process logs. `noun.past_verb`, declared here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Events of spans.
CONTRACT_VIOLATION: Final = "sidecar.contract.violation"
SPAN_EVENTS: Final[Mapping[str, str]] = {
    CONTRACT_VIOLATION: "one broken check of the contract: code, feature, row, side and what the policy asks for",
}

# One line per request, on demand.
ACCESS: Final = "request.answered"
