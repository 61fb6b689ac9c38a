"""A report as plain values: tables with a value and a text per cell, sentences, figures, provenance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar, Union

from ablate.report.numbers import DASH, MINUS
from ablate.study.decision import TEST_ERROR, Decision

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        value: The value that the cell is sorted by; None if there is no value.
        text: The text that is shown.
        mark: The mark of its footnotes, such as "a" or "a,b"; empty for none.
        bold: Whether the text is bold.
        trials: The ids of the trials that the value was computed from.
        underlined: Whether the text is underlined.
        shaded: Whether the text is on a shade.
    """

    value: Any
    text: str
    mark: str = ""
    bold: bool = False
    trials: tuple[str, ...] = ()
    underlined: bool = False
    shaded: bool = False


def words(text: str, mark: str = "") -> Cell:
    """A cell with its text as the value.

    Args:
        text: The text that is shown.
        mark: The mark of its footnote; empty for none.
    """
    return Cell(text, text, mark)


def number(
    value: T | None, write: Callable[[T], str] = str, mark: str = "", bold: bool = False, trials: tuple[str, ...] = ()
) -> Cell:
    """A cell with a value and its formatted text.

    Args:
        value: The value; None is shown as a dash.
        write: The number format, such as percent().
        mark: The mark of its footnote; empty for none.
        bold: Whether the text is bold.
        trials: The ids of the trials that the value was computed from.
    """
    return Cell(value, DASH if value is None else re.sub(r"^-(?=[\d.])", MINUS, write(value)), mark, bold, trials)


