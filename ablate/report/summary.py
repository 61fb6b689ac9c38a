"""The Summary of the records of a variant's seeds.

Values are of the measure that the study decides by, such as test errors in percent, at the epoch that its rule selects.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import RecordError
from ablate.kinds.measures import ERROR, MEASURES
from ablate.records.records import Record, Split, read_record
from ablate.records.result import FINAL
from ablate.report.measured import measured
from ablate.report.numbers import finite
from ablate.report.seeds import Seeds, TrainingKey, TrialRecord
from ablate.study.axis_text import DATA_TITLE, RECIPE_NAME, named_value, shown_value
from ablate.study.data import ExtraTest
from ablate.study.decision import TEST_ERROR, Decision, ShownMeasure
from ablate.study.designs import designs_json
from ablate.study.labels import axis_value, fold_of, varied_axes
from ablate.study.study import EpochRule, Trial, Variant


@dataclass(frozen=True)
class Summary(Seeds[Trial]):
    """The seeds of a variant of networks in numbers.

    Args:
        variant: The variant.
        trials: The trials in the order of the seeds, each with its record.
        decision: What the variants are compared by.
        axes: The values of the axes that vary in the study and that the network's name does not show.
        epoch_rule: "last" for the value of the last epoch, "best" for the best of all epochs.
        measures: What is shown besides the error.
    """

    variant: Variant
    axes: dict[str, Any]
    epoch_rule: EpochRule = "last"
    measures: tuple[ShownMeasure, ...] = ()

    @property
    def net(self) -> str:
        """The name of the network in the author's words if there are any, or of the row of a design."""
        return self.variant.title or self.variant.words or self.variant.net

    @property
    def data_title(self) -> str:
        return self.variant.data.title

    @property
    def name(self) -> str:
        """The network and the varied axes that its entry names, without the data set."""
        return self.label_with(self.axes.keys() - {DATA_TITLE})

    @property
    def label(self) -> str:
        """The network and the varied axes that its entry names, with the data set; for legends."""
        return self.label_with(self.axes)

    @property
    def label_axes(self) -> Mapping[str, Any]:
        return self.axes

    def label_with(self, axes: Collection[str]) -> str:
        """The network, and of some axes those that its entry names."""
        parts = []
        beside = (RECIPE_NAME, DATA_TITLE) if self.variant.title else self.axes
        for axis, value in self.axes.items():
            if axis in self.variant.axes and axis in beside and axis in axes:
                parts.append(self.variant.labels.get(axis) or named_value(axis, shown_value(value)))
        return ", ".join([self.net, *parts])

    @property
    def parameters(self) -> int:
        return self.variant.counts.parameters

    def training_key(self, trial: Trial) -> TrainingKey:
        """The seed of a training; with folds, (fold from 1, seed)."""
        fold = fold_of(trial)
        return trial.seed if fold is None else (fold, trial.seed)

    def value(self, record: Record) -> float:
        by = self.decision
        return record.value(by.column, by.worst, self.epoch_rule, by.maximized)

    def rows(self, record: Record) -> list[dict[str, Any]]:
        """The epochs of a record that curves show, which are those before it diverged."""
        return record.epochs()[: -1 if record.diverged else None]

    def test_median(self, measure: str = ERROR.name) -> float | None:
        """The median of a measure of the test images, to compare with published values; None where there is none.

        Args:
            measure: As in median_of().
        """
        by = self.decision
        if (by.split, by.measure) == ("test", measure):
            return self.median
        worst = by.worst if measure == by.measure else math.inf
        return self.median_once(measure, worst) if self.tested_once else self.median_of(measure, worst)

    @property
    def tested_once(self) -> bool:
        """Whether each training decides on held-out images and evaluates the test images once, at its end."""
        return self.variant.data.held_out is not None and self.variant.data.held_out.test

    def median_once(self, measure: str, worst: float = math.inf) -> float | None:
        """The median of a measure of the test images that were evaluated once; None without any.

        Args:
            measure: A name of MEASURES or of a measure of the study, such as "error".
            worst: The value of a seed that diverged.

        Raises:
            RecordError: A record does not have it.
        """
        found = [record.value(f"{FINAL}{measure}", worst) for record in self.records]
        return statistics.median(found) if found else None

    def median_of(self, measure: str, worst: float = math.inf) -> float | None:
        """The median of a measure over the seeds with a record of it; None without any.

        A diverged seed counts as worse than any value.

        Args:
            measure: A name of MEASURES or of a measure of the study, such as "error".
            worst: The value of a seed that diverged.
        """
        return self._median(f"test_{measure}", worst)

    def _median(self, column: str, worst: float) -> float | None:
        """The median of a column of the records that have it."""
        records = [record for record in self.records if column in record.result]
        found = [worst if (value := record.result[column]) is None or record.diverged else value for record in records]
        return statistics.median(found) if found else None

    @property
    def more_measures(self) -> list[ShownMeasure]:
        """The measures that are shown besides the one that the study decides by."""
        usual = [ShownMeasure(one.name, one.words, one.unit, one.goal) for one in self.variant.data.task.entry.measures]
        known = {measure.name for measure in self.measures}
        of_data = (MEASURES[name] for name in self.variant.data.data_set.measures if name not in known)
        more = (ShownMeasure(measure.name, measure.words, measure.unit, measure.goal) for measure in of_data)
        return [one for one in (*usual, *more, *self.measures) if one.name != self.decision.measure]

    @property
    def _of_task(self) -> list[str]:
        """The names of the measures that every trial of the task has."""
        return [one.name for one in self.variant.data.task.entry.measures]

    def median_on(self, extra: ExtraTest, measure: str, worst: float = math.inf) -> float | None:
        """The median of a measure of further test images over the seeds that were evaluated on them; None without any.

        Args:
            extra: The images.
            measure: As in median_of().
            worst: As in median_of().
        """
        return self._median(f"{extra.column}_{measure}", worst)

    def as_json(self) -> dict[str, Any]:
        return {
            "net": self.variant.net,
            **({"title": self.variant.title} if self.variant.title else {}),
            **({"labels": dict(self.variant.labels)} if self.variant.labels else {}),
            **designs_json(self.variant),
            "axes": self.axes,
            "blocks_per_group": self.variant.blocks_per_group,
            "parameters": self.variant.counts.parameters,
            "multiply_adds": self.variant.counts.multiply_adds,
            "data": self.variant.data.title,
            self.decision.median_name: finite(self.median),
            **self.seeds_json(),
            **self._held_out_json(),
        }

    def _held_out_json(self) -> dict[str, Any]:
        """Plain values that only a study with `validation` or `measures` has."""
        folds = [key[0] for key in self.error_by_seed if isinstance(key, tuple)]
        by, split = self.decision, self.decision.split
        once = {f"median_test_{by.measure}": finite(self.median_once(by.measure, by.worst))} if self.tested_once else {}
        more = {
            f"median_{split}_{one.name}": finite(self.median_of(one.name, one.worst))
            for one in self.more_measures
            if split and (one in self.measures or one.name in self._of_task)
        }
        by_error = {self._of_task[0]: math.inf, by.once or by.measure: by.worst}
        also = {
            f"median_{extra.column}_{name}": finite(self.median_on(extra, name, worst))
            for extra in self.variant.data.also_test
            for name, worst in by_error.items()
        }
        return {**({"folds": folds} if self.variant.folds else {}), **once, **more, **also}


