"""The key `measures` of a study file, as a pydantic model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, model_validator

from ablate.study.decision import Goal
from ablate.study.frozen import Frozen

MEASURE_NAME = r"^[A-Za-z_][\w./ -]*$"  # {0,99} would take 40 ms to compile at each start


class MeasureFile(Frozen):
    """A measure: one of the table, own code with `python`, or what a program reports. A name is short for {name: ...}."""

    name: Annotated[
        str,
        Field(
            max_length=100,
            pattern=MEASURE_NAME,
            description="a name of the table of measures, or as a program reports it; by default the callable's",
        ),
    ] = ""
    python: Annotated[
        str | None, Field(description="module:callable, called as measure(logits, labels); it returns a number")
    ] = None
    args: Annotated[dict[str, Any] | None, Field(description="further arguments of the callable, by name")] = None
    goal: Annotated[Goal | None, Field(description="whether low or high values are good; by default low")] = None
    unit: Annotated[str, Field(max_length=20, description="such as %")] = ""
    words: Annotated[str, Field(max_length=100, description="the name in sentences and on axes")] = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """A name is short for {name: ...}."""
        return {"name": value} if isinstance(value, str) else value


Measures = Annotated[
    list[MeasureFile],
    Field(min_length=1, max_length=100, examples=["[{name: val_error, unit: '%'}]"]),
    WithJsonSchema(
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, {"x-as": "$defs/MeasureFile"}]}}
    ),
]
