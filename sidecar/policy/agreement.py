"""What no key can say alone: a contract that compiles and fits its protocol, URLs we may dial, policies that do not
meet, and what this version reads but does not act on."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from ..contract import ContractSection, Mode, compile_contract
from ..contract.sections import ModeByCaller
from ..yamldoc import Finding, Node, Parsed, nearest
from .lint import of_meaning
from .merging import section_of
from .model import PLANNED, protocols
from .platform import CloudEvents, Kafka, Platform
from .sections import Policy
from .shadowing import of_shadow
from .slicing import of_expressions, words_of
from .urls import allowed, environment_word, fault_of, host_of, is_socket

Path = tuple[str | int, ...]

_OF_ONE_KEY: Final = frozenset({"bad-value", "bad-pattern", "bad-source", "unknown-type"})
# What only follows where the names that all else speaks of could not be read
_OF_NAMES: Final = frozenset(
    {"bad-expression", "capture.unknown", "mapping.near", "reference.unknown", "shadow.unit", "unknown-prediction"}
)
_OF_FEATURES: Final[tuple[Path, ...]] = (("contract", "rules"), ("slices",))  # lists that speak of no prediction
_POLICY_NOT_YET: Final[dict[Path, str]] = {
    ("watch", "drift"): "no distribution is compared with the baseline",
    ("watch", "actions"): "what predictions lead to is not watched",
    ("watch", "bias"): "predictions are not compared with labels",
    ("feedback", "holdout"): "no prediction is held out",
    ("feedback", "perturb"): "no prediction is perturbed",
    ("feedback", "loops"): "no loop is looked for",
}
_PLATFORM_NOT_YET: Final[dict[Path, str]] = {
    ("forward",): "no record is sent elsewhere",
    ("shared",): "replicas share nothing",
}


def of_policy(parsed: Parsed[Policy], today: date | None) -> list[Finding]:
    """Findings about one policy as resolved."""
    policy = parsed.draft
    if policy is None:
        return []
    findings = [*_contract(parsed, policy), *_protocol(policy), *_addresses(_dialled(policy)), *of_shadow(policy)]
    findings.extend(of_meaning(policy))
    if policy.owner is None and _enforces(policy.contract.mode):
        message = f"`{policy.name}` enforces, and nobody owns it"
        hint = "owner: {team: …, contact: …}: refused callers are shown the contact"
        findings.append(Finding("owner.missing", message, hint, "warning", ("policy",)))
    due = policy.lineage.review_by if policy.lineage is not None else None
    if due is not None and today is not None and due < today.isoformat():
        message = f"`{policy.name}` was to be reviewed by {due}"
        findings.append(Finding("review.due", message, "", "warning", ("lineage", "review_by")))
    findings.extend(_not_yet(parsed, _POLICY_NOT_YET))
    findings.extend(_hidden(policy))
    if _astray(parsed, policy):
        named = _OF_FEATURES if policy.contract.features else ()
        findings = [each for each in findings if each.code not in _OF_NAMES or each.path[:-2] in named]
    return _news(parsed, findings)


def _enforces(mode: Mode | ModeByCaller) -> bool:
    modes = [mode.default, *mode.callers.values()] if isinstance(mode, ModeByCaller) else [mode]
    return Mode.ENFORCE in modes


def _astray(parsed: Parsed[Policy], policy: Policy) -> bool:
    """Whether features or predictions are missed where an unknown section may hold them: then no name is known."""
    if policy.contract.features and policy.contract.prediction:
        return False
    homes: dict[Path, Node | None] = {(): parsed.root, ("contract",): section_of(parsed.root, "contract")}
    unknown = [finding.path for finding in parsed.findings if finding.code == "key.unknown"]
    return any(section_of(homes.get(path[:-1]), str(path[-1])) is not None for path in unknown)


def _hidden(policy: Policy) -> Iterator[Finding]:
    """A misspelt name would leave what it means in the open. An output need not be in the contract: it may be right."""
    known = [*policy.contract.features, *policy.contract.prediction]
    for name in policy.capture.hide:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near}`?" if near else "right if the model's answers have an output of this name"
            message = f"`{name}` is neither a feature nor a prediction of the contract: nothing of that name is hidden"
            yield Finding("capture.unknown", message, hint, "warning", ("capture", "hide", name))


def of_platform(parsed: Parsed[Platform]) -> list[Finding]:
    """Findings about the platform as resolved."""
    platform = parsed.draft
    if platform is None:
        return []
    findings = [*_addresses(_sinks(platform)), *_not_yet(parsed, _PLATFORM_NOT_YET)]
    if platform.callers.from_ == "xfcc" or platform.callers.from_.startswith("jwt:"):
        message = f"not acted on in this version: callers are not read from `{platform.callers.from_}`"
        findings.append(Finding("not-acted-on", message, "name a header", "warning", ("callers", "from")))
    if platform.archive is not None and "://" in (platform.archive.to or ""):
        message = f"not acted on in this version: nothing is archived to {platform.archive.to}"
        findings.append(Finding("not-acted-on", message, "give a folder", "warning", ("archive", "to")))
    return _news(parsed, findings)


def across(policies: Sequence[Parsed[Policy]], platform: Parsed[Platform]) -> list[Finding]:
    """Findings about policies and platform together: hosts, and requests that two policies would judge."""
    findings: list[Finding] = []
    if platform.draft is not None:
        findings.extend(_news(platform, _hosts(platform.draft, _sinks(platform.draft))))
        for parsed in policies:
            if parsed.draft is not None:
                findings.extend(_news(parsed, _hosts(platform.draft, _dialled(parsed.draft))))
    findings.extend(_meetings([parsed for parsed in policies if parsed.draft is not None]))
    return findings


def _news(parsed: Parsed[Policy] | Parsed[Platform], findings: Iterable[Finding]) -> list[Finding]:
    """Findings with their places, without those where an error is known already: they would only follow from it."""
    known = {(error.file, error.line, error.column) for error in parsed.findings if error.severity == "error"}
    placed = (parsed.place(finding) for finding in findings)
    return [finding for finding in placed if (finding.file, finding.line, finding.column) not in known]


# -- one policy


def _contract(parsed: Parsed[Policy], policy: Policy) -> Iterator[Finding]:
    """The contract's own findings, but for those that only follow from a key already reported."""
    broken = [finding.path for finding in parsed.findings if finding.severity == "error" and len(finding.path) > 1]
    features = {str(path[2]) for path in broken if path[:2] == ("contract", "features") and len(path) > 2}
    compiled, found = compile_contract(policy.contract)
    for finding in found:
        path = ("contract", *finding.path)
        if _follows(finding.code, path, broken):
            continue
        if finding.code == "personal-data" and finding.path[-1] in policy.capture.hide:
            continue
        if path[1:2] == ("rules",) and features & _words_of_rule(policy.contract, path):
            continue
        yield Finding(finding.code, finding.message, finding.hint, finding.severity, path)
    yield from of_expressions(policy, features)
    wrong = [*broken, *(("contract", *finding.path) for finding in found if finding.severity == "error")]
    if policy.model.wire is None or any(_hides_the_mapping(path) for path in wrong):
        return
    stated = {name: feature.from_ for name, feature in policy.contract.features.items()}
    outputs = tuple(policy.contract.prediction)
    try:
        codec = policy.model.wire.bind(
            stated if compiled is None else compiled.features, outputs if compiled is None else compiled.predictions
        )
    except ValueError as error:
        yield Finding("model.mapping", str(error), "", "error", _of_the_mapping(str(error), stated))
        compiled, codec = None, type(policy.model.wire)().bind({}, ())  # the protocol alone knows if answers list rows
    if not codec.lists_rows:
        yield from _unable_to_drop(policy.contract, policy.model.protocol)
    if compiled is not None and not broken and isinstance(policy.contract.candidate, ContractSection):
        yield from _candidate(policy.contract.candidate, policy)


