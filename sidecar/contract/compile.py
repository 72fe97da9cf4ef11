"""`contract:` → `Compiled`, or the reasons why not. Everything that can be known before the first request is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ..rows import MISSING, TypedFeature, Value, header_of
from ..verdict import Action
from ..yamldoc import Finding, nearest
from . import lint
from .build import Built, build, literal
from .cell import REPAIRS, Cell, Screen, everything, screen_for
from .compiled import Compiled
from .duplicates import SENTENCE, UNIQUE
from .kinds import NUMERIC, Bad, Scalar
from .literals import read
from .report import Report
from .rules import CompiledRule, FeatureNames, compile_rules
from .sections import Checks, ContractSection, Feature, Mode, ModeByCaller, Prediction, ReplaceWith
from .typed import ANYTHING, typed

_ACTIONS: Final[dict[str, Action]] = {
    "reject": Action.REJECT,
    "fallback": Action.FALLBACK,
    "drop": Action.DROP,
    "clamp": Action.CLAMP,
    "set_null": Action.SET_NULL,
    "warn": Action.WARN,
    "ignore": Action.IGNORE,
}
_BAD_ROWS: Final = {"reject_request": Action.REJECT, "drop_rows": Action.DROP, "fallback": Action.FALLBACK}


def compile_contract(section: ContractSection) -> tuple[Compiled | None, list[Finding]]:
    """The contract ready to judge, and its findings; None when one of them is an error.

    Paths of findings are relative to the contract section: `("features", "age", "default")`.
    """
    report = Report()
    fallback = _fallback(section, report)
    cells: list[Cell] = []
    types: dict[str, TypedFeature | None] = {}
    kinds: dict[str, Built] = {}
    lint.of_features(section.features, report)
    for name, feature in section.features.items():
        if feature.role == "ignored":
            types[name] = ANYTHING
            lint.of_ignored(feature, report.at("features", name))
            continue
        if feature.use:
            hint = "load the policy with `sidecar.policy.load`"
            report.at("features", name, "use").error("use.unresolved", "definitions are put in by the loader", hint)
        built = build(feature, report.at("features", name), feature.default)
        if built is None:
            continue
        kinds[name] = built
        lint.of_feature(name, feature, built, report.at("features", name))
        cell = _feature_cell(name, feature, built, report.at("features", name), fallback)
        cells.append(cell)
        types[name] = typed(cell, built.allowed)
    modes = section.mode if isinstance(section.mode, ModeByCaller) else ModeByCaller(section.mode)
    names = FeatureNames(section.features, kinds)
    rules = _rules(section, names, report, fallback, (modes.default, *modes.callers.values()))
    answers: list[Cell] = []
    reply_types: dict[str, TypedFeature | None] = {}
    for name, prediction in section.prediction.items():
        place = report.at("prediction", name)
        built = build(prediction, place)
        if built is None:
            continue
        cell = _cell(name, f"prediction.{name}.", prediction, built, place, fallback)
        answers.append(cell)
        reply_types[name] = typed(cell, built.allowed)
    if report.failed:
        return None, report.findings
    sources = {name: feature.from_ for name, feature in section.features.items()}
    return (
        Compiled(
            features=MappingProxyType(sources),
            predictions=tuple(dict.fromkeys((*section.prediction, *(fallback or ())))),
            closed=section.unknown_features != "ignore",
            stripped_headers=_stripped(section),
            fallback_values=MappingProxyType(fallback) if fallback is not None else None,
            fallback_on=frozenset(section.fallback.on) if section.fallback is not None else frozenset(),
            on_guard_error=section.on_guard_error or "reject",
            errors=section.errors,
            default_mode=modes.default,
            caller_modes=MappingProxyType(dict(modes.callers)),
            cells=tuple(cells),
            answers=tuple(answers),
            unknown=Action(section.unknown_features),
            bad_rows=_BAD_ROWS[section.on_bad_rows],
            request_proof=_proof(types),
            reply_proof=_proof(reply_types),
            rules=rules,
            feature_names=names,
            named_by_rules=frozenset(name for rule in rules for name in rule.expression.names),
        ),
        report.findings,
    )


def _rules(
    section: ContractSection,
    names: FeatureNames,
    report: Report,
    fallback: Mapping[str, Value] | None,
    modes: Sequence[Mode],
) -> tuple[CompiledRule, ...]:
    for position, rule in enumerate(section.rules):
        if rule.on_violation == "fallback" and not fallback:
            report.at("rules", position, "on_violation").error(
                "fallback-without-values", "there are no fallback values", "add fallback: {values: …}"
            )
    return compile_rules(section.rules, names, section.features, report, modes, _ACTIONS)


def _proof(types: Mapping[str, TypedFeature | None]) -> Mapping[str, TypedFeature] | None:
    proven = {name: kind for name, kind in types.items() if kind is not None}
    return MappingProxyType(proven) if len(proven) == len(types) else None


def _stripped(section: ContractSection) -> tuple[str, ...]:
    return tuple(
        header
        for feature in section.features.values()
        if feature.role == "slice_only" and (header := header_of(feature.from_)) is not None
    )


def _fallback(section: ContractSection, report: Report) -> dict[str, Value] | None:
    """The typed fallback values: complete, or None."""
    place = report.at("fallback")
    if section.fallback is None:
        if section.on_bad_rows == "fallback":
            report.at("on_bad_rows").error(
                "fallback-without-values",
                "there is no `fallback:` to answer bad rows with",
                "add fallback: {values: …}",
            )
        return None
    given = section.fallback.values
    if not given:
        place.error("fallback-without-values", "fallback needs `values`", "add values: {NAME: VALUE}")
        return {}
    for name in section.prediction:
        if name not in given:
            place.at("values").error(
                "fallback-value-missing", f"there is no fallback value for `{name}`", f"add {name}: VALUE"
            )
    values: dict[str, Value] = {}
    for name, plain in given.items():
        prediction = section.prediction.get(name)
        near = nearest(name, section.prediction)
        if prediction is None and near and near not in given:
            place.at("values", name).error(
                "unknown-prediction", f"there is no prediction `{name}`; did you mean `{near}`?"
            )
            continue
        # Exempt from the prediction's checks (a fallback may well be a value the model must not give), not of its type.
        quiet = Report()
        built = build(prediction or Prediction(), quiet, plain)
        if built is None:
            continue
        try:
            values[name] = read(plain, built.kind)
        except ValueError as error:
            place.at("values", name).error("bad-value", str(error))
    return values


def _feature_cell(
    name: str, feature: Feature, built: Built, report: Report, fallback: Mapping[str, Value] | None
) -> Cell:
    header = header_of(feature.from_)
    from_header = header is not None
    if header == "":
        report.at("from").error("bad-source", "header: needs a name", "write header:x-region")
    if from_header and (built.kind.shape or built.kind.scalar in (Scalar.JSON, Scalar.BYTES)):
        report.at("type").error("check-does-not-fit", "a header cannot hold a vector, bytes or JSON")
    if feature.unique and (from_header or built.kind.shape or built.kind.scalar is Scalar.JSON):
        what = "a header is the same for all rows" if from_header else "vectors and JSON values are not compared"
        report.at("unique").error("check-does-not-fit", what, "drop the key")
    if feature.unique:
        made_same = isinstance(feature.on_violation, ReplaceWith) or feature.on_violation == "clamp"
        for key, repairs in (("default", feature.default is not None), ("on_violation", made_same)):
            if repairs:
                why = "it would make two rows of a unique feature the same"
                report.at(key).error("not-repairable", why, "use reject, fallback, set_null or warn")
    default: Value = MISSING
    if feature.default is not None:
        read_default = literal(feature.default, built, report.at("default"))
        default = MISSING if isinstance(read_default, Bad) else read_default
    unrepairable = (
        f"a {feature.role} feature is never changed"
        if feature.role in ("key", "slice_only")
        else "a header is never changed"
        if from_header
        else ""
    )
    if unrepairable:
        for key, repairs in (
            ("default", feature.default is not None),
            ("on_violation", isinstance(feature.on_violation, ReplaceWith) or feature.on_violation in REPAIRS),
        ):
            if repairs:
                report.at(key).error("not-repairable", unrepairable, "use reject, fallback, warn or ignore")
    return _cell(name, f"{name}.", feature, built, report, fallback, default=default, fixed=bool(unrepairable))


def _cell(
    name: str,
    prefix: str,
    keys: Checks,
    built: Built,
    report: Report,
    fallback: Mapping[str, Value] | None,
    *,
    default: Value = MISSING,
    fixed: bool = False,
) -> Cell:
    lint.of_value(keys, built, report)
    place = report.at("on_violation")
    replacement: Value = MISSING
    feature = keys if isinstance(keys, Feature) else None
    slice_only = feature is not None and feature.role == "slice_only"
    if isinstance(keys.on_violation, ReplaceWith):
        action = Action.REPLACE
        replacement = literal(keys.on_violation.replace, built, place.at("replace"))
    else:
        action = _ACTIONS[keys.on_violation or ("warn" if slice_only else "reject")]
    if action is Action.FALLBACK and not fallback:
        place.error("fallback-without-values", "there are no fallback values", "add fallback: {values: …}")
    if action is Action.SET_NULL and not keys.nullable:
        place.error("null-not-allowed", "set_null would set what the value may not be", "add nullable: true")
    if action is Action.CLAMP:
        _clampable(built, place)
    checks, sentinels = built.checks, built.sentinels
    texts = [value for value in built.allowed or () if value.__class__ is str]
    only_texts = built.allowed is not None and len(texts) == len(built.allowed)
    deprecated = feature is not None and feature.lifecycle == "deprecated"
    screen: Screen = everything  # a deprecated value is always worth a word
    if not deprecated:
        screen = screen_for(checks, sentinels, built.low, built.high, frozenset(texts) if only_texts else None)
    return Cell(
        name=name,
        prefix=prefix,
        checks=checks,
        sentences={**checks.sentences(), **_ABSENCE},
        sentinels=sentinels,
        nullable=keys.nullable,
        required=keys.required and (feature is None or feature.lifecycle == "active"),
        default=default,
        action=action,
        replacement=replacement,
        low=built.low,
        high=built.high,
        fixed=fixed,
        slice_only=slice_only,
        from_header=feature is not None and header_of(feature.from_) is not None,
        deprecated=deprecated,
        screen=screen,
        unique=feature is not None and feature.unique,
    )


_ABSENCE: Final = {
    "required": "must be there",
    "null": "must not be null",
    "default": "is filled in when it is missing or null",
    "missing_values": "stands for null",
    "deprecated": "is deprecated: leave it out",
    UNIQUE: SENTENCE,
}


def _clampable(built: Built, place: Report) -> None:
    if built.kind.scalar not in NUMERIC or built.kind.shape:
        place.error("clamp-does-not-fit", "clamp works on int and float", "use {replace: VALUE}, reject or warn")
        return
    if built.low is None and built.high is None:
        place.error("clamp-without-bounds", "clamp needs a bound", "add min or max")
    for bound in (built.low, built.high):
        broken = built.checks.broken(bound, 0.0) if bound is not None else ()
        if broken:
            place.error(
                "breaks-own-checks", f"the bound {bound} that clamp sets breaks `{broken[0]}`", "move the bound"
            )
