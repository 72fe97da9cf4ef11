"""Events: every one that is logged is declared, and the other way round."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sidecar
from sidecar.telemetry.events import ACCESS, LOG_EVENTS, RECOVERIES, is_good_news

PACKAGE = Path(sidecar.__file__).parent
SAYERS = {"log", "_log", "say", "_say", "debug", "info", "warning", "error"}
FINDERS = {"contract", "expression", "policy"}  # rooms that log nothing: their errors are findings
NAME = re.compile(r"[a-z_]+\.[a-z_]+")


def logged() -> Iterator[str]:
    """The first argument of every call that says something."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in FINDERS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            said = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if said == "set_aside":
                said, first = "log", node.args[2]
            if said == "to_thread" and getattr(first, "attr", "") == "load_or_begin":  # says it of a file that is none
                said, first = "log", node.args[2]
            if said in SAYERS and isinstance(first, ast.Constant) and NAME.fullmatch(str(first.value)):
                yield str(first.value)


def test_every_event_that_is_logged_is_declared() -> None:
    assert set(logged()) - LOG_EVENTS.keys() == set(), "add it to sidecar/telemetry/events.py, then `make docs`"


def test_every_event_that_is_declared_is_logged() -> None:
    assert LOG_EVENTS.keys() - {ACCESS} - set(logged()) == set()


def test_names_are_a_noun_and_what_became_of_it() -> None:
    assert [name for name in LOG_EVENTS if not NAME.fullmatch(name)] == []
    assert list(LOG_EVENTS)[1:] == sorted(list(LOG_EVENTS)[1:])


def test_a_recovery_is_no_warning_unless_something_was_lost() -> None:
    assert RECOVERIES.keys() <= LOG_EVENTS.keys()
    assert is_good_news("observer.recovered", {"failures": 3, "lost": 0})
    assert not is_good_news("observer.recovered", {"failures": 3, "lost": 2})
    assert is_good_news("journal.recovered", {"dropped": 0})
    assert not is_good_news("journal.recovered", {"dropped": 1})
    assert is_good_news("alert.cleared", {"policy": "credit"})
    assert not is_good_news("observer.failed", {"lost": 0})
