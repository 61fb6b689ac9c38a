"""The key `budget` of a study file, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, WithJsonSchema

from ablate.study.budget import SolvedAxis
from ablate.study.frozen import Frozen

_NUMBER = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *[kMG]$"}]}
_BOUNDS = {"type": "object", "properties": {"min": _NUMBER, "max": _NUMBER}, "additionalProperties": False}
_SOLVED: dict[str, Any] = {"anyOf": [{"enum": list(get_args(SolvedAxis))}, {"type": "string", "pattern": r"^args\.\w+$"}]}
_SEVERAL = {"type": "array", "items": _SOLVED, "minItems": 1, "uniqueItems": True}
_PERCENTAGE = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *%$"}]}
Quantity = Annotated[Any, WithJsonSchema(_NUMBER)]
QuantityOrBounds = Annotated[Any, WithJsonSchema({"anyOf": [_NUMBER, _BOUNDS]})]
Percentage = Annotated[Any, WithJsonSchema(_PERCENTAGE)]


class Bounds(Frozen):
    """The bounds of a budget, both inclusive: min, max or both."""

    min: Quantity = None
    max: Quantity = None


class BudgetFile(Frozen):
    """The allowed cost of each network: exactly one of its counts, or of the costs that `plan --probe` measures.

    Args:
        parameters: A target such as 2.2M, or {min: 1M, max: 2M}.
        multiply_adds: The same, of multiply-adds for one image.
        tolerance: How far a network may be from the target.
        on_miss: Whether a network that misses the budget is an error, or dropped with a remark.
    """

    parameters: QuantityOrBounds = None
    multiply_adds: QuantityOrBounds = None
    activation_memory: Annotated[
        QuantityOrBounds, Field(description="the same, of the bytes kept for the backward pass of a batch")
    ] = None
    step_time: Annotated[QuantityOrBounds, Field(description="milliseconds of a training step, measured")] = None
    inference_time: Annotated[QuantityOrBounds, Field(description="milliseconds to predict one image, measured")] = None
    inference_time_128: Annotated[QuantityOrBounds, Field(description="milliseconds to predict 128, measured")] = None
    peak_memory: Annotated[QuantityOrBounds, Field(description="bytes of GPU memory in training, measured")] = None
    energy: Annotated[QuantityOrBounds, Field(description="joules of a GPU in a training step, measured")] = None
    tolerance: Percentage = "5%"
    solve: Annotated[
        Any,
        Field(description="the axis whose value is chosen to meet the budget; or several, in order"),
        WithJsonSchema({"anyOf": [_SOLVED, _SEVERAL]}),
    ] = None
    quantum: Annotated[
        Any,
        Field(description="the step of k, in channels of the first group, by default 8; exact: 1"),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1024}, {"const": "exact"}]}),
    ] = None
    low: Annotated[float | int | None, Field(description="the lowest value of args.* in solve; by default one step")] = None
    high: Annotated[float | int | None, Field(description="the highest value of args.* in solve")] = None
    step: Annotated[
        float | int | None, Field(gt=0, description="the distance between two values of args.* in solve, by default 1")
    ] = None
    on_miss: Literal["error", "drop"] = "error"
