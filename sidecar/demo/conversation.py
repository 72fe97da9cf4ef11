"""Send the story through the sidecar and show each request beside its answer."""

from __future__ import annotations

import httpx

from .story import STORY, Received, Step, differences, shown
from .terminal import Terminal

_INDENT = 8
_STYLES = {"ok": "green", "observed": "yellow", "repaired": "yellow", "fallback": "cyan", "rejected": "red"}


def hold(url: str, terminal: Terminal) -> tuple[int, int]:
    """(requests sent, requests that did not go as expected)."""
    sent = unexpected = 0
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for chapter in STORY:
            terminal.say()
            terminal.say(terminal.paint(chapter.title, "bold"))
            for step in chapter.steps:
                sent += 1
                unexpected += not _show(step, _send(client, step), terminal)
    return sent, unexpected


def _send(client: httpx.Client, step: Step) -> Received:
    headers = {"content-type": "application/json"} if step.body is not None else {}
    try:
        reply = client.request(step.method, step.path, content=step.body, headers=headers)
    except httpx.TransportError as error:
        return Received(0, "", f"no answer: {error}")
    model = step.path.split("/")[3]
    return Received(
        reply.status_code,
        reply.headers.get("x-contract-verdict", ""),
        shown(model, reply.status_code, reply.content),
    )


def _show(step: Step, received: Received, terminal: Terminal) -> bool:
    found = differences(step.expected, received)
    mark = terminal.paint("✗", "red") if found else terminal.paint("✓", "green")
    verdict = received.verdict or "(not judged)"
    style = _STYLES.get(verdict.split(";")[0], "dim")
    terminal.say(f"  {mark} {step.title}")
    if step.sent:
        terminal.say(terminal.paint("      sent  ", "dim") + terminal.cut(step.sent, _INDENT + 4))
    line = f"{received.status}  "
    answer = terminal.cut(received.answer, _INDENT + len(line) + len(verdict) + 6)
    terminal.say(
        terminal.paint("      got   ", "dim")
        + terminal.paint(line, "bold")
        + terminal.paint(verdict, style)
        + terminal.paint("  →  ", "dim")
        + answer
    )
    for difference in found:
        terminal.say("      " + terminal.paint(difference, "red"))
    return not found
