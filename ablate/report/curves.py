"""The training curves of variants from their summaries: of every seed, and the medians over the seeds, as tables, too."""

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
    """The curves of each variant.

    Args:
        summaries: the variants.

    Raises:
        RecordError: a record has lost its epochs.
    """
    found = []
    for summary in summaries:
        planned = summary.variant.recipe.epochs
        found.append(SeedCurves(tuple(summary.seeds), tuple(_curve(record, planned) for record in summary.records)))
    return found


def _curve(record: Record, planned: int) -> Curve:
    """The curve of a seed; infinite from the epoch in which it diverged to the last planned one."""
    values = epoch_columns(record, MEASURES)
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.full((max(0, planned - len(kept)), len(MEASURES)), np.inf)])


def seed_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """A table with a row for each seed and epoch.

    Its columns are variant (from 0), seed, epoch (from 1), train_loss (nats), train_error and test_error (percent).

    Args:
        summaries: the variants.

    Raises:
        RecordError: a record has lost its epochs.
    """
    curves = read_curves(summaries)
    places = [(variant, seed) for variant, each in enumerate(curves) for seed in each.seeds]
    return _frame(("variant", "seed"), places, [values for each in curves for values in each.values])


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """A table with a row for each variant and epoch: medians over the recorded seeds.

    Its columns are variant (from 0), epoch (from 1), train_loss (nats), train_error and test_error (percent).

    Args:
        summaries: the variants.

    Raises:
        RecordError: a record has lost its epochs.
    """
    medians = {(variant,): each.median() for variant, each in enumerate(read_curves(summaries)) if each.seeds}
    return _frame(("variant",), list(medians), list(medians.values()))


def _frame(names: Sequence[str], places: Sequence[tuple[int, ...]], curves: Sequence[Curve]) -> pd.DataFrame:
    """A table with a row for each curve and epoch: the keys of the curve (columns `names`), the epoch, MEASURES."""
    import pandas as pd

    lengths = list(map(len, curves))
    of_rows = np.repeat(np.array(places, int).reshape(-1, len(names)), lengths, axis=0).T
    epochs = np.concatenate([np.arange(0), *(np.arange(1, length + 1) for length in lengths)])
    measured = np.concatenate([np.empty((len(MEASURES), 0)), *(curve.T for curve in curves)], axis=1)
    return pd.DataFrame({**dict(zip(names, of_rows)), "epoch": epochs, **dict(zip(MEASURES, measured))})
