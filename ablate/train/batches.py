"""What a pass trains or tests on: batches of normalized images, whether they are resident or streamed.

Of resident images, order, draws and the place of the next batch are tensors that stay where they are on the device, so
taking a batch is the same work each time and a CUDA graph can hold it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ablate.data.augmentations import Augment, augment, draw
from ablate.data.streaming import Batch, Streamed, stream
from ablate.data.tensors import LabelledTensors, Normalization, normalize
from ablate.study.study import Data, Recipe
from ablate.train.process_group import ALONE, ProcessGroup
from ablate.train.randomness import generator

TEST_BATCH = 512  # of images that are on the device


class Batches:
    """Batches of `sizes` in order: begin(epoch), then take(size) for each: of a group, this rank's part of it."""

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
        self.place = torch.zeros((), dtype=torch.int64, device=self.device)  # of the next batch's first image
        self.streamed: Iterator[Batch] = iter(())

    @property
    def images(self) -> int:
        """How many images a pass gets to, all ranks together."""
        return sum(self.sizes)

    def begin(self, epoch: int) -> None:
        """Starts a pass."""
        self.place.zero_()

    def take(self, size: int) -> Batch:
        """The next batch; of fewer images than ranks a part may be empty."""
        first, last = self.group.batch_rows(size)
        if isinstance(self.part, Streamed):
            images, labels = next(self.streamed) if last > first else self.nothing(self.part)
        else:
            rows = self.place + torch.arange(first, last, device=self.device)
            self.place += size
            images, labels = self.resident(self.part, rows)
        return normalize(images, self.normalization), labels

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        """Images uint8 (B, H, W, C) and labels at rows (B,) of this pass."""
        raise NotImplementedError

    def stream(self, part: Streamed, order: Tensor, augment: Augment = "none", draws: int = 0) -> Iterator[Batch]:
        """This rank's part of each batch of the images at order (N,)."""
        own = [batch[slice(*self.group.batch_rows(len(batch)))] for batch in torch.split(order, self.size)]
        return stream(part, torch.cat(own), max(1, len(own[0])), augment, draws, self.group.size)

    def nothing(self, part: Streamed) -> Batch:
        """A batch without images."""
        side, labels = part.image_size, part.labels[:0].to(self.device)
        return torch.empty((0, side, side, 3), dtype=torch.uint8, device=self.device), labels


class TestBatches(Batches):
    """All images as they are, in order."""

    __test__ = False  # pytest

    def begin(self, epoch: int) -> None:
        super().begin(epoch)
        if isinstance(self.part, Streamed):
            self.streamed = self.stream(self.part, torch.arange(len(self.part.labels)))

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        return part.images[rows], part.labels[rows]


class TrainingBatches(Batches):
    """The training images in the order and with the crops and flips of (seed, epoch)."""

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
        self.data, self.seed = data, seed
        if isinstance(part, LabelledTensors):
            self.order = torch.empty(len(part.labels), dtype=torch.int64, device=self.device)
            self.draws = [drawn.to(self.device) for drawn in self._draw(1)]

    def begin(self, epoch: int) -> None:
        super().begin(epoch)
        order = torch.randperm(len(self.part.labels), generator=generator(self.seed, "order", epoch))
        if isinstance(self.part, Streamed):
            seed = generator(self.seed, "augmentation", epoch).initial_seed()
            self.streamed = self.stream(self.part, order[: self.images], self.data.augment, seed)
            return
        self.order.copy_(order)
        for kept, drawn in zip(self.draws, self._draw(epoch)):
            kept.copy_(drawn)

    def resident(self, part: LabelledTensors, rows: Tensor) -> Batch:
        index = self.order[rows]
        draws = [drawn[rows] for drawn in self.draws]
        return augment(part.images, index, self.data.augment, draws), part.labels[index]

    def _draw(self, epoch: int) -> list[Tensor]:
        """On the CPU, so that they are the same on every device."""
        augmentation = generator(self.seed, "augmentation", epoch)
        return draw(self.data.augment, len(self.part.labels), self.data.image_size, augmentation)
