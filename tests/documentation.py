"""The parts of the documents that come from the code, and how they are written anew: `make docs`.

A page has `<!-- begin NAME -->` and `<!-- end NAME -->`; between them stands what `TABLES[NAME]()` says.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from sidecar.cli import build_parser
from sidecar.runtime.settings import SETTINGS
from sidecar.telemetry.metrics import TABLE

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", ROOT / "policies" / "README.md")


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """Name → parser and help of its sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (choice, helps.get(name, "")) for name, choice in action.choices.items()}
    return {}


def commands() -> str:
    """Every command, with its sub-commands."""
    rows = []
    for name, (parser, text) in subcommands(build_parser()).items():
        inner = "\\|".join(subcommands(parser))
        rows.append((f"`sidecar {name}{' ' + inner if inner else ''}`", text))
    return table(("command", "does"), rows)


def flags() -> str:
    """Every setting of `serve`."""
    rows = [(f"`{each.flag} {each.metavar}`", each.default and f"`{each.default}`", each.doc) for each in SETTINGS]
    return table(("flag", "default", "what"), rows)


def metrics() -> str:
    """Every metric family."""
    rows = [(f"`{each.name}`", each.type, ", ".join(name for name, _ in each.labels), each.help) for each in TABLE]
    return table(("metric", "type", "labels", "what"), rows)


TABLES: Final[dict[str, Callable[[], str]]] = {"commands": commands, "flags": flags, "metrics": metrics}


def render(page: str) -> str:
    """The page with every table of `TABLES` written anew."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        page = re.sub(pattern, lambda found: f"{found[1]}{make()}\n{found[2]}", page, flags=re.DOTALL)  # noqa: B023
    return page


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(render(path.read_text()))
