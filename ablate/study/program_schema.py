"""The keys of a study file for a training program, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, model_validator

from ablate.study.decision import Goal
from ablate.study.program import RESERVED
from ablate.study.study import Frozen

EXPANSIONS = ("grid", "zip", "one_at_a_time")  # of an item of `variants`
MEASURE_NAME = r"^[A-Za-z_][\w./ -]{0,99}$"


class ProgramFile(Frozen):
    """A training program of the reader's own. A trial is one run of its command."""

    command: Annotated[
        str,
        Field(
            min_length=1,
            max_length=10_000,
            examples=["python train.py --lr {lr} --seed {seed}"],
            description="split into words without a shell; {lr}: the value of the axis lr; also {seed}; {trial}: a folder",
        ),
    ]
    files: Annotated[
        list[str],
        Field(
            default_factory=list,
            max_length=1000,
            description="paths from the study's folder, such as src/*.py; the files' contents are part of the id",
        ),
    ]
    epochs: Annotated[int | None, Field(ge=1, le=100_000_000, description="how many it trains; also a placeholder")] = None
    timeout: Annotated[float | None, Field(gt=0, description="seconds that an attempt may take")] = None
    silence: Annotated[float, Field(gt=0, description="seconds without output after which it counts as hung")] = 3600


class MeasureFile(Frozen):
    """A number that a program reports."""

    name: Annotated[str, Field(pattern=MEASURE_NAME, description="a name as the program reports it")]
    goal: Goal = "minimize"
    unit: Annotated[str, Field(max_length=20, description="such as %")] = ""
    words: Annotated[str, Field(max_length=100, description="the name in sentences and on axes")] = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """A name is short for {name: ...}."""
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _free(self) -> MeasureFile:
        """Check that records have no field of this name."""
        if self.name in RESERVED:
            raise ValueError(f"'{self.name}' is a field of every record; let the program report it under another name")
        return self


Measures = Annotated[
    list[MeasureFile],
    Field(min_length=1, max_length=100, examples=["[{name: val_error, unit: '%'}]"]),
    WithJsonSchema(
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, {"x-as": "$defs/MeasureFile"}]}}
    ),
]
