"""The key `budget` of a study file -> a Budget, or a MeasuredBudget. Every error names its place in the file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, WithJsonSchema

from ablate.errors import allowed, describe
from ablate.kinds.costs import MEASURED_COSTS
from ablate.study.budget import ARGUMENT, Budget, SolvedAxis
from ablate.study.document import Document, KeyPath, is_number, is_whole
from ablate.study.limits import MeasuredBudget
from ablate.study.validation import validate
from ablate.study.written_forms import Frozen

SUFFIXES = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
OF_SOLVE = ("solve", "quantum", "low", "high", "step")  # keys that a measured cost does not have
COUNTED = ("parameters", "multiply_adds", "activation_memory")

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
        tolerance: How far a network may be from the target; min and max have none.
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


def read_budget(document: Document, file: BudgetFile | None) -> Budget | MeasuredBudget | None:
    """The budget of a study, of a count or of a cost that is measured on a device; None if there is none.

    Args:
        document: The study file's values and their places.
        file: The checked key.

    Raises:
        StudyError: A value is not valid, or keys contradict each other; the message names the place.
    """
    if file is None:
        return None
    names = (*COUNTED, *MEASURED_COSTS)
    limited = [name for name in names if getattr(file, name) is not None]
    if len(limited) != 1:
        document.fail(("budget",), f"'budget' needs exactly one of {', '.join(names[:-1])} and {names[-1]}")
    (measure,) = limited
    path, value, measured = ("budget", measure), getattr(file, measure), measure in MEASURED_COSTS
    for key in OF_SOLVE if measured else ():
        if getattr(file, key) is not None:
            document.fail(("budget", key), f"'budget.{key}' is not valid with {measure}, which is measured; leave it out")
    read = _number if measured and measure != "peak_memory" else _quantity
    target = low = high = None
    if isinstance(value, dict):
        bounds = validate(document, Bounds, path, value)
        low, high = (each if each is None else read(document, (*path, key), each) for key, each in bounds)
        if (low is None and high is None) or (low or 0) > (high or low or 0):
            document.fail(path, f"'budget.{measure}' needs min, max or both, with min not above max")
        if file.solve and high is None:
            document.fail(path, f"'budget.solve' needs a target or a max in 'budget.{measure}'")
    else:
        target = read(document, path, value)
    tolerance = _fraction(document, ("budget", "tolerance"), file.tolerance)
    if measured:
        return MeasuredBudget(measure, target, tolerance, low, high, file.on_miss)
    quantum = 8 if file.quantum is None else 1 if file.quantum == "exact" else file.quantum
    if not is_whole(quantum) or not 1 <= quantum <= 1024:
        wanted = "1 to 1024 channels, or exact"
        document.fail(("budget", "quantum"), f"budget.quantum: found {describe(quantum)}; allowed: {wanted}")
    solve = _solved_axes(document, file.solve)
    if file.quantum is not None and "k" not in solve:
        document.fail(("budget", "quantum"), "'budget.quantum' is only valid with solve: k, as only k has channels")
    step = _step_of_arguments(document, file, solve)
    return Budget(measure, target, tolerance, low, high, file.on_miss, solve, quantum, file.low, file.high, step)  # type: ignore[arg-type]


def _solved_axes(document: Document, found: Any) -> tuple[str, ...]:
    """The axes of `solve`, which is one axis or a list of axes."""
    axes = found if isinstance(found, list) else [] if found is None else [found]
    if found == []:
        document.fail(("budget", "solve"), "'budget.solve' is an empty list; name one axis or more")
    for i, axis in enumerate(axes):
        path = ("budget", "solve", i) if isinstance(found, list) else ("budget", "solve")
        if axis not in get_args(SolvedAxis) and not re.fullmatch(r"args\.\w+", str(axis)):
            wanted = allowed(str(axis), (*get_args(SolvedAxis), "args.*"))
            document.fail(path, f"budget.solve: found {describe(axis)}; {wanted}")
        if axis in axes[:i]:
            document.fail(path, f"budget.solve: {axis} is listed twice; list it once")
    return tuple(axes)


def _step_of_arguments(document: Document, file: BudgetFile, solve: tuple[str, ...]) -> float | int:
    """The step between values of a solved argument of own code. Fails where low, high and step are of no use."""
    for key in ("low", "high", "step"):
        if getattr(file, key) is not None and not any(axis.startswith(ARGUMENT) for axis in solve):
            document.fail(("budget", key), f"'budget.{key}' is only valid with solve: args.*, an argument of your own code")
    step = 1 if file.step is None else file.step
    low = step if file.low is None else file.low
    if file.high is not None and file.high < low:
        document.fail(("budget", "high"), f"budget.high: found {describe(file.high)}; allowed: from {low:g}, the low")
    return step


def _number(document: Document, path: KeyPath, value: Any) -> float:
    """A number of milliseconds or joules."""
    if not is_number(value) or not 0 < value < 1e12:
        unit = MEASURED_COSTS[path[1]].unit
        document.fail(path, f"{'.'.join(path)}: found {describe(value)}; allowed: a number of {unit} above 0")
    return float(value)


def _quantity(document: Document, path: KeyPath, value: Any) -> int:
    """A number from 2200000, 2.2e6 or "2.2M"; of bytes from "2 GB" too."""
    number = None
    unit = "B" if {"activation_memory", "peak_memory"} & {*path} else ""
    text = value.strip().removesuffix(unit) if isinstance(value, str) else ""
    if match := re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kMG])", text):
        number = float(match[1]) * SUFFIXES[match[2]]
    elif is_number(value):
        number = value
    if number is None or not 1 <= number <= 10**15:
        wanted = f"a number such as 2200000 or 2.2M{unit} (k{unit}, M{unit}, G{unit})"
        document.fail(path, f"{'.'.join(path)}: found {describe(value)}; allowed: {wanted}")
    return round(number)


def _fraction(document: Document, path: KeyPath, value: Any) -> float:
    """A fraction from 0.05 or "5%"."""
    number = None
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", value.strip())):
        number = float(match[1]) / 100
    elif is_number(value):
        number = float(value)
    if number is None or not 0 <= number < 1:
        document.fail(path, f"{'.'.join(path)}: found {describe(value)}; allowed: 0% to below 100%, such as 5% or 0.05")
    return number
