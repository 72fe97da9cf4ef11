"""JSON read exactly: RFC 8259 and nothing more, each key once, or a `WireError` that says where.

msgspec decides validity and builds the values (it refuses BOM, NaN, lone surrogates, overflow; whole numbers stay
exact); repeated keys show as colons without a key. Nothing here is quadratic or recursive in Python, and what would
take long is refused by counting bytes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

from ..errors import WireError, WireFault

# None, bool, int, float, str, list, dict
Document: TypeAlias = Any
Token: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a body a check may spend on.

    `elements` bounds commas plus colons (those in strings count too), `depth` nesting, `digits` the digits of a
    whole number.
    """

    elements: int = 800_000
    depth: int = 128
    digits: int = 400


DEFAULT_LIMITS: Final = Limits()
MAX_POINTER_LENGTH: Final = 256

_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_LOOKS: Final = 32  # at so many places of a number that is too long there must be digits
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NONFINITE: Final = re.compile(rb"(?<=[\[,:\s])(?:NaN|-?Infinity)(?=[\s,\]}])|^(?:NaN|-?Infinity)$")
_AT_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_STRING_OR_NUMBER: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_NUMBER: Final = re.compile(rb"[-+.0-9eE]+")
_decode: Final = msgspec.json.Decoder().decode

# What msgspec says → what we say. Anything else is "unexpected bytes": no text of another library reaches a caller.
_REASONS: Final = (
    ("truncated", "it ends too early"),
    ("trailing characters", "there are bytes after the value"),
    ("trailing comma", "a comma is followed by nothing"),
    ("invalid number", "a number is not spelled as JSON numbers are"),
    ("surrogate", "an escaped surrogate has no partner"),
    ("escape", "a string has an unknown escape"),
    ("expected ':'", "a key is not followed by a colon"),
    ("object keys must be strings", "a key is not a string"),
    ("invalid character", "a character is out of place"),
)


def parse(body: bytes, *, allow_nonfinite: bool = False, limits: Limits = DEFAULT_LIMITS) -> Document:
    """The value of a JSON body: whole numbers exact, keys unique.

    `allow_nonfinite` also takes the bare tokens NaN, Infinity and -Infinity (TensorFlow Serving's REST API).
    WireError: MALFORMED, AMBIGUOUS (a key twice), TOO_LARGE (`limits`).
    """
    colons = body.count(b":")
    if len(body) > limits.elements and colons + body.count(b",") > limits.elements:
        raise WireError(WireFault.TOO_LARGE, f"the body has more than {limits.elements:,} elements: send fewer at once")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise WireError(
            WireFault.MALFORMED, f"the body is not UTF-8: see byte {error.start}", offset=error.start
        ) from None
    value, nonfinite = _validated(body, text, allow_nonfinite, limits)
    keys, levels = _measured(value)
    # Each key in the text has one colon outside strings: fewer keys in the value mean that one came twice.
    twins = not nonfinite and keys != colons and keys != _colons(body)
    if twins:  # a value that is not in the document is in the text
        levels = depth(body, limits.depth)
    if levels > limits.depth:
        _refuse_depth(limits)
    if len(body) > limits.digits:
        _refuse_long_numbers(body, limits)
    return _with_twins(text) if twins else value


def depth(body: bytes, limit: int) -> int:
    """How deep a valid body nests, at most `limit + 1`. Each pass takes away the innermost brackets, all at once."""
    brackets = without_strings(body).translate(_BRACKETS, _NOT_BRACKETS).translate(_BRACKETS)
    levels = 0
    while brackets and levels <= limit:
        brackets = brackets.replace(b"[]", b"")
        levels += 1
    return levels


def without_strings(body: bytes) -> bytes:
    """A valid body without the insides of its strings: in valid JSON a backslash stands in strings only."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b'""'.join(body.split(b'"')[::2])


def pointer_to(tokens: Sequence[Token]) -> str:
    """RFC 6901: the pointer made of these keys and indexes."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def tokens_of(pointer: str) -> tuple[str, ...]:
    """RFC 6901: the keys and indexes of a pointer. ValueError with a sentence when it is not one."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"`{pointer}` is not a JSON Pointer: write `/{pointer}`")
    if re.search(r"~(?![01])", pointer):
        raise ValueError(f"`{pointer}` is not a JSON Pointer: write `~0` for `~` and `~1` for `/` inside a key")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def shown(tokens: Sequence[Token]) -> str:
    """A pointer for an error: a body's own keys may be long, an error may not."""
    pointer = pointer_to(tokens)
    return pointer if len(pointer) <= MAX_POINTER_LENGTH else pointer[: MAX_POINTER_LENGTH - 1] + "…"


def refuse_lookalikes(members: Mapping[str, Any], names: Sequence[str], path: Sequence[Token] = ()) -> None:
    """WireError AMBIGUOUS for `Inputs` beside `inputs`: the JSON decoders of Go and .NET take either for the other.

    They fold as Unicode does, so `in\u017ftances` is `instances` to them.
    """
    for name in members:
        if name not in names and (folded := name.casefold()) in [known.casefold() for known in names]:
            raise WireError(
                WireFault.AMBIGUOUS, f"a key differs from `{folded}` in case only", pointer=shown((*path, name))
            )


