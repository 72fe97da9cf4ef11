"""What a msgspec annotation lets through, read from the annotation itself: the ground that fast accepts stand on.

Acceptors prove one thing beyond the annotations: no key came twice and none is unknown. Every key of a JSON text has
one colon, and strings can only add colons; so when a body holds exactly as many colons as keys were decoded, each key
was there once. Escapes change nothing of that: an escaped colon is not counted, an escaped key has its colon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import attrgetter, or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, inspect

from .tensor import BF16_MAX, DATATYPES, FLOAT_LIMITS, INTEGER_RANGES

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
WHOLE: Final[Any] = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
ANY_SCALAR: Final[Any] = WHOLE | float | str | bool | None
# What a decoder may raise on any bytes; nothing else is expected, and nothing else is caught.
DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Check: TypeAlias = Callable[[Any], bool]


class Element(NamedTuple):
    """What decoding an annotation can give: JSON kinds ("int" = whole), the numbers' range, whether it is a list."""

    kinds: frozenset[str]
    low: float = 0.0
    high: float = 0.0
    is_list: bool = False

    def fits(self, datatype: str) -> bool:
        """Whether no value of this element can contradict the tensor datatype: what `first_contradiction` would say."""
        numbers = self.kinds & {"int", "float"}
        if "other" in self.kinds:
            return False
        if datatype == "BYTES":
            return not numbers and "bool" not in self.kinds
        if not numbers:
            return True
        if datatype in FLOAT_LIMITS:
            limit = FLOAT_LIMITS[datatype]
            return -limit <= self.low and self.high <= limit
        low, high = INTEGER_RANGES[datatype]
        return "float" not in numbers and low <= self.low and self.high <= high


def element_of(annotation: Any) -> Element:
    """The element of an annotation after `narrowed`. Kind "other" stands for anything not understood."""
    return _element(inspect.type_info(annotation))


def narrowed(annotation: Any) -> Any:
    """The annotation with ends for its endless numbers: what lies beyond is declined, never wrongly accepted.

    Floats end where FP32 and BF16 do, whole numbers where INT64 does; so most features are proven for most datatypes.
    `Any` becomes any scalar.
    """
    if isinstance(inspect.type_info(annotation), inspect.AnyType):
        return ANY_SCALAR
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return reduce(or_, map(narrowed, get_args(annotation)))
    if origin is list:
        return list_of(narrowed(get_args(annotation)[0]))
    if origin is not None and origin is not Annotated:
        return annotation
    info = inspect.type_info(annotation)
    if isinstance(info, inspect.FloatType):
        return _ended(annotation, info, -BF16_MAX, BF16_MAX)
    if isinstance(info, inspect.IntType):
        return _ended(annotation, info, INT64_MIN, INT64_MAX)
    return annotation


def shared_datatypes(elements: Sequence[Element]) -> tuple[str, ...]:
    """The datatypes that none of these elements can contradict."""
    return tuple(name for name in DATATYPES if all(element.fits(name) for element in elements))


def generic_for(elements: Sequence[Element]) -> Any:
    """An annotation for a column nobody checks, beside these: numbers beside numbers, else any scalar."""
    if elements and all(element.kinds <= {"int", "float", "null"} for element in elements):
        return narrowed(float)
    return ANY_SCALAR


def tuple_of(*items: Any) -> Any:
    """`tuple[items]` at run time."""
    return GenericAlias(tuple, items)


def list_of(item: Any) -> Any:
    """`list[item]` at run time."""
    return GenericAlias(list, (item,))


def literal(values: Sequence[Any]) -> Any:
    """`Literal[values]` at run time."""
    return Literal[tuple(values)]


def struct(
    name: str,
    members: Sequence[tuple[str, str, Any]],
    optional: Sequence[tuple[str, str, Any]] = (),
    tag: tuple[str, str] | None = None,
) -> Any:
    """A decoding type: (attribute, JSON key, annotation); optional ones are UNSET when absent; other keys decline.

    `tag` (key, value) is for members of unions only: alone, msgspec lets a missing tag pass.
    """
    fields: list[Any] = [(attribute, annotation) for attribute, _, annotation in members]
    fields += [(attribute, annotation | msgspec.UnsetType, msgspec.UNSET) for attribute, _, annotation in optional]
    rename = {attribute: key for attribute, key, _ in (*members, *optional)}
    tag_field, value = tag or (None, None)
    return msgspec.defstruct(
        name, fields, rename=rename, forbid_unknown_fields=True, gc=False, tag_field=tag_field, tag=value
    )


def values_of(attributes: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of these attributes, as a tuple however many there are."""
    if not attributes:
        return lambda value: ()
    get: Any = attrgetter(*attributes)  # of one attribute it gives no tuple, whatever its declared type says
    return get if len(attributes) > 1 else lambda value: (get(value),)


def _ended(annotation: Any, info: Any, low: float, high: float) -> Any:
    extra: dict[str, Any] = {}
    if info.ge is None and info.gt is None:
        extra["ge"] = low
    if info.le is None and info.lt is None:
        extra["le"] = high
    return Annotated[annotation, Meta(**extra)] if extra else annotation


def _element(info: Any) -> Element:
    if isinstance(info, inspect.FloatType | inspect.IntType):
        whole = isinstance(info, inspect.IntType) or (info.multiple_of or 0.5) % 1 == 0
        kind = "int" if whole else "float"
        low = info.ge if info.ge is not None else info.gt
        high = info.le if info.le is not None else info.lt
        endless = float("inf")
        return Element(frozenset({kind}), -endless if low is None else low, endless if high is None else high)
    if isinstance(info, inspect.StrType):
        return Element(frozenset({"str"}))
    if isinstance(info, inspect.BoolType):
        return Element(frozenset({"bool"}))
    if isinstance(info, inspect.NoneType):
        return Element(frozenset({"null"}))
    if isinstance(info, inspect.LiteralType):
        return _joined([_of_value(value) for value in info.values])
    if isinstance(info, inspect.UnionType):
        return _joined([_element(part) for part in info.types])
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return _element(info.item_type)._replace(is_list=True)
    if isinstance(info, inspect.TupleType):
        return _joined([_element(part) for part in info.item_types])._replace(is_list=True)
    if isinstance(info, inspect.Metadata):
        return _element(info.type)
    return Element(frozenset({"other"}))


def _of_value(value: Any) -> Element:
    if value is None:
        return Element(frozenset({"null"}))
    if type(value) is int:
        return Element(frozenset({"int"}), value, value)
    return Element(frozenset({"str"}))


def _joined(elements: Sequence[Element]) -> Element:
    numeric = [element for element in elements if element.kinds & {"int", "float"}]
    kinds = frozenset().union(*(element.kinds for element in elements))
    if any(element.is_list for element in elements):
        kinds |= {"other"}
    low = min((element.low for element in numeric), default=0.0)
    high = max((element.high for element in numeric), default=0.0)
    return Element(kinds, low, high)