def _hides_the_mapping(path: Path) -> bool:
    """Whether a broken key may be why a feature or prediction is not found in bodies."""
    if path[0] != "contract":
        return path[0] == "model"
    unknown = len(path) < 3 and path[1:2] in (("features",), ("prediction",))
    return unknown or path[1:2] == ("fallback",) or path[-1] in ("from", "use")


def _of_the_mapping(message: str, features: Collection[str]) -> Path:
    """The key that a codec's complaint begins with."""
    name = message.partition("`")[2].partition("`")[0]
    if name.startswith("predictions"):
        return ("model", "predictions")
    if name.startswith("columns") or "is a column twice" in message:
        return ("model", "columns")
    return ("contract", "features", name) if name in features else ("model",)


def _follows(code: str, path: Path, broken: Sequence[Path]) -> bool:
    """Whether a finding may only follow from a broken key of the same feature (or prediction, or rule)."""
    same = [other for other in broken if other[:3] == path[:3]]
    if code in _OF_ONE_KEY and all(len(other) > 3 and other[:4] != path[:4] for other in same):
        return False
    return bool(same)


def _words_of_rule(contract: ContractSection, path: Path) -> frozenset[str]:
    at = path[2] if len(path) > 2 else None
    if not isinstance(at, int) or at >= len(contract.rules):
        return frozenset()
    return words_of(f"{contract.rules[at].when} {contract.rules[at].expect}")


def _candidate(contract: ContractSection, policy: Policy) -> Iterator[Finding]:
    """A candidate must be able to take its policy's place: it compiles, and the protocol has its features."""
    place = ("contract", "candidate")
    compiled, found = compile_contract(contract)
    for finding in found:
        yield dataclasses.replace(finding, path=(*place, *finding.path))
    if compiled is None or policy.model.wire is None:
        return
    try:
        codec = policy.model.wire.bind(compiled.features, compiled.predictions)
    except ValueError as error:
        yield Finding("model.mapping", f"the candidate does not fit `model`: {error}", "", "error", place)
        return
    if not codec.lists_rows:
        for finding in _unable_to_drop(contract, policy.model.protocol):
            yield dataclasses.replace(finding, path=(*place, *finding.path[1:]))


