"""The main table of a trained study: one row per network, our value beside the published one, columns per data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ablate.kinds.costs import MEASURED_COSTS
from ablate.kinds.measures import ERROR
from ablate.report.analysis import StudyAnalysis
from ablate.report.counts_table import blocks_cell
from ablate.report.design_table import axis_cell, describe_design, design_columns, difference_column
from ablate.report.numbers import DASH, finite, format_of, is_number, percent, quantity, signed, stated_quantity
from ablate.report.panels import missing_seeds
from ablate.report.published import NOT_RUN, Match, published_measure
from ablate.report.statistics_table import interval_cell, interval_title, seeds_cell
from ablate.report.summary import Summary
from ablate.report.table import NO_VALUE, Cell, Footnotes, ShapedColumn, Table, number, words
from ablate.report.table_shape import MainTable, in_groups, shaped_table
from ablate.study.axis_text import DATA_TITLE, RECIPE_NAME, plain, short_axis
from ablate.study.data import ExtraTest
from ablate.study.decision import TEST_ERROR, Decision, ShownMeasure
from ablate.study.designs import Design
from ablate.study.study import PublishedRow

ONLY_PUBLISHED = "Published, not run here"


class _Row(NamedTuple):
    """A row of the table: a variant on each data set, or a row that is only published."""

    summaries: dict[str, Summary]  # by the title of the data set; empty for a row that is only published
    published: PublishedRow | None = None
    source: str = ""

    @property
    def first(self) -> Summary | None:
        """The summary of the first data set; None for a row that is only published."""
        return next(iter(self.summaries.values()), None)


def _column(
    key: str,
    title: str,
    cell: Callable[[Summary], Cell],
    numeric: bool = True,
    only_published: Callable[[_Row], Cell] = lambda row: NO_VALUE,
    data: str = "",
    **options: Any,
) -> ShapedColumn:
    """A column with the cell of a variant, on one data set or the first, and that of a row that is only published."""

    def of(row: _Row) -> Cell:
        if row.published is not None:
            return only_published(row)
        summary = row.summaries.get(data) if data else row.first
        return cell(summary) if summary else NO_VALUE

    return ShapedColumn(key, title, of, numeric, **options)


def paper_table(analysis: StudyAnalysis) -> Table:
    """The main table of a trained study, as its author shapes it. Percentages have differences in points.

    A published value has a footnote if its protocol differs from ours.

    Args:
        analysis: The analysis of a study with seeds.
    """
    footnotes, style, summaries, shape = Footnotes(), analysis.study.table, analysis.summaries, MainTable(analysis)
    by_recipe = _by_recipe(summaries)
    titles = list(dict.fromkeys(summary.variant.data.title for summary in summaries))
    columns = [*_network_columns(analysis, shape, by_recipe, footnotes)]
    for title in titles:
        columns += _data_columns(analysis, shape, title, len(titles) == 1, footnotes)
    columns += [*_size_columns(summaries), *_more_columns(analysis, titles), *_once_columns(analysis, titles)]
    columns += [*_extra_columns(analysis, titles), *_cost_columns(analysis)]
    axes = {id(summary): summary.axes for summary in summaries}
    rows_are = describe_design(shape.designs, _base(summaries, shape.designs), axes)
    costs = _cost_words(analysis, [key for key in style.columns or () if key in MEASURED_COSTS])
    rows = _ordered(analysis, shape, by_recipe, titles)
    sizes = _size_words(rows) if not style.columns or {"parameters", "multiply_adds"} & {*style.columns} else ""
    caption = " ".join(filter(None, [shape.measured(), sizes, shape.mark_words(), rows_are, costs]))
    return shaped_table(
        columns,
        in_groups(rows, _group) if style.group_by else [("", row) for row in rows],
        style,
        analysis.study.name,
        caption,
        lambda: footnotes.notes,
    )


def _group(row: _Row) -> str:
    """The group of a row; rows that are only published form their own."""
    return ONLY_PUBLISHED if row.first is None else row.first.variant.group


def _ordered(analysis: StudyAnalysis, shape: MainTable[Summary], by_recipe: bool, titles: Sequence[str]) -> list[_Row]:
    """The rows of the table in order."""
    networks = [_Row(of_data) for of_data in _grouped(analysis.summaries, by_recipe).values()]
    others = [_Row({}, row, table.source) for table, row in analysis.rows_without_variant]
    places = {id(row): i for i, row in enumerate(row for table in analysis.study.published for row in table.rows)}

    def place(row: _Row) -> float:
        """The number of the published row."""
        matches = filter(None, map(analysis.match, row.summaries.values()))
        found = [places[id(one)] for one in ([row.published] if row.published else [match.row for match in matches])]
        return min(found, default=math.inf)

    def result(row: _Row) -> list[tuple[bool, float]]:
        return [shape.cost(row.summaries.get(title)) for title in titles]

    def full_first(row: _Row) -> bool:
        return row.first is None or shape.designs[id(row.first)].row > 0

    match shape.order(any(place(row) < math.inf for row in networks)):
        case "published":
            return sorted([*networks, *others], key=place)
        case "result":
            return [*sorted(networks, key=result), *others]
        case "full":
            return [*sorted(networks, key=lambda row: (full_first(row), result(row))), *others]
    return [*networks, *others]


def _base(summaries: Sequence[Summary], designs: dict[int, Design]) -> str:
    """The network that the rows of a design are changes of; "" where the rows or the setting say it."""
    if not designs:
        return ""
    first = min(summaries, key=lambda summary: designs[id(summary)].row)
    design, one = designs[id(first)], len({summary.variant.net for summary in summaries}) == 1
    told = design.kind == "path" or first.variant.whole_name or design.row > 0
    return "" if told or not (one or design.kind in ("leave_one_out", "factorial")) else first.variant.net


def _network_columns(
    analysis: StudyAnalysis, shape: MainTable[Summary], by_recipe: bool, footnotes: Footnotes
) -> Iterable[ShapedColumn]:
    """The columns that describe the network: its name and the other axes that vary.

    The rows of a design are described by its factors instead.
    """

    def name(row: _Row) -> Cell:
        published = row.published
        assert published is not None
        why = f"not run: {published.not_run}" if published.not_run else NOT_RUN
        note = "; ".join(filter(None, [why, published.note, row.source]))
        return words(published.label, footnotes.mark(note))

    summaries, designs = analysis.summaries, shape.designs
    tuned = analysis.tuned.search.axes if analysis.tuned else ()
    if designs:
        labelled = {axis for summary in summaries for axis in summary.variant.labels}
        group_by = analysis.study.table.group_by or ""
        first, *others = design_columns(designs, bool(analysis.rows_without_variant), labelled, group_by)
        yield _column("name", first.title, shape.named(first.cell), first.numeric, name)
        yield from (_column("axes", column.title, column.cell, column.numeric) for column in others)
    of_rows = designs and next(iter(designs.values())).kind == "one_at_a_time"
    own = any(summary.variant.whole_name for summary in summaries)
    if not designs or (of_rows and not own and len({summary.net for summary in summaries}) > 1):
        cell = (lambda summary: words(summary.net)) if designs else shape.named(lambda summary: words(summary.net))
        yield _column("axes", "Network", cell, False) if designs else _column("name", "Network", cell, False, name)
    for axis in summaries[0].axes if summaries else ():
        if (
            axis not in (DATA_TITLE, analysis.study.table.group_by)
            and (axis != RECIPE_NAME or by_recipe)
            and (axis in (RECIPE_NAME, *tuned) or not designs)
        ):
            title = "Recipe" if axis == RECIPE_NAME else short_axis(axis)
            title += ", tuned" if axis in tuned else ""
            yield _column(
                "axes",
                title,
                lambda summary, axis=axis: axis_cell(summary.variant, axis, summary.axes[axis]),  # type: ignore[misc]
                all(is_number(summary.axes[axis]) and axis not in summary.variant.labels for summary in summaries),
                fold="never" if axis in tuned else "constant",
            )
    if any(summary.variant.stands_for not in ("", summary.variant.net) for summary in summaries):
        yield _column("stands_for", "Stands for", lambda summary: words(summary.variant.stands_for or DASH), False)


def _size_columns(summaries: Sequence[Summary]) -> Iterable[ShapedColumn]:
    """The columns of the size of the network: N, parameters, multiply-adds."""

    def parameters(row: _Row) -> Cell:
        text = row.published.parameters if row.published else ""
        return Cell(stated_quantity(text), text or DASH)

    yield _column(
        "parameters",
        "Parameters",
        lambda summary: number(summary.variant.counts.parameters, "{:,}".format),
        only_published=parameters,
    )
    if any(summary.variant.blocks_per_group is not None for summary in summaries):
        yield _column("blocks", "N", lambda summary: blocks_cell(summary.variant.blocks_per_group), fold="always")
    yield _column(
        "multiply_adds", "Mult-adds", lambda summary: number(summary.variant.counts.multiply_adds, quantity), fold="always"
    )


def _size_words(rows: Sequence[_Row]) -> str:
    """Which sizes are shown where a network has others on another data set, as a sentence; else empty."""
    sizes = ([(s.variant.data.title, s.variant.counts) for s in row.summaries.values()] for row in rows)
    of = [several[0][0] for several in sizes if len({(each.parameters, each.multiply_adds) for _, each in several}) > 1]
    return f"Parameters and multiply-adds are those on {' or '.join(dict.fromkeys(of))}." if of else ""


def _cost_columns(analysis: StudyAnalysis) -> Iterable[ShapedColumn]:
    """The columns of measured costs, which are shown where the author asks for them."""
    for name, known in MEASURED_COSTS.items():
        yield _column(
            name,
            known.title,
            lambda summary, name=name, write=known.write: number(analysis.measured_cost(summary, name), write),  # type: ignore[misc]
            asked=True,
        )


def _cost_words(analysis: StudyAnalysis, shown: Sequence[str]) -> str:
    """Where the measured costs that are shown were measured, as a sentence; empty where none is shown."""
    if not shown:
        return ""
    conditions = analysis.measured_costs.conditions
    if not conditions:
        return "Costs are not measured yet; `ablate plan STUDY --probe` measures what this device can."
    precisions = dict.fromkeys(summary.variant.recipe.arithmetic.words for summary in analysis.summaries)
    steps = dict.fromkeys(f"{summary.variant.recipe.batch_size:,}" for summary in analysis.summaries)
    batch = f"; a step has {' or '.join(steps)} images" if {"step_time", "energy"} & {*shown} else ""
    return f"Costs: {' or '.join(precisions)}, {conditions}{batch}."


def _data_columns(
    analysis: StudyAnalysis, shape: MainTable[Summary], title: str, alone: bool, footnotes: Footnotes
) -> Iterable[ShapedColumn]:
    """The columns of one data set: our result, the published value, their difference.

    With only one data set there are also the range, the difference to the baseline and the number of seeds.
    """
    measure = published_measure(analysis.study)
    write = percent if measure == ERROR.name else analysis.format.value
    stands_for = next(s.variant.data.stands_for for s in analysis.summaries if s.variant.data.title == title)

    def median(summary: Summary) -> Cell:
        gaps = f"seeds: {found}" if not alone and summary.n and (found := missing_seeds(summary)) else ""
        return shape.result_cell(summary, footnotes.mark(gaps))

    def published(summary: Summary) -> Cell:
        match = analysis.match(summary)
        return number(match.value, write, footnotes.mark(_protocol(match))) if match else NO_VALUE

    def difference(summary: Summary) -> Cell:
        found, value = analysis.published_difference(summary), finite(shape.shown_value(summary))
        if found is not None and shape.style.statistic == "mean_std" and summary.decision == TEST_ERROR:
            found = None if value is None or summary.median is None else found + value - summary.median
        return number(found, signed if measure == ERROR.name else analysis.format.signed)

    def logged(summary: Summary) -> Cell:
        log = analysis.log(summary)
        return number(log.error, percent, footnotes.mark(log.note)) if log else NO_VALUE

    def only_published(row: _Row) -> Cell:
        return number(row.published.of(measure).get(stands_for) if row.published else None, write)

    unit = f", {analysis.decision.unit}" if analysis.decision.unit else ""
    of = "" if alone else f"{title}, "
    first = shape.result_title if alone else f"{title}{unit}"
    yield _column("result", first, median, data=title, fold="never")
    interval = interval_title(analysis.on(title))
    yield _column("range", f"{of}{interval if alone else interval.lower()}", interval_cell, data=title, asked=not alone)
    if difference_to := difference_column(analysis):
        head = difference_to.title if alone else f"{of}{difference_to.title[:1].lower()}{difference_to.title[1:]}"
        yield _column("difference", head, difference_to.cell, data=title, asked=not alone)
    if analysis.study.published:
        names = ("Published", "Ours − published") if alone else (f"{title}, published", f"{title}, ours − published")
        yield _column("published", names[0], published, only_published=only_published, data=title)
        yield _column("minus_published", names[1], difference, data=title)
    if any(analysis.log(summary) for summary in analysis.summaries if summary.variant.data.title == title):
        yield _column("log", "Authors' log" if alone else f"{title}, authors' log", logged, data=title)
    yield _column("seeds", f"{of}n", seeds_cell, data=title, fold="stated", asked=not alone)


def _more_columns(analysis: StudyAnalysis, titles: Sequence[str]) -> Iterable[ShapedColumn]:
    """The columns of the measures beside the error, where a data set's records have them, and of other published values."""
    for title in titles:
        summaries, of = analysis.on(title), "" if len(titles) == 1 else f"{title}, "
        for measure in dict.fromkeys(one for summary in summaries for one in summary.more_measures):
            if any(summary.median_of(measure.name) is not None for summary in summaries):

                def median(summary: Summary, one: ShownMeasure = measure) -> Cell:
                    return number(summary.median_of(one.name, one.worst), format_of(one.unit).value)

                yield _column("measures", _measure_title(measure, analysis.decision, of), median, data=title)
    rows = [row for table in analysis.study.published for row in table.rows]
    for title in dict.fromkeys(title for row in rows for title in row.other):

        def cell(summary: Summary, title: str = title) -> Cell:
            of_net = (s for s in analysis.summaries if s.variant.architecture == summary.variant.architecture)
            rows = [match.row for s in of_net if (match := analysis.match(s))]
            return number(next((row.other[title] for row in rows if title in row.other), None), plain)

        def other(row: _Row, title: str = title) -> Cell:
            return number(row.published.other.get(title) if row.published else None, plain)

        yield _column("other", f"{title} (published)", cell, only_published=other)


