"""Stats pages → the Prometheus text format 0.0.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from .metrics import TABLE, Metric, Snapshot, merge

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def render_prometheus(pages: Sequence[Snapshot], *, info: Mapping[str, str] | None = None) -> bytes:
    """All pages as one scrape. `info` becomes the labels of `sidecar_build_info`. Every series is there from the start,
    so that a rate sees the first increment."""
    total = merge(pages)
    lines: list[str] = []
    if info is not None:
        lines += _head("sidecar_build_info", "gauge", "The version that is running.")
        lines.append(f"sidecar_build_info{_labels(tuple(info.items()))} 1")
    for metric in TABLE:
        lines += _head(metric.name, metric.type, metric.help)
        for values, slot in metric.slots.items():
            pairs = tuple((label, value) for (label, _), value in zip(metric.labels, values, strict=True))
            if metric.type == "histogram":
                lines += _histogram(metric, pairs, total.counters[slot : slot + metric.width])
            elif metric.type == "gauge":
                lines.append(f"{metric.name}{_labels(pairs)} {_number(total.gauges[slot])}")
            else:
                lines.append(f"{metric.name}{_labels(pairs)} {total.counters[slot]}")
    lines.append("")
    return "\n".join(lines).encode()


def _head(name: str, kind: str, text: str) -> list[str]:
    escaped = text.replace("\\", r"\\").replace("\n", r"\n")
    return [f"# HELP {name} {escaped}", f"# TYPE {name} {kind}"]


def _histogram(metric: Metric, pairs: tuple[tuple[str, str], ...], slots: Sequence[int]) -> list[str]:
    *buckets, sum_ns = slots
    totals = list(accumulate(buckets))
    edges = [_number(bound / 1e9) for bound in metric.bounds_ns] + ["+Inf"]
    lines = [
        f"{metric.name}_bucket{_labels((*pairs, ('le', edge)))} {total}"
        for edge, total in zip(edges, totals, strict=True)
    ]
    lines.append(f"{metric.name}_sum{_labels(pairs)} {_number(sum_ns / 1e9)}")
    lines.append(f"{metric.name}_count{_labels(pairs)} {totals[-1]}")
    return lines


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    if not pairs:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in pairs) + "}"


def _escape(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return escaped.encode("utf-8", "backslashreplace").decode()
