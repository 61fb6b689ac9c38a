"""Batched weight casts and batch counters; bit-identical results.

A thin network spends most of a step's time on launching short kernels. Autocast launches a kernel for each weight and each
gradient that it casts, and each batch norm launches one to count its batches: together a quarter of all launches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

CAST = (nn.Conv2d, nn.Linear)  # the modules whose parameters autocast casts


class BatchedCasts:
    """The forward pass of a network in training mode, on copies of the weights in the type that autocast would cast to.

    For each pass over the images, call begin() once; then, for each batch, forward() and, after backward(),
    take_gradients(); then end().

    Args:
        network: In training mode.
        kind: The type of its precision, such as torch.bfloat16; None: only the batch counters are batched.
    """

    def __init__(self, network: nn.Module, kind: torch.dtype | None) -> None:
        self.network = network
        cast = [module for module in network.modules() if isinstance(module, CAST)] if kind else []
        theirs = {id(parameter) for module in cast for parameter in module.parameters(recurse=False)}
        weights = {name: one for name, one in network.named_parameters() if id(one) in theirs}
        self.weights: list[Tensor] = list(weights.values())
        self.copies = {name: torch.empty_like(one, dtype=kind, requires_grad=True) for name, one in weights.items()}
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.momentum is not None]
        self.counters = [(norm, norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None]

    def begin(self) -> None:
        """Detach the counters from the batch norms, so that these do not count."""
        for norm, _ in self.counters:
            norm.num_batches_tracked = None

    def end(self, batches: int) -> None:
        """Attach the counters to the batch norms again, with the batches of the pass added."""
        for norm, counter in self.counters:
            assert counter is not None
            norm.num_batches_tracked = counter.add_(batches)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits, of shape (B, classes).

        Args:
            images: Normalized, of shape (B, C, H, W).
        """
        if not self.copies:
            return self.network(images)  # type: ignore[no-any-return]
        with torch.no_grad():
            torch._foreach_copy_(list(self.copies.values()), self.weights)
        return functional_call(self.network, self.copies, (images,))  # type: ignore[no-any-return]

    def take_gradients(self) -> None:
        """Cast the gradients of the copies to float32 and make them the gradients of the weights."""
        if not self.copies:
            return
        gradients = [torch.empty_like(weight) for weight in self.weights]
        torch._foreach_copy_(gradients, [copy.grad for copy in self.copies.values() if copy.grad is not None])
        for weight, copy, gradient in zip(self.weights, self.copies.values(), gradients):
            weight.grad, copy.grad = gradient, None
