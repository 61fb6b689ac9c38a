"""The functions of the table of corruptions: (image (H, W, C) in 0..1, strength, random numbers) -> the image."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float64]  # (H, W, C) in 0..1


def brightness(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The value of each pixel in the HSV model raised; its hue and saturation are kept."""
    value = image.max(2, keepdims=True)
    raised = np.minimum(value + strength, 1)
    return np.asarray(np.where(value > 0, image * (raised / np.where(value > 0, value, 1)), raised))


def contrast(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The distance of each pixel from the mean of its channel made smaller."""
    mean = image.mean((0, 1), keepdims=True)
    return np.asarray((image - mean) * strength + mean)


def impulse_noise(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Some values set to 0 or 1."""
    draws = random.random(image.shape)
    return np.where(draws < strength / 2, 0.0, np.where(draws < strength, 1.0, image))


def gaussian_blur(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The image smoothed by a Gaussian, whose deviation is in pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, (strength, strength, 0), mode="nearest"))


def pixelate(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The image made smaller and larger again."""
    from PIL.Image import Resampling

    made, (height, width) = _pillow(image), image.shape[:2]
    small = made.resize((max(1, int(width * strength)), max(1, int(height * strength))), Resampling.BOX)
    return _array(small.resize((width, height), Resampling.NEAREST), image)


def jpeg_compression(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """The image after JPEG of a quality."""
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
