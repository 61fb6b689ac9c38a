"""A report as plain values, whatever it is of: tables whose cells carry value and text, sentences, figures, provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ablate.report.numbers import DASH

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    value: what it is sorted by, None where nothing is known; text: how it is written. mark: of its footnote, "a" or "a,b".
    trials: the ids of the trials behind it.
    """

    value: Any
    text: str
    mark: str = ""
    bold: bool = False
    trials: tuple[str, ...] = ()


def words(text: str, mark: str = "") -> Cell:
    """A cell whose value is its text."""
    return Cell(text, text, mark)


def number(
    value: T | None, write: Callable[[T], str] = str, mark: str = "", bold: bool = False, trials: tuple[str, ...] = ()
) -> Cell:
    """A cell with a value and the text that a number format makes of it; a dash for None."""
    return Cell(value, DASH if value is None else write(value), mark, bold, trials)


NO_VALUE = Cell(None, DASH)


@dataclass(frozen=True)
class Column:
    """A column of a table. numeric: it is set to the right, and sorts by numbers."""

    title: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Cells, a row a variant or candidate. label: its name, for references to it; notes: the footnotes, (mark, text)."""

    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def titles(self) -> list[str]:
        return [column.title for column in self.columns]


def make_table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]], label: str = "", caption: str = "", notes: Any = ()
) -> Table:
    """A table of cells and of texts, each of which becomes a cell."""
    cells = (tuple(cell if isinstance(cell, Cell) else words(cell) for cell in row) for row in rows)
    return Table(label, caption, tuple(columns), tuple(cells), tuple(notes))


@dataclass(frozen=True)
class Sentences:
    """What can and cannot be said, a sentence each."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """Prose in paragraphs, an empty line between two of them."""

    text: str


@dataclass(frozen=True)
class Figures:
    """What each figure shows, in words, by its name."""

    alt_texts: Mapping[str, str]


@dataclass(frozen=True)
class TrialCurve:
    """The epochs of one trial; loss in nats, error in percent, None where there is none. imported: from an authors' log.

    variant: its number in the study, which gives the colour and the marker. trial: its id.
    """

    variant: int
    label: str
    seed: int | None
    epochs: Sequence[int]
    train_loss: Sequence[float | None]
    test_error: Sequence[float | None]
    trial: str = ""
    imported: bool = False


@dataclass(frozen=True)
class Curves:
    """The curves of every trial."""

    curves: tuple[TrialCurve, ...]


@dataclass(frozen=True)
class Provenance:
    """What a report was made with, in words; a row a trial; where all of it stands, and the files that this names."""

    texts: tuple[str, ...]
    trials: Table
    where: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A part of a report under a heading of its own."""

    heading: str
    content: Sentences | Notes | Figures | Curves | Provenance


class Remark(NamedTuple):
    """A paragraph below the tables."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Document:
    """The report of a study or a search.

    badge: what stands by every title, such as that it runs at another scale; about: what all tables have in common.
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
        """The title, and what stands by it."""
        return f"{self.title} ({self.badge})" if self.badge else self.title

    @property
    def captions(self) -> list[str]:
        """The caption of each table where it stands alone: the first one's begins with what the tables are about."""
        return [
            f"Images: {self.about} {t.caption}" if self.about and not i else t.caption for i, t in enumerate(self.tables)
        ]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can and cannot be said."""
        found = [section.content for section in self.sections if isinstance(section.content, Sentences)]
        return tuple(text for sentences in found for text in sentences.texts)


def make_sections(*sections: tuple[str, Sentences | Notes | Figures | Curves | Provenance]) -> tuple[Section, ...]:
    """A section for each heading and content that has something in it."""
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
    """What stands by every title of a study or search at another scale; empty for its own."""
    return f"{scale} scale, not the paper's" if scale else ""


class Footnotes:
    """Marks a, b, c, ... in the order in which their texts first come up."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of a text; "" for none."""
        if not text:
            return ""
        letters, n = "", len(self.texts)
        while n >= 0:
            letters, n = chr(ord("a") + n % 26) + letters, n // 26 - 1
        return self.texts.setdefault(text, letters)

    @property
    def notes(self) -> list[tuple[str, str]]:
        return [(mark, text) for text, mark in self.texts.items()]
