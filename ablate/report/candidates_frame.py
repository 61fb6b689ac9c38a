"""The candidates of a search as plain numbers under stable names, for table.csv."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ablate.kinds.costs import MEASURED_COSTS
from ablate.report.candidate import Candidate, is_number
from ablate.report.numbers import finite
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.verdicts import COMPARED_COLUMNS, verdict_values
from ablate.statistics.description import describe

if TYPE_CHECKING:
    import pandas as pd


def candidates_frame(analysis: SearchAnalysis) -> pd.DataFrame:
    """One row per candidate, the ranked candidates first.

    Errors are in percent, differences in points; values of a program's measure are in its unit. Columns that need
    explanation:
    rank: among the candidates trained to the end; candidates that share their trainings share a rank.
    median_validation_error or mean_validation_error: the objective; of a program with the name of its measure.
    trials: the ids of the trainings that have an error, in order.
    baseline: the best candidate, for the candidates that are compared with it.

    Args:
        analysis: The analysis of a search.
    """
    import pandas as pd

    ranks = analysis.ranks
    ordered = sorted(analysis.candidates, key=lambda one: (ranks.get(one.number, len(ranks) + 1), one.number))
    rows = [_frame_row(analysis, one, ranks.get(one.number)) for one in ordered]
    frame = pd.DataFrame(rows, columns=_columns(analysis))
    return frame.astype({"rank": "Int64"})


def _columns(analysis: SearchAnalysis) -> list[str]:
    network = ("net", "parameters", "multiply_adds") if analysis.of_networks else ()
    axes = [_column(analysis, axis) for axis in analysis.search.axes]
    measured = [name for name in analysis.search.also_minimize if name in MEASURED_COSTS]
    columns = (
        "rank", "number", "state", "enqueued", *axes, *network, *measured,
        analysis.search.objective, "n", "planned", "diverged", "min", "max", "std",
        "baseline", "difference", *COMPARED_COLUMNS, "trials", "baseline_trials",
    )  # fmt: skip
    return list(dict.fromkeys(columns))  # net may be an axis


def _column(analysis: SearchAnalysis, axis: str) -> str:
    """The column of an axis. That of a program may have any name, such as "rank"."""
    return axis if analysis.of_networks else f"axis.{axis}"


def _network(one: Candidate) -> dict[str, Any]:
    """The name and the counts of its network; nothing for a program."""
    if one.counts is None:
        return {}
    counts = one.counts
    return {"net": one.variant.net, "parameters": counts.parameters, "multiply_adds": counts.multiply_adds}


def _frame_row(analysis: SearchAnalysis, one: Candidate, rank: int | None) -> dict[str, Any]:
    found = describe(one.errors) if one.errors else None
    best, verdict = analysis.best, analysis.verdicts.get(one.number)
    row: dict[str, Any] = {
        **{
            _column(analysis, axis): value if is_number(value) else one.plain_text(value)
            for axis, value in one.values.items()
        },
        "rank": rank,
        "number": one.number,
        "state": one.state,
        "enqueued": one.enqueued,
        **_network(one),
        **{name: cost for name, cost in one.costs.items() if name in MEASURED_COSTS},
        analysis.search.objective: finite(analysis.objective(one)),
        "n": len(one.errors),
        "planned": len(one.trials),
        "diverged": sum(map(math.isinf, one.errors.values())),
        "min": found and finite(found.min),
        "max": found and finite(found.max),
        "std": found and found.std,
        "trials": " ".join(one.recorded_ids),
    }
    if best and verdict:
        row |= {
            "baseline": best.name,
            "difference": round(analysis.objective(one) - analysis.objective(best), 10),
            **{name: value for name, value in verdict_values(verdict).items() if name in COMPARED_COLUMNS},
            "baseline_trials": " ".join(best.recorded_ids),
        }
    return row
