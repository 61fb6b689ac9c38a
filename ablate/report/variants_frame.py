"""The variants of a study as plain numbers under stable names, for table.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.kinds.costs import MEASURED_COSTS
from ablate.report.analysis import StudyAnalysis
from ablate.report.compared import Compared
from ablate.report.published import NOT_RUN, published_measure
from ablate.report.rounds_table import rounds_values
from ablate.report.seeds import S
from ablate.report.summary import Summary
from ablate.report.verdicts import COMPARED_COLUMNS, Verdict, verdict_values
from ablate.study.axis_text import DATA_TITLE, shown_value
from ablate.study.designs import Designed
from ablate.study.study import PublishedRow


def variant_rows(analysis: StudyAnalysis) -> list[dict[str, Any]]:
    """One row per variant and data set, followed by the rows that are only published.

    Errors are in percent, differences in points. `goal` is there where the highest value is the best. `trials` has the
    ids of the row's trials, in the order of `seeds`.

    Args:
        analysis: The analysis of a study with seeds.
    """
    rows = [_variant_row(analysis, summary) for summary in analysis.summaries]
    titles = {summary.variant.data.stands_for: summary.variant.data.title for summary in analysis.summaries}
    measure = published_measure(analysis.study)
    for table, row in analysis.rows_without_variant:
        errors: dict[str, float | None] = {titles[data]: value for data, value in row.of(measure).items() if data in titles}
        rows += [_published_only(table.source, row, data, error) for data, error in (errors or {"": None}).items()]
    return rows


def _variant_row(analysis: StudyAnalysis, summary: Summary) -> dict[str, Any]:
    axes = {axis: shown_value(value) for axis, value in summary.axes.items() if axis != DATA_TITLE}
    goal = {"goal": summary.decision.goal} if summary.decision.maximized else {}
    published: dict[str, Any] = {}
    if match := analysis.match(summary):
        published = {
            "published": match.value,
            "published_difference": _rounded(analysis.published_difference(summary)),
            "published_source": match.published.source,
            "protocol_differs": "; ".join(match.differences),
        }
    costs = {name: value for name in MEASURED_COSTS if (value := analysis.measured_cost(summary, name)) is not None}
    where = {"costs_measured": analysis.measured_costs.conditions} if costs else {}
    return frame_row(analysis, summary, axes, {"epoch_rule": summary.epoch_rule, **goal}, {**published, **costs, **where})


def frame_row(
    analysis: Compared[S],
    summary: S,
    axes: Mapping[str, Any],
    decided: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The row of table.csv of a variant.

    Args:
        analysis: The analysis of the study.
        summary: Of the variant.
        axes: The columns of its values.
        decided: The columns that say what it is compared by.
        more: The last columns but the trials.
    """
    values = summary.as_json()
    for key in ("seeds", "diverged", "folds"):
        if key in values:
            values[key] = " ".join(map(str, values[key]))
    d, baseline = summary.description, analysis.baseline(summary)
    values |= {"mean": d and d.mean, "std": d and d.std, **decided}
    if baseline:
        values |= (
            rounds_values(analysis, summary)
            if analysis.rounds
            else _comparison_values(baseline.label, baseline.recorded_ids, analysis.verdict(summary))
        )
    for key in ("axes", "designs", "labels", summary.decision.values_name):
        values.pop(key, None)
    named: dict[str, Any] = {key: values.pop(key) for key in ("net", "title") if key in values}
    values |= more or {}
    return {**named, **_component_values(summary.variant), **axes, **values, "trials": " ".join(summary.recorded_ids)}


def _component_values(variant: Designed) -> dict[str, str]:
    """The columns of the components that designs name: "true" where the variant has the component, else "false"."""
    found = {f"with {name}": design.levels[name] for design in variant.designs for name in design.components}
    return {title: str(level).lower() for title, level in found.items()}


def _comparison_values(baseline: str, trials: Sequence[str], verdict: Verdict | None) -> dict[str, Any]:
    """The columns of the comparison with a baseline; without values for the baseline itself."""
    values = verdict_values(verdict) if verdict else dict.fromkeys(COMPARED_COLUMNS)
    return {"baseline": baseline, "baseline_trials": " ".join(trials), **{name: values[name] for name in COMPARED_COLUMNS}}


def _published_only(source: str, row: PublishedRow, data: str, error: float | None) -> dict[str, Any]:
    reason = row.not_run or NOT_RUN
    return {"net": row.label, "data": data, "published": error, "published_source": source, "not_run": reason}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 10)
