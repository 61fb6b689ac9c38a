"""The results of a study: each variant compared with its baseline and with the published value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ablate.data.location import Location
from ablate.records.imported import Imported, read_imported
from ablate.records.timings import Probe, read_probes
from ablate.report.both_answers import both_sentences
from ablate.report.compared import Compared
from ablate.report.document import scale_badge
from ablate.report.growth import Exponent, GrowthPoint, count_networks, growth_exponents, growth_points
from ablate.report.numbers import counted, finite
from ablate.report.predictions import DataPredictions, read_predictions
from ablate.report.published import Logged, Match, find_log, find_published, rows_without_variant
from ablate.report.rounds import asked_only, follow_rounds
from ablate.report.rounds_table import rounds_sentences
from ablate.report.setting import describe_held_out, describe_setting
from ablate.report.summary import Summary, summarize
from ablate.report.verdicts import FOLDS_SHARE
from ablate.statistics.further_runs import predict_median
from ablate.statistics.images import ImageComparison
from ablate.statistics.ranking import order_agreement
from ablate.study.decision import TEST_ERROR
from ablate.study.limits import Measured
from ablate.study.study import Published, PublishedRow, Study, Variant
from ablate.train.estimates import find_timed, measured_costs

ONCE = "the test images were evaluated once, after the last epoch"


@dataclass(frozen=True)
class StudyAnalysis(Compared[Summary]):
    """The results of a study of networks, compared with each other and with published values.

    Args:
        location: Where the images are, for those that a figure shows; None: they are not shown.
    """

    study: Study
    location: Location | None = None

    @cached_property
    def predictions(self) -> list[DataPredictions]:
        """The predictions on each data set whose trainings keep logits.

        Raises:
            RecordError: Kept logits are damaged.
        """
        return [found for title in self.titles if (found := read_predictions(self.on(title)))]

    @cached_property
    def over_images(self) -> dict[int, ImageComparison]:
        """The comparison with its baseline over the images, by the id() of the summary. Each data set is a family.

        Empty for a study with `seeds.until`, as seeds that are added after a look would spoil its rate of error.
        """
        found: dict[int, ImageComparison] = {}
        for one in self.predictions if self.rounds is None else ():
            known = {id(variant.summary): variant for variant in one.variants}
            compared = self.compared_on(one.title)
            pairs = [(known[id(s)], known[id(b)]) for s, b in compared if id(s) in known and id(b) in known]
            found |= {id(ours.summary): made for (ours, _), made in zip(pairs, one.compare(pairs) if pairs else ())}
        return found

    @property
    def badge(self) -> str:
        """The text beside every title; empty if there is none.

        It says that the study runs at another scale, and that epochs were chosen on the test images.
        """
        best = self.study.epoch_rule == "best" and self.decision.split == "test"
        values = "errors" if self.decision.noun == "error" else self.decision.noun
        chosen = f"{values} of the best epoch, chosen on the test images" if best else ""
        return "; ".join(filter(None, [scale_badge(self.study.scale), chosen]))

    def setting(self, separator: str) -> str:
        """The data and recipe that the variants share, and the axes that vary, in words."""
        if separator not in self._settings:
            self._settings[separator] = describe_setting(self.summaries, separator)
        return self._settings[separator]

    @cached_property
    def _settings(self) -> dict[str, str]:
        """What setting() returned, by separator: each figure has it in its caption."""
        return {}

    def measured(self) -> str:
        own = [f"{one.words[:1].upper()}{one.words[1:]} is {one.code}." for one in self.study.measures if one.code]
        extras = dict.fromkeys(extra for summary in self.summaries for extra in summary.variant.data.also_test)
        own += [f"{extra.title}: {extra.words}, evaluated once." for extra in extras]
        return " ".join([super().measured(), *own])

    @property
    def decided_on(self) -> str:
        if self.decision.once:
            return f"The variants are compared by the {self.decision.words}, evaluated once."
        if self.decision.split == "test":
            return "The variants are compared on the test images."
        if self.decision.split == "validation" and self.study.held_out:
            return f"Validation images: {describe_held_out(self.study.held_out)}; {ONCE}."
        return ""

    @property
    def sampling(self) -> str:
        sizes = sorted({images for one in self.shown if self.images_error(one) is not None and (images := _images(one))})
        if not sizes:
            return ""
        kind = "test" if self.decision.split == "test" else "validation"
        count = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        return (
            f"SE of the images: the standard error of the median from the sample of {count} {kind} images. No interval "
            "here includes it; it is smaller for a difference on the same images"
        )

    def images_error(self, summary: Summary) -> float | None:
        """The standard error in points that the number of images puts on the median error; None for other measures."""
        images, error = _images(summary), finite(summary.median)
        if self.decision.measure != "error" or not images or error is None:
            return None
        return math.sqrt(max(0.0, error * (100 - error)) / images)

    @property
    def epochs(self) -> str:
        by, when = self.decision, "at the last epoch"
        if self.study.epoch_rule == "best":
            images = {"test": " (chosen on the test images)", "validation": " (chosen on the held-out images)", "": ""}
            when = f"at the epoch where it is {by.lowest}{images[by.split]}"
        return ", ".join(filter(None, [f"{by.title} {when}", by.in_unit]))

    @cached_property
    def imported(self) -> tuple[Imported, ...]:
        """The imported logs of the authors in the runs directory."""
        return tuple(read_imported(self.runs))

    def match(self, summary: Summary) -> Match | None:
        """The published value of a variant; None if there is none."""
        return self._matches.get(id(summary))

    def log(self, summary: Summary) -> Logged | None:
        """The error in an imported log of the variant's network on its data set; None without such a log."""
        return find_log(summary, self.imported)

    @cached_property
    def _matches(self) -> dict[int, Match]:
        return {id(s): match for s in self.summaries if (match := find_published(self.study, s))}

    @cached_property
    def rows_without_variant(self) -> list[tuple[Published, PublishedRow]]:
        """The published rows that match no variant and that reports show, each with its table."""
        return rows_without_variant(self.study, self.summaries)

    @property
    def base(self) -> Variant:
        """The network that the others are compared with, in a study without seeds."""
        return (next(filter(None, self.baselines), None) or self.summaries[0]).variant

    @cached_property
    def networks(self) -> list[dict[str, Any]]:
        """One row per network of a study without seeds, as plain values."""
        rows = count_networks(self.summaries, self.base)
        if any(self.timed):
            for row, summary, probe in zip(rows, self.summaries, self.timed):
                row["step_ms"] = probe and round(probe.train_step_ms.median, 1)
                if any(map(self.published_error, self.summaries)):
                    row["published_error"] = self.published_error(summary)
        return rows

    @cached_property
    def measured_costs(self) -> Measured:
        """The costs of each variant that probes in the runs directory have measured, all under the same conditions."""
        return measured_costs([summary.variant for summary in self.summaries], read_probes(self.runs))

    def measured_cost(self, summary: Summary, name: str) -> float | None:
        """A measured cost of a variant; None where it is not measured.

        Args:
            summary: One of `summaries`.
            name: In MEASURED_COSTS.
        """
        return self._measured_of.get(id(summary), {}).get(name)

    @cached_property
    def _measured_of(self) -> dict[int, Mapping[str, float]]:
        return {id(summary): costs for summary, costs in zip(self.summaries, self.measured_costs.costs)}

    @cached_property
    def timed(self) -> list[Probe | None]:
        """The probe of each network in a study without seeds; None for a network that was not timed."""
        variants = [summary.variant for summary in self.summaries]
        return [None] * len(variants) if self.study.seeds else find_timed(variants, read_probes(self.runs))

    def timing(self) -> str:
        """What was timed and on which device; empty if nothing was timed."""
        probe = next(filter(None, self.timed), None)
        if probe is None:
            return ""
        return (
            f"Forward, backward and update of a minibatch of {probe.workload.batch_size}, {probe.workload.precision}, on "
            f"{probe.device}, torch {probe.torch}, {probe.side_by_side} at once, {counted(probe.threads, 'thread')} each"
        )

    def published_error(self, summary: Summary) -> float | None:
        """The published test error of a variant in percent; None unless it was published for exactly this network."""
        match = self.match(summary)
        return match.value if match and match.row.architecture == summary.variant.architecture else None

    def published_alike(self, summary: Summary) -> float | None:
        match, by = self.match(summary), self.decision
        alike = match and not match.differences and (by.split, by.measure) == ("test", match.measure)
        return match.value if match and alike else None

    def published_difference(self, summary: Summary) -> float | None:
        """Our median minus the published error in points; None without one of them, or if they are of other images."""
        match = self.match(summary)
        ours = finite(summary.test_median(match.measure)) if match else None
        if match is None or ours is None or summary.variant.data.stands_for != match.data:
            return None
        return ours - match.value

    @cached_property
    def growth_points(self) -> list[GrowthPoint]:
        """The networks that differ from the base in one numeric axis, in a study without seeds."""
        return [] if self.study.seeds else growth_points([summary.variant for summary in self.summaries], self.base)

    @cached_property
    def growth(self) -> list[Exponent]:
        """The exponents with which the counts of a study without seeds grow along its axes."""
        return growth_exponents(self.growth_points)

    def about_json(self) -> dict[str, Any]:
        data = list(dict.fromkeys(summary.variant.data.title for summary in self.summaries))
        return {"data": data, **({"epoch_rule": self.study.epoch_rule} if self.study.seeds else {})}

    def as_json(self) -> dict[str, Any]:
        if self.study.seeds:
            return super().as_json()
        study = {"study": self.study.name, "title": self.study.title, "scale": self.study.scale, **self.about_json()}
        growth = [exponent._asdict() for exponent in self.growth]
        return {**study, "base": self.base.net, "networks": self.networks, "growth": growth}

    def summary_json(self, summary: Summary) -> dict[str, Any]:
        """As of any study, with the published value."""
        match = self.match(summary)
        published = match and {
            match.measure: match.value, "source": match.published.source, "protocol_differs": list(match.differences),
        }  # fmt: skip
        return {**super().summary_json(summary), "published": published}

    @cached_property
    def sentences(self) -> list[str]:
        """The conclusions that the seeds allow and do not allow, one sentence each.

        They cover each variant against its baseline, the order of the variants, and the published values.
        """
        compared = [*(rounds_sentences(self) if self.rounds else self.comparison_sentences())]
        folds = [FOLDS_SHARE] if self.folds > 1 and compared else []
        both = both_sentences(self, self.untuned, self.tuned) if self.tuned else ()
        return [*compared, *both, *folds, *self.order_sentences(), *self._published_sentences()]

    def _published_sentences(self) -> Iterator[str]:
        for title in self.titles:
            found = [(s, match) for s in self.on(title) if (match := self.match(s))]
            matched = {s.label: (s, match) for s, match in found if s.test_median(match.measure) is not None}
            medians = {name: s.test_median(match.measure) for name, (s, match) in matched.items()}
            ours = {name: median for name, median in medians.items() if median is not None}
            agreement = order_agreement(ours, {name: match.value for name, (_, match) in matched.items()})
            if agreement.tau is not None and agreement.names > 2:
                same = not any(match.differences for _, match in matched.values())
                ties = f", with {counted(agreement.tied, 'tie')}"
                yield (
                    f"{agreement.concordant} of {agreement.pairs} pairs of networks have the published order "
                    f"(Kendall's tau {agreement.tau:.2f}{'' if same else '; the protocols differ'})"
                    f"{ties if agreement.tied else ''}"
                    f"{f' on {title}' if len(self.titles) > 1 else ''}."
                )
            for summary, match in matched.values():
                if not match.differences and summary.description and self.decision == TEST_ERROR:
                    yield f"{self.on_words(title)}{_reproduced(summary, match)}"


