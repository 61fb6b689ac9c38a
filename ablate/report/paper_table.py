"""The paper's table: a row a network, ours beside the published value, a group of columns a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ablate.report.analysis import Analysis
from ablate.report.panels import missing_seeds
from ablate.report.published import NOT_RUN, Match
from ablate.report.summary import Summary, finite
from ablate.report.tables import DASH, Cell, Footnotes, Table, blocks_cell, percent, quantity, range_cell, seeds_cell
from ablate.study.expand import DATA_TITLE, RECIPE_NAME
from ablate.study.plan import plain
from ablate.study.study import PublishedRow


class Line(NamedTuple):
    """A row: a variant on each data set, by the data set's title; or a row that is only published, and its source."""

    summaries: dict[str, Summary]
    published: PublishedRow | None = None
    source: str = ""

    @property
    def first(self) -> Summary | None:
        return next(iter(self.summaries.values()), None)


class Column(NamedTuple):
    """A column: its cell for a variant, and for a row that is only published."""

    title: str
    cell: Callable[[Summary], Cell | str]
    numeric: bool = True
    only_published: Callable[[Line], Cell | str] = lambda line: DASH
    data: str = ""  # the title of the data set that the column is about; empty for the network itself

    def of(self, line: Line) -> Cell | str:
        """The cell of a row."""
        if line.published is not None:
            return self.only_published(line)
        summary = line.summaries.get(self.data) if self.data else line.first
        return self.cell(summary) if summary else DASH


def paper_rows(analysis: Analysis) -> Table:
    """The table of a trained study. Errors in percent, differences in points.

    The best median of each data set is bold. A published value whose protocol is not ours carries a footnote saying so.
    """
    footnotes = Footnotes()
    by_recipe = _by_recipe(analysis.summaries)
    titles = list(dict.fromkeys(summary.variant.data.title for summary in analysis.summaries))
    columns = [*_network_columns(analysis, by_recipe, footnotes)]
    for title in titles:
        columns += _data_columns(analysis, title, len(titles) == 1, footnotes)
    columns += _more_columns(analysis)
    lines = [Line(of_data) for of_data in _grouped(analysis.summaries, by_recipe).values()]
    lines += [Line({}, row, table.source) for table, row in analysis.rows_without_variant]
    rows = [[column.of(line) for column in columns] for line in lines]
    return Table([column.title for column in columns], rows, [column.numeric for column in columns], footnotes.notes)


def _network_columns(analysis: Analysis, by_recipe: bool, footnotes: Footnotes) -> Iterable[Column]:
    """What the network is: its name, the axes that vary beside it, its size."""

    def name(line: Line) -> Cell:
        row = line.published
        assert row is not None
        why = f"not run: {row.not_run}" if row.not_run else NOT_RUN
        note = "; ".join(filter(None, [why, row.note, line.source]))
        return Cell(row.label, footnotes.mark(note))

    yield Column("Network", lambda summary: summary.net, False, name)
    for axis in analysis.summaries[0].axes if analysis.summaries else ():
        if axis != DATA_TITLE and (axis != RECIPE_NAME or by_recipe):
            title = "Recipe" if axis == RECIPE_NAME else axis
            yield Column(title, lambda summary, axis=axis: plain(summary.axes[axis]), axis != RECIPE_NAME)  # type: ignore[misc]
    if any(summary.variant.stands_for not in ("", summary.net) for summary in analysis.summaries):
        yield Column("Stands for", lambda summary: summary.variant.stands_for or DASH, False)
    yield Column("N", lambda summary: blocks_cell(summary.variant.blocks_per_group))
    yield Column(
        "Parameters",
        lambda summary: f"{summary.variant.counts.parameters:,}",
        only_published=lambda line: (line.published and line.published.parameters) or DASH,
    )
    yield Column("Mult-adds", lambda summary: quantity(summary.variant.counts.multiply_adds))


