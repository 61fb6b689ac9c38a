"""The table of optimizers. A package adds one by an entry point in the group `ablate.optimizers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ablate.registry import Kind, Registry, Settings

if TYPE_CHECKING:
    from torch.optim import Optimizer as TorchOptimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Optimizer(Kind):
    """An optimizer that a recipe can name.

    Args:
        build: (parameter groups, arguments, settings) -> the torch optimizer. The arguments are those that torch's
            optimizers share: `lr`, `weight_decay`, and the implementation of the update: `foreach`, `fused`.
        states: Settings -> how many float32 numbers the optimizer keeps for each weight.
    """

    build: Callable[[Any, Settings, Settings], TorchOptimizer]
    states: Callable[[Settings], int]


def _sgd(groups: Any, arguments: Settings, settings: Settings) -> TorchOptimizer:
    """torch's SGD with these settings."""
    import torch

    return torch.optim.SGD(groups, **arguments, **settings)


def _adam(groups: Any, arguments: Settings, settings: Settings) -> TorchOptimizer:
    """torch's Adam with these settings. A fused update is capturable, so that it can be part of a CUDA graph."""
    import torch

    return torch.optim.Adam(groups, **arguments, **settings, capturable=arguments["fused"])


def _check_sgd(settings: Settings) -> str:
    """The error in the settings of SGD; "" if there is none."""
    return "nesterov needs a momentum above 0" if settings["nesterov"] and settings["momentum"] == 0 else ""


OPTIMIZERS = Registry(
    "ablate.optimizers",
    Optimizer,
    Optimizer(
        name="sgd",
        words="SGD",
        fields={"momentum": Beta, "nesterov": bool},
        check=_check_sgd,
        build=_sgd,
        states=lambda settings: int(settings["momentum"] > 0),
    ),
    Optimizer(
        name="adam",
        words="Adam",
        fields={"betas": tuple[Beta, Beta], "eps": Annotated[float, Field(gt=0, le=1)]},
        build=_adam,
        states=lambda settings: 2,
    ),
)
