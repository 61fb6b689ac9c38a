"""The candidates of a search -> the tables of a report, and table.csv with everything in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.rows import p_text
from ablate.report.statistics import describe
from ablate.report.summary import finite
from ablate.report.tables import DASH, Cell, Footnotes, Table, counted, percent, quantity
from ablate.search.candidates import Candidate
from ablate.search.standing import Standing, axes_of, name_of, value_text
from ablate.search.wording import OBJECTIVES

if TYPE_CHECKING:
    import pandas as pd

ENQUEUED = "named in the study file, not sampled"
COSTS = {"parameters": "Parameters", "multiply_adds": "Mult-adds"}


def candidate_rows(standing: Standing, shown: Sequence[Candidate], compared: bool = True) -> Table:
    """A row a candidate: its values, what it costs, its trainings in numbers, and what they say against the best.

    The columns of the cost and the network are there where the candidates differ in them. The only axis says enough of
    the network, unless axes are solved; parameters and what has a budget are always there.
    """
    axes, notes, solved, budget = axes_of(standing.search), Footnotes(), standing.solved, standing.budget
    cost, budgeted = standing.search.also_minimize or "parameters", ("parameters", budget.measure) if budget else ()
    differ = len({getattr(one.variant.counts, cost) for one in shown}) > 1
    costs = [key for key in COSTS if key in budgeted or (key == cost and differ)]
    told = len(axes) == 1 or "net" in axes
    nets = bool(solved) or (not told and len({one.variant.net for one in shown}) > 1)
    compared = compared and len(shown) > 1
    kind = OBJECTIVES[standing.search.objective].capitalize()
    header = [
        "Candidate",
        *_titles(axes, solved),
        *(["Network"] if nets else []),
        *(COSTS[key] for key in costs),
        "n",
        kind,
        "SD",
        "Range",
    ]
    header += ["Difference", "Won", "p", "p (Holm)"] if compared else []
    rows: list[list[Cell | str]] = []
    for one in shown:
        row: list[Cell | str] = [Cell(str(one.number), notes.mark(ENQUEUED if one.enqueued else ""))]
        row += [value_text(one, one.values[axis]) if axis in one.values else DASH for axis in axes]
        row += [one.variant.net] if nets else []
        row += [_cost(key, getattr(one.variant.counts, key)) for key in costs]
        row += _training_cells(standing, one)
        rows.append([*row, *(_verdict_cells(standing, one) if compared else [])])
    texts = {axis for axis in axes if not all(_is_number(one.values.get(axis, 0)) for one in shown)}
    words = {"Network", *(title for axis, title in zip(axes, _titles(axes, solved)) if axis in texts)}
    return Table(header, rows, [title not in words for title in header], notes.notes)


def _titles(axes: Sequence[str], solved: Sequence[str]) -> list[str]:
    """ "lr" for recipe.lr, where no other axis ends so; "k (start)" where k is solved from there."""
    ends = [axis.rpartition(".")[2] for axis in axes]
    titles = ends if len(set(ends)) == len(ends) else axes
    return [f"{title} (start)" if axis in solved else title for axis, title in zip(axes, titles)]


def _cost(key: str, count: int) -> str:
    return f"{count:,}" if key == "parameters" else quantity(count)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _training_cells(standing: Standing, one: Candidate) -> list[Cell | str]:
    found = describe(one.errors)
    diverged = sum(map(math.isinf, one.errors.values()))
    return [
        f"{found.n}, {diverged} diverged" if diverged else str(found.n),
        Cell(percent(standing.objective(one)), bold=one is standing.best),
        DASH if found.std is None else f"{found.std:.2f}",
        "–".join(map(percent, (found.min, found.max))),
    ]


def _verdict_cells(standing: Standing, one: Candidate) -> list[Cell | str]:
    verdict = standing.verdicts.get(one.number)
    if verdict is None or standing.best is None:
        return ["best" if one is standing.best else DASH, *[DASH] * 3]
    c = verdict.comparison
    gap = standing.objective(one) - standing.objective(standing.best)
    return [f"{gap:+.2f}", f"{c.won:g} of {c.pairs}", p_text(c.p_value), p_text(verdict.adjusted_p)]


def comparison_caption(standing: Standing) -> str:
    """What the columns against the best are; empty where nothing is compared."""
    if not standing.verdicts:
        return ""
    kind, comparisons = OBJECTIVES[standing.search.objective], counted(len(standing.verdicts), "comparison")
    floor = min(verdict.adjusted_floor for verdict in standing.verdicts.values())
    return (
        f" Against the best: the difference of the {kind}s in points; of all pairs of their trainings those that the "
        "candidate won, with the lower error; the permutation p-value of the rank sum, two-sided, and after Holm's "
        f"correction for {comparisons} (so many trainings allow none below {p_text(floor)})."
    )


def to_frame(standing: Standing) -> pd.DataFrame:
    """Plain numbers under stable names, for table.csv: a row a candidate, the ranked ones first.

    rank: of those trained to the end, the same for those that share their trainings. Errors in percent, differences in
    points; the objective's column bears its name. trials: the ids of the trainings with an error, in order; baseline: the
    best, for those that are compared with it.
    """
    import pandas as pd

    ranks = standing.ranks
    ordered = sorted(standing.candidates, key=lambda one: (ranks.get(one.number, len(ranks) + 1), one.number))
    rows = [_frame_row(standing, one, ranks.get(one.number)) for one in ordered]
    frame = pd.DataFrame(rows, columns=_columns(standing))
    return frame.astype({"rank": "Int64"})


def _columns(standing: Standing) -> list[str]:
    columns = (
        "rank", "number", "state", "enqueued", *axes_of(standing.search), "net", "parameters", "multiply_adds",
        standing.search.objective, "n", "planned", "diverged", "min", "max", "std",
        "baseline", "difference", "p_value", "p_floor", "p_holm", "trials", "baseline_trials",
    )  # fmt: skip
    return list(dict.fromkeys(columns))  # net may be an axis


def _frame_row(standing: Standing, one: Candidate, rank: int | None) -> dict[str, Any]:
    found = describe(one.errors) if one.errors else None
    best, verdict = standing.best, standing.verdicts.get(one.number)
    row: dict[str, Any] = {
        **{axis: value if _is_number(value) else value_text(one, value) for axis, value in one.values.items()},
        "rank": rank,
        "number": one.number,
        "state": one.state,
        "enqueued": one.enqueued,
        "net": one.variant.net,
        "parameters": one.variant.counts.parameters,
        "multiply_adds": one.variant.counts.multiply_adds,
        standing.search.objective: finite(standing.objective(one)),
        "n": len(one.errors),
        "planned": len(one.trials),
        "diverged": sum(map(math.isinf, one.errors.values())),
        "min": found and finite(found.min),
        "max": found and finite(found.max),
        "std": found and found.std,
        "trials": " ".join(recorded_ids(one)),
    }
    if best and verdict:
        c = verdict.comparison
        row |= {
            "baseline": name_of(best),
            "difference": round(standing.objective(one) - standing.objective(best), 10),
            "p_value": c.p_value,
            "p_floor": c.floor,
            "p_holm": verdict.adjusted_p,
            "baseline_trials": " ".join(recorded_ids(best)),
        }
    return row


def recorded_ids(candidate: Candidate) -> list[str]:
    """The ids of the recorded trainings, in their order."""
    return [candidate.trials[number].id for number in sorted(candidate.errors)]
