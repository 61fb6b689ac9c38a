"""Both answers of a study that tunes its variants: each at its own values, and each at the best of those tried for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.compared import NOT_TOLD_APART, Compared, Outcome
from ablate.report.document import Remark
from ablate.report.numbers import DASH, UnitFormat, counted, finite, format_of, interval_text, is_number
from ablate.report.seeds import S
from ablate.report.table import NO_VALUE, Cell, Column, Table, make_table, number, words
from ablate.report.tuned import Tuned
from ablate.report.verdicts import listed
from ablate.study.axis_text import plain, short_axis

if TYPE_CHECKING:
    import pandas as pd

OF_BOTH = {  # what is said of both variants by their verdict; any other is said of one
    NOT_TOLD_APART: "cannot be told apart",
    "equivalent": "are equivalent",
    "undecided": "remain undecided",
}


def both_table(analysis: Compared[S], untuned: Compared[S], tuned: Tuned, summaries: Sequence[S]) -> Table:
    """One row per variant: its own and its best values, and what comes out with each.

    Args:
        analysis: Of the variants at their best values.
        untuned: Of the variants at their own values, in the same order.
        tuned: How they were tuned.
        summaries: Those at the best values, in the order of the rows.
    """
    axes = tuned.search.axes
    compared = any(of.outcome(one) for of in (analysis, untuned) for one in of.summaries)
    several = len({summary.data_title for summary in analysis.summaries}) > 1
    by, held_out = analysis.decision, tuned.decision
    columns = [Column("Variant", False), *([Column("Data", False)] if several else [])]
    for when in ("own", "best"):
        columns += [Column(f"{short_axis(axis)}, {when}", _numeric(tuned, axis)) for axis in axes]
        columns += [Column(f"{held_out.title}, {when}"), Column(f"Median {by.axis}, {when}")]
        columns += [Column(f"Against the baseline, {when}", False)] if compared else []
    rows = []
    order = [id(summary) for summary in summaries]
    answers = zip(tuned.choices, analysis.summaries, untuned.summaries)
    for choice, best, own in sorted(answers, key=lambda answer: order.index(id(answer[1]))):
        row = [words(best.name), *([words(best.data_title)] if several else [])]
        for place, one, of in ((0, own, untuned), (choice.chosen if choice else None, best, analysis)):
            tried = None if choice is None or place is None else choice.candidates[place]
            row += [_value_cell(tried.values.get(axis) if tried else None) for axis in axes]
            row += [number(_reached(tuned, tried.errors if tried else ()), format_of(held_out.unit).value)]
            row += [number(finite(one.median), format_of(by.unit).value, trials=one.recorded_ids)]
            row += [_against(of, one)] if compared else []
        rows.append(row)
    caption = f"Both answers: at the study's own {tuned.names}, and each variant at its best."
    against = "Against the baseline: the difference to that of the same column (Hodges-Lehmann), and the verdict."
    details = (tuned.caption, _too_good(analysis, tuned), against if compared else "")
    return make_table(columns, rows, f"{analysis.study.name}_both", caption, title="Both answers", details=details)


def tuned_remarks(tuned: Tuned | None, both: bool) -> list[Remark]:
    """That variants are not tuned yet, and that one answer of two is missing.

    Args:
        tuned: How the variants were tuned; None in a study without `tune`.
        both: Whether both answers are there.
    """
    if tuned is None:
        return []
    if missing := tuned.choices.count(None):
        done = len(tuned.choices) - missing
        return [Remark(f"Incomplete: {done} of {counted(len(tuned.choices), 'variant')} are tuned.", strong=True)]
    if not both:
        hint = (
            "is not trained yet" if tuned.tune.also_untuned else "is not recorded; tune: {also_untuned: true} trains it too"
        )
        return [Remark(f"The other answer, each variant at the study's own {tuned.names}, {hint}.")]
    return []


def with_untuned(tuned: pd.DataFrame, untuned: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of the trials at the best values, then of those at the variants' own values that are not among them.

    Args:
        tuned: One row per trial, with its id.
        untuned: The same of the others; None if they were not run.
    """
    import pandas as pd

    if untuned is None:
        return tuned
    others = untuned[~untuned["id"].isin(tuned["id"])]
    return pd.concat([tuned.assign(tuned=True), others.assign(tuned=False)], ignore_index=True)


def both_frame(analysis: Compared[S], untuned: Compared[S], tuned: Tuned) -> pd.DataFrame:
    """The same as plain numbers under stable names, with the ids of the trials of both.

    Args:
        analysis: As in both_table().
        untuned: As in both_table().
        tuned: As in both_table().
    """
    import pandas as pd

    rows = []
    for choice, best, own in zip(tuned.choices, analysis.summaries, untuned.summaries):
        row: dict[str, Any] = {"net": best.name, **({"data": best.data_title} if best.data_title else {})}
        for when, one, of in (("own", own, untuned), ("best", best, analysis)):
            tried = choice and choice.candidates[0 if when == "own" else choice.chosen]
            row |= {f"{axis}_{when}": tried.values.get(axis) if tried else None for axis in tuned.search.axes}
            row[f"{tuned.decision.name}_{when}"] = _reached(tuned, tried.errors) if tried else None
            row[f"{analysis.decision.median_name}_{when}"] = finite(one.median)
            found = of.outcome(one)
            row[f"difference_{when}"] = found and found.difference
            row[f"verdict_{when}"] = found and found.result
            row[f"trials_{when}"] = " ".join(one.recorded_ids)
        rows.append(row)
    return pd.DataFrame(rows)


