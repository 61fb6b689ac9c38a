"""A report -> what its page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablate.report.page_data import PageCell, PageCurve, PageStudy, PageTable
from ablate.report.pictures import alt_text, imported_curves
from ablate.report.provenance import made_with, trials_frame
from ablate.report.summary import Summary
from ablate.report.tables import Cell, Table, as_cell

if TYPE_CHECKING:
    from ablate.report.report import Report

PROVENANCE = (
    "net", "seed", "state", "epoch_rule", "test_error", "revision", "ablate", "torch", "python", "device", "threads",
    "train_seconds", "test_seconds", "data_digest", "started", "finished",
)  # fmt: skip


def page_study(report: Report) -> PageStudy:
    """One study of a page."""
    from ablate.report.figures import to_bytes

    study = report.study
    return PageStudy(
        name=study.name,
        title=study.title,
        source=study.source,
        scale=report.badge,
        about=report.setting(". "),
        tables=[_table(caption, table) for _, caption, table in report.tables],
        figures=[(name, alt_text(name), to_bytes(figure, "svg")) for name, figure in report.figures.items()],
        curves=_curves(report),
        sentences=list(report.sentences),
        notes=study.notes,
        made_with=made_with(report.summaries, report.runs),
        trials=_trials(report),
    )


def _table(caption: str, table: Table) -> PageTable:
    rows = [[_cell(as_cell(cell)) for cell in row] for row in table.rows]
    return PageTable(caption, table.header, rows, table.numeric, [f"{mark}: {text}" for mark, text in table.notes])


def _cell(cell: Cell) -> PageCell:
    records = cell.summary.records if cell.summary else []
    return PageCell(cell.text, cell.mark, cell.bold, tuple(record.id for record in records))


def _curves(report: Report) -> list[PageCurve]:
    """Every recorded seed's epochs, and the imported ones; a variant keeps its number, so its colour, of the figures."""
    shown = [summary for summary in report.summaries if summary.n]
    curves = [curve for number, summary in enumerate(shown) for curve in _seeds(number, summary)]
    for i, log in enumerate(imported_curves(report)):
        epochs, losses, errors = ([row.get(key) for row in log.rows] for key in ("epoch", "train_loss", "test_error"))
        curves.append(PageCurve(len(shown) + i, log.label, None, epochs, losses, errors, "", True))  # type: ignore[arg-type]
    return curves


def _seeds(number: int, summary: Summary) -> list[PageCurve]:
    found = []
    for run in summary.runs:
        if run.record:
            rows = run.record.epochs()
            epochs, losses, errors = ([row[key] for row in rows] for key in ("epoch", "train_loss", "test_error"))
            found.append(PageCurve(number, summary.label, run.trial.seed, epochs, losses, errors, run.trial.id))
    return found


def _trials(report: Report) -> dict[str, dict[str, str]]:
    """The provenance of each recorded trial by its id, in words."""
    if not report.recorded:
        return {}
    rows = trials_frame(report.summaries, report.runs).to_dict("records")
    return {row["id"]: {key: _text(key, row[key]) for key in PROVENANCE if key in row} for row in rows if row["epoch_rule"]}


def _text(key: str, value: Any) -> str:
    if value is None or value != value:
        return "–"
    if key == "revision":
        return str(value)[:12]
    return f"{value:.2f}" if isinstance(value, float) else str(value)
