"""Documents laid over each other as trees, before anything is typed: what is stated wins, each node keeps its place.

Working on trees keeps "stated" and "by default" apart, which values cannot, and lets a finding point into the file that
the culprit came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..yamldoc import Finding, Items, Keys, Node, Place, Scalar, show

Path = tuple[str | int, ...]


def under(stated: Keys, default: Keys | None) -> Keys:
    """`stated` with the keys of `default` where it has none, section by section."""
    if default is None:
        return stated
    merged = Keys(stated.place, dict(stated.entries))
    for name, (place, value) in default.entries.items():
        own_place, own = merged.entries.get(name, (place, value))
        if isinstance(own, Keys) and isinstance(value, Keys) and own is not value:
            own = under(own, value)
        merged.entries[name] = (own_place, own)
    return merged


def put(root: Keys, path: Sequence[str], node: Node) -> Keys:
    """A copy of `root` with `node` at `path`; sections on the way are made."""
    first, *rest = path
    copy = Keys(root.place, dict(root.entries))
    if rest:
        inner = root.get(first)
        node = put(inner if isinstance(inner, Keys) else Keys(node.place), rest, node)
    place = root.entries[first][0] if first in root.entries else node.place
    copy.entries[first] = (place, node)
    return copy


def without(root: Keys, *names: str) -> Keys:
    """A copy of `root` without these keys."""
    return Keys(root.place, {name: entry for name, entry in root.entries.items() if name not in names})


def only(root: Keys, *names: str) -> Keys:
    """A copy of `root` with these keys alone."""
    return Keys(root.place, {name: entry for name, entry in root.entries.items() if name in names})


def at(root: Node | None, path: Sequence[str]) -> Node | None:
    """The node at a path of keys, or None."""
    for name in path:
        root = root.get(name) if isinstance(root, Keys) else None
    return root


def section_of(root: Node | None, name: str) -> Keys | None:
    """A key's value where it is a section."""
    node = at(root, (name,))
    return node if isinstance(node, Keys) else None


def disagreements(here: Node | None, there: Node | None, path: Path) -> Iterator[Finding]:
    """What two documents both state, differently: a finding at each place `here`."""
    if here is None or there is None:
        return
    if isinstance(here, Keys) and isinstance(there, Keys):
        for name in here.entries:
            yield from disagreements(here.get(name), there.get(name), (*path, name))
        return
    if spelled(here) != spelled(there):
        dotted = ".".join(str(step) for step in path)
        message = f"`{dotted}` is {spelled(here)} here and {spelled(there)} in {_where(there.place)}"
        hint = "state it in one place"
        place = here.place
        yield Finding("platform.disagrees", message, hint, "error", path, place.file, place.line, place.column)


def spelled(node: Node) -> str:
    """A node in one line, for messages and for comparison."""
    match node:
        case Scalar(text):
            return show(text)
        case Items(_, items):
            return f"[{', '.join(spelled(item) for item in items)}]"
        case Keys(_, entries):
            return f"{{{', '.join(f'{name}: {spelled(value)}' for name, (_, value) in entries.items())}}}"


def _where(place: Place) -> str:
    return f"{place.file}:{place.line}" if place.line else place.file
