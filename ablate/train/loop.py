"""Training and testing as steps that a device can repeat by itself.

A step reads and writes tensors that keep their addresses: the position in the epoch's order, the sums of loss and errors,
the learning rate. So nothing is read from the device before a pass has ended, and a step can be captured once as a CUDA
graph. side_by_side.py runs the passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablate.data.streaming import Batch, Streamed
from ablate.errors import NotationError
from ablate.kinds.hooks import Hooks
from ablate.kinds.losses import LossFunction, LossFunctions, checked_loss
from ablate.kinds.measures import ERROR, Measure
from ablate.nets.build import Dropout, Residual
from ablate.nets.custom import CustomModule
from ablate.nets.detector import DetectionNetwork
from ablate.own_code import seed_draws
from ablate.study.recipe import Recipe
from ablate.train.allocator import release_freed_memory
from ablate.train.arithmetic import autocast
from ablate.train.average import Average
from ablate.train.batched_casts import BatchedCasts
from ablate.train.batches import Batches, TrainingBatches, class_weights
from ablate.train.mixing import Mixer
from ablate.train.optimization import Rates
from ablate.train.randomness import stream_seed


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
        self.own_loss = computes_loss(network)
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
        self.classes, steps = batches.data.classes, len(batches.sizes)
        self.rates = Rates(recipe, steps, hooks)
        self.done = 0  # steps of the whole training
        self.own = network.module if isinstance(network, DistributedDataParallel) else network
        self.average = Average(recipe, self.own, average, steps) if average else None
        mixes = recipe.mixup.alpha or recipe.cutmix.alpha
        self.mixer = Mixer(recipe, self.classes, steps, self.seed, self.device) if mixes else None
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
        """Prepare the batch, and set the learning rate, the momentum and the decay of the average for the next step.

        Args:
            size: Images of the batch, all ranks together.
        """
        super().prepare(size)
        if self.rates.by_step:
            self.rates.set(self.optimizer, self.done)
        if self.average:
            self.average.set_step(self.done)
        self.done += 1

    def step(self, size: int) -> None:
        """Train on one batch.

        Args:
            size: Images of the batch, all ranks together.
        """
        images, labels = self.changed(*self.batches.take(size))
        self.optimizer.zero_grad(set_to_none=True)
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
            self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        if self.scaler:
            self.scaler.step(self.optimizer)  # nothing where a gradient is not finite; the scale is then halved
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
            images, labels = checked_batch(self.hooks.call("batch", images, labels, self.draws), self.hooks)
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
        """Compute the logits, of shape (B, classes), with batched casts if possible.

        Args:
            images: Normalized, of shape (B, C, H, W).
        """
        return self.batched.forward(images) if self.batched else super().compute(images)

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device."""
        if self.batched:
            self.batched.end(len(self.batches.sizes))
        if self.average:
            self.average.end_epoch()
        return super().scores()


class Testing(Pass):
    """Test passes: a step runs a batch forward, in evaluation mode.

    Args:
        network: On the device.
        batches: The test images.
        recipe: Says the precision.
        measures: What is measured. Where one is not a sum over images, the logits of all images are kept until the end of
            the pass.
        hooks: Of a recipe of the user's own; None: there is none.

    Attributes:
        keeping: Whether the logits of the next pass are kept, whatever is measured.
        kept: The logits of the last pass if they were kept, float32 (N, classes) on the CPU, all ranks together.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        recipe: Recipe,
        measures: Sequence[Measure] = (ERROR,),
        hooks: Hooks | None = None,
    ) -> None:
        super().__init__(network, batches, recipe, measures, hooks)
        self.of_all = [measure for measure in measures if measure.of_all is not None]
        self.logits: Tensor | None = None  # of all images, (N, classes), made in the first step
        self.row = torch.zeros((), dtype=torch.int64, device=self.device)  # of the next batch's first image
        self.keeping = False
        self.kept: Tensor | None = None

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can capture a step; to keep logits until the end of the pass prevents it."""
        return super().capturable and not (self.of_all or self.keeping)

    def begin(self, epoch: int = 1) -> None:
        """Start a pass in evaluation mode, with the buffers of rank 0 on all ranks.

        Args:
            epoch: Has no effect here.
        """
        self._release()
        super().begin(epoch)
        self.row.zero_()
        self.kept = None
        if self.logits is not None:
            self.logits.zero_()
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
        logits, loss = self.outputs_and_loss(images, labels, self.losses.test)
        self.add(loss, logits, labels)
        if self.of_all or self.keeping:
            assert logits is not None
            self.keep(logits, size)

    def keep(self, logits: Tensor, size: int) -> None:
        """Keep the logits of a batch.

        Args:
            logits: float32 of shape (B, classes), of this rank's part of the batch; or detections (B, D, 6).
            size: Images of the batch, all ranks together.
        """
        if self.logits is None:
            self.logits = logits.new_zeros(self.batches.images, *logits.shape[1:])
        first, last = self.group.batch_rows(size)
        self.logits[self.row + torch.arange(first, last, device=self.device)] = logits
        self.row += size

    def scores(self) -> Scores:
        """The scores of the whole pass, all ranks together; waits for the device. A measure of nothing, NaN, is left out.

        Raises:
            NotationError: A measure of the user's own raises an error or returns no number.
        """
        scores = super().scores()
        self._release()
        if not (self.of_all or self.keeping):
            return scores
        assert self.logits is not None, "a rank without images"
        logits, labels = self.group.all_reduce(self.logits).cpu(), self.batches.part.labels.cpu()
        if self.keeping:
            self.kept, self.logits = logits, None
        values = dict(scores.measures)
        for measure in self.of_all:
            assert measure.of_all is not None
            finite = bool(logits.isfinite().all())  # a network that has diverged has a loss that is not finite
            values[measure.name] = measure.of_all(logits, labels) if finite else math.inf
        known = {measure.name: values[measure.name] for measure in self.measures}
        return scores._replace(measures={name: value for name, value in known.items() if not math.isnan(value)})

    def _release(self) -> None:
        """On a CPU, let the memory of training passes and that of this one, of other sizes, not add up."""
        if self.device.type == "cpu":
            release_freed_memory()


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


def checked_batch(made: object, hooks: Hooks) -> Batch:
    """What the hook `batch` of a user's own recipe returned, if it is a batch.

    Args:
        made: What it returned.
        hooks: Of the recipe.

    Raises:
        NotationError: It is something else.
    """
    match made:
        case (Tensor() as images, Tensor() as labels) if len(images) == len(labels) and labels.ndim in (1, 2):
            return images, labels
    raise NotationError(
        f"{hooks.own.python}: batch returned {type(made).__name__}; allowed: (images, labels), the same number of each"
    )


def computes_loss(network: nn.Module) -> bool:
    """Whether a network computes its loss itself: network(images, targets) -> (outputs or None, loss).

    Args:
        network: Of a trial, or a DistributedDataParallel of one.
    """
    return isinstance(network.module if isinstance(network, DistributedDataParallel) else network, DetectionNetwork)


def has_custom(network: nn.Module) -> bool:
    """Whether a network contains a user-defined module, which may do anything in its forward pass.

    Args:
        network: Of a trial.
    """
    return any(isinstance(module, CustomModule) for module in network.modules())
