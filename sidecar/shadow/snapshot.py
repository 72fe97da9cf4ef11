"""The state as readers see it: `/api/shadow`, the page, the command line."""

from __future__ import annotations

from typing import Any

import msgspec

from .agreement import OutputSums
from .outcomes import OUTCOMES
from .plan import REPEAT_SUFFIX
from .state import Run, State


def snapshot(state: State) -> dict[str, Any]:
    """JSON-ready. `candidates` holds the latest run of each candidate, `earlier` those whose settings were changed.

    Shares are fractions of one; None where nothing was counted yet. `agreement` is over the units compared;
    `agreement_worst_case` counts units for which the candidate failed as disagreement. `repeat` is the primary in the
    candidate's place (`repeat_primary`), null where it is not asked again: a candidate that is as good as the primary
    agrees as often as the primary agrees with itself.
    """
    latest: dict[tuple[str, str], Run] = {}
    earlier: list[Run] = []
    for run in state.runs.values():
        before = latest.get((run.policy, run.candidate))
        if before is not None:
            older, run = sorted((before, run), key=lambda one: one.began_unix_ns)
            earlier.append(older)
        latest[run.policy, run.candidate] = run
    repeats = {key: run for key, run in latest.items() if key[1].endswith(REPEAT_SUFFIX)}
    return {
        "scope": "replica",
        "replicas": 1,
        "candidates": [
            _run(run) | {"repeat": _repeat(repeats.get((policy, name + REPEAT_SUFFIX)))}
            for (policy, name), run in latest.items()
            if (policy, name) not in repeats
        ],
        "earlier": [_run(run) for run in earlier if not run.candidate.endswith(REPEAT_SUFFIX)],
        "open": len(state.open),
        "unrecorded": state.unrecorded,
        "unknown_policy": state.unknown_policy,
    }


def _repeat(run: Run | None) -> dict[str, Any] | None:
    return None if run is None else _run(run)


def _run(run: Run) -> dict[str, Any]:
    sums = run.sums
    coverage = sums.coverage
    return {
        "policy": run.policy,
        "candidate": run.candidate,
        "run": run.run,
        "upstream": run.upstream,
        "unit": run.unit,
        "sample": run.sample,
        "began_unix_ns": run.began_unix_ns,
        "first_unix_ns": sums.first_unix_ns or None,
        "last_unix_ns": sums.last_unix_ns or None,
        "outcomes": {outcome: sums.outcomes.get(outcome, 0) for outcome in OUTCOMES},
        "sampled": sums.sampled,
        "coverage": coverage,
        "min_coverage": run.min_coverage,
        "covered": None if coverage is None else coverage >= run.min_coverage,
        "units": {"compared": sums.units_compared, "agree": sums.units_agree, "failed": sums.units_failed},
        "rows": sums.rows,
        "agreement": _share(sums.units_agree, sums.units_compared),
        "agreement_worst_case": _share(sums.units_agree, sums.units_compared + sums.units_failed),
        "outputs": {name: _output(run, name, output) for name, output in sorted(sums.outputs.items())},
        "latency_ms": {
            "mean": sums.latency_ns / sums.answers / 1e6 if sums.answers else None,
            "p50_below": sums.latency_below_ms(0.5),
            "p99_below": sums.latency_below_ms(0.99),
            "max": sums.latency_max_ns / 1e6 if sums.answers else None,
        },
    }


def _output(run: Run, name: str, sums: OutputSums) -> dict[str, Any]:
    how = run.outputs.get(name)
    return {
        "compare": None if how is None else msgspec.to_builtins(how),
        "units": sums.units,
        "agree": sums.agree,
        "agreement": _share(sums.agree, sums.units),
        "score_mean": _share(sums.score_sum, sums.units),
        "difference_mean": _share(sums.difference_sum, sums.units),
        "difference_max": sums.difference_max if sums.units else None,
        "differences": dict(sorted(sums.types.items())),
    }


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
