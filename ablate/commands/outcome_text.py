"""The text output of the commands that change something: the summary of their results."""

from __future__ import annotations

from pathlib import Path

from ablate.adopt import Adoption
from ablate.launch.summary import RunSummary
from ablate.records.earlier import earlier_lines
from ablate.records.imported import Draft, diverged
from ablate.records.kept import Kept
from ablate.records.merge import MergePlan
from ablate.report.analysis import StudyAnalysis
from ablate.report.numbers import counted
from ablate.report.program_analysis import ProgramAnalysis
from ablate.schedule.durations import duration
from ablate.search.progress import SearchSummary
from ablate.verify import Verification, VerifiedTrial

MOST_MEDIANS = 12
MOST_ALIKE = 2  # trials that failed by the same cause; of more the first is named


def run_text(summary: RunSummary) -> str:
    """The summary of a run: a line of counts, then a line per trial that failed, diverged or could not be measured."""
    tuning = []
    if summary.tried or summary.untuned:
        left = f"; not tuned: {counted(summary.untuned, 'variant')}" if summary.untuned else ""
        tuning = [f"tuning: {counted(summary.tried, 'candidate')} tried{left}"]
    if not summary.trials and not summary.shard and not tuning:
        return "nothing to train: the study has no seeds; `ablate report` counts its networks"
    counts = [f"{summary.trained} trained", f"{summary.recorded_before} recorded before"]
    counts += [f"{summary.elsewhere} by another run"] if summary.elsewhere else []
    counts += [f"{summary.open} open"] if summary.open else []
    part = "shard {} of {}: ".format(*summary.shard) if summary.shard else ""
    if tuning and not summary.trials:
        lines = [f"{part}{line}" for line in tuning]
    else:
        lines = [*tuning, f"{part}{counted(summary.trials, 'trial')}: {', '.join(counts)}; {duration(summary.seconds)}"]
    listings = (("failed", summary.failed), ("diverged", summary.diverged), ("not measured", summary.unmeasured))
    for what, listed in listings:
        alike: dict[str, list[tuple[str, Path]]] = {}
        for name, cause, log in listed:
            alike.setdefault(cause, []).append((name, log))
        for cause, of in alike.items():
            shown = of if len(of) <= MOST_ALIKE else of[:1]
            more = f" and {counted(len(of) - 1, 'more trial')}" if shown != of else ""
            lines += [f"{what}: {name}{more}: {cause} ({log})" for name, log in shown]
    return "\n".join(lines)


def found_text(analysis: StudyAnalysis | ProgramAnalysis, command: str) -> str:
    """What a run found: the finding, the best medians, and the next command; only the last if nothing is recorded.

    Several data sets follow each other, and are named.

    Args:
        analysis: Of the study.
        command: The next command.
    """
    from ablate.report.finding import find

    shown = [summary for summary in analysis.summaries if summary.median is not None]
    titles = list(dict.fromkeys(summary.data_title for summary in shown))
    shown.sort(key=lambda summary: (titles.index(summary.data_title), analysis.decision.cost(summary.median or 0.0)))
    names = [f"{one.data_title}, {one.name}" if len(titles) > 1 else one.name for one in shown[:MOST_MEDIANS]]
    width = max(map(len, names), default=0)
    lines = [find(analysis)]
    for name, summary in zip(names, shown) if len(shown) > 1 else ():
        value = analysis.format.value(summary.median or 0.0)
        lines.append(f"  {name:<{width}}  {value:>8}  {counted(summary.n, analysis.unit)}")
    left = len(shown) - MOST_MEDIANS
    lines += [f"  and {counted(left, 'more variant')}"] if left > 0 else []
    return "\n".join([*filter(None, lines), f"next: {command}"])


def search_text(summary: SearchSummary) -> str:
    """The summary of a search: a line of counts, the best candidate, then a line per failed candidate."""
    ended = summary.done_before + summary.evaluated + summary.pruned + summary.elsewhere
    left = summary.candidates - ended - len(summary.failed)
    counts = [f"{summary.evaluated} evaluated", f"{summary.pruned} pruned", f"{summary.done_before} before"]
    counts += [f"{summary.elsewhere} by other processes"] if summary.elsewhere else []
    counts += [f"{len(summary.failed)} failed"] if summary.failed else []
    counts += [f"{left} open"] if left > 0 else []
    trained = f"{counted(summary.trained, 'training')}, {duration(summary.seconds)}"
    lines = [f"{counted(summary.candidates, 'candidate')}: {', '.join(counts)}; {trained}"]
    lines += [f"{summary.lowest}: {summary.best}"] if summary.best else []
    return "\n".join(lines + [f"failed: {label}: {cause} ({log})" for label, cause, log in summary.failed])


