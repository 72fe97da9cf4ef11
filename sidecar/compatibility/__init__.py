"""Whether a new policy keeps what the old one promised: to callers, to the model, to those who watch. Pure.

In: two resolved policies; for evidence, rows as they were received. Out: values: `Comparison` (every change with three
verdicts, the bump it asks for, a sentence, who must look) and `Replay` (which rows change verdict). Never: files, a
clock, a guess: what cannot be decided is said to be unknown.

Inputs are contravariant, outputs covariant: accepting more is harmless for callers and news for the model; answering
more is harmless for the model and news for callers. Every contract is judged as if it enforced.
"""

from __future__ import annotations

from .change import Bump, Caller, Change, Evidence, Model, Monitor, Verdicts
from .compare import Comparison, Compatibility, Outcome, appeared, compare, vanished, with_evidence

__all__ = [
    "Bump",
    "Caller",
    "Change",
    "Comparison",
    "Compatibility",
    "Evidence",
    "Model",
    "Monitor",
    "Outcome",
    "Verdicts",
    "appeared",
    "compare",
    "vanished",
    "with_evidence",
]
