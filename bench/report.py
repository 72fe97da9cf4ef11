"""Results → tables and JSON: medians, ratios within rounds, spreads, errors, and what the noise was."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import payload
from .processes import cores
from .rounds import MAX_RATE, Measured, Timing
from .stage import REFERENCE, Instance
from .statistics import MIN_ROUNDS_FOR_TAIL_CLAIMS, Spread, median, round_differences, round_ratios, spread

Results = Mapping[str, Sequence[Measured]]


def summary(label: str, results: Results) -> dict[str, Any]:
    """Everything that is said about one system, as plain values; spreads are {median, low, high}."""
    rounds = results[label]
    rates = [one.saturation.requests_per_second for one in rounds]
    found: dict[str, Any] = {
        "requests_per_second": asdict(spread(rates)),
        "p50_ms": median([one.saturation.p50_ms for one in rounds]),
        "p99_ms": median([one.saturation.p99_ms for one in rounds]),
        "errors": _counted(one.saturation.errors for one in rounds),
    }
    if REFERENCE in results:
        reference = [one.saturation.requests_per_second for one in results[REFERENCE]]
        found["times_reference"] = asdict(spread(round_ratios(rates, reference)))
    cpu = _cpu(rounds)
    if not any(value is None for value in cpu):
        found["cpu_us_per_request"] = asdict(spread([value for value in cpu if value is not None]))
        if cheaper := round_ratios(_cpu(results.get(REFERENCE, rounds)), cpu):
            found["times_reference_per_cpu"] = asdict(spread(cheaper))
    if any(one.paced for one in rounds):
        found["paced"] = _paced_summary(rounds)
    return found


def _cpu(rounds: Sequence[Measured]) -> list[float | None]:
    """Microseconds of the system's CPU time per request, by round."""
    return [one.cpu_seconds / one.saturation.requests * 1e6 if one.cpu_seconds else None for one in rounds]


def _paced_summary(rounds: Sequence[Measured]) -> dict[str, Any]:
    pairs = [(one.paced, one.paced_direct) for one in rounds if one.paced and one.paced_direct]
    runs = [run for run, _ in pairs]
    return {
        "rate": median([run.asked_rate for run in runs]),
        "kept_share": min(run.kept_rate / run.asked_rate for run in runs),
        "direct_kept_share": min(direct.kept_rate / direct.asked_rate for _, direct in pairs),
        "slip_p99_ms": median([run.slip_p99_ms for run in runs]),
        "p50_ms": median([run.p50_ms for run in runs]),
        "p99_ms": median([run.p99_ms for run in runs]),
        "added_p50_ms": asdict(spread(round_differences([r.p50_ms for r in runs], [d.p50_ms for _, d in pairs]))),
        "added_p99_ms": asdict(spread(round_differences([r.p99_ms for r in runs], [d.p99_ms for _, d in pairs]))),
        "errors": _counted(run.errors for run in runs),
        "direct_errors": _counted(direct.errors for _, direct in pairs),
    }


def document(
    results: Results, instances: Mapping[str, Instance], left_out: Mapping[str, str], timing: Timing
) -> dict[str, Any]:
    """The `--json` file: summaries and every single run."""
    return {
        "machine": machine(),
        "timing": asdict(timing),
        "body_bytes": {"request": len(payload.REQUEST), "answer": len(payload.ANSWER)},
        "systems": {label: _describe(instances[label]) for label in results},
        "left_out": dict(left_out),
        "accounts": {label: instances[label].account() for label in results},
        "summary": {label: summary(label, results) for label in results},
        "rounds": {label: [asdict(one) for one in rounds] for label, rounds in results.items()},
    }


def text(results: Results, instances: Mapping[str, Instance], left_out: Mapping[str, str], timing: Timing) -> str:
    """What a reader sees."""
    found = {label: summary(label, results) for label in results}
    order = sorted(found, key=lambda label: -found[label]["requests_per_second"]["median"])
    lines = [*_heading(timing), "", "Saturation: 32 connections, each asks again as soon as it is answered", ""]
    lines += _table(_SATURATION_HEAD, [_saturation_row(label, found[label]) for label in order])
    paced = [label for label in order if "paced" in found[label]]
    if paced:
        title = (
            f"Fixed rate: half of each system's own saturation, at most {MAX_RATE:,.0f}/s, latency from the due time"
        )
        lines += ["", title, ""]
        lines += _table(_PACED_HEAD, [_paced_row(label, found[label]["paced"]) for label in paced])
    lines += ["", *_noise(results, found, timing), ""]
    lines += [f"{label}: {_describe(instances[label])}" for label in order if "/" not in label]
    lines += [line for label in order if (line := _account(label, results[label], instances[label]))]
    lines += [f"left out: {label}: {reason}" for label, reason in left_out.items()]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    model = next(
        (line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line), "?"
    )
    generator, proxy = cores()
    load = _read("/proc/loadavg").split()[:3]
    return {
        "processor": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "generator_core": generator,
        "proxy_core": proxy,
        "load_average_at_end": load,
    }


