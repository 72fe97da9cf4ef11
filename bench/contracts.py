"""`python -m bench contract`: what decoding and checking a body costs, in units of parsing its JSON with orjson.

All contestants of one table run in one process, on one pinned core, one after the other: read the ratios.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from typing import Final

from . import environments
from .failure import BenchError
from .processes import cores, pinned
from .table import Table

EVERYONE: Final = (
    "sidecar", "msgspec, typed", "msgspec, typed, keys once", "pydantic", "orjson + fastjsonschema",
    "orjson + jsonschema-rs", "orjson + pandas + pandera",
)  # fmt: skip
OURS: Final = EVERYONE[:1]
UNIT: Final = "orjson"


@dataclass(frozen=True, slots=True)
class Case:
    """One table and who is timed on it; `aim` is the largest ratio to orjson that we want of ourselves."""

    title: str
    table: Table
    contestants: tuple[str, ...]
    aim: float | None = None


CASES: Final = (
    Case("1 row of 20 features", Table(1), EVERYONE[:-1], 2.0),
    Case("1,000 rows of 20 features", Table(1000), EVERYONE, 1.5),
    Case("1,000 rows, 1 % of them bad", Table(1000, bad_every=100), EVERYONE),
    Case("1,000 rows, each bad", Table(1000, bad_every=1), EVERYONE),
    *(Case(f"{rows:,} rows", Table(rows, bad_every=bad), OURS) for bad in (0, 100) for rows in (100, 10_000, 100_000)),
    *(
        Case(f"100 rows of {wide:,} features", Table(100, wide, bad), OURS)
        for bad in (0, 100)
        for wide in (20, 200, 1000)
    ),
)


def contract(*, pure: bool = False) -> None:
    """Print one table a case. BenchError when a contestant finds other bad rows than there are."""
    with pinned(cores()[1]):
        for case in CASES:
            print(text(case, measured(case, pure=pure)))


def measured(case: Case, *, pure: bool = False) -> dict[str, float]:
    """Contestant → microseconds; the unit among them."""
    hot = environments.ROOT / "build" / "hot"
    path = [str(environments.ROOT)] if pure or not hot.is_dir() else [str(hot), str(environments.ROOT)]
    done = subprocess.run(
        [str(environments.python("bench")), "-P", "-m", "bench.peers.rows"],
        input=json.dumps([{"table": asdict(case.table), "contestants": case.contestants}]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{case.title}: {done.stderr.strip()[-800:]}")
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found[0]


def text(case: Case, microseconds: dict[str, float]) -> str:
    """The case as lines: µs, µs a row and cell, and the ratio to parsing alone."""
    unit, cells = microseconds[UNIT], case.table.rows * case.table.features
    bad = len(case.table.bad_rows())
    lines = [f"\n{case.title}" + (f" ({bad} bad)" if bad else "") + "   µs, ns a cell, × orjson alone"]
    for name, took in microseconds.items():
        label = "orjson, parsing alone" if name == UNIT else name
        met = ""
        if name in OURS and case.aim is not None:
            met = f"   aim {case.aim:g}: {'met' if took <= case.aim * unit else 'MISSED'}"
        lines.append(f"  {label:<28} {took:12.2f} {took * 1000 / cells:8.1f} {took / unit:7.2f}{met}")
    return "\n".join(lines)
