from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .charts import CHART, EXAMPLE, ROOT, Helm, program


@pytest.fixture(scope="session")
def helm() -> Iterator[Helm]:
    """One process for all the tests: loading Helm takes longer than rendering."""
    renderer = Path(__file__).with_name("renderer.py")
    with subprocess.Popen(
        [program("python"), renderer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        yield Helm(process)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example chart with its dependency in place, as `helm dependency build` puts it there."""
    chart = tmp_path_factory.mktemp("charts") / "native-sidecar"
    shutil.copytree(EXAMPLE, chart, ignore=shutil.ignore_patterns("charts"))
    shutil.copytree(CHART, chart / "charts" / "sidecar")
    return chart
