"""Report: the result of a study or a search, made once and written in every format of FORMATS."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.errors import RecordError, RunError
from ablate.files import is_real_directory, real_directory, remove_leftovers, write_atomically
from ablate.kinds.figures import ReportKind
from ablate.records.kept import FOLDER, MOST, NAMES, WITH_LOGITS, Kept, keep_records
from ablate.report.document import (
    PREDICTIONS,
    Content,
    Document,
    Figures,
    Notes,
    Provenance,
    Remark,
    Sentences,
    make_sections,
)
from ablate.report.drawn_figures import FORMATS as FIGURE_FORMATS
from ablate.report.drawn_figures import DrawnFigure, draw_figures, is_figure
from ablate.report.earlier_report import PREDICTIONS as OF_LOGITS
from ablate.report.earlier_report import check_replaces
from ablate.report.table import Table
from ablate.report.writers.csv import to_csv
from ablate.report.writers.latex import document_latex
from ablate.report.writers.markdown import document_markdown
from ablate.report.writers.notebook import brief_html
from ablate.report.writers.page import write_page

if TYPE_CHECKING:
    import pandas as pd


MADE_OF_LOGITS = {f"{name}.csv" for name in OF_LOGITS}  # removed where a report has none
LARGEST_SVG = 200_000  # bytes: of a figure on the page of one report


class Report(ABC):
    """The result of a study or a search: a document, figures and data frames.

    Each of them is made once, when it is first used.
    """

    analysis: Any  # of a study or a search
    kind: ReportKind  # which figures it may have

    def __repr__(self) -> str:
        analysis = self.analysis
        return f"<{type(self).__name__} {self.name}: {analysis.recorded} of {analysis.planned} recorded>"

    def _repr_html_(self) -> str:
        """The report in brief, for a notebook."""
        document = self.document
        main = self.figures.get(document.main_figure)
        figure, alt_text = (main.rendered("png"), main.alt_text) if main else (b"", "")
        table = document.tables[0] if document.tables else None
        return brief_html(document.heading, document.finding, table, figure, alt_text)

    @abstractmethod
    def tables(self) -> list[Table]:
        """The tables, the main one first."""

    @abstractmethod
    def conclusions(self) -> Iterable[tuple[str, Sentences]]:
        """What the results say and do not say, as sections."""

    @abstractmethod
    def details(self) -> Iterable[tuple[str, Content]]:
        """The sections after the notes."""

    @abstractmethod
    def provenance(self) -> Provenance | None:
        """What the report was made from; None if nothing was trained."""

    @abstractmethod
    def finding(self) -> str:
        """What came out, in one or two sentences; empty for none."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate report --json` prints."""

    @abstractmethod
    def frames(self) -> dict[str, pd.DataFrame]:
        """The data frames that are written as CSV, by file name without the ending."""

    def about(self) -> str:
        """What all tables have in common; empty where the caption of the main table says it."""
        return ""

    def remarks(self) -> list[Remark]:
        """The paragraphs below the tables, after those on what was chosen by a search."""
        return []

    def more_files(self) -> dict[str, bytes]:
        """Further files of the report, as bytes by file name."""
        return {}

    @property
    def name(self) -> str:
        """The name of the study, which is also the name of the report's directory."""
        return str(self.analysis.study.name)

    @cached_property
    def document(self) -> Document:
        """The report as plain values."""
        analysis, study, figures = self.analysis, self.analysis.study, self.figures
        main = max(figures, key=lambda name: figures[name].main, default="")
        provenance = self.provenance()
        return Document(
            name=study.name,
            title=study.title,
            badge=analysis.badge,
            source=study.source,
            about=self.about(),
            tables=tuple(self.tables()),
            remarks=(*(Remark(f"Chosen by a search: {text}.") for text in study.chosen), *self.remarks()),
            sections=make_sections(
                *self.conclusions(),
                ("Notes", Notes(study.notes)),
                *self.details(),
                ("Figures", Figures({name: one.alt_text for name, one in figures.items() if not one.folded})),
                (PREDICTIONS, Figures({name: one.alt_text for name, one in figures.items() if one.folded})),
                *([("Made with", provenance)] if provenance else []),
            ),
            finding=self.finding(),
            main_figure=main if main and figures[main].main else "",
            progress=(analysis.recorded, analysis.planned),
        )

    @cached_property
    def figures(self) -> dict[str, DrawnFigure]:
        """The figures by name."""
        return self.draw_figures()

    def draw_figures(self) -> dict[str, DrawnFigure]:
        """Draw the figures and return them by name; none before a trial is recorded."""
        shown = self.analysis.recorded or self.kind == "counted"
        return draw_figures(self.analysis, self.kind, self.analysis.study.figures) if shown else {}

    def files(self) -> dict[str, bytes]:
        """The content of every file of the report by file name."""
        return {name: data for one in FORMATS for name, data in one.files(self).items()}

    def write(
        self, out: str | Path = "reports", *, replace: bool = False, records: bool | None = None, logits: bool = False
    ) -> list[Path]:
        """Write every file into out/<study>/ and return the paths. Figures that the report no longer has are removed.

        The records travel with it in out/<study>/records/.

        Args:
            out: The reports directory.
            replace: Whether to replace a report that has more finished trials.
            records: Whether to copy the records; None: up to MOST bytes.
            logits: Whether kept predictions are copied with the records.

        Raises:
            RunError: The directory cannot be made, a link is in its place, or a report there has more finished trials.
        """
        return write_reports([self], out, replace=replace, records=records, logits=logits)[0].paths

    def kept_files(self) -> dict[str, bytes]:
        """Further files of the directory of records, as bytes by file name."""
        return {}

    @property
    def begun_trials(self) -> Sequence[str]:
        """The ids of trials that are part of the report even if they are never finished."""
        return ()

    def write_files(self, out: Path) -> list[Path]:
        """Write every file but the records, and return the paths.

        Args:
            out: The reports directory.

        Raises:
            RunError: The directory cannot be made, or a link is in its place.
        """
        directory = out / self.name
        try:
            real_directory(directory).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, RecordError):
            raise RunError(f"`out`: {directory} cannot be a directory, a file or a link is in its place") from None
        remove_leftovers(directory)
        files = self.files()
        for name, data in files.items():
            write_atomically(directory / name, data)
        for path in directory.iterdir():
            old = (path.suffix[1:] in FIGURE_FORMATS and is_figure(path.stem)) or path.name in MADE_OF_LOGITS
            if old and path.name not in files and not is_real_directory(path):
                path.unlink()
        return [directory / name for name in files]

    def keep_records(self, into: Path, most: int | None = MOST, names: re.Pattern[str] = NAMES) -> Kept | None:
        """Copy the records that the report is made from into a directory; None if it is made from none.

        Args:
            into: The directory, such as out/<study>/records.
            most: As in records.kept.keep_records().
            names: Likewise.

        Raises:
            RecordError: A record is damaged.
        """
        trials = self.frames().get("trials")
        if trials is None or "id" not in trials:
            return None
        tuned = getattr(self.analysis, "tuned", None)
        tunings = [choice.tuning for choice in tuned.choices if choice] if tuned else []
        return keep_records(
            self.analysis.runs,
            into,
            trials["id"],
            tunings,
            self.kept_files(),
            most,
            names,
            begun=self.begun_trials,
            precision=getattr(self.analysis.study, "auto_precision", ""),
        )


