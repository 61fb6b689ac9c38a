"""Training curves as values: the curves of a variant's seeds with their median, and imported curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.study.decision import TEST_ERROR, Decision

# nats, percent, percent; "test_error" is the measure that the study decides by, whatever its name and unit
MEASURES = ("train_loss", "train_error", "test_error")
Curve = npt.NDArray[np.float64]  # shape (epochs, measures), from epoch 1 on; NaN where there is no value


class SeedCurves(NamedTuple):
    """The curves of the recorded seeds of a variant.

    The values of a diverged seed are infinite from the epoch in which it diverged, as in the median of the tables.

    Args:
        seeds: The recorded seeds.
        values: The curve of each seed, shape (epochs, measures).
    """

    seeds: tuple[int, ...]
    values: tuple[Curve, ...]

    def median(self) -> Curve:
        """The median over the seeds that have a value, shape (epochs, measures). There must be at least one seed."""
        longest = max(map(len, self.values))
        values = np.full((longest, len(MEASURES), len(self.values)), np.nan)
        for seed, of_seed in enumerate(self.values):
            values[: len(of_seed), :, seed] = of_seed
        values.sort()  # NaN is sorted to the end
        known = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True)
        low, high = (np.take_along_axis(values, np.maximum(place, 0), -1) for place in ((known - 1) // 2, known // 2))
        middle: Curve = (low + high)[..., 0] / 2
        return middle

    def band(self, measure: str) -> tuple[Curve, Curve]:
        """The lowest and the highest finite value of the seeds at each epoch; NaN where there is none.

        Args:
            measure: One of MEASURES.
        """
        values = np.full((len(self.values), max(map(len, self.values))), np.nan)
        for row, of_seed in zip(values, self.values):
            row[: len(of_seed)] = of_seed[:, MEASURES.index(measure)]
        values[np.isinf(values)] = np.nan
        known = ~np.isnan(values).all(axis=0)
        low, high = np.full((2, values.shape[1]), np.nan)
        low[known], high[known] = np.nanmin(values[:, known], axis=0), np.nanmax(values[:, known], axis=0)
        return low, high


class ImportedCurve(NamedTuple):
    """A curve from another source, such as an author's log, drawn in grey.

    Args:
        label: The name of the curve.
        rows: One for each epoch, with epoch (from 1), train_loss (nats) and test_error (percent); the last two may be None.
        panel: The title of the panel that shows the curve; empty for every panel.
    """

    label: str
    rows: Sequence[Mapping[str, Any]]
    panel: str = ""


@dataclass(frozen=True)
class CurvePanel:
    """The curves of some variants.

    Args:
        title: Of the panel; empty for the only panel.
        labels: Of the variants, all different.
        curves: Of the variants.
        drops: The epochs after which the learning rate of all of them drops.
    """

    title: str
    labels: Sequence[str]
    curves: Sequence[SeedCurves]
    drops: Sequence[int] = ()


@dataclass(frozen=True)
class StudyCurves:
    """The curves of a study.

    Args:
        panels: In order.
        names: The text of each variant by its label.
        imported: Curves from the authors' logs.
        decision: The measure that the study decides by.
        value: Writes a value of the measure.
    """

    panels: Sequence[CurvePanel]
    names: Mapping[str, str]
    imported: Sequence[ImportedCurve] = ()
    decision: Decision = TEST_ERROR
    value: Callable[[float], str] = "{:.2f}".format
