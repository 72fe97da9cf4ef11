"""An archiver in a process of its own, to be killed: `python -m tests.archive.child_archiver DATA`. Commits without
end, a few frames at a time; says `alive` once it has opened."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sidecar.journal import Reader
from sidecar.policy.platform import Archive as ArchiveSection
from tests.archive.desk import archiver


async def main(data: Path) -> None:
    observer = archiver(data, ArchiveSection(to="archive"))
    reader = Reader(data / "journal", await observer.open())
    os.write(1, b"alive\n")
    while found := list(reader.read(2)):
        await observer.take([read for read in found if read.kind in observer.kinds])
        await observer.commit(reader.cursor)
    os.write(1, b"done\n")
    await observer.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
