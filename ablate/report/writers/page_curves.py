"""The curves of a page as the data of assets/curves.js, the medians over the seeds among them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablate.report.document import TrialCurve


def curve_data(curves: Sequence[TrialCurve], colours: int) -> list[dict[str, Any]]:
    """A dict a variant for curves.js: number, colour (of so many), label, imported, lines, the median of the seeds last.

    A line: name, trial, bold (the median, or the only line), epoch, loss (nats), error (percent); five digits.
    """
    groups: dict[tuple[int, bool, str], list[TrialCurve]] = {}
    for curve in curves:
        groups.setdefault((curve.variant, curve.imported, curve.label), []).append(curve)
    found = []
    for (variant, imported, label), members in groups.items():
        lines = [_drawn(curve, _curve_name(curve), bold=len(members) == 1) for curve in members]
        if len(members) > 1 and not imported:
            lines.append(_drawn(median_curve(members), f"median of {len(members)} seeds", bold=True))
        found.append({"number": variant, "colour": variant % colours, "label": label, "imported": imported, "lines": lines})
    return found


def median_curve(curves: Sequence[TrialCurve]) -> TrialCurve:
    """The median over a variant's seeds at each epoch of the longest; None where half or more have no value there.

    A seed without a value at an epoch has diverged: it counts as worse than any, as in the tables.
    """
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})

    def medians(values: Sequence[dict[int, float | None]]) -> list[float | None]:
        rows = [[math.inf if (v := by_epoch.get(epoch)) is None else v for by_epoch in values] for epoch in epochs]
        return [_finite(statistics.median(row)) for row in rows]

    return replace(
        curves[0],
        seed=None,
        trial="",
        epochs=epochs,
        train_loss=medians([dict(zip(curve.epochs, curve.train_loss)) for curve in curves]),
        test_error=medians([dict(zip(curve.epochs, curve.test_error)) for curve in curves]),
    )


def to_json(value: Any) -> str:
    """JSON that can stand in a <script> element: no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _drawn(curve: TrialCurve, name: str, bold: bool) -> dict[str, Any]:
    loss, error = map(_rounded, curve.train_loss), map(_rounded, curve.test_error)
    return {
        "name": name, "trial": curve.trial, "bold": bold, "epoch": curve.epochs, "loss": list(loss), "error": list(error),
    }  # fmt: skip


def _curve_name(curve: TrialCurve) -> str:
    source = "the authors' log" if curve.imported else "one run"
    return source if curve.seed is None else f"seed {curve.seed}"


def _rounded(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(f"{number:.5g}")


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
