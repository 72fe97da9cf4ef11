"""A profile → the counts that drift is measured against: fixed bins, so that two counts of one shape add up.

The file is one JSON object:

    format      "sidecar-baseline/1"
    policy      name of the policy it was inferred with
    created     RFC 3339
    from        what was counted
    rows        how many rows
    digest      b2:… of everything else, in canonical JSON
    features    name → counts; likewise predictions

Counts of every column: `rows`, `missing` (not there), `null` (null, empty, or a missing value). With `kind`:
    numeric     `edges` e0 < … < ek and `bins`: bin i counts e[i] ≤ x < e[i+1], the last one also ek; `under`, `over`,
                `nan`. Where there were too many numbers to keep, a number that is an edge may lie in the bin below it
    category    `top` value → count, `other`
    opaque      nothing else: personal data, free text, JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Final

from .guesses import Table
from .numbers import Numbers
from .profile import Column, Profile
from .sketch import Bucket
from .spelling import Guess
from .spelling import text as spelled

FORMAT: Final = "sidecar-baseline/1"
BINS: Final = 10  # of equal counts, as PSI is read by convention
TOP: Final = 50
_OWN_BIN: Final = 20  # distinct numbers that get a bin each

Counts = dict[str, Any]


def baseline_of(profile: Profile, table: Table, *, policy: str, created: str, source: str) -> dict[str, Any]:
    """The document, its digest included."""
    document: dict[str, Any] = {"format": FORMAT, "policy": policy, "created": created, "from": source}
    document["rows"] = profile.rows
    for name, guesses in (("features", table.features), ("predictions", table.predictions)):
        document[name] = {guess.name: _counts(profile.columns[guess.name], guess, profile.rows) for guess in guesses}
    return sealed(document)


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its digest."""
    body = {name: value for name, value in document.items() if name != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return {**body, "digest": "b2:" + blake2b(canonical, digest_size=32).hexdigest()}


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The sum of two baselines. ValueError when a column of one has other bins than the other's."""
    for document in (first, second):
        if document.get("format") != FORMAT:
            raise ValueError(f"this is no baseline of the format {FORMAT}")
    document = {**first, "rows": first["rows"] + second["rows"], "from": f"{first['from']} + {second['from']}"}
    document["created"] = max(first["created"], second["created"])
    for side in ("features", "predictions"):
        if first[side].keys() != second[side].keys():
            raise ValueError(f"the {side} are not the same")
        document[side] = {name: _sum(name, first[side][name], second[side][name]) for name in first[side]}
    return sealed(document)


def _sum(name: str, one: Counts, other: Counts) -> Counts:
    if one["kind"] != other["kind"] or one.get("edges") != other.get("edges"):
        raise ValueError(f"`{name}` is counted in other bins")
    added: Counts = {"kind": one["kind"]}
    for key, value in one.items():
        if key in ("kind", "edges"):
            added[key] = value
        elif key == "bins":
            added[key] = [a + b for a, b in zip(value, other[key], strict=True)]
        elif key == "top":
            if value.keys() != other[key].keys():
                raise ValueError(f"`{name}` is counted by other values")
            added[key] = {text: count + other[key][text] for text, count in value.items()}
        else:
            added[key] = value + other[key]
    return added


def _counts(column: Column, guess: Guess, rows: int) -> Counts:
    counts: Counts = {"rows": rows, "missing": rows - column.present}
    present = column.present
    if guess.personal or guess.type not in ("int", "float", "bool", "category"):
        return {"kind": "opaque", **counts, "null": column.nulls}
    if guess.type in ("int", "float"):
        numbers = column.numbers
        null = present - numbers.count - numbers.nan - sum(numbers.infinite.values())
        return {"kind": "numeric", **counts, "null": null, **_numeric(numbers)}
    values = _values(column, guess)
    top = dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:TOP])
    other = sum(values.values()) - sum(top.values())
    return {"kind": "category", **counts, "null": present - sum(values.values()), "top": top, "other": other}


def _values(column: Column, guess: Guess) -> dict[str, int]:
    """The values of a category or a bool, those for nothing left out."""
    if guess.type == "bool":
        found = {"true": column.truths[True], "false": column.truths[False]}
        for text, count in (column.texts.tally.counts or {}).items():
            if text.lower() in found:
                found[text.lower()] += count
        return found
    words = {
        text: count for text, count in (column.texts.tally.counts or {}).items() if spelled(text) not in guess.nothing
    }
    return {text: count for text, count in words.items() if text or not column.lexical}


def _numeric(numbers: Numbers) -> Counts:
    """Infinities are over and under whatever the edges are."""
    edges, bins = _bins(numbers.spread(), numbers.low, numbers.high)
    ends = {"under": numbers.infinite[float("-inf")], "over": numbers.infinite[float("inf")], "nan": numbers.nan}
    return {"edges": edges, "bins": bins, **ends}


def _bins(spread: Sequence[Bucket], low: Any, high: Any) -> tuple[list[float], list[int]]:
    if not spread:
        return [], []
    if len(spread) == 1:
        return [float(low), float(high)], [spread[0].rows]
    if len(spread) <= _OWN_BIN and all(bucket.low == bucket.high for bucket in spread):
        middles = [one.high / 2 + other.low / 2 for one, other in pairwise(spread)]
        if sorted(set(middles)) == middles:
            return [float(low), *middles, float(high)], [bucket.rows for bucket in spread]
    total = sum(bucket.rows for bucket in spread)
    edges, bins, seen, filled = [float(low)], [0], 0, 1
    for place, bucket in enumerate(spread):
        begins = bucket.low
        if seen >= total * filled / BINS and begins > edges[-1] and place:
            edges.append(begins)
            bins.append(0)
            filled = int(seen * BINS / total) + 1
        bins[-1] += bucket.rows
        seen += bucket.rows
    if float(high) > edges[-1]:
        edges.append(float(high))
    elif len(bins) > 1:  # the last bin begins where the numbers end: it is one with the bin before it
        bins[-2] += bins.pop()
    else:
        edges.append(edges[-1])
    return edges, bins
