"""Images on the training device, and how a batch of them is normalized. Nothing here loops over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

CHUNK = 256  # images at a time that are counted: each pixel takes eight bytes meanwhile


class LabelledTensors(NamedTuple):
    """Images (N, H, W, C), uint8 or whitened float32, and labels int64 (N,), on the training device."""

    images: Tensor
    labels: Tensor


class Normalization(NamedTuple):
    """(x - mean) / std, each float32 (C,), in units of 0..255."""

    mean: Tensor
    std: Tensor


def to_tensors(images: Any, labels: Any, device: torch.device) -> LabelledTensors:
    """Images (N, H, W, C) and labels (N,), on the device."""
    return LabelledTensors(torch.from_numpy(np.ascontiguousarray(images)).to(device), torch.from_numpy(labels).to(device))


def mean_and_std(images: Tensor) -> Normalization:
    """The mean and standard deviation of each channel of images uint8 (N, H, W, C): float32 (C,), in units of 0..255.

    Sums over the histogram are exact whole numbers, so the statistics do not depend on the order of adding.
    """
    channels = images.shape[-1]
    values = np.arange(256, dtype=np.int64)
    counts = np.zeros((channels, 256), np.int64)
    pixels = images.cpu().numpy()
    for first in range(0, len(pixels), CHUNK):
        flat = pixels[first : first + CHUNK].reshape(-1, channels)
        counts += [np.bincount(flat[:, channel], minlength=256) for channel in range(channels)]
    mean = [(n @ values) / n.sum() for n in counts]
    std = [np.sqrt((n @ values**2) / n.sum() - m**2) or 1.0 for n, m in zip(counts, mean)]
    return constant_normalization(mean, std, images.device)


def constant_normalization(mean: Sequence[float], std: Sequence[float], device: torch.device) -> Normalization:
    """The normalization by a given mean and standard deviation of each channel, in units of 0..255."""
    return Normalization(*(torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std)))


def normalize(images: Tensor, normalization: Normalization) -> Tensor:
    """Images (B, H, W, C), uint8 or whitened -> float32 (B, C, H, W) in channels_last memory."""
    scaled = (images.float() - normalization.mean) / normalization.std
    return scaled.permute(0, 3, 1, 2)
