"""Every code a finding can have: what it means and how it is mended. `check` points here through policies/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from ..yamldoc import Finding, schema_of
from .sections import Policy

PAGE: Final = "policies/README.md"

CODES: Final[dict[str, tuple[str, str]]] = {
    # of a file
    "file.unreadable": ("The file cannot be read.", "Check path and permissions."),
    "file.none": ("No policy was found where one was looked for.", "Give a policy file, or a folder with `*.yaml`."),
    "file.config": ("`--config` names several files.", "Give the one platform file."),
    "policy.none": ("All files hold shared definitions only.", "Give the policies that use them."),
    "yaml.syntax": ("This is not YAML.", "Mend the indent, quote or bracket at this place."),
    "yaml.empty": ("The file is empty.", "Begin with `policy: NAME`; a test file with `contract: FILE`."),
    "yaml.not-text": ("The file is not UTF-8 text.", "Save it as UTF-8; check that it is the right file."),
    "yaml.too-large": ("The file is larger than a policy may be.", "Split it."),
    "yaml.too-deep": ("The file nests deeper than any section needs.", "Take the brackets out."),
    "yaml.too-many": ("There are too many problems to go on.", "Mend the first ones, then check again."),
    "yaml.documents": ("A second document begins where one is expected.", "Keep one document in this file."),
    "yaml.duplicate-key": ("A key is here twice; YAML readers disagree about which counts.", "Keep one of them."),
    "yaml.key": ("A key is a list or a section.", "Quote it, or write a word."),
    "yaml.alias": ("Anchors and aliases are not taken: they can multiply.", "Write the value out, or use `use:`."),
    "yaml.merge": ("The merge key `<<` is not taken.", "Write the keys out, or use `use:`."),
    "yaml.tag": ("Tags are not taken: a value is typed by its key.", "Take the tag out."),
    # of keys and values
    "key.unknown": ("There is no such key here.", "Take the key that was meant, or correct the indent."),
    "key.missing": ("A key that must be there is not.", "Add it."),
    "value.type": ("The value is of another kind than the key takes.", "Write it as the message says."),
    "value.choice": ("The word is none of those the key takes.", "Take one of the list."),
    "value.range": ("The number is outside what the key takes.", "Take a number within the limits."),
    "value.text": ("The text does not have the form the key takes.", "Write it as the message says."),
    "value.section": ("The keys of this section do not fit together.", "Read the message."),
    # of a policy beside its model's server: `check --upstream`
    "model.unreachable": ("The server could not be asked, or does not have the model.", "Check URL and name."),
    "model.unstated": ("The server does not say this of the model: it was not compared.", "Compare it by hand."),
    "model.version-not-served": (
        "The server states another version than the policy pins.",
        "Pin the right one.",
    ),
    "model.input-not-served": ("The server's model has no such input.", "Correct the name, or `columns`."),
    "model.output-not-served": ("The server's model has no such output.", "Correct the name, or `predictions`."),
    "model.input-shape": ("The model's matrix has another number of columns.", "Name them in the model's order."),
    "model.input-type": ("What the contract allows cannot be sent as the stated datatype.", "Change the type."),
    "model.input-range": ("The stated datatype does not hold what the contract allows.", "Narrow the bound."),
    "model.input-unnamed": ("The model takes an input of which the policy says nothing.", "Add it."),
    # of a contract
    "unknown-type": ("There is no such type.", "Take one of the types; vectors are written `float[64]`."),
    "bad-value": ("The value is not of the feature's type.", "Write a value of that type, or change the type."),
    "bad-pattern": ("The pattern is not RE2, the regular expressions that always run in linear time.", "Rewrite it."),
    "bad-source": ("`from:` names no place.", "Write `header:NAME`, a JSON Pointer, or `tensor[3]`."),
    "check-does-not-fit": ("A value of this type cannot have this check.", "Change the type, or drop the key."),
    "contradictory-bounds": ("No value can be within these bounds.", "Correct the bounds."),
    "no-values": ("The list of values is missing or empty.", "List the values, or use `type: string`."),
    "breaks-own-checks": ("A value that the policy sets would be refused by the policy.", "Set one that is allowed."),
    "not-repairable": ("Keys, slice features and headers are never changed.", "Use reject, fallback, warn or ignore."),
    "null-not-allowed": ("`set_null` would set what the feature refuses.", "Add `nullable: true`."),
    "clamp-does-not-fit": ("`clamp` works on single numbers.", "Use `{replace: VALUE}`, reject or warn."),
    "clamp-without-bounds": ("`clamp` has no bound to go to.", "Add `min` or `max`."),
    "fallback-without-values": ("Something asks for a fallback, and there is none.", "Add `fallback: {values: …}`."),
    "fallback-value-missing": ("A prediction has no fallback value.", "Add it to `fallback.values`."),
    "unknown-prediction": ("A fallback value is for a prediction of another name.", "Correct the name."),
    "duplicate-value": ("A value is listed twice.", "Keep one."),
    "duplicate-key": ("Two keys of one meaning disagree.", "Keep one."),
    "unreachable-value": ("Another check refuses this value, so the entry has no effect.", "Drop it, or the check."),
    "sentinel-in-range": ("A missing-value marker is also a good value.", "Take it out, or narrow the bounds."),
    "ignored-check": ("Features with `role: ignored` are not checked.", "Drop the check, or the role."),
    "personal-data": ("The name or format is that of personal data.", "Add `pii: true`, or hide it in `capture`."),
    "one-place": ("Two features are read from one place.", "Give each its own `from:`."),
    "two-timestamps": ("Two features are the time of the row's event.", "Keep the role on one."),
    "drop.protocol": ("This protocol has no list of rows to drop one from.", "Use reject or fallback."),
    # of rules
    "bad-expression": (
        "The expression cannot be read, or compares what cannot be compared.",
        "Mend it at the character.",
    ),
    "rule.decided": ("Bounds leave a rule one answer for every row.", "Drop the rule, or correct it."),
    "rule.constant": ("The expression has one answer for every row.", "Name a feature, or correct the comparison."),
    "rule.id": ("The id cannot end a code.", "Use letters, digits, `-`, `_` and `.`."),
    "rule.mode": ("A rule cannot be stronger than its contract.", "Set the contract's mode, or drop the rule's."),
    "rule.twice": ("Two rules have one id.", "Give each its own."),
    # of definitions elsewhere
    "candidate.file": ("`candidate:` is no file.", "Name a file beside the policy."),
    "candidate.unreadable": (
        "The candidate's file cannot be read: nothing is judged beside the contract.",
        "Correct the path: it is relative to the policy's file.",
    ),
    "candidate.contract": ("The candidate's file has no contract, or several.", "Keep one document with `contract:`."),
    "candidate.nested": ("A candidate names a candidate of its own.", "Take the key out of the candidate."),
    "use.form": ("`use:` does not name a definition.", "Write `FILE#/features/NAME`, or `#/features/NAME`."),
    "use.unreadable": ("The file of the definition cannot be read.", "Correct the path: it is relative to this file."),
    "use.unknown": ("The file has no definition of this name.", "Correct the name."),
    "use.cycle": ("The definition uses itself.", "State the keys in one place."),
    "use.chain": ("Too many definitions use one another.", "Use the last one directly."),
    "use.unresolved": ("A contract was compiled before its definitions were put in.", "Load the whole policy."),
    # of the model and its place
    "model.mapping": ("Features and predictions cannot be found in bodies this way.", "Correct `columns` or `from:`."),
    "model.path": ("No request can have this path.", "Correct it."),
    "mapping.near": ("A column and a feature have nearly the same name.", "Give them one name."),
    "url.address": ("This address cannot be dialled.", "Correct it."),
    "url.host": ("The host is not on the list of hosts we dial.", "Add it to `hosts:`, or correct the URL."),
    "url.environment": ("The host's name speaks of another environment.", "Check that it is the right URL."),
    "upstream.bad": ("`--upstream` is no address.", "Write `http://host:port`."),
    "upstream.none": ("Nobody says where the model is.", "Give `--upstream`, or `upstream: {url: …}`."),
    "upstream.overridden": ("A URL in a file gives way to the command line's.", "Nothing, if that is meant."),
    # of policies and platform together
    "policy.twice": ("Two policies have one name.", "Give each its own."),
    "policy.overlap": ("Two policies would judge one request.", "Give each its own `model.name` or `model.path`."),
    "policy.unusable": ("The policy cannot be compiled.", "Read the message."),
    "platform.second": ("There is a second platform file, and it is not used.", "Choose one with `--config`."),
    "policy.kind": ("A platform file or a test file stands where a policy is expected.", "Do as the hint says."),
    "platform.policy": ("A policy or a test file stands where the platform file is expected.", "Do as the hint says."),
    "test.kind": ("A policy or a platform file stands where a test file is expected.", "Do as the hint says."),
    "platform.disagrees": ("Two documents state one key of the platform differently.", "State it in one place."),
    "environment.unknown": ("The files are not for this environment.", "Name one that they know, or add it."),
    "forward.twice": ("A sink is listed twice: everything would be sent twice.", "Keep one."),
    "load.failed": ("The loader stopped without a result.", "Read its message in the log."),
    "load.timeout": ("Loading took too long.", "Make the policies smaller."),
    # of what observes
    "slice.twice": ("Two slices have one name.", "Give each its own."),
    "slice.choice": ("A slice chooses its rows in no way, or in two.", "Give `where` or `by`."),
    "shadow.twice": ("Two candidates have one name.", "Give each its own."),
    "shadow.unit": ("The unit is no feature.", "Use request, row, or a key feature."),
    "shadow.compare": ("Outputs cannot be compared this way.", "Read the message."),
    "shadow.guardrail": ("A guardrail lacks what it measures by.", "Add the key that the message names."),
    "shadow.collect": ("Two keys for one limit disagree.", "Keep one."),
    "reference.unknown": ("A name leads to no feature or prediction of the contract.", "Correct the name."),
    "capture.unknown": ("What is to be hidden is in no contract: nothing would be hidden.", "Correct the name."),
    # of care
    "owner.missing": ("Nobody answers for a policy that enforces.", "Add `owner: {team: …, contact: …}`."),
    "review.due": ("The day to look at this policy again has passed.", "Look at it, and set the next day."),
    "rule.unreviewed": ("A rule only observes and no day is set to decide about it.", "Set `lineage.review_by`."),
    "fallback.answer": ("These values make no answer of the protocol.", "Give the value that its answers consist of."),
    "fallback.unused": ("Nothing asks for the fallback.", "Say `on_violation: fallback` where it is meant."),
    "not-acted-on": ("This version reads the key and does nothing about it.", "Nothing; or leave it out."),
}


def anchor(code: str) -> str:
    """The place of a code in the page."""
    return "finding-" + code.replace(".", "-")


def see(finding: Finding) -> str:
    """Where a finding is documented: its code, and the section of the key that it is about."""
    found = f"{PAGE}#{anchor(finding.code)}" if finding.code in CODES else PAGE
    section = section_of(finding.path)
    return f"{found}, #{slug(section)}" if section else found


def slug(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    return "".join(sign for sign in heading.lower() if sign.isalnum() or sign in "-_")


def section_of(path: tuple[str | int, ...]) -> str:
    """The documented section that has the key at a path, like `contract.features.NAME`; "" for the top."""
    if path[:1] == ("defaults",):  # the page tells a section once: under the policy's own name
        return section_of(path[1:]) if len(path) > 2 else "defaults"
    schema, headings = _documented()
    definitions: dict[str, Any] = schema["definitions"]
    node: Any = schema
    section = ""
    for step in path:
        for name, inner in _inside(node, definitions):
            section = headings.get(name, section) if name else section
            node = inner
        node = _child(node, step)
        if node is None:
            break
    return section


@cache
def _documented() -> tuple[dict[str, Any], dict[str, str]]:
    schema = schema_of(Policy)
    return schema, {name: path for path, name in sections(schema)}


def sections(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, definition) of each section of a schema, outermost first, each once."""
    waiting = list(references(schema))
    seen: set[str] = set()
    while waiting:
        path, name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield path, name
        waiting.extend(
            (f"{path}{suffix}".lstrip("."), inner) for suffix, inner in references(schema["definitions"][name])
        )


def references(schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path below here, definition) of each section a schema points at: `.key`, `[]` of lists, `.NAME` of maps."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield path, schema["$ref"].rpartition("/")[2]
    for name, inner in schema.get("properties", {}).items():
        yield from references(inner, f"{path}.{name}")
    yield from references(schema.get("items"), f"{path}[]")
    yield from references(schema.get("additionalProperties"), f"{path}.NAME")
    for word in ("anyOf", "allOf"):
        for inner in schema.get(word, ()):
            yield from references(inner.get("then", inner), path)


def _inside(node: Any, definitions: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The section that a node points at, through unions and wrappers."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        yield name, definitions[name]
        return
    for word in ("allOf", "anyOf"):
        for inner in node.get(word, ()):
            if "properties" not in inner and "if" not in inner:
                yield from _inside(inner, definitions)
            if inner.get("type") == "object":
                yield "", inner


def _child(node: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return node.get("items")
    found = node.get("properties", {}).get(step)
    return found if found else node.get("additionalProperties") or None
