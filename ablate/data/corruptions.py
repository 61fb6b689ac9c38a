"""The table of corruptions: copies of test images that a network has not been trained for, at a severity from 1 to 5.

A package adds one by an entry point in the group `ablate.corruptions`.

Source: Hendrycks and Dietterich, 2019, Benchmarking neural network robustness to common corruptions and perturbations; the
strengths are those of its CIFAR-10-C, for images of 32 x 32 pixels. They are computed anew, so no pixel is as published.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ablate.registry import Kind, Registry

Pixels = npt.NDArray[np.float64]  # (H, W, C) in 0..1


@dataclass(frozen=True, eq=False, kw_only=True)
class Corruption(Kind):
    """A corruption of images.

    Args:
        strengths: Of the severities 1 to 5.
        apply: (an image (H, W, C) in 0..1, the strength, a generator of random numbers) -> the image; it is clipped.
    """

    strengths: Sequence[float]
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


def corrupt(name: str, severity: int, images: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Corrupted copies of images, uint8 (N, H, W, C).

    Args:
        name: Of the table.
        severity: From 1 to 5.
        images: uint8 (N, H, W, C).
        seed: Of the draws. An image's draws depend on it and on the images before it.
    """
    entry, random = CORRUPTIONS[name], np.random.default_rng(seed)
    corrupted = np.empty_like(images)
    for i, image in enumerate(images):
        changed = entry.apply(image / 255.0, entry.strengths[severity - 1], random)
        corrupted[i] = np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)
    return corrupted


def _brightness(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The value of each pixel in the HSV model raised; its hue and saturation are kept."""
    value = image.max(2, keepdims=True)
    raised = np.minimum(value + strength, 1)
    return np.asarray(np.where(value > 0, image * (raised / np.where(value > 0, value, 1)), raised))


def _contrast(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    mean = image.mean((0, 1), keepdims=True)
    return np.asarray((image - mean) * strength + mean)


def _impulse_noise(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    draws = random.random(image.shape)
    return np.where(draws < strength / 2, 0.0, np.where(draws < strength, 1.0, image))


def _gaussian_blur(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, (strength, strength, 0), mode="nearest"))


def _pixelate(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    from PIL.Image import Resampling

    made, (height, width) = _pillow(image), image.shape[:2]
    small = made.resize((max(1, int(width * strength)), max(1, int(height * strength))), Resampling.BOX)
    return _array(small.resize((width, height), Resampling.NEAREST), image)


def _jpeg_compression(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    from PIL import Image

    buffer = io.BytesIO()
    _pillow(image).save(buffer, "JPEG", quality=int(strength))
    with Image.open(buffer, formats=("JPEG",)) as opened:
        return _array(opened, image)


def _pillow(image: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(np.rint(image * 255).astype(np.uint8).squeeze())


def _array(image: Any, like: Pixels) -> Pixels:
    return np.asarray(image).reshape(like.shape) / 255.0


CORRUPTIONS = Registry(
    "ablate.corruptions",
    Corruption,
    Corruption(
        name="gaussian_noise",
        words="Gaussian noise",
        strengths=(0.04, 0.06, 0.08, 0.09, 0.10),
        apply=lambda image, strength, random: image + random.normal(0, strength, image.shape),
    ),
    Corruption(
        name="shot_noise",
        words="shot noise",
        strengths=(500, 250, 100, 75, 50),
        apply=lambda image, strength, random: random.poisson(image * strength) / strength,
    ),
    Corruption(name="impulse_noise", words="impulse noise", strengths=(0.01, 0.02, 0.03, 0.05, 0.07), apply=_impulse_noise),
    Corruption(name="gaussian_blur", words="Gaussian blur", strengths=(0.4, 0.6, 0.7, 0.8, 1.0), apply=_gaussian_blur),
    Corruption(name="brightness", words="brightness", strengths=(0.05, 0.1, 0.15, 0.2, 0.3), apply=_brightness),
    Corruption(name="contrast", words="contrast", strengths=(0.75, 0.5, 0.4, 0.3, 0.15), apply=_contrast),
    Corruption(name="pixelate", words="pixels made larger", strengths=(0.95, 0.9, 0.85, 0.75, 0.65), apply=_pixelate),
    Corruption(name="jpeg_compression", words="JPEG compression", strengths=(80, 65, 58, 50, 40), apply=_jpeg_compression),
)