def _measure_title(measure: ShownMeasure, by: Decision, of: str) -> str:
    """The head of a measure's column, such as "Top-5 error, %", with the data set before it; it names held-out images."""
    words = f"{by.split} {measure.words}" if by.split == "validation" or by.once else measure.words
    title = of + words + (f", {measure.unit}" if measure.unit else "")
    return title if of else title[:1].upper() + title[1:]


def _once_columns(analysis: StudyAnalysis, titles: Sequence[str]) -> Iterable[ShapedColumn]:
    """The last columns of a study that decides on held-out images: its measure of the test images; one a data set."""
    by = analysis.decision

    def cell(summary: Summary) -> Cell:
        found = summary.median_once(by.measure, by.worst) if summary.tested_once else None
        return number(found, analysis.format.value, trials=summary.recorded_ids)

    if any(summary.tested_once for summary in analysis.summaries):
        unit = f", {by.unit}" if by.unit else ""
        for title in titles:
            head = f"Test {by.noun}, once{unit}" if len(titles) == 1 else f"{title}, test, once{unit}"
            yield _column("test", head, cell, data=title)


def _extra_columns(analysis: StudyAnalysis, titles: Sequence[str]) -> Iterable[ShapedColumn]:
    """The columns of further test images: the measure that decides, evaluated once; one for each set and data set."""
    by = analysis.decision
    measure, noun = by.once or by.measure, by.noun.split(" on ")[0] if by.once else by.noun
    extras = dict.fromkeys(extra for summary in analysis.summaries for extra in summary.variant.data.also_test)
    for title in titles:
        for extra in extras:

            def cell(summary: Summary, extra: ExtraTest = extra) -> Cell:
                found = summary.median_on(extra, measure, by.worst)
                return number(found, analysis.format.value, trials=summary.recorded_ids)

            decides = by.measure == f"{extra.column}_{measure}"
            if not decides and any(summary.median_on(extra, measure) is not None for summary in analysis.summaries):
                head = f"{extra.title}: {noun}{f', {by.unit}' if by.unit else ''}"
                yield _column("also_test", head if len(titles) == 1 else f"{title}, {head}", cell, data=title)


