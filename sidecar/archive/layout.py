"""Where everything stands in an archive.

predictions/date=2026-03-03/model_name=credit/<replica>-0000000017.parquet
shadows/… outcomes/… control/date=…/…
_manifest/2026-03-03/<replica>-0000000017.json    the commit: without it its files are not there
_manifest/<replica>.intent                        the commit being made
_manifest/<replica>.lock
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

MANIFESTS: Final = "_manifest"
MOST_MODELS: Final = 64  # of one commit: callers may make names up
OTHER: Final = "__other__"
_LONGEST_NAME: Final = 120


class Partition(NamedTuple):
    """One folder of one data set; `levels` are (name, value)."""

    data_set: str
    levels: tuple[tuple[str, str], ...]

    @property
    def folder(self) -> str:
        """Relative, hive style."""
        return "/".join((self.data_set, *(f"{name}={safe(value)}" for name, value in self.levels)))


def safe(name: str) -> str:
    """A name as one segment of a path, percent-encoded as hive partitions are; never `.`, `..` or hidden."""
    text = quote(name, safe=" -_@+~,")[:_LONGEST_NAME]
    return text if text.strip(".") else "__empty__"


def file_name(replica: str, sequence: int) -> str:
    """Of every file of one commit."""
    return f"{safe(replica)}-{sequence:010d}.parquet"


def folder_of(data: Path, to: str) -> Path:
    """The folder that `archive: {to: …}` means: relative ones stand in the data folder. ValueError for an object
    store."""
    if "://" in to:
        raise ValueError(f"archive.to: {to}: this version writes to a folder; give one, or mount the bucket there")
    return data / to


def name_path(data: Path) -> Path:
    """What the archiver of a data folder calls itself, in every archive that it writes to."""
    return data / "observers" / "archive.name"


def archiver_of(data: Path) -> str:
    """That name, "" where none has ever run."""
    try:
        return name_path(data).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def is_archive(folder: Path) -> bool:
    """Whether something was archived here."""
    return (folder / MANIFESTS).is_dir()