def _heading(timing: Timing) -> list[str]:
    facts = machine()
    shared = " (THE SAME: read nothing into these figures)" if facts["generator_core"] == facts["proxy_core"] else ""
    return [
        f"{timing.rounds} rounds, {timing.seconds:g} s a run; proxy alone on core {facts['proxy_core']}, generator and "
        f"static model server on core {facts['generator_core']}{shared}",
        f"{len(payload.REQUEST)} B request (20 features), {len(payload.ANSWER)} B answer; {facts['processor']}, "
        f"Linux {facts['kernel']}, Python {facts['python']}",
        "medians; (lowest–highest round); ratios and differences are taken within a round; CPU time is that of all the",
        "system's processes, and the steadier figure where others use the machine too",
    ]


_SATURATION_HEAD = ("system", "requests/s", "× envoy", "p50 / p99 ms", "CPU µs/request", "× envoy per CPU s", "errors")
_PACED_HEAD = ("system", "rate/s", "kept", "p50 / p99 ms", "added p50 ms", "added p99 ms", "slip p99 ms", "errors")


def _saturation_row(label: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    ratio, cpu, per_cpu = (
        one.get(name) for name in ("times_reference", "cpu_us_per_request", "times_reference_per_cpu")
    )
    return (
        label,
        _spread(one["requests_per_second"], ",.0f"),
        _spread(ratio, ".2f") if ratio else "–",
        f"{one['p50_ms']:.2f} / {one['p99_ms']:.2f}",
        _spread(cpu, ".1f") if cpu else "–",
        _spread(per_cpu, ".2f") if per_cpu else "–",
        _errors(one["errors"]),
    )


def _paced_row(label: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        label,
        f"{one['rate']:,.0f}",
        f"{min(one['kept_share'], one['direct_kept_share']):.1%}",
        f"{one['p50_ms']:.3f} / {one['p99_ms']:.3f}",
        _spread(one["added_p50_ms"], ".3f"),
        _spread(one["added_p99_ms"], ".3f"),
        f"{one['slip_p99_ms']:.3f}",
        _errors(_counted([one["errors"], {f"direct_{kind}": n for kind, n in one["direct_errors"].items()}])),
    )


def _noise(results: Results, found: Mapping[str, Mapping[str, Any]], timing: Timing) -> list[str]:
    lines = []
    for label in (label for label in results if label.endswith("/2")):
        twin = label.removesuffix("/2")
        if twin not in results:
            continue
        rates = [[one.saturation.requests_per_second for one in results[name]] for name in (label, twin)]
        both = spread(round_ratios(*rates))
        line = f"A/A {twin}: {both.median:.2f} times itself ({both.low:.2f}–{both.high:.2f})"
        if "paced" in found[label] and "paced" in found[twin]:
            line += f"; added p99 {_tail(results[label])} and {_tail(results[twin])} ms"
        lines.append(line + ": differences inside this are noise")
    if timing.rounds < MIN_ROUNDS_FOR_TAIL_CLAIMS:
        lines.append(
            f"{timing.rounds} rounds say nothing certain about p99: a claim needs {MIN_ROUNDS_FOR_TAIL_CLAIMS} "
            "(--rounds) and a difference outside the A/A interval"
        )
    runs = [one for rounds in results.values() for one in rounds]
    stolen = max(one.stolen_seconds / one.saturation.seconds for one in runs)
    neighbours = max(one.neighbour_seconds / one.saturation.seconds for one in runs)
    lines.append(
        f"during a saturation run other processes took up to {neighbours:.1%} of the proxy's core, the hypervisor up "
        f"to {stolen:.1%} of a core"
    )
    return lines


def _account(label: str, rounds: Sequence[Measured], instance: Instance) -> str:
    counted = ", ".join(f"{count:,} {words}" for words, count in instance.account().items())
    answers = sum(one.saturation.requests + (one.paced.requests if one.paced else 0) for one in rounds)
    return f"{label} gave {answers:,} measured answers and counted itself: {counted}" if counted else ""


def _tail(rounds: Sequence[Measured]) -> str:
    return _spread(_paced_summary(rounds)["added_p99_ms"], ".3f")


def _describe(instance: Instance) -> str:
    return (instance.system.__doc__ or "").strip().splitlines()[0]


def _counted(errors: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in errors:
        total.update(one)
    return dict(sorted(total.items()))


def _errors(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in errors.items()) or "0"


def _spread(value: Mapping[str, float], form: str) -> str:
    one = Spread(**value)
    return f"{one.median:{form}} ({one.low:{form}}–{one.high:{form}})"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table that is also readable as text."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, *rows)
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def _read(path: str) -> str:
    return Path(path).read_text(errors="replace")
