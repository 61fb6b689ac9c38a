"""The table of the statistics of a study: each variant in numbers, and compared with its baseline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from ablate.report.compared import Compared
from ablate.report.numbers import DASH, counted, format_of, p_text, seeds_needed_text, two_decimals
from ablate.report.seeds import S, Seeds
from ablate.report.table import NO_VALUE, Cell, Column, Table, make_table, number, words
from ablate.report.verdicts import LEAST_LEVEL, Verdict, verdict_interval_cell
from ablate.statistics.comparison import ALPHA, PAIRED_FROM

IMAGES_ERROR = "SE of the images"
TEXTS = ("Variant", "Data", "Baseline")
COMPARED = ("Baseline", "Difference", "Interval", "P(better)", "p", "p (family)", "Seeds needed")


def statistics_table(analysis: Compared[S], summaries: Sequence[S]) -> Table:
    """One row per variant: its seeds in numbers, and the comparison with its baseline.

    Args:
        analysis: The analysis of a study with seeds.
        summaries: Its summaries, in the order of the rows.
    """
    several = len({summary.data_title for summary in analysis.summaries}) > 1
    titles = ["Variant", *(["Data"] if several else []), "n", "Median", "Mean ± SD", interval_title(analysis.summaries)]
    sampled = any(analysis.images_error(summary) is not None for summary in analysis.summaries)
    titles += [IMAGES_ERROR] if sampled else []
    titles += COMPARED if analysis.verdicts else ()
    rows = []
    for summary in summaries:
        row = [words(summary.name), *([words(summary.data_title)] if several else [])]
        mean = summary.description and summary.description.mean
        row += [seeds_cell(summary), median_cell(summary), Cell(mean, mean_text(summary), trials=summary.recorded_ids)]
        row.append(interval_cell(summary))
        row += [number(analysis.images_error(summary), two_decimals)] if sampled else []
        rows.append(row + (_verdict_cells(analysis, summary) if analysis.verdicts else []))
    columns = [Column(title, title not in TEXTS, "stated" if title == "n" else "constant") for title in titles]
    label = f"{analysis.study.name}_statistics"
    return make_table(columns, rows, label, _caption(analysis), title="Statistics", details=_details(analysis))


def median_cell(summary: Seeds[Any], mark: str = "") -> Cell:
    """The cell of the median of the measure that the study decides by, with its trials.

    Args:
        summary: The summary of the variant.
        mark: The mark of its footnote; empty for none.
    """
    return number(summary.median, format_of(summary.decision.unit).value, mark, trials=summary.recorded_ids)


def seeds_cell(summary: Seeds[Any]) -> Cell:
    """The cell of the number of seeds: "5"; "3/5" where some are missing; "5, 1 diverged"."""
    n = str(summary.n) if summary.n == summary.planned else f"{summary.n}/{summary.planned}"
    text = f"{n}, {len(summary.diverged)} diverged" if summary.diverged else n
    return Cell(summary.n, text, trials=summary.recorded_ids)


def interval_title(summaries: Iterable[Seeds[Any]]) -> str:
    """The title of the column with interval_cell(): "Range", "95% interval", or both.

    Args:
        summaries: The variants of the column.
    """
    kinds = dict.fromkeys(summary.description.interval_kind for summary in summaries if summary.description)
    return " or ".join(kinds or ["range"]).capitalize()


def interval_cell(summary: Seeds[Any]) -> Cell:
    """The cell of the interval, such as "38.60–41.15", sorted by the lower end.

    The interval is minimum to maximum, or from 8 seeds on the 95% interval of the median.
    """
    if summary.description is None:
        return NO_VALUE
    interval = summary.description.interval
    text = "–".join(map(format_of(summary.decision.unit).value, interval))
    return Cell(interval[0], text, trials=summary.recorded_ids)


def mean_text(summary: Seeds[Any]) -> str:
    """The mean of a variant's values and their standard deviation, such as "5.43 ± 0.12"; a dash where a seed diverged."""
    found = summary.description
    if found is None or found.mean is None:
        return DASH
    write = format_of(summary.decision.unit)
    return f"{write.value(found.mean)}{'' if found.std is None else f' ± {write.spread(found.std)}'}"


