"""Features and predictions of two contracts, paired by name, each compared key by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..contract.build import build
from ..contract.report import Report
from ..contract.sections import Checks, Feature
from ..errors import PolicyError
from ..rows import MISSING
from . import change
from .change import Change
from .checks import CHECKING, Pair, compare_value
from .direction import Checked
from .effects import DOES, Effect, effect, effect_of_rule, met
from .sides import Side, owner_of, renames, whole
from .spelling import text_of


def compare_features(old: Side, new: Side) -> Iterator[Change]:
    """Each feature of either side."""
    renamed = renames(old.contract, new.contract)
    gone = set(renamed.values())
    for name, feature in new.contract.features.items():
        before = renamed.get(name, name)
        if before in old.contract.features:
            if before != name:
                yield _renamed(before, name, old, new)
            for found in compare_value(_pair(before, name, old, new)):
                if before == name or not found.path.endswith(".renamed_from"):
                    yield _as_rules_see_it(found, name, new)
        else:
            yield _added(name, feature, old, new)
    for name, feature in old.contract.features.items():
        if name not in new.contract.features and name not in gone:
            yield _removed(name, feature, old, new)


def _as_rules_see_it(found: Change, name: str, new: Side) -> Change:
    """A rule does not judge a value that breaks its own checks: one that now holds them may be refused by a rule."""
    key = found.path.rpartition(".")[2]
    if found.verdicts != change.WATCHED or key not in CHECKING:
        return found
    for rule in new.contract.rules:
        if effect_of_rule(rule).refuses and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", f"{rule.expect} {rule.when}"):
            why = f"{found.why} The rule {rule.id} judges values that hold their checks alone, and may now refuse some."
            return replace(found, verdicts=change.UNKNOWN, why=why)
    return found


def _checked(keys: Checks) -> Checked:
    built = build(keys, Report(), keys.default if isinstance(keys, Feature) else None)
    if built is None:
        raise PolicyError(f"there is no type {keys.type}")
    return Checked(keys, built)


def _pair(before: str, name: str, old: Side, new: Side) -> Pair:
    one, other = old.contract.features[before], new.contract.features[name]
    owner = owner_of(new.policy, other.owner)
    path = f"contract.features.{name}"
    return Pair(path, name, _checked(one), _checked(other), old.cells.get(before), new.cells.get(name), owner)


def _added(name: str, feature: Feature, old: Side, new: Side) -> Change:
    cell = new.cells.get(name)
    absent = met(cell, MISSING).effect
    bad = effect(feature, "type")
    if absent.refuses:
        verdicts, why = change.BREAKING, "A required input is new: rows without it are refused."
    elif feature.role == "slice_only" or absent is Effect.FALLBACK:
        verdicts, why = change.SEMANTIC, f"It is new: rows with it are treated otherwise, without it {DOES[absent]}."
    elif old.contract.unknown_features == "reject" or not bad.refuses:
        verdicts, why = change.WIDENED, "An optional input is new."
    else:
        verdicts = change.UNKNOWN
        why = "An optional input is new: rows that carried something of this name already were not checked for it."
    return whole(f"contract.features.{name}", "", text_of(feature), verdicts, why, new, feature.owner, name)


def _removed(name: str, feature: Feature, old: Side, new: Side) -> Change:
    unknown = new.contract.unknown_features
    named = name not in old.places
    if named and unknown == "reject":
        verdicts, why = change.BREAKING, "It is gone and unknown names are refused: callers must stop sending it."
    elif (named and unknown == "strip") or feature.role == "slice_only":
        verdicts, why = change.SEMANTIC, "It is gone: the model no longer meets what it met, or meets what it did not."
    else:
        verdicts, why = change.WIDENED, "It is gone: what callers send of it is no longer checked."
    return whole(f"contract.features.{name}", text_of(feature), "", verdicts, why, old, feature.owner, name)


def _renamed(before: str, name: str, old: Side, new: Side) -> Change:
    feature = new.contract.features[name]
    if before in old.places and old.places[before] == new.places.get(name):
        verdicts, why = change.WATCHED, "Another name for the same place: callers see it in codes alone."
    elif met(new.cells.get(name), MISSING).effect.refuses or new.contract.unknown_features == "reject":
        verdicts, why = change.BREAKING, "Renamed: callers must send the new name."
    else:
        verdicts, why = change.SEMANTIC, "Renamed: what callers send by the old name is no longer read."
    return whole(f"contract.features.{name}.renamed_from", before, name, verdicts, why, new, feature.owner, name)


# -- predictions


def compare_predictions(old: Side, new: Side) -> Iterator[Change]:
    """Each prediction of either side: outputs are covariant."""
    before, after = old.contract.prediction, new.contract.prediction
    for name, keys in after.items():
        path, code = f"contract.prediction.{name}", f"prediction.{name}"
        if name not in before:
            why = "A promise about answers is new."
            yield whole(path, "", text_of(keys), change.NARROWED_ANSWER, why, new, keys.owner, code)
            continue
        owner = owner_of(new.policy, keys.owner)
        cells = old.answers.get(name), new.answers.get(name)
        yield from compare_value(Pair(path, code, _checked(before[name]), _checked(keys), *cells, owner, output=True))
    for name, keys in before.items():
        if name not in after:
            why = "A promise about answers is gone: they may hold anything."
            path = f"contract.prediction.{name}"
            yield whole(path, text_of(keys), "", change.BREAKING_ANSWER, why, old, keys.owner, f"prediction.{name}")
