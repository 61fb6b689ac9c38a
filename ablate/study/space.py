"""The space of a search: the values that its parameters can have, and all candidates of a finite space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ablate.nets.architecture import DECIMALS, format_block
from ablate.nets.options import parse_block
from ablate.own_code import REFERENCE
from ablate.own_modules import code_digest, look_in
from ablate.study.document import is_number
from ablate.study.search import Parameter, Search


def present(parameter: Parameter, values: dict[str, Any]) -> bool:
    """Whether a candidate has a parameter.

    Args:
        parameter: Of the search.
        values: The candidate's values of the parameters above it, by axis.
    """
    return all(axis in values and values[axis] in wanted for axis, wanted in parameter.when)


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are the same: 1 and 1.0 are, but no text or truth value is a number.

    Args:
        one: As written in a study file.
        other: The same.
    """
    return one == other and (type(one) is type(other) or (is_number(one) and is_number(other)))


def equal_choices(parameter: Parameter, value: Any) -> list[Any]:
    """The choices of a parameter that are a value: one, or none.

    Args:
        parameter: With choices.
        value: As written in a study file.
    """
    return [choice for choice in parameter.choices if same_value(choice, value)]


def contains(parameter: Parameter, value: Any) -> bool:
    """Whether a parameter can have a value. Texts are no numbers.

    Args:
        parameter: Of the search.
        value: As written in a study file.
    """
    match parameter.kind:
        case "categorical":
            return bool(equal_choices(parameter, value))
        case "kernels":
            kernels = parse_block(value) if isinstance(value, str) and value.startswith("B(") else ()
            assert parameter.low is not None and parameter.high is not None
            return parameter.low <= len(kernels) <= parameter.high and set(kernels) <= set(parameter.choices)
        case _:
            if not is_number(value):
                return False
            low, high, step = parameter.low, parameter.high, parameter.step
            assert low is not None and high is not None
            steps = (value - low) / step if step else 0
            return low <= value <= high and math.isclose(steps, round(steps), abs_tol=1e-9)


def allows(parameters: Sequence[Parameter], values: dict[str, Any]) -> bool:
    """Whether values are some of a candidate's: each of a parameter that it has, and one that this can have.

    Args:
        parameters: Of the search, in order.
        values: By axis.
    """
    left = dict(values)
    for parameter in parameters:
        if present(parameter, values) and parameter.axis in left and contains(parameter, left[parameter.axis]):
            del left[parameter.axis]
    return bool(values) and not left


def space_code(parameters: Sequence[Parameter], base: Any, folder: Path) -> dict[str, str]:
    """The digest of all own code that a search may train, by its reference, besides that of its recipe and data.

    Args:
        parameters: Of a search of networks.
        base: The network that they change, as written, if any.
        folder: Of the study file, which is searched first.

    Raises:
        NotationError: A module or a callable is missing, or raises an error.
    """
    values = [("net", base), *((one.axis, choice) for one in parameters for choice in one.choices)]
    return {name: digest for axis, value in values for name, digest in own_code_in(axis, value, folder).items()}


def own_code_in(axis: str, value: Any, folder: Path) -> dict[str, str]:
    """The digest of each own code that a value of a network's axis names, by its reference.

    Args:
        axis: The axis.
        value: Its value, as written.
        folder: Of the study file, which is searched first.

    Raises:
        NotationError: A module or a callable is missing, or raises an error.
    """
    look_in(folder, Path())
    return {reference: code_digest(reference) for reference in _references(axis, value)}


def _references(axis: str, value: Any) -> Iterator[str]:
    """The own code that a value names: a block, or what stands under `python`. Arguments are plain values."""
    path = axis.split(".")
    if "args" in path:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _references(f"{axis}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _references(axis, inner)
    elif isinstance(value, str) and REFERENCE.fullmatch(value) and (path[-1] == "python" or axis == "block"):
        yield value


def settings(parameter: Parameter) -> Iterator[Any]:
    """Every value of a parameter, in order. There may be more than memory can hold.

    Args:
        parameter: With steps or choices.
    """
    low, high, step = parameter.low, parameter.high, parameter.step
    match parameter.kind:
        case "categorical":
            yield from parameter.choices
        case "kernels":
            assert isinstance(low, int) and isinstance(high, int)
            for l in range(low, high + 1):
                yield from map(format_block, itertools.product(parameter.choices, repeat=l))
        case _:
            assert low is not None and high is not None and step is not None
            yield from (round_value(parameter, low + i * step) for i in range(round((high - low) / step) + 1))


def grid(parameters: Sequence[Parameter]) -> Iterator[dict[str, Any]]:
    """Every candidate, feasible or not, as values by axis.

    Args:
        parameters: Of the search, in order; each has steps or choices.
    """

    def below(index: int, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(parameters):
            yield values
        elif not present(parameters[index], values):
            yield from below(index + 1, values)
        else:
            for value in settings(parameters[index]):
                yield from below(index + 1, {**values, parameters[index].axis: value})

    return below(0, {})


def is_finite(search: Search) -> bool:
    """Whether every parameter of a search has steps or choices.

    Args:
        search: The search.
    """
    return all(parameter.kind != "float" or parameter.step is not None for parameter in search.parameters)


def round_value(parameter: Parameter, value: Any, given: Collection[Any] = ()) -> Any:
    """A sampled number without rounding errors, which the parameter can have: 0.15, not 0.15000000000000002.

    Floats without steps have six significant digits, and those of a network's own axes at most DECIMALS decimals, as names
    show no more.

    Args:
        parameter: Of the search.
        value: As sampled; values of other kinds than "float" are returned as they are.
        given: Values that are not sampled, but written or a variant's own; they are returned as they are.
    """
    low, high, step = parameter.low, parameter.high, parameter.step
    if parameter.kind != "float" or value in given:
        return value
    assert low is not None and high is not None
    if step is not None:
        return float(Fraction(str(low)) + round((value - low) / step) * Fraction(str(step)))
    return min(max(named_value(parameter, float(f"{value:.6g}")), low), high)


def named_value(parameter: Parameter, value: float) -> float:
    """A number as names show it, of a network's own axis; others as they are.

    Args:
        parameter: With a range of floats.
        value: The number.
    """
    return value if parameter.placeholder or "." in parameter.axis else round(value, DECIMALS)
