"""The curves of a page as data for assets/curves.js, including the median over the seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablate.report.document import TrialCurve
from ablate.report.numbers import finite


def curve_data(curves: Sequence[TrialCurve], colours: int, worst: float = math.inf) -> list[dict[str, Any]]:
    """One dict per variant for curves.js: number, colour, label, imported, lines. The median of the seeds is the last line.

    A line has name, trial, bold (the median, or the only line), epoch, loss (nats) and error (the measure that the study
    decides by), with five digits.

    Args:
        curves: The curves of all trials.
        colours: The number of colours; a variant's colour is its number modulo this.
        worst: The value of a seed that diverged: infinity, negative for a maximized measure.
    """
    groups: dict[tuple[int, bool, str], list[TrialCurve]] = {}
    for curve in curves:
        groups.setdefault((curve.variant, curve.imported, curve.label), []).append(curve)
    found = []
    for (variant, imported, label), members in groups.items():
        lines = [_drawn(curve, _curve_name(curve), bold=len(members) == 1) for curve in members]
        if len(members) > 1 and not imported:
            unit = "seeds" if members[0].fold is None else "trainings"
            lines.append(_drawn(median_curve(members, worst), f"median of {len(members)} {unit}", bold=True))
        found.append({"number": variant, "colour": variant % colours, "label": label, "imported": imported, "lines": lines})
    return found


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


def to_json(value: Any) -> str:
    """JSON for a <script> element. No text in it can end the element.

    Args:
        value: Plain values; no infinity or NaN.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _drawn(curve: TrialCurve, name: str, bold: bool) -> dict[str, Any]:
    loss, error = map(_rounded, curve.train_loss), map(_rounded, curve.values)
    return {
        "name": name, "trial": curve.trial, "bold": bold, "epoch": curve.epochs, "loss": list(loss), "error": list(error),
    }  # fmt: skip


def _curve_name(curve: TrialCurve) -> str:
    source = "the authors' log" if curve.imported else "one run"
    fold = "" if curve.fold is None else f"fold {curve.fold} "
    return source if curve.seed is None else f"{fold}seed {curve.seed}"


def _rounded(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(f"{number:.5g}")
