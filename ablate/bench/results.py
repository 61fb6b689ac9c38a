"""Comparisons -> a table, a figure and plain values. What is printed are ratios: seconds of one machine say little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablate.bench.rounds import Comparison
from ablate.report.tables import Table

REFERENCE = "1"


def comparison_table(one: Comparison) -> Table:
    """A row a way: its speed as a multiple of the reference's, median and range of the rounds; its other figures."""
    header = ["", "Speed", "Range", *(name[0].upper() + name[1:] for name in one.figures)]
    rows = []
    for way in one.seconds:
        ratios = one.ratios(way)
        row = [way, REFERENCE, ""] if way == one.reference else [way, times(one.ratio(way)), _range(ratios)]
        rows.append([*row, *(_figure(name, values.get(way)) for name, values in one.figures.items())])
    return Table(header, rows, [False] + [True] * (len(header) - 1))


def times(ratio: float) -> str:
    """A ratio to two or three digits: 0.0021, 0.62, 4.71, 18.3, 240, 20,900."""
    if ratio < 0.1:
        return f"{ratio:.2g}"
    if ratio >= 1000:
        return f"{float(f'{ratio:.3g}'):,.0f}"
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def _range(ratios: Sequence[float]) -> str:
    return f"{times(min(ratios))}–{times(max(ratios))}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name.startswith("share"):
        return f"{value:.0%}" if value >= 0.1 else f"{100 * value:.2g}%"
    return times(value) if name.endswith("speed") else f"{value:,.0f}"


def as_values(one: Comparison) -> dict[str, Any]:
    """What --json prints and what is kept: the seconds of every round beside the ratios."""
    return {
        "title": one.title,
        "unit": one.unit,
        "reference": one.reference,
        "ways": {
            way: {
                "seconds": list(seconds),
                "work": one.work[way],
                "ratio": one.ratio(way),
                "ratios": one.ratios(way),
                **{name: values[way] for name, values in one.figures.items() if way in values},
            }
            for way, seconds in one.seconds.items()
        },
    }
