"""What a candidate's answers say about it: sampling, comparison, sums. Pure.

In: plain values, decoded answers, records of the `cold` stream. Out: draws, scores in [-1, 1] (positive = the candidate
is worse), sums that add up over time and over replicas, a snapshot for readers. Never: a socket, a clock, a random
number, a scale taken from the data under test.

Evidence and verdicts have their place beside `agreement.Sums`: every `exchange.Shadow` record carries the scores of its
units, each record is folded exactly once (`state.Run.fold`), and what is folded merges by addition.
"""

from __future__ import annotations

from .agreement import OutputSums, Sums
from .budget import Budget
from .comparisons import Compared, Comparison, Difference, compare_values
from .outcomes import FAILED, OUTCOMES, OUTSIDE, Outcome
from .pairing import Pairing, Units, flatten, pair, unreadable
from .plan import CandidatePlan, Limits, Output, read_plans
from .sampling import REQUEST, ROW, Draw, Sampler, derive_key
from .snapshot import snapshot
from .state import Run, State, decode_state, encode_state, run_key

__all__ = [
    "FAILED",
    "OUTCOMES",
    "OUTSIDE",
    "REQUEST",
    "ROW",
    "Budget",
    "CandidatePlan",
    "Compared",
    "Comparison",
    "Difference",
    "Draw",
    "Limits",
    "Outcome",
    "Output",
    "OutputSums",
    "Pairing",
    "Run",
    "Sampler",
    "State",
    "Sums",
    "Units",
    "compare_values",
    "decode_state",
    "derive_key",
    "encode_state",
    "flatten",
    "pair",
    "read_plans",
    "run_key",
    "snapshot",
    "unreadable",
]
