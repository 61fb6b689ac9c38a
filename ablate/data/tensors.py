"""Images on the training device, and the normalization of a batch. Nothing here loops over single images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

CHUNK = 256  # images that are counted at a time; each pixel takes eight bytes during this


class LabelledTensors(NamedTuple):
    """Images and labels on the training device.

    Args:
        images: (N, H, W, C), uint8 or whitened float32.
        labels: int64 (N,).
    """

    images: Tensor
    labels: Tensor


class Normalization(NamedTuple):
    """The normalization (x - mean) / std, in units of 0..255.

    Args:
        mean: Of each channel, float32 (C,).
        std: Standard deviation of each channel, float32 (C,).
    """

    mean: Tensor
    std: Tensor


def to_tensors(images: Any, labels: Any, device: torch.device) -> LabelledTensors:
    """Images and labels on a device.

    Args:
        images: NumPy array (N, H, W, C).
        labels: NumPy array int64 (N,).
        device: The training device.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is mapped, and never written to
        pixels, classes = (torch.from_numpy(np.ascontiguousarray(array)) for array in (images, labels))
    return LabelledTensors(pixels.to(device), classes.to(device))


def mean_and_std(images: Tensor) -> Normalization:
    """The mean and standard deviation of each channel, in units of 0..255; a standard deviation of 0 is replaced by 1.

    The sums over the histogram are exact whole numbers, so the result does not depend on the order of addition.

    Args:
        images: uint8 (N, H, W, C).
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
    """The normalization by a given mean and standard deviation of each channel.

    Args:
        mean: C values, in units of 0..255.
        std: C values, in units of 0..255.
        device: The training device.
    """
    return Normalization(*(torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std)))


def normalize(images: Tensor, normalization: Normalization) -> Tensor:
    """Normalized images float32 (B, C, H, W) in channels_last memory.

    Args:
        images: (B, H, W, C), uint8 or whitened float32.
        normalization: As fitted to the training images.
    """
    scaled = (images.float() - normalization.mean) / normalization.std
    return scaled.permute(0, 3, 1, 2)
