"""The benchmark's contract in pydantic: 20 features in range, a score between 0 and 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bench.payload import FEATURE_MAX, FEATURE_MIN, FEATURES

Feature = Annotated[float, Field(ge=FEATURE_MIN, le=FEATURE_MAX, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Features(BaseModel):
    name: Literal["input-0"]
    shape: Annotated[list[int], Field(min_length=2, max_length=2)]
    datatype: Literal["FP64"]
    data: Annotated[list[Feature], Field(min_length=len(FEATURES), max_length=len(FEATURES))]


class Request(BaseModel):
    id: str = ""
    inputs: Annotated[list[Features], Field(min_length=1, max_length=1)]


class Scores(BaseModel):
    name: Literal["score"]
    shape: list[int]
    datatype: Literal["FP64"]
    data: list[Score]


class Answer(BaseModel):
    model_name: str
    model_version: str = ""
    outputs: list[Scores]