def summarize(
    variants: Sequence[Variant],
    seeds: tuple[int, ...],
    runs: Path,
    epoch_rule: EpochRule = "last",
    decision: Decision = TEST_ERROR,
    measures: tuple[ShownMeasure, ...] = (),
) -> list[Summary]:
    """One Summary per variant, in order.

    Args:
        variants: The variants of a study.
        seeds: The seeds of the study.
        runs: The runs directory.
        epoch_rule: "last" for the value of the last epoch, "best" for the best of all epochs.
        decision: What the variants are compared by.
        measures: What is shown besides the error.

    Raises:
        RecordError: A record is damaged, or records of one data set were made on different images.
    """
    varied = varied_axes(variants)
    summaries = []
    for variant in variants:
        split: Split = "test" if variant.data.held_out is None else "validation"
        trials = variant.trials(seeds)
        records = [read_record(runs, trial.id, split) for trial in trials]
        found = [record and measured(record, variant.data) for record in records]
        of_variant = tuple(map(TrialRecord, trials, found))
        axes = {axis: axis_value(variant, axis) for axis in varied}
        summaries.append(Summary(variant, of_variant, decision, axes, epoch_rule, measures))
    _check_images(summaries)
    return summaries


DIFFERENT = {  # what differs where a digest does
    "data_digest": "different images",
    "pixel_digest": "the same images, decoded to different values",
    "weights_digest": "different first weights",
}


def _check_images(summaries: Sequence[Summary]) -> None:
    """Check that all records of a data set were made with the same files, decoded to the same values if that is known."""
    seen: dict[Any, Record] = {}
    for summary in summaries:
        data = summary.variant.data
        for record in summary.records:
            keys: list[tuple[Any, ...]] = [("data_digest", data.name, data.title, data.own, data.streamed)]
            if "weights_digest" in record.result:  # of the file that training began with
                keys.append(("weights_digest", data.task, summary.variant.net))
            if "pixel_digest" in record.result:  # records of earlier versions have none
                keys.append(("pixel_digest", data.name, data.title, data.image_size, data.on_damaged, data.read_options))
            for key in keys:
                first = seen.setdefault(key, record)
                digests = [each.result.get(key[0]) for each in (record, first)]
                if digests[0] != digests[1]:
                    how = DIFFERENT[key[0]]
                    raise RecordError(
                        f"{record.directory} and {first.directory}: recorded on {how} "
                        f"({', '.join(map(str, digests))}); no median mixes them"
                    )