def _unable_to_drop(contract: ContractSection, protocol: str) -> Iterator[Finding]:
    """Rows leave a batch only where null can stand in their places in the answer."""
    message = (
        f"answers of `{protocol}` are not lists of rows: there is no place for the answer to a row that was left out"
    )
    if contract.on_bad_rows == "drop_rows":
        yield Finding("drop.protocol", message, "use reject_request or fallback", "error", ("contract", "on_bad_rows"))
    hint = "use reject, fallback or a repair"
    for kind, members in (("features", contract.features), ("prediction", contract.prediction)):
        for name, keys in members.items():
            if keys.on_violation == "drop":
                yield Finding("drop.protocol", message, hint, "error", ("contract", kind, name, "on_violation"))
    for position, rule in enumerate(contract.rules):
        if rule.on_violation == "drop":
            yield Finding("drop.protocol", message, hint, "error", ("contract", "rules", position, "on_violation"))


def _protocol(policy: Policy) -> Iterator[Finding]:
    name = policy.model.protocol
    if policy.model.wire is None and name in PLANNED and protocols().get(name) is None:
        message = f"protocol {name} is not acted on in this version: `serve` refuses this policy"
        read = ", ".join(word for word, cls in protocols().items() if cls is not None)
        hint = f"this version reads {read}; `opaque` with `path` passes bodies unread"
        yield Finding("not-acted-on", message, hint, "warning", ("model", "protocol"))


def _not_yet(parsed: Parsed[Policy] | Parsed[Platform], table: dict[Path, str]) -> Iterator[Finding]:
    for path, consequence in table.items():
        if parsed.states(path):
            dotted = ".".join(str(step) for step in path)
            message = f"`{dotted}` is not acted on in this version: {consequence}"
            yield Finding("not-acted-on", message, "", "warning", path)


# -- what is dialled


def _dialled(policy: Policy) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if policy.upstream.url is not None:
        found.append((("upstream", "url"), policy.upstream.url))
    found.extend((("shadow", at, "upstream"), shadow.upstream) for at, shadow in enumerate(policy.shadow))
    return found


def _sinks(platform: Platform) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if platform.upstream.url is not None:
        found.append((("upstream", "url"), platform.upstream.url))
    if platform.trace.to is not None:
        found.append((("trace", "to"), platform.trace.to))
    for at, forward in enumerate(platform.forward):
        match forward.sink:
            case Kafka(bootstrap=bootstrap):
                found.extend((("forward", at, "bootstrap"), address.strip()) for address in bootstrap.split(","))
            case CloudEvents(url=url):
                found.append((("forward", at, "url"), url))
    return found


def _addresses(dialled: Sequence[tuple[Path, str]]) -> Iterator[Finding]:
    for path, url in dialled:
        fault = fault_of(url)
        if fault:
            yield Finding("url.address", f"`{url}`: {fault}", "", "error", path)


def _hosts(platform: Platform, dialled: Sequence[tuple[Path, str]]) -> Iterator[Finding]:
    for path, url in dialled:
        host = host_of(url)
        if platform.hosts is not None and not is_socket(url) and not allowed(host, platform.hosts):
            hint = f"hosts: [{', '.join(platform.hosts)}]" if platform.hosts else "`hosts: []` allows none"
            yield Finding("url.host", f"the host `{host}` is not in `hosts:`", hint, "error", path)
        word = environment_word(host)
        if word and platform.environment in ("production", "prod", "live"):
            message = f"`{host}` says {word}, and this is {platform.environment}"
            yield Finding("url.environment", message, "is this the right URL?", "warning", path)


# -- policies that meet


def _meetings(policies: Sequence[Parsed[Policy]]) -> Iterator[Finding]:
    """Each request is judged by one policy, so no two may claim the same one."""
    names: dict[str, Parsed[Policy]] = {}
    claims: dict[tuple[str, str], Parsed[Policy]] = {}
    for parsed in policies:
        policy = parsed.draft
        assert policy is not None
        first = names.setdefault(policy.name, parsed)
        if first is not parsed:
            message = f"a second policy named `{policy.name}`; the first is {_where(first)}"
            yield parsed.place(Finding("policy.twice", message, "give it a name of its own", path=("policy",)))
        if not policy.model.protocol or any(finding.path[:1] == ("model",) for finding in parsed.findings):
            continue
        what, claim, path = _claim(policy)
        other = claims.setdefault(claim, parsed)
        if other is not parsed and other.draft is not None:
            message = f"`{policy.name}` and `{other.draft.name}` ({_where(other)}) both judge {what}"
            hint = "give each its own `model.name` or `model.path`"
            yield parsed.place(Finding("policy.overlap", message, hint, path=path))


def _claim(policy: Policy) -> tuple[str, tuple[str, str], Path]:
    model = policy.model
    if model.path is not None:
        return f"the path `{model.path}`", ("path", model.path.rstrip("/") or "/"), ("model", "path")
    if model.name is not None:
        return f"the model `{model.name}`", ("name", model.name), ("model", "name")
    return "every model that no other policy names", ("nameless", ""), ("model",)


def _where(parsed: Parsed[Policy]) -> str:
    line, _ = parsed.locate(("policy",))
    return f"{parsed.file}:{line}"