def analyze_study(
    study: Study,
    variants: Sequence[Variant],
    baselines: Sequence[Variant | None],
    runs: Path,
    location: Location | None = None,
) -> StudyAnalysis:
    """The analysis of the records that a runs directory has of a study.

    Args:
        study: As loaded by load_study().
        variants: The variants of the study, in order.
        baselines: The baseline of each variant, one of `variants`; None for no baseline.
        runs: The runs directory.
        location: As in StudyAnalysis.

    Raises:
        RecordError: A record is damaged, or records of one data set were made on different images.
    """
    summaries = tuple(summarize(variants, study.seeds, runs, study.epoch_rule, study.decision, study.measures))
    of_variant = {id(summary.variant): summary for summary in summaries}
    compared = tuple(None if variant is None else of_variant[id(variant)] for variant in baselines)
    rounds = follow_rounds(study.until, summaries, compared, len(study.held_out) or 1) if study.until else None
    return StudyAnalysis(study, *asked_only(rounds, summaries, compared), runs, rounds, location=location)


def _images(summary: Summary) -> int:
    """How many images a variant is evaluated on, of all folds together; 0 where no record says so."""
    recorded = [(one.trial.data.held_out, one.record) for one in summary.trials if one.record]
    return int(sum({fold: record.result.get("test_images") or 0 for fold, record in recorded}.values()))


