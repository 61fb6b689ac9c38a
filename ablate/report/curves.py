"""Summaries -> their training curves: every seed's, the medians over the seeds, both as tables of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ablate.records.columns import Columns, epoch_columns
from ablate.records.records import Record
from ablate.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("train_loss", "train_error", "test_error")  # nats, percent, percent


class Curves(NamedTuple):
    """MEASURES of a variant's recorded seeds, from epoch 1 on, shape (epochs, measures) each; NaN for null.

    A diverged seed is infinite from the epoch in which it diverged, as it is in the table's median.
    """

    seeds: tuple[int, ...]
    values: tuple[Columns, ...]

    def median(self) -> Columns:
        """Over the seeds that have a value, shape (epochs, measures); there is at least one seed."""
        longest = max(map(len, self.values))
        values = np.full((longest, len(MEASURES), len(self.values)), np.nan)
        for seed, of_seed in enumerate(self.values):
            values[: len(of_seed), :, seed] = of_seed
        values.sort()  # those without a value come last
        known = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True)
        low, high = (np.take_along_axis(values, np.maximum(place, 0), -1) for place in ((known - 1) // 2, known // 2))
        middle: Columns = (low + high)[..., 0] / 2
        return middle


def read_curves(summaries: Sequence[Summary]) -> list[Curves]:
    """The curves of each variant. Raises RecordError where epochs are lost."""
    found = []
    for summary in summaries:
        planned = summary.variant.recipe.epochs
        found.append(Curves(tuple(summary.seeds), tuple(_curve(record, planned) for record in summary.records)))
    return found


def _curve(record: Record, planned: int) -> Columns:
    values = epoch_columns(record, MEASURES)
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.full((max(0, planned - len(kept)), len(MEASURES)), np.inf)])


def seed_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, seed, epoch, train_loss (nats), train_error and test_error (percent), a row a seed and epoch."""
    curves = read_curves(summaries)
    places = [(variant, seed) for variant, each in enumerate(curves) for seed in each.seeds]
    return _frame(("variant", "seed"), places, [values for each in curves for values in each.values])


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, epoch, train_loss (nats), train_error and test_error (percent): medians over the recorded seeds."""
    medians = {(variant,): each.median() for variant, each in enumerate(read_curves(summaries)) if each.seeds}
    return _frame(("variant",), list(medians), list(medians.values()))


def _frame(names: Sequence[str], places: Sequence[tuple[int, ...]], curves: Sequence[Columns]) -> pd.DataFrame:
    """A row an epoch of each curve: its place, the epoch, MEASURES."""
    import pandas as pd

    lengths = list(map(len, curves))
    of_rows = np.repeat(np.array(places, int).reshape(-1, len(names)), lengths, axis=0).T
    epochs = np.concatenate([np.arange(0), *(np.arange(1, length + 1) for length in lengths)])
    measured = np.concatenate([np.empty((len(MEASURES), 0)), *(curve.T for curve in curves)], axis=1)
    return pd.DataFrame({**dict(zip(names, of_rows)), "epoch": epochs, **dict(zip(MEASURES, measured))})
