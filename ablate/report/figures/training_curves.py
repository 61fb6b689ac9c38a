"""Training curves as values: those of a variant's seeds with their median, and curves from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MEASURES = ("train_loss", "train_error", "test_error")  # nats, percent, percent
Curve = npt.NDArray[np.float64]  # shape (epochs, measures), from epoch 1 on; NaN where there is no value


class SeedCurves(NamedTuple):
    """The curve of each recorded seed.

    A diverged seed is infinite from the epoch in which it diverged, as it is in the table's median.
    """

    seeds: tuple[int, ...]
    values: tuple[Curve, ...]

    def median(self) -> Curve:
        """The median over the seeds that have a value, shape (epochs, measures); there is at least one seed."""
        longest = max(map(len, self.values))
        values = np.full((longest, len(MEASURES), len(self.values)), np.nan)
        for seed, of_seed in enumerate(self.values):
            values[: len(of_seed), :, seed] = of_seed
        values.sort()  # those without a value come last
        known = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True)
        low, high = (np.take_along_axis(values, np.maximum(place, 0), -1) for place in ((known - 1) // 2, known // 2))
        middle: Curve = (low + high)[..., 0] / 2
        return middle


class ImportedCurve(NamedTuple):
    """A curve from elsewhere, such as an author's log, drawn in grey beside ours.

    rows: an epoch each, with epoch (from 1), train_loss (nats) and test_error (percent), each of the two may be None.
    panel: the title of the panel it belongs in; empty for every panel.
    """

    label: str
    rows: Sequence[Mapping[str, Any]]
    panel: str = ""


@dataclass(frozen=True)
class CurvePanel:
    """The curves of some variants. title: empty for the only panel; labels: of the variants, none twice."""

    title: str
    labels: Sequence[str]
    curves: Sequence[SeedCurves]


@dataclass(frozen=True)
class StudyCurves:
    """The curves of a study. names: what the legend says of each label, in the order of the colours."""

    panels: Sequence[CurvePanel]
    names: Mapping[str, str]
    imported: Sequence[ImportedCurve] = ()
