"""What MLServer serves: a scikit-learn model over one matrix, and a runtime of one's own over many named tensors.

python credit_mlserver.py FOLDER HTTP_PORT GRPC_PORT METRICS_PORT    writes FOLDER for `mlserver start FOLDER`
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

BROKEN_LOAN, WILD_LOAN = 500.0, 600.0


class CreditRisk(MLModel):
    """The score falls with income. For two amounts it fails, or answers nonsense. `seen` tells what came."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        seen = {each.name: list(each.data) for each in payload.inputs}
        loans = seen["loan_amount"]
        if BROKEN_LOAN in loans:
            raise ValueError("planted")
        incomes = seen["input-0"][1::3]
        scores = [
            7.5 if loan == WILD_LOAN else 1 / (1 + income / 50_000) for loan, income in zip(loans, incomes, strict=True)
        ]
        headers = getattr(payload.parameters, "headers", None) or {}
        told = json.dumps({"inputs": seen, "headers": sorted(headers)})
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                ResponseOutput(name="score", shape=[len(scores)], datatype="FP64", data=scores),
                ResponseOutput(name="seen", shape=[1], datatype="BYTES", data=[told]),
            ],
        )


def write(folder: Path, ports: list[int]) -> None:
    """Train one model, place the other, and say where both are served."""
    import joblib
    from sklearn.linear_model import LogisticRegression

    rows = [[age, income, age - 18] for age in range(18, 80) for income in (10_000, 30_000, 90_000)]
    model = LogisticRegression(max_iter=2000).fit(rows, [income > 20_000 for _, income, _ in rows])
    _place(folder / "credit", "mlserver_sklearn.SKLearnModel", {"uri": "./model.joblib", "version": "1"})
    joblib.dump(model, folder / "credit" / "model.joblib")
    _place(folder / "credit-risk", "credit_mlserver.CreditRisk", {"version": "14"})
    shutil.copy(__file__, folder / "credit-risk" / "credit_mlserver.py")
    names = ("http_port", "grpc_port", "metrics_port")
    settings: dict[str, Any] = {"host": "127.0.0.1", **dict(zip(names, ports, strict=True))}
    (folder / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 0, "debug": False}))


def _place(folder: Path, implementation: str, parameters: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    settings = {"name": folder.name, "implementation": implementation, "parameters": parameters}
    (folder / "model-settings.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    write(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]])
