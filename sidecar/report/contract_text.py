"""The contract report as lines for a person, as JSON, and as rows of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from .contract import ContractReport, Group
from .page import Bar, Kind, Page, Table

MOST_GROUPS: Final = 50
NOBODY: Final = "nobody"


def as_json(report: ContractReport) -> dict[str, Any]:
    """A stable object: names of the interface, shares as fractions."""
    return {
        "report": "contract",
        "as": _as(report),
        "by": list(report.by),
        "first": report.first,
        "last": report.last,
        "rows": report.rows,
        "requests": report.requests,
        "refused": report.refused,
        "refused_rows": report.refused_rows,
        "candidate": [
            {"active": active, "candidate": beside, "rows": rows} for (active, beside), rows in _beside(report)
        ],
        "unread": report.unread,
        "violations_not_listed": report.not_listed,
        "groups": [
            {
                "by": dict(group.by),
                "judged": group.judged,
                "rows": group.rows,
                "share": group.share,
                "refused_rows": group.refused_rows,
                "refused": group.refused,
                "first": group.first,
                "last": group.last,
                "codes": dict(group.codes),
                "days": dict(group.days),
                "owners": [each._asdict() for each in group.owners],
                "examples": list(group.examples),
            }
            for group in report.groups
        ],
    }


def as_text(report: ContractReport, where: str = "") -> str:
    """Aligned columns, the worst first, and a word on how to look further; `where` are the flags that say in what."""
    return "\n".join(_lines(report, where))


def as_page(report: ContractReport) -> Page:
    """What the HTML file holds."""
    rows = [[*_cells(group), "\n".join(group.codes), "\n".join(group.examples)] for group in report.groups]
    kinds: list[Kind] = ["text"] * len(report.by)
    kinds += ["figure", "figure", "figure", "figure", "figure", "time", "time", "text", "text", "id"]
    bars = [
        Bar(" · ".join(value or "-" for value in group.by.values()), group.share, f"{group.share:.2%}")
        for group in report.groups[:MOST_GROUPS]
    ]
    return Page(
        title="Who breaks the contract",
        summary=_summary(report),
        table=Table((*_heads(report), "codes", "examples"), rows, kinds),
        bars_title="Share of judged rows that break something",
        bars=bars,
    )


def _as(report: ContractReport) -> str:
    if report.candidate:
        return "candidate"
    return "enforce" if report.as_enforced else "recorded"


def _summary(report: ContractReport) -> str:
    if not report.rows:
        return f"no judged rows in this time{', under a policy with a candidate' if report.candidate else ''}"
    would = "would be refused if every policy and rule enforced" if report.as_enforced else "were refused"
    if report.candidate:
        would = "would be refused under the candidate"
    return (
        f"{_count(report.rows)} rows of {report.requests} requests from {report.first} to {report.last}: "
        f"{report.refused} requests {would} ({_count(report.refused_rows)} rows)"
    )


def _beside(report: ContractReport) -> list[tuple[tuple[str, str], float]]:
    """The most first."""
    return sorted(report.beside.items(), key=lambda item: (-item[1], item[0]))


def _disagreement(report: ContractReport) -> Iterator[str]:
    """The rows of policies with a candidate, by what both contracts would do with them."""
    if not report.beside:
        return
    rows = sum(report.beside.values())
    other = sum(weight for (active, candidate), weight in report.beside.items() if active != candidate)
    yield ""
    yield f"under the contract and its candidate, both as if enforced: {other / rows:.2%} of the rows differ"
    lines = [[active, beside, _count(weight), f"{weight / rows:.2%}"] for (active, beside), weight in _beside(report)]
    yield from columns([["active", "candidate", "rows", "share"], *lines], left=2, last=0)


def _lines(report: ContractReport, where: str) -> Iterator[str]:
    yield _summary(report)
    if report.groups:
        yield ""
        shown = report.groups[:MOST_GROUPS]
        yield from columns([_heads(report), *[_cells(group) for group in shown]], left=len(report.by))
        if len(report.groups) > len(shown):
            yield f"… {len(report.groups) - len(shown)} more groups; --format json has them all"
        example = next((name for group in shown for name in group.examples), "")
        yield ""
        yield f"look at one: sidecar explain {example}" + (f" {where}" if where else "")
    elif report.rows:
        yield "no violation was recorded"
    yield from _disagreement(report)
    if report.not_listed:
        yield f"{report.not_listed} more violations are counted in the records, which list 20 of a request"
    if report.unread:
        rows = "1 row" if report.unread == 1 else f"{report.unread} rows"
        yield f"{rows} could not be read (not as the protocol says, streamed, too large to keep, or gone)"


def _heads(report: ContractReport) -> list[str]:
    return [*report.by, "judged", "break", "share", "rows refused", "requests", "since", "last", "owner"]


def _cells(group: Group) -> list[str]:
    owners = [" ".join(word for word in (each.owner, each.contact) if word) or NOBODY for each in group.owners]
    sources = sorted({each.source for each in group.owners if each.source})
    owner = ", ".join(dict.fromkeys(owners)) + (f" (from {', '.join(sources)})" if sources else "")
    return [
        *(value or "-" for value in group.by.values()),
        _count(group.judged),
        _count(group.rows),
        f"{group.share:.2%}",
        _count(group.refused_rows),
        str(group.refused),
        group.first[:16].replace("T", " "),
        group.last[:16].replace("T", " "),
        owner,
    ]


def _count(weight: float) -> str:
    """Rows that stand for others make fractions: shown whole, marked as an estimate."""
    return str(int(weight)) if weight == int(weight) else f"~{weight:.0f}"


def columns(rows: Sequence[Sequence[str]], *, left: int, last: int = 3) -> Iterator[str]:
    """Rows as aligned lines: the first `left` columns and the `last` ones are text, the others figures."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if index < left or index >= len(row) - last else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
