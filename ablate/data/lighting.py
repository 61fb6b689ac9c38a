"""Noise along the principal components of the colors of the training images.

Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablate.registry import Settings

CHUNK = 1024  # images that are summed at a time
IMAGENET = (  # rows: channels; columns: principal components times their eigenvalues, of pixels in 0..1
    (-0.5675 * 0.2175, 0.7192 * 0.0188, 0.4009 * 0.0045),
    (-0.5808 * 0.2175, -0.0045 * 0.0188, -0.8140 * 0.0045),
    (-0.5836 * 0.2175, -0.6948 * 0.0188, 0.4203 * 0.0045),
)  # published with the reference implementations for ImageNet


def draw_lighting(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """The factor of each principal component for each image, float32 (N, 3).

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `std`, the standard deviation of the factors.
    """
    return torch.randn((n, 3), generator=generator) * float(settings["std"])


def fit_components(images: Tensor | None, settings: Settings) -> Tensor:
    """The principal components of the pixels times their eigenvalues in 0..1, in units of 0..255, float32 (3, 3).

    The sums over the pixels are exact, so the result does not depend on the device.

    Args:
        images: The training images, uint8 (N, H, W, 3); None for ImageNet.
        settings: Not read.
    """
    if images is None:
        return _components(IMAGENET)
    total, products = (torch.zeros(shape, dtype=torch.float64, device=images.device) for shape in ((3,), (3, 3)))
    for first in range(0, len(images), CHUNK):
        pixels = images[first : first + CHUNK].reshape(-1, 3).double()
        total += pixels.sum(0)
        products += pixels.T @ pixels
    n = images.numel() // 3
    mean = total / n
    covariance = ((products / n - torch.outer(mean, mean)) / 255**2).cpu().numpy()
    values, vectors = np.linalg.eigh(covariance)
    return _components(vectors * values).to(images.device)


def _components(scaled: Any) -> Tensor:
    """The columns of a matrix, which are in 0..1, in units of 0..255, float32 (3, 3), each with a positive sum."""
    columns = np.asarray(scaled)
    return torch.tensor(255 * columns * np.where(columns.sum(0) < 0, -1, 1), dtype=torch.float32)


def light(images: Tensor, factors: Tensor, fitted: Tensor) -> Tensor:
    """The images with the same color added to all pixels of an image.

    Args:
        images: uint8 (B, H, W, 3).
        factors: float32 (B, 3).
        fitted: From fit_components().
    """
    shift = (factors @ fitted.T)[:, None, None]
    return (images + shift).round().clamp(0, 255).to(torch.uint8)
