"""Tests of a policy: rows and answers with what must become of them, run through the guard that judges traffic.

In: the text of a *.test.yaml and the compiled guard of the policy it names. Out: results as values, and which checks,
rules and actions they exercised. Never: a second reading of the contract, a clock, I/O.

    text, findings = read_suite(data, "credit.test.yaml")
    bench = Bench(policy, compile_guard)
    results = [run_case(bench, text.suite, position) for position in range(len(text.suite.tests))]
    bench.tally.coverage().uncovered()
"""

from __future__ import annotations

from .compare import Failure
from .coverage import Coverage, Item
from .document import Suite, SuiteText, read_suite
from .play import Asked, Played, play
from .run import Bench, Result, run_case

__all__ = [
    "Asked",
    "Bench",
    "Coverage",
    "Failure",
    "Item",
    "Played",
    "Result",
    "Suite",
    "SuiteText",
    "play",
    "read_suite",
    "run_case",
]
