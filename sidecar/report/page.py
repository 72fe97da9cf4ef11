"""One HTML file that needs nothing else: no script, no font, no address; every word of the data is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

Kind = Literal["text", "figure", "time", "id"]
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:90rem;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;width:100%;font-size:14px}th,td{padding:.3rem .5rem;"
    "border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top}th{background:#f6f8fa}"
    "h2{margin-top:2rem}svg text{font:13px system-ui}svg{max-width:100%}.wide{overflow-x:auto}"
    ".figure{text-align:right}th,.figure,.time,.id{white-space:nowrap}td.id{font:12px/1.75 ui-monospace,monospace}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th{background:#161b22}"
    "th,td{border-color:#30363d}svg text{fill:#e6edf3}}"
)
_ROW_HEIGHT: Final = 24
_LABEL_WIDTH: Final = 320
_BAR_WIDTH: Final = 520


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length from 0 to 1, and the figure beside it."""

    label: str
    length: float
    figure: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts, which may have several lines; `kinds`, one a column, says how it is set: see Kind."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    kinds: Sequence[Kind]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page tells."""

    title: str
    summary: str
    table: Table
    bars_title: str = ""
    bars: Sequence[Bar] = ()


def html(page: Page) -> str:
    """The whole document."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(page.title)}</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{escape(page.title)}</h1><p>{escape(page.summary)}</p>",
    ]
    if page.bars:
        parts += [f"<h2>{escape(page.bars_title)}</h2>", _plot(page.bars)]
    if page.table.rows:
        parts += ["<h2>All groups</h2>", _table(page.table)]
    return "\n".join([*parts, "</body></html>", ""])


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(text)}</th>'
        for text, kind in zip(table.heads, table.kinds, strict=True)
    )
    rows = "\n".join(f"<tr>{_cells(row, table.kinds)}</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def _cells(row: Sequence[str], kinds: Sequence[Kind]) -> str:
    return "".join(
        f'<td class="{kind}">{escape(text).replace(chr(10), "<br>")}</td>'
        for text, kind in zip(row, kinds, strict=True)
    )


def _plot(bars: Sequence[Bar]) -> str:
    longest = max((bar.length for bar in bars), default=0.0) or 1.0
    width, height = _LABEL_WIDTH + _BAR_WIDTH + 90, _ROW_HEIGHT * len(bars)
    lines = [f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">']
    for index, bar in enumerate(bars):
        top = index * _ROW_HEIGHT
        long = max(bar.length / longest * _BAR_WIDTH, 1.0)
        lines.append(
            f'<text x="{_LABEL_WIDTH - 8}" y="{top + 16}" text-anchor="end">{escape(_short(bar.label))}</text>'
            f'<rect x="{_LABEL_WIDTH}" y="{top + 4}" width="{long:.1f}" height="{_ROW_HEIGHT - 8}" fill="#bf3989"/>'
            f'<text x="{_LABEL_WIDTH + long + 6:.1f}" y="{top + 16}">{escape(bar.figure)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _short(label: str) -> str:
    return label if len(label) <= 44 else f"{label[:43]}…"
