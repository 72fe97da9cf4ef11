"""Runs in the environment of requirements/helm.lock: a JSON request a line in, a JSON answer a line out."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`lint`: the findings; `render`: path → manifest. What Helm refuses is `refused`, its own words."""
    helm = importlib.import_module("helm_python")
    try:
        if request["do"] == "lint":
            return {"findings": helm.lint(request["chart"], request["values"], strict=True)["messages"]}
        chart = helm.Chart.load(request["chart"])
        chart.validate_schema(request["values"])
        return {"files": chart.render(request["values"], name=request["name"], namespace=request["namespace"])}
    except helm.HelmError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
