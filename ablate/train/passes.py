"""Passes over images as steps that a device can repeat by itself.

A step reads and writes tensors that keep their addresses: the position in the epoch's order, the sums of loss and errors,
the learning rate. So nothing is read from the device before a pass has ended, and a step can be captured once as a CUDA
graph. training.py and testing.py have the steps; side_by_side.py runs the passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablate.data.streaming import Streamed
from ablate.kinds.hooks import Hooks
from ablate.kinds.losses import LossFunction, LossFunctions, checked_loss
from ablate.kinds.measures import ERROR, Measure
from ablate.nets.custom import CustomModule
from ablate.nets.detector import DetectionNetwork
from ablate.study.recipe import Recipe
from ablate.train.arithmetic import autocast
from ablate.train.batches import Batches


class Scores(NamedTuple):
    """The result of a pass.

    Args:
        loss: The mean loss. In training it is what is minimized, with label smoothing, mixed labels and class weights; in a
            test it is the recipe's loss without them, by default the cross-entropy in nats.
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
        recipe: Says the precision and the loss.
        measures: What is measured; only those that are sums over images.
        hooks: Of a recipe of the user's own; None: there is none.

    Attributes:
        generators: The generators on the device that a step draws from.
    """

    generators: tuple[torch.Generator, ...] = ()

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        recipe: Recipe,
        measures: Sequence[Measure] = (ERROR,),
        hooks: Hooks | None = None,
    ) -> None:
        self.network, self.batches, self.recipe, self.device = network, batches, recipe, batches.device
        self.hooks = hooks
        self.losses = make_losses(recipe, hooks)
        self.own_loss = _computes_loss(network)
        self.group = batches.group
        self.loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.measures = list(measures)
        self.summed = [measure for measure in measures if measure.total is not None]
        self.totals = [torch.zeros((), dtype=torch.float64, device=self.device) for _ in self.summed]
        self.added = 0  # images that the hook `batch` has added to the batches of the pass

    @property
    def capturable(self) -> bool:
        """Whether every step of a size does the same work on the device, so that a CUDA graph can capture it.

        A loss or a recipe of the user's own may do anything in a step, and so may a module.
        """
        own = self.recipe.python is not None or not self.recipe.kinds[2].capturable or has_custom(self.network)
        own = own or self.own_loss
        return not (own or isinstance(self.batches.part, Streamed) or self.group.size > 1)

    def begin(self, epoch: int) -> None:
        """Start a pass.

        Args:
            epoch: From 1.
        """
        self.batches.begin(epoch)
        self.added = 0
        for total in (self.loss, *self.totals):
            total.zero_()

    def prepare(self, size: int) -> None:
        """Do what the host decides for the next step. It is called before each step, outside of a CUDA graph.

        Args:
            size: Images of the batch, all ranks together.
        """
        self.batches.prepare(size)

    def step(self, size: int) -> None:
        """Process one batch.

        Args:
            size: Images of the batch, all ranks together.
        """
        raise NotImplementedError

    def outputs_and_loss(self, images: Tensor, labels: Tensor, loss: LossFunction) -> tuple[Tensor | None, Tensor]:
        """(the logits float32 (B, classes), their mean loss); a network that computes its loss itself may have no outputs.

        Args:
            images: Normalized, of shape (B, C, H, W).
            labels: Of shape (B, ...).
            loss: Of logits and labels.
        """
        if self.own_loss:
            with autocast(self.recipe, self.device):
                outputs, value = self.network(images, labels)
            return outputs, value
        logits = self.forward(images)
        return logits, loss(logits, labels)

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

    def add(self, loss: Tensor, logits: Tensor | None, labels: Tensor) -> None:
        """Add a batch to the sums of loss and measures, on the device.

        Args:
            loss: The mean loss of the batch, a scalar.
            logits: float32 of shape (B, classes); None without any measure.
            labels: int64 of shape (B,).
        """
        self.loss += loss.detach().double() * len(labels)
        for measure, total in zip(self.summed, self.totals):
            assert measure.total is not None and logits is not None
            total += measure.total(logits.detach(), labels)

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device."""
        sums = torch.stack([self.loss, *self.totals, torch.full_like(self.loss, self.added)])
        loss, *totals, added = self.group.all_reduce(sums).tolist()
        images = self.batches.images + int(added)
        values = {one.name: one.value(total, images) for one, total in zip(self.summed, totals) if one.value}
        return Scores(loss / images, images, values)


def make_losses(recipe: Recipe, hooks: Hooks | None, weights: Tensor | None = None) -> LossFunctions:
    """The training loss and the test loss of a recipe.

    Args:
        recipe: Says the loss.
        hooks: Of a recipe of the user's own; its method `loss` takes the place of both.
        weights: Of the classes in training, float32 (classes,); None: all count alike.

    Raises:
        NotationError: A loss of the user's own is missing.
    """
    if hooks and "loss" in hooks:

        def own(logits: Tensor, labels: Tensor) -> Tensor:
            value = hooks.call("loss", logits.clone(), labels.clone())  # it may write to what it gets
            return checked_loss(value, hooks.own.python, logits)

        return LossFunctions(own, own)
    kind = recipe.kinds[2]
    return kind.build(kind.settings(recipe.values), weights)


def _computes_loss(network: nn.Module) -> bool:
    """Whether a network computes its loss itself: network(images, targets) -> (outputs or None, loss)."""
    return isinstance(network.module if isinstance(network, DistributedDataParallel) else network, DetectionNetwork)


def has_custom(network: nn.Module) -> bool:
    """Whether a network contains a user-defined module, which may do anything in its forward pass."""
    return any(isinstance(module, CustomModule) for module in network.modules())
