"""What a policy can say and hardly means: names that lead nowhere, an answer nobody is given, checks nobody reviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..contract import Mode
from ..yamldoc import Finding, nearest
from .sections import Policy

Path = tuple[str | int, ...]


def of_meaning(policy: Policy) -> Iterator[Finding]:
    """All of it; each a warning, but for an answer that cannot be given."""
    yield from _columns(policy)
    yield from _references(policy)
    yield from _unused(policy)
    yield from _unreviewed(policy)
    yield from _unanswerable(policy)


def _columns(policy: Policy) -> Iterator[Finding]:
    """A column that no feature is named after, beside a feature of nearly that name that no column has."""
    features = policy.contract.features
    listed = dict(_column_names(getattr(policy.model.wire, "columns", None)))
    homeless = [name for name, feature in features.items() if not feature.from_ and name not in listed]
    for name, path in listed.items():
        meant = nearest(name, homeless) if name not in features else ""
        if meant:
            message = f"the column `{name}` is no feature of the contract, and the feature `{meant}` is in no column"
            yield Finding("mapping.near", message, f"did you mean `{meant}`?", "warning", ("model", "columns", *path))


def _column_names(columns: object) -> Iterator[tuple[str, Path]]:
    if isinstance(columns, Mapping):
        for tensor, names in columns.items():
            yield from ((str(name), (str(tensor), position)) for position, name in enumerate(names))
    elif isinstance(columns, Sequence):
        yield from ((str(name), (position,)) for position, name in enumerate(columns))


def _references(policy: Policy) -> Iterator[Finding]:
    """Names that other sections speak of. The contract need not list all that a model has, so these are warnings."""
    features, predictions = [*policy.contract.features], [*policy.contract.prediction]
    asked: list[tuple[Path, str | None, list[str], str]] = [
        (("slices", at, "by"), each.by, features, "feature") for at, each in enumerate(policy.slices)
    ]
    feedback = policy.feedback
    if feedback is not None:
        asked.append((("feedback", "entity"), feedback.entity, features, "feature"))
        if feedback.label is not None:
            asked.append((("feedback", "label", "key"), feedback.label.key_, features, "feature"))
            asked.append((("feedback", "label", "of"), feedback.label.of, predictions, "prediction"))
        if feedback.perturb is not None:
            asked.append((("feedback", "perturb", "field"), feedback.perturb.field, predictions, "prediction"))
    for path, name, known, what in asked:
        if name and name not in known:
            guess = nearest(name, known)
            hint = f"did you mean `{guess}`?" if guess else f"right if the model has a {what} of this name"
            yield Finding("reference.unknown", f"the contract has no {what} `{name}`", hint, "warning", path)


def _unused(policy: Policy) -> Iterator[Finding]:
    contract, feedback = policy.contract, policy.feedback
    held = feedback is not None and feedback.holdout is not None and feedback.holdout.deliver == "fallback"
    if contract.fallback is not None and contract.fallback.values and contract.fallback.on == ("contract",):
        values = [*contract.features.values(), *contract.prediction.values()]
        actions = [*(each.on_violation for each in values), *(rule.on_violation for rule in contract.rules)]
        asked = "fallback" in actions
        if not (asked or held or contract.on_bad_rows == "fallback"):
            hint = "say `on_violation: fallback` where it is meant, or `on: [contract, timeout, upstream_error]`"
            message = "nothing asks for this fallback: no check has `on_violation: fallback`"
            yield Finding("fallback.unused", message, hint, "warning", ("contract", "fallback"))


def _unreviewed(policy: Policy) -> Iterator[Finding]:
    """A rule that only observes is a decision put off: until when?"""
    if policy.lineage is not None and policy.lineage.review_by is not None:
        return
    for at, rule in enumerate(policy.contract.rules):
        if rule.mode is Mode.OBSERVE:
            message = f"the rule `{rule.id}` only observes, and no day is set to look at what it saw"
            hint = "lineage: {review_by: 2027-03-01}"
            yield Finding("rule.unreviewed", message, hint, "warning", ("contract", "rules", at, "mode"))


def _unanswerable(policy: Policy) -> Iterator[Finding]:
    """A protocol whose answers are more than their predictions needs the part that makes one."""
    needs: Sequence[str] = getattr(policy.model.wire, "answers_need", ())
    fallback = policy.contract.fallback
    if needs and fallback is not None and fallback.values and not set(needs) & set(fallback.values):
        message = f"no answer of `{policy.model.protocol}` can be made of these values"
        hint = f"give {' or '.join(f'`{name}`' for name in needs)}, and declare it under `prediction`"
        yield Finding("fallback.answer", message, hint, "error", ("contract", "fallback", "values"))