def verification_text(found: Verification) -> str:
    """The result of each trial that was trained again, and how many are bit-equal."""
    equal = sum(verdict.equal for verdict in found.trials)
    lines = [verdict_text(verdict) for verdict in found.trials]
    chosen = f"chosen from {found.recorded} recorded trials with --seed {found.seed}"
    lines.append(f"{equal} of {len(found.trials)} bit-equal, {chosen}")
    return "\n".join(lines)


def verdict_text(verdict: VerifiedTrial) -> str:
    """The result of one trial that was trained again; a second line lists what has changed, such as versions or images."""
    name = f"{verdict.label} ({verdict.id})"
    if verdict.cause:
        return f"{name}: could not be trained again: {verdict.cause}"
    where = "on another device" if "device" in verdict.changed else f"on the same device, {verdict.device}"
    if verdict.equal:
        lines = [f"{name}: bit-equal, {where}"]
    else:
        then, now = ("diverged" if error is None else f"{error:g}" for error in verdict.error)
        by = verdict.by
        unit = " points" if by.unit == "%" else f" {by.unit}" if by.unit else ""
        off = "" if verdict.furthest is None else f", {by.words}s at most {verdict.furthest:g}{unit} off"
        since = f"from epoch {verdict.first_difference} on"
        if verdict.images:
            since, off = f"after the last epoch, on {' and '.join(verdict.images)}", ""
        lines = [f"{name}: differs {since}{off}: {then} then, {now} now; {where}"]
    changed = [f"{what} {then} then, {now} now" for what, (then, now) in verdict.changed.items()]
    return "\n".join([*lines, *([f"  {'; '.join(changed)}"] if changed else [])])


def adoption_text(found: Adoption) -> str:
    """What became of the records under earlier code: a line or two for each variant, then how many were taken over."""
    if not found.variants:
        return "nothing to adopt: no trial without a record has one under earlier code"
    lines = []
    for one in found.variants:
        if one.how == "unchanged":
            lines.append(f"{one.label}: the code differs in comments, docstrings and formatting alone")
        elif one.verdict:
            lines.append(f"seed {one.seed} of {verdict_text(one.verdict)}")
            lines += [f"  not taken over: {one.cause}"] if one.cause else []
        else:
            lines.append(f"{one.label}: seed {one.seed} could not be trained again: {one.cause}")
    every = [each for one in found.variants for each in one.earlier]
    lines += earlier_lines(every)
    lines.append(f"{sum(one.records for one in found.variants)} of {len(every)} taken over")
    return "\n".join(lines)


def kept_text(kept: Kept | None, runs: Path) -> list[str]:
    """What travels with a report, a line each; none without records."""
    if kept is None or not kept.trials or kept.directory == runs:
        return []
    size = bytes_text(kept.size)
    if not kept.written:
        return [f"{counted(kept.trials, 'record')} of {size} are not copied beside the report; `records` copies them"]
    lines = [f"{counted(kept.trials, 'record')} beside the report: {kept.directory}, {size}"]
    if kept.left:
        lines.append(f"{counted(len(kept.left), 'record')} of other trials stay there: {runs} does not have them")
    return lines


def bytes_text(size: int) -> str:
    """A size that is given in bytes, such as "640 bytes", "12 kB" or "7.8 MB"."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 0.9995 * 1000**power:
            value = size / 1000**power
            return f"{value:.0f} {unit}" if value >= 99.5 or unit == "kB" else f"{value:.1f} {unit}"
    return counted(size, "byte")


def merge_text(plan: MergePlan) -> str:
    """The summary of a merge in one line."""
    counts = [f"recorded: {plan.finished} copied, {plan.equal} there already"]
    unfinished = len(plan.copies) - plan.finished
    counts += [f"unfinished: {unfinished} copied"] if unfinished else []
    counts += [f"probes: {len(plan.probes)} copied"] if plan.probes else []
    counts += [f"tuned variants: {len(plan.choices)} copied"] if plan.choices else []
    counts += [f"searches: {len(plan.searches)} copied"] if plan.searches else []
    counts += [f"skipped: {len(plan.passed_over)}"] if plan.passed_over else []
    return f"{plan.into}: {'; '.join(counts)}"


def imported_text(draft: Draft) -> str:
    """A summary of a log in one line: "WRN-40-4, 200 epochs, test error 5.11 % (best 4.92 %)"."""
    log, last = draft.log, draft.log.rows[-1]
    short = log.planned_epochs not in (None, len(log.rows))
    epochs = f"{len(log.rows)}{f' of {log.planned_epochs}' if short else ''} epochs"
    best = min(row["test_error"] for row in log.rows)
    if diverged(log.rows):
        return f"{log.net}, {epochs}, diverged (best test error {best:g} %)"
    return f"{log.net}, {epochs}, test error {last['test_error']:g} % (best {best:g} %)"
