"""A report as plain values: tables with a value and a text per cell, sentences, figures, provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ablate.report.numbers import DASH
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
    """

    value: Any
    text: str
    mark: str = ""
    bold: bool = False
    trials: tuple[str, ...] = ()


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
    return Cell(value, DASH if value is None else write(value), mark, bold, trials)


NO_VALUE = Cell(None, DASH)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        title: The header.
        numeric: Whether the column is aligned to the right and sorted by number.
    """

    title: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table of cells, such as one row per variant or candidate.

    Args:
        label: The name for references to the table.
        caption: The caption.
        columns: The columns.
        rows: The rows; each has one cell per column.
        notes: The footnotes, as pairs (mark, text).
    """

    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def titles(self) -> list[str]:
        """The headers of the columns."""
        return [column.title for column in self.columns]


def make_table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]], label: str = "", caption: str = "", notes: Any = ()
) -> Table:
    """A table from cells and texts.

    Args:
        columns: The columns.
        rows: The rows; a text becomes a cell with that text.
        label: The name for references to the table.
        caption: The caption.
        notes: The footnotes, an iterable of pairs (mark, text).
    """
    cells = (tuple(cell if isinstance(cell, Cell) else words(cell) for cell in row) for row in rows)
    return Table(label, caption, tuple(columns), tuple(cells), tuple(notes))


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
        variant: The number of the variant in the study; it selects the colour and the marker.
        label: The name of the variant.
        seed: The seed; None if the curve has none, such as the curve of a log.
        epochs: The numbers of the epochs.
        train_loss: The training loss of each epoch in nats; None where there is none.
        values: The measure that the study decides by at each epoch, such as the test error in percent; None where there
            is none.
        trial: The id of the trial; empty if there is none.
        imported: Whether the curve is from a log of the authors.
        fold: The number of the part that is held out, from 1; None if the curve has none.
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


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Args:
        heading: The heading.
        content: The content.
    """

    heading: str
    content: Sentences | Notes | Figures | Curves | Provenance


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
    """

    name: str
    title: str
    badge: str
    source: str
    about: str
    tables: tuple[Table, ...]
    remarks: tuple[Remark, ...]
    sections: tuple[Section, ...]

    @property
    def heading(self) -> str:
        """The title, with the badge in parentheses."""
        return f"{self.title} ({self.badge})" if self.badge else self.title

    @property
    def captions(self) -> list[str]:
        """The captions of the tables. The caption of the first table begins with `about`."""
        return [
            f"Images: {self.about} {t.caption}" if self.about and not i else t.caption for i, t in enumerate(self.tables)
        ]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The conclusions of all sections."""
        found = [section.content for section in self.sections if isinstance(section.content, Sentences)]
        return tuple(text for sentences in found for text in sentences.texts)


def make_sections(*sections: tuple[str, Sentences | Notes | Figures | Curves | Provenance]) -> tuple[Section, ...]:
    """The sections that are not empty.

    Args:
        sections: Pairs (heading, content).
    """
    return tuple(Section(heading, content) for heading, content in sections if _is_filled(content))


def _is_filled(content: Sentences | Notes | Figures | Curves | Provenance) -> bool:
    match content:
        case Sentences(texts):
            return bool(texts)
        case Notes(text):
            return bool(text.strip())
        case Figures(alt_texts):
            return bool(alt_texts)
        case Curves(curves):
            return bool(curves)
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
