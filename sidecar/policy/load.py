"""Files → policies and platform, resolved and checked, with every problem of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..contract import ContractSection
from ..yamldoc import Finding, Keys, Node, Parsed, bind, in_order, read, spelt
from .agreement import across, of_platform, of_policy
from .candidate import candidates_of, with_candidate
from .files import Source, gather, read_stdin
from .kind import BEGINS, Kind, kind_of, mixed_up, named_as
from .platform import Platform
from .resolve import COMMAND_LINE, resolve
from .sections import Policy
from .sharing import Library, is_shared


@dataclass(frozen=True)
class Loaded:
    """What was found. `policies` is empty when any finding is an error: a set is used whole or not at all (P6).

    `documents` counts the policies, platform files and shared definitions that were read, good or bad; `used` names
    the files that policies took definitions from. `parsed` are the policies with the places of their keys.
    """

    policies: tuple[Policy, ...]
    platform: Platform
    findings: tuple[Finding, ...]
    documents: int = 0
    used: tuple[str, ...] = ()
    parsed: tuple[Parsed[Policy], ...] = ()

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return len(self.findings) - self.errors

    @property
    def unreadable(self) -> bool:
        """Whether a file could not be read at all, or there was none."""
        return any(finding.code.startswith("file.") for finding in self.findings)


def load(
    paths: Sequence[Path],
    *,
    config: Path | None = None,
    environment: str = "",
    upstream: str = "",
    today: date | None = None,
    stdin: Callable[[], bytes] = read_stdin,
) -> Loaded:
    """Read, merge, resolve and check. Nothing is raised for what a file says or does not say.

    `environment` "" is the platform's own; `upstream` "" leaves the files' URLs. A file named sidecar.yaml among
    `paths` is the platform's when there is no `config`. `today` (UTC) is what `review_by` is held against.
    """
    sources, findings = gather(paths, stdin=stdin)
    chosen, others = _platform_source(sources, config, findings)
    platform_root = _platform_root(chosen, findings) if chosen is not None else None
    roots: list[Keys] = []
    for source in others:
        nodes, faults = read(source.data, source.name, BEGINS[named_as(source.name)])
        findings.extend(faults)
        roots.extend(_policy_roots(nodes, findings))
    where = ", ".join(str(path) for path in paths) or "command line"
    if not roots and not findings and chosen is None:
        hint = "give a policy file, or a directory with *.yaml files"
        findings.append(Finding("file.none", "there is no policy here", hint, file=where))
    library = Library()
    shared = [library.resolved(root, ()) for root in roots if is_shared(root)]
    judged_beside = candidates_of(roots)
    roots = [
        with_candidate(library.resolved(root), library)
        for root in roots
        if not is_shared(root) and not judged_beside(root)
    ]
    if shared and not roots:
        hint = "policies take them by `use: FILE#/features/NAME`; give those"
        findings.append(Finding("policy.none", "here are shared definitions only", hint, "warning", file=where))
    stated = library.resolved(platform_root or Keys(COMMAND_LINE), ("defaults", "contract"))
    resolved = resolve(roots, stated, environment=environment, upstream=upstream)
    findings.extend(resolved.findings)
    for parsed in resolved.policies:
        findings.extend(of_policy(parsed, today))
    findings.extend(of_platform(resolved.platform))
    findings.extend(across(resolved.policies, resolved.platform))
    findings.extend(library.findings)
    told = {(finding.file, finding.line, finding.column) for finding in findings}
    for found in (bind(root, ContractSection).findings for root in shared):
        findings.extend(finding for finding in found if (finding.file, finding.line, finding.column) not in told)
    ordered = in_order(findings)
    wrong = any(finding.severity == "error" for finding in ordered)
    policies = () if wrong else tuple(parsed.draft for parsed in resolved.policies if parsed.draft is not None)
    platform = resolved.platform.draft or Platform()
    documents = len(roots) + len(shared) + (chosen is not None)
    return Loaded(policies, platform, ordered, documents, library.files, resolved.policies)


def _platform_source(
    sources: list[Source], config: Path | None, findings: list[Finding]
) -> tuple[Source | None, list[Source]]:
    """The platform file, and the policies' files."""
    policies = [source for source in sources if not source.is_platform]
    named = [source for source in sources if source.is_platform]
    if config is None:
        chosen = named.pop(0) if named else None
    else:
        given, faults = gather([config])
        findings.extend(faults)
        chosen = given[0] if given else None
        if len(given) > 1:
            hint = f"it is a directory with {len(given)} of them"
            findings.append(Finding("file.config", "--config takes one file", hint, file=str(config)))
        taken = {Path(source.name).resolve() for source in given}
        named = [source for source in named if Path(source.name).resolve() not in taken]
        policies = [source for source in policies if Path(source.name).resolve() not in taken]
    for source in named:
        hint = f"the one in use is {chosen.name}; choose with --config" if chosen is not None else ""
        message = "a second platform file: it is not used"
        findings.append(Finding("platform.second", message, hint, "warning", (), source.name, 1, 1))
    return chosen, policies


def _platform_root(source: Source, findings: list[Finding]) -> Keys | None:
    nodes, faults = read(source.data, source.name, BEGINS[Kind.PLATFORM])
    findings.extend(faults)
    for extra in nodes[1:]:
        message, hint = "a second document begins here", "a platform file has one"
        place = extra.place
        findings.append(Finding("yaml.documents", message, hint, "error", (), place.file, place.line, 1))
    if not nodes:
        return None
    root = nodes[0]
    if isinstance(root, Keys) and (kind := kind_of(root, Kind.PLATFORM)) is not Kind.PLATFORM:
        findings.append(mixed_up(root, kind, Kind.PLATFORM))
        return None
    root, misspelt = spelt(root, Platform)
    findings.extend((*misspelt, *bind(root, Platform).findings))
    return root if isinstance(root, Keys) else None


def _policy_roots(nodes: list[Node], findings: list[Finding]) -> list[Keys]:
    roots = []
    for node in nodes:
        if isinstance(node, Keys):
            meant, misspelt = spelt(node, ContractSection if is_shared(node) else Policy)
            assert isinstance(meant, Keys)
            kind = kind_of(meant, Kind.POLICY)
            if kind is Kind.POLICY:
                findings.extend(misspelt)
                roots.append(meant)
            else:
                findings.append(mixed_up(node, kind, Kind.POLICY))
        else:
            findings.extend(bind(node, Policy).findings)
    return roots
