"""How `sidecar diff` tells what it found: text, JSON, Markdown for a pull request, JUnit for a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..compatibility import Bump, Change, Comparison, Compatibility, Model, Outcome
from ..compatibility.replay import Replay, Transition
from ..junit import HEAD, attribute, content


class Told(NamedTuple):
    """One comparison, and its replay if there was one."""

    comparison: Comparison
    replay: Replay | None = None


# -- JSON


def as_json(found: Sequence[Told], mode: Compatibility, outcome: Outcome, exit_code: int) -> str:
    """The stable form; `sidecar diff --help` says its keys."""
    document = {
        "outcome": outcome.value,
        "exit_code": exit_code,
        "mode": mode.value,
        "policies": [_policy(each) for each in found],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _policy(told: Told) -> dict[str, Any]:
    one = told.comparison
    return {
        "policy": one.policy,
        "old": {"version": one.old_version, "digest": one.old_digest},
        "new": {"version": one.new_version, "digest": one.new_digest},
        "outcome": one.outcome.value,
        "bump": {
            "required": one.required.value if one.required is not None else "none",
            "actual": one.actual,
            "sufficient": one.sufficient,
            "advised": one.advised,
        },
        "notes": list(one.notes),
        "changes": [_change(each) for each in one.changes],
        "replay": _replay(told.replay) if told.replay is not None else None,
    }


def _change(each: Change) -> dict[str, Any]:
    evidence = each.evidence
    return {
        "path": each.path,
        "old": each.old,
        "new": each.new,
        "direction": each.direction,
        "caller": each.verdicts.caller.value,
        "model": each.verdicts.model.value,
        "monitor": each.verdicts.monitor.value,
        "bump": each.bump.value,
        "why": each.why,
        "owner": each.owner,
        "evidence": None
        if evidence is None
        else {
            "rows": evidence.rows,
            "changed": evidence.changed,
            "refused": evidence.refused,
            "examples": list(evidence.examples),
        },
    }


def _replay(replay: Replay) -> dict[str, Any]:
    def shares(found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: {"rows": share.rows, "changed": share.changed} for name, share in found.items()}

    return {
        "rows": replay.rows,
        "calls": replay.calls,
        "changed": replay.changed,
        "refused": replay.refused,
        "not_judged": dict(replay.unread),
        "hidden": dict(replay.hidden),
        "transitions": [
            {
                "side": each.side,
                "from": each.before,
                "to": each.after,
                "rows": each.rows,
                "calls": each.calls,
                "codes": dict(each.codes.most_common()),
                "callers": dict(each.callers.most_common()),
                "slices": dict(each.slices.most_common()),
                "examples": each.examples,
            }
            for each in transitions(replay)
        ],
        "callers": shares(replay.callers),
        "slices": shares(replay.slices),
    }


def transitions(replay: Replay) -> list[Transition]:
    """The most frequent first."""
    return sorted(replay.transitions.values(), key=lambda each: -each.rows)


# -- text


def as_text(found: Sequence[Told]) -> str:
    """For a terminal."""
    return "\n".join(line for told in found for line in _text(told)) + "\n"


def headline(one: Comparison) -> str:
    """What is found and what is to be done, in a sentence."""
    if not one.new_digest:
        return "gone: nothing judges its requests any more"
    if not one.old_digest:
        return "new"
    if not one.changes:
        return "no change"
    word = {
        Outcome.SAFE: "safe",
        Outcome.BREAKING: "BREAKING without a major bump",
        Outcome.EVIDENCE: "needs evidence or an owner's look",
    }[one.outcome]
    required = one.required
    if required is Bump.AUTHOR:
        return f"{word}; the author decides the bump"
    asks = f"asks for a {required} bump" if required is not None else ""
    made = {
        "none": "the version is the same",
        "unstated": "a version is not stated",
        "backwards": "the version went back",
    }
    has = made.get(one.actual, f"this is a {one.actual} one")
    advice = f": say version {one.advised}" if one.advised else ""
    return f"{word}; {asks}, {has}{advice}"


def groups(one: Comparison) -> Iterator[tuple[str, list[Change]]]:
    """Identity on top, what is watched and written for people below."""
    identity = [each for each in one.changes if each.verdicts.model is Model.IDENTITY]
    quiet = [each for each in one.changes if each.bump is Bump.PATCH]
    rest = [each for each in one.changes if each not in identity and each not in quiet]
    for name, changes in (("Identity", identity), ("Contract", rest), ("Monitoring and text", quiet)):
        if changes:
            yield name, changes


def _versions(one: Comparison) -> str:
    old, new = one.old_version or "no version", one.new_version or "no version"
    return f"{one.policy} {old} -> {new}"


def _text(told: Told) -> Iterator[str]:
    one = told.comparison
    yield f"{_versions(one)}: {headline(one)}"
    for note in one.notes:
        yield f"  note: {note}"
    for name, changes in groups(one):
        yield f"  {name}"
        for each in changes:
            forward = "forward, " if each.direction == "forward" else ""
            caller, model, monitor, _ = each.verdicts
            views = f"{forward}callers {caller}, model {model}, monitor {monitor}, bump {each.bump}"
            yield f"    {each.path}: {_shown(each.old)} -> {_shown(each.new)}"
            yield f"      {views}{f', owner {each.owner}' if each.owner else ''}"
            yield f"      {each.why}"
            if each.evidence is not None:
                yield f"      {_evidence(each)}"
    if told.replay is not None:
        yield from _text_replay(told.replay)


def _shown(text: str, most: int = 120) -> str:
    return (text if len(text) <= most else f"{text[: most - 1]}…") or "(not set)"


def _evidence(each: Change) -> str:
    evidence = each.evidence
    assert evidence is not None
    if not evidence.rows:
        return "evidence: no recorded row tells"
    examples = f" ({', '.join(evidence.examples)})" if evidence.examples else ""
    return (
        f"evidence: of {_many(evidence.rows, 'row')} it touches {evidence.changed} and refuses {evidence.refused} "
        f"that were not refused{examples}"
    )


def _text_replay(replay: Replay) -> Iterator[str]:
    yield f"  Replay of {_many(replay.rows, 'row')} ({_many(replay.calls, 'call')}): {replay.changed} change verdict"
    for each in transitions(replay):
        touched = f"{_many(each.rows, 'row')} of {_many(each.calls, 'call')}"
        yield f"    {each.side}: {each.before} -> {each.after}: {touched}"
        for name, counted in (("codes", each.codes), ("callers", each.callers), ("slices", each.slices)):
            if counted:
                yield f"      {name}: {_counted(counted)}"
        yield f"      examples: {', '.join(each.examples)}"
    yield from (f"    {line}" for line in _limits(replay))


def _counted(counted: Mapping[str, int], most: int = 10) -> str:
    ordered = sorted(counted.items(), key=lambda item: -item[1])
    more = f", {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(f"{name or '(no name)'} {rows}" for name, rows in ordered[:most]) + more


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _limits(replay: Replay) -> Iterator[str]:
    """What the replay cannot tell."""
    for name, rows in replay.hidden.items():
        yield f"{name} is hidden in {_many(rows, 'row')}: it was not judged there"
    for why, rows in replay.unread.items():
        yield f"{_many(rows, 'row')} could not be judged: {why}"


# -- Markdown


def as_markdown(found: Sequence[Told]) -> str:
    """For a comment on a pull request."""
    return "\n".join(line for told in found for line in _markdown(told)).rstrip() + "\n"


def _markdown(told: Told) -> Iterator[str]:
    one = told.comparison
    sign = {Outcome.SAFE: "✅", Outcome.BREAKING: "❌", Outcome.EVIDENCE: "⚠️"}[one.outcome]
    yield f"### {sign} `{one.policy}` {one.old_version or '–'} → {one.new_version or '–'}"
    yield ""
    yield _sentence(headline(one))
    yield ""
    for note in one.notes:
        yield from (f"> {note}", "")
    for name, changes in groups(one):
        quiet = name == "Monitoring and text"
        if quiet:
            yield from ("<details>", f"<summary>{name}: {len(changes)}</summary>", "")
        else:
            yield from (f"**{name}**", "")
        yield "| change | old | new | callers | model | monitor | bump | owner |"
        yield f"|{' --- |' * 8}"
        for each in changes:
            caller = f"**{each.verdicts.caller}**" if each.breaks else each.verdicts.caller.value
            path = f"{_cell(each.path)}{' (forward)' if each.direction == 'forward' else ''}"
            views = (caller, each.verdicts.model, each.verdicts.monitor, each.bump)
            cells = (path, _cell(each.old), _cell(each.new), *views, _plain(each.owner))
            yield f"| {' | '.join(str(cell) for cell in cells)} |"
        yield ""
        if quiet:
            yield from ("</details>", "")
        else:
            yield from ("<details>", "<summary>Why</summary>", "")
            for each in changes:
                evidence = f" {_sentence(_evidence(each))}" if each.evidence is not None else ""
                yield f"- {_cell(each.path)}: {_plain(each.why)}{_plain(evidence)}"
            yield from ("", "</details>", "")
    if told.replay is not None:
        yield from _markdown_replay(told.replay)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _plain(text: str) -> str:
    """Text that Markdown takes as text, in one cell."""
    signs = {
        "|": r"\|",
        "<": "&lt;",
        ">": "&gt;",
        "\n": " ",
        "`": r"\`",
        "*": r"\*",
        "_": r"\_",
        "[": r"\[",
        "@": "@\u200b",
    }
    return "".join(signs.get(sign, sign) for sign in text)


def _cell(text: str) -> str:
    if not text:
        return ""
    shown = _shown(text, 80).replace("\n", " ").replace("|", r"\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _markdown_replay(replay: Replay) -> Iterator[str]:
    rows, calls = _many(replay.rows, "recorded row"), _many(replay.calls, "call")
    yield f"**Replay**: {rows} ({calls}), {replay.changed} change verdict"
    yield ""
    if replay.transitions:
        yield "| | was | is | rows | calls | codes | callers | slices | examples |"
        yield "| --- | --- | --- | ---: | ---: | --- | --- | --- | --- |"
    for each in transitions(replay):
        counted = (_plain(_counted(found, 5)) for found in (each.codes, each.callers, each.slices))
        examples = "<br>".join(_cell(name) for name in each.examples)
        cells = (each.side, each.before, each.after, each.rows, each.calls, *counted, examples)
        yield f"| {' | '.join(str(cell) for cell in cells)} |"
    if replay.transitions:
        yield ""
    for line in _limits(replay):
        yield f"- {_plain(line)}"


# -- JUnit


def as_junit(found: Sequence[Told]) -> str:
    """One suite a policy, one case a change: a break that the version does not tell of is a failure, what needs
    evidence is skipped."""
    lines = [HEAD, '<testsuites name="sidecar diff">']
    for told in found:
        one = told.comparison
        cases = [line for each in one.changes or (None,) for line in _case(one, each)]
        failures, skipped = (sum(f"<{tag} " in line for line in cases) for tag in ("failure", "skipped"))
        suite = f"{one.policy} {one.old_version} to {one.new_version}"
        lines.append(
            f'  <testsuite name={attribute(suite)} tests="{max(len(one.changes), 1)}" failures="{failures}" '
            f'skipped="{skipped}" errors="0">'
        )
        lines += [*cases, "  </testsuite>"]
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _case(one: Comparison, each: Change | None) -> Iterator[str]:
    if each is None:
        yield f'    <testcase classname={attribute(one.policy)} name="no change"/>'
        return
    name = f"{each.path} ({each.direction})" if each.direction == "forward" else each.path
    head = f"    <testcase classname={attribute(one.policy)} name={attribute(name)}"
    message = attribute(f"{each.verdicts.caller}: {_shown(each.old)} -> {_shown(each.new)}")
    told = one.actual == Bump.MAJOR.value
    if each.breaks and not told:
        yield f"{head}>"
        yield f'      <failure type="breaking" message={message}>{content(each.why)}</failure>'
        yield "    </testcase>"
    elif each.unsettled:
        yield f"{head}>"
        yield f"      <skipped message={attribute(f'needs evidence: {each.why}')}/>"
        yield "    </testcase>"
    else:
        yield f"{head}/>"