def _verdict_cells(analysis: Compared[S], summary: S) -> list[Cell]:
    baseline, verdict = analysis.baseline(summary), analysis.verdict(summary)
    missing = [NO_VALUE] * (len(COMPARED) - 1)
    if baseline is summary:
        return [words("baseline"), *missing]
    if baseline is None or verdict is None:
        return [NO_VALUE, *missing]
    c = verdict.comparison
    low, high = c.probability_interval
    needed = verdict.needed
    return [
        words(baseline.name),
        number(c.difference, analysis.format.signed),
        verdict_interval_cell(c.interval, analysis.format),
        Cell(c.probability, f"{two_decimals(c.probability)} ({two_decimals(low)}–{two_decimals(high)})"),
        number(c.p_value, p_text),
        number(verdict.adjusted_p, p_text, bold=verdict.reached),
        Cell(needed.low, seeds_needed_text(needed)) if needed and not verdict.reached else NO_VALUE,
    ]


def _caption(analysis: Compared[S]) -> str:
    return f"Statistics of the {analysis.unit}s. {analysis.epochs}. {analysis.decided_on}".strip()


def _details(analysis: Compared[S]) -> Iterator[str]:
    """What the columns mean."""
    yield "SD: of the sample. Range: from the lowest to the highest; from 8 seeds on a 95% interval of the median instead."
    if analysis.verdicts:
        yield from _compared_details(analysis, list(analysis.verdicts.values()))
    yield f"{analysis.sampling}." if analysis.sampling else ""


def _compared_details(analysis: Compared[S], verdicts: list[Verdict]) -> Iterator[str]:
    """What the columns that compare with the baseline mean."""
    by, unit = analysis.decision, analysis.unit
    points = " in points" if by.unit == "%" else ""
    kinds = {verdict.comparison.paired for verdict in verdicts}
    tests = {
        True: f"the paired test (signed ranks of the differences at common {unit}s)",
        False: f"the unpaired test (studentized rank sum; fewer than {PAIRED_FROM} {unit}s are common)",
    }
    left = _without_partner(analysis)
    floors = sorted(verdict.adjusted_floor for verdict in verdicts)
    least = " to ".join(dict.fromkeys(map(p_text, (floors[0], floors[-1]))))
    families = sorted({verdict.family for verdict in verdicts})
    of = f"the {families[0]}" if len(families) == 1 else f"the {families[0]} to {families[-1]}"
    several = " of a data set" if len(analysis.titles) > 1 else ""
    family = "the same" if families == [1] else f"adjusted for {of} comparisons{several}"
    without = f"; {counted(left, unit)} without a partner {'is' if left == 1 else 'are'} left out" if left else ""
    interval = f" Interval: of 95%, for this one comparison; another level is named where the {unit}s are too few for 95%."
    if all(verdict.comparison.interval.level < LEAST_LEVEL for verdict in verdicts):
        interval = f" The {unit}s are too few for an interval."
    yield f"Difference: to the baseline (Hodges-Lehmann estimate){points}.{interval}"
    yield f"P(better): how often the variant has the {by.lower} {by.noun}, with its 95% interval."
    yield (
        f"p: of {' or '.join(tests[kind] for kind in sorted(kinds))}{without}. p (family): {family}, bold below "
        f"{ALPHA:g} (the smallest possible is {least})."
    )
    if any(verdict.needed and not verdict.reached for verdict in verdicts):
        yield f"Seeds needed: to distinguish two variants that these {unit}s do not."
    yield (
        f"To add {unit}s after a look at these results, use `seeds: {{until: decided}}`; else false differences are found "
        "too often."
    )


def _without_partner(analysis: Compared[S]) -> int:
    """How many recorded seeds no paired comparison uses, of the variants that have one."""
    used: dict[int, set[Any]] = {}
    every: dict[int, Collection[Any]] = {}
    for title in analysis.titles:
        for both in analysis.compared_on(title):
            if analysis.verdicts[id(both[0])].comparison.paired:
                common = set(both[0].costs) & set(both[1].costs)
                for summary in both:
                    every[id(summary)] = summary.costs
                    used.setdefault(id(summary), set()).update(common)
    return sum(len(keys) - len(used[one]) for one, keys in every.items())