class Written(NamedTuple):
    """What was written of a report.

    Args:
        paths: Its files.
        kept: The records beside them; None if it has none, or none are wanted.
    """

    paths: list[Path]
    kept: Kept | None


class Format(NamedTuple):
    """A format that a report is written in.

    Args:
        name: The name of the format.
        files: Returns the files of a report in this format, as bytes by file name.
    """

    name: str
    files: Callable[[Report], dict[str, bytes]]


FORMATS = (
    Format("markdown", lambda report: {"table.md": document_markdown(report.document).encode()}),
    Format("latex", lambda report: {"table.tex": document_latex(report.document).encode()}),
    Format("csv", lambda report: {f"{name}.csv": to_csv(frame) for name, frame in report.frames().items()}),
    Format(
        "figures",
        lambda report: {
            f"{name}.{each}": figure.rendered(each) for name, figure in report.figures.items() for each in FIGURE_FORMATS
        },
    ),
    Format("page", lambda report: {"index.html": report_page([report])}),
    Format("more", lambda report: report.more_files()),
)


def report_page(reports: Sequence[Report]) -> bytes:
    """One self-contained HTML page of one or more reports, in UTF-8.

    Args:
        reports: One report or more.
    """
    alone = len(reports) == 1
    shown = [  # a page of several reports has the curves as its own plots already
        {name: one for name, one in report.figures.items() if alone or name.split("_")[0] != "curves"} for report in reports
    ]
    images = [{name: one.embedded(LARGEST_SVG if alone else 0) for name, one in of.items()} for of in shown]
    return write_page([(report.document, of) for report, of in zip(reports, images)])


def write_reports(
    reports: Sequence[Report],
    out: str | Path = "reports",
    *,
    replace: bool = False,
    records: bool | None = None,
    logits: bool = False,
) -> list[Written]:
    """Write each report into out/<study>/; for several reports also a common out/index.html.

    Args:
        reports: The reports; their names must differ.
        out: The reports directory.
        replace: Whether to replace reports that have more finished trials.
        records: Whether to copy the records; None: up to MOST bytes a report.
        logits: Whether kept predictions are copied with the records.

    Raises:
        RunError: Two studies have the same name, a directory cannot be made, or a report there has more finished trials.
    """
    out, names = Path(out), [report.name for report in reports]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RunError(f"two studies are called '{twice[0]}'; give them different names")
    for report in reports if not replace else ():
        check_replaces(report.analysis, report.frames(), out)
    written = []
    for report in reports:
        paths, into = report.write_files(out), out / report.name / FOLDER
        of_records = WITH_LOGITS if logits else NAMES
        kept = None if records is False else report.keep_records(into, None if records else MOST, of_records)
        written.append(Written(paths, kept))
    if len(reports) > 1:
        remove_leftovers(out, "index.html")
        write_atomically(out / "index.html", report_page(reports))
    return written
