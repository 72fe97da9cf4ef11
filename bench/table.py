"""Rows of numbers and categories, the same for every contestant: seven numbers in range to three categories."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Final

LOW: Final = 0.0
HIGH: Final = 1000.0
CATEGORIES: Final = ("employed", "self_employed", "retired", "student", "unemployed", "other")


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` of `features`; of every `bad_every` rows one has one bad cell (0: none)."""

    rows: int
    features: int = 20
    bad_every: int = 0

    @property
    def numbers(self) -> list[str]:
        """Names of the numeric features."""
        return [f"number_{position:03d}" for position in range(self.features - len(self.words))]

    @property
    def words(self) -> list[str]:
        """Names of the categories."""
        return [f"category_{position:03d}" for position in range(self.features * 3 // 10)]

    def bad_rows(self) -> list[int]:
        """The rows with a bad cell."""
        return list(range(self.bad_every // 2, self.rows, self.bad_every)) if self.bad_every else []

    def body(self) -> bytes:
        """`{"instances": [{…}, …]}`; numbers have all the digits that measurements have."""
        draw = random.Random(20)
        bad = set(self.bad_rows())
        rows: list[dict[str, Any]] = []
        for position in range(self.rows):
            row: dict[str, Any] = {name: draw.uniform(LOW, HIGH) for name in self.numbers}
            row |= {name: draw.choice(CATEGORIES) for name in self.words}
            if position in bad:
                name = draw.choice([*self.numbers, *self.words])
                row[name] = "astronaut" if name in row and isinstance(row[name], str) else -3.5
            rows.append(row)
        return json.dumps({"instances": rows}, separators=(",", ":")).encode()
