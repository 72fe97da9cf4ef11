"""A folder for policy files."""

from __future__ import annotations

from pathlib import Path

import pytest

from .written import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)