def both_sentences(analysis: Compared[S], untuned: Compared[S] | None, tuned: Tuned) -> Iterator[str]:
    """Where the two answers differ, and where a best value is the last that was tried; one sentence each.

    Args:
        analysis: As in both_table().
        untuned: As in both_table(); None if it was not run.
        tuned: As in both_table().
    """
    if untuned:
        yield from _differences(analysis, untuned, tuned)
    for axis in tuned.search.axes:
        ends: dict[str, list[str]] = {"lowest": [], "highest": []}
        for choice, best in zip(tuned.choices, analysis.summaries):
            values = [one.values[axis] for one in choice.candidates if axis in one.values] if choice else []
            if choice and (end := _end_of(values, choice.values.get(axis))):
                ends[end].append(f"{best.name} ({plain(choice.values[axis])})")
        for end, names in ends.items():
            if names:
                of = f"The {short_axis(axis)} of {listed(names)}"
                yield f"{of} is the {end} that was tried, so the best may lie beyond it."


def _differences(analysis: Compared[S], untuned: Compared[S], tuned: Tuned) -> Iterator[str]:
    """One sentence for each variant whose verdict is another one at its best, or one that none is."""
    same = compared = 0
    for best, own in zip(analysis.summaries, untuned.summaries):
        now, then = analysis.outcome(best), untuned.outcome(own)
        compared += now is not None
        if now is None or then is None or "open" in (now.result, then.result):
            continue
        if then.result == now.result:
            same += 1
            continue
        both = f"{now.name} and {now.baseline} {OF_BOTH[then.result]}" if then.result in OF_BOTH else ""
        at_own = both or f"{now.name} is {then.result} than {now.baseline}"
        at_best = f"they {OF_BOTH[now.result]}" if now.result in OF_BOTH else f"it is {now.result}"
        yield (
            f"At the study's own {tuned.names}, {at_own}; with each at its best, {at_best}. "
            f"{_contrast(then, now, tuned.names, analysis.format, len(tuned.search.axes))}"
        )
    if same and same == compared:
        what = {1: "the verdict is", 2: "both verdicts are"}.get(same, f"all {same} verdicts are")
        yield f"With each at its best, {what} the same as at the study's own {tuned.names}."


def _contrast(then: Outcome, now: Outcome, names: str, write: UnitFormat, axes: int = 1) -> str:
    """Whether two verdicts that are not the same stand for differences that are not; a verdict beside none need not."""
    if then.interval[0] > now.interval[1] or now.interval[0] > then.interval[1]:
        return f"So the first answer is about the {names}, not about the variant alone."
    known = all(map(math.isfinite, (*then.interval, *now.interval)))
    intervals = f", {interval_text(then.interval, write)} and {interval_text(now.interval, write)}," if known else ""
    reason = f"the {names} {'is' if axes == 1 else 'are'} the reason"
    return f"The intervals of the two differences{intervals} overlap, so it is not known whether {reason}."


def _too_good(analysis: Compared[S], tuned: Tuned) -> str:
    """The sentence on what the choice does to the values that are reported."""
    by, chosen_by = analysis.decision, tuned.decision
    best = f"The {chosen_by.words} of the chosen candidate, the best of several, is a little too optimistic"
    if by.split == "test":
        return f"{best}; the test images took no part in the choice."
    seeds = {key for summary in analysis.summaries for key in summary.error_by_seed}
    if by.split == "validation":
        return f"{best}, and so is that of its seeds where they share these images; the test images took no part."
    if both := sorted(seeds.intersection(tuned.tune.seeds)):
        return f"{best}; {counted(len(both), 'seed')} of the choice stand among those reported here, too."
    return f"{best}; the seeds of the choice are not among those reported here."


def _end_of(values: Sequence[Any], chosen: Any) -> str:
    """ "lowest" or "highest" if a chosen number is the end of three different ones or more; else ""."""
    numbers = {value for value in values if is_number(value)}
    if len(numbers) < 3 or chosen not in numbers or len(numbers) < len(set(map(repr, values))):
        return ""
    return "lowest" if chosen == min(numbers) else "highest" if chosen == max(numbers) else ""


def _numeric(tuned: Tuned, axis: str) -> bool:
    found = [one.values.get(axis) for choice in tuned.choices if choice for one in choice.candidates]
    return all(map(is_number, found))


def _value_cell(value: Any) -> Cell:
    return NO_VALUE if value is None else Cell(value, plain(value))


def _reached(tuned: Tuned, errors: Sequence[float | None]) -> float | None:
    """The objective of a candidate; None without one, and if it diverged."""
    found = [tuned.decision.worst if error is None else error for error in errors]
    return finite(tuned.search.objective_of(found)) if found else None


def _against(analysis: Compared[S], summary: S) -> Cell:
    if analysis.baseline(summary) is summary:
        return words("baseline")
    found = analysis.outcome(summary)
    if found is None:
        return NO_VALUE
    difference = DASH if found.difference is None else analysis.format.signed(found.difference)
    after = "" if found.seeds is None else f" after {counted(found.seeds, 'seed')}"
    return Cell(found.difference, f"{difference}, {found.result}{after}")
