"""What is sent in the demo, and what must come back: plain values, judged by one pure function."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

SPECIES: Final = ("setosa", "versicolor", "virginica")
SHOWN_VALUES: Final = 6


@dataclass(frozen=True)
class Expected:
    """What must come back. `verdict` "" = no such header; `answer` is a pattern that the shown answer must hold."""

    status: int
    verdict: str
    answer: str


@dataclass(frozen=True)
class Step:
    """One request of the story; `sent` is how it is shown."""

    title: str
    path: str
    sent: str
    expected: Expected
    body: bytes | None = None  # None = GET

    @property
    def method(self) -> str:
        """GET without a body, POST with one."""
        return "GET" if self.body is None else "POST"

    @property
    def model(self) -> str:
        """The model in the path."""
        parts = self.path.split("/")
        return parts[parts.index("models") + 1]


@dataclass(frozen=True)
class Chapter:
    """Steps that belong together."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Received:
    """What came back, as far as the story looks at it."""

    status: int
    verdict: str
    answer: str
    prediction_id: str = ""


def matrix(rows: Sequence[Sequence[float | str | None]]) -> bytes:
    """Rows as one Open Inference Protocol tensor `input-0`."""
    data = [value for row in rows for value in row]
    tensor = {"name": "input-0", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "predict"}]}).encode()


def shown(model: str, status: int, body: bytes) -> str:
    """An answer in one readable line: the predictions, or the error's sentence, or the body as it is."""
    try:
        document = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()
    if not isinstance(document, dict):
        return json.dumps(document)
    if status == 200 and document.get("outputs"):
        values = [_prediction(model, value) for value in document["outputs"][0]["data"]]
        return ", ".join(values if len(values) <= SHOWN_VALUES else [*values[:SHOWN_VALUES], f"… {len(values)} in all"])
    sentence = str(document.get("error") or document.get("detail") or json.dumps(document))
    return re.sub(r" \[request [0-9a-f-]+\]$", "", sentence)


def _prediction(model: str, value: Any) -> str:
    if model == "iris" and isinstance(value, int) and 0 <= value < len(SPECIES):
        return SPECIES[value]
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def differences(expected: Expected, received: Received) -> list[str]:
    """What is not as expected, one sentence each; empty = as the story goes."""
    found: list[str] = []
    if received.status != expected.status:
        found.append(f"status {received.status}, expected {expected.status}")
    if received.verdict != expected.verdict:
        found.append(f"verdict {received.verdict or '(none)'}, expected {expected.verdict or '(none)'}")
    if not re.search(expected.answer, received.answer):
        found.append(f"the answer has no {expected.answer!r}")
    return found


def _rows(title: str, model: str, rows: Sequence[Sequence[float | str | None]], expected: Expected) -> Step:
    sent = "  |  ".join(" ".join("null" if value is None else str(value) for value in row) for row in rows)
    return Step(title, f"/v2/models/{model}/infer", sent, expected, matrix(rows))


SETOSA: Final = (5.1, 3.5, 1.4, 0.2)
VIRGINICA: Final = (6.3, 3.3, 6.0, 2.5)
PATIENT: Final[Mapping[str, float]] = {
    "age": 59, "sex": 2, "bmi": 32.1, "bp": 101, "s1": 157, "s2": 93.2, "s3": 38, "s4": 4, "s5": 4.9, "s6": 87,
}  # fmt: skip


def patient(**changes: float | str | None) -> list[float | str | None]:
    """The clean patient with some values changed."""
    return list({**PATIENT, **changes}.values())


# One patient but for age, bmi and blood pressure: enough for two models to differ about some and to agree about others.
WARD: Final = tuple(
    tuple(patient(age=age, bmi=bmi, bp=bp)) for age, bmi, bp in product((30, 45, 60), (22, 26, 30, 34), (80, 100))
)
CLAMPED: Final = "one width in millimetres: clamped"
REFUSED: Final = "a sex the model never saw"
UNLIKELY: Final = "good values, the model's answer is not"
MANY: Final = "a whole ward at once"

