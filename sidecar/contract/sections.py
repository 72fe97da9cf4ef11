"""The keys of `contract:` as a policy's author writes them; every sentence here is the key's row in the docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from ..problem import Disclosure
from ..yamldoc import Plain, Seconds, Share, Suggests, key
from .formats import FormatName
from .kinds import SCALARS, VECTOR


class Mode(StrEnum):
    """Whether a verdict is applied."""

    OFF = "off"  # rows are not looked at
    OBSERVE = "observe"  # rows are judged, nothing is refused or changed
    ENFORCE = "enforce"


@dataclass(frozen=True)
class ModeByCaller:
    """A mode for everybody, and other modes for callers by name."""

    default: Mode = key(Mode.OBSERVE, doc="The mode of every caller that is not listed.")
    callers: dict[str, Mode] = key(doc="Caller name → mode.", default_factory=dict)


@dataclass(frozen=True)
class ReplaceWith:
    """The action that sets a fixed value."""

    replace: Plain = key(doc="The value to set, typed like the feature.")


@dataclass(frozen=True)
class Owner:
    """Who answers for a rule or feature."""

    team: str = key("", doc="Team name.")
    contact: str = key("", doc="Where callers ask.")
    runbook: str = key("", doc="URL of the page to open when it breaks.")


@dataclass(frozen=True)
class FeatureWatch:
    """Limits of one feature over a window, where they differ from `watch:`."""

    null_rate: Share | None = key(None, doc="Alert when more than this share of a window is null.")
    unseen_category_rate: Share | None = key(None, doc="Alert when more than this share is outside `values`.")
    frozen_after: Seconds | None = key(None, doc="Alert when the feature had one value for this long.")


OnViolation: TypeAlias = Literal["reject", "fallback", "drop", "clamp", "set_null", "warn", "ignore"] | ReplaceWith
TypeName: TypeAlias = Annotated[str, Suggests(SCALARS, VECTOR)]
Role: TypeAlias = Literal["input", "key", "slice_only", "timestamp", "ignored"]


@dataclass(frozen=True)
class Checks:
    """What one value may be, and what is done when it is not."""

    type: TypeName = key(
        "",
        also="dtype datatype kind",
        doc="int, float, bool, string, category, timestamp, bytes, json, or a vector: float[64], float[], float[2,3]. "
        "Inferred from the checks when left out.",
    )
    min: Plain | None = key(
        None, also="minimum ge gte atleast lower lowerbound", doc="Smallest value allowed (number or timestamp)."
    )
    max: Plain | None = key(
        None, also="maximum le lte atmost upper upperbound", doc="Largest value allowed (number or timestamp)."
    )
    exclusive_min: Plain | None = key(
        None, also="exclusiveminimum gt above greaterthan", doc="Values must be above this."
    )
    exclusive_max: Plain | None = key(None, also="exclusivemaximum lt below lessthan", doc="Values must be below this.")
    multiple_of: Plain | None = key(None, also="step", doc="Values must be a multiple of this number.")
    values: tuple[Plain, ...] | None = key(
        None,
        also="enum choices allowed allowedvalues isin oneof categories domain acceptedvalues const",
        doc="The values allowed.",
    )
    not_values: tuple[Plain, ...] | None = key(
        None,
        also="forbidden denied notin isnotin disallowed blocklist",
        doc="Values that are refused, whatever else allows them.",
    )
    pattern: str = key("", also="regex regexp matches match", doc="RE2 pattern that the whole string must match.")
    format: FormatName | None = key(
        None,
        doc="What the whole string must be: date, email, hostname, ipv4, ipv6, iso-country, iso-currency, ulid, uri or "
        "uuid.",
    )
    min_length: int | None = key(
        None, also="minlen minitems", doc="Shortest string (characters), list (items) or bytes."
    )
    max_length: int | None = key(
        None, also="maxlen maxitems", doc="Longest string (characters), list (items) or bytes."
    )
    finite: bool | None = key(None, doc="Refuse NaN and infinities; true unless set to false.")
    not_in_future: bool = key(False, doc="The timestamp must not be later than now.")
    max_age: Seconds | None = key(None, doc="The timestamp must not be older than this.")
    nullable: bool = key(
        False, also="notnull nonnull null allownull allownulls allownone", doc="Whether null is a good value."
    )
    required: bool = key(True, also="optional mandatory presence", doc="Whether the value must be there.")
    missing_values: tuple[Plain, ...] = key(
        (),
        also="navalues nullvalues sentinels missing",
        doc="Values that mean null, like -999 or NaN; turned into null first.",
    )
    on_violation: OnViolation | None = key(
        None,
        also="onfail onerror action onbadvalue severity",
        doc="reject, fallback, drop, clamp, set_null, warn, ignore, or {replace: value}. "
        "Default: reject; warn for slice_only features, which the model never sees.",
    )
    repair_alert_above: Share | None = key(None, doc="Alert when more than this share of rows is repaired.")
    unit: str = key("", doc="Unit of the value, for readers.")
    units: str = key("", doc="The same as `unit`.")
    description: str = key("", doc="One sentence for readers.")
    owner: Owner | None = key(None, doc="Who answers for this value.")


@dataclass(frozen=True)
class Feature(Checks):
    """One input of the model."""

    default: Plain | None = key(None, doc="Set where the value is missing or null; counts as a repair.")
    unique: bool = key(
        False,
        also="isunique distinct",
        doc="In one request no two rows may have the same value; the second and later ones break it. Nulls may.",
    )
    role: Role = key(
        "input",
        doc="input; key (names the unit, never repaired); slice_only (taken out before the model in every mode); "
        "timestamp (when the row's event happened); ignored (not checked).",
    )
    from_: str = key(
        "",
        name="from",
        also="path pointer location",
        doc="Where the value is, if not at the protocol's place: header:NAME, /json/pointer, tensor[3].",
    )
    source: str = key("", doc="The system the value comes from, for readers.")
    pii: bool = key(False, also="personal sensitive", doc="Personal data: hashed in everything that is kept.")
    watch: FeatureWatch | None = key(None, doc="Window limits of this feature.")
    lifecycle: Literal["planned", "active", "deprecated"] = key("active", doc="planned, active or deprecated.")
    renamed_from: str = key("", doc="The name it had before: `sidecar diff` takes it for the same feature.")
    use: str = key(
        "",
        doc="Take the keys that are not stated here from another definition: FILE#/features/NAME, or #/features/NAME.",
    )


@dataclass(frozen=True)
class Prediction(Checks):
    """One output of the model."""


@dataclass(frozen=True)
class Rule:
    """A condition over several features of a row."""

    id: str = key(also="name", doc="Stable name; its violations have the code rule.ID.")
    expect: str = key(also="assert condition check must expression expr", doc="The expression that must hold.")
    when: str = key("", also="if where given", doc="Judge only rows for which this expression holds.")
    on_violation: Literal["reject", "fallback", "drop", "warn", "ignore"] = key(
        "reject", doc="What is done with the row."
    )
    mode: Mode | None = key(None, doc="A mode of its own, weaker than the contract's.")
    description: str = key("", doc="The sentence callers see.")
    owner: Owner | None = key(None, doc="Who answers for this rule.")


@dataclass(frozen=True)
class Fallback:
    """The answer given where the model's is not."""

    on: tuple[Literal["contract", "timeout", "upstream_error"], ...] = key(
        ("contract",), doc="When: contract (checks with on_violation: fallback), timeout, upstream_error."
    )
    values: dict[str, Plain] = key(doc="Prediction name → value.", default_factory=dict)


