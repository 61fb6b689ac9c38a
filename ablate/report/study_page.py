"""A report -> what its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.imported_curves import imported_curves
from ablate.report.page_data import PageCell, PageCurve, PageStudy, PageTable
from ablate.report.provenance import made_with, trials_frame
from ablate.report.summary import Summary
from ablate.report.tables import Table, as_cell

if TYPE_CHECKING:
    import pandas as pd

    from ablate.report.report import Report

PROVENANCE = (
    "net", "seed", "state", "epoch_rule", "test_error", "revision", "ablate", "torch", "python", "device", "threads",
    "train_seconds", "test_seconds", "data_digest", "started", "finished",
)  # fmt: skip


def page_study(report: Report) -> PageStudy:
    """One study of a page."""
    study = report.study
    return PageStudy(
        name=study.name,
        title=study.title,
        source=study.source,
        scale=report.badge,
        about=f"{report.setting('. ')}." if study.seeds else "",
        tables=[page_table(caption, table, _behind(table)) for caption, table in _tables(report)],
        figures=[(name, figure.alt_text, figure.rendered("svg")) for name, figure in report.figures.items()],
        curves=_curves(report),
        sentences=list(report.sentences),
        notes=study.notes,
        made_with=made_with(report.summaries, report.runs),
        trials=_trials(report),
    )


def _tables(report: Report) -> list[tuple[str, Table]]:
    """The captions and tables; the first of a trained study leaves out what the page says above it."""
    (_, caption, first), *others = report.tables
    return [(report.measured() if report.study.seeds else caption, first), *((text, table) for _, text, table in others)]


def page_table(caption: str, table: Table, behind: Sequence[Sequence[Sequence[str]]]) -> PageTable:
    """A table of a page. behind: the ids of the trials behind each cell of each row."""
    rows = [
        [PageCell(cell.text, cell.mark, cell.bold, tuple(ids)) for cell, ids in zip(map(as_cell, row), of_row)]
        for row, of_row in zip(table.rows, behind)
    ]
    return PageTable(caption, table.header, rows, table.numeric, [f"{mark}: {text}" for mark, text in table.notes])


def _behind(table: Table) -> list[list[list[str]]]:
    summaries = [[as_cell(cell).summary for cell in row] for row in table.rows]
    return [[[record.id for record in summary.records] if summary else [] for summary in row] for row in summaries]


def _curves(report: Report) -> list[PageCurve]:
    """Every recorded seed's epochs, and the imported ones; all stand in one plot, each variant with its own number."""
    shown = [summary for summary in report.summaries if summary.n]
    curves = [curve for number, summary in enumerate(shown) for curve in _seeds(number, summary)]
    logs = {id(log.rows): log for log in imported_curves(report.analysis)}.values()  # one that is in several panels, once
    for i, log in enumerate(logs):
        epochs, losses, errors = ([row.get(key) for row in log.rows] for key in ("epoch", "train_loss", "test_error"))
        curves.append(PageCurve(len(shown) + i, log.label, None, epochs, losses, errors, "", True))  # type: ignore[arg-type]
    return curves


def _seeds(number: int, summary: Summary) -> list[PageCurve]:
    found = []
    for run in summary.runs:
        if run.record:
            rows = run.record.epochs()
            rows = rows[:-1] if run.record.diverged else rows  # as in the figures
            epochs, losses, errors = ([row[key] for row in rows] for key in ("epoch", "train_loss", "test_error"))
            found.append(PageCurve(number, summary.label, run.trial.seed, epochs, losses, errors, run.trial.id))
    return found


def _trials(report: Report) -> dict[str, dict[str, str]]:
    """The provenance of each recorded trial by its id, in words."""
    if not report.recorded:
        return {}
    frame = trials_frame(report.summaries, report.runs)
    return trial_texts(frame[frame["epoch_rule"].notna()], PROVENANCE)


def trial_texts(frame: pd.DataFrame, fields: Sequence[str]) -> dict[str, dict[str, str]]:
    """Some fields of each trial in words, by its id; a row of the frame is a trial."""
    shown = [field for field in fields if field in frame]
    return {row["id"]: {field: _text(field, row[field]) for field in shown} for row in frame.to_dict("records")}


def _text(key: str, value: Any) -> str:
    if value is None or value != value:
        return "–"
    if key == "revision":
        return str(value)[:12]
    if key == "threads":
        return f"{value:g}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
