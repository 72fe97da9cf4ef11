"""The seam of the family: what a protocol must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias

from ..edits import Span
from ..problem import Problem
from ..rows import Change, Rows, RowTest, TypedFeature, Value


class RouteKind(StrEnum):
    """What a path is for."""

    INFERENCE = "inference"  # asks a model for an answer: must be judged
    MANAGEMENT = "management"  # changes the server: repository load/unload, shared memory, logging and trace settings
    METADATA = "metadata"
    HEALTH = "health"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Route:
    """What a request line asks for. `model_name` "" = the path does not name one; `template` is the http.route.

    `named_in_body`: the protocol's bodies name the model, see `NamesModelInBody`.
    """

    kind: RouteKind
    protocol: str
    template: str
    model_name: str = ""
    model_version: str = ""
    verb: str = ""
    named_in_body: bool = False


# Rows proven clean in this body (> 0), or 0: not proven, the exact path decides.
Acceptor: TypeAlias = Callable[[bytes], int]
# A body → its rows, where only those that may be bad are read (`Rows.numbers`); None: read it all.
Sieve: TypeAlias = Callable[[bytes], "Rows | None"]
# The model version stated in an answer proven clean for `rows` rows ("" = unstated), or None: not proven.
ReplyAcceptor: TypeAlias = Callable[[bytes, int], "str | None"]
# Lower-case request header name → its value, or None.
HeaderLookup: TypeAlias = Callable[[str], "str | None"]


class Codec(Protocol):
    """One protocol bound to one policy's features and predictions. All methods are pure; they raise WireError only.

    `location` of a feature in its `from:` form overrides the protocol's own place for it.
    """

    # Whether answers are lists of rows: a row may then be left out, and null stands in its place in the answer.
    lists_rows: ClassVar[bool]

    def request_acceptor(
        self, features: Mapping[str, TypedFeature], *, closed: bool, rules: Sequence[RowTest] = ()
    ) -> Acceptor | None:
        """A proof of cleanliness, or None where this protocol or mapping cannot give one.

        `closed`: a body with a name that is not a feature must be declined. Duplicate keys, duplicate tensors, unknown
        keys beside the protocol's own, and disagreeing shapes are always declined; so is a row that breaks a rule.
        """
        ...

    def request_sieve(self, features: Mapping[str, TypedFeature], *, rules: Sequence[RowTest] = ()) -> Sieve | None:
        """For bodies that the acceptor of the same features declined: rows proven clean are left out. None: no gain."""
        ...

    def reply_acceptor(self, predictions: Mapping[str, TypedFeature]) -> ReplyAcceptor | None:
        """As `request_acceptor`, for answers; with no predictions it only proves JSON and finds the model version."""
        ...

    def read_request(self, body: bytes, header: HeaderLookup) -> Rows:
        """The exact path: every feature of the policy by column."""
        ...

    def read_reply(self, body: bytes, null_rows: Collection[int] = ()) -> Rows:
        """The predictions by column. `null_rows` are known to be null in place of a row: their cells are MISSING."""
        ...

    def edit_request(self, body: bytes, changes: Sequence[Change], drop_rows: Collection[int] = ()) -> tuple[Span, ...]:
        """Spans that apply the cell changes and take whole rows out (shapes included)."""
        ...

    def edit_reply(
        self,
        body: bytes,
        changes: Sequence[Change],
        insert_rows: Mapping[int, Mapping[str, Value] | None] | None = None,
        null_rows: Collection[int] = (),
    ) -> tuple[Span, ...]:
        """Spans that apply the cell changes, then put whole rows in at their final positions (shapes included).

        An inserted row of None is null; `null_rows` (of the body as received) are replaced by null. Both only where
        `lists_rows`.
        """
        ...

    def fallback_reply(
        self, request_body: bytes, rows: Sequence[Mapping[str, Value] | None], *, model_name: str = ""
    ) -> bytes:
        """A whole answer in this protocol made of fallback values, echoing the request's id where the protocol asks.

        A row of None is null, where `lists_rows`.

        `model_name` is the route's, for protocols whose answers must name the model (OIP).
        """
        ...

    def compose_request(self, rows: Sequence[Mapping[str, Value]]) -> bytes:
        """A body with these rows, as a caller would send it; features that come from headers are left out.

        ValueError with a sentence for a name that the protocol has no place for.
        """
        ...


class Wire(Protocol):
    """A member of the family: a frozen dataclass, its fields are keys under `model:`."""

    kind: ClassVar[str]

    @classmethod
    def route(cls, method: str, path: str) -> Route | None:
        """Recognise a request line by its raw path (no query); None = not this protocol's."""
        ...

    @classmethod
    def inference_path(cls, model_name: str) -> str:
        """The path that asks a model (its name is escaped already); "" where only the policy's `path` can say it."""
        ...

    @classmethod
    def render(cls, problem: Problem) -> tuple[str, bytes] | None:
        """(content type, body) of a problem in this protocol's own shape; None = it has none (problem+json is used)."""
        ...

    def bind(self, features: Mapping[str, str], predictions: Sequence[str]) -> Codec:
        """A codec for these features (name → its `from:`, "" = the protocol's own place), in policy order.

        ValueError with a sentence for the policy's author when the mapping cannot work.
        """
        ...


class NamesModelInBody(Protocol):
    """What a member can do besides, where its routes say `named_in_body`."""

    @classmethod
    def model_in(cls, body: bytes) -> str:
        """The model that a request body names, "" = none. WireError for a body that cannot be read, or names two."""
        ...