@dataclass(frozen=True)
class ContractSection:
    """What rows may hold, and what is done when they do not."""

    mode: Mode | ModeByCaller = key(
        Mode.OBSERVE, doc="off, observe, enforce, or {default: observe, callers: {NAME: enforce}}."
    )
    on_bad_rows: Literal["reject_request", "drop_rows", "fallback"] = key(
        "reject_request",
        doc="What a bad row does to its batch of two or more: refuse all, leave the row out, or answer it by fallback. "
        "A bad single row is refused.",
    )
    unknown_features: Literal["reject", "strip", "warn", "ignore"] = key(
        "ignore",
        also="additionalproperties extra extras unknown unknowncolumns",
        doc="What is done with names the contract does not have.",
    )
    on_guard_error: Literal["pass", "reject"] | None = key(
        None, doc="When our own check fails: pass or reject. Default: pass in observe, reject in enforce."
    )
    features: dict[str, Feature] = key(
        also="columns fields inputs properties schema", doc="Feature name → its checks.", default_factory=dict
    )
    rules: tuple[Rule, ...] = key((), also="constraints expectations", doc="Conditions over several features.")
    prediction: dict[str, Prediction] = key(
        also="predictions outputs output", doc="Prediction name → its checks.", default_factory=dict
    )
    fallback: Fallback | None = key(None, doc="The answer given where the model's is not.")
    errors: Disclosure = key(Disclosure.CODES, doc="What callers may see of a violation: full, codes or minimal.")


@dataclass(frozen=True)
class PolicyContract(ContractSection):
    """What rows may hold, and what is done when they do not."""

    candidate: str | ContractSection = key(
        "",
        doc="A contract judged beside this one, never applied: a file with `contract:` (a policy, or that key alone), "
        "relative to this one.",
    )
