"""Families of series → the Prometheus text format 0.0.4, or OpenMetrics 1.0 with exemplars, as the scraper asks.

In: stats pages, and families made elsewhere. Out: one scrape. Exemplars are in OpenMetrics alone: the text format has
no place for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeAlias

import msgspec

from .metrics import TABLE, Snapshot, merge

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_OPENMETRICS: Final = "application/openmetrics-text"
_UNITS: Final = ("seconds", "bytes")


class Exemplar(msgspec.Struct, frozen=True, array_like=True):
    """One observation that can be looked up: `value` in the family's unit, `unix_seconds` when it was made."""

    trace_id: str
    span_id: str
    value: float
    unix_seconds: float


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram's state: a count per bound and one for `+Inf`, each of its bucket alone; `total` in the unit."""

    counts: Sequence[int]
    total: float
    exemplars: Sequence[Exemplar | None] = ()


Value: TypeAlias = "int | float | Buckets"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its series: label values in the order of `labels`. An `info` is a gauge of ones."""

    name: str
    type: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...]
    series: Sequence[tuple[tuple[str, ...], Value]]
    bounds: tuple[float, ...] = ()  # of a histogram, without `+Inf`


def render(
    accept: str, readings: Sequence[Snapshot], series: Iterable[Family] = (), *, info: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    """All pages and families as one scrape: (content type, body), in the format that `accept` prefers.

    `info` becomes the labels of `sidecar_build_info`. Every series of a page is there from the start, so that a rate
    sees the first increment.
    """
    open_metrics = prefers_openmetrics(accept)
    families = [*_described(info), *_of_pages(readings), *series]
    lines: list[str] = []
    for family in families:
        lines += _openmetrics(family) if open_metrics else _text(family)
    lines += ["# EOF", ""] if open_metrics else [""]
    return OPENMETRICS_TYPE if open_metrics else CONTENT_TYPE, "\n".join(lines).encode()


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header (RFC 9110 section 12.5.1) ranks OpenMetrics above the text format."""
    open_metrics = text = 0.0
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        given = dict(piece.split("=", 1) for piece in parameters if "=" in piece)
        try:
            quality = float(given.get("q", "1"))
        except ValueError:
            quality = 0.0
        if media == _OPENMETRICS and given.get("version", "1.0.0") == "1.0.0":
            open_metrics = max(open_metrics, quality)
        elif media == "text/plain":
            text = max(text, quality)
    return open_metrics > 0 and open_metrics >= text


def _described(info: Mapping[str, str] | None) -> Iterator[Family]:
    if info is not None:
        series = [(tuple(info.values()), 1)]
        yield Family("sidecar_build_info", "info", "The version that is running.", tuple(info), series)


def _of_pages(pages: Sequence[Snapshot]) -> Iterator[Family]:
    total = merge(pages)
    for metric in TABLE:
        series: list[tuple[tuple[str, ...], Value]] = []
        for values, slot in metric.slots.items():
            if metric.type == "histogram":
                *counts, sum_ns = total.counters[slot : slot + metric.width]
                series.append((values, Buckets(counts, sum_ns / 1e9)))
            else:
                series.append((values, total.gauges[slot] if metric.type == "gauge" else total.counters[slot]))
        bounds = tuple(bound / 1e9 for bound in metric.bounds_ns)
        yield Family(metric.name, metric.type, metric.help, tuple(name for name, _ in metric.labels), series, bounds)


def _text(family: Family) -> Iterator[str]:
    kind = "gauge" if family.type == "info" else family.type
    yield f"# HELP {family.name} {_escape_help(family.help)}"
    yield f"# TYPE {family.name} {kind}"
    edges = [_number(bound) for bound in family.bounds]
    for values, value in family.series:
        pairs = tuple(zip(family.labels, values, strict=True))
        if isinstance(value, Buckets):
            yield from _histogram(family.name, pairs, value, [*edges, "+Inf"], exemplars=False)
        else:
            yield f"{family.name}{_labels(pairs)} {_number(value)}"


def _openmetrics(family: Family) -> Iterator[str]:
    """OpenMetrics 1.0: a counter's family has no `_total`, an info's no `_info`; bounds are written as floats."""
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    name = family.name.removesuffix(suffix)
    yield f"# TYPE {name} {family.type}"
    unit = name.rpartition("_")[2]
    if unit in _UNITS:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {_escape(family.help)}"
    edges = [repr(float(bound)) for bound in family.bounds]
    for values, value in family.series:
        pairs = tuple(zip(family.labels, values, strict=True))
        if isinstance(value, Buckets):
            yield from _histogram(name, pairs, value, [*edges, "+Inf"], exemplars=True)
        else:
            yield f"{name}{suffix}{_labels(pairs)} {_number(value)}"


def _histogram(
    name: str, pairs: tuple[tuple[str, str], ...], value: Buckets, edges: Sequence[str], *, exemplars: bool
) -> Iterator[str]:
    total = 0
    shown = value.exemplars if exemplars and value.exemplars else [None] * len(edges)
    for edge, total, exemplar in zip(edges, accumulate(value.counts), shown, strict=True):
        line = f"{name}_bucket{_labels((*pairs, ('le', edge)))} {total}"
        yield line if exemplar is None else f"{line} {_exemplar(exemplar)}"
    yield f"{name}_sum{_labels(pairs)} {_number(value.total)}"
    yield f"{name}_count{_labels(pairs)} {total}"


def _exemplar(exemplar: Exemplar) -> str:
    """63 characters of names and values; the specification allows 128."""
    labels = _labels((("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id)))
    return f"# {labels} {_number(exemplar.value)} {exemplar.unix_seconds:.3f}"


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


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return escaped.encode("utf-8", "backslashreplace").decode()
