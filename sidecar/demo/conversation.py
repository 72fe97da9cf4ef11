"""Send the story through the sidecar and show each request beside its answer."""

from __future__ import annotations

import httpx

from .story import STORY, Received, Step, differences, shown
from .terminal import Terminal

TITLE_COLUMNS = 40
_STYLES = {"ok": "green", "observed": "yellow", "repaired": "yellow", "fallback": "cyan", "rejected": "red"}


def hold(url: str, terminal: Terminal) -> tuple[list[Received], list[str]]:
    """What came back, in order, and what was not as expected."""
    answers: list[Received] = []
    unexpected: list[str] = []
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for chapter in STORY:
            terminal.say()
            terminal.say(terminal.paint(chapter.title, "bold"))
            for step in chapter.steps:
                received = _send(client, step)
                found = differences(step.expected, received)
                _show(step, received, found, terminal)
                answers.append(received)
                unexpected += [f"{step.title}: {difference}" for difference in found]
    return answers, unexpected


def _send(client: httpx.Client, step: Step) -> Received:
    headers = {"content-type": "application/json"} if step.body is not None else {}
    try:
        reply = client.request(step.method, step.path, content=step.body, headers=headers)
    except httpx.TransportError as error:
        return Received(0, "", f"no answer: {error}")
    answer = shown(step.model, reply.status_code, reply.content)
    verdict, named = (reply.headers.get(name, "") for name in ("x-contract-verdict", "x-prediction-id"))
    return Received(reply.status_code, verdict, answer, named)


def _show(step: Step, received: Received, found: list[str], terminal: Terminal) -> None:
    mark = terminal.paint("✗", "red") if found else terminal.paint("✓", "green")
    verdict = received.verdict or "not judged"
    style = _STYLES.get(verdict.partition(";")[0], "dim")
    terminal.say(f"  {mark} {step.title:<{TITLE_COLUMNS}} {received.status}  {terminal.paint(verdict, style)}")
    sent = step.sent or f"GET {step.path}"
    for line in terminal.wrap(f"{sent}  →  {received.answer}", 4, 6):
        terminal.say(terminal.paint(line, "dim"))
    for difference in found:
        terminal.say("    " + terminal.paint(difference, "red"))
