"""What probing can find: a closed set of kinds, how much each matters, and what it means for the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from .cases import About, Row


class Severity(StrEnum):
    """ERROR: a promise is broken. WARNING: somebody should look. NOTE: worth knowing when writing the contract."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Kind(StrEnum):
    """What was found."""

    SERVER_ERROR = "server_error"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    OUTPUT = "output"
    NON_DETERMINISTIC = "non_deterministic"
    BATCH = "batch"
    BREAKS_OUTSIDE = "breaks_outside"
    UNKNOWN_MATTERS = "unknown_matters"
    ANSWERS_OUTSIDE = "answers_outside"
    NO_EFFECT = "no_effect"


MEANING: Final[Mapping[Kind, tuple[Severity, str]]] = {
    Kind.SERVER_ERROR: (Severity.ERROR, "the contract allows the row, the server fails on it"),
    Kind.NO_ANSWER: (Severity.ERROR, "the contract allows the row, no answer came"),
    Kind.REFUSED: (Severity.ERROR, "the contract allows the row, the server refuses it"),
    Kind.UNREADABLE: (Severity.ERROR, "the answer is not what the protocol says"),
    Kind.OUTPUT: (Severity.ERROR, "the row is good, the prediction is not"),
    Kind.NON_DETERMINISTIC: (Severity.WARNING, "the same row gets different predictions"),
    Kind.BATCH: (Severity.WARNING, "a row gets another prediction in a batch than alone"),
    Kind.BREAKS_OUTSIDE: (Severity.WARNING, "the server fails on what it should refuse: only the contract protects it"),
    Kind.UNKNOWN_MATTERS: (Severity.WARNING, "a name nobody declared changes the answer"),
    Kind.ANSWERS_OUTSIDE: (Severity.NOTE, "the server answers what the contract forbids: only the contract stops it"),
    Kind.NO_EFFECT: (Severity.NOTE, "no value of the feature changed the prediction: is it wired to the model?"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `features` are those that matter, after shrinking; `row` is the smallest that shows it."""

    kind: Kind
    about: About
    features: tuple[str, ...]
    detail: str
    row: Row
    body: bytes = b""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return MEANING[self.kind][0]

    @property
    def means(self) -> str:
        """What it means for the contract."""
        if self.about is About.UNKNOWN and self.severity is Severity.ERROR:
            return "the contract lets pass what nobody declared, the server does not: unknown_features: strip or reject"
        return MEANING[self.kind][1]

    def as_json(self) -> dict[str, Any]:
        """Plain values; `body` can be sent again as it is."""
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "about": self.about.value,
            "features": list(self.features),
            "detail": self.detail,
            "means": self.means,
            "row": dict(self.row),
            "body": self.body.decode(errors="replace"),
        }
