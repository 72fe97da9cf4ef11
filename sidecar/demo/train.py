"""Train the demo's two models and write a folder MLServer can serve. Runs where scikit-learn is, so it imports no room.

    python train.py FOLDER HTTP_PORT GRPC_PORT METRICS_PORT

The data ships with scikit-learn: 150 irises, 442 patients.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def train(folder: Path, ports: tuple[int, int, int]) -> None:
    """Write FOLDER/settings.json, and model.joblib and model-settings.json of both models."""
    from sklearn.datasets import load_diabetes, load_iris
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    iris = load_iris()
    diabetes = load_diabetes(scaled=False)  # years, kg/m2, mg/dl: what a caller would send
    _write(folder / "iris", "1", LogisticRegression(max_iter=500).fit(iris.data, iris.target))
    _write(folder / "diabetes", "3", make_pipeline(StandardScaler(), Ridge()).fit(diabetes.data, diabetes.target))
    http, grpc, metrics = ports
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 0, "debug": False}))


def _write(folder: Path, version: str, model: Any) -> None:
    import joblib

    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": folder.name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": version},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    train(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
