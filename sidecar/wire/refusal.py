"""One string for a caller who was refused, as the protocols with `{"error": "<string>"}` want it."""

from __future__ import annotations

from typing import Final

import msgspec

from ..problem import Disclosure, Problem
from ..verdict import MAX_LISTED_VIOLATIONS

MAX_PART_LENGTH: Final = 256  # of a title, a detail, a code, a pointer, a sentence
_MAX_CONTACTS: Final = 3
CONTENT_TYPE: Final = "application/json"


def error_string(problem: Problem) -> str:
    """`contract-violation: …; age.min at /inputs/0/data/0; and 3 more; ask #team [request 0192…]`; never a value.

    minimal: the kind and the request id. codes: also title, detail, codes and pointers. full: also each sentence.
    """
    request = f" [request {_cut(problem.request_id)}]" if problem.request_id else ""
    if problem.disclosure is Disclosure.MINIMAL:
        return f"{problem.kind}{request}"
    parts = [f"{problem.kind}: {_cut(problem.title)}"]
    if problem.detail:
        parts.append(_cut(problem.detail))
    listed = problem.violations[:MAX_LISTED_VIOLATIONS]
    for violation in listed:
        place = problem.place_of(violation)
        where = f" at {_cut(place)}" if place else ""
        sentence = f": {_cut(violation.message)}" if problem.disclosure is Disclosure.FULL else ""
        parts.append(f"{_cut(violation.code)}{where}{sentence}")
    contacts = dict.fromkeys(contact for each in listed if (contact := problem.contact_of(each)))
    more = max(problem.violations_total, len(problem.violations)) - len(listed)
    if more > 0:
        parts.append(f"and {more} more")
    if contacts:
        parts.append(f"ask {', '.join(map(_cut, list(contacts)[:_MAX_CONTACTS]))}")
    return "; ".join(parts) + request


def error_object(problem: Problem) -> tuple[str, bytes]:
    """(content type, body) of `{"error": "<string>"}`: OIP required_api.md, TensorFlow Serving api_rest.md."""
    return CONTENT_TYPE, msgspec.json.encode({"error": error_string(problem)})


def _cut(text: str) -> str:
    return text if len(text) <= MAX_PART_LENGTH else text[: MAX_PART_LENGTH - 1] + "…"
