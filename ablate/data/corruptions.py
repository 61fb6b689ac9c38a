"""The table of corruptions: copies of test images that a network has not been trained for, at a severity from 1 to 5.

A package adds one by an entry point in the group `ablate.corruptions`.

Source: Hendrycks and Dietterich, 2019, Benchmarking neural network robustness to common corruptions and perturbations; the
strengths are those of its CIFAR-10-C, for images of 32 x 32 pixels. They are computed anew, so no pixel is as published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablate.registry import Kind, Registry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, eq=False, kw_only=True)
class Corruption(Kind):
    """A corruption of images.

    Args:
        strengths: Of the severities 1 to 5.
        apply: (an image (H, W, C) in 0..1, the strength, a generator of random numbers) -> the image; it is clipped.
    """

    strengths: Sequence[float]
    apply: Callable[[Any, float, Any], Any]


def corrupt(name: str, severity: int, images: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Corrupted copies of images, uint8 (N, H, W, C).

    Args:
        name: Of the table.
        severity: From 1 to 5.
        images: uint8 (N, H, W, C).
        seed: Of the draws. An image's draws depend on it and on the images before it.
    """
    import numpy as np

    entry, random = CORRUPTIONS[name], np.random.default_rng(seed)
    corrupted = np.empty_like(images)
    for i, image in enumerate(images):
        changed = entry.apply(image / 255.0, entry.strengths[severity - 1], random)
        corrupted[i] = np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)
    return corrupted


def _by(name: str) -> Callable[[Any, float, Any], Any]:
    """A function of distortions.py, which is imported when it is called."""

    def apply(image: Any, strength: float, random: Any) -> Any:
        from ablate.data import distortions

        return getattr(distortions, name)(image, strength, random)

    return apply


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
    Corruption(
        name="impulse_noise", words="impulse noise", strengths=(0.01, 0.02, 0.03, 0.05, 0.07), apply=_by("impulse_noise")
    ),
    Corruption(
        name="gaussian_blur", words="Gaussian blur", strengths=(0.4, 0.6, 0.7, 0.8, 1.0), apply=_by("gaussian_blur")
    ),
    Corruption(name="brightness", words="brightness", strengths=(0.05, 0.1, 0.15, 0.2, 0.3), apply=_by("brightness")),
    Corruption(name="contrast", words="contrast", strengths=(0.75, 0.5, 0.4, 0.3, 0.15), apply=_by("contrast")),
    Corruption(name="pixelate", words="pixels made larger", strengths=(0.95, 0.9, 0.85, 0.75, 0.65), apply=_by("pixelate")),
    Corruption(
        name="jpeg_compression", words="JPEG compression", strengths=(80, 65, 58, 50, 40), apply=_by("jpeg_compression")
    ),
)
