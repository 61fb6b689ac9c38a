"""The variants of a study as plain numbers under stable names, for table.csv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.analysis import StudyAnalysis
from ablate.report.published import NOT_RUN
from ablate.report.rounds_table import rounds_values
from ablate.report.summary import Summary
from ablate.report.verdicts import COMPARED_COLUMNS, Verdict, verdict_values
from ablate.study.designs import Designed
from ablate.study.expand import DATA_TITLE
from ablate.study.plan import plain
from ablate.study.study import PublishedRow

if TYPE_CHECKING:
    import pandas as pd


def variants_frame(analysis: StudyAnalysis) -> pd.DataFrame:
    """One row per variant and data set, followed by the rows that are only published.

    Errors are in percent, differences in points. `goal` is there where the highest value is the best. `trials` has the
    ids of the row's trials, in the order of `seeds`.

    Args:
        analysis: The analysis of a study with seeds.
    """
    import pandas as pd

    rows = [_frame_row(analysis, summary) for summary in analysis.summaries]
    titles = {summary.variant.data.stands_for: summary.variant.data.title for summary in analysis.summaries}
    for table, row in analysis.rows_without_variant:
        errors: dict[str, float | None] = {titles[data]: error for data, error in row.errors.items() if data in titles}
        rows += [_published_only(table.source, row, data, error) for data, error in (errors or {"": None}).items()]
    scale = {"scale": analysis.study.scale} if analysis.study.scale else {}
    return pd.DataFrame([{**row, **scale} for row in rows])


def _frame_row(analysis: StudyAnalysis, summary: Summary) -> dict[str, Any]:
    values = summary.as_json()
    axes = {axis: plain(value) for axis, value in values.pop("axes").items() if axis != DATA_TITLE}
    values["seeds"] = " ".join(map(str, values["seeds"]))
    values["diverged"] = " ".join(map(str, values["diverged"]))
    values.pop(summary.decision.values_name)
    if "folds" in values:
        values["folds"] = " ".join(map(str, values["folds"]))
    d, baseline, verdict, match = (
        summary.description, analysis.baseline(summary), analysis.verdict(summary), analysis.match(summary)
    )  # fmt: skip
    values |= {"mean": d and d.mean, "std": d and d.std, "epoch_rule": summary.epoch_rule}
    values |= {"goal": summary.decision.goal} if summary.decision.maximized else {}
    if baseline:
        values |= (
            rounds_values(analysis, summary)
            if analysis.rounds
            else comparison_values(baseline.label, baseline.recorded_ids, verdict)
        )
    if match:
        values |= {
            "published": match.error,
            "published_difference": _rounded(analysis.published_difference(summary)),
            "published_source": match.published.source,
            "protocol_differs": "; ".join(match.differences),
        }
    with_ = component_values(summary.variant)
    for key in ("designs", "labels"):
        values.pop(key, None)
    named = {key: values.pop(key) for key in ("net", "title") if key in values}
    return {**named, **with_, **axes, **values, "trials": " ".join(summary.recorded_ids)}


def component_values(variant: Designed) -> dict[str, str]:
    """The columns of the components that designs name: "true" where the variant has the component, else "false".

    Args:
        variant: Of a study.
    """
    found = {f"with {name}": design.levels[name] for design in variant.designs for name in design.components}
    return {title: str(level).lower() for title, level in found.items()}


def comparison_values(baseline: str, trials: Sequence[str], verdict: Verdict | None) -> dict[str, Any]:
    """The columns of the comparison with a baseline.

    Args:
        baseline: Its label.
        trials: The ids of its recorded trials.
        verdict: Of the comparison; None for the baseline itself.
    """
    values = verdict_values(verdict) if verdict else dict.fromkeys(COMPARED_COLUMNS)
    return {
        "baseline": baseline,
        "baseline_trials": " ".join(trials),
        **{name: values[name] for name in COMPARED_COLUMNS},
    }


def _published_only(source: str, row: PublishedRow, data: str, error: float | None) -> dict[str, Any]:
    reason = row.not_run or NOT_RUN
    return {"net": row.label, "data": data, "published": error, "published_source": source, "not_run": reason}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 10)
