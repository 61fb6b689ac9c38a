"""Training passes: forward, backward, and an update of the weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablate.data.streaming import Batch
from ablate.errors import NotationError
from ablate.kinds.hooks import Hooks
from ablate.nets.build import Dropout, Residual
from ablate.nets.detector import DetectionNetwork
from ablate.own_code import seed_draws
from ablate.study.recipe import Recipe
from ablate.train.average import Average
from ablate.train.batched_casts import BatchedCasts
from ablate.train.batches import TrainingBatches, class_weights
from ablate.train.mixing import Mixer
from ablate.train.optimization import Rates
from ablate.train.passes import Pass, Scores, has_custom, make_losses
from ablate.train.randomness import stream_seed


class Training(Pass):
    """Training passes: a step runs a batch forward and backward and updates the weights.

    Dropout and stochastic depth are functions of (seed, epoch). All ranks leave out the same blocks; each rank draws its
    own dropout for its part of the batch.

    Args:
        network: On the device, in DistributedDataParallel if there are several ranks.
        optimizer: Of its parameters.
        batches: The training images.
        recipe: Says the precision, the loss, the schedule and all else that a step does.
        plain: Whether to cast weights and count batches layer by layer, as torch does; the bits are the same.
        average: A network of the same layers that becomes the moving average of the first; None: none is kept.
        hooks: Of a recipe of the user's own; None: there is none.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: TrainingBatches,
        recipe: Recipe,
        plain: bool = False,
        average: nn.Module | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        super().__init__(network, batches, recipe, batches.data.task.entry.trained, hooks)
        if recipe.class_weights == "balanced":
            self.losses = make_losses(recipe, hooks, class_weights(batches))
        self.optimizer, self.seed = optimizer, batches.seed
        steps = len(batches.sizes)
        self.rates = Rates(recipe, steps, hooks)
        self.done = 0  # steps of the whole training
        self.own = network.module if isinstance(network, DistributedDataParallel) else network
        self.average = Average(recipe, self.own, average, steps) if average else None
        mixes = recipe.mixup.alpha or recipe.cutmix.alpha
        self.mixer = Mixer(recipe, batches.data.classes, steps, self.seed, self.device) if mixes else None
        self.draws = torch.Generator(self.device)  # of a recipe of the user's own
        self.dropout, self.depth = torch.Generator(self.device), torch.Generator()
        self.proposals = torch.Generator()
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
        other = other or self.own_loss or recipe.accumulate > 1  # gradients of parts would be added in the lower precision
        cast = recipe.arithmetic.cast
        self.batched = None if plain or other else BatchedCasts(network, getattr(torch, cast) if cast else None)
        self.scaler = torch.amp.GradScaler(self.device.type) if recipe.arithmetic.scaled else None
        # The scaler takes gradients from the groups of an optimizer. Those of Muon have none before its step; those of a
        # user's own may have some parameters only, where clipping needs all.
        every = {"param_groups": [{"params": list(self.own.parameters())}], "step": lambda: self.optimizer.step()}
        on_device = getattr(optimizer, "_step_supports_amp_scaling", False)
        self.scaled: Any = optimizer if on_device else SimpleNamespace(**every)

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can capture a step.

        Stochastic depth, dropout that is drawn again, a momentum that the schedule changes, and an optimizer that reads its
        rate on the host prevent it; with a scaled loss one that does not read on the device whether gradients are finite.
        """
        host = self.rates.cycles_momentum or not self.recipe.kinds[0].capturable
        host = host or (bool(self.scaler) and not getattr(self.optimizer, "_step_supports_amp_scaling", False))
        return super().capturable and not (self.leaves_out or self.draws_again or host)

    def begin(self, epoch: int) -> None:
        """Start a pass in training mode and seed its generators."""
        super().begin(epoch)
        self.network.train()
        if self.batched:
            self.batched.begin()
        self.depth.manual_seed(stream_seed(self.seed, "stochastic_depth", epoch))
        self.dropout.manual_seed(stream_seed(self.seed, "dropout", epoch, self.group.rank))
        if isinstance(self.own, DetectionNetwork):
            self.proposals.manual_seed(stream_seed(self.seed, "proposals", epoch, self.group.rank))
            self.own.draw_from(self.proposals)
        seed = self.dropout.initial_seed()
        torch.manual_seed(seed)  # a reader's modules may draw from global generators
        seed_draws(seed)
        self.draws.manual_seed(stream_seed(self.seed, "recipe", epoch, self.group.rank))
        self.done = (epoch - 1) * len(self.batches.sizes)
        if self.mixer:
            self.mixer.begin(epoch)

    def prepare(self, size: int) -> None:
        """Prepare the batch, and set the learning rate, the momentum and the decay of the average for the next step."""
        super().prepare(size)
        if self.rates.by_step:
            self.rates.set(self.optimizer, self.done)
        if self.average:
            self.average.set_step(self.done)
        self.done += 1

    def step(self, size: int) -> None:
        """Train on one batch."""
        images, labels = self.changed(*self.batches.take(size))
        self.optimizer.zero_grad(set_to_none=True)
        self.own.zero_grad(set_to_none=True)  # a user's own optimizer may have some of the parameters only
        parts = self.recipe.accumulate
        for part in zip(images.tensor_split(parts), labels.tensor_split(parts)) if parts > 1 else ((images, labels),):
            self.backward(*part, len(images))
        if self.batched:
            self.batched.take_gradients()
        if self.leaves_out:  # a block that was left out has zero gradients; momentum and weight decay still apply to it
            for parameter in self.network.parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        if self.scaler and self.recipe.clip_norm:
            self.scaler.unscale_(self.scaled)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        if self.scaler:
            self.scaler.step(self.scaled)  # nothing where a gradient is not finite; the scale is then halved
            self.scaler.update()
        else:
            self.optimizer.step()
        if self.hooks and "after_step" in self.hooks:
            self.hooks.call("after_step", self.own)
        if self.average:
            self.average.update()

    def changed(self, images: Tensor, labels: Tensor) -> Batch:
        """A batch as the recipe changes it: mixed, and by the hook of the user's own recipe.

        Args:
            images: float32 (B, C, H, W), normalized.
            labels: int64 (B,).

        Returns:
            The images and the labels, int64 (B,), or the shares of the classes in them, float32 (B, classes).
        """
        if self.mixer:
            images, labels = self.mixer.mix(images, labels)
        if self.hooks and "batch" in self.hooks:
            before = len(images)
            images, labels = _checked_batch(self.hooks.call("batch", images, labels, self.draws), self.hooks)
            self.added += len(images) - before
        return images, labels

    def backward(self, images: Tensor, labels: Tensor, whole: int) -> None:
        """Add the gradients of a part of a batch, and its loss and errors to the sums.

        An image with a mixed label counts as an error where its first prediction is not the class of the largest share.

        Args:
            images: float32 (B, C, H, W), normalized.
            labels: int64 (B,), or shares of the classes, float32 (B, classes).
            whole: Images of the whole batch.
        """
        if not len(images):  # a smaller last batch may have fewer images than there are parts
            return
        logits, loss = self.outputs_and_loss(images, labels, self.losses.train)
        if not loss.requires_grad:
            raise NotationError("the loss has no gradient; the network may compute under no_grad(), or detach()")
        part = loss if len(images) == whole else loss * (len(images) / whole)
        (self.scaler.scale(part) if self.scaler else part).backward()  # type: ignore[no-untyped-call]
        self.add(loss, logits, labels.argmax(1) if labels.ndim == 2 else labels)

    def compute(self, images: Tensor) -> Tensor:
        """Compute the logits, of shape (B, classes), with batched casts if possible."""
        return self.batched.forward(images) if self.batched else super().compute(images)

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device."""
        if self.batched:
            self.batched.end(len(self.batches.sizes))
        if self.average:
            self.average.end_epoch()
        return super().scores()


def _checked_batch(made: object, hooks: Hooks) -> Batch:
    """What the hook `batch` of a user's own recipe returned, if it is a batch.

    Raises:
        NotationError: It is something else.
    """
    match made:
        case (Tensor() as images, Tensor() as labels) if len(images) == len(labels) and labels.ndim in (1, 2):
            return images, labels
    raise NotationError(
        f"{hooks.own.python}: batch returned {type(made).__name__}; allowed: (images, labels), the same number of each"
    )
