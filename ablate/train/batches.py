"""Batches of normalized images for training and testing, resident on the device or streamed.

For resident images, the order, the random draws and the position of the next batch are tensors that keep their addresses on
the device. So each batch takes the same work, and a CUDA graph can capture it. An augmentation that takes other work for
other draws is done before that, by prepare().
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ablate.data.augment import augment, augment_boxes, augmented_type, draw, fit, is_prepared, run_own_step
from ablate.data.augmentation_lists import Augment, steps_of
from ablate.data.streaming import Batch, Streamed, stream, times_before
from ablate.data.tensors import LabelledTensors, Normalization, normalize
from ablate.own_code import OwnCode
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.train.process_group import ALONE, ProcessGroup
from ablate.train.randomness import generator, stream_seed

TEST_BATCH = 512  # images, if they are resident on the device
GPU_TEST_BATCH = 500  # of which 10,000 leave no smaller batch, for which a CUDA graph is not worth while


def resident_batch(device: torch.device) -> int:
    """How many images a test batch has, if they are resident on a device."""
    return GPU_TEST_BATCH if device.type == "cuda" else TEST_BATCH


class Batches:
    """Batches of a set of images; in a process group, this rank's part of each batch.

    Call begin(epoch), then prepare(size) and take(size) for each size in `sizes`.

    Args:
        part: The training or test images.
        normalization: Of the pixels; its device is the device of the batches.
        size: Images of a batch, all ranks together.
        drop_last: Whether a last batch of fewer images is left out.
        group: The ranks that share each batch.

    Attributes:
        sizes: The number of images of each batch of a pass, all ranks together.
        beside: How many passes run side by side, which share the processes that decode streamed images.
    """

    beside = 1

    def __init__(
        self,
        part: LabelledTensors | Streamed,
        normalization: Normalization,
        size: int,
        drop_last: bool = False,
        group: ProcessGroup = ALONE,
    ) -> None:
        n = len(part.labels)
        tail = [n % size] if n % size and not drop_last else []
        self.group = group
        self.part, self.normalization, self.size, self.sizes = part, normalization, size, [size] * (n // size) + tail
        self.device = normalization.mean.device
        self.place = torch.zeros((), dtype=torch.int64, device=self.device)  # position of the next batch's first image
        self.streamed: Iterator[Batch] = iter(())

    @property
    def images(self) -> int:
        """How many images a pass takes, all ranks together."""
        return sum(self.sizes)

    def begin(self, epoch: int) -> None:
        """Start a pass.

        Args:
            epoch: From 1.
        """
        self.place.zero_()

    def prepare(self, size: int) -> None:
        """Do the work for the next batch that is not the same for each batch, so that no CUDA graph can contain it.

        Args:
            size: Images of the batch, all ranks together.
        """

    def take(self, size: int) -> Batch:
        """Take the next batch: images of shape (B, C, H, W), normalized, and labels of shape (B,).

        This rank's part is empty if the batch has fewer images than there are ranks.

        Args:
            size: Images of the batch, all ranks together.
        """
        first, last = self.group.batch_rows(size)
        if isinstance(self.part, Streamed):
            images, labels = next(self.streamed) if last > first else self.nothing(self.part)
        else:
            rows = self.place + torch.arange(first, last, device=self.device)
            self.place += size
            images, labels = self.resident(self.part, rows)
        return normalize(images, self.normalization), labels

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        """Take resident images, uint8 or whitened, of shape (B, H, W, C), and labels of shape (B,).

        Args:
            part: The images.
            rows: Positions in the order of this pass, of shape (B,).
        """
        raise NotImplementedError

    def stream(self, part: Streamed, order: Tensor, augment: Augment = "none", draws: int = 0) -> Iterator[Batch]:
        """Yield this rank's part of each batch of streamed images.

        Args:
            part: The images.
            order: Indices of the images of the pass, of shape (N,).
            augment: The augmentation.
            draws: Seed of its random draws.
        """
        own = [slice(*self.group.batch_rows(len(batch))) for batch in torch.split(order, self.size)]
        taken, times = (
            torch.cat([batch[rows] for batch, rows in zip(torch.split(each, self.size), own)])
            for each in (order, times_before(order))
        )
        return stream(part, taken, max(1, own[0].stop - own[0].start), augment, draws, self.group.size * self.beside, times)

    def nothing(self, part: Streamed) -> Batch:
        """A batch without images.

        Args:
            part: Streamed images, for the image size and the type of the labels.
        """
        side, labels = part.image_size, part.labels[:0].to(self.device)
        return torch.empty((0, side, side, 3), dtype=torch.uint8, device=self.device), labels


class TestBatches(Batches):
    """All images, in order and without augmentation."""

    __test__ = False  # pytest

    def begin(self, epoch: int) -> None:
        """Start a pass."""
        super().begin(epoch)
        if isinstance(self.part, Streamed):
            self.streamed = self.stream(self.part, torch.arange(len(self.part.labels)))

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        """Take resident images, as Batches.resident() describes."""
        return part.images[rows], part.labels[rows]


class TrainingBatches(Batches):
    """The training images, in the order and with the augmentation draws of (seed, epoch).

    The draws of a reader's own step are a function of (seed, epoch, batch, rank), because it sees whole batches.

    Args:
        part: The training images.
        normalization: Of the pixels.
        data: Says the augmentation.
        recipe: Says the batch size, whether the last batch is dropped, and how images are drawn.
        seed: Of the trial.
        group: The ranks that share each batch.
    """

    def __init__(
        self,
        part: LabelledTensors | Streamed,
        normalization: Normalization,
        data: Data,
        recipe: Recipe,
        seed: int,
        group: ProcessGroup = ALONE,
    ) -> None:
        super().__init__(part, normalization, recipe.batch_size, recipe.last_batch == "drop", group)
        self.data, self.seed = data, seed if recipe.seed_of.order == "trial" else 0
        self.chances = chances_of(part.labels, data.classes) if recipe.sampler == "balanced" else None
        self.epoch = self.number = self.taken = 0  # the epoch; how many of its batches, and of their images, are prepared
        self.fitted = fit(data.augment, part.images if isinstance(part, LabelledTensors) else None)
        self.prepared: Tensor | None = None  # the images of the next batch, where prepare() augments them
        if isinstance(part, LabelledTensors):
            self.order = torch.empty(len(part.labels), dtype=torch.int64, device=self.device)
            self.draws = self._draw(1)
            if is_prepared(data.augment):
                first, last = group.batch_rows(self.size)
                kind = augmented_type(data.augment, part.images)
                self.prepared = torch.empty_like(part.images[: last - first], dtype=kind)
            else:
                self.draws = [drawn.to(self.device) for drawn in self.draws]

    def begin(self, epoch: int) -> None:
        """Start a pass and draw its order and augmentation."""
        super().begin(epoch)
        self.epoch, self.number, self.taken = epoch, 0, 0
        order = self._draw_order(len(self.part.labels), generator(self.seed, "order", epoch))
        if isinstance(self.part, Streamed):
            seed = generator(self.seed, "augmentation", epoch).initial_seed()
            self.streamed = self._own_steps(self.stream(self.part, order[: self.images], self.data.augment, seed))
            return
        self.order.copy_(order)
        for kept, drawn in zip(self.draws, self._draw(epoch)):
            kept.copy_(drawn)

    def prepare(self, size: int) -> None:
        """Augment the next batch, if the work of a step depends on its draws."""
        self.number += 1
        first, last = (self.taken + row for row in self.group.batch_rows(size))
        self.taken += size
        if self.prepared is not None and isinstance(self.part, LabelledTensors):
            draws = [drawn[first:last] for drawn in self.draws]
            made = augment(
                self.part.images, self.order[first:last], self.data.augment, draws, self.fitted, self._generator()
            )
            self.prepared[: last - first] = made

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        """Take resident images, as Batches.resident() describes, and augment them."""
        index = self.order[rows]
        labels = part.labels[index]
        if labels.ndim > 1:
            draws = [drawn[rows.to(drawn.device)] for drawn in self.draws]
            labels = augment_boxes(labels, self.data.augment, draws, part.images.shape[1])
        if self.prepared is not None:
            return self.prepared[: len(rows)], labels
        draws = [drawn[rows] for drawn in self.draws]
        return augment(part.images, index, self.data.augment, draws, self.fitted), labels

    def _own_steps(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches of streamed images after the reader's own steps, which are the last ones."""
        pairs = zip(steps_of(self.data.augment), self.fitted)
        steps = [(step, function) for step, function in pairs if isinstance(step, OwnCode)]
        for images, labels in batches:
            generator = self._generator()
            for step, function in steps:
                images = run_own_step(step, function, images, generator)
            yield images, labels

    def _generator(self) -> torch.Generator:
        """The generator of a reader's own steps for the batch that prepare() has begun."""
        seed = stream_seed(self.seed, "own_augmentation", self.epoch, self.group.rank, self.number)
        return torch.Generator().manual_seed(seed)

    def _draw_order(self, n: int, draws: torch.Generator) -> Tensor:
        """The images of an epoch, in order, int64 (N,): each once; or, if balanced, each class equally often on average."""
        if self.chances is None:
            return torch.randperm(n, generator=draws)
        return torch.multinomial(self.chances, n, replacement=True, generator=draws)

    def _draw(self, epoch: int) -> list[Tensor]:
        """The augmentation draws of an epoch. They are made on the CPU, so that they are the same on every device."""
        augmentation = generator(self.seed, "augmentation", epoch)
        return draw(self.data.augment, len(self.part.labels), self.data.image_size, augmentation)


def class_weights(batches: TrainingBatches) -> Tensor:
    """The weight of each class in a balanced loss, float32 (classes,), on the device; their mean over the images is 1."""
    return balanced(batches.part.labels, batches.data.classes).float().to(batches.device)


def balanced(labels: Tensor, classes: int) -> Tensor:
    """images / (classes * images of the class) for each class, float64 (classes,), of the classes that have images.

    Args:
        labels: int64 (N,), from 0.
        classes: How many.

    Source: King and Zeng, "Logistic Regression in Rare Events Data", as in scikit-learn's class_weight="balanced".
    """
    images = torch.bincount(labels.cpu(), minlength=classes).double()  # on CUDA it is not deterministic
    return len(labels) / ((images > 0).sum() * images.clamp(min=1))


def chances_of(labels: Tensor, classes: int) -> Tensor:
    """The relative chance of each image to be drawn, float64 (N,), on the CPU: all classes are equally likely.

    Args:
        labels: int64 (N,), from 0.
        classes: How many.
    """
    return balanced(labels, classes)[labels.cpu()]