_TWICE: Final = b'{"inputs": [], ' + matrix([SETOSA])[1:]

STORY: Final = (
    Chapter(
        "iris: the species of a flower from four lengths in centimetres",
        (
            _rows("clean", "iris", [SETOSA], Expected(200, "ok", "^setosa$")),
            _rows("two clean rows at once", "iris", [SETOSA, VIRGINICA], Expected(200, "ok", "^setosa, virginica$")),
            _rows(
                "odd, but only warned about",
                "iris",
                [(5.1, 5.8, 1.4, 0.2)],
                Expected(200, "observed;codes=sepal_width.max", "^setosa$"),
            ),
            _rows(
                CLAMPED,
                "iris",
                [(6.3, 3.3, 6.0, 25)],
                Expected(200, "repaired;rows=1", "^virginica$"),
            ),
            _rows(
                "a negative length", "iris", [(6.2, 2.8, -4.8, 1.8)], Expected(422, "rejected", r"petal_length\.min")
            ),
            _rows(
                "one bad row refuses its batch",
                "iris",
                [SETOSA, (62, 28, 48, 18)],
                Expected(422, "rejected", r"sepal_length\.max"),
            ),
            _rows("a column is missing", "iris", [SETOSA[:3]], Expected(422, "rejected", "shape")),
            Step(
                "one key twice: which one is read?",
                "/v2/models/iris/infer",
                '{"inputs": [], "inputs": [{…}]}',
                Expected(400, "rejected", "twice"),
                _TWICE,
            ),
        ),
    ),
    Chapter(
        "diabetes: progression within a year from ten measurements",
        (
            _rows("clean", "diabetes", [patient()], Expected(200, "ok", r"^2\d\d\.\d$")),
            _rows(
                "-999 for no blood pressure: default",
                "diabetes",
                [patient(bp=-999)],
                Expected(200, "repaired;rows=1", r"^\d+\.\d$"),
            ),
            _rows(
                "a ratio of 0: replaced",
                "diabetes",
                [patient(s4=0)],
                Expected(200, "repaired;rows=1", r"^\d+\.\d$"),
            ),
            _rows(
                "blood sugar in another unit: fallback",
                "diabetes",
                [patient(s6=4.8)],
                Expected(200, "fallback;rows=1", r"^152\.1$"),
            ),
            _rows(
                UNLIKELY,
                "diabetes",
                [patient(age=79, bmi=18, bp=62, s1=301, s2=41.6, s3=22, s4=2, s5=3.3, s6=58)],
                Expected(200, "fallback;rows=1", r"^152\.1$"),
            ),
            _rows(REFUSED, "diabetes", [patient(sex=3)], Expected(422, "rejected", r"sex\.values")),
            _rows(
                "a word where a number belongs",
                "diabetes",
                [patient(age="fifty")],
                Expected(422, "rejected", r"age\.type"),
            ),
            Step(
                MANY,
                "/v2/models/diabetes/infer",
                f"{len(WARD)} patients",
                Expected(200, "ok", rf"^\d+\.\d, .* {len(WARD)} in all$"),
                matrix(WARD),
            ),
        ),
    ),
    Chapter(
        "and the rest of the model server",
        (
            Step("metadata passes through", "/v2/models/iris", "", Expected(200, "", '"name"')),
            Step(
                "no policy judges this model: refused",
                "/v2/models/unknown/infer",
                "1 2 3",
                Expected(403, "", "polic"),
                matrix([(1, 2, 3)]),
            ),
            Step(
                "so is unloading the model",
                "/v2/repository/models/iris/unload",
                "{}",
                Expected(403, "", "polic"),
                b"{}",
            ),
        ),
    ),
)


def titled(answers: Sequence[Received], title: str) -> Received:
    """What came back for the step of this title; `answers` are in the order of the story."""
    steps = [step for chapter in STORY for step in chapter.steps]
    return next(answer for step, answer in zip(steps, answers, strict=True) if step.title == title)
