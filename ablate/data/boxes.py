"""Boxes in images, drawn by area and aspect ratio: a crop that is scaled to the whole image, and pixels that are erased.

A box is (first row, first column, height, width) in pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ablate.data.tensors import mean_and_std
from ablate.registry import Settings

IMAGENET_MEAN = (124, 116, 104)  # of streamed images: the published mean of the pixels
CHUNK = 1024  # images that are summed at a time
TRIES = 10  # boxes that are drawn for an image; the first that it can hold counts


def _draw_boxes(
    n: int,
    side: int,
    generator: torch.Generator,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    largest: int,
    otherwise: tuple[int, int],
) -> Tensor:
    """Boxes of a uniform area and a uniform logarithm of the aspect ratio at a uniform place, int64 (N, 4).

    Args:
        n: Number of images.
        side: Of the images, in pixels.
        generator: On the CPU.
        scale: The least and the largest area, as a part of the image's.
        ratio: The least and the largest width : height.
        largest: Height and width that a box can have, in pixels.
        otherwise: (height, width) of the central box of an image for which no box was drawn that it can hold.
    """
    least, most = (math.log(each) for each in ratio)
    areas = side**2 * (scale[0] + (scale[1] - scale[0]) * torch.rand((n, TRIES), generator=generator))
    ratios = (least + (most - least) * torch.rand((n, TRIES), generator=generator)).exp()
    sizes = torch.stack([(areas / ratios).sqrt(), (areas * ratios).sqrt()], 2).round().long()
    fitting = ((sizes > 0) & (sizes <= largest)).all(2)
    chosen = sizes[torch.arange(n), fitting.int().argmax(1)]
    places = (torch.rand((n, 2), generator=generator) * (side - chosen + 1)).long()
    central = torch.tensor(otherwise)
    missing = ~fitting.any(1)
    chosen[missing] = central
    places[missing] = (side - central) // 2
    return torch.cat([places, chosen], 1)


def draw_crops(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """The box that each image is cropped to, int64 (N, 4).

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `scale` and `ratio`.

    Source:
        Szegedy et al., "Going Deeper with Convolutions", 2015; torchvision's RandomResizedCrop.
    """
    least, most = settings["ratio"]
    central = (side, round(side * most)) if most < 1 else (round(side / least), side) if least > 1 else (side, side)
    return _draw_boxes(n, side, generator, settings["scale"], settings["ratio"], side, central)


def crop_and_scale(images: Tensor, boxes: Tensor, fitted: Tensor | None = None) -> Tensor:
    """The boxes of the images, scaled to the size of the images with bilinear interpolation.

    A row of the result is a weighted sum of two rows of the box, and likewise a column, so both are matrix products. A box
    is never larger than the image, so it needs no filter against aliasing.

    Args:
        images: (B, H, W, C), uint8 or float32.
        boxes: int64 (B, 4).
        fitted: Not read.
    """
    rows, columns = (_weights(boxes[:, axis], boxes[:, axis + 2], images.shape[1])[:, None] for axis in (0, 1))
    scaled = (rows @ images.permute(0, 3, 1, 2).float() @ columns.transpose(2, 3)).permute(0, 2, 3, 1)
    return scaled.round().to(torch.uint8) if images.dtype == torch.uint8 else scaled


def _weights(first: Tensor, length: Tensor, side: int) -> Tensor:
    """The weights of source pixels along one axis, float32 (B, side, side), of `length` pixels scaled to `side`."""
    pixels = torch.arange(side, device=first.device)
    source = first[:, None] + (pixels + 0.5) * (length[:, None] / side) - 0.5
    source = torch.minimum(torch.maximum(source, first[:, None]), (first + length - 1)[:, None])
    return (1 - (pixels - source[:, :, None]).abs()).clamp(min=0)


def draw_erased(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """The box that is erased in each image, int64 (N, 4); its part outside of the image has no effect.

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `size` for a square around a random pixel; or `scale` and `ratio`; `probability`.

    Source:
        A square: DeVries and Taylor, "Cutout", 2017. By area: Zhong et al., "Random Erasing", 2020.
    """
    size, probability = settings["size"], settings["probability"]
    if size is None:
        boxes = _draw_boxes(n, side, generator, settings["scale"], settings["ratio"], side - 1, (0, 0))
    else:
        centers = torch.randint(0, side, (n, 2), generator=generator)
        boxes = torch.cat([centers - size // 2, torch.full((n, 2), size)], 1)
    chance = (1.0 if size else 0.5) if probability is None else probability
    erased = torch.rand((n,), generator=generator) < chance
    return boxes * erased[:, None]


def fit_fill(images: Tensor | None, settings: Settings) -> Tensor:
    """The value of erased pixels, of shape (C,) and the images' type: the mean of each channel, or 0.

    Args:
        images: The training images (N, H, W, C), uint8 or whitened float32; None for streamed images.
        settings: `fill`, "mean" or "zero".
    """
    if images is None:
        images = torch.tensor(IMAGENET_MEAN, dtype=torch.uint8).view(1, 1, 1, 3)
    channels = images.shape[-1]
    if settings["fill"] == "zero":
        return torch.zeros(channels, dtype=images.dtype, device=images.device)
    total = torch.zeros(channels, dtype=torch.float64, device=images.device)
    for first in range(0, len(images), CHUNK):
        pixels = images[first : first + CHUNK].flatten(1).float().sum(0).double()  # exact for whole numbers up to 255
        total += pixels.view(-1, channels).sum(0)
    mean = total / (images.numel() // channels)
    return (mean.round() if images.dtype == torch.uint8 else mean).to(images.dtype)


def fit_padding(images: Tensor | None, settings: Settings) -> Tensor | None:
    """The value of a padding that is zero after normalization, float32 (C,): the mean of each channel; None for others.

    Args:
        images: The training images, uint8 (N, H, W, C).
        settings: `mode`, "mean" or another.
    """
    return mean_and_std(images).mean if settings["mode"] == "mean" and images is not None else None


def erase(images: Tensor, boxes: Tensor, fitted: Tensor) -> Tensor:
    """The images with the pixels of their boxes replaced.

    Args:
        images: (B, H, W, C).
        boxes: int64 (B, 4).
        fitted: From fit_fill().
    """
    first, end = boxes[:, None, :2], (boxes[:, :2] + boxes[:, 2:])[:, None]
    places = torch.arange(images.shape[1], device=images.device)[None, :, None]
    inside = (places >= first) & (places < end)  # (B, side, axis)
    return torch.where((inside[:, :, None, 0] & inside[:, None, :, 1])[..., None], fitted, images)
