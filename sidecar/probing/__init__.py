"""Probing: does a live model keep the promises of its contract? Rows from the contract, asked, judged, shrunk.

In: a policy, its guard, and `ask` (rows → what came back). Out: `Probed`: findings, each with the smallest row that
shows it. Never: I/O or a clock of its own; a row that is called in-contract without the compiled contract saying so.

    samples of each feature → cases (boundary, pairwise, missing, null, unknown, outside, batch) → ask → judge → shrink
"""

from __future__ import annotations

from .answers import Ask, Reply
from .findings import Finding, Kind, Severity
from .run import Plan, Probed, probe
from .samples import ProbeError

__all__ = ["Ask", "Finding", "Kind", "Plan", "ProbeError", "Probed", "Reply", "Severity", "probe"]
