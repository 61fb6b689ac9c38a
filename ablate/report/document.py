"""A report as plain values: tables, sentences, figures, curves, provenance, in the order in which a reader wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Union

from ablate.report.numbers import finite, is_number
from ablate.report.table import Table
from ablate.study.axis_text import plain, short_axis, shown_value
from ablate.study.decision import TEST_ERROR, Decision

LEAST_AXES = 3  # two axes are seen at once in a table


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


def parallel_axes(found: Iterable[tuple[str, Mapping[str, Any], float | None]], decision: Decision) -> ParallelAxes:
    """The axes that vary, and each variant on them. There are no rows if fewer than three axes vary.

    Args:
        found: For each variant its name, its value on each axis, and its measure; None without one.
        decision: The measure.
    """
    shown = list(found)
    names = dict.fromkeys(axis for _, axes, _ in shown for axis in axes)
    varied = [axis for axis in names if len({plain(axes.get(axis)) for _, axes, _ in shown}) > 1]
    if len(varied) < LEAST_AXES:
        return ParallelAxes((), (), decision)
    numeric = {axis for axis in varied if all(is_number(axes.get(axis)) for _, axes, _ in shown)}

    def value(axes: Mapping[str, Any], axis: str) -> float | str:
        return axes[axis] if axis in numeric else shown_value(axes.get(axis))

    rows = tuple((name, tuple(value(axes, axis) for axis in varied), finite(measure)) for name, axes, measure in shown)
    return ParallelAxes(tuple(map(short_axis, varied)), rows, decision)


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

    def headline(self, table: Table) -> str:
        """The title of the report and what a table of it shows, in one line."""
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
