"""LastEpoch: evaluates a trial after its last epoch, and writes the logits that it keeps and the measures of its study."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy.typing as npt
from torch import nn

from ablate.data.corruptions import corrupt
from ablate.data.streaming import Streamed
from ablate.data.tensors import LabelledTensors, Normalization, to_tensors
from ablate.errors import DataError, NotationError
from ablate.kinds.hooks import Hooks
from ablate.kinds.measures import ERROR, key_of, take_measure
from ablate.records.logits import TESTED, Logits, write_evaluation
from ablate.study.data import ExtraTest
from ablate.train.batches import TestBatches, resident_batch
from ablate.train.job import Job
from ablate.train.process_group import ALONE, ProcessGroup
from ablate.train.randomness import stream_seed
from ablate.train.setup import ImageCache
from ablate.train.side_by_side import SideBySide
from ablate.train.testing import Testing

Part = Union[LabelledTensors, Streamed]
Positions = npt.NDArray[Any]  # shape (N,)


@dataclass(eq=False)
class LastEpoch:
    """The evaluations of a trial after its last epoch.

    Args:
        job: The trial and where it is.
        positions: The numbers of the images in their parts of the data set, by the name of the images.
        networks: The network that is tested, by TESTED; where its moving average is tested and both are asked for, also the
            network itself, by "trained".
        averaged: Whether the network that is tested is a moving average.
        normalization: Of the pixels.
        hooks: Of a recipe of the user's own; None: there is none.
        group: The ranks that evaluate together; only rank 0 writes.
        beat: Called after each step.
    """

    job: Job
    positions: dict[str, Positions]
    networks: dict[str, nn.Module]
    averaged: bool
    normalization: Normalization
    hooks: Hooks | None = None
    group: ProcessGroup = ALONE
    beat: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.data = self.job.trial.data
        self.left = self.data.keep.most

    def testing(self, part: Part, weights: str = TESTED) -> Testing:
        """The test pass of some images.

        Args:
            part: The images.
            weights: A key of `networks`.
        """
        # Streamed images are large, and so are those with boxes: a test batch of the training batch size fits into memory
        # if training does.
        recipe = self.job.trial.recipe
        large = isinstance(part, Streamed) or self.data.task.entry.own_loss
        size = recipe.batch_size if large else resident_batch(self.normalization.mean.device) * self.group.size
        batches = TestBatches(part, self.normalization, size, group=self.group)
        return Testing(self.networks[weights], batches, recipe, self.data.epoch_measures, self.hooks)

    def is_wanted(self, images: int) -> bool:
        """Whether the logits of so many images are needed after the last epoch: to be kept, or for a measure.

        Outputs that are no logits are never kept.

        Args:
            images: How many, at least 1.
        """
        if self.data.task.entry.own_loss:
            return False
        return images >= self.group.size and (bool(self.data.measures) or 2 * images * self.data.classes <= self.left)

    def write(self, directory: Path, tested: dict[str, Testing], there: Collection[str] = ()) -> None:
        """Evaluate what is not evaluated yet, and write all.

        Args:
            directory: Of the trial's record; its epochs are complete.
            tested: By the names of the images: the passes of the last epoch. Those that kept no logits are made again.
            there: The names of the images whose evaluations stay as they are.

        Raises:
            DataError: Further test images are missing, damaged or not what the study declares.
        """
        for images, testing in tested.items():
            for weights in self.networks if images not in there else ():
                one = testing if weights == TESTED else self.testing(testing.batches.part, weights)
                self._write(directory, images, one, self.positions[images], weights)
        for extra in (one for one in self.data.also_test if one.key not in there):
            part, positions, digest = self._extra(extra, tested["test"].batches.part)
            self._write(directory, extra.key, self.testing(part), positions, always=True, digest=digest)

    def _write(
        self,
        directory: Path,
        images: str,
        testing: Testing,
        positions: Positions,
        weights: str = TESTED,
        always: bool = False,
        digest: str = "",
    ) -> None:
        """Write an evaluation; `always` even if no logits are kept and no measure is asked for."""
        if testing.kept is None and (always or self.is_wanted(testing.batches.images)):
            testing.keeping = True
            SideBySide([testing], beat=self.beat).run([self.job.trial.recipe.epochs])
        if testing.kept is not None and self.group.is_first:
            labels = testing.batches.part.labels.cpu().numpy()
            name = "ema" if self.averaged and weights == TESTED else "trained"
            logits = Logits(testing.kept.numpy(), labels, positions, images, name)
            self.left -= write_evaluation(directory, logits, weights, self._measure, self.left, digest)

    def _measure(self, logits: Logits | None) -> dict[str, float | None]:
        """The error and the measures of the study, by key_of(); None where logits are not finite."""
        found: dict[str, float | None] = {}
        for one in (ERROR.name, *self.data.measures):
            try:
                found[key_of(one)] = take_measure(one, logits.values, logits.labels) if logits else None
            except NotationError as error:  # a report takes it again, by code that may have been repaired
                print(f"{error}; recorded without this measure")
        return found

    def _extra(self, extra: ExtraTest, test: Part) -> tuple[Part, Positions, str]:
        """Further test images, their numbers in their data set, and the digest of their files if it is another one."""
        device = self.normalization.mean.device
        if extra.data:
            images = ImageCache()
            loaded = images.load(extra.data, self.job.location, device)
            return loaded.test, images.positions["test"], loaded.digest
        if isinstance(test, Streamed) or test.images.is_floating_point():  # an axis of the variants may say so
            raise DataError(f"also_test: {extra.title}: needs images that are neither streamed nor whitened")
        seed = stream_seed(extra.seed, "corruption", extra.severity)
        copies = corrupt(extra.corruption, extra.severity, test.images.cpu().numpy(), seed)
        return to_tensors(copies, test.labels.cpu().numpy(), device), self.positions["test"], ""
