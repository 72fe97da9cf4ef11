"""What the observers made of the story: how far the candidate agrees, one request's spans, two explanations, a search.

None of it was in a request's way: the demo waits for it as a person would who reloads the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import httpx

from . import records
from .launch import Running
from .receiver import Span
from .story import CLAMPED, MANY, REFUSED, STORY, UNLIKELY, Received, titled
from .terminal import Terminal

FIND: Final = 'verdict == "fallback" and bmi < 20'
TOLD: Final = ("policy", "verdict", "answered", "violation", "repaired", "features", "delivered")  # of an explanation
_WAIT_SECONDS: Final = 20.0
_Found = TypeVar("_Found")


def show(running: Running, answers: list[Received], terminal: Terminal) -> list[str]:
    """Print it; what is not as expected, one sentence each."""
    return [
        *_candidate(running, answers, terminal),
        *_trace(running, titled(answers, MANY).prediction_id, terminal),
        *_explained(running, answers, terminal),
        *_page(f"{running.admin}/"),
    ]


def _candidate(running: Running, answers: list[Received], terminal: Terminal) -> list[str]:
    steps = [step for chapter in STORY for step in chapter.steps]
    judged = sum(step.model == "diabetes" and bool(got.verdict) for step, got in zip(steps, answers, strict=True))

    def settled() -> Mapping[str, Any] | None:
        try:
            told = httpx.get(f"{running.admin}/api/shadow", trust_env=False, timeout=5).json()
        except (httpx.TransportError, ValueError):
            return None
        done = [each for each in told.get("candidates", ()) if sum(each["outcomes"].values()) >= judged]
        return done[0] if done and not told["open"] else None

    with terminal.busy("waiting for the candidate's answers") as tick:
        told = _eventually(settled, tick)
    terminal.say()
    terminal.say(terminal.paint("what a retrained model would have answered", "bold"))
    if told is None:
        return [f"{running.admin}/api/shadow does not tell of {judged} exchanges"]
    for line in agreement(told):
        terminal.say("  " + terminal.cut(line, 2))
    return disagreement(told)


def agreement(told: Mapping[str, Any]) -> list[str]:
    """A candidate's entry of /api/shadow in a few lines."""
    units = told["units"]
    answered = f"{units['compared']} rows compared, {units['failed']} failed, coverage {told['coverage']:.0%}"
    lines = [f"{told['candidate']}  {answered}"]
    for name, output in told["outputs"].items():
        within = f"within {output['compare']['tolerance']:g} " if output["compare"] else ""
        lines.append(f"{name}  agrees {within}in {output['agreement']:.0%} of the rows")
        lines.append(f"differs by {output['difference_mean']:.1f} on average, {output['difference_max']:.1f} at most")
    return lines


def disagreement(told: Mapping[str, Any]) -> list[str]:
    """What does not fit to the two models of the demo, one sentence each."""
    found = []
    if told["units"]["failed"] or told["coverage"] != 1:
        found.append(f"the candidate did not answer everything: {told['outcomes']}")
    share = told["agreement"]
    if share is None or not 0.5 < share < 1:
        found.append(f"the candidate agrees in {share} of the rows, expected more than half and not all")
    return found


def _trace(running: Running, prediction_id: str, terminal: Terminal) -> list[str]:
    def arrived() -> list[Span] | None:
        spans = running.receiver.of(prediction_id)
        return spans if not unlinked(spans) else None

    with terminal.busy("waiting for spans") as tick:
        spans = _eventually(arrived, tick) or running.receiver.of(prediction_id)
    terminal.say()
    terminal.say(terminal.paint("the trace of the whole ward, as a collector got it", "bold"))
    for span in sorted(spans, key=lambda span: (bool(span.linked), bool(span.parent_id))):
        terminal.say("  " + terminal.cut(_line(span), 2))
    return unlinked(spans)


def _line(span: Span) -> str:
    told = [span.attributes[name] for name in ("sidecar.verdict", "sidecar.shadow.outcome") if name in span.attributes]
    if span.linked:
        told.append(f"linked to {span.linked[0][:8]}")
    return f"{span.trace_id[:8]}  {span.kind:<7} {span.milliseconds:>5.1f} ms  {span.name}  {', '.join(told)}".rstrip()


def unlinked(spans: list[Span]) -> list[str]:
    """What is missing: the caller's span, the model's as its child, the candidate's linked to them."""
    server = [span for span in spans if span.kind == "SERVER"]
    if len(server) != 1:
        return [f"{len(server)} SERVER spans came, expected 1"]
    found = []
    if not any(span.parent_id == server[0].span_id for span in spans):
        found.append("no CLIENT span under the SERVER span came")
    if not any(server[0].trace_id in span.linked for span in spans):
        found.append("no span of the copy came that is linked to its request")
    return found


def _explained(running: Running, answers: list[Received], terminal: Terminal) -> list[str]:
    unexpected = []
    for title, word in ((CLAMPED, "repaired"), (REFUSED, "rejected")):
        named = titled(answers, title).prediction_id
        told = _say_command(terminal, running, "explain", named)
        lines = [line for line in told.splitlines() if line.split(None, 1)[:1] and line.split()[0] in TOLD]
        for line in lines:
            terminal.say(terminal.cut("  " + line.strip(), 0))
        if not any(line.split()[:2] == ["verdict", word] for line in lines):
            unexpected.append(f"sidecar explain {named} does not say {word}")
    found = _say_command(terminal, running, "find", FIND).split()
    for each in found:
        terminal.say(f"  {each}")
    wanted = titled(answers, UNLIKELY).prediction_id
    return unexpected if found == [wanted] else [*unexpected, f"sidecar find named {found}, expected {wanted}"]


def _page(url: str) -> list[str]:
    try:
        status = httpx.get(url, trust_env=False, timeout=10).status_code
    except httpx.TransportError as error:
        return [f"the admin page at {url} does not answer: {error}"]
    return [] if status == httpx.codes.OK else [f"the admin page at {url} answers {status}"]


def _say_command(terminal: Terminal, running: Running, command: str, argument: str) -> str:
    shown = f"'{argument}'" if " " in argument else argument
    terminal.say()
    terminal.say(terminal.paint(f"sidecar {command} {shown}", "bold"))
    done = records.run(command, argument, "--data", str(running.data))
    return done.stdout if done.returncode == 0 else done.stderr


def _eventually(look: Callable[[], _Found | None], tick: Callable[[], None]) -> _Found | None:
    """The first thing that is there, or None when nothing comes in time."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (found := look()) is None and time.monotonic() < deadline:
        tick()
    return found
