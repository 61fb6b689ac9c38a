"""One epoch of training and one of testing; nothing is read from the device before the end of either."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.tensors import Draws, Normalization, Part, draw_augmentation, gather, normalize
from ablate.nets.build import Dropout, Residual
from ablate.study.study import Data, Recipe
from ablate.train.randomness import generator

TEST_BATCH = 512


class Scores(NamedTuple):
    """Mean cross-entropy in nats and error in percent, over `images` images."""

    loss: float
    error: float
    images: int


class Sums:
    """Running sums on the device: read() waits for it, add() does not."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.errors = torch.zeros((), dtype=torch.int64, device=device)
        self.images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.loss += loss.detach().double() * len(labels)
        self.errors += (logits.detach().argmax(1) != labels).sum()
        self.images += len(labels)

    def read(self) -> Scores:
        return Scores(self.loss.item() / self.images, 100 * int(self.errors.item()) / self.images, self.images)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    part: Part,
    normalization: Normalization,
    data: Data,
    recipe: Recipe,
    seed: int,
    epoch: int,
) -> Scores:
    """One pass over the training images in the order, crops and dropout of (seed, epoch)."""
    device, n = part.images.device, len(part.labels)
    order = torch.randperm(n, generator=generator(seed, "order", epoch)).to(device)
    drawn = draw_augmentation(data.augment, n, data.image_size, generator(seed, "augmentation", epoch))
    shifts, flips = (None if draws is None else draws.to(device) for draws in drawn)
    dropout = generator(seed, "dropout", epoch, device)
    depth = generator(seed, "stochastic_depth", epoch)
    torch.manual_seed(dropout.initial_seed())  # a reader's modules draw from torch's own
    leaves_out = False  # some blocks in some batches
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = dropout
        elif isinstance(module, Residual):
            module.generator = depth
            leaves_out |= module.survival < 1
    network.train()
    sums = Sums(device)
    size = recipe.batch_size
    stop = n - n % size if recipe.last_batch == "drop" else n
    for first in range(0, stop, size):
        batch = slice(first, min(first + size, stop))
        draws = Draws(None if shifts is None else shifts[batch], None if flips is None else flips[batch])
        images = normalize(gather(part.images, order[batch], draws), normalization)
        labels = part.labels[order[batch]]
        with autocast(recipe, device):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if leaves_out:  # a block that was left out has gradient zero; momentum and decay go on
            for parameter in network.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        sums.add(loss, logits, labels)
    return sums.read()


@torch.no_grad()
def evaluate(network: nn.Module, part: Part, normalization: Normalization, recipe: Recipe) -> Scores:
    """The scores of a network on images, in evaluation mode."""
    network.eval()
    device = part.images.device
    sums = Sums(device)
    for first in range(0, len(part.labels), TEST_BATCH):
        images, labels = (tensor[first : first + TEST_BATCH] for tensor in part)
        with autocast(recipe, device):
            logits = network(normalize(images, normalization))
        sums.add(F.cross_entropy(logits.float(), labels), logits, labels)
    return sums.read()


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The recipe's precision: bfloat16 autocast, or nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
