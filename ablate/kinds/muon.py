"""Muon for the weights of layers and AdamW for all other parameters, as one optimizer.

torch's Muon takes matrices. The weight of a convolution, (out, in, h, w), is given to it as the matrix (out, in*h*w), which
shares its memory.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"; the rate's dependence on the shape is
`adjust_lr_fn` of torch.optim.Muon.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ablate.kinds.uncompiled import uncompiled
from ablate.registry import Settings


def as_matrix(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor as a matrix (out, all other dimensions), in the order in which `like` lies in memory.

    Args:
        tensor: Of at least two dimensions.
        like: Of the same shape. If it is in channels_last format, channels are the last dimension of the matrix's columns.
    """
    last = like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last)
    return (tensor.permute(0, 2, 3, 1) if last else tensor).reshape(len(tensor), -1)


class MuonAndAdamW:
    """Muon for parameters that are matrices of two rows and columns or more, AdamW for the others.

    Args:
        groups: Parameter groups, each with `params`; one may have its own `weight_decay`.
        arguments: `lr` and `weight_decay`, for both optimizers.
        settings: Fields of the entry muon.
    """

    def __init__(self, groups: list[dict[str, Any]], arguments: Settings, settings: Settings) -> None:
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.matrices: list[tuple[nn.Parameter, nn.Parameter]] = []  # (parameter, the matrix that shares its memory)
        matrices, others = [], []
        for group in groups:
            pairs = [(one, nn.Parameter(as_matrix(one.detach(), one))) for one in group["params"] if one.ndim > 1]
            pairs = [(one, matrix) for one, matrix in pairs if min(matrix.shape) > 1]
            shared = [(one, matrix) for one, matrix in pairs if matrix.data_ptr() == one.data_ptr()]
            self.matrices += shared
            taken = {id(one) for one, _ in shared}
            matrices.append({**group, "params": [matrix for _, matrix in shared]})
            others.append({**group, "params": [one for one in group["params"] if id(one) not in taken]})
        rate = {"lr": float(arguments["lr"]), "weight_decay": arguments["weight_decay"]}
        own = {key: settings[key] for key in ("momentum", "nesterov", "ns_steps")}
        adam = {key: settings[key] for key in ("betas", "eps")}
        made: list[tuple[Any, list[dict[str, Any]], dict[str, Any]]] = [
            (torch.optim.Muon, matrices, {**rate, **own, "adjust_lr_fn": settings["adjust_lr"]}),
            (torch.optim.AdamW, others, {**rate, **adam}),
        ]
        filled = [(kind, [one for one in each if one["params"]], options) for kind, each, options in made]
        self.optimizers: list[torch.optim.Optimizer] = [
            uncompiled(kind)(each, **options) for kind, each, options in filled if each
        ]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both optimizers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def state(self) -> dict[Any, Any]:
        """The states of both optimizers, by parameter or matrix."""
        return {key: value for optimizer in self.optimizers for key, value in optimizer.state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove all gradients.

        Args:
            set_to_none: As torch's optimizers take it; always done.
        """
        for parameter in (*self.parameters, *(matrix for _, matrix in self.matrices)):
            parameter.grad = None

    def step(self) -> None:
        """Update all parameters that have a gradient."""
        for parameter, matrix in self.matrices:
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad, parameter)
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both optimizers, for a checkpoint."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the states of both optimizers.

        Args:
            state: From state_dict().
        """
        for optimizer, each in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(each)
