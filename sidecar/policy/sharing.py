"""`use: other.yaml#/features/age`: the keys of a definition that stands elsewhere, laid under those stated here.

Done on trees before anything is typed, so a mistake in a used definition is told where it stands, and the digest is of
what results. A used file holds `features:` at its top (shared definitions, or a contract) or is a policy.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..yamldoc import Finding, Keys, Node, Scalar, nearest, read, show
from .merging import at, put, section_of, under, without

MAX_CHAIN: Final = 8
_KEY: Final = "use"
_FORM: Final = "write FILE#/features/NAME, or #/features/NAME for one in the same document"
_REMOTE: Final = "a definition is read from a file beside the policy, never over the network"


class Library:
    """The files that definitions are taken from, each read once; what is wrong with them is in `findings`."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._documents: dict[str, list[Keys] | None] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that was asked for, readable or not: a change of any may change a policy."""
        return tuple(self._documents)

    def resolved(self, root: Keys, prefix: Sequence[str] = ("contract",)) -> Keys:
        """The document with every `use:` under `prefix.features` replaced by what it stands for."""
        features = at(root, (*prefix, "features"))
        for name, (_, node) in features.entries.items() if isinstance(features, Keys) else ():
            if isinstance(node, Keys) and _KEY in node.entries:
                path = (*prefix, "features", name)
                root = put(root, path, self._whole(node, root, path, ()))
        return root

    def _whole(self, node: Keys, document: Keys, path: tuple[str, ...], chain: tuple[tuple[str, str], ...]) -> Keys:
        """A definition with all that it uses, its own keys first."""
        wanted = node.get(_KEY)
        own = without(node, _KEY)
        if wanted is None:
            return node
        if not isinstance(wanted, Scalar) or wanted.is_null:
            return node  # told by its type
        file, pointer, name = _parts(wanted.text)
        if "://" in file:
            return self._fault("use.form", wanted, path, f"{show(wanted.text)} is not a file", _REMOTE, own)
        if not name:
            return self._fault("use.form", wanted, path, f"{show(wanted.text)} names no definition", _FORM, own)
        place = (beside(wanted.place.file, file) if file else wanted.place.file, name)
        if place in chain:
            through = " → ".join(step for _, step in (*chain[chain.index(place) :], place))
            return self._fault(
                "use.cycle",
                wanted,
                path,
                f"the definition uses itself: {through}",
                "state the keys in one of them",
                own,
            )
        if len(chain) >= MAX_CHAIN:
            message = f"more than {MAX_CHAIN} definitions that use one another"
            return self._fault("use.chain", wanted, path, message, "use the last one directly", own)
        documents = self._read(place[0], wanted, path) if file else [document]
        if documents is None:
            return own
        for other in documents:
            for features in _sections(other, pointer):
                used = features.get(name)
                if isinstance(used, Keys):
                    return under(own, self._whole(used, other, path, (*chain, place)))
        known = [key for other in documents for features in _sections(other, pointer) for key in features.entries]
        guess = nearest(name, known)
        hint = f"did you mean `{guess}`?" if guess else f"it has {', '.join(known[:20]) or 'no features'}"
        message = f"there is no definition {show(name)} in {show(place[0], 200)}"
        return self._fault("use.unknown", wanted, path, message, hint, own)

    def _read(self, file: str, wanted: Scalar, path: tuple[str, ...]) -> list[Keys] | None:
        documents = self.documents(file)
        if isinstance(documents, str):
            hint = "the path is relative to the file that says it"
            message = f"{show(file, 200)} cannot be read: {documents}"
            self._fault("use.unreadable", wanted, path, message, hint, Keys(wanted.place))
            return None
        return documents

    def documents(self, file: str) -> list[Keys] | str | None:
        """The sections of a file; None where that has been told already, or why it cannot be read."""
        if file not in self._documents:
            self._documents[file] = None
            try:
                if not stat.S_ISREG(Path(file).stat().st_mode):
                    raise OSError(0, "not a file")
                data = Path(file).read_bytes()
            except (OSError, ValueError) as error:
                return (error.strerror if isinstance(error, OSError) else "") or str(error)
            nodes, faults = read(data, file)
            self.findings.extend(faults)
            self._documents[file] = [node for node in nodes if isinstance(node, Keys)] if nodes else None
        return self._documents[file]

    def _fault(self, code: str, at_node: Scalar, path: tuple[str, ...], message: str, hint: str, own: Keys) -> Keys:
        place = at_node.place
        finding = Finding(code, message, hint, "error", (*path, _KEY), place.file, place.line, place.column)
        self.findings.append(finding)
        return own


def is_shared(root: Node) -> bool:
    """Whether a document holds definitions for others and is no policy itself."""
    return (
        isinstance(root, Keys)
        and "features" in root.entries
        and not {"policy", "contract", "model"} & set(root.entries)
    )


def _parts(text: str) -> tuple[str, tuple[str, ...], str]:
    """(file, the pointer to its features, the definition's name); "" for a name where the form is wrong."""
    file, _, pointer = text.partition("#")
    tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/"))
    if tokens[:1] == ("",) and tokens[1:-1] in (("features",), ("contract", "features")):
        return file.strip(), tokens[1:-1], tokens[-1]
    return file.strip(), (), ""


def _sections(document: Keys, pointer: tuple[str, ...]) -> list[Keys]:
    """Where definitions may stand: of `#/features/NAME` at the top or in the contract of a policy."""
    own = section_of(document, "features") if pointer == ("features",) else None
    contracts = section_of(section_of(document, "contract"), "features")
    return [found for found in (own, contracts) if found is not None]


def beside(origin: str, file: str) -> str:
    """A path relative to the file that says it (to the working directory for standard input)."""
    return os.path.normpath(Path(origin).parent / file)
