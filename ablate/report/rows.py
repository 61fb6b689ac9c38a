"""Summaries -> what their seeds say: the statistics' table, and table.csv with everything in plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ablate.report.analysis import Analysis
from ablate.report.published import NOT_RUN
from ablate.report.summary import Summary, finite
from ablate.report.tables import DASH, Cell, Table, percent, range_cell, seeds_cell
from ablate.study.expand import DATA_TITLE
from ablate.study.plan import plain
from ablate.study.study import PublishedRow

if TYPE_CHECKING:
    import pandas as pd

Row = list["Cell | str"]


def statistics_rows(analysis: Analysis) -> Table:
    """A row a variant: its seeds in numbers, and what they say against its baseline."""
    several = len({summary.variant.data.title for summary in analysis.summaries}) > 1
    kinds = dict.fromkeys(summary.description.interval_kind for summary in analysis.summaries if summary.description)
    interval = " or ".join(kinds or ["range"]).capitalize()
    header = ["Variant", *(["Data"] if several else []), "n", "Median", "Mean ± SD", interval]
    header += ["Baseline", "Difference", "P(better)", "p", "p (Holm)", "Seeds needed"] if analysis.verdicts else []
    rows: list[Row] = []
    for summary in analysis.summaries:
        row: Row = [summary.name, *([summary.variant.data.title] if several else [])]
        row += [Cell(text, summary=summary) for text in _seed_cells(summary)]
        if analysis.verdicts:
            row += _verdict_cells(analysis, summary)
        rows.append(row)
    return Table(header, rows, [name not in ("Variant", "Data", "Baseline") for name in header])


def _seed_cells(summary: Summary) -> list[str]:
    found = summary.description
    mean = DASH if found is None or found.mean is None else f"{found.mean:.2f}"
    mean += f" ± {found.std:.2f}" if found and found.std is not None else ""
    return [seeds_cell(summary), percent(summary.median), mean, range_cell(summary)]


def _verdict_cells(analysis: Analysis, summary: Summary) -> Row:
    baseline, verdict = analysis.baseline(summary), analysis.verdict(summary)
    if baseline is summary:
        return ["baseline", *[DASH] * 5]
    if baseline is None or verdict is None:
        return [DASH] * 6
    c = verdict.comparison
    gap = DASH if c.difference is None else f"{c.difference:+.2f}"
    row: Row = [baseline.name, gap, f"{c.probability:.2f}", p_text(c.p_value), p_text(verdict.adjusted_p)]
    return [*row, needed_text(verdict.needed)]


def p_text(p: float) -> str:
    """ "0.008", "0.0003": two digits of what is small."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def needed_text(needed: float | None) -> str:
    return DASH if needed is None else "> 1,000" if math.isinf(needed) else f"≈ {needed:,.0f}"


def to_frame(analysis: Analysis) -> pd.DataFrame:
    """Plain numbers under stable names, for table.csv: a row a variant and data set, then rows only published.

    Errors in percent, differences in points; trials: the ids of those behind the row, in the order of `seeds`.
    """
    import pandas as pd

    rows = [_frame_row(analysis, summary) for summary in analysis.summaries]
    titles = {summary.variant.data.stands_for: summary.variant.data.title for summary in analysis.summaries}
    for table, row in analysis.rows_without_variant:
        errors: dict[str, float | None] = {titles[data]: error for data, error in row.errors.items() if data in titles}
        rows += [_published_only(table.source, row, data, error) for data, error in (errors or {"": None}).items()]
    return pd.DataFrame([{**row, "scale": analysis.study.scale} for row in rows] if analysis.study.scale else rows)


def _frame_row(analysis: Analysis, summary: Summary) -> dict[str, Any]:
    values = summary.as_json()
    axes = {axis: plain(value) for axis, value in values.pop("axes").items() if axis != DATA_TITLE}
    values["seeds"] = " ".join(map(str, values["seeds"]))
    values["diverged"] = " ".join(map(str, values["diverged"]))
    values.pop("test_errors")
    d, baseline, verdict, match = (
        summary.description, analysis.baseline(summary), analysis.verdict(summary), analysis.match(summary)
    )  # fmt: skip
    values |= {"mean": d and d.mean, "std": d and d.std, "epoch_rule": summary.epoch_rule}
    if baseline:
        c = verdict.comparison if verdict else None
        values |= {
            "baseline": baseline.label,
            "baseline_trials": " ".join(record.id for record in baseline.records),
            "difference": c and _rounded(c.difference),
            "probability_better": c and c.probability,
            "p_value": c and c.p_value,
            "p_floor": c and c.floor,
            "p_holm": verdict and verdict.adjusted_p,
        }
    if match:
        ours, same = finite(summary.median), summary.variant.data.stands_for == match.data
        values |= {
            "published": match.error,
            "published_difference": _rounded(ours - match.error) if ours is not None and same else None,
            "published_source": match.published.source,
            "protocol_differs": "; ".join(match.differences),
        }
    return {"net": values.pop("net"), **axes, **values, "trials": " ".join(record.id for record in summary.records)}


def _published_only(source: str, row: PublishedRow, data: str, error: float | None) -> dict[str, Any]:
    reason = row.not_run or NOT_RUN
    return {"net": row.label, "data": data, "published": error, "published_source": source, "not_run": reason}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 10)
