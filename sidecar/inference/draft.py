"""Guesses → a policy's text: what a person reads first on top, everything in `mode: observe`, an owner asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..yamldoc import quote
from .spelling import Guess, comment, guess_lines, text

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy to be written. `opening` are its first comments, `model` the lines of the model section."""

    name: str
    opening: Sequence[str]
    model: Sequence[str]
    features: Sequence[Guess] = ()
    predictions: Sequence[Guess] = ()
    baseline: str = ""
    purpose: str = ""


def policy_name(wanted: str) -> str:
    """The nearest name that a policy may have."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-.")[:100].rstrip("-.")
    return name if _NAME.fullmatch(name) else "policy"


def policy_text(draft: Draft) -> str:
    """The whole file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    for sentence in draft.opening:
        yield from comment(sentence, 0)
    yield f"policy: {quote(draft.name)}"
    yield '# owner: {team: …, contact: "#…"}   who answers for this contract? Refused callers are shown the contact'
    yield f"# purpose: {draft.purpose or 'what the model is for, in a sentence'}"
    yield ""
    yield "model:"
    yield from (f"  {line}" for line in draft.model)
    yield ""
    yield "contract:"
    yield "  mode: observe   # nothing is refused yet; `enforce` once the verdicts look right"
    if not draft.features:
        yield "  # features: what the model takes, for example"
        yield "  #   age: {type: int, min: 0, max: 120}"
    else:
        yield "  features:"
        for guess in draft.features:
            yield from guess_lines(guess, 4)
    if draft.predictions:
        yield "  prediction:"
        for guess in draft.predictions:
            yield from guess_lines(guess, 4)
    if draft.baseline:
        yield ""
        yield "lineage:"
        yield "  # counts of the same rows, for drift; regenerate it with the policy"
        yield f"  baseline: {text(draft.baseline)}"
