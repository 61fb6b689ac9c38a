"""One epoch of training and one of testing; nothing is read from the device before the end of either."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.streaming import Streamed
from ablate.data.tensors import Normalization, Part
from ablate.nets.build import Dropout, Residual
from ablate.study.study import Data, Recipe
from ablate.train.batches import evaluation_batches, training_batches
from ablate.train.randomness import generator

TEST_BATCH = 512  # of images that are on the device
TOP = 5


class Scores(NamedTuple):
    """Mean cross-entropy in nats and error in percent, over `images` images; top5_error only where it was asked for."""

    loss: float
    error: float
    images: int
    top5_error: float | None = None


class Sums:
    """Running sums on the device: read() waits for it, add() does not."""

    def __init__(self, device: torch.device, top5: bool = False) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.errors = torch.zeros((), dtype=torch.int64, device=device)
        self.errors5 = torch.zeros((), dtype=torch.int64, device=device) if top5 else None
        self.images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.loss += loss.detach().double() * len(labels)
        self.errors += (logits.detach().argmax(1) != labels).sum()
        if self.errors5 is not None:
            first = logits.detach().topk(min(TOP, logits.shape[1])).indices
            self.errors5 += (first != labels[:, None]).all(1).sum()
        self.images += len(labels)

    def read(self) -> Scores:
        top5 = None if self.errors5 is None else 100 * int(self.errors5.item()) / self.images
        return Scores(self.loss.item() / self.images, 100 * int(self.errors.item()) / self.images, self.images, top5)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    part: Part | Streamed,
    normalization: Normalization,
    data: Data,
    recipe: Recipe,
    seed: int,
    epoch: int,
) -> Scores:
    """One pass over the training images in the order, crops and dropout of (seed, epoch)."""
    device = normalization.mean.device
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
    for images, labels in training_batches(part, normalization, data, recipe, seed, epoch):
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
def evaluate(
    network: nn.Module, part: Part | Streamed, normalization: Normalization, recipe: Recipe, top5: bool = False
) -> Scores:
    """The scores of a network on images, in evaluation mode; with top5, the error among the first five classes too."""
    network.eval()
    device = normalization.mean.device
    sums = Sums(device, top5)
    # Streamed images are large: what there is room for in training, there is in testing.
    size = recipe.batch_size if isinstance(part, Streamed) else TEST_BATCH
    for images, labels in evaluation_batches(part, normalization, size):
        with autocast(recipe, device):
            logits = network(images)
        sums.add(F.cross_entropy(logits.float(), labels), logits, labels)
    return sums.read()


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The recipe's precision: bfloat16 autocast, or nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
