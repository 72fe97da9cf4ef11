"""One folder has one process of observers, and it outlives nobody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sidecar.cold.process import STREAM, Cold
from sidecar.errors import RuntimeSetupError
from sidecar.journal import StatsPage, page_path
from sidecar.journal.progress import Standing, write_standing
from sidecar.runtime.messages import ColdSettings
from tests.kit.client import eventually


@pytest.mark.parametrize("known", [True, False])
def test_a_second_one_is_told_who_was_first_and_what_to_do(tmp_path: Path, known: bool) -> None:
    if known:
        write_standing(tmp_path, Standing(written_unix=0.0, pid=os.getpid(), observers=()))
    first = StatsPage(page_path(tmp_path, STREAM))
    try:
        with pytest.raises(RuntimeSetupError) as caught:
            asyncio.run(Cold(ColdSettings(data=str(tmp_path)), {}, {}).run())
    finally:
        first.close()
    said = str(caught.value)
    assert f"--data {tmp_path}" in said and "--observers off" in said
    assert (f"process {os.getpid()} observes it" if known else "another process observes it") in said


def test_it_leaves_when_the_supervisor_is_gone(tmp_path: Path) -> None:
    async def live() -> int:
        theirs, ours = os.pipe()
        cold = Cold(ColdSettings(data=str(tmp_path), parent_fd=theirs), {}, {})
        running = asyncio.create_task(cold.run())
        await eventually(lambda: cold.rounds > 0)
        os.close(ours)
        code = await asyncio.wait_for(running, 60)
        os.close(theirs)
        return code

    assert asyncio.run(live()) == 0
