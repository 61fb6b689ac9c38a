"""The table of the statistics of a study: each variant in numbers, and compared with its baseline."""

from __future__ import annotations

from collections.abc import Iterable

from ablate.report.document import NO_VALUE, Cell, Column, Table, make_table, number, words
from ablate.report.numbers import DASH, counted, error_range, format_of, p_text, seeds_needed_text, two_decimals
from ablate.report.seeds import Compared, S, Seeds

TEXTS = ("Variant", "Data", "Baseline")
COMPARED = ("Baseline", "Difference", "P(better)", "p", "p (Holm)", "Seeds needed")


def statistics_table(analysis: Compared[S]) -> Table:
    """One row per variant: its seeds in numbers, and the comparison with its baseline.

    Args:
        analysis: The analysis of a study with seeds.
    """
    several = len({summary.data_title for summary in analysis.summaries}) > 1
    titles = ["Variant", *(["Data"] if several else []), "n", "Median", "Mean ± SD", interval_title(analysis.summaries)]
    titles += COMPARED if analysis.verdicts else ()
    rows = []
    for summary in analysis.summaries:
        row = [words(summary.name), *([words(summary.data_title)] if several else [])]
        row += [seeds_cell(summary), median_cell(summary), _mean_cell(summary), interval_cell(summary)]
        rows.append(row + (_verdict_cells(analysis, summary) if analysis.verdicts else []))
    columns = [Column(title, title not in TEXTS, "stated" if title == "n" else "constant") for title in titles]
    return make_table(columns, rows, f"{analysis.about.name}_statistics", _caption(analysis), title="Statistics")


def median_cell(summary: Seeds, mark: str = "", bold: bool = False) -> Cell:
    """The cell of the median of the measure that the study decides by, with its trials.

    Args:
        summary: The summary of the variant.
        mark: The mark of its footnote; empty for none.
        bold: Whether the text is bold.
    """
    return number(summary.median, format_of(summary.decision.unit).value, mark, bold, summary.recorded_ids)


def seeds_cell(summary: Seeds) -> Cell:
    """The cell of the number of seeds: "5"; "3/5" where some are missing; "5, 1 diverged".

    Args:
        summary: The summary of the variant.
    """
    n = str(summary.n) if summary.n == summary.planned else f"{summary.n}/{summary.planned}"
    text = f"{n}, {len(summary.diverged)} diverged" if summary.diverged else n
    return Cell(summary.n, text, trials=summary.recorded_ids)


def interval_title(summaries: Iterable[Seeds]) -> str:
    """The title of the column with interval_cell(): "Range", "95% interval", or both.

    Args:
        summaries: The variants of the column.
    """
    kinds = dict.fromkeys(summary.description.interval_kind for summary in summaries if summary.description)
    return " or ".join(kinds or ["range"]).capitalize()


def interval_cell(summary: Seeds) -> Cell:
    """The cell of the interval, such as "38.60–41.15", sorted by the lower end.

    The interval is minimum to maximum, or from 8 seeds on the 95% interval of the median.

    Args:
        summary: The summary of the variant.
    """
    if summary.description is None:
        return NO_VALUE
    interval = summary.description.interval
    text = error_range(interval, format_of(summary.decision.unit).value)
    return Cell(interval[0], text, trials=summary.recorded_ids)


def _mean_cell(summary: Seeds) -> Cell:
    found = summary.description
    if found is None or found.mean is None:
        return Cell(None, DASH, trials=summary.recorded_ids)
    write = format_of(summary.decision.unit)
    spread = "" if found.std is None else f" ± {write.spread(found.std)}"
    return Cell(found.mean, f"{write.value(found.mean)}{spread}", trials=summary.recorded_ids)


def _verdict_cells(analysis: Compared[S], summary: S) -> list[Cell]:
    baseline, verdict = analysis.baseline(summary), analysis.verdict(summary)
    if baseline is summary:
        return [words("baseline"), *[NO_VALUE] * 5]
    if baseline is None or verdict is None:
        return [NO_VALUE] * 6
    c = verdict.comparison
    return [
        words(baseline.name),
        number(c.difference, analysis.format.signed),
        number(c.probability, two_decimals),
        number(c.p_value, p_text),
        number(verdict.adjusted_p, p_text),
        number(verdict.needed, seeds_needed_text),
    ]


def _caption(analysis: Compared[S]) -> str:
    said = (
        f"What the seeds say. {analysis.epochs}; SD of the sample; with fewer "
        "than 8 seeds the range from lowest to highest, as a 95% interval of the median would hardly be narrower. "
        f"{analysis.decided_on}"
    ).strip()
    by, verdicts = analysis.decision, analysis.verdicts.values()
    points = " in points" if by.unit == "%" else ""
    if not verdicts:
        return said
    floors = sorted(verdict.comparison.floor for verdict in verdicts)
    least = " to ".join(dict.fromkeys(map(p_text, (floors[0], floors[-1]))))
    return (
        f"{said} Against the baseline: the difference of the medians{points}; the share of all seed pairs in which the "
        f"variant has the {by.lower} {by.noun}; the permutation p-value of the rank sum, two-sided (so many seeds allow "
        f"none below {least}), and after Holm's correction for {counted(len(verdicts), 'comparison')}; about how many "
        "seeds a side would tell them apart."
    )
