"""The parameters of a search as Optuna's distributions, and how the values of a candidate are picked from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ablate.nets.options import parse_block
from ablate.study.search import Parameter, Search
from ablate.study.space import present, round_value

Pick = Callable[[str, BaseDistribution], Any]  # (name of an Optuna parameter, its distribution) -> value


def pick_values(search: Search, pick: Pick) -> dict[str, Any]:
    """The values of a candidate by axis. Each parameter with a fulfilled condition is picked, in order.

    Args:
        search: The search.
        pick: Called once for each Optuna parameter that the candidate has.
    """
    values: dict[str, Any] = {}
    given = {axis: [one[axis] for one in search.enqueue if axis in one] for axis in search.axes} if search.enqueue else {}
    for parameter in search.parameters:
        if not present(parameter, values):
            continue
        picked = [pick(name, distribution) for name, distribution in _main_distribution(parameter).items()]
        if parameter.kind == "kernels":
            kernels = [pick(name, d) for name, d in _kernel_distributions(parameter, picked[0]).items()]
            values[parameter.axis] = f"B({','.join(map(str, kernels))})"
        elif parameter.kind == "categorical":
            values[parameter.axis] = next(c for c in parameter.choices if _stored_choice(c) == picked[0])
        else:
            values[parameter.axis] = round_value(parameter, picked[0], given.get(parameter.axis, ()))
    return values


def all_distributions(search: Search) -> dict[str, BaseDistribution]:
    """The distribution of every parameter that a candidate may have, by its name in Optuna.

    Args:
        search: The search.
    """
    found: dict[str, BaseDistribution] = {}
    for parameter in search.parameters:
        found |= _main_distribution(parameter)
        if parameter.kind == "kernels":
            found |= _kernel_distributions(parameter, parameter.high)
    return found


def optuna_params(search: Search, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a candidate as Optuna's parameters, for a candidate that is given rather than sampled.

    Args:
        search: The search.
        values: Values by axis. Axes may be missing; their parameters are then missing, too.
    """
    params: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for parameter in search.parameters:
        if parameter.axis not in values or not present(parameter, known):
            continue
        known[parameter.axis] = value = values[parameter.axis]
        (name,) = _main_distribution(parameter)
        if parameter.kind == "kernels":
            kernels = parse_block(value)
            params |= {name: len(kernels), **dict(zip(_kernel_distributions(parameter, len(kernels)), kernels))}
        else:
            params[name] = _stored_choice(value) if parameter.kind == "categorical" else value
    return params


def suggest_with(trial: optuna.Trial) -> Pick:
    """A Pick that lets Optuna suggest the values of a trial, or returns those that the trial already has.

    Args:
        trial: A running trial of Optuna.
    """

    def pick(name: str, distribution: BaseDistribution) -> Any:
        match distribution:
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_float(name, low, high, step=step, log=log)
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(name, low, high, step=step, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(name, choices)
        raise TypeError(f"{name}: {distribution}")

    return pick


def _main_distribution(parameter: Parameter) -> dict[str, BaseDistribution]:
    """The distribution of a parameter by its name in Optuna; for kernels, that of the number of convolutions."""
    low, high, step = parameter.low, parameter.high, parameter.step
    match parameter.kind:
        case "categorical":
            return {parameter.name: CategoricalDistribution([_stored_choice(choice) for choice in parameter.choices])}
        case "kernels":
            assert isinstance(low, int) and isinstance(high, int)
            return {f"{parameter.name}.l": IntDistribution(low, high)}
        case "int":
            assert isinstance(low, int) and isinstance(high, int) and isinstance(step, int)
            return {parameter.name: IntDistribution(low, high, parameter.log, step)}
        case _:
            assert low is not None and high is not None
            return {parameter.name: FloatDistribution(low, high, parameter.log, step)}


def _kernel_distributions(parameter: Parameter, l: Any) -> dict[str, BaseDistribution]:
    """The distribution of each kernel size of a block of l convolutions."""
    return {f"{parameter.name}.kernel{i}": CategoricalDistribution(parameter.choices) for i in range(1, l + 1)}


def _stored_choice(value: Any) -> Any:
    """A choice in a form that Optuna can store: text and numbers unchanged, other values as JSON."""
    return value if isinstance(value, (str, int, float)) else json.dumps(value, sort_keys=True)