def encode(value: Any, *, allow_nonfinite: bool = False) -> bytes:
    """Compact JSON of a value that a policy gives. WireError when JSON has no spelling for it."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=allow_nonfinite, separators=(",", ":")).encode()
    except (ValueError, TypeError):
        raise WireError(WireFault.UNSUPPORTED, "a replacement value cannot be written as JSON") from None


@dataclass(frozen=True, slots=True)
class _Twice:
    """Stands where an object with a repeated key was."""

    key: str


def _validated(body: bytes, text: str, allow_nonfinite: bool, limits: Limits) -> tuple[Document, bool]:
    """The value, and whether bare NaN or Infinity made the slower parser read it (keys are then known unique)."""
    try:
        return _decode(body), False
    except msgspec.DecodeError as error:
        if not (allow_nonfinite and (b"NaN" in body or b"Infinity" in body)):
            _refuse(body, error)
    except RecursionError:
        _refuse_depth(limits)
    try:
        # Numbers of the same width stand in, so that offsets stay; inside strings no text is read from this copy.
        _decode(_NONFINITE.sub(_finite_twin, body))
        return _with_twins(text), True
    except msgspec.DecodeError as error:
        _refuse(body, error)
    except RecursionError:
        _refuse_depth(limits)


def count_keys(value: Document) -> int:
    """How many members all objects of a value have."""
    return _measured(value)[0]


def _measured(value: Document) -> tuple[int, int]:
    """(members of all objects, how deep a value nests), level by level."""
    keys = levels = 0
    level = [value] if type(value) in _CONTAINERS else []
    while level:
        levels += 1
        inner: list[Document] = []
        for node in level:
            children = node
            if type(node) is dict:
                keys += len(node)
                children = node.values()
            if not _CONTAINERS.isdisjoint(map(type, children)):
                inner += [child for child in children if type(child) in _CONTAINERS]
        level = inner
    return keys, levels


def _colons(body: bytes) -> int:
    return without_strings(body).count(b":")


def _with_twins(text: str) -> Document:
    """The value by the standard library, which shows every pair. WireError AMBIGUOUS when an object has a key twice."""
    twice: list[_Twice] = []

    def unique(pairs: list[tuple[str, Document]]) -> Document:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        twice.append(_Twice(repeated))
        return twice[-1]

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise WireError(WireFault.MALFORMED, "the body is not JSON") from None
    if twice:
        raise WireError(WireFault.AMBIGUOUS, "an object has one key twice", pointer=_find_twice(value))
    return value


def _finite_twin(match: re.Match[bytes]) -> bytes:
    token = match[0]
    return b"-" + b"1" * (len(token) - 1) if token.startswith(b"-") else b"1" * len(token)


def _refuse_depth(limits: Limits) -> NoReturn:
    raise WireError(WireFault.TOO_LARGE, f"the body is nested deeper than {limits.depth} levels") from None


def _refuse(body: bytes, error: msgspec.DecodeError) -> NoReturn:
    said = str(error)
    if isinstance(error, msgspec.ValidationError):
        offset = _offset_of_overflow(body)
        where = "" if offset is None else f" at byte {offset}"
        raise WireError(WireFault.MALFORMED, f"a number is out of range{where}", offset=offset) from None
    if not body.strip(b" \t\r\n"):
        raise WireError(WireFault.MALFORMED, "the body is empty", offset=0) from None
    if body.startswith(b"\xef\xbb\xbf"):
        raise WireError(WireFault.MALFORMED, "the body starts with a byte order mark", offset=0) from None
    found = _AT_BYTE.search(said)
    offset = int(found[1]) if found else len(body) if "truncated" in said else None
    if offset and "trailing characters" in said:
        offset -= 1  # msgspec counts the byte it has just read
    reason = next((ours for theirs, ours in _REASONS if theirs in said), "unexpected bytes")
    where = "" if offset is None else f" (byte {offset})"
    raise WireError(WireFault.MALFORMED, f"the body is not JSON: {reason}{where}", offset=offset) from None


def _offset_of_overflow(body: bytes) -> int | None:
    """Where the first number that no double holds begins; only looked for in bodies where looking is cheap."""
    if len(body) > 65_536:
        return None
    for match in _STRING_OR_NUMBER.finditer(body):
        token = match[0]
        if token[0] != 0x22 and (len(token) > 300 or b"e" in token or b"E" in token):
            try:
                if float(token) in (float("inf"), float("-inf")):
                    return match.start()
            except ValueError:
                return None
    return None


def _refuse_long_numbers(body: bytes, limits: Limits) -> None:
    """Whole numbers only: a fraction becomes a double however long it is."""
    run = b"0" * (limits.digits + 1)
    step = limits.digits // _LOOKS + 1
    if b"0" * ((limits.digits + 1) // step) not in body[::step].translate(_DIGITS) or run not in body.translate(
        _DIGITS
    ):
        return
    bare = without_strings(body)
    if run in bare.translate(_DIGITS) and any(
        len(token) > limits.digits and token.lstrip(b"-").isdigit() for token in _NUMBER.findall(bare)
    ):
        raise WireError(WireFault.TOO_LARGE, f"a whole number has more than {limits.digits} digits")


def _find_twice(value: Document) -> str:
    """The pointer to the first object with a repeated key, ending in that key."""
    waiting: list[tuple[tuple[Token, ...], Document]] = [((), value)]
    while waiting:
        tokens, node = waiting.pop()
        if type(node) is _Twice:
            return shown((*tokens, node.key))
        children: list[tuple[tuple[Token, ...], Document]] = []
        if type(node) is dict:
            children = [((*tokens, key), child) for key, child in node.items() if type(child) in _CONTAINERS]
        elif type(node) is list:
            children = [((*tokens, index), child) for index, child in enumerate(node) if type(child) in _CONTAINERS]
        waiting.extend(reversed(children))
    return ""


_CONTAINERS: Final = frozenset({dict, list, _Twice})
