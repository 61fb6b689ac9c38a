"""Images on the training device: one tensor from which batches are gathered, augmented and normalized.

Nothing here loops over images. A crop of a reflection-padded image is the image read at reflected indices, and a flip
is the columns read backwards, so a whole batch is one gather; the padded images never exist.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

CHUNK = 256  # images at a time that are counted: each pixel takes eight bytes meanwhile

Augmentation = Literal["flip_crop", "flip", "crop", "none"]
Preprocessing = Literal["meanstd", "zca", "scale", "none"]


class Part(NamedTuple):
    """Images (N, H, W, C), uint8 or whitened float32, and labels int64 (N,), on the training device."""

    images: Tensor
    labels: Tensor


class Draws(NamedTuple):
    """One augmentation of N images: shifts in pixels int64 (N, 2), rows first, and flips bool (N,); None leaves out."""

    shifts: Tensor | None
    flips: Tensor | None


class Normalization(NamedTuple):
    """(x - mean) / std, each float32 (C,), in units of 0..255."""

    mean: Tensor
    std: Tensor


def take_part(images: Any, labels: Any, device: torch.device) -> Part:
    """Images (N, H, W, C) and labels (N,), on the device."""
    return Part(torch.from_numpy(np.ascontiguousarray(images)).to(device), torch.from_numpy(labels).to(device))


def fit_normalization(kind: Preprocessing, images: Tensor) -> Normalization:
    """What `kind` makes of training images uint8 (N, H, W, C): meanstd per channel, scale to 0..1, or nothing.

    With zca the images are whitened already, float32, and nothing is left to do.
    """
    channels = images.shape[-1]
    assert images.is_floating_point() == (kind == "zca"), f"{images.dtype} images for {kind}"
    if kind == "meanstd":
        # Sums over the histogram are exact whole numbers, so the statistics do not depend on the order of adding.
        values = np.arange(256, dtype=np.int64)
        counts = np.zeros((channels, 256), np.int64)
        pixels = images.cpu().numpy()
        for first in range(0, len(pixels), CHUNK):
            flat = pixels[first : first + CHUNK].reshape(-1, channels)
            counts += [np.bincount(flat[:, channel], minlength=256) for channel in range(channels)]
        mean = [(n @ values) / n.sum() for n in counts]
        std = [np.sqrt((n @ values**2) / n.sum() - m**2) or 1.0 for n, m in zip(counts, mean)]
    else:
        mean, std = [0.0] * channels, [255.0 if kind == "scale" else 1.0] * channels
    return Normalization(*(torch.tensor(x, dtype=torch.float32, device=images.device) for x in (mean, std)))


def draw_augmentation(kind: Augmentation, n: int, image_size: int, generator: torch.Generator) -> Draws:
    """The draws for N images from a CPU generator, so that they are the same on every device.

    Crops shift by up to an eighth of the image: 4 pixels of 32, as the paper pads. Source: WRN, section 3.
    """
    pad = image_size // 8
    shifts = torch.randint(-pad, pad + 1, (n, 2), generator=generator) if "crop" in kind else None
    flips = torch.randint(0, 2, (n,), generator=generator).bool() if "flip" in kind else None
    return Draws(shifts, flips)


def gather(images: Tensor, index: Tensor, draws: Draws) -> Tensor:
    """The images at index (B,), augmented by draws for B images: (B, H, W, C) of their own type."""
    if draws.shifts is None and draws.flips is None:
        return images[index]
    height, width = images.shape[1:3]
    rows = torch.arange(height, device=images.device).expand(len(index), -1)
    columns = torch.arange(width, device=images.device).expand(len(index), -1)
    if draws.shifts is not None:
        rows = _reflect(rows + draws.shifts[:, :1], height)
        columns = _reflect(columns + draws.shifts[:, 1:], width)
    if draws.flips is not None:
        columns = torch.where(draws.flips[:, None], columns.flip(1), columns)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices that run out of 0..size-1 come back as in a mirror that does not repeat the edge."""
    index = index.abs()
    return size - 1 - (size - 1 - index).abs()


def normalize(images: Tensor, normalization: Normalization) -> Tensor:
    """Images (B, H, W, C), uint8 or whitened -> float32 (B, C, H, W) in channels_last memory."""
    scaled = (images.float() - normalization.mean) / normalization.std
    return scaled.permute(0, 3, 1, 2)
