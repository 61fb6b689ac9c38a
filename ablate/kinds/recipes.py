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
        fields: Fields of Recipe, and of the optimizer, schedule and loss that it names, flat.
        explained: A description for the documentation.
        augment: The augmentation of data trained with it, as a study file writes it, unless the study sets `data.augment`;
            None: that of the data set.
        words: The name in captions and tables; by default `name` with spaces.
    """

    name: str
    fields: Mapping[str, Any]
    explained: str = ""
    augment: Any = None
    words: str = ""

    @property
    def title(self) -> str:
        """The name in captions and tables."""
        return self.words or self.name.replace("_", " ")


# Source: Zagoruyko and Komodakis, "Wide Residual Networks", section 3, and their code, which leaves the weights of batch
# norm as Torch7 draws them: uniform in 0..1.
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
    "init": "uniform",
}

# Source: the code of Xie et al., 2017, which multiplies the rate once epoch / 300 is above 0.49, and once it is above 0.74.
RESNEXT_CIFAR: dict[str, Any] = {
    **WRN_CIFAR,
    "epochs": 300,
    "milestones": (148 / 300, 223 / 300),
    "drop": 0.1,
    "momentum_at_drop": "keep",
    "init": {"convolution": "fan_out_all"},
}

# Source: the code of Huang et al., 2016; it trains on 45,000 images and chooses the epoch by the error on the other 5,000.
STOCHASTIC_DEPTH_CIFAR: dict[str, Any] = {**RESNEXT_CIFAR, "epochs": 500, "milestones": (0.5, 0.75), "weight_decay": 1e-4}

# Source: fb.resnet.torch, which multiplies the rate by 0.1 after every 30 full epochs.
FB_RESNET: dict[str, Any] = {
    **RESNEXT_CIFAR,
    "weight_decay": 1e-4,
    "batch_size": 256,
    "epochs": 90,
    "milestones": (31 / 90, 61 / 90),
}
FB_AUGMENT = [
    {"random_resized_crop": {"interpolation": "bicubic"}},
    {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}},
    {"lighting": 0.1},
    "flip",
]

# Source: torchvision's references/detection: SGD of 16 images a step, the rate rising over the first 1000 steps; and the
# "1x" schedule of Detectron, 12 epochs with drops after 8 and 11. 0.0114 of 12 epochs of COCO are 1000 steps.
DETECTION_1X: dict[str, Any] = {
    **WRN_CIFAR,
    "init": "ones",
    "lr": 0.02,
    "lr_batch_size": 16,
    "nesterov": False,
    "weight_decay": 1e-4,
    "batch_size": 16,
    "epochs": 12,
    "milestones": (8.5 / 12, 11.5 / 12),
    "drop": 0.1,
    "momentum_at_drop": "keep",
    "warmup": 0.0114,
    "per": "step",
}

# Source: studies/cifar_fast_search.yaml, on held-out training images; the best two of its 12 candidates had rates of 1.27
# and 0.95, and decays of 1.3e-4 and 1.5e-4. Networks without batch norm need a lower rate.
CIFAR_FAST: dict[str, Any] = {  # for a few minutes on two cores
    **WRN_CIFAR,
    "init": "ones",
    "lr": 1.0,
    "weight_decay": 1.5e-4,
    "epochs": 20,
    "schedule": "one_cycle",
    "cycle_momentum": False,  # a CUDA graph keeps its momentum
    "label_smoothing": 0.1,
}

CIFAR_MODERN: dict[str, Any] = {
    **WRN_CIFAR,
    "init": "ones",
    "optimizer": "adamw",
    "lr": 1e-3,
    "weight_decay": 0.05,
    "decay_on": "weights",
    "schedule": "cosine",
    "warmup": 0.025,  # 5 of 200 epochs
    "label_smoothing": 0.1,
    "cutmix": 1.0,
    "ema": 0.999,
}

# Source: Wightman et al., "ResNet strikes back", Table 2, procedure A3. The threshold is not in that table: it is the
# `--bce-target-thresh 0.2` of timm's training script in commands with which A2 and A3 are repeated.
# RandAugment's magnitude 6 of 10 is 18 of 30 here. The authors' code also varies the magnitude and leaves out half of the
# operations. Images of 160 pixels in training and 224 in tests are not part of a recipe.
IMAGENET_RSB_A3: dict[str, Any] = {
    **WRN_CIFAR,
    "init": "ones",
    "optimizer": "lamb",
    "lr": 8e-3,
    "weight_decay": 0.02,
    "decay_on": "weights",
    "eps": 1e-6,
    "batch_size": 2048,
    "epochs": 100,
    "schedule": "cosine",
    "warmup": 0.05,  # 5 epochs
    "per": "epoch",
    "loss": "bce",
    "target_threshold": 0.2,
    "mixup": 0.1,
    "cutmix": 1.0,
    "precision": "bfloat16",
}

RECIPES = Registry(
    "ablate.recipes",
    NamedRecipe,
    NamedRecipe("wrn_cifar", WRN_CIFAR, "wide residual networks on CIFAR, as in their paper", words="WRN on CIFAR"),
    NamedRecipe(
        "wrn_svhn",
        {**WRN_CIFAR, "lr": 0.01, "drop": 0.1, "epochs": 160, "milestones": (0.5, 0.75)},
        "wide residual networks on SVHN, as in their paper",
        words="WRN on SVHN",
    ),
    NamedRecipe("resnext_cifar", RESNEXT_CIFAR, "ResNeXt on CIFAR, as in its code", "flip_crop_zero", "ResNeXt on CIFAR"),
    NamedRecipe(
        "stochastic_depth_cifar",
        STOCHASTIC_DEPTH_CIFAR,
        "stochastic depth on CIFAR, as in its code",
        "flip_crop_zero",
        "stochastic depth on CIFAR",
    ),
    NamedRecipe(
        "fb_resnet",
        FB_RESNET,
        "residual networks on ImageNet, as in fb.resnet.torch; also those of WRN, section 3",
        FB_AUGMENT,
        "fb.resnet.torch on ImageNet",
    ),
    NamedRecipe(
        "resnext_imagenet",
        {**FB_RESNET, "epochs": 100, "milestones": (0.31, 0.61, 0.91)},
        "ResNeXt on ImageNet, as in its code",
        FB_AUGMENT,
        "ResNeXt on ImageNet",
    ),
    NamedRecipe(
        "adam",
        {**WRN_CIFAR, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "momentum_at_drop": "keep", "init": "ones"},
        "wrn_cifar with Adam",
        words="WRN with Adam",
    ),
    NamedRecipe(
        "detection_1x", DETECTION_1X, "detection in 12 epochs, as in torchvision's references", words="detection 1x"
    ),
    NamedRecipe("cifar_fast", CIFAR_FAST, "small images in a few minutes", words="fast CIFAR"),
    NamedRecipe(
        "cifar_modern",
        CIFAR_MODERN,
        "small images as in papers of today",
        ["crop", "flip", "trivial_augment"],
        "modern CIFAR",
    ),
    NamedRecipe(
        "imagenet_rsb_a3",
        IMAGENET_RSB_A3,
        'ImageNet in 100 epochs, as in "ResNet strikes back"',
        ["random_resized_crop", "flip", {"rand_augment": {"n": 2, "m": 18}}],
    ),
)
