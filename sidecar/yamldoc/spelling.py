"""A key that is none: what was probably meant by it, and the tree as it was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from .nodes import Items, Keys, Node
from .shapes import Section, Truth
from .wording import elsewhere, nearest

Path: TypeAlias = tuple[str | int, ...]
_SURE: Final = 0.7  # less of the letters in common, and it may be a word of its own, as `tests` beside `hosts`
_NEARLY: Final = 0.1  # two keys this close to a word (as shares of its letters) might both be meant


@dataclass(frozen=True, slots=True)
class Guess:
    """The key that was probably meant ("" = none), the hint that says so, and whether it can be this one only."""

    word: str
    hint: str
    only: bool = False


@dataclass(frozen=True, slots=True)
class Respelling:
    """In the section at `path` the key `wrong` is read as `right`."""

    path: Path
    wrong: str
    right: str


def guess(name: str, found: Section, others: Iterable[str], root: type[object], there: Container[str] = ()) -> Guess:
    """What was meant by a key that neither this section nor its variants (`others`) have; which keys are `there`."""
    known = [*found.fields, *others]
    folded = name.lower().replace("_", "").replace("-", "")
    synonym = next((field for field in found.fields.values() if folded in field.also), None)
    if synonym is not None:  # `optional: true` means `required`, but not its value
        return Guess(synonym.name, f"did you mean `{synonym.name}`?", only=not isinstance(synonym.shape, Truth))
    near = nearest(name, known)
    home = elsewhere(root, name)
    if near and ((_likeness(name, near) > 0.75 and near not in there) or not home):
        sure = _likeness(name, near) > _SURE or sorted(name.lower()) == sorted(near.lower())
        rivals = [word for word in known if word != near and _likeness(name, word) > _likeness(name, near) - _NEARLY]
        return Guess(near, f"did you mean `{near}`?", only=sure and not rivals)
    if home:
        return Guess("", f"`{name}` is a key of {home}: check the indent")
    return Guess("", f"keys here: {', '.join(sorted(known))}")


def _likeness(name: str, word: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), word.lower()).ratio()


def renamed(section: Keys, names: Mapping[str, str]) -> Keys:
    """A copy with these keys under other names, in their places."""
    return Keys(section.place, {names.get(name, name): entry for name, entry in section.entries.items()})


def respelt(node: Node, respellings: Iterable[Respelling]) -> Node:
    """A copy of the tree; outer sections come before what is in them, under their right names."""
    for each in respellings:
        node = _respelt(node, each.path, each)
    return node


def _respelt(node: Node, path: Path, each: Respelling) -> Node:
    if isinstance(node, Keys):
        if not path:
            return renamed(node, {each.wrong: each.right})
        name = str(path[0])
        place, inner = node.entries[name]
        return Keys(node.place, {**node.entries, name: (place, _respelt(inner, path[1:], each))})
    if isinstance(node, Items) and path:
        at = int(path[0])
        return Items(node.place, [*node.items[:at], _respelt(node.items[at], path[1:], each), *node.items[at + 1 :]])
    return node