def _protocol(match: Match) -> str:
    """The footnote of a published value: its source, the differences of protocol, the published notes."""
    differs = f"{match.published.source}; the protocols differ: {'; '.join(match.differences)}" if match.differences else ""
    return ". ".join(text for text in (differs, match.row.note, match.published.note) if text)


def _by_recipe(summaries: Sequence[Summary]) -> bool:
    """Whether some network was trained on one data set with several recipes, so that each recipe needs a row."""
    keys = [(*_key(summary, False), summary.variant.data.title) for summary in summaries]
    return len(set(keys)) < len(keys)


def _key(summary: Summary, by_recipe: bool) -> tuple[str, ...]:
    """The values that identify the row of a summary."""
    left_out = {DATA_TITLE} | (set() if by_recipe else {RECIPE_NAME})
    return (
        summary.net,
        repr(summary.variant.architecture),
        *(plain(value) for axis, value in summary.axes.items() if axis not in left_out),
    )


def _grouped(summaries: Sequence[Summary], by_recipe: bool) -> dict[tuple[str, ...], dict[str, Summary]]:
    """The summaries of each row, by the title of the data set."""
    rows: dict[tuple[str, ...], dict[str, Summary]] = {}
    for summary in summaries:
        rows.setdefault(_key(summary, by_recipe), {})[summary.variant.data.title] = summary
    return rows
