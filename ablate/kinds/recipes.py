"""The table of named recipes. An entry has the fields that a study file would write: every field that has no default.

A package adds one by an entry point in the group `ablate.recipes`.

Source: WRN, section 3, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablate.registry import Registry


@dataclass(frozen=True, eq=False)
class NamedRecipe:
    """A recipe that a study file can name.

    Args:
        name: The name in study files.
        fields: Fields of Recipe, and of the optimizer and schedule that it names.
    """

    name: str
    fields: Mapping[str, Any]


WRN_CIFAR: dict[str, Any] = {
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 5e-4,
    "decay_on": "all",
    "batch_size": 128,
    "last_batch": "drop",
    "epochs": 200,
    "milestones": (0.3, 0.6, 0.8),  # epochs 60, 120 and 160
    "drop": 0.2,
    "momentum_at_drop": "discard",
    "precision": "float32",
}

RECIPES = Registry(
    "ablate.recipes",
    NamedRecipe,
    NamedRecipe("wrn_cifar", WRN_CIFAR),
    NamedRecipe("wrn_svhn", {**WRN_CIFAR, "lr": 0.01, "drop": 0.1, "epochs": 160, "milestones": (0.5, 0.75)}),
    NamedRecipe(
        "imagenet",  # for residual networks on ImageNet; source: Xie et al. 2017, section 4
        {
            **WRN_CIFAR,
            "weight_decay": 1e-4,
            "batch_size": 256,
            "epochs": 90,
            "milestones": (1 / 3, 2 / 3),
            "drop": 0.1,
            "momentum_at_drop": "keep",
        },
    ),
    NamedRecipe("adam", {**WRN_CIFAR, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "momentum_at_drop": "keep"}),
)
