"""The tables of a search: the best candidates compared with the best of all, the Pareto set; and table.csv."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ablate.kinds.costs import MEASURED_COSTS
from ablate.report.candidate import Candidate
from ablate.report.numbers import counted, finite, is_number, p_text, quantity
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.setting import MEASURES
from ablate.report.table import NO_VALUE, Cell, Footnotes, ShapedColumn, Table, number, words
from ablate.report.table_shape import shaped_table
from ablate.report.verdicts import COMPARED_COLUMNS, verdict_interval_cell, verdict_values
from ablate.statistics.description import describe
from ablate.study.axis_text import short_axis
from ablate.study.decision import CostName
from ablate.study.table_style import USUAL

if TYPE_CHECKING:
    import pandas as pd

ENQUEUED = "named in the study file, not sampled"
COMPARED = ("Difference", "Interval", "Won", "p", "p (family)")
SELDOM = ("SD", "Won", "p")  # shown on request
COSTS: dict[CostName, tuple[str, Callable[[Any], str]]] = {
    **{name: (cost.title, cost.write) for name, cost in MEASURED_COSTS.items()},  # type: ignore[misc]
    "parameters": ("Parameters", "{:,}".format),
    "multiply_adds": ("Mult-adds", quantity),
    "activation_memory": ("Activation memory, B", quantity),
}


def search_tables(analysis: SearchAnalysis) -> list[Table]:
    """The tables of the best candidates and of the Pareto set; none before a candidate is trained to the end."""
    tables = []
    name = analysis.study.name
    if analysis.top:
        made = candidates_table(analysis, analysis.top, name, _caption(analysis))
        tables.append(replace(made, details=tuple(_details(analysis))))
    if analysis.front and (costs := analysis.search.also_minimize):
        among = "the two and as good in the other" if len(costs) == 1 else f"the {1 + len(costs)} and as good in the others"
        caption = f"The Pareto set, by {MEASURES[costs[0]]}: no candidate is better in one of {among}."
        table = candidates_table(analysis, analysis.front, f"{name}_pareto", caption, compared=False)
        tables.append(replace(table, title="Pareto set"))
    return tables


def candidates_table(
    analysis: SearchAnalysis, shown: Sequence[Candidate], label: str = "", caption: str = "", compared: bool = True
) -> Table:
    """One row per candidate: its values, its cost, its trainings in numbers, and the comparison with the best.

    The columns of the cost and of the network are present only where the candidates differ in them. If there is only one
    axis, it describes the network well enough, unless axes are solved for a budget. With a budget, the parameters and the
    measure of the budget are always shown.

    Args:
        analysis: The analysis of a search.
        shown: The candidates in the order of the rows.
        label: The name of the table.
        caption: The caption of the table.
        compared: Whether to compare the candidates with the best, if there are several.
    """
    search, footnotes, solved, budget = analysis.search, Footnotes(), analysis.solved, analysis.budget
    axes = search.axes
    objectives = search.also_minimize or (("parameters",) if analysis.of_networks else ())
    budgeted = ("parameters", budget.measure) if budget else ()
    differ = [name for name in objectives if len({one.cost(name) for one in shown}) > 1]
    costs = [key for key in COSTS if key in budgeted or key in differ]
    told = len(axes) == 1 or "net" in axes or not analysis.of_networks
    nets = bool(solved) or (not told and len({one.variant.net for one in shown}) > 1)
    columns = [
        ShapedColumn(
            "name", "Candidate", lambda one: number(one.number, mark=footnotes.mark(ENQUEUED if one.enqueued else ""))
        )
    ]
    for axis, title in zip(axes, _titles(axes, solved)):
        numeric = axis not in analysis.study.labels.texts and all(is_number(one.values.get(axis, 0)) for one in shown)
        columns.append(ShapedColumn("axes", title, partial(_value_cell, axis=axis), numeric))
    rows = {one.number: _training_cells(analysis, one) for one in shown}
    titles = ("n", search.statistic.capitalize(), "SD", "Range")
    n, *of_trainings = (
        ShapedColumn(key, title, partial(_cell_of, rows, place))
        for place, (key, title) in enumerate(zip(("seeds", "result", "measures", "range"), titles))
    )
    columns += of_trainings
    if compared and len(shown) > 1:
        against = {one.number: _verdict_cells(analysis, one) for one in shown}
        for place, title in enumerate(COMPARED if _tested(analysis) else COMPARED[:1]):
            columns.append(ShapedColumn("difference", title, partial(_cell_of, against, place)))
    columns += [ShapedColumn("axes", "Network", lambda one: words(one.variant.net), False)] if nets else []
    columns += [n, *(ShapedColumn(key, COSTS[key][0], partial(_cost_cell, key=key)) for key in costs)]
    seldom = {column for column in columns if column.title in SELDOM and column.key != "axes"}
    columns = [column._replace(fold="always" if column in seldom else "constant") for column in columns]
    table = analysis.study.table if compared else USUAL
    ordered = sorted(shown, key=lambda one: one.number) if table.order == "study" else shown
    return shaped_table(columns, [("", one) for one in ordered], table, label, caption, lambda: footnotes.notes)


def _cell_of(rows: Mapping[int, Sequence[Cell]], place: int, one: Candidate) -> Cell:
    return rows[one.number][place]


def _value_cell(one: Candidate, axis: str) -> Cell:
    return Cell(one.values[axis], one.value_text(axis)) if one.values.get(axis) is not None else NO_VALUE


def _cost_cell(one: Candidate, key: CostName) -> Cell:
    cost = one.cost(key)
    return number(cost, COSTS[key][1]) if math.isfinite(cost) else NO_VALUE


def _titles(axes: Sequence[str], solved: Sequence[str]) -> list[str]:
    """Column titles: "lr" for recipe.lr where no other axis is called so; "k (start)" where k is solved from there."""
    ends = [short_axis(axis) for axis in axes]
    titles = ends if len(set(ends)) == len(ends) else axes
    return [f"{title} (start)" if axis in solved else title for axis, title in zip(axes, titles)]


def _training_cells(analysis: SearchAnalysis, one: Candidate) -> list[Cell]:
    """The trainings in numbers. All cells but the standard deviation carry the ids of the trainings."""
    found, trials, write = describe(one.errors), one.recorded_ids, analysis.format
    diverged = sum(map(math.isinf, one.errors.values()))
    n = f"{found.n}, {diverged} diverged" if diverged else str(found.n)
    return [
        Cell(found.n, n, trials=trials),
        number(analysis.objective(one), write.value, bold=analysis.leads(one), trials=trials),
        number(found.std, write.spread, trials=trials),
        Cell(found.min, f"{write.value(found.min)}–{write.value(found.max)}", trials=trials) if found.n > 1 else NO_VALUE,
    ]


def _verdict_cells(analysis: SearchAnalysis, one: Candidate) -> list[Cell]:
    verdict = analysis.verdicts.get(one.number)
    if verdict is None or analysis.best is None:
        return [Cell(0.0, "best") if one is analysis.best else NO_VALUE, *[NO_VALUE] * 4]
    c = verdict.comparison
    return [
        number(analysis.objective(one) - analysis.objective(analysis.best), analysis.format.signed),
        verdict_interval_cell(c.interval, analysis.format),
        Cell(c.won, f"{c.won:g} of {c.pairs}"),
        number(c.p_value, p_text),
        number(verdict.adjusted_p, p_text, bold=verdict.reached),
    ]


def _tested(analysis: SearchAnalysis) -> bool:
    """Whether some p-value can be below 1, as none can be where each candidate has one training."""
    return any(verdict.comparison.floor < 1 for verdict in analysis.verdicts.values())


def _caption(analysis: SearchAnalysis) -> str:
    """The caption of the first table, without the setting."""
    n, of = len(analysis.top), len(analysis.distinct)
    which = f"The {n} best of {of} candidates" if n < of else f"{counted(of, 'candidate')} trained to the end"
    kind = analysis.search.statistic
    in_unit = analysis.decision.in_unit
    setting = "" if analysis.of_networks else f"{analysis.setting('. ')}. "  # of networks it stands above all tables
    bold = " Bold: indistinguishable from the best." if any(one.reached for one in analysis.verdicts.values()) else ""
    return f"{setting}{which}, by {kind} {analysis.measured()}{f'; {in_unit}' if in_unit else ''}.{bold}"


def _details(analysis: SearchAnalysis) -> Iterator[str]:
    """What the columns mean."""
    if any(len(one.errors) > 1 for one in analysis.top):
        yield "Range: from lowest to highest."
    if not analysis.verdicts:
        return
    verdicts = list(analysis.verdicts.values())
    family, floor = verdicts[0].family, min(verdict.adjusted_floor for verdict in verdicts)
    test = "signed ranks of their differences" if verdicts[0].comparison.paired else "studentized rank sum"
    points = " in points" if analysis.decision.unit == "%" else ""
    others = "the other" if family == 1 else f"all {family} others"
    difference = f"Difference: of the {analysis.search.statistic}s to the best{points}."
    if not _tested(analysis):
        yield f"{difference} A training against a training allows neither an interval nor a test."
        return
    yield (
        f"{difference} Interval: of the Hodges-Lehmann difference, of 95%, for this comparison alone; another level is "
        "named where the trainings are too few for 95%."
    )
    yield (
        f"p (family): of the {test}, two-sided, adjusted for the comparisons of the candidate with {others} "
        f"(p cannot be below {p_text(floor)})."
    )


def candidates_frame(analysis: SearchAnalysis) -> pd.DataFrame:
    """One row per candidate, the ranked candidates first.

    Errors are in percent, differences in points; values of a program's measure are in its unit. Columns that need
    explanation:
    rank: among the candidates trained to the end; candidates that share their trainings share a rank.
    median_validation_error or mean_validation_error: the objective; of a program with the name of its measure.
    trials: the ids of the trainings that have an error, in order.
    baseline: the best candidate, for the candidates that are compared with it.
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


def _frame_row(analysis: SearchAnalysis, one: Candidate, rank: int | None) -> dict[str, Any]:
    found, counts = describe(one.errors) if one.errors else None, one.counts
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
        **(
            {"net": one.variant.net, "parameters": counts.parameters, "multiply_adds": counts.multiply_adds}
            if counts
            else {}
        ),
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
