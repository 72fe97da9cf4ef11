"""The FastAPI app that somebody wrote around a model: `uvicorn tests.e2e.peers.iris_fastapi:app`."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
SPECIES = ("setosa", "versicolor", "virginica")


class Irises(BaseModel):
    """Sepal length and width, petal length and width, in cm."""

    features: list[list[float]]


@app.post("/predict")
def predict(irises: Irises) -> dict[str, list[str]]:
    """One species a row, by the petal's length."""
    lengths = [row[2] for row in irises.features]
    return {"species": [SPECIES[(length > 2.5) + (length > 4.9)] for length in lengths]}
