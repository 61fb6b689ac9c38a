"""The training curves of variants from their summaries: of every seed, and the medians over the seeds as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ablate.records.columns import epoch_columns
from ablate.records.records import Record
from ablate.report.figures.training_curves import MEASURES, Curve, SeedCurves
from ablate.report.summary import Summary
from ablate.study.decision import Decision

if TYPE_CHECKING:
    import pandas as pd


def read_curves(summaries: Sequence[Summary]) -> list[SeedCurves]:
    """The curves of each variant.

    Args:
        summaries: The variants.

    Raises:
        RecordError: A record has lost its epochs.
    """
    found = []
    for summary in summaries:
        planned = summary.variant.recipe.epochs
        curves = tuple(_curve(record, planned, summary.decision) for record in summary.records)
        found.append(SeedCurves(tuple(summary.seeds), curves))
    return found


def _curve(record: Record, planned: int, by: Decision) -> Curve:
    """The curve of a seed; infinite from the epoch in which it diverged to the last planned one."""
    values = epoch_columns(record, (*MEASURES[:-1], by.each_epoch.column))
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.tile([np.inf, np.inf, by.worst], (max(0, planned - len(kept)), 1))])


def rate_drops(summaries: Sequence[Summary]) -> tuple[int, ...]:
    """The epochs after which the learning rate of every variant drops at once; empty for schedules without steps.

    Args:
        summaries: The variants.

    Raises:
        RecordError: A record has lost its epochs.
    """
    found = [_drops(epoch_columns(summary.records[0], ("lr",))[:, 0]) for summary in summaries if summary.n]
    return tuple(sorted(set.intersection(*found))) if found else ()


def _drops(rates: Curve) -> set[int]:
    """The epochs after which a rate that was constant falls to another that is constant."""
    before, last, first, after = rates[:-3], rates[1:-2], rates[2:-1], rates[3:]
    falls = (first < 0.9 * last) & np.isclose(before, last) & np.isclose(first, after)
    return {int(place) + 2 for place in np.flatnonzero(falls)}


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """A table with a row for each variant and epoch: medians over the recorded seeds.

    Its columns are variant (from 0), epoch (from 1), train_loss (nats), train_error and test_error (percent); the last is
    the measure that the study decides by.

    Args:
        summaries: The variants.

    Raises:
        RecordError: A record has lost its epochs.
    """
    import pandas as pd

    medians = {variant: each.median() for variant, each in enumerate(read_curves(summaries)) if each.seeds}
    rows = [(variant, epoch, *row) for variant, curve in medians.items() for epoch, row in enumerate(curve.tolist(), 1)]
    return pd.DataFrame(rows, columns=["variant", "epoch", *MEASURES])
