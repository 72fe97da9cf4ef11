"""Contracts and rows for property tests: contracts that compile, rows near their edges and far from them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=6,
)
EDGES = st.sampled_from(
    [0, 1, -1, 5, 9.0, 2.5, 0.1, 0.3, -0.0, 2**53, 2**53 + 1, -(2**53) - 1, 1e300, 10**30, float("nan"), float("inf")]
)
TEXTS = st.sampled_from(["a", "b", "ab", "", "é", "N/A", "007", "no"])
ATOMS = EDGES | TEXTS | st.none() | st.booleans() | st.integers(-12, 12) | st.floats(-12, 12)
CELLS = ATOMS | st.lists(ATOMS, max_size=4) | JSON


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["int", "float"]))
    point = float if kind == "float" else int
    feature: dict[str, Any] = {"type": kind}
    low = draw(st.sampled_from([None, -5, 0, -(2**53) - 1, 2**53 - 1]))
    high = draw(st.sampled_from([None, 5, 9, 2**53 - 1, 2**53 + 1, 10**18]))
    if low is not None and (high is None or low <= high):
        feature["min"] = low
    if high is not None and (low is None or low <= high):
        feature["max"] = high
    extra = draw(st.sampled_from(["", "", "multiple_of", "values", "exclusive"]))
    if extra == "multiple_of":
        feature["multiple_of"] = (
            draw(st.sampled_from([2, 3])) if kind == "int" else draw(st.sampled_from([0.1, 2, 0.25]))
        )
    elif extra == "values":
        feature["values"] = [1, 2, 5]
    elif extra == "exclusive" and "min" not in feature:
        feature["exclusive_min"] = draw(st.sampled_from([-6, 0] if "max" in feature else [-6, 0, 2**53]))
    feature["missing_values"] = draw(st.lists(st.sampled_from([-999, 0, 5, "N/A", 2**53 + 1]), max_size=2, unique=True))
    if extra in ("", "multiple_of") and draw(st.integers(0, 3)) == 0:
        feature["not_values"] = draw(
            st.lists(st.sampled_from([0, 3, 6, 2**53 + 1]), min_size=1, max_size=2, unique=True)
        )
    good = [value for value in (0, 1, 2, 5) if _holds(feature, value)]
    _actions(draw, feature, [point(value) for value in good])
    # Only bounds that are a value of the type itself: what clamp sets is then the bound.
    exact = all(abs(feature[key]) < 2**53 for key in ("min", "max") if key in feature)
    if (
        exact
        and not extra
        and not {"not_values", "unique"} & set(feature)
        and {"min", "max"} & set(feature)
        and draw(st.booleans())
    ):
        feature["on_violation"] = "clamp"
    return feature


def _holds(feature: dict[str, Any], value: int) -> bool:
    if value < feature.get("min", value) or value > feature.get("max", value):
        return False
    if value <= feature.get("exclusive_min", value - 1):
        return False
    if "values" in feature and value not in feature["values"]:
        return False
    if value in feature.get("not_values", []):
        return False
    return "multiple_of" not in feature or (value * 100) % round(feature["multiple_of"] * 100) == 0


@st.composite
def texts(draw: st.DrawFn) -> dict[str, Any]:
    feature: dict[str, Any] = {"type": "string"}
    match draw(st.sampled_from(["", "values", "length", "pattern", "category", "mixed", "not", "date", "uuid"])):
        case "date" | "uuid" as name:
            feature["format"] = name
        case "not":
            feature["not_values"] = ["b", "007"]
        case "values":
            feature["values"] = ["a", "ab", "007"]
        case "length":
            feature |= {"min_length": 1, "max_length": 2}
        case "pattern":
            feature["pattern"] = "[a-c]{1,2}"
        case "category":
            feature |= {"type": "category", "values": ["a", "b", "no"]}
        case "mixed":
            feature |= {"type": "category", "values": ["a", 1, True]}
    feature["missing_values"] = draw(st.lists(st.sampled_from(["", "N/A", "b"]), max_size=2, unique=True))
    _actions(draw, feature, [] if "format" in feature else ["a"])
    return feature


OTHERS: list[dict[str, Any]] = [
    {"type": "bool"},
    {"type": "json"},
    {"type": "float[2]"},
    {"type": "float[]", "min": 0, "max_length": 3},
    {"type": "int[2]", "max": 5},
    {"type": "string[]", "values": ["a", "b"]},
    {"type": "string[2]", "pattern": "[a-c]*"},
    {"type": "float[2,2]", "max": 9},
    {"type": "int[,2]", "min_length": 2},
    {"type": "float[1,]", "finite": False},
    {"type": "bool[,,]"},
    {"type": "timestamp"},
    {"type": "timestamp", "not_in_future": True},
    {"type": "timestamp", "max_age": "1h", "unique": True},
    {"type": "bytes", "min_length": 1, "max_length": 2},
    {"type": "float", "finite": False},
    {"type": "float", "finite": False, "min": 0, "exclusive_max": 5, "unique": True},
    {"type": "int", "exclusive_min": 0, "exclusive_max": 6},
]
STAMPS = [
    "2027-01-15T08:00:00Z",
    "2027-01-15t09:30:00.25+01:00",
    "2027-01-15 07:00:00-00:30",
    "2027-01-16T00:00:00Z",
    "2020-02-29T23:59:59Z",
    "2027-01-15T08:00:00",
    "2027-02-29T08:00:00Z",
    "2027-01-15T08:00Z",
]


@st.composite
def others(draw: st.DrawFn) -> dict[str, Any]:
    feature = dict(draw(st.sampled_from(OTHERS)))
    _actions(draw, feature, [])
    return feature


def _actions(draw: st.DrawFn, feature: dict[str, Any], good: list[Any]) -> None:
    if draw(st.booleans()):
        feature["nullable"] = True
    if draw(st.booleans()):
        feature["required"] = False
    if good and draw(st.integers(0, 3)) == 0:
        feature["default"] = good[0]
    actions = ["reject", "fallback", "drop", "warn", "ignore", "reject"]
    if feature.get("nullable"):
        actions.append("set_null")
    feature["on_violation"] = draw(st.sampled_from(actions))
    if good and draw(st.integers(0, 3)) == 0:
        feature["on_violation"] = {"replace": good[-1]}
    repaired = "default" in feature or isinstance(feature["on_violation"], dict)
    if not repaired and "[" not in feature["type"] and feature["type"] != "json" and draw(st.integers(0, 3)) == 0:
        feature["unique"] = True


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """An enforced contract with up to four features, and now and then rules over them."""
    names = draw(st.sampled_from([["a"], ["a"], ["a", "b"], ["a", "b", "c", "d"]]))
    features = {name: draw(numbers() | texts() | others()) for name in names}
    return {
        "rules": draw(st.just([]) | rules(features)),
        "mode": "enforce",
        "on_bad_rows": draw(st.sampled_from(["reject_request", "drop_rows", "fallback"])),
        "unknown_features": draw(st.sampled_from(["reject", "strip", "warn", "ignore"])),
        "features": features,
        "fallback": {"values": {"score": 0.5}},
    }


def conditions(name: str, feature: dict[str, Any], numeric: list[str]) -> st.SearchStrategy[str]:
    """Conditions that one feature can be in, alone or beside numbers."""
    kind = feature["type"].partition("[")[0] if "[" not in feature["type"] else "list"
    values = feature.get("values", []) if kind != "list" else []
    said = [repr(value) if isinstance(value, str) else str(value).lower() for value in values]
    forms = [f"{name} is null", f"{name} is not null"]
    if kind in ("int", "float"):
        bounds = [-1, 0, 2, 5, 2.5, 2**53, 2**53 + 1]
        forms += [f"{name} {sign} {bound}" for sign in ("<", "<=", ">") for bound in bounds]
        forms += [f"{name} {sign} {other} * 2 - 1" for sign in ("<", "!=") for other in numeric]
        forms += [f"{name} == {other}" for other in numeric if other != name]
        forms += [f"{name} / {other} >= 1" for other in numeric]
    elif kind == "list":
        forms += [f"len({name}) == 2"]
    elif kind == "bool":
        forms += [name, f"{name} == true"]
    elif kind == "json":
        forms += [f"{name} == 1", f"{name} == 'a'", f"{name} > 0", f"len({name}) > 1"]
    elif kind == "string" and not said:
        forms += [f"{name} == 'a'", f"startswith({name}, 'a')", f"len({name}) < 2"]
    forms += [f"{name} == {value}" for value in said] + ([f"{name} not in [{', '.join(said)}]"] if said else [])
    return st.sampled_from(forms)


@st.composite
def rules(draw: st.DrawFn, features: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    numeric = [name for name, feature in features.items() if feature["type"] in ("int", "float")]
    condition = st.sampled_from(sorted(features)).flatmap(lambda name: conditions(name, features[name], numeric))
    found = []
    for position in range(draw(st.integers(1, 2))):
        rule = {"id": f"r{position}", "expect": draw(condition)}
        if draw(st.booleans()):
            rule["expect"] += draw(st.sampled_from([" and ", " or "])) + draw(condition)
        if draw(st.booleans()):
            rule["when"] = draw(condition)
        rule["on_violation"] = draw(st.sampled_from(["reject", "fallback", "drop", "warn", "ignore"]))
        mode = draw(st.sampled_from(["", "", "observe", "enforce", "off"]))
        found.append({**rule, "mode": mode} if mode else rule)
    return found


def near(feature: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values at and beside what this feature speaks of."""
    said: list[Any] = [*feature.get("values", []), *feature.get("missing_values", [])]
    for key in ("min", "max", "exclusive_min"):
        if key in feature:
            said += [feature[key] - 1, feature[key], feature[key] + 1, float(feature[key])]
    kind, _, size = feature["type"].partition("[")
    own: dict[str, list[Any]] = {
        "int": [0, 2, 3.0, 6],
        "float": [0.25, 2, 3.5, 1e18],
        "bool": [True, False],
        "json": [{}, 1],
        "timestamp": STAMPS,
        "bytes": ["", "é", "ab", "abc"],
        "string": ["a", "ab", "b", "2027-02-28", "2027-02-30", "019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f"],
    }
    deep = size.count(",")
    if feature.get("finite") is False:
        said += [float("nan"), float("inf")]
    atoms: st.SearchStrategy[Any] = st.sampled_from(
        [*said, *own.get(kind, []), *own.get(kind, []), None if feature.get("nullable") else 1]
    )
    if size:
        atoms = st.lists(atoms, min_size=1, max_size=3)
    for _ in range(deep):
        atoms = st.lists(atoms, max_size=2) | atoms.map(lambda one: [one, one])
    return atoms


@st.composite
def records(draw: st.DrawFn, contract: dict[str, Any], cells: st.SearchStrategy[Any] = CELLS) -> list[dict[str, Any]]:
    """A batch for this contract: names are missing now and then, unknown ones turn up."""
    features = contract["features"]
    if draw(st.booleans()):
        row = st.fixed_dictionaries({name: near(feature) for name, feature in features.items()})
        return draw(st.lists(row, min_size=1, max_size=2))
    return draw(st.lists(st.dictionaries(st.sampled_from([*features, "z"]), cells), min_size=1, max_size=4))
