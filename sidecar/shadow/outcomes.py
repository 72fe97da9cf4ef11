"""What can become of a copy: a closed set, and what each member means for coverage."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """One per judged exchange and candidate."""

    COMPARED = "compared"
    PRIMARY_FAILED = "primary_failed"  # refused, failed, or nobody waited for it: nothing to compare with, not sent
    SHADOW_ERROR = "shadow_error"  # no answer, not a 2xx, larger than it may be, or cut short
    SHADOW_TIMEOUT = "shadow_timeout"
    DROPPED_QUEUE = "dropped_queue"  # too many waiting, or interrupted by a restart: never sent twice
    DROPPED_BYTES = "dropped_bytes"  # `queue_bytes` in use
    TOO_LARGE = "too_large"  # a body that the journal did not keep
    STREAMING_SKIPPED = "streaming_skipped"
    NOT_SAMPLED = "not_sampled"
    UNSAFE_METHOD = "unsafe_method"
    BUDGET_SPENT = "budget_spent"
    UNCOMPARABLE = "uncomparable"  # answered, or could have been; one of the two answers cannot be read


OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)
# The candidate was asked and failed: its units count as worst, or slow and wrong candidates would look good.
FAILED: Final = frozenset({Outcome.SHADOW_ERROR, Outcome.SHADOW_TIMEOUT})
# Never part of the sample whose coverage is asked for.
OUTSIDE: Final = frozenset({Outcome.NOT_SAMPLED, Outcome.PRIMARY_FAILED})
