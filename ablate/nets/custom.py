"""User-defined modules: "module:callable" -> torch module, with its counts measured on the meta device."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ablate.errors import NotationError
from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Custom, Shape
from ablate.own_code import OwnCode
from ablate.own_modules import code_digest, own_errors


class CustomModule(nn.Sequential):
    """A container for a user-defined module, which initializes itself; errors in it name the user's file and line.

    Args:
        reference: The callable, as "module:callable".
        module: What the callable returned.
    """

    def __init__(self, reference: str, module: nn.Module) -> None:
        super().__init__(module)
        self.reference = reference

    def forward(self, x: Tensor) -> Tensor:
        """The output of the user-defined module.

        Args:
            x: Features (N, C, H, W).

        Raises:
            NotationError: The module raises an error.
        """
        with own_errors(self.reference):
            features: Tensor = self[0](x)
            return features


def check_code(architecture: Architecture) -> None:
    """Check that the source of a user-defined network or block is the one that an architecture was made with.

    Raises:
        NotationError: The source has changed, or cannot be loaded.
    """
    reference = architecture.python or str(architecture.block)
    if code_digest(reference) != architecture.code:
        raise NotationError(f"{reference} has changed since the run began; run again to train what it is now")


def make_module(layer: Custom) -> nn.Module:
    """The module that a user-defined callable returns, initialized by itself.

    Raises:
        NotationError: The callable is missing, raises an error, or returns something that is not a torch module with
            parameters of known shapes.
    """
    module = OwnCode(layer.python, layer.args).call(**dict(layer.offered))
    if not isinstance(module, nn.Module):
        raise NotationError(f"{layer.python} returned {type(module).__name__}; allowed: a torch.nn.Module")
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise NotationError(f"{layer.python} has lazy parameters; allowed: layers whose sizes are given")
    return CustomModule(layer.python, module)


@lru_cache(maxsize=1024)
def count_custom(layer: Custom, shape: Shape) -> tuple[tuple[int, ...], Shape]:
    """(counts of a user-defined module for one image, output shape), measured on the meta device.

    Args:
        layer: The callable and its arguments.
        shape: (channels, height, width) of its input.

    Returns:
        The first six fields of counts.Counts in their order, and the output shape (channels, height, width).

    Raises:
        NotationError: The module cannot be made, raises an error, or returns something else than features or logits.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports Triton

    with torch.device("meta"):
        module = make_module(layer)
    outputs: list[int] = []
    held: dict[int, Tensor] = {}

    def note(part: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append(output.numel())

    def hold(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage()._cdata] = tensor
        return tensor

    batch = torch.empty((2, *shape), device="meta")  # two images, because batch norm does not accept one
    holding = torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor)
    with own_errors(layer.python), redirect_stdout(sys.stderr):
        for part in module.modules():
            if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
                part.register_forward_hook(note)
        with FlopCounterMode(display=False) as flops, holding:
            output = module.train()(batch)
        weights = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
        parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    dimensions = 4 if layer.stride else 2  # features of a block, or logits of a network
    if not isinstance(output, Tensor) or output.ndim != dimensions or len(output) != len(batch):
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        wanted = "(2, channels, height, width)" if layer.stride else "(2, classes)"
        raise NotationError(f"{layer.python} makes {found} of {tuple(batch.shape)}; allowed: {wanted}")
    kept = sum(tensor.numel() for storage, tensor in held.items() if storage not in weights) // 2
    counts = (parameters, flops.get_total_flops() // 4, sum(outputs) // 2, len(outputs), kept, kept)
    channels, height, width = (*output.shape[1:], 1, 1)[:3]
    return counts, (channels, height, width)
