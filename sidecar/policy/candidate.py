"""`candidate: next.yaml`: the contract of another file, judged beside the policy's own and never applied.

The file's `contract:` takes the place of its name in the tree, before anything is typed: so the digest covers it, the
journal holds it, and a mistake in it is told where it stands. Nothing else in that file counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ..yamldoc import Finding, Keys, Node, Scalar, show
from .merging import at, put, section_of, without
from .sharing import Library, beside

_PATH = ("contract", "candidate")


def with_candidate(root: Keys, library: Library) -> Keys:
    """The policy with its candidate's contract in place; without one where it cannot be had, which is told."""
    wanted = at(root, _PATH)
    if not isinstance(wanted, Scalar) or wanted.is_null or not wanted.text:
        return root
    contract = _contract(wanted, library)
    if contract is not None:
        return put(root, _PATH, contract)
    own = section_of(root, "contract")
    assert own is not None
    return put(root, ("contract",), without(own, "candidate"))


def _contract(wanted: Scalar, library: Library) -> Keys | None:
    if "://" in wanted.text:
        hint = "name a file beside the policy; nothing is read over the network"
        _fault("candidate.file", library, wanted, f"{show(wanted.text)} is not a file", hint)
        return None
    file = beside(wanted.place.file, wanted.text)
    documents = library.documents(file)
    if documents is None:
        return None
    if isinstance(documents, str):
        hint = "the path is relative to the file that says it"
        message = f"{show(file, 200)} cannot be read ({documents}): nothing is judged beside this contract"
        _fault("candidate.unreadable", library, wanted, message, hint, "warning")
        return None
    found = [document for document in documents if section_of(document, "contract") is not None]
    if len(found) != 1:
        message = f"{show(file, 200)} has {len(found) or 'no'} contract{'s' if len(found) > 1 else ''}"
        hint = "it needs one document with `contract:`, alone or in a policy"
        _fault("candidate.contract", library, wanted, message, hint)
        return None
    contract = section_of(library.resolved(found[0]), "contract")
    assert contract is not None
    if "candidate" in contract.entries:
        place = contract.entries["candidate"][0]
        message = "a candidate has no candidate of its own"
        hint = "take the key out; it is judged beside the policy that names it"
        library.findings.append(
            Finding("candidate.nested", message, hint, "error", _PATH, place.file, place.line, place.column)
        )
        return without(contract, "candidate")
    return contract


def _fault(
    code: str,
    library: Library,
    wanted: Scalar,
    message: str,
    hint: str,
    severity: Literal["error", "warning"] = "error",
) -> None:
    place = wanted.place
    library.findings.append(Finding(code, message, hint, severity, _PATH, place.file, place.line, place.column))


def candidates_of(roots: Sequence[Keys]) -> Callable[[Keys], bool]:
    """Whether a document is no policy in force, but the candidate of another: a contract alone, or a next version under
    the same name, in a file that the policy names."""
    named: dict[Path, set[str]] = {}
    for root in roots:
        wanted = at(root, _PATH)
        if isinstance(wanted, Scalar) and wanted.text and "://" not in wanted.text:
            file = Path(beside(wanted.place.file, wanted.text)).resolve()
            named.setdefault(file, set()).add(_text(root.get("policy")))

    def is_candidate(root: Keys) -> bool:
        names = named.get(Path(root.place.file).resolve()) if named else None
        return names is not None and ("policy" not in root.entries or _text(root.get("policy")) in names)

    return is_candidate


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
