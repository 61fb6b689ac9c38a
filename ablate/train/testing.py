"""Test passes: forward, in evaluation mode, with the logits of all images where they are kept or measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ablate.kinds.hooks import Hooks
from ablate.kinds.measures import ERROR, Measure
from ablate.study.recipe import Recipe
from ablate.train.allocator import release_freed_memory
from ablate.train.batches import Batches
from ablate.train.passes import Pass, Scores


class Testing(Pass):
    """Test passes: a step runs a batch forward, in evaluation mode.

    Args:
        network, batches, recipe, hooks: As in Pass.
        measures: What is measured. Where one is not a sum over images, the logits of all images are kept until the end of
            the pass.

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
        """Start a pass in evaluation mode, with the buffers of rank 0 on all ranks."""
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
        """Test one batch."""
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