def _data_columns(analysis: Analysis, title: str, alone: bool, footnotes: Footnotes) -> Iterable[Column]:
    """What one data set says: our median, the published value, their difference; alone also range and seeds."""
    best = _best(analysis.on(title))
    stands_for = next(s.variant.data.stands_for for s in analysis.summaries if s.variant.data.title == title)

    def median(summary: Summary) -> Cell:
        gaps = f"seeds: {found}" if not alone and summary.n and (found := missing_seeds(summary)) else ""
        return Cell(percent(summary.median), footnotes.mark(gaps), summary.median in best, summary)

    def published(summary: Summary) -> Cell | str:
        match = analysis.match(summary)
        return Cell(percent(match.error), footnotes.mark(_protocol(match))) if match else DASH

    def difference(summary: Summary) -> str:
        match, ours = analysis.match(summary), finite(summary.median)
        same = match is not None and summary.variant.data.stands_for == match.data  # errors on other images do not compare
        return f"{ours - match.error:+.2f}" if match and same and ours is not None else DASH

    def logged(summary: Summary) -> Cell | str:
        log = analysis.log(summary)
        return Cell(percent(log.error), footnotes.mark(log.note)) if log else DASH

    def only_published(line: Line) -> str:
        return percent(line.published.errors.get(stands_for)) if line.published else DASH

    yield Column("Median test error, %" if alone else f"{title}, %", median, data=title)
    if alone:
        kinds = dict.fromkeys(s.description.interval_kind for s in analysis.on(title) if s.description)
        name = " or ".join(kinds or ["range"]).capitalize()
        yield Column(name, lambda summary: Cell(range_cell(summary), summary=summary), data=title)
        yield Column("n", lambda summary: Cell(seeds_cell(summary), summary=summary), data=title)
    if analysis.study.published:
        names = ("Published", "Ours − published") if alone else (f"{title}, published", f"{title}, ours − published")
        yield Column(names[0], published, only_published=only_published, data=title)
        yield Column(names[1], difference, data=title)
    if any(analysis.log(summary) for summary in analysis.summaries if summary.variant.data.title == title):
        yield Column("Authors' log" if alone else f"{title}, authors' log", logged, data=title)


def _more_columns(analysis: Analysis) -> Iterable[Column]:
    """The top-5 error, where records have one, and whatever else is published."""
    if any(summary.top5 is not None for summary in analysis.summaries):
        yield Column("Top-5 error, %", lambda summary: percent(summary.top5))
    rows = [row for table in analysis.study.published for row in table.rows]
    for title in dict.fromkeys(title for row in rows for title in row.other):

        def cell(summary: Summary, title: str = title) -> str:
            of_net = (s for s in analysis.summaries if s.variant.architecture == summary.variant.architecture)
            rows = [match.row for s in of_net if (match := analysis.match(s))]
            return next((plain(row.other[title]) for row in rows if title in row.other), DASH)

        def other(line: Line, title: str = title) -> str:
            return plain(line.published.other.get(title, DASH)) if line.published else DASH

        yield Column(f"{title} (published)", cell, only_published=other)


def _protocol(match: Match) -> str:
    """The footnote of a published value: where it is from, what differs, what is said of it."""
    differs = f"{match.published.source}; the protocols differ: {'; '.join(match.differences)}" if match.differences else ""
    return ". ".join(text for text in (differs, match.row.note, match.published.note) if text)


def _best(summaries: Sequence[Summary]) -> set[float | None]:
    """The lowest of several medians."""
    medians = [median for summary in summaries if (median := finite(summary.median)) is not None]
    return {min(medians)} if len(medians) > 1 else set()


def _by_recipe(summaries: Sequence[Summary]) -> bool:
    """Whether a network stands on one data set under several recipes, which then need rows of their own."""
    keys = [(*_key(summary, False), summary.variant.data.title) for summary in summaries]
    return len(set(keys)) < len(keys)


def _key(summary: Summary, by_recipe: bool) -> tuple[str, ...]:
    left_out = {DATA_TITLE} | (set() if by_recipe else {RECIPE_NAME})
    return (
        summary.net,
        repr(summary.variant.architecture),
        *(plain(value) for axis, value in summary.axes.items() if axis not in left_out),
    )


def _grouped(summaries: Sequence[Summary], by_recipe: bool) -> dict[tuple[str, ...], dict[str, Summary]]:
    """The summaries by row, and in it by the title of the data set."""
    rows: dict[tuple[str, ...], dict[str, Summary]] = {}
    for summary in summaries:
        rows.setdefault(_key(summary, by_recipe), {})[summary.variant.data.title] = summary
    return rows
