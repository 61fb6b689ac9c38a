"""Shapley values: what each component contributes to the difference between the base and the full method.

A component's contribution is the difference that it makes when it is added to the components before it, averaged over all
orders in which components can be added. The contributions sum to the difference between full and base.

Source: Shapley, 1953.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.statistics.effect_tests import t_quantile


class Contribution(NamedTuple):
    """The Shapley value of a component.

    Args:
        value: In the unit of the values.
        interval: The 95% interval over seeds, from the noise that is left after the means of rows and seeds; noise is taken
            to be normal. None with one seed.
    """

    value: float
    interval: tuple[float, float] | None


def shapley_values(values: npt.ArrayLike, on: npt.ArrayLike) -> list[Contribution]:
    """The Shapley value of each component.

    Args:
        values: (2^F, S): the value of each combination of components and each seed; finite.
        on: (2^F, F): whether each component is there, 0 or 1; every combination once.
    """
    table, components = np.asarray(values, float), np.asarray(on, int)
    number = components.shape[1]
    weights = np.array([1 / (number * math.comb(number - 1, size)) for size in range(number)])
    others = components.sum(axis=1, keepdims=True) - components  # (2^F, F): how many other components are there
    signed = np.where(components == 1, 1.0, -1.0) * weights[others]
    found = signed.T @ table.mean(axis=1)
    df = (len(table) - 1) * (table.shape[1] - 1)
    if not df:
        return [Contribution(float(value), None) for value in found]
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    error = math.sqrt(float((rest**2).sum()) / df / table.shape[1])
    widths = t_quantile(df) * error * np.linalg.norm(signed, axis=0)
    return [Contribution(float(v), (float(v - w), float(v + w))) for v, w in zip(found, widths)]