def _reproduced(summary: Summary, match: Match) -> str:
    """The sentence on a published value that was measured by the same protocol as ours."""
    runs = match.published.seeds or 1
    stated = "one run" if match.published.seeds else "one run, as the number is not stated"
    what = f"a median of {runs} runs" if runs > 1 else stated
    published = f"{summary.name}: the published {match.value:.2f}%"
    if summary.n == 1:
        ours = _percent(summary.errors[0])
        return f"{published} is {what}, ours {ours}{' another' if math.isfinite(summary.errors[0]) else ''}."
    found = predict_median(summary.errors, runs)
    if found is None:
        why = f"as {len(summary.diverged)} of our {summary.n} seeds diverged"
        why = why if summary.diverged else f"as our {summary.n} seeds are all the same, {_percent(summary.errors[0])}"
        return f"{published} is {what}; {why}, nothing can be predicted."
    within = "within" if found.low <= match.value <= found.high else "below" if match.value < found.low else "above"
    return (
        f"{published} ({what}) lies {within} the interval that our {counted(summary.n, 'seed')} "
        f"predict, {max(found.low, 0.0):.2f} to {_percent(found.high)} ({found.level:.0%} prediction interval"
        f"{', assuming normal errors' if found.normal else ''})."
    )


def _percent(error: float) -> str:
    return f"{error:.2f}%" if math.isfinite(error) else "diverged"
