"""What the comparisons of a study with `seeds.until` came to: a table, sentences, and columns of table.csv."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ablate.report.compared import Compared, Outcome
from ablate.report.numbers import UnitFormat, counted, finite, interval_text, p_text
from ablate.report.rounds import Rounds
from ablate.report.seeds import S
from ablate.report.table import NO_VALUE, Cell, Column, Table, make_table, number, words
from ablate.statistics.sequential import MOST, Course, Rule, least_seeds

TEXTS = ("Variant", "Data", "Baseline", "Verdict")
COMPARED = ("Baseline", "Verdict", "Seeds", "Difference", "Interval", "p", "Corrected for")


def rounds_table(analysis: Compared[S], summaries: Sequence[S]) -> Table:
    """One row per comparison: its verdict, the seeds that it took, the difference and its interval.

    Args:
        analysis: Of a study with `seeds.until`.
        summaries: Its summaries, in the order of the rows.
    """
    rounds, write = analysis.rounds, analysis.format
    assert rounds is not None
    several = len(set(rounds.families)) > 1
    titles = ["Variant", *(["Data"] if several else []), *COMPARED]
    rows = []
    order = [id(summary) for summary in summaries]
    for place, baseline in sorted(rounds.pairs, key=lambda pair: order.index(id(analysis.summaries[pair[0]]))):
        course, summary = rounds.course_of[place], analysis.summaries[place]
        row = [words(summary.name), *([words(summary.data_title)] if several else [])]
        row += [words(analysis.summaries[baseline].name), words(course.verdict)]
        row.append(Cell(course.n, f"{course.n}{', the maximum' if course.verdict == 'undecided' else ''}"))
        row.append(_estimate_cell(course, write))
        row.append(Cell(course.interval[0], interval_text(course.interval, write)) if course.n else NO_VALUE)
        row += [number(course.p, p_text) if course.n else NO_VALUE, number(course.corrected)]
        rows.append(row)
    columns = [Column(title, title not in TEXTS) for title in titles]
    label, caption = f"{analysis.study.name}_rounds", _caption(analysis, rounds)
    return make_table(columns, rows, label, caption, title="Rounds", details=_details(analysis, rounds))


def rounds_sentences(analysis: Compared[S]) -> Iterator[str]:
    """What each comparison came to, one sentence each, and what was saved against a fixed number of seeds; else none."""
    rounds = analysis.rounds
    if rounds is None:
        return
    for place, baseline in rounds.pairs:
        outcome = analysis.outcome(analysis.summaries[place])
        assert outcome is not None
        names = rounds.names[place], rounds.names[baseline]
        yield _sentence(*names, outcome, rounds.rule, analysis.format)
    if rounds.rule.most < MOST and any(course.verdict == "undecided" for course in rounds.followed.courses):
        yield f"What is undecided can go on: raise seeds.to, up to {MOST}; the test counts all looks up to there already."
    if rounds.note:
        yield rounds.note
    if rounds.over:
        yield _saved(rounds, analysis.study.tune is not None)


def rounds_values(analysis: Compared[S], summary: S) -> dict[str, Any]:
    """The columns of table.csv of a variant that has a baseline; those of the comparison are not there for the baseline.

    Args:
        analysis: Of a study with `seeds.until`.
        summary: One of its summaries that has a baseline.
    """
    baseline = analysis.baseline(summary)
    values = {
        "baseline": baseline and baseline.name,
        "baseline_trials": " ".join(baseline.recorded_ids if baseline else ()),
    }
    course = analysis.course(summary)
    if course is None:
        return values
    low, high = course.interval
    return {
        **values,
        "verdict": course.verdict,
        "seeds_decided": course.n,
        "hodges_lehmann": finite(course.estimate),
        "interval_low": finite(low),
        "interval_high": finite(high),
        "p_sequential": course.p,
        "corrected_for": course.corrected,
    }


def _estimate_cell(course: Course, write: UnitFormat) -> Cell:
    if course.estimate is None:
        return NO_VALUE
    return Cell(course.estimate, write.signed(course.estimate) if math.isfinite(course.estimate) else "diverged")


def _sentence(name: str, baseline: str, outcome: Outcome, rule: Rule, write: UnitFormat) -> str:
    """What one comparison came to."""
    both, seeds = f"{name} and {baseline}", counted(outcome.seeds or 0, "seed")
    if not outcome.seeds:
        return f"{both}: not compared yet; the first comparison is after {counted(rule.first, 'seed')}."
    interval = f"the difference lies in {interval_text(outcome.interval, write)}"
    if not any(map(math.isfinite, outcome.interval)):
        interval = (
            "no difference is excluded" if outcome.interval[0] < outcome.interval[1] else "seeds of one side diverged"
        )
    match outcome.result:
        case "better" | "worse":
            by = f" by {write.distance(abs(outcome.difference))}" if outcome.difference else ""
            small = max(map(abs, outcome.interval)) < (rule.margin or 0.0)
            also = f", so it is smaller than {write.distance(rule.margin or 0.0)}" if small else ""
            return f"{name} is {outcome.result} than {baseline}{by}: decided after {seeds}; {interval}{also}."
        case "equivalent":
            margin = write.distance(rule.margin or 0.0)
            return f"{both} are equivalent within {margin}: decided after {seeds}; {interval}."
        case "undecided":
            return f"{both}: not decided after {seeds}, the maximum of the study; {interval}."
        case _:
            return f"{both}: open after {seeds}; {interval}. This is no verdict yet."


def _saved(rounds: Rounds, tuned: bool) -> str:
    """The sentence on what was saved against a fixed number of seeds of equal power."""
    all_in_all = f"{counted(rounds.asked, 'training')} in all{', without those of the tuning' if tuned else ''}"
    if least_seeds(rounds.rule, rounds.largest_family) is None:
        return f"{all_in_all}; {counted(rounds.rule.most, 'seed')}, the maximum, cannot show any difference."
    fixed, effect = rounds.fixed
    whole = fixed * rounds.folds * len(rounds.names)
    saved = whole - rounds.asked
    against = (
        f"a fixed number of seeds with the same power (80% for a difference of {effect:.1f} standard deviations of the "
        f"differences) would be {fixed} per variant, {whole} trainings"
    )
    what = f"{saved} saved" if saved >= 0 else f"{-saved} more {'was' if saved == -1 else 'were'} needed"
    return f"{all_in_all}; {against}: {what}."


def _caption(analysis: Compared[S], rounds: Rounds) -> str:
    rule = rounds.rule
    also = f", or equivalent within {analysis.format.distance(rule.margin)}" if rule.margin is not None else ""
    return (
        f"Seeds until it is decided. {analysis.epochs}. Each comparison with the baseline gets one seed after the other, "
        f"{rule.first} to {rule.most}, until it is decided: different{also}. {analysis.decided_on}"
    ).strip()


def _details(analysis: Compared[S], rounds: Rounds) -> Iterator[str]:
    """What the columns mean."""
    rule, write = rounds.rule, analysis.format
    margin = write.distance(rule.margin) if rule.margin is not None else ""
    claims = f" and any pair equivalent that is {margin} or more apart in at most {_share(rule.alpha)}" if margin else ""
    covers = f"It contains the true difference in {_share(1 - rule.alpha)} of cases or more"
    covers += (
        f"; of an equivalent pair in {_share(1 - 2 * rule.alpha)} or more, as its two tests are one-sided" if margin else ""
    )
    yield (
        "Verdict: the test allows a look after every seed. Any equal pair is called different in at most "
        f"{_share(rule.alpha)} of such studies{claims}."
    )
    yield (
        "Difference: variant minus baseline, the median of the averages of all pairs of seeds' differences. It is somewhat "
        "too large where a comparison stopped early; the interval is not affected."
    )
    yield f"Interval: what the paired signed-rank test of the verdict rejects at no look. {covers}."
    yield f"p: sequential, to be compared with {rule.alpha:g} divided by the number that it is corrected for."
    yield "The table of the medians describes the seeds that were trained and tests nothing."


def _share(share: float) -> str:
    return f"{100 * share:.6g}%"
