"""The table of named recipes, as data. Sources: WRN, section 3, and the authors' code.

A recipe stands here as a study file would write it: every field that has no default. A package adds one by an entry point
in the group `ablate.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablate.registry import Registry


@dataclass(frozen=True, eq=False)
class NamedRecipe:
    """A recipe by its name in study files; fields: of Recipe, and of the entries that it names."""

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
        "imagenet",  # as residual networks are trained on ImageNet: Xie et al. 2017, section 4
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
