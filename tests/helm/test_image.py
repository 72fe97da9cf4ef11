"""The image: what the chart runs is in it."""

from __future__ import annotations

import re
import subprocess

import yaml

from ..test_repository import pins
from .charts import CHART, ROOT, program

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_a_linter_of_dockerfiles_finds_nothing() -> None:
    judged = subprocess.run([program("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")


def test_what_the_observers_import_is_in_the_lock_of_the_image() -> None:
    assert "requirements/runtime.lock" in DOCKERFILE
    assert {"pyarrow", "uvicorn", "starlette", "opentelemetry-exporter-otlp-proto-common", "httpx"} <= (
        pins(ROOT / "requirements" / "runtime.lock").keys()
    )


def test_the_chart_runs_the_image_as_its_own_user_and_listens_where_it_says() -> None:
    helpers = (CHART / "templates" / "_containers.tpl").read_text()
    (user,) = re.findall(r"^USER (\d+):\1$", DOCKERFILE, flags=re.MULTILINE)
    assert {*re.findall(r"(?:runAsUser|runAsGroup|fsGroup): (\d+)", helpers)} == {user}
    ports = yaml.safe_load((CHART / "values.yaml").read_text())["ports"]
    assert f"EXPOSE {ports['http']} {ports['health']}\n" in DOCKERFILE
