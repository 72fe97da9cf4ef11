"""Is this the environment the files are for? Pure: the claim, compared with facts that have another source.

| the claim | is compared with |
| --- | --- |
| `environment:` of sidecar.yaml | `--environment`, `SIDECAR_ENVIRONMENT`, the pod's namespace and labels (Downward API), the namespace in the upstream's host name |
| the entry of `environments:` chosen by `--environment` | the same without `--environment`: a value is never compared with itself |
| no file says any: `--environment` | namespace, labels, the upstream's namespace, and `SIDECAR_ENVIRONMENT` when the flag overrode it |

A flag, variable or label names an environment exactly. A namespace may be about something else: only a word in it that
names an environment counts (`ml-staging`; `prod` and `production` are one).
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ..runtime.messages import IdentityState

LABELS_FILE: Final = "/etc/podinfo/labels"
LABEL_KEYS: Final = ("environment", "env", "app.kubernetes.io/environment")
_SAME: Final = (
    frozenset({"production", "prod", "prd", "live"}),
    frozenset({"staging", "stage", "stg", "preprod"}),
    frozenset({"development", "dev", "develop"}),
    frozenset({"testing", "test", "qa"}),
)
_LABEL_LINE: Final = re.compile(r'^([^=\s]+)="((?:[^"\\]|\\.)*)"$')


@dataclass(frozen=True, slots=True)
class Fact:
    """What one independent source says: `says` "" = it names no environment."""

    source: str
    says: str
    state: IdentityState


@dataclass(frozen=True, slots=True)
class EnvironmentCheck:
    """`claimed` "" = nobody claims anything, nothing is checked."""

    claimed: str
    source: str
    facts: tuple[Fact, ...] = ()

    @property
    def state(self) -> IdentityState:
        """One source that disagrees is enough."""
        states = [fact.state for fact in self.facts]
        if "mismatch" in states:
            return "mismatch"
        return "match" if "match" in states else "unstated"

    @property
    def wrong(self) -> str:
        """The sentence for whoever is refused; "" when nothing disagrees."""
        against = [fact for fact in self.facts if fact.state == "mismatch"]
        if not against:
            return ""
        says = ", ".join(f"{fact.source} says {fact.says}" for fact in against)
        return f"{self.source} is for {self.claimed}, but {says}"


def check_environment(
    *,
    file_claim: str,
    file_environments: Iterable[str],
    chosen: str,
    chosen_by: str,
    environ: Mapping[str, str],
    labels: Mapping[str, str],
    upstreams: Iterable[str],
) -> EnvironmentCheck:
    """`chosen` is the setting `environment`, `chosen_by` names where it came from (`--environment` or the variable)."""
    known = frozenset(file_environments)
    if chosen and (chosen in known or not file_claim):
        claimed, source, spent = chosen, chosen_by, {chosen_by}
    elif file_claim:
        claimed, source, spent = file_claim, "sidecar.yaml", set()
    else:
        return EnvironmentCheck("", "")
    facts = []
    if chosen and chosen_by not in spent:
        facts.append(_exact(chosen_by, chosen, claimed))
    variable = environ.get("SIDECAR_ENVIRONMENT", "")
    if variable and "SIDECAR_ENVIRONMENT" not in {chosen_by, *spent}:
        facts.append(_exact("SIDECAR_ENVIRONMENT", variable, claimed))
    for key in LABEL_KEYS:
        if labels.get(key):
            facts.append(_exact(f"the pod's label {key}", labels[key], claimed))
    named = known | {claimed, file_claim} - {""}
    namespace = environ.get("POD_NAMESPACE", "")
    if namespace:
        facts.append(_by_words("the pod's namespace", namespace, claimed, named))
    for host in dict.fromkeys(filter(None, map(_namespace_of, upstreams))):
        facts.append(_by_words("the upstream's namespace", host, claimed, named))
    return EnvironmentCheck(claimed, source, tuple(facts))


def parse_labels(text: str) -> dict[str, str]:
    """The Downward API's labels file: `key="value"` a line, the value escaped as Go's %q does."""
    labels = {}
    for line in text.splitlines():
        found = _LABEL_LINE.match(line.strip())
        if found:
            labels[found[1]] = re.sub(r"\\(.)", r"\1", found[2])
    return labels


def _canonical(word: str) -> str:
    lower = word.strip().lower()
    return next((min(group) for group in _SAME if lower in group), lower)


def _exact(source: str, says: str, claimed: str) -> Fact:
    return Fact(source, says, "match" if _canonical(says) == _canonical(claimed) else "mismatch")


def _by_words(source: str, text: str, claimed: str, known: Iterable[str]) -> Fact:
    vocabulary = {_canonical(name) for name in known} | {min(group) for group in _SAME}
    named = {_canonical(word) for word in (text, *re.split(r"[^a-z0-9]+", text.lower()))} & vocabulary
    if _canonical(claimed) in named:
        return Fact(source, text, "match")
    return Fact(source, text if named else "", "mismatch" if named else "unstated")


def _namespace_of(upstream: str) -> str:
    """The namespace in `name.NAMESPACE.svc…`, the form of a cluster's service names."""
    parts = (urlsplit(upstream).hostname or "").split(".")
    return parts[1] if len(parts) >= 3 and parts[2] == "svc" else ""