NO_VALUE = Cell(None, DASH)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        title: The header.
        numeric: Whether the column is aligned to the right and sorted by number.
        fold: When the column is not shown. "constant": where all its cells are equal; the caption then says their text.
            "stated": the same, for a text that the caption says already. "always": everywhere but on the page, which shows
            it on request. "never": for results.
    """

    title: str
    numeric: bool = True
    fold: Literal["constant", "stated", "always", "never"] = "constant"


class ShapedColumn(NamedTuple):
    """A column and the function that computes its cells.

    Args:
        key: Its name in `table.columns` of a study file.
        title: The header.
        cell: The cell of a row.
        numeric: Whether the column is aligned to the right and sorted by number.
        fold: When the column is not shown, as in Column.
        asked: Whether it is shown only where the author asks for it.
    """

    key: str
    title: str
    cell: Callable[[Any], Cell]
    numeric: bool = True
    fold: Literal["constant", "stated", "always", "never"] = "constant"
    asked: bool = False


@dataclass(frozen=True)
class Table:
    """A table of cells, such as one row per variant or candidate.

    Args:
        label: The name for references to the table.
        caption: The caption.
        columns: The columns.
        rows: The rows; each has one cell per column.
        notes: The footnotes, as pairs (mark, text).
        title: A few words on what the table shows; empty for the main table of a report.
        groups: The title of each group of rows and the number of its first row, from 0; empty without groups.
        folded: Whether a page shows the table on request only.
        details: What the columns mean and how they were computed, a sentence or more each; writers put them below.
    """

    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[tuple[str, str], ...] = ()
    title: str = ""
    groups: tuple[tuple[int, str], ...] = ()
    folded: bool = False
    details: tuple[str, ...] = ()

    @property
    def titles(self) -> list[str]:
        """The headers of the columns."""
        return [column.title for column in self.columns]

    @property
    def parts(self) -> list[tuple[str, tuple[tuple[Cell, ...], ...]]]:
        """The rows of each group with its title; all rows with the title "" if there are no groups."""
        starts = [start for start, _ in self.groups]
        ends = [*starts[1:], len(self.rows)]
        return [(title, self.rows[start:end]) for (start, title), end in zip(self.groups, ends)] or [("", self.rows)]

    @property
    def narrowed(self) -> Table:
        """The table without columns whose cells are all equal, if others are left. The caption says what they are."""
        found = {i: self.rows[0][i].text for i in range(1, len(self.columns)) if self._is_constant(i)}
        if len(found) == len(self.columns) - 1:
            return self
        said = [
            f"{self.columns[i].title} {text}"
            for i, text in found.items()
            if self.columns[i].fold == "constant" and text not in ("", DASH)
        ]
        caption = f"{self.caption} The same in every row: {'; '.join(said)}." if said else self.caption
        return replace(self._only([i for i in range(len(self.columns)) if i not in found]), caption=caption)

    @property
    def brief(self) -> Table:
        """The narrowed table without the columns that are shown on request only."""
        table = self.narrowed
        return table._only([i for i, column in enumerate(table.columns) if column.fold != "always"])

    def _is_constant(self, column: int) -> bool:
        cells = {(row[column].text, row[column].mark) for row in self.rows}
        folds = self.columns[column].fold in ("constant", "stated")
        return folds and len(self.rows) > 1 and len(cells) == 1 and not self.rows[0][column].mark

    def _only(self, kept: Sequence[int]) -> Table:
        """The table with some of its columns, and the notes that their cells or those of other columns still mark."""
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        marks = {mark for row in self.rows for cell in row for mark in cell.mark.split(",")}
        left = {mark for row in rows for cell in row for mark in cell.mark.split(",")}
        notes = tuple(note for note in self.notes if note[0] in left or note[0] not in marks)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows, notes=notes)


def make_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell | str]],
    label: str = "",
    caption: str = "",
    notes: Any = (),
    title: str = "",
    details: Iterable[str] = (),
) -> Table:
    """A table from cells and texts.

    Args:
        columns: The columns.
        rows: The rows; a text becomes a cell with that text.
        label: The name for references to the table.
        caption: The caption.
        notes: The footnotes, an iterable of pairs (mark, text).
        title: A few words on what the table shows; empty for the main table of a report.
        details: What the columns mean, a sentence or more each; empty ones are left out.
    """
    cells = (tuple(cell if isinstance(cell, Cell) else words(cell) for cell in row) for row in rows)
    return Table(label, caption, tuple(columns), tuple(cells), tuple(notes), title, details=tuple(filter(None, details)))


@dataclass(frozen=True)
class Sentences:
    """Conclusions of a study or search.

    Args:
        texts: One sentence each.
    """

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """Prose.

    Args:
        text: Paragraphs, separated by an empty line.
    """

    text: str


@dataclass(frozen=True)
class Figures:
    """The figures of a report.

    Args:
        alt_texts: A description of each figure in words, by the name of the figure.
    """

    alt_texts: Mapping[str, str]


@dataclass(frozen=True)
class TrialCurve:
    """The learning curve of one trial.

    Args:
        variant: The number of the variant in the study.
        label: The name of the variant.
        seed: The seed; None if the curve has none, such as the curve of a log.
        epochs: The numbers of the epochs.
        train_loss: The training loss of each epoch in nats; None where there is none.
        values: The measure that the study decides by at each epoch, such as the test error in percent; None where there
            is none.
        trial: The id of the trial; empty if there is none.
        imported: Whether the curve is from a log of the authors.
        fold: The number of the part that is held out, from 1; None if the curve has none.
        look: The name that colour and marker are chosen by, as in the figures; empty for the label.
    """

    variant: int
    label: str
    seed: int | None
    epochs: Sequence[int]
    train_loss: Sequence[float | None]
    values: Sequence[float | None]
    trial: str = ""
    imported: bool = False
    fold: int | None = None
    look: str = ""


@dataclass(frozen=True)
class Curves:
    """The learning curves of all trials.

    Args:
        curves: One per trial.
        decision: The measure that they show.
    """

    curves: tuple[TrialCurve, ...]
    decision: Decision = TEST_ERROR


@dataclass(frozen=True)
class ParallelAxes:
    """The variants of a study of many axes, for a plot of parallel coordinates.

    Args:
        axes: The names of the axes.
        rows: For each variant its name, its value on each axis, and the measure that the study decides by, such as the
            median; None where there is none. A value is a number, or a text.
        decision: The measure.
    """

    axes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | str, ...], float | None], ...]
    decision: Decision = TEST_ERROR


@dataclass(frozen=True)
class Provenance:
    """What a report was made from.

    Args:
        texts: Versions, devices, code and times in words.
        trials: One row per trial.
        where: A sentence that names the files with the full data.
        files: The file names in `where`, which become links.
    """

    texts: tuple[str, ...]
    trials: Table
    where: str
    files: tuple[str, ...]


Content = Union[Table, Sentences, Notes, Figures, Curves, ParallelAxes, Provenance]


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Args:
        heading: The heading.
        content: The content.
        folded: Whether a page shows the content on request only.
    """

    heading: str
    content: Content
    folded: bool = False


