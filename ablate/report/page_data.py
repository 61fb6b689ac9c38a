"""What a page shows, in plain values, and what is computed from them first: medians, and what a cell sorts by."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple


class PageCell(NamedTuple):
    """A cell. mark: those of its footnotes, "a" or "a,b". trials: the ids of the trials behind it."""

    text: str
    mark: str = ""
    bold: bool = False
    trials: tuple[str, ...] = ()


class PageTable(NamedTuple):
    """Cells, a row a variant. numeric: which columns are set to the right. notes: "a: 12 epochs, not 200"."""

    caption: str
    header: list[str]
    rows: list[list[PageCell]]
    numeric: list[bool]
    notes: list[str]


class PageCurve(NamedTuple):
    """One trial's epochs; loss in nats, error in percent, None where there is none. imported: from an authors' log.

    variant: its number in the study, which gives the colour and the marker.
    """

    variant: int
    label: str
    seed: int | None
    epochs: list[int]
    train_loss: list[float | None]
    test_error: list[float | None]
    trial: str
    imported: bool = False


class PageStudy(NamedTuple):
    """A study as the page shows it.

    scale: the label of a study that is not run at its own scale. figures: (name, what it shows in words, SVG).
    trials: by id, the fields of a trial's provenance in order. notes, about: paragraphs, empty lines between them.
    speaker: whose the sentences are, "What the seeds can and cannot say".
    """

    name: str
    title: str
    source: str
    scale: str
    about: str
    tables: list[PageTable]
    figures: list[tuple[str, str, bytes]]
    curves: list[PageCurve]
    sentences: list[str]
    notes: str
    made_with: list[str]
    trials: dict[str, dict[str, str]]
    speaker: str = "seeds"


_NUMBER = re.compile(r"([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?)(?:\s?([kMG])B?\b)?")
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}


def sort_value(text: str) -> float | None:
    """What a numeric cell sorts by: its first number, "26.4 M" in full; infinite if diverged, None without a number.

    The baseline's difference from itself is 0.
    """
    if found := _NUMBER.search(text.replace("−", "-")):
        return float(found[1].replace(",", "")) * _UNITS.get(found[2], 1.0)
    return {"diverged": math.inf, "baseline": 0.0}.get(text.strip())


def curve_data(curves: Sequence[PageCurve], colours: int) -> list[dict[str, Any]]:
    """A dict a variant for curves.js: number, colour (of so many), label, imported, lines, the median of the seeds last.

    A line: name, trial, bold (the median, or the only line), epoch, loss (nats), error (percent); five digits.
    """
    groups: dict[tuple[int, bool, str], list[PageCurve]] = {}
    for curve in curves:
        groups.setdefault((curve.variant, curve.imported, curve.label), []).append(curve)
    found = []
    for (variant, imported, label), members in groups.items():
        lines = [_line(curve, _curve_name(curve), bold=len(members) == 1) for curve in members]
        if len(members) > 1 and not imported:
            lines.append(_line(median_curve(members), f"median of {len(members)} seeds", bold=True))
        found.append({"number": variant, "colour": variant % colours, "label": label, "imported": imported, "lines": lines})
    return found


def median_curve(curves: Sequence[PageCurve]) -> PageCurve:
    """The median over a variant's seeds at each epoch of the longest; None where half or more have no value there.

    A seed without a value at an epoch has diverged: it counts as worse than any, as in the tables.
    """
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})

    def medians(values: Sequence[dict[int, float | None]]) -> list[float | None]:
        rows = [[math.inf if (v := by_epoch.get(epoch)) is None else v for by_epoch in values] for epoch in epochs]
        return [_finite(statistics.median(row)) for row in rows]

    return curves[0]._replace(
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


def _line(curve: PageCurve, name: str, bold: bool) -> dict[str, Any]:
    loss, error = map(_rounded, curve.train_loss), map(_rounded, curve.test_error)
    return {
        "name": name, "trial": curve.trial, "bold": bold, "epoch": curve.epochs, "loss": list(loss), "error": list(error),
    }  # fmt: skip


def _curve_name(curve: PageCurve) -> str:
    source = "the authors' log" if curve.imported else "one run"
    return source if curve.seed is None else f"seed {curve.seed}"


def _rounded(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(f"{number:.5g}")


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
