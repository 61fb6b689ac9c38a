"""The variants of a study compared with their baselines, whatever was trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple

from ablate.report.document import scale_badge
from ablate.report.effects import StudyEffects, effects_json, study_effects
from ablate.report.numbers import UnitFormat, counted, finite, format_of, span
from ablate.report.rounds import Rounds
from ablate.report.seeds import TRAINING, S
from ablate.report.tuned import Tuned
from ablate.report.verdicts import Verdict, fewest_seeds, listed, reach_verdicts, verdict_sentences, verdict_values
from ablate.statistics.comparison import PAIRED_FROM
from ablate.statistics.description import LEVEL
from ablate.statistics.ranking import RankInterval, rank_intervals
from ablate.statistics.sequential import Course
from ablate.study.decision import Decision

if TYPE_CHECKING:
    from typing_extensions import Self


NOT_TOLD_APART: Final = "not told apart"
Result = Literal["better", "worse", "equivalent", "not told apart", "undecided", "open"]


class Outcome(NamedTuple):
    """What a comparison of a variant with its baseline came to.

    Args:
        name: The name of the variant.
        baseline: The name of its baseline.
        result: The verdict on the variant. Without one, NOT_TOLD_APART; with `seeds.until`, "undecided" after the most
            seeds and "open" before.
        difference: The Hodges-Lehmann estimate; None where it is not known.
        interval: All differences that the seeds do not contradict, with 95%; infinite where they allow no 95%.
        seeds: The seeds that it took, with `seeds.until`; else None.
    """

    name: str
    baseline: str
    result: Result
    difference: float | None
    interval: tuple[float, float] = (-math.inf, math.inf)
    seeds: int | None = None

    @property
    def reached(self) -> bool:
        """Whether there is a verdict."""
        return self.result in ("better", "worse", "equivalent")


def none_better(variants: int, name: str) -> str:
    """The claim on the only variant that may be the best; another may be as good, so it claims no more than this.

    Args:
        variants: How many there are.
        name: Of the one.
    """
    return f"with 95% confidence none of the {variants} variants is better than {name}"


@dataclass(frozen=True)
class Compared(Generic[S]):
    """The variants of a study, each compared with its baseline: the base of StudyAnalysis and ProgramAnalysis.

    A method takes as `summary` one of `summaries`, and as `title` that of a data set.

    Args:
        study: As loaded from its file.
        summaries: One per variant, in the order of the study.
        baselines: The baseline of each summary, in the same order. A baseline has itself; None where there is none.
        runs: The runs directory.
        rounds: Of a study with `seeds.until`, whose verdicts are those of its rounds; else None.
        tuned: How the variants were tuned; None in a study without `tune`.
        untuned: The analysis of the variants at their own values, in the same order, if both were run.
    """

    study: Any
    summaries: tuple[S, ...]
    baselines: tuple[S | None, ...]
    runs: Path
    rounds: Rounds | None = None
    tuned: Tuned | None = None
    untuned: Self | None = None

    @property
    def folds(self) -> int:
        """The folds that each seed is trained on; 1 without folds."""
        return max(1, len(self.study.held_out))

    @property
    def unit(self) -> str:
        """What one value belongs to: a seed, or with folds a training."""
        return TRAINING if self.folds > 1 else "seed"

    @property
    def epochs(self) -> str:
        """What the study decides by, when and in which unit: "Test error at the last epoch, in percent"."""
        raise NotImplementedError

    @property
    def decided_on(self) -> str:
        """The sentence that says on which images the variants are compared; empty for a program."""
        return ""

    @property
    def sampling(self) -> str:
        """What is known of the images as a sample, as a sentence without its full stop; empty if nothing."""
        return ""

    def images_error(self, summary: S) -> float | None:
        """The standard error that the number of images puts on the median, in its unit; None where it is not known."""
        return None

    def published_alike(self, summary: S) -> float | None:
        """The published value of a variant that was measured as ours was; None without one."""
        return None

    @property
    def recorded(self) -> int:
        """The number of trials that have a record."""
        return sum(summary.n for summary in self.summaries)

    @property
    def planned(self) -> int:
        """The number of trials of the study, with those of variants that are not tuned yet."""
        open_ = [i for i, summary in enumerate(self.summaries) if summary.variant.untuned]
        seeds = sum(len(self.rounds.seeds(i) if self.rounds else self.study.seeds) for i in open_)
        return sum(summary.planned for summary in self.summaries) + seeds * self.folds

    def course(self, summary: S) -> Course | None:
        """What the rounds of a study with `seeds.until` came to for a variant; None where it is not compared."""
        place = next(i for i, one in enumerate(self.summaries) if one is summary)
        return self.rounds.course_of.get(place) if self.rounds else None

    @property
    def progress(self) -> str:
        """The progress as text, such as "3 of 5 trials are recorded"."""
        return f"{self.recorded} of {self.planned} trials are recorded"

    @property
    def badge(self) -> str:
        """The text beside every title: that the study runs at another scale; empty otherwise."""
        return scale_badge(self.study.scale)

    def setting(self, separator: str) -> str:
        """What the variants share, and what varies, in words.

        Args:
            separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
        """
        raise NotImplementedError

    def measured(self) -> str:
        """The sentences that define the values of the study."""
        counts, both = sorted({summary.n for summary in self.summaries}), ""
        over = span(counts[0], counts[-1], self.unit)
        median = f", median over {over}" if counts[-1] else ""
        if self.folds > 1:
            of_seeds = f", {counted(len(self.study.seeds), 'seed')}" if self.rounds is None else ""
            both = f" ({counted(self.folds, 'fold')}{of_seeds})"
        said = [f"{self.epochs}{median}{both}.", self.decided_on, self.tuned.caption if self.tuned else ""]
        return " ".join(filter(None, said))

    @cached_property
    def sentences(self) -> list[str]:
        """The conclusions that the seeds allow and do not allow, one sentence each."""
        raise NotImplementedError

    def about_json(self) -> dict[str, Any]:
        """What is compared, in plain values under stable names."""
        raise NotImplementedError

    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate report --json` prints."""
        return {
            "study": self.study.name,
            "title": self.study.title,
            "scale": self.study.scale,
            **self.about_json(),
            "summaries": [self.summary_json(summary) for summary in self.summaries],
            "sentences": self.sentences,
            **({"comparisons": self.rounds.states()} if self.rounds else {}),
            **effects_json(self.effects),
        }

    def summary_json(self, summary: S) -> dict[str, Any]:
        """A variant's plain values under stable names: its seeds, and the comparison with its baseline."""
        baseline, verdict = self.baseline(summary), self.verdict(summary)
        compared = {"baseline": baseline and baseline.label, "against_baseline": verdict and verdict_values(verdict)}
        return {**summary.as_json(), **compared}

    @cached_property
    def effects(self) -> StudyEffects:
        """The effects of the factors that vary in a crossed way; none with `seeds.until`, which fixes no number."""
        factors = self.study.effects if self.rounds is None else False
        return study_effects(self.summaries, factors, self.unit)

    @property
    def shown(self) -> list[S]:
        """The summaries that have a recorded seed."""
        return [summary for summary in self.summaries if summary.n]

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""
        decision: Decision = self.study.decision
        return decision

    @property
    def format(self) -> UnitFormat:
        """How values of the measure that the study decides by are written."""
        return format_of(self.decision.unit)

    def baseline(self, summary: S) -> S | None:
        """The baseline of a variant; the summary itself if it is a baseline, None if it has none."""
        return self._baseline_of.get(id(summary))

    def verdict(self, summary: S) -> Verdict | None:
        """The comparison of a variant with its baseline, corrected for the number of comparisons of the study.

        Returns:
            None if the variant has no baseline, is a baseline, or if one of the two has no recorded seed yet.
        """
        return self.verdicts.get(id(summary))

    def outcome(self, summary: S) -> Outcome | None:
        """What the comparison of a variant with its baseline came to; None where it has none."""
        baseline, course, verdict = self.baseline(summary), self.course(summary), self.verdict(summary)
        if baseline is None:
            return None
        result: Result
        if course:
            if course.verdict == "different":
                worse = (course.interval[0] > 0) != self.decision.maximized
                result = "worse" if worse else "better"
            else:
                result = course.verdict
            return Outcome(summary.name, baseline.name, result, finite(course.estimate), course.interval, course.n)
        if verdict is None:
            return None
        compared = verdict.comparison
        result = NOT_TOLD_APART
        if verdict.reached:
            result = "better" if compared.direction < 0 else "worse"
        low, high, level = compared.interval
        interval = (low, high) if level >= LEVEL else (-math.inf, math.inf)
        return Outcome(summary.name, baseline.name, result, finite(compared.difference), interval)

    @cached_property
    def _baseline_of(self) -> dict[int, S | None]:
        return {id(summary): baseline for summary, baseline in zip(self.summaries, self.baselines)}

    @property
    def paired_from(self) -> int:
        """The fewest common trainings that are compared in pairs. Folds differ so much that they always are."""
        return PAIRED_FROM if self.folds == 1 else 1

    def on(self, title: str) -> list[S]:
        """The summaries of one data set that have a recorded seed."""
        return [summary for summary in self.summaries if summary.n and summary.data_title == title]

    @property
    def titles(self) -> list[str]:
        """The titles of the data sets that have recorded seeds."""
        return list(dict.fromkeys(summary.data_title for summary in self.summaries if summary.n))

    def compared_on(self, title: str) -> list[tuple[S, S]]:
        """The variants of one data set that are compared, each with its baseline; both have recorded seeds."""
        both = ((summary, self.baseline(summary)) for summary in self.on(title))
        return [(summary, other) for summary, other in both if other is not None and other is not summary and other.n]

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """The verdict of each compared summary, by the id() of the summary. Each data set is a family of its own.

        Empty for a study with `seeds.until`, where a test for a fixed number of seeds would not hold its level.
        """
        if self.rounds:
            return {}
        return {key: verdict for title in self.titles for key, verdict in self._reach_verdicts(title).items()}

    def _reach_verdicts(self, title: str) -> dict[int, Verdict]:
        """The verdicts of one data set, by the id() of the summary."""
        compared = self.compared_on(title)
        variants, pairs = self._family(title)
        named = [(summary.name, summary.costs) for summary in variants]
        found = reach_verdicts(named, pairs, self.paired_from, self.decision.maximized)
        return {id(summary): verdict for (summary, _), verdict in zip(compared, found)}

    def _family(self, title: str) -> tuple[list[S], list[tuple[int, int]]]:
        """The compared variants and baselines of one data set, and the comparisons by their numbers."""
        compared = self.compared_on(title)
        variants = list({id(summary): summary for both in compared for summary in both}.values())
        number = {id(summary): i for i, summary in enumerate(variants)}
        return variants, [(number[id(summary)], number[id(other)]) for summary, other in compared]

    @cached_property
    def rank_intervals(self) -> dict[str, list[RankInterval] | None]:
        """By data set the ranks that each variant may have; None with fewer than two, or if its seeds allow no verdict."""
        return {title: self._rank_intervals(title) for title in self.titles}

    def _rank_intervals(self, title: str) -> list[RankInterval] | None:
        """The intervals, with what the verdicts say added: in one direction each of both errs in 2.5% of cases or fewer."""
        if self.rounds:  # as of verdicts
            return None
        summaries, size = self.on(title), len(self.on(title))
        found = rank_intervals([summary.costs for summary in summaries], self.paired_from) if size > 1 else None
        if found is None:
            return None
        place = {id(summary): i for i, summary in enumerate(summaries)}
        for summary, baseline in self.compared_on(title):
            verdict = self.verdicts[id(summary)]
            if verdict.reached:
                both = place[id(summary)], place[id(baseline)]
                better, worse = both if verdict.comparison.direction < 0 else both[::-1]
                found[better] = found[better]._replace(worst=min(found[better].worst, size - 1))
                found[worse] = found[worse]._replace(best=max(found[worse].best, 2))
        return found

    @cached_property
    def leading(self) -> set[int]:
        """The id() of each summary that cannot be distinguished from the best, of data sets where some others can."""
        found = set()
        for title in self.titles:
            intervals, summaries = self.rank_intervals[title], self.on(title)
            first = [s for s, interval in zip(summaries, intervals or ()) if interval.best == 1]
            found |= {id(summary) for summary in first} if len(first) < len(summaries) else set()
        return found

    def comparison_sentences(self) -> Iterator[str]:
        """What the seeds say of each variant and its baseline, the data sets in order."""
        for title in self.titles:
            verdicts = [self.verdicts[id(summary)] for summary in self.on(title) if id(summary) in self.verdicts]
            enough = None
            if any(not verdict.possible for verdict in verdicts):
                variants, pairs = self._family(title)
                seeds = min(summary.n for summary in variants) // self.folds
                enough = fewest_seeds(self.folds, len(variants), pairs, seeds, self.paired_from)
            for sentence in verdict_sentences(verdicts, self.unit, self.format, enough):
                yield f"{self.on_words(title)}{sentence}"

    def on_words(self, title: str) -> str:
        """ "On CIFAR-10, " before a sentence where there are several data sets, else ""."""
        return f"On {title}, " if len(self.titles) > 1 else ""

    def order_sentences(self) -> Iterator[str]:
        """Which variants may be the best, the data sets in order; none of a study with `seeds.until`."""
        for title in self.titles if self.rounds is None else ():
            intervals, summaries = self.rank_intervals[title], self.on(title)
            if len(summaries) < 3 or max(summary.n for summary in summaries) < 2:
                continue
            may = [s for s, interval in zip(summaries, intervals or ()) if interval.best == 1]
            first = [s.name for s in sorted(may, key=lambda s: self.decision.cost(s.median or 0.0))]
            where = self.on_words(title)
            if intervals is None or len(first) == len(summaries):
                numbers = sorted({summary.n for summary in summaries})
                seeds = span(numbers[0], numbers[-1], self.unit)
                said = f"with {seeds} any of the {len(summaries)} variants may be the best"
                if self.effects.groups:
                    said = f"compared two by two, {said}; the effects are of all trainings together and say more"
                yield f"{where}{said}." if where else f"{said[0].upper()}{said[1:]}."
            elif len(first) == 1:
                claim = none_better(len(summaries), first[0])
                yield f"{where}{claim}." if where else f"{claim[0].upper()}{claim[1:]}."
            else:
                named = f"{where}{listed(first)} cannot be distinguished from the best"
                yield f"{named}: with 95% confidence it is one of them."
