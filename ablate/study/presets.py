"""The named recipes and the facts of the named data sets, as data. Sources: WRN, section 3, and the authors' code."""

from __future__ import annotations

from typing import Any

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

RECIPES: dict[str, dict[str, Any]] = {
    "wrn_cifar": WRN_CIFAR,
    "wrn_svhn": {**WRN_CIFAR, "lr": 0.01, "drop": 0.1, "epochs": 160, "milestones": (0.5, 0.75)},
    "imagenet": {  # as residual networks are trained on ImageNet: Xie et al. 2017, section 4
        **WRN_CIFAR,
        "weight_decay": 1e-4,
        "batch_size": 256,
        "epochs": 90,
        "milestones": (1 / 3, 2 / 3),
        "drop": 0.1,
        "momentum_at_drop": "keep",
    },
    "adam": {**WRN_CIFAR, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "momentum_at_drop": "keep"},
}

# full: (training images, test images)
DATA_SETS: dict[str, dict[str, Any]] = {
    "digits": {
        "title": "Digits",
        "classes": 10,
        "image_size": 8,
        "channels": 1,
        "preprocess": "meanstd",
        "augment": "none",
        "full": (1297, 500),
    },
    "cifar10": {
        "title": "CIFAR-10",
        "classes": 10,
        "image_size": 32,
        "channels": 3,
        "preprocess": "meanstd",
        "augment": "flip_crop",
        "full": (50_000, 10_000),
    },
    "cifar100": {
        "title": "CIFAR-100",
        "classes": 100,
        "image_size": 32,
        "channels": 3,
        "preprocess": "meanstd",
        "augment": "flip_crop",
        "full": (50_000, 10_000),
    },
    "svhn": {
        "title": "SVHN",
        "classes": 10,
        "image_size": 32,
        "channels": 3,
        "preprocess": "scale",
        "augment": "none",
        "full": (604_388, 26_032),
    },
    "imagenet": {
        "title": "ImageNet",
        "classes": 1000,
        "image_size": 224,
        "channels": 3,
        "preprocess": "meanstd",
        "augment": "flip_crop",
        "full": (1_281_167, 50_000),
    },
    "image_folder": {"channels": 3, "preprocess": "meanstd", "augment": "flip_crop", "full": (None, None)},
}
