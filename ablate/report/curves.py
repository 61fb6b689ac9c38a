"""Summaries -> their training curves: every seed's, the medians over the seeds, both as tables of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ablate.records.columns import epoch_columns
from ablate.records.records import Record
from ablate.report.figures.training_curves import MEASURES, Curve, SeedCurves
from ablate.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd


def read_curves(summaries: Sequence[Summary]) -> list[SeedCurves]:
    """The curves of each variant. Raises RecordError where epochs are lost."""
    found = []
    for summary in summaries:
        planned = summary.variant.recipe.epochs
        found.append(SeedCurves(tuple(summary.seeds), tuple(_curve(record, planned) for record in summary.records)))
    return found


def _curve(record: Record, planned: int) -> Curve:
    values = epoch_columns(record, MEASURES)
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.full((max(0, planned - len(kept)), len(MEASURES)), np.inf)])


def seed_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Curve variant, seed, epoch, train_loss (nats), train_error and test_error (percent), a row a seed and epoch."""
    curves = read_curves(summaries)
    places = [(variant, seed) for variant, each in enumerate(curves) for seed in each.seeds]
    return _frame(("variant", "seed"), places, [values for each in curves for values in each.values])


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Curve variant, epoch, train_loss (nats), train_error and test_error (percent): medians over the recorded seeds."""
    medians = {(variant,): each.median() for variant, each in enumerate(read_curves(summaries)) if each.seeds}
    return _frame(("variant",), list(medians), list(medians.values()))


def _frame(names: Sequence[str], places: Sequence[tuple[int, ...]], curves: Sequence[Curve]) -> pd.DataFrame:
    """A row an epoch of each curve: its place, the epoch, MEASURES."""
    import pandas as pd

    lengths = list(map(len, curves))
    of_rows = np.repeat(np.array(places, int).reshape(-1, len(names)), lengths, axis=0).T
    epochs = np.concatenate([np.arange(0), *(np.arange(1, length + 1) for length in lengths)])
    measured = np.concatenate([np.empty((len(MEASURES), 0)), *(curve.T for curve in curves)], axis=1)
    return pd.DataFrame({**dict(zip(names, of_rows)), "epoch": epochs, **dict(zip(MEASURES, measured))})
