"""The text output of `ablate trace`."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.errors import printable
from ablate.report.table import Column, make_table
from ablate.report.trace import CsvRow, Trace, shown_columns
from ablate.report.writers.plain import table_text


def trace_text(trace: Trace) -> str:
    """A table with one row per trial, then the origin of the value."""
    lines = [
        printable(
            f"{trace.table}, row {trace.row} of {trace.rows} ({trace.name}), {trace.column}: {trace.value or 'empty'}"
        ),
        "",
    ]
    if trace.trials:
        lines.append(_table(trace.trials, trace.selected, trace.measure))
    if trace.baseline_trials:
        lines += ["The baseline's trials:", "", _table(trace.baseline_trials, [], trace.measure)]
    return "\n".join([*lines, *map(printable, trace.remarks)])


def _table(trials: Sequence[CsvRow], selected: Sequence[str], measure: str) -> str:
    """The trials, a row each; what all have in common stands below."""
    known = [column for column in shown_columns(measure) if any(trial.get(column) for trial in trials)]
    alike = [one for one in known if one not in ("id", measure) and len({trial.get(one, "") for trial in trials}) == 1]
    shown = [column for column in known if column not in alike or len(trials) == 1]
    chosen = [["*"] if trial["id"] in selected else [""] for trial in trials] if selected else [[] for _ in trials]
    rows = [first + [_shown(column, trial.get(column, "")) for column in shown] for first, trial in zip(chosen, trials)]
    columns = [
        Column(title.replace("_", " "), title == measure or title.endswith("seconds"))
        for title in (*([""] if selected else []), *shown)
    ]
    common = ", ".join(f"{column.replace('_', ' ')} {_shown(column, trials[0][column])}" for column in alike)
    table = table_text(make_table(columns, rows))
    return f"{table}\nthe same for all: {printable(common)}\n" if common and len(trials) > 1 else table


def _shown(column: str, value: str) -> str:
    if column == "revision":
        return value[:12] + ("+" if value.endswith("+") and len(value) > 12 else "")
    if value and column.endswith("error"):
        return f"{float(value):.2f}"
    return f"{float(value):.1f}" if value and column.endswith("seconds") else value
