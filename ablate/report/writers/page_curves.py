"""The curves of a page as data for assets/curves.js, including the median over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate.report.document import TrialCurve
from ablate.report.numbers import finite

MOST_POINTS = 120_000  # of a report, with all its seeds and medians; more are thinned by epochs


def curve_data(
    curves: Sequence[TrialCurve], looks: Mapping[str, tuple[str, str]], trials: Mapping[str, int], worst: float = math.inf
) -> dict[str, Any]:
    """For curves.js: `every`, the distance of the epochs that are kept, and `variants`, each with number, label, colour,
    marker, imported and lines. The median of the seeds is the last line.

    A line has name, trial, bold (the median, or the only line), epoch (the first and the last, or all where some are
    missing), loss (nats, three digits) and error (the measure that the study decides by, four digits).

    Args:
        curves: The curves of all trials.
        looks: The colour and the marker of each variant by its label.
        trials: The number of each trial in the provenance by its id.
        worst: The value of a seed that diverged: infinity, negative for a maximized measure.
    """
    groups: dict[tuple[int, bool, str], list[TrialCurve]] = {}
    for curve in curves:
        groups.setdefault((curve.variant, curve.imported, curve.label), []).append(curve)
    points = sum(len(curve.epochs) for curve in curves) + sum(len(members[0].epochs) for members in groups.values())
    every = math.ceil(points / MOST_POINTS)
    variants = []
    for (number, imported, label), members in groups.items():
        drawn = [(curve, _curve_name(curve)) for curve in members]
        if len(members) > 1 and not imported:
            unit = "seeds" if members[0].fold is None else "trainings"
            drawn.append((median_curve(members, worst), f"median of {len(members)} {unit}"))
        lines = [
            _line(_thinned(curve, every), name, trials.get(curve.trial), curve is drawn[-1][0] or imported)
            for curve, name in drawn
        ]
        colour, marker = looks[label]
        shown = {"number": number, "label": label, "colour": colour, "marker": marker}
        variants.append({**shown, "imported": imported, "lines": lines})
    return {"every": every, "variants": variants}


def median_curve(curves: Sequence[TrialCurve], worst: float = math.inf) -> TrialCurve:
    """The median over a variant's seeds at each epoch of the longest curve; None where half or more have no value.

    A seed without a value at an epoch has diverged. It counts as worse than any other, as in the tables.

    Args:
        curves: The curves of one variant, at least one.
        worst: The value of a seed that diverged.
    """
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})

    def medians(values: Sequence[dict[int, float | None]], worst: float = math.inf) -> list[float | None]:
        rows = [[worst if (v := by_epoch.get(epoch)) is None else v for by_epoch in values] for epoch in epochs]
        return [finite(statistics.median(row)) for row in rows]

    return replace(
        curves[0],
        seed=None,
        fold=None,
        trial="",
        epochs=epochs,
        train_loss=medians([dict(zip(curve.epochs, curve.train_loss)) for curve in curves]),
        values=medians([dict(zip(curve.epochs, curve.values)) for curve in curves], worst),
    )


def _thinned(curve: TrialCurve, every: int) -> TrialCurve:
    """The curve at each epoch that is a multiple of a number, and at its first and last epoch."""
    if every == 1:
        return curve
    kept = [i for i, epoch in enumerate(curve.epochs) if epoch % every == 0 or i in (0, len(curve.epochs) - 1)]
    return replace(
        curve,
        epochs=[curve.epochs[i] for i in kept],
        train_loss=[curve.train_loss[i] for i in kept],
        values=[curve.values[i] for i in kept],
    )


def _line(curve: TrialCurve, name: str, trial: int | None, bold: bool) -> dict[str, Any]:
    epochs = list(curve.epochs)
    whole = epochs and epochs == list(range(epochs[0], epochs[-1] + 1))
    return {
        "name": name, "trial": trial, "bold": bold, "epoch": [epochs[0], epochs[-1]] if whole else epochs,
        "loss": [_rounded(value, 3) for value in curve.train_loss], "error": [_rounded(value, 4) for value in curve.values],
    }  # fmt: skip


def _curve_name(curve: TrialCurve) -> str:
    source = "the authors' log" if curve.imported else "one run"
    fold = "" if curve.fold is None else f"fold {curve.fold} "
    return source if curve.seed is None else f"{fold}seed {curve.seed}"


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None or not math.isfinite(number) else float(f"{number:.{digits}g}")
