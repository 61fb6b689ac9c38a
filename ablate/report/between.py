"""compare_studies(): the variants that two studies share, each compared between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablate.errors import StudyError
from ablate.report.compared import Compared
from ablate.report.numbers import finite
from ablate.report.verdicts import reach_verdicts, verdict_values

if TYPE_CHECKING:
    import pandas as pd


def compare_studies(ours: Compared[Any], theirs: Compared[Any]) -> pd.DataFrame:
    """One row for each variant of either study, in the order of the first: its values in both, and their difference.

    Variants are the same if name and data set are. Seeds in common are compared in pairs as within a study, and the
    variants on one data set are one family.

    Args:
        ours: The analysis of a study.
        theirs: Of the study that it is compared with, whose values are subtracted.

    Raises:
        StudyError: The two decide by different measures, share no variant, or ask for seeds until a comparison is decided.
        RecordError: A record is damaged.
    """
    import pandas as pd

    by, other = ours.decision, theirs.decision
    if (by.name, by.goal) != (other.name, other.goal):
        raise StudyError(f"compare: one decides by {by.words}, the other by {other.words}; give both the same decide_by")
    if ours.rounds or theirs.rounds:
        raise StudyError("compare: a study with seeds.until; allowed: studies with a fixed number of seeds")
    first = {(summary.data_title, summary.name): summary for summary in ours.summaries}
    second = {(summary.data_title, summary.name): summary for summary in theirs.summaries}
    if not first.keys() & second.keys():
        named = [next(iter(one.values())).name if one else "none" for one in (first, second)]
        raise StudyError(f"compare: no variant has the same name and data in both, such as {named[0]} and {named[1]}")
    verdicts: dict[tuple[str, str], dict[str, Any]] = {}
    for title in dict.fromkeys(title for title, _ in first):
        both = [key for key in first if key[0] == title and key in second and first[key].n and second[key].n]
        named_costs = [(name, one[title, name].costs) for _, name in both for one in (first, second)]
        pairs = [(2 * i, 2 * i + 1) for i in range(len(both))]
        paired_from = max(ours.paired_from, theirs.paired_from)
        found = reach_verdicts(named_costs, pairs, paired_from, by.maximized)
        verdicts |= {key: verdict_values(verdict) for key, verdict in zip(both, found)}
    rows = []
    for key in {**first, **second}:
        mine, yours = first.get(key), second.get(key)
        row: dict[str, Any] = {"variant": key[1], **({"data": key[0]} if key[0] else {})}
        row |= {by.median_name: mine and finite(mine.median), f"other_{by.median_name}": yours and finite(yours.median)}
        rows.append({**row, "n": mine.n if mine else 0, "other_n": yours.n if yours else 0, **verdicts.get(key, {})})
    return pd.DataFrame(rows).rename(columns={"hodges_lehmann": "difference"})
