"""What the loop trains and tests on: batches of normalized images, whether they are resident or streamed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ablate.data.streaming import Streamed, stream
from ablate.data.tensors import Draws, Normalization, Part, draw_augmentation, gather, normalize
from ablate.study.study import Data, Recipe
from ablate.train.randomness import generator

Batch = tuple[Tensor, Tensor]  # images float32 (B, C, H, W) and labels int64 (B,), on the device


def training_batches(
    part: Part | Streamed, normalization: Normalization, data: Data, recipe: Recipe, seed: int, epoch: int
) -> Iterator[Batch]:
    """One pass over the training images in the order and with the crops and flips of (seed, epoch)."""
    n, size = len(part.labels), recipe.batch_size
    order = torch.randperm(n, generator=generator(seed, "order", epoch))
    stop = n - n % size if recipe.last_batch == "drop" else n
    augmentation = generator(seed, "augmentation", epoch)
    if isinstance(part, Streamed):
        for images, labels in stream(part, order[:stop], size, data.augment, augmentation.initial_seed()):
            yield normalize(images, normalization), labels
        return
    device = part.images.device
    order = order.to(device)
    drawn = draw_augmentation(data.augment, n, data.image_size, augmentation)
    shifts, flips = (None if draws is None else draws.to(device) for draws in drawn)
    for first in range(0, stop, size):
        batch = slice(first, min(first + size, stop))
        draws = Draws(None if shifts is None else shifts[batch], None if flips is None else flips[batch])
        yield normalize(gather(part.images, order[batch], draws), normalization), part.labels[order[batch]]


def evaluation_batches(part: Part | Streamed, normalization: Normalization, size: int) -> Iterator[Batch]:
    """All images as they are, in order, `size` at a time."""
    if isinstance(part, Streamed):
        for images, labels in stream(part, torch.arange(len(part.labels)), size):
            yield normalize(images, normalization), labels
        return
    for first in range(0, len(part.labels), size):
        images, labels = (tensor[first : first + size] for tensor in part)
        yield normalize(images, normalization), labels
