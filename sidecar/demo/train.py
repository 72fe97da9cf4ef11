"""Train the demo's models and write folders MLServer can serve. Runs where scikit-learn is, so it imports no room.

    python train.py FOLDER HTTP_PORT GRPC_PORT METRICS_PORT HTTP_PORT GRPC_PORT METRICS_PORT

FOLDER/models has what callers are answered by, on the first three ports; FOLDER/candidate one of them trained anew, on
the last three: under the name of the model it may follow, since a copied request keeps its path.

The data ships with scikit-learn: 150 irises, 442 patients.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def train(folder: Path, ports: list[int]) -> None:
    """Write settings.json for two servers, and model.joblib and model-settings.json of each model."""
    from sklearn.datasets import load_diabetes, load_iris
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    iris = load_iris()
    diabetes = load_diabetes(scaled=False)  # years, kg/m2, mg/dl: what a caller would send
    _write(folder / "models" / "iris", "1", LogisticRegression(max_iter=500).fit(iris.data, iris.target))
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(diabetes.data, diabetes.target)
    _write(folder / "models" / "diabetes", "3", ridge)
    half, _, known, _ = train_test_split(diabetes.data, diabetes.target, train_size=0.5, random_state=7)
    stiffer = make_pipeline(StandardScaler(), Ridge(alpha=30)).fit(half, known)
    _write(folder / "candidate" / "diabetes", "4", stiffer)
    _serve(folder / "models", ports[:3])
    _serve(folder / "candidate", ports[3:])


def _serve(folder: Path, ports: list[int]) -> None:
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
    train(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]])
