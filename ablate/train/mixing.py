"""mixup and cutmix: each training batch is mixed with itself in reverse order, by one of the two or by neither.

Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization"; Yun et al., "CutMix"; the choice for each batch and the
pairs as in timm's Mixup in its mode "batch".
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ablate.kinds.losses import shares_of
from ablate.study.recipe import Recipe
from ablate.train.randomness import stream_seed


class Mixer:
    """Mixes the batches of a pass, one after the other.

    All draws of an epoch are made when it begins, on the CPU, and are a function of (seed, epoch). They are kept on the
    device, as is the position of the next batch, so that a step can be part of a CUDA graph.

    Args:
        recipe: Says alpha and probability of mixup and cutmix.
        classes: How many.
        batches: Of a pass.
        seed: Of the trial.
        device: Of the images.
    """

    def __init__(self, recipe: Recipe, classes: int, batches: int, seed: int, device: torch.device) -> None:
        self.recipe, self.classes, self.batches, self.seed = recipe, classes, batches, seed
        self.share = torch.ones(batches, device=device)  # of the image itself in mixup; 1: no mixup
        self.box = torch.zeros((batches, 4), device=device)  # of the other image, as parts of height and width; 0: none
        self.place = torch.zeros(1, dtype=torch.int64, device=device)

    def begin(self, epoch: int) -> None:
        """Start a pass and draw how its batches are mixed.

        Args:
            epoch: From 1.
        """
        share, box = draw_mixing(self.recipe, self.batches, stream_seed(self.seed, "mixing", epoch))
        self.share.copy_(share)
        self.box.copy_(box)
        self.place.zero_()

    def mix(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch: its images, and the shares of the classes in their labels, float32 (B, classes).

        Args:
            images: float32 (B, C, H, W), normalized.
            labels: int64 (B,).
        """
        share, box = self.share[self.place], self.box[self.place][0]
        self.place += 1
        height, width = images.shape[-2:]
        rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
        (top, bottom), (left, right) = torch.round(box[:2] * height), torch.round(box[2:] * width)
        outside = ((rows < top) | (rows >= bottom))[:, None] | ((columns < left) | (columns >= right))[None, :]
        own = share * outside  # the weight of the image itself in each pixel
        part = own.mean()
        shares = shares_of(labels, self.classes)
        return images * own + images.flip(0) * (1 - own), shares * part + shares.flip(0) * (1 - part)


def draw_mixing(recipe: Recipe, batches: int, seed: int) -> tuple[Tensor, Tensor]:
    """How each batch of an epoch is mixed.

    The choices and the centres of the boxes are the same numbers whatever alpha and probability are.

    Args:
        recipe: Says alpha and probability of mixup and cutmix.
        batches: How many.
        seed: Of the draws.

    Returns:
        The share of the image itself, float32 (batches,), 1 where mixup is not chosen; and the box that is taken from the
        other image, float32 (batches, 4) as top, bottom, left and right in parts of height and width, 0 where cutmix is
        not chosen. A box that reaches beyond the image is cut at its border.
    """
    random = np.random.default_rng(seed)
    choice, *centre = random.random((3, batches))
    mixup, cutmix = recipe.mixup_probability, recipe.cutmix_probability
    share = random.beta(recipe.mixup.alpha or 1, recipe.mixup.alpha or 1, batches)
    kept = random.beta(recipe.cutmix.alpha or 1, recipe.cutmix.alpha or 1, batches)
    share = np.where(choice < mixup, share, 1.0)
    half = np.sqrt(1 - kept) / 2
    edges = [np.clip(place + way * half, 0, 1) for place in centre for way in (-1, 1)]
    cut = (choice >= mixup) & (choice < mixup + cutmix)
    box = np.where(cut[:, None], np.stack(edges, 1), 0.0)
    return torch.from_numpy(share).float(), torch.from_numpy(box).float()