class Remark(NamedTuple):
    """A paragraph below the tables.

    Args:
        text: The text.
        strong: Whether the text is emphasized.
    """

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Document:
    """The report of a study or a search.

    Args:
        name: The name of the study.
        title: The title of the study.
        badge: The text beside every title, such as that the study runs at another scale; empty for none.
        source: The paper or other source that the study follows; empty for none.
        about: What all tables have in common; empty for none.
        tables: The tables.
        remarks: The paragraphs below the tables.
        sections: The sections below the remarks.
        finding: What came out, in one or two sentences; empty for none.
        main_figure: The name of the figure that stands with the finding; empty for none.
        progress: The number of recorded trials and of all trials.
    """

    name: str
    title: str
    badge: str
    source: str
    about: str
    tables: tuple[Table, ...]
    remarks: tuple[Remark, ...]
    sections: tuple[Section, ...]
    finding: str = ""
    main_figure: str = ""
    progress: tuple[int, int] = (0, 0)

    @property
    def heading(self) -> str:
        """The title, with the badge in parentheses."""
        return f"{self.title} ({self.badge})" if self.badge else self.title

    @property
    def brief_tables(self) -> list[Table]:
        """The tables as texts show them: brief, and the caption of the first begins with `about`."""
        tables = [table.brief for table in self.tables]
        if self.about and tables:
            tables[0] = replace(tables[0], caption=f"Images: {self.about} {tables[0].caption}")
        return tables

    @property
    def captions(self) -> list[str]:
        """The captions of the tables as texts show them, each with its details."""
        return [" ".join([table.caption, *table.details]) for table in self.brief_tables]

    def headline(self, table: Table) -> str:
        """The title of the report and what a table of it shows, in one line.

        Args:
            table: One of the tables.
        """
        return f"{self.title}: {table.title.lower()}" if table.title else self.title

    @property
    def blocks(self) -> list[Section]:
        """The main table and everything below it, in the order in which a reader wants it.

        Conclusions and notes follow the main table, then come the other tables, then the other sections. Figures are
        without the main figure, which stands above the table.
        """
        said = [one for one in self.sections if isinstance(one.content, (Sentences, Notes))]
        others = [replace(one, content=self._without_main(one.content)) for one in self.sections if one not in said]
        more = [one for one in others if _is_filled(one.content)]
        tables = [Section(table.title, table, table.folded) for table in self.tables]
        return [*tables[:1], *said, *tables[1:], *more]

    @property
    def alt_texts(self) -> dict[str, str]:
        """The description of each figure by its name; that of the main figure ends with the finding."""
        found = {
            name: text
            for one in self.sections
            if isinstance(one.content, Figures)
            for name, text in one.content.alt_texts.items()
        }
        if self.finding and self.main_figure in found:
            found[self.main_figure] = f"{found[self.main_figure].rstrip('.')}. {self.finding}"
        return found

    def _without_main(self, content: Content) -> Content:
        if not isinstance(content, Figures):
            return content
        return Figures({name: self.alt_texts[name] for name in content.alt_texts if name != self.main_figure})

    @property
    def sentences(self) -> tuple[str, ...]:
        """The conclusions of all sections."""
        found = [section.content for section in self.sections if isinstance(section.content, Sentences)]
        return tuple(text for sentences in found for text in sentences.texts)


PREDICTIONS = "Predictions, drawn"  # the heading of the figures that a page shows on request


def make_sections(*sections: tuple[str, Content]) -> tuple[Section, ...]:
    """The sections that are not empty.

    Args:
        sections: Pairs (heading, content).
    """
    return tuple(Section(heading, one, heading == PREDICTIONS) for heading, one in sections if _is_filled(one))


def _is_filled(content: Content) -> bool:
    """Whether a content shows anything."""
    match content:
        case Sentences(texts):
            return bool(texts)
        case Notes(text):
            return bool(text.strip())
        case Figures(alt_texts):
            return bool(alt_texts)
        case Curves(curves):
            return bool(curves)
        case Table(rows=rows) | ParallelAxes(rows=rows):
            return bool(rows)
        case Provenance():
            return True


def scale_badge(scale: str) -> str:
    """The text beside every title of a study or search that runs at another scale.

    Args:
        scale: The name of the scale; empty for the study as written, which has no badge.
    """
    return f"{scale} scale, not the paper's" if scale else ""


class Footnotes:
    """Footnotes with the marks a, b, c, ... in the order in which their texts are first used."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of a footnote. The footnote is added if it is new.

        Args:
            text: The text of the footnote; an empty text has the mark "".
        """
        if not text:
            return ""
        letters, n = "", len(self.texts)
        while n >= 0:
            letters, n = chr(ord("a") + n % 26) + letters, n // 26 - 1
        return self.texts.setdefault(text, letters)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """The footnotes as pairs (mark, text)."""
        return [(mark, text) for text, mark in self.texts.items()]
