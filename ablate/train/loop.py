"""Training and testing as steps that a device can repeat by itself.

A step reads and writes tensors that keep their addresses: the position in the epoch's order, the sums of loss and errors,
the learning rate. So nothing is read from the device before a pass has ended, and a step can be captured once as a CUDA
graph. side_by_side.py runs the passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.data.streaming import Streamed
from ablate.kinds.measures import ERROR, MEASURES
from ablate.nets.build import Dropout, Residual
from ablate.nets.custom import CustomModule
from ablate.study.study import Recipe
from ablate.train.batched_casts import BatchedCasts
from ablate.train.batches import Batches, TrainingBatches
from ablate.train.randomness import stream_seed


class Scores(NamedTuple):
    """The result of a pass.

    Args:
        loss: Mean cross-entropy in nats.
        images: Number of images of the pass.
        measures: Each measure by its name, in its unit.
    """

    loss: float
    images: int
    measures: dict[str, float]


class Pass:
    """Passes over images, one after the other.

    For each pass, call begin(epoch), step(size) for each size in batches.sizes, then scores().

    Args:
        network: On the device.
        batches: The images.
        recipe: Says the precision.
        measures: Names in MEASURES that are taken in addition to the error.

    Attributes:
        generators: The generators on the device that a step draws from.
    """

    generators: tuple[torch.Generator, ...] = ()

    def __init__(self, network: nn.Module, batches: Batches, recipe: Recipe, measures: Sequence[str] = ()) -> None:
        self.network, self.batches, self.recipe, self.device = network, batches, recipe, batches.device
        self.group = batches.group
        self.loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.measures = [ERROR, *(MEASURES[name] for name in measures)]
        self.totals = [torch.zeros((), dtype=torch.float64, device=self.device) for _ in self.measures]

    @property
    def capturable(self) -> bool:
        """Whether every step of a size does the same work on the device, so that a CUDA graph can capture it."""
        return not (has_custom(self.network) or isinstance(self.batches.part, Streamed) or self.group.size > 1)

    def begin(self, epoch: int) -> None:
        """Start a pass.

        Args:
            epoch: From 1.
        """
        self.batches.begin(epoch)
        for total in (self.loss, *self.totals):
            total.zero_()

    def step(self, size: int) -> None:
        """Process one batch.

        Args:
            size: Images of the batch, all ranks together.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits in the recipe's precision, as float32 of shape (B, classes).

        Args:
            images: Normalized, of shape (B, C, H, W).
        """
        with autocast(self.recipe, self.device):
            logits = self.compute(images)
        return logits.float()

    def compute(self, images: Tensor) -> Tensor:
        """Compute the logits, of shape (B, classes), in the current autocast precision.

        Args:
            images: Normalized, of shape (B, C, H, W).
        """
        logits: Tensor = self.network(images)
        return logits

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch to the sums of loss and measures, on the device.

        Args:
            loss: Mean cross-entropy of the batch, in nats, a scalar.
            logits: float32 of shape (B, classes).
            labels: int64 of shape (B,).
        """
        logits = logits.detach()
        self.loss += loss.detach().double() * len(labels)
        for measure, total in zip(self.measures, self.totals):
            total += measure.total(logits, labels)

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device."""
        images = self.batches.images
        loss, *totals = self.group.all_reduce(torch.stack([self.loss, *self.totals])).tolist()
        values = {measure.name: measure.value(total, images) for measure, total in zip(self.measures, totals)}
        return Scores(loss / images, images, values)


class Training(Pass):
    """Training passes: a step runs a batch forward and backward and updates the weights.

    Dropout and stochastic depth are functions of (seed, epoch). All ranks leave out the same blocks; each rank draws its
    own dropout for its part of the batch.

    Args:
        network: On the device, in DistributedDataParallel if there are several ranks.
        optimizer: Of its parameters.
        batches: The training images.
        recipe: Says the precision.
        plain: Whether to cast weights and count batches layer by layer, as torch does; the bits are the same.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: TrainingBatches,
        recipe: Recipe,
        plain: bool = False,
    ) -> None:
        super().__init__(network, batches, recipe)
        self.optimizer, self.seed = optimizer, batches.seed
        self.dropout, self.depth = torch.Generator(self.device), torch.Generator()
        self.generators = (self.dropout,)
        blocks = [module for module in network.modules() if isinstance(module, Residual)]
        drops = [module for module in network.modules() if isinstance(module, Dropout)]
        for block in blocks:
            block.generator = self.depth
        for module in drops:
            module.generator = self.dropout
        self.leaves_out = any(block.survival < 1 for block in blocks)  # some blocks in some batches
        again = any(block.checkpoint for block in blocks)
        self.draws_again = bool(drops) and again
        other = self.leaves_out or again or recipe.compile != "never" or self.group.size > 1 or has_custom(network)
        self.batched = None if plain or other else BatchedCasts(network, recipe.precision == "bfloat16")

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can capture a step; stochastic depth and dropout that is drawn again prevent it."""
        return super().capturable and not (self.leaves_out or self.draws_again)

    def begin(self, epoch: int) -> None:
        """Start a pass in training mode and seed its generators.

        Args:
            epoch: From 1.
        """
        super().begin(epoch)
        self.network.train()
        if self.batched:
            self.batched.begin()
        self.depth.manual_seed(stream_seed(self.seed, "stochastic_depth", epoch))
        self.dropout.manual_seed(stream_seed(self.seed, "dropout", epoch, self.group.rank))
        torch.manual_seed(self.dropout.initial_seed())  # a reader's modules may draw from torch's global generator

    def step(self, size: int) -> None:
        """Train on one batch.

        Args:
            size: Images of the batch, all ranks together.
        """
        images, labels = self.batches.take(size)
        logits = self.forward(images)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.batched:
            self.batched.take_gradients()
        if self.leaves_out:  # a block that was left out has zero gradients; momentum and weight decay still apply to it
            for parameter in self.network.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        self.add(loss, logits, labels)

    def compute(self, images: Tensor) -> Tensor:
        """Compute the logits, of shape (B, classes), with batched casts if possible.

        Args:
            images: Normalized, of shape (B, C, H, W).
        """
        return self.batched.forward(images) if self.batched else super().compute(images)

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device."""
        if self.batched:
            self.batched.end(len(self.batches.sizes))
        return super().scores()


class Testing(Pass):
    """Test passes: a step runs a batch forward, in evaluation mode.

    Args:
        network: On the device.
        batches: The test images.
        recipe: Says the precision.
        measures: Names in MEASURES that are taken in addition to the error.
    """

    def begin(self, epoch: int = 1) -> None:
        """Start a pass in evaluation mode, with the buffers of rank 0 on all ranks.

        Args:
            epoch: Has no effect here.
        """
        super().begin(epoch)
        self.group.broadcast_buffers(self.network)
        self.network.eval()

    @torch.no_grad()
    def step(self, size: int) -> None:
        """Test one batch.

        Args:
            size: Images of the batch, all ranks together.
        """
        images, labels = self.batches.take(size)
        if not len(labels):  # the last batch may have fewer images than there are ranks
            return
        logits = self.forward(images)
        self.add(F.cross_entropy(logits, labels), logits, labels)


def has_custom(network: nn.Module) -> bool:
    """Whether a network contains a user-defined module, which may do anything in its forward pass.

    Args:
        network: Of a trial.
    """
    return any(isinstance(module, CustomModule) for module in network.modules())


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context of the recipe's precision: bfloat16 autocast, or autocast that is disabled.

    Args:
        recipe: Of the trial.
        device: Of the network.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
