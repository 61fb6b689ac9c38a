"""The predictions of a study's trainings on the images that it is decided on, read from the logits that they keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ablate.records.logits import Logits, read_logits
from ablate.report.figure_values.selection import rank_of
from ablate.report.summary import Summary
from ablate.statistics.images import ImageComparison, compare_on_images
from ablate.statistics.predictions import agreement, class_errors, confusion, missed_by_all, sampling_error
from ablate.study.labels import fold_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Classes = npt.NDArray[np.integer[Any]]
    Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class VariantPredictions:
    """The predictions of a variant.

    Args:
        summary: The variant.
        predicted: By seed the class that its network predicts for each image; with folds, for the images of all folds.
        ensemble_error: In percent, of the class with the highest mean probability over the seeds.
        trials: The ids of the records.
        labels: The class of each image, from 0.
        classes: Their number.
    """

    summary: Summary
    predicted: Mapping[int, Classes]
    ensemble_error: float
    trials: tuple[str, ...]
    labels: Classes
    classes: int

    @cached_property
    def stacked(self) -> Classes:
        """The predictions of all seeds, of shape (seeds, images)."""
        import numpy as np

        return np.stack([*self.predicted.values()])

    @property
    def error(self) -> float:
        """The mean error of the seeds in percent."""
        return float(100 * (self.stacked != self.labels).mean())

    @property
    def sampling_error(self) -> float:
        """The standard error in points that the number of images puts on `error`."""
        return sampling_error(self.labels, self.stacked)

    @cached_property
    def confusion(self) -> Floats:
        """The images of each class (rows) predicted as each class (columns), mean over the seeds."""
        return confusion(self.labels, self.stacked, self.classes)

    @property
    def class_errors(self) -> Floats:
        """The error of each class in percent; NaN for a class without images."""
        return class_errors(self.confusion)


@dataclass(frozen=True)
class DataPredictions:
    """The predictions of all variants of a data set on the same images.

    Args:
        title: Of the data set.
        split: "test" or "validation".
        classes: Their number.
        labels: The class of each image, from 0.
        places: Of shape (images, 2): the fold of each image, 0 without folds, and its number in its part of the data set.
        variants: The best median first; only those whose trainings keep logits.
        left_out: How many recorded trainings have none, or are not complete over the folds; a diverged one has none.
    """

    title: str
    split: str
    classes: int
    labels: Classes
    places: Classes
    variants: tuple[VariantPredictions, ...]
    left_out: int

    def agreement(self, variants: Sequence[VariantPredictions]) -> Floats:
        """How often trainings of two variants predict the same, 0 to 1; on the diagonal two seeds of one variant."""
        return agreement([one.stacked for one in variants], self.classes)

    def missed(self, variants: Sequence[VariantPredictions]) -> Classes:
        """The images, as places in `labels`, that every seed of every variant predicts wrongly."""
        return missed_by_all(self.labels, [one.stacked for one in variants])

    def compare(self, pairs: Sequence[tuple[VariantPredictions, VariantPredictions]]) -> list[ImageComparison]:
        """Variants compared with their baselines over these images; the pairs are a family.

        Args:
            pairs: Variant and baseline, both of `variants`.
        """
        number = {id(one): i for i, one in enumerate(self.variants)}
        wrong = [{seed: made != self.labels for seed, made in one.predicted.items()} for one in self.variants]
        return compare_on_images(wrong, [(number[id(ours)], number[id(theirs)]) for ours, theirs in pairs])


def read_predictions(summaries: Sequence[Summary]) -> DataPredictions | None:
    """The predictions of the variants of one data set; None where no training keeps logits, or not of the same images.

    Args:
        summaries: The variants of one data set that have a recorded seed.

    Raises:
        RecordError: Kept logits are damaged.
    """
    import numpy as np

    first: tuple[Classes, Classes] | None = None
    found, left_out, split, classes = [], 0, "", 0
    for summary in summaries:
        folds = len({fold_of(one.trial) for one in summary.trials})
        of_seed: dict[int, list[tuple[int, Logits, str]]] = {}
        for one in summary.trials:
            if one.record and (
                logits := None if one.record.diverged else read_logits(one.record, classes=one.trial.data.classes)
            ):
                of_seed.setdefault(one.trial.seed, []).append((fold_of(one.trial) or 0, logits, one.record.id))
        predicted, total, trials = {}, None, []
        for seed, parts in of_seed.items():
            parts.sort(key=lambda part: part[0])
            labels = np.concatenate([part.labels for _, part, _ in parts])
            folded = [np.stack([np.full_like(part.positions, fold), part.positions], axis=1) for fold, part, _ in parts]
            places = np.concatenate(folded)
            if len(parts) == folds:
                first = first or (labels, places)
            if first is None or len(parts) < folds or not all(map(np.array_equal, (labels, places), first)):
                continue
            values = np.concatenate([part.values for _, part, _ in parts])
            predicted[seed] = values.argmax(axis=1).astype(np.min_scalar_type(values.shape[1] - 1))
            total = _probabilities(values) + (0.0 if total is None else total)
            trials += [trial for _, _, trial in parts]
            split, classes = parts[0][1].images, values.shape[1]
        left_out += summary.n - len(trials)
        if predicted and total is not None and first is not None:
            ensemble = float(100 * (total.argmax(axis=1) != first[0]).mean())
            found.append(VariantPredictions(summary, predicted, ensemble, tuple(trials), first[0], classes))
    if first is None or not found or len(first[0]) < 2:
        return None
    ranked = tuple(sorted(found, key=lambda one: rank_of(one.summary)))
    return DataPredictions(summaries[0].data_title, split, classes, *first, ranked, left_out)


def _probabilities(values: Floats) -> Floats:
    import numpy as np

    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
