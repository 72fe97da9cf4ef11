"""The parts of the documents that come from the code, and how they are written anew: `make docs`.

A page has `<!-- begin NAME -->` and `<!-- end NAME -->`; between them stands what `PARTS[NAME]()` says.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from sidecar.cli import COMMANDS
from sidecar.expression import FUNCTIONS
from sidecar.policy import Policy
from sidecar.policy.codes import CODES, anchor
from sidecar.policy.platform import Platform
from sidecar.policytest import Suite
from sidecar.runtime.settings import SETTINGS
from sidecar.telemetry.events import LOG_EVENTS
from sidecar.telemetry.metrics import TABLE
from sidecar.telemetry.series import ALERT_TABLE, RECORD_TABLE
from sidecar.telemetry.spans import ATTRIBUTES
from sidecar.yamldoc import schema_of

from . import chart_reference, policy_reference

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", ROOT / "policies" / "README.md", ROOT / "helm" / "README.md")


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    subparsers = argparse.ArgumentParser(prog="sidecar").add_subparsers()
    importlib.import_module(f"sidecar.cli.{command}").add(subparsers)
    parser: argparse.ArgumentParser = subparsers.choices[command]
    return parser


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name → parser of its sub-commands."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def commands() -> str:
    """Every command, with its sub-commands."""
    rows = []
    for name, text in COMMANDS.items():
        inner = " ".join(["", "|".join(subcommands(parser_of(name)))]).rstrip()
        rows.append((f"`sidecar {name}{inner}`", text))
    return table(("command", "does"), rows)


def flags() -> str:
    """Every setting of `serve`."""
    rows = [(f"`{each.flag} {each.metavar}`", each.default and f"`{each.default}`", each.doc) for each in SETTINGS]
    return table(("flag", "default", "what"), rows)


def metrics() -> str:
    """Every metric family."""
    rows = [(f"`{each.name}`", each.type, ", ".join(name for name, _ in each.labels), each.help) for each in TABLE]
    rows += [(f"`{each.name}`", each.type, ", ".join(each.labels), each.help) for each in (*RECORD_TABLE, *ALERT_TABLE)]
    return table(("metric", "type", "labels", "what"), rows)


def policy_keys() -> str:
    """Every key of a policy, then those of sidecar.yaml that a policy does not have."""
    parts = []
    seen: set[str] = set()
    for title, schema in (("A policy", schema_of(Policy)), ("sidecar.yaml", schema_of(Platform))):
        parts.append(f"## {title}")
        for path, sentence, rows in policy_reference.sections(schema, seen):
            parts += [f"### `{path}`"] if path else []
            parts += [sentence, table(("key", "what", "default"), rows)]
    return "\n\n".join(parts)


def suite_keys() -> str:
    """Every key of a policy's tests."""
    parts = []
    for path, sentence, rows in policy_reference.sections(schema_of(Suite), set()):
        parts += [f"### `{path}` of a test file" if path else sentence]
        parts += [sentence] if path else []
        parts += [table(("key", "what", "default"), rows)]
    return "\n\n".join(parts)


def findings() -> str:
    """Every code that a finding of `check` can have."""
    rows = [(f'<a id="{anchor(code)}"></a>`{code}`', means, mend) for code, (means, mend) in sorted(CODES.items())]
    return table(("code", "means", "mend"), rows)


def spans() -> str:
    """Every attribute of the spans."""
    return table(("attribute", "span", "what"), [(f"`{name}`", on, what) for name, (on, what) in ATTRIBUTES.items()])


def events() -> str:
    """Every event of the log."""
    return table(("event", "says"), [(f"`{name}`", what) for name, what in LOG_EVENTS.items()])


def chart_values() -> str:
    """Every value of the chart."""
    return table(("value", "what", "default"), chart_reference.rows())


def functions() -> str:
    """The functions of expressions."""
    return table(("function", "gives"), ((f"`{each.written}`", each.doc) for each in FUNCTIONS.values()))


PARTS: Final[dict[str, Callable[[], str]]] = {
    "chart-values": chart_values,
    "commands": commands,
    "events": events,
    "findings": findings,
    "flags": flags,
    "functions": functions,
    "metrics": metrics,
    "policy-keys": policy_keys,
    "spans": spans,
    "test-keys": suite_keys,
}


def render(page: str) -> str:
    """The page with every part of `PARTS` written anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if begin in page:
            before, _, rest = page.partition(begin)
            page = f"{before}{begin}{make()}\n{end}{rest.partition(end)[2]}"
    return page


def policies_of(page: str) -> list[str]:
    """The policies in a page's YAML blocks."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    return [document for block in blocks for document in block.split("---\n")]


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(render(path.read_text()))
