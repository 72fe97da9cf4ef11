"""What no key of `shadow:` can say alone: candidates told apart, units that exist, outputs that can be compared."""

from __future__ import annotations

from collections.abc import Iterator

from ..shadow import REQUEST, ROW, Output
from ..shadow.plan import check_outputs
from ..yamldoc import Finding
from .observing import Compare, Shadow
from .sections import Policy


def of_shadow(policy: Policy) -> Iterator[Finding]:
    """Findings about the candidates of one policy."""
    seen: set[str] = set()
    for at, shadow in enumerate(policy.shadow):
        path = ("shadow", at)
        if shadow.candidate in seen:
            hint = "give each candidate a name of its own"
            yield Finding("shadow.twice", f"a second candidate `{shadow.candidate}`", hint, path=(*path, "candidate"))
        seen.add(shadow.candidate)
        if shadow.unit not in (REQUEST, ROW) and shadow.unit not in policy.contract.features:
            hint = "request, row, or one of `contract.features`"
            yield Finding("shadow.unit", f"there is no feature `{shadow.unit}`", hint, path=(*path, "unit"))
        for name, how in shadow.compare.items():
            try:
                check_outputs({name: _output(how)})
            except ValueError as error:
                yield Finding("shadow.compare", str(error), "", path=(*path, "compare", name))
        yield from _not_yet(shadow, path)


def _output(how: str | Compare) -> Output:
    return Output(kind=how) if isinstance(how, str) else Output(how.kind, how.tolerance, how.scale)


def _not_yet(shadow: Shadow, path: tuple[str | int, ...]) -> Iterator[Finding]:
    if shadow.guardrails:
        message = "not acted on in this version: agreement is counted, no verdict is reached from `guardrails`"
        yield Finding("not-acted-on", message, "", "warning", (*path, "guardrails"))
    if shadow.limits.per_day is not None:
        message = "not acted on in this version: replicas do not share `per_day`, each has all of it"
        hint = "divide it by the number of replicas"
        yield Finding("not-acted-on", message, hint, "warning", (*path, "limits", "per_day"))
