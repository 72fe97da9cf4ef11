"""A table as people have them: sentinels, mixed types, identifiers that look like numbers, days in two formats."""

from __future__ import annotations

import csv
import random
from pathlib import Path

ROWS = 600
HEADER = (
    "application_id", "branch", "age", "income", "salary", "opened", "updated_at", "country", "email", "size", "flag",
    "occupation", "weight, kg", "comment: free",
)  # fmt: skip


def write(path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """The same table every time."""
    draw = random.Random(7)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(HEADER)
        for row in range(ROWS):
            day = f"{draw.randint(2015, 2024)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
            year, month, date = day.split("-")
            writer.writerow(
                [
                    f"A-{row:06d}",
                    f"{draw.randint(1, 40):03d}",
                    draw.randint(18, 85) if row % 50 else -999,
                    round(draw.lognormvariate(10.5, 0.4), 2) if row % 37 else 999999999,
                    {3: "N/A", 4: ""}.get(row % 20, draw.randint(1000, 9000)),
                    day if row % 3 else f"{date}/{month}/{year}",
                    f"2026-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}T10:00:00Z",
                    "DE",
                    f"u{row}@example.org",
                    f"{draw.randint(1, 99)}" if row % 7 else "large",
                    draw.choice(["true", "false"]),
                    draw.choice(["employed", "no", "self: employed", "müde"]),
                    round(draw.gauss(70, 10), 1),
                    f'He said "fine",\nthen {"left the branch without another word " * (row % 3)}{row}',
                ]
            )
    return path
