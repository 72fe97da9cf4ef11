"""The observers' process with the tests' own observers: `python cold_with_counters.py SETTINGS`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sidecar.cold.process import main
from sidecar.journal import Read
from tests.observers.counting import Counting, Hanging, Other


class Failing(Counting):
    """Never takes anything."""

    kind = "profiles"

    async def take(self, batch: Sequence[Read]) -> None:
        raise ValueError("it fails, always")


if __name__ == "__main__":
    sys.exit(main(family={"metrics": Counting, "archive": Other, "profiles": Failing, "loops": Hanging}))
